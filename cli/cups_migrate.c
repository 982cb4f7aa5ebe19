/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_migrate.c - "spoolguard cups migrate": a live spool moved onto a volume
 *
 *   cupsd stopped -> copied, compared -> set aside, in place -> cupsd started, its jobs are there
 *   -> what was set aside is overwritten
 *
 * cups_move.h says why no job is lost, whenever this is killed.
 */
#include "base/io.h"
#include "cli/cli.h"
#include "cli/cups_control.h"
#include "cli/cups_files.h"
#include "cli/cups_migrate.h"
#include "cli/cups_process.h"
#include "cli/cups_verb.h"
#include "pipeline/cups_server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS	    10000u
#define ADDRESS_MAX 512

/* --- the jobs --- */

static int list_jobs(const struct cups_context *context, enum cups_which_jobs which,
	struct cups_job_list *ret_list, struct problem *reterr_problem)
{
	char address[ADDRESS_MAX];
	int r = -ECONNREFUSED;

	for (size_t i = 0; r < 0 && cups_context_address(context, i, address, sizeof(address));
		i++) {
		_cleanup_(cups_server_freep) struct cups_server *server = NULL;

		if (reterr_problem)
			reterr_problem->text[0] = '\0';
		r = cups_server_new(address, ASK_MS, &server, reterr_problem);
		if (r >= 0)
			r = cups_server_list_jobs(server, which, ret_list, reterr_problem);
	}
	return r;
}

/* Before it is stopped; of one that does not run nothing is known. */
static int remember_jobs(struct cups_migration *migration, struct problem *reterr_problem)
{
	struct cups_move *move = &migration->move;
	struct cups_job_list list;
	struct cups_process process;
	int r;

	if (move->jobs_are_known || cups_process_find(migration->context.config, &process) < 0)
		return 0;
	r = list_jobs(&migration->context, CUPS_JOBS_WAITING, &list, reterr_problem);
	if (r < 0)
		return r;
	move->jobs = calloc(list.count + 1, sizeof(*move->jobs));
	for (size_t i = 0; move->jobs && i < list.count; i++)
		move->jobs[i] = list.jobs[i].id;
	move->job_count = move->jobs ? list.count : 0;
	move->jobs_are_known = move->jobs != NULL;
	cups_job_list_done(&list);
	return move->jobs ? 0 : -ENOMEM;
}

static bool has_job(const struct cups_job_list *list, int id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->jobs[i].id == id)
			return true;
	}
	return false;
}

static int check_jobs(struct cups_migration *migration, struct problem *reterr_problem)
{
	const struct cups_move *move = &migration->move;
	struct cups_job_list list;
	int r, missing = 0;

	if (!move->jobs_are_known)
		return 0;
	r = list_jobs(&migration->context, CUPS_JOBS_ALL, &list, reterr_problem);
	if (r < 0)
		return r;
	migration->jobs_found = 0;
	for (size_t i = 0; i < move->job_count; i++) {
		if (has_job(&list, move->jobs[i]))
			migration->jobs_found++;
		else if (missing == 0)
			missing = move->jobs[i];
	}
	cups_job_list_done(&list);
	if (!missing)
		return 0;
	return problem_set(reterr_problem, -ESTALE,
		"cupsd does not know job %d any more, which waited before (%zu of %zu are there)",
		missing, migration->jobs_found, move->job_count);
}

/* --- the move --- */

static int undo(struct cups_migration *migration, int error, struct problem *reterr_problem)
{
	struct problem first = *reterr_problem, second = {""};
	int r;

	r = cups_stop(&migration->context, &second);
	if (r >= 0)
		r = cups_move_undo(&migration->move, &second);
	if (r >= 0)
		r = cups_start(&migration->context, &second);
	migration->is_undone = r >= 0;
	if (r >= 0)
		return problem_set(reterr_problem, error,
			"%.300s; it runs on the old spool again, of which nothing was touched",
			problem_text(&first, error));
	return problem_set(reterr_problem, error,
		"%.250s; and that could not be taken back: %.250s; the old spool is whole, in %s "
		"or %s",
		problem_text(&first, error), problem_text(&second, r),
		migration->move.trees[CUPS_MOVE_SPOOL].at,
		migration->move.trees[CUPS_MOVE_SPOOL].old);
}

