/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_apply.c - "spoolguard cups apply": the configuration changed so that nothing is left behind
 *
 * JSON: {"schema":"spoolguard.cups-apply/1","result":"nothing to change"|"would change"|"changed"|
 * "failed","restored":bool,"cupsd":"came up"|"not running"|"not yet"|"not reloaded",
 * "changes":[{"id","file","line","was","lines":[...],"lose","blocked"}],"units":[{"path","state"}],
 * "units_not":...,"backups":[...]}
 */
#include "cli/cli.h"
#include "cli/cups_change.h"
#include "cli/cups_units.h"
#include "cli/cups_verb.h"
#include "pipeline/cups_plan.h"
#include <stdio.h>
#include <string.h>

struct apply {
	const struct cups_options *options;
	struct cups_context context;
	struct cups_change_set set;
	struct cups_plan plans[CUPS_CHANGES];
	struct cups_units units;
	bool units_were_missing[CUPS_UNITS];
	size_t changes; /* lines and units */
};

/* --- planning --- */

static int plan_file(struct apply *apply, size_t which)
{
	struct cups_file_change *change = &apply->set.files[which];
	const struct cups_plan_request request = {
		.file = which == CUPS_CHANGE_CUPSD ? CUPS_CONF_CUPSD : CUPS_CONF_FILES,
		.conf = which == CUPS_CHANGE_CUPSD ? &apply->context.conf : &apply->context.files,
		.text = change->before,
		.queues = apply->context.queues_error < 0 ? NULL : &apply->context.queues,
		.without = apply->options->without,
		.without_count = apply->options->without_count,
	};
	size_t changes;
	int r;

	r = cups_plan_make(&request, &apply->plans[which]);
	if (r < 0)
		return r;
	changes = cups_plan_changes(&apply->plans[which]);
	change->is_changed = changes > 0;
	apply->changes += changes;
	return changes ? cups_plan_apply(&apply->plans[which], change->before, &change->after) : 0;
}

static int plan(struct apply *apply, struct problem *reterr_problem)
{
	int r = 0;

	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++)
		r = plan_file(apply, i);
	if (r >= 0)
		r = cups_units_look(&apply->context, true, &apply->units, reterr_problem);
	for (size_t i = 0; i < apply->units.count && r >= 0; i++)
		apply->units_were_missing[i] = apply->units.items[i].state == CUPS_UNIT_MISSING;
	if (r >= 0)
		apply->changes += cups_units_in_state(&apply->units, CUPS_UNIT_MISSING);
	return r;
}

/* --- text --- */

static void print_change(const struct apply *apply, size_t which, const struct cups_change *change)
{
	printf("%s", cli_shown(apply->set.files[which].path));
	if (change->kind == CUPS_EDIT_APPEND)
		printf(", at its end");
	else
		printf(":%u", change->line);
	printf("  [%s]\n", change->row->id);
	if (change->kind != CUPS_EDIT_APPEND)
		printf("    %c %s\n", change->kind == CUPS_EDIT_REPLACE ? '-' : ' ',
			cli_shown(change->was));
	for (const char *const *line = change->text; *line; line++)
		printf("    + %s\n", *line);
	printf("    lose: %s\n", change->row->lose);
	if (change->blocked)
		printf("    NOT DONE: %s\n", cli_shown(change->blocked));
}

static void print_units(const struct apply *apply)
{
	for (size_t i = 0; i < apply->units.count; i++) {
		const struct cups_unit *unit = &apply->units.items[i];

		if (apply->units_were_missing[i])
			printf("%s  [systemd]\n    + a new file: cups.service runs only while the "
			       "spool is mounted, and leaves no core files\n",
				cli_shown(unit->path));
		else if (unit->state == CUPS_UNIT_CHANGED)
			printf("%s  [systemd]\n    NOT DONE: it is there, and not as spoolguard "
			       "writes it; it is left alone\n",
				cli_shown(unit->path));
	}
	if (apply->units.count == 0)
		printf("cups.service is not tied to the spool's mount: %s\n", apply->units.why_not);
}

static void print_plan(const struct apply *apply)
{
	for (size_t which = 0; which < CUPS_CHANGES; which++) {
		for (size_t i = 0; i < apply->plans[which].count; i++)
			print_change(apply, which, apply->plans[which].items[i]);
	}
	print_units(apply);
}

static const char *outcome_name(const struct apply *apply)
{
	if (!apply->set.is_reloaded)
		return "not reloaded";
	switch (apply->set.outcome) {
	case CUPS_CAME_UP:
		return "came up";
	case CUPS_NOT_YET:
		return "not yet";
	default:
		return "not running";
	}
}

static void print_outcome(const struct apply *apply)
{
	for (size_t i = 0; i < CUPS_CHANGES; i++) {
		if (apply->set.files[i].backup[0])
			printf("what it was is kept in %s\n",
				cli_shown(apply->set.files[i].backup));
	}
	if (!apply->set.is_reloaded)
		printf("cupsd was not told: it reads this when it is started again\n");
	else if (apply->set.outcome == CUPS_CAME_UP)
		printf("cupsd has read it, and answers\n");
	else if (apply->set.outcome == CUPS_NOT_YET)
		printf("cupsd answers, and reads it when the jobs that it prints now have ended\n");
	else
		printf("no cupsd runs with this configuration: it reads it when it is started\n");
}

