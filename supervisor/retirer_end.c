/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer_end.c - the end of a batch: what became of each job, and what is said of it
 *
 *   barrier passed -> receipts made and signed -> audit log "job-retired" with the digest of each
 *   (durable) -> ledger RETIRED with document and signature (fsync) -> told
 *
 * A crash before the ledger has it leaves a record of a receipt that nobody was given; the job is
 * retired again, and has another.  What cannot be signed or logged is not claimed (P7).
 */
#include "base/io.h"
#include "ipc/fields.h"
#include "supervisor/job_why.h"
#include "supervisor/retirer_batch_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what became of the files --- */

static void account(
	struct batch_job *job, const struct job_file *name, const struct retire_file *file)
{
	struct job_receipt *sum = &job->track->sum;
	char why[LEDGER_WHY_BYTES];

	if (file->removed) {
		/* Without memory it will look gone, and be said to be so. */
		(void)!retirer_track_add_done(job->track, name->name);
		sum->files++;
		sum->removed_files++;
		sum->erased_files += file->erased;
		sum->bytes += file->size_bytes;
		sum->extents += file->extent_count;
		job_receipt_add(sum, &file->retirement);
	}
	if (file->error == 0 || file->error == -ENOENT)
		return;
	job->soon |= file->error == -EBUSY || file->error == -ESTALE;
	job->hopeless |= file->erased_but_refused;
	retirer_batch_say(job, "%s",
		job_why_without_names(problem_text(&file->problem, file->error), name->name,
			name->path, why, sizeof(why)));
}

static void account_all(struct batch *batch)
{
	size_t entry = 0;

	for (size_t i = 0; i < batch->in_count; i++) {
		struct batch_job *job = batch->in[i];

		for (size_t f = 0; f < job->found.count; f++, entry++)
			account(job, &job->found.files[f], &batch->result.files[entry]);
	}
}

/* --- receipts --- */

/* A file without a name keeps its blocks until the last who has it open closes it. */
#define MISSING_LIMIT                                                                              \
	"blocks that somebody else freed got their passes at the barrier at the latest, not in "   \
	"place; if a program still has such a file open, they get them when it is closed"

static void add_missing(struct json_object *object, const struct batch_job *job, size_t missing)
{
	if (missing == 0)
		return;
	fields_add_u64(object, "files_missing", missing);
	fields_add_string(object, "files_missing_why",
		job->job->attempts > 0
			? "they were gone at a second attempt: removed by this service after "
			  "their passes, or by somebody else; " MISSING_LIMIT
			: "somebody else removed them first; " MISSING_LIMIT);
}

static void add_digests(struct json_object *object, const struct batch_job *job)
{
	if (job->job->digests.user[0])
		fields_add_string(object, "user_digest", job->job->digests.user);
	if (job->job->digests.title[0])
		fields_add_string(object, "title_digest", job->job->digests.title);
}

/* The numbers are those of all attempts. */
static struct json_object *make_receipt(
	struct batch *batch, size_t index, const char *selftest, const char *claims_why)
{
	struct batch_job *job = batch->in[index];
	struct job_receipt receipt = batch->result.receipts[index];
	const struct job_receipt *sum = &job->track->sum;
	size_t gone = job->found.gone + receipt.gone_files;
	struct json_object *object;

	receipt.id = job->job->id;
	receipt.files = sum->files + gone;
	receipt.erased_files = sum->erased_files;
	receipt.removed_files = sum->removed_files;
	receipt.gone_files = gone;
	receipt.bytes = sum->bytes;
	receipt.extents = sum->extents;
	receipt.total = sum->total;
	object = job_receipt_to_json(&receipt);
	fields_add_u64(object, "job", job->job->number);
	fields_add_string(object, "source", job->job->source);
	fields_add_u64(object, "attempts", job->job->attempts + 1u);
	fields_add_string(object, "selftest", selftest);
	fields_add_bool(object, "claims", claims_why == NULL);
	add_digests(object, job);
	if (claims_why) { /* E1 */
		fields_add_string(object, "result", "not claimed");
		fields_add_string(object, "claims_why", claims_why);
	}
	add_missing(object, job, gone);
	if (job->job->lost_files > 0)
		fields_add_u64(object, "files_unknown", job->job->lost_files);
	return object;
}

/* --- the end --- */

struct ending {
	bool claims;
	bool held; /* T4: done, and not to be said now */
	char selftest[HARNESS_ID_BYTES];
	char why[160];	     /* why nothing is claimed */
	char unclaimed[160]; /* ... if it was found out here */
};

static struct ending ending_of(struct batch *batch)
{
	struct retirer *retirer = batch->volume->retirer;
	struct ending ending = {.claims = state_may_claim(retirer->options.state)};

