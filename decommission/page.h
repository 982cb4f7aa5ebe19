/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - text and boxes on one page A4, for certificate_render()
 *
 * Units: points, from the upper left corner.
 *
 *   G1  No text leaves the width that it is given: what is too long is cut, and PAGE_CUT stands at
 *       its end.
 *   G2  A character that the font has not is drawn as its number, never as an empty box.
 */
#ifndef SPOOLGUARD_DECOMMISSION_PAGE_H
#define SPOOLGUARD_DECOMMISSION_PAGE_H

#include "decommission/record.h"
#include <cairo.h>

#define PAGE_WIDTH  595.276
#define PAGE_HEIGHT 841.89
#define PAGE_MARGIN 34.0
#define PAGE_INNER  (PAGE_WIDTH - 2 * PAGE_MARGIN)
#define PAGE_CUT    "\xe2\x80\xa6 [JSON]"

struct page {
	cairo_t *cairo;
	double y; /* the next line's top */
};

struct page_style {
	double size;
	bool bold;
};

/* baseline at y; returns the width that was drawn. */
double page_text(struct page *page, double x, double y, double width, struct page_style style,
	const char *text);
/* From page->y on, at most "lines" lines, the last one cut; moves page->y behind them. */
void page_wrap(struct page *page, double x, double width, struct page_style style,
	unsigned int lines, const char *text);
/* How many lines that would take, without a limit. */
unsigned int page_lines(struct page *page, double width, struct page_style style, const char *text);
/* A section's title, with a rule; moves page->y. */
void page_title(struct page *page, const char *text);
void page_rule(struct page *page, double x, double y, double width, double gray);

/* The medium as a band: at its place what was verified, written, refused, hidden; and a legend.
 * Moves page->y. */
void page_band(struct page *page, const struct record *record);

#endif
