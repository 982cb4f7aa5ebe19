/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_check.c - "spoolguard cups check": what leaves residue, line by line
 *
 * JSON: {"schema":"spoolguard.cups-check/1","result":"clean"|"residue"|"cannot tell","config":...,
 * "residue":N,"hints":N,"doubts":N,"findings":[{"id","severity","file","line","directive","value",
 * "leaves","detail","mend","wanted","lose","apply"}],"could_not_tell":[{"id","file","why"}]}
 */
#include "cli/cli.h"
#include "cli/cups_verb.h"
#include <stdio.h>
#include <string.h>

static const char *severity_name(enum cups_severity severity)
{
	switch (severity) {
	case CUPS_DOCUMENTS:
		return "documents";
	case CUPS_NAMES:
		return "names";
	default:
		return "hint";
	}
}

/* Whether "cups apply" mends it, and what a person would write otherwise. */
static bool is_applied(const struct cups_residue *row)
{
	return row->wanted || strcmp(row->id, "reprint") == 0 || strcmp(row->id, "core-dumps") == 0;
}

/* --- text --- */

static void print_where(const struct cups_finding *finding)
{
	const struct cups_residue *row = finding->row;

	printf("%s", cli_shown(finding->file));
	if (finding->line)
		printf(":%u", finding->line);
	if (row->directive && !finding->line && row->file != CUPS_CONF_OTHER)
		printf(": %s is not set, cupsd takes %s", row->directive,
			finding->value[0] ? cli_shown(finding->value) : "nothing");
	else if (row->directive)
		printf(": %s %s", row->directive, cli_shown(finding->value));
	else
		printf(": %s", cli_shown(finding->value));
	printf("  [%s%s]\n", row->id, row->severity == CUPS_HINT ? ", hint" : "");
}

static void print_mend(const struct cups_residue *row)
{
	char line[CUPS_RESIDUE_LINE_BYTES];

	if (row->wanted)
		printf("    mend:   %s (\"spoolguard cups apply\")\n",
			cups_residue_line(row, line));
	else
		printf("    mend:   %s\n", row->mend);
	if (row->lose)
		printf("    lose:   %s\n", row->lose);
}

static void print_text(const struct cups_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct cups_finding *finding = &findings->items[i];

		if (finding->is_doubt)
			continue;
		print_where(finding);
		printf("    leaves: %s", finding->row->leaves);
		if (finding->detail[0])
			printf(" (%s)", cli_shown(finding->detail));
		printf("\n");
		print_mend(finding->row);
	}
	for (size_t i = 0; i < findings->count; i++) {
		if (findings->items[i].is_doubt)
			printf("cannot tell: %s: %s  [%s]\n", cli_shown(findings->items[i].file),
				cli_shown(findings->items[i].detail), findings->items[i].row->id);
	}
	printf("%zu found that leave something behind, %zu could not be told\n",
		cups_findings_residue(findings), cups_findings_doubts(findings));
}

/* --- JSON --- */

static struct json_object *to_json(const struct cups_finding *finding)
{
	const struct cups_residue *row = finding->row;
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "id", row->id);
	cli_add_string(object, "file", finding->file);
	if (finding->is_doubt) {
		cli_add_string(object, "why", finding->detail);
		return object;
	}
	cli_add_u64(object, "line", finding->line);
	cli_add_string(object, "severity", severity_name(row->severity));
	cli_add_string(object, "directive", row->directive ? row->directive : "");
	cli_add_string(object, "value", finding->value);
	cli_add_string(object, "leaves", row->leaves);
	cli_add_string(object, "detail", finding->detail);
	cli_add_string(object, "mend", row->mend ? row->mend : "");
	if (row->wanted)
		cli_add_string(object, "wanted", row->wanted);
	cli_add_string(object, "lose", row->lose ? row->lose : "");
	cli_add_bool(object, "apply", is_applied(row));
	return object;
}

static const char *result_name(enum cli_exit code)
{
	return code == CLI_YES ? "clean" : code == CLI_NO ? "residue" : "cannot tell";
}

static void print_json(const struct cups_context *context, const struct cups_findings *findings,
	enum cli_exit code)
{
	struct json_object *object = cli_json("cups-check");
	struct json_object *found = json_object_new_array(), *doubts = json_object_new_array();
	size_t hints = 0;

	for (size_t i = 0; i < findings->count; i++) {
		const struct cups_finding *finding = &findings->items[i];

		json_object_array_add(finding->is_doubt ? doubts : found, to_json(finding));
		hints += !finding->is_doubt && finding->row->severity == CUPS_HINT;
	}
	cli_add_string(object, "result", result_name(code));
	cli_add_string(object, "config", context->config);
	cli_add_string(object, "files_config", context->files_config);
	cli_add_u64(object, "residue", cups_findings_residue(findings));
	cli_add_u64(object, "hints", hints);
	cli_add_u64(object, "doubts", cups_findings_doubts(findings));
	json_object_object_add(object, "findings", found);
	json_object_object_add(object, "could_not_tell", doubts);
	cli_print_json(object);
}

static enum cli_exit judge(const struct cups_findings *findings)
{
	if (cups_findings_residue(findings) > 0)
		return CLI_NO;
	return cups_findings_doubts(findings) > 0 ? CLI_CANNOT_TELL : CLI_YES;
}

int cups_check(const struct cups_options *options)
{
	struct cups_findings findings = {.items = NULL};
	struct problem problem = {""};
	struct cups_context context;
	enum cli_exit code;
	int r;

	r = cups_context_open(options, &context, &problem);
	if (r >= 0) {
		r = cups_find_residue(&context, &findings);
		if (r < 0)
			cups_context_done(&context);
	}
	if (r < 0) {
		(void)cli_fail(&problem, r);
		return CLI_CANNOT_TELL;
	}
	for (size_t i = 0; i < options->without_count; i++)
		cups_findings_drop(&findings, options->without[i]);
	code = judge(&findings);
	if (options->json)
		print_json(&context, &findings, code);
	else
		print_text(&findings);
	cups_findings_done(&findings);
	cups_context_done(&context);
	return code;
}
