/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html.c - the report as one page, for a person: on a telephone, on a desk, on paper
 *
 * No script, and nothing is fetched: the page's policy forbids both, so that what it shows is what
 * was found.  Every text from outside goes through html_text().  States are told by words; colour
 * only helps.  What is not met comes first, with its remedy.
 */
#include "compliance/html_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
	":root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--good:#1a7f37;"
	"--bad:#b42318;--open:#8a5a00;--debt:#3b6ea8}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--line:#3d444d;"
	"--paper:#0d1117;--good:#57ab5a;--bad:#f47067;--open:#d29922;--debt:#6ea8e6}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:60rem;padding:1rem;color:var(--ink);background:var(--paper);"
	"font:1rem/1.45 system-ui,sans-serif;overflow-wrap:anywhere}\n"
	"h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .4em}\n"
	"h3{font-size:1rem;margin:0}p{margin:.3em 0}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6em 0}\n"
	"dt{color:var(--soft)}dd{margin:0}\n"
	".counts{display:flex;flex-wrap:wrap;gap:.6rem;margin:1em 0}\n"
	".counts b{display:block;font-size:1.6rem}\n"
	".counts div,article{border:1px solid var(--line);border-radius:.4rem;padding:.5rem "
	".8rem}\n"
	"article{margin:.6rem 0;border-left-width:.4rem;break-inside:avoid}\n"
	".met{border-left-color:var(--good)}.not-met{border-left-color:var(--bad)}\n"
	".cannot-tell{border-left-color:var(--open)}\n"
	".state{font-weight:600}.met .state{color:var(--good)}.not-met .state{color:var(--bad)}\n"
	".cannot-tell .state{color:var(--open)}.soft{color:var(--soft);font-size:.9rem}\n"
	"figure{margin:1em "
	"0}figcaption{font-size:.9rem;color:var(--soft)}svg{width:100%;height:auto}\n"
	"details{font-size:.9rem}ul{margin:.3em 0;padding-left:1.2em}article li "
	".state{color:inherit}\n"
	"svg text{font-size:12px;fill:var(--soft)}svg .left{text-anchor:end}\n"
	"svg .axis{stroke:var(--soft);fill:none}svg .grid{stroke:var(--line);fill:none}\n"
	"svg .good{fill:var(--good)}svg .bad{fill:var(--bad)}svg .debt{fill:var(--debt)}\n"
	"table{border-collapse:collapse;width:100%;font-size:.9rem}\n"
	"td,th{border-bottom:1px solid var(--line);padding:.3rem .5rem .3rem 0;text-align:left;"
	"vertical-align:top}\n"
	"@media print{body{max-width:none;font-size:10pt;padding:0}h2{break-after:avoid}}\n";

void html_text(FILE *to, const char *text)
{
	for (const char *at = text ? text : ""; *at; at++) {
		switch (*at) {
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '&':
			fputs("&amp;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		case '\'':
			fputs("&#39;", to);
			break;
		default:
			if ((unsigned char)*at < ' ' || *at == 0x7f)
				fputc(' ', to);
			else
				fputc(*at, to);
		}
	}
}

void html_bytes(FILE *to, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < ARRAY_SIZE(units) - 1) {
		value /= 1024;
		unit++;
	}
	fprintf(to, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void element(FILE *to, const char *tag, const char *text)
{
	fprintf(to, "<%s>", tag);
	html_text(to, text);
	fprintf(to, "</%s>", tag);
}

static void detail(FILE *to, const char *term, const char *text)
{
	if (!text || !text[0])
		return;
	element(to, "dt", term);
	element(to, "dd", text);
	fputc('\n', to);
}

static void head(FILE *to, const struct compliance_report *report)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'\">\n<title>spoolguard: technical controls of ",
		to);
	html_text(to, report->host);
	fprintf(to, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>Technical controls of ",
		style);
	html_text(to, report->host);
	fputs("</h1>\n<p>What this device was seen to do itself. \"Met\" speaks of the device's "
	      "technical part alone, at the time below; what people must still show stands beside "
	      "each control. Clauses are paraphrased.</p>\n<dl>\n",
		to);
	detail(to, "Looked at", report->time);
	detail(to, "Profile", report->profile);
	detail(to, "Program", report->version);
	detail(to, "Build", report->build);
	detail(to, "Device key (SHA-256)", report->device_key);
	detail(to, "Log position", report->log_position);
	fputs("</dl>\n", to);
}

static void count(FILE *to, size_t number, const char *what)
{
	fprintf(to, "<div><b>%zu</b>%s</div>\n", number, what);
}

/* "not met" as a class: "not-met". */
static const char *class_of(enum control_state state)
{
	return state == CONTROL_MET ? "met" : state == CONTROL_NOT_MET ? "not-met" : "cannot-tell";
}

static void paragraph(FILE *to, const char *what, const char *text)
{
	if (!text || !text[0])
		return;
	fprintf(to, "<p><span class=\"soft\">%s</span> ", what);
	html_text(to, text);
	fputs("</p>\n", to);
}

