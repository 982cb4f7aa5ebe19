/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer_batch.c - one batch of jobs, from SEEN to RETIRED
 *
 *   names, finished? -> files -> RETIRING (fsync) -> overwritten, removed -> purged -> barrier
 *   -> what became of each -> RETIRED, FAILED, HELD (fsync) -> told
 */
#include "base/io.h"
#include "ipc/fields.h"
#include "supervisor/job_files.h"
#include "supervisor/job_why.h"
#include "supervisor/retirer_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT_BYTES (LEDGER_SOURCE_BYTES + LEDGER_ID_BYTES) /* the log cuts it, if need be */

#define NUMBER_BYTES 24

struct batch_job {
	struct ledger_job *job;
	struct retirer_track *track;
	const struct retirer_source *source; /* NULL: none knows it */
	char **names;
	size_t name_count;
	struct job_files found;
	bool is_in; /* nothing has kept it back so far */

	/* What became of it. */
	bool soon; /* what is in its way may pass in a moment */
	bool hopeless;
	char why[LEDGER_WHY_BYTES];
};

struct batch {
	struct retirer_volume *volume;
	const struct retirer *retirer;
	dev_t device;
	struct batch_job *jobs; /* owned */
	size_t count;
	struct batch_job **in; /* those in the list, in its order; owned */
	size_t in_count;
	struct job_list list;
	struct retire_result result;
};

static void say(struct batch_job *job, const char *format, ...) format_printf(2, 3);

static void say(struct batch_job *job, const char *format, ...)
{
	va_list arguments;

	if (job->why[0]) /* the first reason is the cause of the others */
		return;
	va_start(arguments, format);
	vsnprintf(job->why, sizeof(job->why), format, arguments);
	va_end(arguments);
}

/* --- before anything is touched --- */

/* It stays as it is in the ledger, and is looked at again later. */
static void put_off(struct batch *batch, struct batch_job *job, const char *why, bool soon)
{
	job->is_in = false;
	retirer_track_delay(job->track, soon);
	ledger_note(batch->retirer->options.ledger, job->job->number, why);
}

static struct json_object *event_data(const struct batch_job *job)
{
	struct json_object *data = events_data("source", job->job->source, NULL);

	fields_add_u64(data, "number", job->job->number);
	return data;
}

static const char *event_object(const struct batch_job *job, char buf[static OBJECT_BYTES])
{
	snprintf(buf, OBJECT_BYTES, "%s %s", job->job->source, job->job->id);
	return buf;
}

/* Of a job that is not retired. */
static void note_event(
	struct batch *batch, const struct batch_job *job, const char *kind, const char *detail)
{
	struct json_object *data = event_data(job);
	char object[OBJECT_BYTES];
	const struct audit_event event = {
		.event = kind,
		.uid = geteuid(),
		.job = event_object(job, object),
		.volume = batch->volume->state.uuid,
		.outcome = "failure",
		.detail = detail,
		.data = data,
	};

	events_add(batch->retirer->options.events, &event);
	json_object_put(data);
}

static void hold(struct batch *batch, struct batch_job *job, const char *why)
{
	struct ledger *ledger = batch->retirer->options.ledger;

	job->is_in = false;
	if (ledger_lose_files(ledger, job->job->number, why) < 0) {
		retirer_track_delay(job->track, false);
		return;
	}
	note_event(batch, job, "job-held", why);
}

static bool is_done_with(void *context, const char *name)
{
	const struct batch_job *job = context;

	return retirer_track_is_done(job->track, name);
}

static struct job_files_options files_options(const struct batch *batch, struct batch_job *job)
{
	return (struct job_files_options){
		.names = (const char *const *)job->names,
		.name_count = job->name_count,
		.uid = job->job->uid,
		.device = batch->device,
		.skip = is_done_with,
		.context = job,
	};
}

static void read_names(struct batch *batch, struct batch_job *job)
{
	int r = ledger_files(
		batch->retirer->options.ledger, job->job->number, &job->names, &job->name_count);

	if (r == -EBADMSG)
		hold(batch, job,
			"the names of its files cannot be read any more (the ledger's key on the "
			"volume was replaced); remove the files by hand, then release it");
	else if (r < 0)
		put_off(batch, job, strerror(-r), false);
}

