/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_account.c - what the ledger is told of the jobs that die in a wipe
 *
 *   begin  they are RETIRING (L1) before a byte of their files is touched
 *   end    standard: RETIRED with a signed receipt (wipe_receipts.h) that has the numbers of the
 *          whole wipe, and says so; a job of which a file is still there stays RETIRING, and the
 *          retirer goes on with it
 *          full: forgotten with the volume; RETIRED without a receipt, because there is no volume
 *          any more that could vouch for it
 *
 * Of CUPS those jobs are meant that were listed, also if the follower of CUPS learned of their end
 * during the wipe.
 */
#include "base/problem.h"
#include "attached/job_receipt.h"
#include "attached/volumes.h"
#include "supervisor/ledger.h"
#include "supervisor/wipe_receipts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AT_ONCE 256u /* jobs in one line of the ledger */

static bool is_of_the_wipe(const struct wipe *wipe, const struct ledger_job *job)
{
	const struct wipe_record *record = &wipe->record;

	if (job->number <= record->last_ledger_job)
		return true;
	return strcmp(job->source, "cups") == 0 && atoi(job->id) <= record->last_cups_job;
}

/* --- each job in some states --- */

struct visit {
	struct wipe *wipe;
	/* job.receipt is not filled in. */
	void (*each)(struct visit *visit, const struct ledger_job *job);
	uint64_t numbers[AT_ONCE];
	size_t count;
	struct wipe_receipts *receipts; /* NULL: they become RETIRING */
	int error;
};

static int set(struct visit *visit, size_t first, size_t count)
{
	return ledger_set_many(visit->wipe->supervisor->ledger, visit->numbers + first, count,
		LEDGER_RETIRING, "it dies in a wipe of the spool", NULL);
}

/* All at once, or, if the ledger refuses one of them, each by itself. */
static void flush(struct visit *visit)
{
	int r = set(visit, 0, visit->count);

	for (size_t i = 0; i < visit->count && r < 0; i++) {
		if (set(visit, i, 1) < 0)
			visit->error = r;
	}
	visit->count = 0;
}

static void visit_state(struct visit *visit, enum ledger_state state)
{
	struct ledger *ledger = visit->wipe->supervisor->ledger;
	uint64_t *numbers = calloc(LEDGER_OPEN_MAX, sizeof(*numbers));
	size_t count = numbers ? ledger_list(ledger, state, visit->wipe->record.uuid, numbers,
					 LEDGER_OPEN_MAX)
			       : 0;

	if (!numbers)
		visit->error = -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct ledger_job job;

		if (ledger_get(ledger, numbers[i], &job) < 0)
			continue;
		if (is_of_the_wipe(visit->wipe, &job))
			visit->each(visit, &job);
		ledger_job_done(&job);
	}
	flush(visit);
	free(numbers);
}

static void say(struct visit *visit)
{
	if (visit->error < 0)
		wipe_record_add_note(&visit->wipe->record,
			"the ledger could not be told of every job: %s", strerror(-visit->error));
}

/* --- they die --- */

static void begin_one(struct visit *visit, const struct ledger_job *job)
{
	if (visit->count == AT_ONCE)
		flush(visit);
	visit->numbers[visit->count++] = job->number;
}

static void begin_all(struct wipe *wipe)
{
	static const enum ledger_state states[] = {
		LEDGER_BEGUN, LEDGER_SEEN, LEDGER_HELD, LEDGER_FAILED};
	struct visit *visit = calloc(1, sizeof(*visit));

	if (!visit)
		return;
	visit->wipe = wipe;
	visit->each = begin_one;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		visit_state(visit, states[i]);
	say(visit);
	free(visit);
}

void wipe_account_begin(struct wipe *wipe)
{
	if (wipe->supervisor->ledger && !wipe->record.full)
		begin_all(wipe);
}

/* --- they are dead --- */

static bool has_files_left(struct wipe *wipe, const struct ledger_job *job)
{
	char **files;
	size_t count;
	bool found = false;

	if (wipe->record.numbers.left_files == 0)
		return false;
	if (ledger_files(wipe->supervisor->ledger, job->number, &files, &count) < 0)
		return true; /* it is not known */
	for (size_t i = 0; i < count && !found; i++) {
		struct stat st;

		/* A directory, or the beginning of names, is not looked into. */
		found = files[i][0] == '\0' || files[i][strlen(files[i]) - 1] == '/' ||
			(lstat(files[i], &st) == 0 && st.st_size > 0);
	}
	ledger_files_free(files, count);
	return found;
}

static struct json_object *make_receipt(struct wipe *wipe, const struct ledger_job *job)
{
	const struct wipe_numbers *numbers = &wipe->record.numbers;
	struct json_object *object;
	const struct job_receipt receipt = {
		.id = job->id,
		.files = (size_t)(numbers->files + numbers->cut_files),
		.erased_files = (size_t)numbers->files,
		.removed_files = (size_t)numbers->files,
		.bytes = numbers->bytes + numbers->cut_bytes,
		.total = numbers->blocks,
		.scheme = wipe->scheme,
		.verify = wipe->verify,
		.volume_uuid = wipe->record.uuid,
		.medium = wipe->medium,
		.barrier_epoch = numbers->epoch,
		.backlog_blocks = numbers->owed_blocks,
		.took_ms = (uint64_t)(wipe->record.ended_wall_s - wipe->record.began_wall_s) * 1000,
		.wall_s = wipe->record.ended_wall_s,
		.retired = true,
	};

	object = job_receipt_to_json(&receipt);
	fields_add_u64(object, "job", job->number);
	fields_add_string(object, "source", job->source);
	fields_add_string(object, "wiped", "standard");
	fields_add_string(
		object, "numbers_of", "the whole wipe: what this job alone had was not counted");
	return object;
}

static void end_one(struct visit *visit, const struct ledger_job *job)
{
	if (!has_files_left(visit->wipe, job))
		wipe_receipts_add(visit->receipts, job, make_receipt(visit->wipe, job));
}

static void end_standard(struct wipe *wipe)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	int r;

	begin_all(wipe); /* what the follower of CUPS told meanwhile */
	if (!visit)
		return;
	visit->wipe = wipe;
	visit->each = end_one;
	r = wipe_receipts_new(wipe, &visit->receipts);
	if (r >= 0 && wipe->record.numbers.epoch > 0) /* else nothing is claimed of any */
		visit_state(visit, LEDGER_RETIRING);
	if (r >= 0)
		r = wipe_receipts_end(visit->receipts);
	if (r < 0)
		visit->error = r;
	say(visit);
	free(visit);
}

void wipe_account_end(struct wipe *wipe)
{
	int r = 0;

	if (!wipe->supervisor->ledger)
		return;
	if (wipe->record.full)
		r = ledger_forget_volume(wipe->supervisor->ledger, wipe->record.uuid,
			"it died in a full wipe: its volume's key was destroyed");
	else
		end_standard(wipe);
	if (r < 0)
		wipe_record_add_note(&wipe->record, "the ledger could not be told of every job: %s",
			strerror(-r));
}
