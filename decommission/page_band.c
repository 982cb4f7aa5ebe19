/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page_band.c - the medium from its first byte to its last
 *
 * Each area stands at its place; a single sector is as wide as a pen, so that none is lost on a
 * large drive.  Refused sectors stand out above the band and mismatched ones below, so that they
 * are told apart on a printer without colours.  Of a sample it is not known which blocks were read:
 * the whole is drawn as read back by sample.
 */
#include "base/bytes.h"
#include "decommission/page.h"
#include <stdio.h>

#define BAND_HEIGHT 15.0
#define OVERHANG    4.0
#define PEN	    0.8

enum area {
	AREA_VERIFIED,
	AREA_SAMPLED,
	AREA_WRITTEN,
	AREA_LEFT, /* not overwritten */
	AREA_REFUSED,
	AREA_MISMATCHED,
	AREA_HIDDEN,
	AREA_OPENED,
	AREAS
};

static const struct {
	const char *text;
	double red, green, blue;
} areas[AREAS] = {
	[AREA_VERIFIED] = {"verified", 0.10, 0.50, 0.25},
	[AREA_SAMPLED] = {"written, read back in part", 0.55, 0.80, 0.55},
	[AREA_WRITTEN] = {"written, not verified", 0.98, 0.85, 0.40},
	[AREA_LEFT] = {"not overwritten", 0.93, 0.93, 0.93},
	[AREA_REFUSED] = {"refused", 0.80, 0.05, 0.05},
	[AREA_MISMATCHED] = {"read back otherwise", 0.55, 0.10, 0.65},
	[AREA_HIDDEN] = {"hidden, not reached", 0.15, 0.15, 0.15},
	[AREA_OPENED] = {"was hidden, opened", 0.10, 0.30, 0.80},
};

struct band {
	struct page *page;
	double top, bytes; /* of the whole */
	bool drawn[AREAS];
};

static void set_colour(struct page *page, enum area area)
{
	cairo_set_source_rgb(page->cairo, areas[area].red, areas[area].green, areas[area].blue);
}

/* Bytes from "first" to "end". */
static void fill(
	struct band *band, enum area area, double first, double end, double top, double height)
{
	double x = PAGE_MARGIN + first / band->bytes * PAGE_INNER;
	double width = (end - first) / band->bytes * PAGE_INNER;

	if (end <= first)
		return;
	width = width < PEN ? PEN : width;
	if (x + width > PAGE_MARGIN + PAGE_INNER)
		x = PAGE_MARGIN + PAGE_INNER - width;
	set_colour(band->page, area);
	cairo_rectangle(band->page->cairo, x, top, width, height);
	cairo_fill(band->page->cairo);
	band->drawn[area] = true;
}

static void fill_list(struct band *band, enum area area, const struct extent_list *list,
	uint32_t block_bytes, double top)
{
	for (size_t i = 0; i < list->count; i++)
		fill(band, area, (double)list->items[i].first * block_bytes,
			(double)extent_end(list->items[i]) * block_bytes, top,
			BAND_HEIGHT + OVERHANG);
}

/* --- how far it came --- */

/* What took every pass, from the first byte on. */
static double written_end(const struct record_overwrite *overwrite)
{
	if (overwrite->pass_count == 0)
		return 0;
	if (overwrite->reached.pass >= overwrite->pass_count)
		return (double)overwrite->requested_bytes;
	if (overwrite->reached.pass + 1 == overwrite->pass_count)
		return (double)overwrite->reached.done_blocks * overwrite->block_bytes;
	return 0;
}

static enum area written_area(const struct record_overwrite *overwrite)
{
	const uint64_t listed = extent_list_blocks(&overwrite->refused) +
				extent_list_blocks(&overwrite->mismatched);

	if (overwrite->verified_bytes == 0)
		return AREA_WRITTEN;
	return overwrite->verify == RECORD_VERIFY_FULL &&
			       overwrite->verified_bytes + listed * overwrite->block_bytes >=
				       overwrite->requested_bytes
		       ? AREA_VERIFIED
		       : AREA_SAMPLED;
}

static double whole_bytes(const struct record *record)
{
	uint64_t bytes = record->bytes;

	if (record->hidden.bytes_native > bytes)
		bytes = record->hidden.bytes_native;
	return bytes > 0 ? (double)bytes : 1;
}

static void fill_hidden(struct band *band, const struct record *record)
{
	const struct record_hidden *hidden = &record->hidden;

	fill(band, AREA_HIDDEN, (double)record->bytes, (double)hidden->bytes_native, band->top,
		BAND_HEIGHT);
	if (hidden->lifted && hidden->bytes_after > hidden->bytes_before)
		fill(band, AREA_OPENED, (double)hidden->bytes_before, (double)hidden->bytes_after,
			band->top + BAND_HEIGHT - 3, 3);
}

/* --- legend --- */

static void draw_scale(struct band *band)
{
	char text[96], size[32];

	page_text(band->page, PAGE_MARGIN, band->top + BAND_HEIGHT + OVERHANG + 7, 60,
		(struct page_style){6, false}, "byte 0");
	snprintf(text, sizeof(text), "%llu bytes (%s)", (unsigned long long)band->bytes,
		bytes_format_size((uint64_t)band->bytes, size, sizeof(size)));
	page_text(band->page, PAGE_MARGIN + PAGE_INNER - 150,
		band->top + BAND_HEIGHT + OVERHANG + 7, 150, (struct page_style){6, false}, text);
}

static void draw_legend(struct band *band, double y)
{
	double x = PAGE_MARGIN;

	for (int area = 0; area < AREAS; area++) {
		if (!band->drawn[area])
			continue;
		set_colour(band->page, (enum area)area);
		cairo_rectangle(band->page->cairo, x, y - 5.5, 6, 6);
		cairo_fill(band->page->cairo);
		cairo_set_source_rgb(band->page->cairo, 0, 0, 0);
		x += 9 +
		     page_text(band->page, x + 9, y, 120, (struct page_style){6.3, false},
			     areas[area].text) +
		     11;
	}
}

void page_band(struct page *page, const struct record *record)
{
	const struct record_overwrite *overwrite = &record->overwrite;
	struct band band = {
		.page = page, .top = page->y + OVERHANG + 1, .bytes = whole_bytes(record)};
	double written = written_end(overwrite);

	if (written > (double)record->bytes)
		written = (double)record->bytes;
	fill(&band, AREA_LEFT, written, (double)record->bytes, band.top, BAND_HEIGHT);
	fill(&band, written_area(overwrite), 0, written, band.top, BAND_HEIGHT);
	fill_hidden(&band, record);
	fill_list(&band, AREA_MISMATCHED, &overwrite->mismatched, overwrite->block_bytes, band.top);
	fill_list(&band, AREA_REFUSED, &overwrite->refused, overwrite->block_bytes,
		band.top - OVERHANG);
	cairo_set_source_rgb(page->cairo, 0, 0, 0);
	cairo_set_line_width(page->cairo, 0.5);
	cairo_rectangle(page->cairo, PAGE_MARGIN, band.top, PAGE_INNER, BAND_HEIGHT);
	cairo_stroke(page->cairo);
	draw_scale(&band);
	draw_legend(&band, band.top + BAND_HEIGHT + OVERHANG + 17);
	page->y = band.top + BAND_HEIGHT + OVERHANG + 20;
}