static void ask_source(struct batch *batch, struct batch_job *job)
{
	const struct retirer_source *source = job->source;

	if (job->is_in && source && source->check && source->check(source->context, job->job) < 0)
		put_off(batch, job, "waits: its spooler does not call it finished now", false);
}

static void find_files(struct batch *batch, struct batch_job *job)
{
	const struct job_files_options options = files_options(batch, job);
	int r = job->is_in ? job_files_find(&options, &job->found) : 0;

	if (r < 0)
		put_off(batch, job, strerror(-r), false);
}

static int look_at(struct batch *batch, struct ledger_job *ledger_job, struct batch_job *job)
{
	job->job = ledger_job;
	job->track = retirer_tracks_get(&batch->volume->tracks, ledger_job->number);
	if (!job->track)
		return -ENOMEM;
	job->source = retirer_find_source(batch->retirer, ledger_job->source);
	job->is_in = true;
	read_names(batch, job);
	ask_source(batch, job);
	find_files(batch, job);
	return 0;
}

/* A batch with few jobs and many files ends early: the others' turn comes at once. */
static int look_at_all(struct batch *batch, struct ledger_job *jobs, size_t count)
{
	size_t files = 0;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		if (files > 0 && files >= RETIRER_BATCH_FILES)
			break;
		r = look_at(batch, &jobs[i], &batch->jobs[i]);
		if (r < 0)
			break;
		batch->count++;
		files += batch->jobs[i].found.count;
	}
	return r;
}

/* --- T1 --- */

static bool say_ledger(const struct batch *batch, int error)
{
	struct state *state = batch->retirer->options.state;

	if (error >= 0)
		state_clear(state, "ledger:write");
	else
		state_raise(state, STATE_ATTENTION, "ledger:write",
			"the ledger cannot be written to (%s): jobs wait; see to the disk that the "
			"state directory is on",
			strerror(-error));
	return error >= 0;
}

static int announce(struct batch *batch)
{
	struct ledger_change *changes = calloc(batch->count, sizeof(*changes));
	size_t n = 0;
	int r = changes ? 0 : -ENOMEM;

	for (size_t i = 0; i < batch->count && r >= 0; i++) {
		if (batch->jobs[i].is_in)
			changes[n++] = (struct ledger_change){
				.number = batch->jobs[i].job->number, .state = LEDGER_RETIRING};
	}
	if (r >= 0)
		r = ledger_change(batch->retirer->options.ledger, changes, n);
	n = 0;
	for (size_t i = 0; i < batch->count && r >= 0; i++) {
		/* Somebody held it in this moment, or its volume's key went. */
		if (batch->jobs[i].is_in && changes[n++].error < 0)
			batch->jobs[i].is_in = false;
	}
	free(changes);
	return r;
}

static int add_to_list(struct batch *batch, struct batch_job *job)
{
	char number[NUMBER_BYTES];
	size_t index;
	int r;

	snprintf(number, sizeof(number), "%" PRIu64, job->job->number);
	r = job_list_add_job(&batch->list, number, &index);
	for (size_t i = 0; i < job->found.count && r >= 0; i++)
		r = job_list_add(&batch->list, number, job->found.files[i].path);
	if (r >= 0)
		batch->in[batch->in_count++] = job;
	return r;
}

static int make_list(struct batch *batch)
{
	int r = 0;

	batch->in = calloc(batch->count, sizeof(struct batch_job *));
	if (!batch->in)
		return -ENOMEM;
	for (size_t i = 0; i < batch->count && r >= 0; i++) {
		if (batch->jobs[i].is_in)
			r = add_to_list(batch, &batch->jobs[i]);
	}
	return r;
}

/* --- the run --- */