	ending.held = !ending.claims && retirer->options.config->on_failure == CONFIG_HOLD;
	if (!ending.claims)
		state_line(retirer->options.state, ending.why, sizeof(ending.why));
	(void)pthread_mutex_lock(&retirer->lock);
	strcpy(ending.selftest, retirer->selftest);
	(void)pthread_mutex_unlock(&retirer->lock);
	return ending;
}

/* Claimed: its receipt is signed, and stands there as it was signed. */
static int sign(
	struct batch_job *job, const struct receipt_frame *frame, struct ledger_change *change)
{
	int r = receipt_sign(change->receipt, frame, &job->receipt);

	if (r < 0)
		return r;
	json_object_put(change->receipt);
	change->receipt = NULL;
	change->document = job->receipt.document;
	change->signature = job->receipt.signature;
	job->receipt.document = job->receipt.signature = NULL;
	return 0;
}

/* frame: NULL: nothing is claimed. */
static int change_of(struct batch *batch, size_t index, const struct ending *ending,
	const struct receipt_frame *frame, struct ledger_change *change)
{
	struct batch_job *job = batch->in[index];

	*change = (struct ledger_change){.number = job->job->number, .why = job->why};
	if (batch->result.receipts[index].retired) {
		change->state = LEDGER_RETIRED;
		change->why = NULL;
		change->receipt = make_receipt(
			batch, index, ending->selftest, ending->claims ? NULL : ending->why);
		return frame ? sign(job, frame, change) : 0;
	}
	retirer_batch_say(job, "it could not be retired");
	/* T6 */
	change->state = job->hopeless ? LEDGER_HELD : LEDGER_FAILED;
	return 0;
}

/* --- the audit log --- */

/* The four numbers of the receipt. */
static struct json_object *retired_data(
	const struct batch_job *job, const struct ending *ending, uint64_t owed_blocks)
{
	const struct job_receipt *sum = &job->track->sum;
	struct json_object *data = retirer_batch_data(job);

	fields_add_u64(data, "files", sum->files);
	fields_add_u64(data, "requested", sum->total.requested_blocks);
	fields_add_u64(data, "written", sum->total.written_blocks);
	fields_add_u64(data, "durable", sum->total.durable_blocks);
	fields_add_u64(data, "verified", sum->total.verified_blocks);
	fields_add_u64(data, "owed_blocks", owed_blocks);
	add_digests(data, job);
	if (ending->claims) {
		fields_add_string(data, "selftest", ending->selftest);
		fields_add_string(data, "receipt", job->receipt.id);
		fields_add_string(data, "receipt_sha256", job->receipt.sha256);
	}
	return data;
}

/*
 * Before the ledger says RETIRED: a crash in between has the record twice, and no job is retired
 * without one.
 */
static int log_retired(
	struct batch *batch, const struct ledger_change *changes, const struct ending *ending)
{
	struct audit_event *list = calloc(batch->in_count, sizeof(*list));
	char(*objects)[RETIRER_OBJECT_BYTES] = calloc(batch->in_count, sizeof(*objects));
	size_t count = 0;
	int r = list && objects ? 0 : -ENOMEM;

	for (size_t i = 0; i < batch->in_count && r >= 0; i++) {
		if (changes[i].state != LEDGER_RETIRED)
			continue;
		list[count] = (struct audit_event){
			.event = "job-retired",
			.uid = geteuid(),
			.job = retirer_batch_object(batch->in[i], objects[count]),
			.volume = batch->volume->state.uuid,
			.outcome = ending->claims ? "success" : "failure",
			.detail = ending->claims ? NULL : "without a receipt that claims anything",
			.data = retired_data(
				batch->in[i], ending, batch->result.receipts[i].backlog_blocks),
		};
		count++;
	}
	if (r >= 0 && ending->claims)
		r = events_add_committed(batch->retirer->options.events, list, count, NULL);
	for (size_t i = 0; i < count; i++) {
		if (!ending->claims)
			events_add(batch->retirer->options.events, &list[i]);
		json_object_put(list[i].data);
	}
	free(list);
	free(objects);
	return r;
}

static void end_retired(struct batch *batch, struct batch_job *job)
{
	struct ledger_job after;

	retirer_tracks_drop(&batch->volume->tracks, job->job->number);
	if (!job->source || !job->source->retired ||
		ledger_get(batch->retirer->options.ledger, job->job->number, &after) < 0)
		return;
	job->source->retired(job->source->context, &after);
	ledger_job_done(&after);
}

