/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_change.h"
#include "base/io.h"
#include "cli/cups_run.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- begin and end --- */

static int find_config(
	const struct cups_options *options, char ret_path[static PATH_MAX], struct problem *problem)
{
	struct cups_context context;
	int r = cups_context_open(options, &context, problem);

	if (r < 0)
		return r;
	strcpy(ret_path, context.config);
	cups_context_done(&context);
	return 0;
}

int cups_change_begin(const struct cups_options *options, struct cups_context *context,
	struct cups_change_set *set, struct problem *reterr_problem)
{
	char config[PATH_MAX];
	int r;

	*set = (struct cups_change_set){.lock = -1};
	r = find_config(options, config, reterr_problem);
	if (r >= 0 && !options->dry_run)
		r = cups_files_lock(config, &set->lock, reterr_problem);
	/* Under the lock: what is read now is what is changed. */
	if (r >= 0)
		r = cups_context_open(options, context, reterr_problem);
	if (r < 0) {
		io_closep(&set->lock);
		return r;
	}
	set->files[CUPS_CHANGE_CUPSD].path = context->config;
	set->files[CUPS_CHANGE_CUPSD].before = &context->config_text;
	set->files[CUPS_CHANGE_FILES].path = context->files_config;
	set->files[CUPS_CHANGE_FILES].before = &context->files_text;
	set->was_pending = cups_pending_is_set(context->config);
	for (size_t i = 0; i < CUPS_CHANGES && !options->dry_run; i++)
		cups_files_tidy(set->files[i].path);
	return 0;
}

void cups_change_end(struct cups_change_set *set)
{
	for (size_t i = 0; i < CUPS_CHANGES; i++)
		cups_file_change_done(&set->files[i]);
	io_closep(&set->lock);
}

/* --- test --- */

static const char *tested_path(const struct cups_file_change *change)
{
	return change->fresh[0] ? change->fresh : change->path;
}

/* cupsd -t says many things; the first line that names the file with a number is the fault. */
static const char *find_fault(char *output)
{
	for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strstr(line, " is OK.") && !strstr(line, "contains errors") &&
			!strstr(line, " using ") && !strstr(line, "no suitable template"))
			return line;
	}
	return "it does not say why";
}

static int ask_cupsd(const struct cups_context *context, const struct cups_change_set *set,
	struct problem *reterr_problem)
{
	const char *const argv[] = {context->options->cupsd, "-t", "-c",
		tested_path(&set->files[CUPS_CHANGE_CUPSD]), "-s",
		tested_path(&set->files[CUPS_CHANGE_FILES]), NULL};
	struct cups_run done;
	int r;

	r = cups_run_program(argv, &done, reterr_problem);
	if (r < 0 || done.exit_code == 0)
		return r;
	return problem_set(reterr_problem, -EINVAL,
		"cupsd -t refuses what %s would become, and nothing was changed: %s",
		context->config, find_fault(done.output));
}

int cups_change_test(const struct cups_context *context, struct cups_change_set *set,
	struct problem *reterr_problem)
{
	int r = 0;

	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++) {
		if (!set->files[i].is_changed)
			continue;
		r = cups_file_check(&set->files[i], reterr_problem);
		if (r >= 0)
			r = cups_file_prepare(&set->files[i], reterr_problem);
	}
	if (r >= 0)
		r = ask_cupsd(context, set, reterr_problem);
	for (size_t i = 0; i < CUPS_CHANGES && r < 0; i++)
		cups_file_discard(&set->files[i]);
	return r;
}

/* --- put --- */

int cups_change_put(const struct cups_context *context, struct cups_change_set *set, bool backup,
	struct problem *reterr_problem)
{
	int r = cups_pending_set(context->config, reterr_problem);

	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++) {
		if (set->files[i].is_changed)
			r = cups_file_put(&set->files[i], backup, reterr_problem);
	}
	return r;
}

/* --- reload --- */

/* What a file was before: this run knows it; of one that was killed, what is not ours in it. */
static int get_former(const struct cups_change_set *set, const struct cups_file_change *change,
	struct cups_text *ret_text, struct problem *reterr_problem)
{
	const struct cups_text *now = change->is_changed ? &change->after : change->before;
	size_t marks;

	if (set->was_pending)
		return cups_edit_take_out(
			change->path, now, cups_residue_is_line, ret_text, &marks, reterr_problem);
	*ret_text = (struct cups_text){malloc(change->before->count + 1), change->before->count};
	if (!ret_text->bytes)
		return -ENOMEM;
	memcpy(ret_text->bytes, change->before->bytes, change->before->count + 1);
	return 0;
}

static int put_back(const struct cups_change_set *set, const struct cups_file_change *change,
	struct problem *reterr_problem)
{
	const struct cups_text *now = change->is_changed ? &change->after : change->before;
	struct cups_file_change back = {.path = change->path, .before = now};
	int r = get_former(set, change, &back.after, reterr_problem);

	back.is_changed = r >= 0 && (back.after.count != now->count ||
					    memcmp(back.after.bytes, now->bytes, now->count) != 0);
	if (r >= 0 && back.is_changed)
		r = cups_file_prepare(&back, reterr_problem);
	if (r >= 0 && back.is_changed)
		r = cups_file_put(&back, false, reterr_problem);
	cups_file_change_done(&back);
	return r;
}

static int restore(const struct cups_context *context, struct cups_change_set *set, int error,
	struct problem *reterr_problem)
{
	struct problem first = *reterr_problem, second = {""};
	int r = 0;

	for (size_t i = 0; i < CUPS_CHANGES && r >= 0; i++) {
		if (i == CUPS_CHANGE_CUPSD || context->has_files)
			r = put_back(set, &set->files[i], &second);
	}
	if (r >= 0 && set->undo)
		r = set->undo(set->undo_context, &second);
	if (r >= 0)
		r = cups_reload(context, &set->outcome, &second);
	if (r >= 0)
		r = cups_pending_clear(context->config, &second);
	set->is_restored = r >= 0;
	if (r >= 0)
		return problem_set(reterr_problem, error,
			"%.300s; what was before is in place again, and cupsd runs with it",
			first.text);
	return problem_set(reterr_problem, error,
		"%.250s; what was before was put back, but: %.250s; the backups are beside the "
		"files",
		first.text, problem_text(&second, r));
}

int cups_change_reload(const struct cups_context *context, struct cups_change_set *set,
	struct problem *reterr_problem)
{
	struct problem problem = {""};
	int r = 0;

	if (!context->options->no_reload) {
		r = cups_reload(context, &set->outcome, &problem);
		set->is_reloaded = r >= 0;
	}
	if (r < 0) {
		if (problem.text[0] == '\0')
			problem_set(&problem, r, "cupsd cannot be reloaded: %s", strerror(-r));
		r = restore(context, set, r, &problem);
		return problem_set(reterr_problem, r, "%s", problem.text);
	}
	return cups_pending_clear(context->config, reterr_problem);
}