static bool open_session(struct retirer_volume *volume)
{
	struct state *state = volume->retirer->options.state;
	char key[sizeof(volume->reason_key) + 8];
	struct problem problem = {""};
	int r = 0;

	snprintf(key, sizeof(key), "session:%.36s", volume->state.uuid);
	if (!volume->session)
		r = retire_session_open(&volume->state, &volume->session, &problem);
	if (r >= 0)
		state_clear(state, key);
	else if (volume->session_failures > 1) /* a process that is being replaced */
		state_raise(state, STATE_ATTENTION, key, "jobs cannot be retired: %.400s",
			problem_text(&problem, r));
	return r >= 0;
}

static void close_session(struct retirer_volume *volume)
{
	retire_session_close(volume->session);
	volume->session = NULL;
}

/* Why it cannot be whole, whatever became of its files. */
static int find_fault(struct batch *batch, struct batch_job *job)
{
	struct job_files_options options = files_options(batch, job);
	size_t left = 0;
	int r;

	if (job->found.refused > 0) {
		say(job, "%zu of its files do not lie on the volume, or are not its user's (%s)",
			job->found.refused, strerror(-job->found.refusal));
		return job->found.refusal;
	}
	if (job->found.is_cut) {
		job->soon = true;
		say(job, "it has more files, or deeper directories, than are taken at once");
		return -EAGAIN;
	}
	r = job_files_clear(&options, &left);
	if (r >= 0 && left > 0) {
		job->soon = true;
		say(job, "files came into its directories while it was being retired");
		return -EAGAIN;
	}
	if (r < 0)
		say(job, "its directories cannot be cleared: %s", strerror(-r));
	return r;
}

static int on_removed(void *context, size_t index, const struct job_receipt *so_far, bool whole)
{
	struct batch *batch = context;
	struct batch_job *job = batch->in[index];
	struct problem problem = {""};
	int r;

	(void)so_far;
	if (!whole)
		return 0;
	r = find_fault(batch, job);
	if (r < 0 || !job->source || !job->source->purge)
		return r;
	r = job->source->purge(job->source->context, job->job, &problem);
	if (r < 0)
		say(job, "its files are gone, its spooler does not forget it: %.180s",
			problem_text(&problem, r));
	return r;
}