/* T3 */
static void end_failed(struct batch *batch, struct batch_job *job)
{
	struct retirer_track *track = job->track;

	if (!track->told || strcmp(track->why, job->why) != 0)
		retirer_batch_note(batch, job, "job-failed", job->why);
	track->told = true;
	memcpy(track->why, job->why, sizeof(track->why));
	retirer_track_delay(track, job->soon);
}

static void end_one(struct batch *batch, struct batch_job *job, const struct ledger_change *change)
{
	if (change->error == -EAGAIN) { /* more files came: at once, with them */
		job->track->due_ns = 0;
	} else if (change->error < 0) {
		retirer_track_delay(job->track, true);
	} else if (change->state == LEDGER_RETIRED) {
		end_retired(batch, job);
	} else if (change->state == LEDGER_HELD) {
		retirer_batch_note(batch, job, "job-held", job->why);
	} else {
		end_failed(batch, job);
	}
}

/* It was done, and is not to be said: it stays in RETIRING, and the next barrier is said of it. */
static void end_later(struct batch *batch, const char *why)
{
	for (size_t i = 0; i < batch->in_count; i++) {
		retirer_track_delay(batch->in[i]->track, true);
		ledger_note(batch->retirer->options.ledger, batch->in[i]->job->number, why);
	}
}

static void drop_change(struct ledger_change *change)
{
	json_object_put(change->receipt);
	free(change->document);
	free(change->signature);
	*change = (struct ledger_change){.receipt = NULL};
}

static int make_changes(struct batch *batch, const struct ending *ending,
	const struct receipt_frame *frame, struct ledger_change *changes)
{
	int r = 0;

	for (size_t i = 0; i < batch->in_count && r >= 0; i++)
		r = change_of(batch, i, ending, frame, &changes[i]);
	return r;
}

static int claim(struct batch *batch, struct ending *ending, struct ledger_change *changes)
{
	const struct retirer_options *options = &batch->retirer->options;
	const char *what = "the audit log cannot be written";
	struct receipt_frame frame = {.medium = NULL};
	int r;

	r = receipt_frame_init(&frame, options->keys(options->keys_context), options->events,
		&batch->volume->state);
	if (r >= 0)
		r = make_changes(batch, ending, &frame, changes);
	receipt_frame_done(&frame);
	if (r < 0)
		what = "receipts cannot be signed";
	else
		r = log_retired(batch, changes, ending);
	if (r < 0) {
		snprintf(ending->unclaimed, sizeof(ending->unclaimed), "%s: %s", what,
			r == -ENOKEY ? "the device's key is not there" : strerror(-r));
		strcpy(ending->why, ending->unclaimed);
	}
	return r;
}

/* What is not signed, or what the audit log does not have, is not claimed.  False: nothing is to be
 * said now (T4). */
static bool prepare(struct batch *batch, struct ending *ending, struct ledger_change *changes)
{
	if (ending->held)
		return false;
	if (ending->claims && claim(batch, ending, changes) >= 0)
		return true;
	for (size_t i = 0; i < batch->in_count; i++)
		drop_change(&changes[i]);
	ending->held = ending->claims && batch->retirer->options.config->on_failure == CONFIG_HOLD;
	ending->claims = false;
	return !ending->held && make_changes(batch, ending, NULL, changes) >= 0 &&
	       log_retired(batch, changes, ending) >= 0;
}

/* state_line() is long, and known to whoever asks for the status. */
static void say_waits(struct batch *batch, const struct ending *ending)
{
	char why[LEDGER_WHY_BYTES];

	snprintf(why, sizeof(why), "waits: nothing may be claimed now%s%s",
		ending->unclaimed[0] ? ": " : "", ending->unclaimed);
	end_later(batch, why);
}

bool retirer_end(struct batch *batch)
{
	struct ending ending = ending_of(batch);
	struct ledger_change *changes;
	int r;

	account_all(batch);
	if (batch->result.barrier_error < 0) {
		end_later(batch, batch->result.barrier_problem.text);
		retirer_batch_close_session(batch->volume);
		return false;
	}
	changes = calloc(batch->in_count, sizeof(*changes));
	if (!changes)
		return false;
	if (!prepare(batch, &ending, changes)) {
		for (size_t i = 0; i < batch->in_count; i++)
			drop_change(&changes[i]);
		free(changes);
		say_waits(batch, &ending);
		return true;
	}
	r = ledger_change(batch->retirer->options.ledger, changes, batch->in_count);
	if (!retirer_batch_say_ledger(batch, r))
		end_later(batch, "waits: the ledger cannot be written to");
	for (size_t i = 0; i < batch->in_count && r >= 0; i++)
		end_one(batch, batch->in[i], &changes[i]);
	free(changes);
	retirer_tell(batch->volume->retirer);
	return r >= 0;
}