/* --- JSON --- */

static struct json_object *change_to_json(
	const struct apply *apply, size_t which, const struct cups_change *change)
{
	struct json_object *object = json_object_new_object();
	struct json_object *lines = json_object_new_array();

	for (const char *const *line = change->text; *line; line++)
		json_object_array_add(lines, json_object_new_string(*line));
	cli_add_string(object, "id", change->row->id);
	cli_add_string(object, "file", apply->set.files[which].path);
	cli_add_u64(object, "line", change->line);
	cli_add_string(object, "was", change->kind == CUPS_EDIT_REPLACE ? change->was : "");
	json_object_object_add(object, "lines", lines);
	cli_add_string(object, "lose", change->row->lose);
	cli_add_string(object, "blocked", change->blocked ? change->blocked : "");
	return object;
}

static void add_units(struct json_object *object, const struct apply *apply)
{
	struct json_object *units = json_object_new_array();

	for (size_t i = 0; i < apply->units.count; i++) {
		struct json_object *unit = json_object_new_object();

		cli_add_string(unit, "path", apply->units.items[i].path);
		cli_add_string(unit, "state",
			apply->units_were_missing[i] ? "new"
			: apply->units.items[i].state == CUPS_UNIT_CHANGED
				? "left, it is not as spoolguard writes it"
				: "there already");
		json_object_array_add(units, unit);
	}
	json_object_object_add(object, "units", units);
	if (apply->units.count == 0)
		cli_add_string(object, "units_not", apply->units.why_not);
}

static void print_json(const struct apply *apply, const char *result)
{
	struct json_object *object = cli_json("cups-apply");
	struct json_object *changes = json_object_new_array(), *backups = json_object_new_array();

	for (size_t which = 0; which < CUPS_CHANGES; which++) {
		for (size_t i = 0; i < apply->plans[which].count; i++)
			json_object_array_add(changes,
				change_to_json(apply, which, apply->plans[which].items[i]));
		if (apply->set.files[which].backup[0])
			json_object_array_add(
				backups, json_object_new_string(apply->set.files[which].backup));
	}
	cli_add_string(object, "result", result);
	cli_add_bool(object, "restored", apply->set.is_restored);
	cli_add_string(object, "cupsd", outcome_name(apply));
	json_object_object_add(object, "changes", changes);
	add_units(object, apply);
	json_object_object_add(object, "backups", backups);
	cli_print_json(object);
}

/* --- doing --- */

static int undo_units(void *context, struct problem *reterr_problem)
{
	struct apply *apply = context;
	size_t ignored;

	for (size_t i = 0; i < apply->units.count; i++) {
		if (!apply->units_were_missing[i])
			apply->units.items[i].state = CUPS_UNIT_MISSING; /* is not ours to undo */
	}
	return cups_units_take_out(&apply->context, &apply->units, &ignored, reterr_problem);
}

static int change(struct apply *apply, struct problem *reterr_problem)
{
	int r;

	r = cups_change_test(&apply->context, &apply->set, reterr_problem);
	if (r >= 0)
		r = cups_change_put(&apply->context, &apply->set, true, reterr_problem);
	if (r >= 0)
		r = cups_units_install(&apply->context, &apply->units, reterr_problem);
	apply->set.undo = undo_units;
	apply->set.undo_context = apply;
	if (r >= 0)
		r = cups_change_reload(&apply->context, &apply->set, reterr_problem);
	return r;
}

static int run(struct apply *apply, struct problem *reterr_problem)
{
	bool is_needed;
	int r;

	r = plan(apply, reterr_problem);
	if (r < 0)
		return r;
	if (!apply->options->json)
		print_plan(apply);
	/* K2: one that was killed is finished, although nothing may be left to change. */
	is_needed = apply->changes > 0 || apply->set.was_pending;
	if (is_needed && !apply->options->dry_run)
		r = change(apply, reterr_problem);
	if (apply->options->json)
		print_json(apply, r < 0			    ? "failed"
				  : !is_needed		    ? "nothing to change"
				  : apply->options->dry_run ? "would change"
							    : "changed");
	else if (r >= 0 && !is_needed)
		printf("nothing to change\n");
	else if (r >= 0 && !apply->options->dry_run)
		print_outcome(apply);
	return r;
}

int cups_apply(const struct cups_options *options)
{
	struct apply apply = {.options = options};
	struct problem problem = {""};
	int r;

	r = cups_change_begin(options, &apply.context, &apply.set, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = run(&apply, &problem);
	for (size_t i = 0; i < CUPS_CHANGES; i++)
		cups_plan_done(&apply.plans[i]);
	cups_units_done(&apply.units);
	cups_change_end(&apply.set);
	cups_context_done(&apply.context);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}
