/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_revert.c - "spoolguard cups revert": what apply wrote is taken out again
 *
 * By the marks in the files: what an administrator has edited since stays (pipeline/cups_edit.h).
 *
 * JSON: {"schema":"spoolguard.cups-revert/1","result":"nothing to take out"|"would revert"|
 * "reverted"|"failed","files":[{"file","lines"}],"units":N,"backups":[...]}
 */
#include "cli/cli.h"
#include "cli/cups_change.h"
#include "cli/cups_units.h"
#include "cli/cups_verb.h"
#include "pipeline/cups_plan.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct revert {
	const struct cups_options *options;
	struct cups_context context;
	struct cups_change_set set;
	struct cups_units units;
	size_t marks[CUPS_CHANGES];
	size_t units_there, units_removed;
};

/* --- a file whose marks are gone --- */

/* The newest backup beside the file; false: there is none. */
static bool find_backup(const char *path, char ret_backup[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX], prefix[PATH_MAX];
	struct dirent **entries = NULL;
	bool is_found = false;
	int count;

	snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	snprintf(prefix, sizeof(prefix), "%s.spoolguard-2", slash + 1);
	count = scandir(directory, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (strncmp(entries[i]->d_name, prefix, strlen(prefix)) == 0)
			is_found = snprintf(ret_backup, PATH_MAX, "%s%s", directory,
					   entries[i]->d_name) < PATH_MAX;
		free(entries[i]);
	}
	free(entries);
	return is_found;
}

static const char *value_of(const struct cups_conf *conf, const struct cups_residue *row)
{
	const struct cups_directive *set = cups_conf_find(conf, row->directive, row->accepts);

	return set ? cups_directive_value(set) : NULL;
}

/* "LogLevel was debug, PreserveJobFiles was not set": where a line of ours stands without a mark.
 */
static void describe_difference(const struct cups_conf *then, const struct cups_conf *now,
	enum cups_conf_kind file, char *buf, size_t bytes)
{
	size_t count;
	const struct cups_residue *rows = cups_residue_rows(&count);

	buf[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const char *was, *is;
		size_t used = strlen(buf);

		if (!rows[i].directive || !rows[i].wanted || rows[i].file != file)
			continue;
		was = value_of(then, &rows[i]);
		is = value_of(now, &rows[i]);
		if (!is || strcasecmp(is, rows[i].wanted) != 0 || (was && strcmp(was, is) == 0))
			continue;
		snprintf(buf + used, bytes - used, "%s%s was %s", used ? ", " : "",
			rows[i].directive, was ? (was[0] ? was : "empty") : "not set");
	}
}

/* cupsctl and the web interface write the file anew, without comments: our lines stay, our marks do
 * not. */
static int refuse_unmarked(struct revert *revert, size_t which, struct problem *reterr_problem)
{
	const char *path = revert->set.files[which].path;
	char backup[PATH_MAX], difference[400];
	struct cups_text text;
	struct cups_conf then;
	int r;

	if (!find_backup(path, backup) || cups_read_text(backup, false, &text, NULL) < 0)
		return 0;
	r = cups_conf_parse(backup, text.bytes, text.count, &then, NULL);
	cups_text_done(&text);
	if (r < 0)
		return 0;
	describe_difference(&then,
		which == CUPS_CHANGE_CUPSD ? &revert->context.conf : &revert->context.files,
		which == CUPS_CHANGE_CUPSD ? CUPS_CONF_CUPSD : CUPS_CONF_FILES, difference,
		sizeof(difference));
	cups_conf_done(&then);
	if (difference[0] == '\0')
		return 0;
	return problem_set(reterr_problem, -ESTALE,
		"%s has none of spoolguard's marks any more (cupsctl and the web interface drop "
		"comments), so what is yours in it cannot be told; before apply %s (%s); change "
		"them by hand, nothing was changed",
		path, difference, backup);
}

/* --- planning --- */