static void part(FILE *to, const struct control_part *part)
{
	bool has_how = part->how && part->how[0], has_seen = part->seen && part->seen[0];

	fprintf(to, "<li><span class=\"state\">%s</span>: ", control_state_name(part->state));
	html_text(to, part->evidence);
	if (has_how || has_seen) {
		fputs(" <span class=\"soft\">(", to);
		html_text(to, has_how ? part->how : "");
		fputs(has_how && has_seen ? ", " : "", to);
		html_text(to, has_seen ? part->seen : "");
		fputs(")</span>", to);
	}
	fputs("</li>\n", to);
}

static void parts(FILE *to, const struct control *control)
{
	if (control->part_count < 2)
		return; /* the one is told above */
	fprintf(to, "<details>\n<summary>%zu things looked at</summary>\n<ul>\n",
		control->part_count);
	for (size_t i = 0; i < control->part_count; i++)
		part(to, &control->parts[i]);
	fputs("</ul>\n</details>\n", to);
}

static void control(FILE *to, const struct control *control)
{
	fprintf(to, "<article class=\"%s\" id=\"", class_of(control->state));
	html_text(to, control->id);
	fputs("\">\n<h3>", to);
	html_text(to, control->title);
	fputs("</h3>\n<p class=\"soft\">", to);
	html_text(to, control->standard);
	fputs(", ", to);
	html_text(to, control->clause);
	fprintf(to, " · <span class=\"state\">%s</span></p>\n", control_state_name(control->state));
	paragraph(to, "Seen:", control->evidence);
	paragraph(to, "What would mend it:", control->remedy);
	paragraph(to, "A person must still show:", control->person);
	parts(to, control);
	fputs("</article>\n", to);
}

static void controls(FILE *to, const struct compliance_report *report, enum control_state state,
	size_t number, const char *title)
{
	if (number == 0)
		return;
	fprintf(to, "<section>\n<h2>%s (%zu)</h2>\n", title, number);
	for (size_t i = 0; i < report->count; i++) {
		if (report->controls[i].state == state)
			control(to, &report->controls[i]);
	}
	fputs("</section>\n", to);
}

static const struct control *find(const struct compliance_report *report, const char *id)
{
	for (size_t i = 0; i < report->count; i++) {
		if (strcmp(report->controls[i].id, id) == 0)
			return &report->controls[i];
	}
	return NULL;
}

/* A row's controls, those that are in this report, as links with their states. */
static void mapped(FILE *to, const struct compliance_report *report, const char *const *ids)
{
	bool first = true;

	for (; *ids; ids++) {
		const struct control *of = find(report, *ids);

		if (!of)
			continue;
		fprintf(to, "%s<a href=\"#", first ? "" : "; ");
		html_text(to, of->id);
		fputs("\">", to);
		html_text(to, of->clause);
		fprintf(to, "</a>: %s", control_state_name(of->state));
		first = false;
	}
	if (first)
		fputs("not in this profile", to);
}

static void mappings(FILE *to, const struct compliance_report *report)
{
	fputs("<section>\n<h2>What else buyers name</h2>\n<p>Which of the controls above answer "
	      "the "
	      "technical part of what these ask. It says nothing of the rest, and is no legal "
	      "statement.</p>\n"
	      "<table>\n<tr><th>Named</th><th>Asks, in short</th><th>Answered by</th></tr>\n",
		to);
	for (const struct compliance_mapping *row = compliance_mappings; row->name; row++) {
		fputs("<tr><td>", to);
		html_text(to, row->name);
		if (row->clause && row->clause[0]) {
			fputs(" ", to);
			html_text(to, row->clause);
		}
		fputs("</td><td>", to);
		html_text(to, row->asks);
		fputs("</td><td>", to);
		mapped(to, report, row->controls);
		fputs("</td></tr>\n", to);
	}
	fputs("</table>\n</section>\n", to);
}

static void write_page(FILE *to, const struct compliance_report *report)
{
	head(to, report);
	fputs("<div class=\"counts\">\n", to);
	count(to, report->not_met, "not met");
	count(to, report->cannot_tell, "cannot tell");
	count(to, report->met, "met");
	fputs("</div>\n", to);
	controls(to, report, CONTROL_NOT_MET, report->not_met, "Not met");
	controls(to, report, CONTROL_CANNOT_TELL, report->cannot_tell, "Cannot tell");
	fputs("<section>\n<h2>Day by day</h2>\n", to);
	html_plot(to, report->days, report->day_count);
	fputs("</section>\n", to);
	controls(to, report, CONTROL_MET, report->met, "Met");
	mappings(to, report);
	fputs("</body>\n</html>\n", to);
}

int compliance_html(const struct compliance_report *report, char **ret_text)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);
	bool whole;

	if (!to)
		return -ENOMEM;
	write_page(to, report);
	whole = !ferror(to);
	if (fclose(to) != 0 || !whole) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}