static int run(struct batch *batch)
{
	const struct retire_options options = {
		.may_be_gone = true,
		.hooks = {.removed = on_removed, .context = batch},
	};
	int r;

	r = retire_session_run(
		batch->volume->session, &batch->list, &options, &batch->result, NULL);
	if (r < 0) { /* what was removed cannot be told from what somebody else removed */
		close_session(batch->volume);
		for (size_t i = 0; i < batch->in_count; i++)
			retirer_track_delay(batch->in[i]->track, true);
	}
	return r;
}

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
	say(job, "%s",
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
	char why[160]; /* why nothing is claimed */
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

static struct ledger_change change_of(
	struct batch *batch, size_t index, const struct ending *ending)
{
	struct batch_job *job = batch->in[index];
	struct ledger_change change = {.number = job->job->number, .why = job->why};

	if (batch->result.receipts[index].retired) {
		change.state = LEDGER_RETIRED;
		change.why = NULL;
		change.receipt = make_receipt(
			batch, index, ending->selftest, ending->claims ? NULL : ending->why);
		return change;
	}
	say(job, "it could not be retired");
	/* T6 */
	change.state = job->hopeless ? LEDGER_HELD : LEDGER_FAILED;
	return change;
}

/* The four numbers of the receipt. */
static struct json_object *retired_data(const struct batch_job *job, const struct ending *ending)
{
	const struct job_receipt *sum = &job->track->sum;
	struct json_object *data = event_data(job);

	fields_add_u64(data, "files", sum->files);
	fields_add_u64(data, "requested", sum->total.requested_blocks);
	fields_add_u64(data, "written", sum->total.written_blocks);
	fields_add_u64(data, "durable", sum->total.durable_blocks);
	fields_add_u64(data, "verified", sum->total.verified_blocks);
	if (ending->claims)
		fields_add_string(data, "selftest", ending->selftest);
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
	char(*objects)[OBJECT_BYTES] = calloc(batch->in_count, sizeof(*objects));
	size_t count = 0;
	int r = list && objects ? 0 : -ENOMEM;

	for (size_t i = 0; i < batch->in_count && r >= 0; i++) {
		if (changes[i].state != LEDGER_RETIRED)
			continue;
		list[count] = (struct audit_event){
			.event = "job-retired",
			.uid = geteuid(),
			.job = event_object(batch->in[i], objects[count]),
			.volume = batch->volume->state.uuid,
			.outcome = ending->claims ? "success" : "failure",
			.detail = ending->claims ? NULL : "without a receipt that claims anything",
			.data = retired_data(batch->in[i], ending),
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
		note_event(batch, job, "job-failed", job->why);
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
		note_event(batch, job, "job-held", job->why);
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

static void make_changes(
	struct batch *batch, const struct ending *ending, struct ledger_change *changes)
{
	for (size_t i = 0; i < batch->in_count; i++) {
		json_object_put(changes[i].receipt);
		changes[i] = change_of(batch, i, ending);
	}
}

/* What the audit log does not have is not claimed.  False: nothing is to be said now (T4). */
static bool prepare(struct batch *batch, struct ending *ending, struct ledger_change *changes)
{
	if (ending->held)
		return false;
	make_changes(batch, ending, changes);
	if (log_retired(batch, changes, ending) >= 0)
		return true;
	ending->held = batch->retirer->options.config->on_failure == CONFIG_HOLD;
	if (ending->held) {
		for (size_t i = 0; i < batch->in_count; i++)
			json_object_put(changes[i].receipt);
		return false;
	}
	ending->claims = false;
	snprintf(ending->why, sizeof(ending->why), "the audit log cannot be written");
	make_changes(batch, ending, changes);
	return log_retired(batch, changes, ending) >= 0;
}

static bool end_all(struct batch *batch)
{
	struct ending ending = ending_of(batch);
	struct ledger_change *changes;
	int r;

	if (batch->result.barrier_error < 0) {
		end_later(batch, batch->result.barrier_problem.text);
		close_session(batch->volume);
		return false;
	}
	changes = calloc(batch->in_count, sizeof(*changes));
	if (!changes)
		return false;
	if (!prepare(batch, &ending, changes)) {
		free(changes);
		end_later(batch, "waits: nothing may be claimed now");
		return true;
	}
	r = ledger_change(batch->retirer->options.ledger, changes, batch->in_count);
	if (!say_ledger(batch, r))
		end_later(batch, "waits: the ledger cannot be written to");
	for (size_t i = 0; i < batch->in_count && r >= 0; i++)
		end_one(batch, batch->in[i], &changes[i]);
	free(changes);
	retirer_tell(batch->volume->retirer);
	return r >= 0;
}

/* --- all of it --- */

static void batch_done(struct batch *batch, size_t count)
{
	for (size_t i = 0; batch->jobs && i < count; i++) {
		ledger_files_free(batch->jobs[i].names, batch->jobs[i].name_count);
		job_files_done(&batch->jobs[i].found);
	}
	free(batch->jobs);
	free(batch->in);
	job_list_done(&batch->list);
	retire_result_done(&batch->result);
}

static bool work(struct batch *batch, struct ledger_job *jobs, size_t count)
{
	struct stat st;
	int r;

	if (!open_session(batch->volume))
		return false;
	if (stat(batch->volume->state.mount, &st) < 0) {
		close_session(batch->volume);
		return false;
	}
	batch->device = st.st_dev;
	r = look_at_all(batch, jobs, count);
	if (r >= 0)
		r = announce(batch);
	if (!say_ledger(batch, r))
		return false;
	r = make_list(batch);
	if (r < 0 || batch->in_count == 0)
		return r >= 0;
	if (run(batch) < 0)
		return false;
	account_all(batch);
	return end_all(batch);
}

bool retirer_batch(struct retirer_volume *volume, struct ledger_job *jobs, size_t count)
{
	struct batch batch = {.volume = volume, .retirer = volume->retirer};
	bool well;

	batch.jobs = calloc(count, sizeof(*batch.jobs));
	if (!batch.jobs)
		return false;
	well = work(&batch, jobs, count);
	batch_done(&batch, count);
	return well;
}