static int plan(struct revert *revert, struct problem *reterr_problem)
{
	int r = 0;

	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++) {
		struct cups_file_change *change = &revert->set.files[i];

		if (i == CUPS_CHANGE_FILES && !revert->context.has_files)
			continue;
		r = cups_edit_take_out(change->path, change->before, cups_residue_is_line,
			&change->after, &revert->marks[i], reterr_problem);
		change->is_changed = r >= 0 && revert->marks[i] > 0;
	}
	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++) {
		if (revert->marks[i] == 0)
			r = refuse_unmarked(revert, i, reterr_problem);
	}
	if (r >= 0)
		r = cups_units_look(&revert->context, false, &revert->units, reterr_problem);
	if (r >= 0)
		revert->units_there = revert->units.count -
				      cups_units_in_state(&revert->units, CUPS_UNIT_MISSING);
	return r;
}

/* --- doing --- */

static int change(struct revert *revert, struct problem *reterr_problem)
{
	int r;

	r = cups_change_test(&revert->context, &revert->set, reterr_problem);
	if (r >= 0)
		r = cups_change_put(&revert->context, &revert->set, true, reterr_problem);
	if (r >= 0)
		r = cups_units_take_out(
			&revert->context, &revert->units, &revert->units_removed, reterr_problem);
	if (r >= 0)
		r = cups_change_reload(&revert->context, &revert->set, reterr_problem);
	return r;
}

static void print_text(const struct revert *revert, const char *result)
{
	for (size_t i = 0; i < CUPS_CHANGES; i++) {
		if (revert->marks[i] > 0)
			printf("%s: %zu lines of spoolguard's\n",
				cli_shown(revert->set.files[i].path), revert->marks[i]);
		if (revert->set.files[i].backup[0])
			printf("    what it was is kept in %s\n",
				cli_shown(revert->set.files[i].backup));
	}
	for (size_t i = 0; i < revert->units.count; i++) {
		if (revert->units.items[i].has_ours)
			printf("%s: %s\n", cli_shown(revert->units.items[i].path),
				revert->units.items[i].state == CUPS_UNIT_CHANGED
					? "it was changed since; what is yours in it stays"
					: "it goes");
	}
	printf("%s\n", result);
}

static void print_json(const struct revert *revert, const char *result)
{
	struct json_object *object = cli_json("cups-revert");
	struct json_object *files = json_object_new_array(), *backups = json_object_new_array();

	for (size_t i = 0; i < CUPS_CHANGES; i++) {
		struct json_object *file = json_object_new_object();

		cli_add_string(file, "file", revert->set.files[i].path);
		cli_add_u64(file, "lines", revert->marks[i]);
		json_object_array_add(files, file);
		if (revert->set.files[i].backup[0])
			json_object_array_add(
				backups, json_object_new_string(revert->set.files[i].backup));
	}
	cli_add_string(object, "result", result);
	json_object_object_add(object, "files", files);
	cli_add_u64(object, "units", revert->units_removed);
	json_object_object_add(object, "backups", backups);
	cli_print_json(object);
}

static int run(struct revert *revert, struct problem *reterr_problem)
{
	const char *result;
	bool is_needed;
	int r;

	r = plan(revert, reterr_problem);
	if (r < 0)
		return r;
	is_needed = revert->set.was_pending || revert->marks[CUPS_CHANGE_CUPSD] > 0 ||
		    revert->marks[CUPS_CHANGE_FILES] > 0 || revert->units_there > 0;
	if (is_needed && !revert->options->dry_run)
		r = change(revert, reterr_problem);
	result = r < 0			    ? "failed"
		 : !is_needed		    ? "nothing to take out"
		 : revert->options->dry_run ? "would revert"
					    : "reverted";
	if (revert->options->json)
		print_json(revert, result);
	else if (r >= 0)
		print_text(revert, result);
	return r;
}

int cups_revert(const struct cups_options *options)
{
	struct revert revert = {.options = options};
	struct problem problem = {""};
	int r;

	r = cups_change_begin(options, &revert.context, &revert.set, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = run(&revert, &problem);
	cups_units_done(&revert.units);
	cups_change_end(&revert.set);
	cups_context_done(&revert.context);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}