/* V2: only after this is anything overwritten. */
static int come_up(struct cups_migration *migration, struct problem *reterr_problem)
{
	int r;

	r = cups_start(&migration->context, reterr_problem);
	if (r >= 0)
		r = check_jobs(migration, reterr_problem);
	if (r < 0 && migration->move.is_placed)
		r = undo(migration, r, reterr_problem);
	return r;
}

static int start_again(struct cups_migration *migration, int error, struct problem *reterr_problem)
{
	struct problem first = *reterr_problem, second = {""};
	int r = cups_start(&migration->context, &second);

	if (r >= 0)
		return error;
	return problem_set(reterr_problem, error, "%.300s; and cupsd does not start again: %.300s",
		problem_text(&first, error), problem_text(&second, r));
}

static int move_spool(struct cups_migration *migration, struct problem *reterr_problem)
{
	struct cups_process process;
	bool ran = cups_process_find(migration->context.config, &process) >= 0;
	int r;

	r = remember_jobs(migration, reterr_problem);
	if (r >= 0)
		r = cups_stop(&migration->context, reterr_problem);
	if (r < 0)
		return r;
	r = cups_move_copy(&migration->move, cli_progress(), reterr_problem);
	if (r >= 0)
		r = cups_move_place(&migration->move, reterr_problem);
	if (r < 0)
		return ran ? start_again(migration, r, reterr_problem) : r;
	return come_up(migration, reterr_problem);
}

static int migrate(struct cups_migration *migration, struct problem *reterr_problem)
{
	struct cups_process process;
	int r;

	r = cups_check_control(&migration->context, reterr_problem);
	if (r < 0)
		return r;
	if (cups_move_needs_stop(&migration->move))
		r = move_spool(migration, reterr_problem);
	else if (cups_process_find(migration->context.config, &process) < 0)
		r = come_up(migration, reterr_problem);
	if (r < 0)
		return r;
	migration->is_moved = true;
	return cups_move_erase(&migration->move, cli_progress(), reterr_problem);
}

static bool is_clean(const struct cups_move *move)
{
	for (size_t i = 0; i < CUPS_MOVES; i++) {
		if (move->trees[i].erased.left_files > 0)
			return false;
	}
	return true;
}

static int run(struct cups_migration *migration, struct problem *reterr_problem)
{
	struct cups_move *move = &migration->move;
	int lock = -1, r;

	r = cups_move_look(&migration->context, move, reterr_problem);
	if (r < 0)
		return r;
	if (!cups_move_needs_stop(move) && !cups_move_has_old(move)) {
		cups_migrate_print_result(migration, "nothing to move");
		return 0;
	}
	if (migration->options->dry_run) {
		cups_migrate_print_plan(migration);
		return 0;
	}
	r = cups_files_lock(migration->context.config, &lock, reterr_problem);
	if (r < 0)
		return r;
	r = migrate(migration, reterr_problem);
	io_closep(&lock);
	cups_migrate_print_result(migration, r >= 0 && is_clean(move) ? "moved"
					     : migration->is_moved
						     ? "moved, not all of the old files overwritten"
					     : migration->is_undone ? "taken back"
								    : "failed");
	if (r >= 0 && !is_clean(move))
		return problem_set(reterr_problem, -EIO,
			"not all of the old files are overwritten: see above; run this again when "
			"that is mended");
	return r;
}

int cups_migrate(const struct cups_options *options)
{
	struct cups_migration migration = {.options = options, .move = {.lock = -1}};
	struct problem problem = {""};
	int r;

	r = cups_context_open(options, &migration.context, &problem);
	if (r >= 0) {
		r = run(&migration, &problem);
		cups_move_done(&migration.move);
		cups_context_done(&migration.context);
	}
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}
