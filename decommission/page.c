/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/page.h"
#include "base/utf8.h"
#include <stdio.h>
#include <string.h>

#define FONT	   "DejaVu Sans"
#define SHOWN_MAX  (4 * RECORD_LINE_BYTES + 64)
#define LINE_RATIO 1.28 /* of a line's height to its letters' size */

static void set_style(struct page *page, struct page_style style)
{
	cairo_select_font_face(page->cairo, FONT, CAIRO_FONT_SLANT_NORMAL,
		style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(page->cairo, style.size);
}

static bool has_glyph(struct page *page, const char *at, size_t bytes)
{
	cairo_glyph_t *glyphs = NULL;
	bool has = true;
	int count = 0;

	if (cairo_scaled_font_text_to_glyphs(cairo_get_scaled_font(page->cairo), 0, 0, at,
		    (int)bytes, &glyphs, &count, NULL, NULL, NULL) != CAIRO_STATUS_SUCCESS)
		return false;
	for (int i = 0; i < count; i++)
		has = has && glyphs[i].index != 0;
	cairo_glyph_free(glyphs);
	return has;
}

/* G2; control characters and what is no UTF-8 are \xNN. */
static void make_shown(struct page *page, const char *text, char shown[static SHOWN_MAX])
{
	char printable[SHOWN_MAX];
	size_t used = 0, at = 0, length;

	(void)utf8_printable(text, strlen(text), printable, sizeof(printable));
	length = strlen(printable);
	while (at < length && used < SHOWN_MAX - 16) {
		uint32_t point;
		size_t bytes = utf8_decode((const uint8_t *)printable + at, length - at, &point);

		if (bytes == 0)
			break;
		if (has_glyph(page, printable + at, bytes)) {
			memcpy(shown + used, printable + at, bytes);
			used += bytes;
		} else {
			used += (size_t)snprintf(shown + used, 16, "[U+%04X]", (unsigned int)point);
		}
		at += bytes;
	}
	shown[used] = '\0';
}

static double width_of(struct page *page, const char *text)
{
	cairo_text_extents_t extents;

	cairo_text_extents(page->cairo, text, &extents);
	return extents.x_advance;
}

/* The longest beginning, in whole characters, that fits into width. */
static size_t fitting(struct page *page, const char *text, double width)
{
	char part[SHOWN_MAX];
	size_t low = 0, high = strlen(text);

	memcpy(part, text, high + 1);
	if (width_of(page, text) <= width)
		return high;
	while (low < high) {
		size_t middle = (low + high + 1) / 2;

		memcpy(part, text, middle);
		part[middle] = '\0';
		while (middle > 0 && ((unsigned char)text[middle] & 0xc0) == 0x80)
			part[--middle] = '\0';
		if (middle <= low || width_of(page, part) > width)
			high = middle > low ? middle - 1 : low;
		else
			low = middle;
	}
	while (low > 0 && ((unsigned char)text[low] & 0xc0) == 0x80)
		low--;
	return low;
}

static void cut_to_width(struct page *page, char shown[static SHOWN_MAX], double width)
{
	size_t keep;

	if (width_of(page, shown) <= width)
		return;
	keep = fitting(page, shown, width - width_of(page, PAGE_CUT));
	memcpy(shown + keep, PAGE_CUT, sizeof(PAGE_CUT));
}

static double draw(struct page *page, double x, double y, const char *shown)
{
	cairo_move_to(page->cairo, x, y);
	cairo_show_text(page->cairo, shown);
	return width_of(page, shown);
}

double page_text(struct page *page, double x, double y, double width, struct page_style style,
	const char *text)
{
	char shown[SHOWN_MAX];

	set_style(page, style);
	make_shown(page, text, shown);
	cut_to_width(page, shown, width);
	return draw(page, x, y, shown);
}

/* Where the line that begins there ends: behind a space if there is one. */
static size_t line_end(struct page *page, const char *text, double width)
{
	size_t end = fitting(page, text, width), at = end;

	if (text[end] == '\0')
		return end;
	while (at > 0 && text[at - 1] != ' ')
		at--;
	return at > 0 ? at : end > 0 ? end : 1;
}

unsigned int page_lines(struct page *page, double width, struct page_style style, const char *text)
{
	char shown[SHOWN_MAX];
	const char *at = shown;
	unsigned int lines = 0;

	set_style(page, style);
	make_shown(page, text, shown);
	for (; *at != '\0'; lines++)
		at += line_end(page, at, width);
	return lines;
}

void page_wrap(struct page *page, double x, double width, struct page_style style,
	unsigned int lines, const char *text)
{
	char shown[SHOWN_MAX], line[SHOWN_MAX];
	const char *at = shown;

	set_style(page, style);
	make_shown(page, text, shown);
	for (unsigned int i = 0; i < lines && *at != '\0'; i++) {
		size_t end = i + 1 < lines ? line_end(page, at, width) : strlen(at);

		memcpy(line, at, end);
		line[end] = '\0';
		cut_to_width(page, line, width);
		(void)draw(page, x, page->y + style.size, line);
		page->y += style.size * LINE_RATIO;
		at += end;
	}
}

void page_rule(struct page *page, double x, double y, double width, double gray)
{
	cairo_save(page->cairo);
	cairo_set_source_rgb(page->cairo, gray, gray, gray);
	cairo_set_line_width(page->cairo, 0.5);
	cairo_move_to(page->cairo, x, y);
	cairo_line_to(page->cairo, x + width, y);
	cairo_stroke(page->cairo);
	cairo_restore(page->cairo);
}

void page_title(struct page *page, const char *text)
{
	page->y += 5;
	(void)page_text(
		page, PAGE_MARGIN, page->y + 8, PAGE_INNER, (struct page_style){7.5, true}, text);
	page->y += 10.5;
	page_rule(page, PAGE_MARGIN, page->y, PAGE_INNER, 0.3);
	page->y += 1.5;
}
