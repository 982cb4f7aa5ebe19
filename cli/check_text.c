/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_text.c - the report for somebody in a hurry: what is wrong and what mends it, each once
 */
#include "cli/check.h"
#include "cli/cli.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100u
#define WIDTH_MIN     60u
#define INDENT	      4u

/* --- words that wrap --- */

struct line {
	FILE *out;
	unsigned int width, column, indent;
};

static unsigned int find_width(void)
{
	struct winsize size = {.ws_col = 0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return WIDTH_DEFAULT;
	return size.ws_col < WIDTH_MIN	     ? WIDTH_MIN
	       : size.ws_col > WIDTH_DEFAULT ? WIDTH_DEFAULT
					     : size.ws_col;
}

static void begin_line(struct line *line, unsigned int indent, const char *label)
{
	line->indent = indent;
	line->column = (unsigned int)fprintf(line->out, "%s", label);
}

static void put_word(struct line *line, const char *word, size_t bytes)
{
	if (line->column > line->indent && line->column + 1 + bytes > line->width) {
		fprintf(line->out, "\n%*s", (int)line->indent, "");
		line->column = line->indent;
	} else if (line->column > line->indent) {
		fputc(' ', line->out);
		line->column++;
	}
	fwrite(word, 1, bytes, line->out);
	line->column += (unsigned int)bytes;
}

static void put_words(struct line *line, const char *text)
{
	for (const char *at = cli_shown(text); *at;) {
		size_t bytes = strcspn(at, " ");

		if (bytes > 0)
			put_word(line, at, bytes);
		at += bytes + strspn(at + bytes, " ");
	}
}

static void end_line(struct line *line)
{
	fputc('\n', line->out);
	line->column = 0;
}

static void print_words(struct line *line, unsigned int indent, const char *label, const char *text)
{
	begin_line(line, indent, label);
	line->column = indent;
	put_words(line, text);
	end_line(line);
}

/* --- parts, each thing that was found told once --- */

static bool is_same(const struct control_part *a, const struct control_part *b)
{
	return a->state == b->state && strcmp(a->evidence, b->evidence) == 0;
}

static bool has_part(const struct control *control, const struct control_part *part)
{
	for (size_t i = 0; i < control->part_count; i++) {
		if (is_same(&control->parts[i], part))
			return true;
	}
	return false;
}

static bool was_told(const struct compliance_report *report, size_t control, size_t part)
{
	const struct control_part *wanted = &report->controls[control].parts[part];

	for (size_t i = 0; i < control; i++) {
		if (has_part(&report->controls[i], wanted))
			return true;
	}
	for (size_t j = 0; j < part; j++) {
		if (is_same(&report->controls[control].parts[j], wanted))
			return true;
	}
	return false;
}

static void print_part(
	struct line *line, const struct compliance_report *report, const struct control_part *part)
{
	bool first = true;

	print_words(line, INDENT, "  - ", part->evidence);
	print_words(line, INDENT + 6, "    mend: ", part->remedy);
	begin_line(line, INDENT + 6, "    for:  ");
	for (size_t i = 0; i < report->count; i++) {
		if (!has_part(&report->controls[i], part))
			continue;
		if (!first)
			fputc(',', line->out);
		line->column += !first;
		put_words(line, report->controls[i].id);
		first = false;
	}
	end_line(line);
}

static void print_parts(struct line *line, const struct compliance_report *report,
	enum control_state state, const char *heading)
{
	bool first = true;

	for (size_t i = 0; i < report->count; i++) {
		const struct control *control = &report->controls[i];

		for (size_t j = 0; j < control->part_count; j++) {
			const struct control_part *part = &control->parts[j];

			if (part->state != state || was_told(report, i, j))
				continue;
			if (first)
				fprintf(line->out, "\n%s\n", heading);
			first = false;
			print_part(line, report, part);
		}
	}
}

/* --- controls --- */

static void print_state(struct line *line, const struct compliance_report *report,
	enum control_state state, const char *label)
{
	const char *standard = NULL;

	for (size_t i = 0; i < report->count; i++) {
		const struct control *control = &report->controls[i];

		if (control->state != state)
			continue;
		if (!standard || strcmp(standard, control->standard) != 0) {
			if (standard)
				end_line(line);
			else
				fprintf(line->out, "\n%s\n", label);
			begin_line(line, INDENT, "  ");
			line->column = 2;
			put_words(line, control->standard);
			fputc(':', line->out);
			line->column++;
		}
		standard = control->standard;
		put_words(line, control->clause);
	}
	if (standard)
		end_line(line);
}

static void print_evidence(struct line *line, const struct control *control)
{
	fprintf(line->out, "\n%-11s %s %s: %s\n", control_state_name(control->state),
		control->standard, control->clause, control->title);
	for (size_t i = 0; i < control->part_count; i++) {
		const struct control_part *part = &control->parts[i];
		char text[2048];

		snprintf(text, sizeof(text), "%s: %s%s%s%s%s%s", control_state_name(part->state),
			part->evidence, part->seen[0] ? " [" : "", part->seen[0] ? part->how : "",
			part->seen[0] ? ", " : "", part->seen, part->seen[0] ? "]" : "");
		print_words(line, INDENT, "    ", text);
		if (part->remedy)
			print_words(line, INDENT + 6, "    mend: ", part->remedy);
	}
	print_words(line, INDENT, "    ", "a person must still show:");
	print_words(line, INDENT + 2, "      ", control->person);
}

void check_text_print(FILE *out, const struct compliance_report *report, bool all)
{
	struct line line = {.out = out, .width = find_width()};

	fprintf(out, "%s, %s: technical controls of profile %s\n", cli_shown(report->host),
		report->time, report->profile);
	fprintf(out, "%zu met, %zu not met, %zu cannot be told\n", report->met, report->not_met,
		report->cannot_tell);
	print_parts(&line, report, CONTROL_NOT_MET, "Not met:");
	print_parts(&line, report, CONTROL_CANNOT_TELL, "Cannot be told:");
	print_state(&line, report, CONTROL_NOT_MET, "Controls that are not met:");
	print_state(&line, report, CONTROL_CANNOT_TELL, "Controls that cannot be told:");
	print_state(&line, report, CONTROL_MET, "Controls that are met, as far as was seen:");
	for (size_t i = 0; all && i < report->count; i++)
		print_evidence(&line, &report->controls[i]);
	fprintf(out, "\n\"Met\" is this device's technical part; %s\n",
		all ? "the rest is for people to show."
		    : "--all has the evidence, and what people must show.");
}
