/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_cups.c - what CUPS leaves behind, as "spoolguard cups check" finds it
 */
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/cups_verb.h"
#include <errno.h>
#include <unistd.h>

#define CUPSD_CONF "/etc/cups/cupsd.conf"

static struct json_object *finding_to_json(const struct cups_finding *finding)
{
	const struct cups_residue *row = finding->row;
	struct json_object *object = json_object_new_object();
	char text[512], line[CUPS_RESIDUE_LINE_BYTES], mend[512];

	cli_add_string(object, "id", row->id);
	snprintf(text, sizeof(text), "%s [%s]", finding->is_doubt ? finding->detail : row->leaves,
		row->id);
	cli_add_string(object, "text", text);
	if (finding->is_doubt)
		return object;
	if (row->wanted)
		snprintf(mend, sizeof(mend), "spoolguard cups apply (%s)",
			cups_residue_line(row, line));
	else
		snprintf(mend, sizeof(mend), "%s", row->mend ? row->mend : "spoolguard cups check");
	cli_add_string(object, "mend", mend);
	return object;
}

static struct json_object *to_json(const struct cups_findings *findings)
{
	struct json_object *value = json_object_new_object();
	struct json_object *found = json_object_new_array(), *doubts = json_object_new_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct cups_finding *finding = &findings->items[i];

		if (finding->is_doubt || finding->row->severity != CUPS_HINT)
			json_object_array_add(
				finding->is_doubt ? doubts : found, finding_to_json(finding));
	}
	cli_add_bool(value, "used", true);
	cli_add_u64(value, "residue", cups_findings_residue(findings));
	cli_add_u64(value, "doubts", cups_findings_doubts(findings));
	json_object_object_add(value, "findings", found);
	json_object_object_add(value, "could_not_tell", doubts);
	return value;
}

static struct json_object *unused(void)
{
	static const struct cups_findings none = {.items = NULL};
	struct json_object *value = to_json(&none);

	cli_add_bool(value, "used", false);
	return value;
}

void check_facts_cups(struct check *check)
{
	const struct cups_options options = {
		.root = check->options->host_root ? check->options->host_root : "",
		.cupsd = "cupsd",
		.config = check->options->cups_config};
	struct cups_findings findings = {.items = NULL};
	struct cups_context context;
	struct problem problem = {""};
	int r;

	if (!options.config && access(CUPSD_CONF, F_OK) < 0 && errno == ENOENT) {
		check_fact(check, "cups", "there is no " CUPSD_CONF, unused());
		return;
	}
	r = cups_context_open(&options, &context, &problem);
	if (r < 0) {
		check_no_fact(check, "cups", "run \"spoolguard cups check\" as root", "%s",
			problem_text(&problem, r));
		return;
	}
	r = cups_find_residue(&context, &findings);
	cups_context_done(&context);
	if (r < 0) {
		check_no_fact(check, "cups", "run \"spoolguard cups check\" as root",
			"CUPS could not be looked at");
		return;
	}
	cups_findings_drop(&findings, "host"); /* swap and hibernation are facts of their own */
	check_fact(check, "cups", "the files of CUPS", to_json(&findings));
	cups_findings_done(&findings);
}
