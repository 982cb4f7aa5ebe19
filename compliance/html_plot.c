/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html_plot.c - jobs and debt by day, as SVG in the page
 *
 * Two drawings with the same days below one another: numbers of jobs and bytes have no scale in
 * common.  Units: those of the drawing's own box, which the page scales to its width.  Each day
 * has a title, which a browser shows when it is pointed at, and a screen reader reads.
 */
#include "compliance/html_impl.h"
#include <inttypes.h>

#define WIDTH	640.0
#define HEIGHT	150.0
#define LEFT	64.0
#define BOTTOM	24.0
#define TOP	12.0
#define GAP_MAX 2.0 /* between two days' bars */

/* The next number of the kind 1, 2, 5 times a power of ten. */
static uint64_t round_up(uint64_t value)
{
	uint64_t power = 1;

	if (value <= 1)
		return 1;
	while (power <= UINT64_MAX / 10 && power * 10 <= value)
		power *= 10;
	for (uint64_t step = 1; step <= 5; step += step == 1 ? 1 : 3) {
		if (value <= step * power)
			return step * power;
	}
	return power <= UINT64_MAX / 10 ? 10 * power : UINT64_MAX;
}

static double height_of(uint64_t value, uint64_t top)
{
	return (HEIGHT - TOP - BOTTOM) * (double)value / (double)top;
}

static void begin(FILE *to, const char *what)
{
	fprintf(to,
		"<figure><figcaption>%s</figcaption>\n"
		"<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n",
		what, WIDTH, HEIGHT, what);
}

/* The base line, and the greatest value with its line. */
static void scale(FILE *to, uint64_t top, bool is_bytes)
{
	double base = HEIGHT - BOTTOM;

	fprintf(to,
		"<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/><path class=\"grid\" d=\"M%.1f "
		"%.1fH%.1f\"/>\n"
		"<text x=\"%.1f\" y=\"%.1f\" class=\"left\">0</text>"
		"<text x=\"%.1f\" y=\"%.1f\" class=\"left\">",
		LEFT, base, WIDTH, LEFT, TOP, WIDTH, LEFT - 6, base + 4, LEFT - 6, TOP + 4);
	if (is_bytes)
		html_bytes(to, top);
	else
		fprintf(to, "%" PRIu64, top);
	fputs("</text>\n", to);
}

static void first_and_last_day(FILE *to, const struct compliance_day *days, size_t count)
{
	fprintf(to, "<text x=\"%.1f\" y=\"%.1f\">", LEFT, HEIGHT - 6);
	html_text(to, days[0].day);
	fputs("</text>", to);
	if (count > 1) {
		fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" class=\"left\">", WIDTH, HEIGHT - 6);
		html_text(to, days[count - 1].day);
		fputs("</text>", to);
	}
	fputs("</svg></figure>\n", to);
}

static void bar(FILE *to, const char *class, double x, double width, double y, double height)
{
	if (height > 0)
		fprintf(to,
			"<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
			class, x, y, width, height);
}

/* Failed jobs stand on the retired ones. */
static void jobs(FILE *to, const struct compliance_day *days, size_t count)
{
	double step = (WIDTH - LEFT) / (double)count, base = HEIGHT - BOTTOM;
	double gap = step > 2 * GAP_MAX ? GAP_MAX : step / 4;
	uint64_t top = 1;

	for (size_t i = 0; i < count; i++) {
		uint64_t both = days[i].retired_jobs + days[i].failed_jobs;

		if (both > top)
			top = both;
	}
	top = round_up(top);
	begin(to, "Jobs retired each day (and, on top, failed ones)");
	scale(to, top, false);
	for (size_t i = 0; i < count; i++) {
		double x = LEFT + step * (double)i, retired = height_of(days[i].retired_jobs, top);
		double failed = height_of(days[i].failed_jobs, top);

		fputs("<g><title>", to);
		html_text(to, days[i].day);
		fprintf(to, ": %" PRIu64 " retired, %" PRIu64 " failed</title>",
			days[i].retired_jobs, days[i].failed_jobs);
		bar(to, "good", x, step - gap, base - retired, retired);
		bar(to, "bad", x, step - gap, base - retired - failed, failed);
		fputs("</g>\n", to);
	}
	first_and_last_day(to, days, count);
}

static void debt(FILE *to, const struct compliance_day *days, size_t count)
{
	double step = (WIDTH - LEFT) / (double)count, base = HEIGHT - BOTTOM;
	double gap = step > 2 * GAP_MAX ? GAP_MAX : step / 4;
	uint64_t top = 1;

	for (size_t i = 0; i < count; i++) {
		if (days[i].debt_bytes > top)
			top = days[i].debt_bytes;
	}
	top = round_up(top);
	begin(to, "Greatest debt each day: bytes freed and not yet overwritten");
	scale(to, top, true);
	for (size_t i = 0; i < count; i++) {
		double height = height_of(days[i].debt_bytes, top);

		fputs("<g><title>", to);
		html_text(to, days[i].day);
		fputs(": ", to);
		html_bytes(to, days[i].debt_bytes);
		fputs("</title>", to);
		bar(to, "debt", LEFT + step * (double)i, step - gap, base - height, height);
		fputs("</g>\n", to);
	}
	first_and_last_day(to, days, count);
}

void html_plot(FILE *to, const struct compliance_day *days, size_t count)
{
	if (count == 0) {
		fputs("<p>No day has been recorded yet.</p>\n", to);
		return;
	}
	jobs(to, days, count);
	debt(to, days, count);
}
