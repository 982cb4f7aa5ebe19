/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer_batch.c - one batch of jobs, from SEEN to RETIRED
 *
 *   names, finished? -> files -> RETIRING (fsync) -> overwritten, removed -> purged -> barrier
 *   -> what became of each -> RETIRED, FAILED, HELD (fsync) -> told
 */
#include "base/io.h"
#include "ipc/fields.h"
#include "supervisor/cups_source.h"
#include "supervisor/job_files.h"
#include "supervisor/retirer_batch_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_BYTES 24

void retirer_batch_say(struct batch_job *job, const char *format, ...)
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

struct json_object *retirer_batch_data(const struct batch_job *job)
{
	struct json_object *data = events_data("source", job->job->source, NULL);

	fields_add_u64(data, "number", job->job->number);
	return data;
}

/* "cups 12".  A loose file is no job, and its id is its name: its number stands for it (V1). */
const char *retirer_batch_object(const struct batch_job *job, char buf[static RETIRER_OBJECT_BYTES])
{
	if (strcmp(job->job->source, CUPS_SOURCE_FILE) == 0)
		snprintf(buf, RETIRER_OBJECT_BYTES, "%s %" PRIu64, job->job->source,
			job->job->number);
	else
		snprintf(buf, RETIRER_OBJECT_BYTES, "%s %s", job->job->source, job->job->id);
	return buf;
}

/* Of a job that is not retired. */
void retirer_batch_note(
	struct batch *batch, const struct batch_job *job, const char *kind, const char *detail)
{
	struct json_object *data = retirer_batch_data(job);
	char object[RETIRER_OBJECT_BYTES];
	const struct audit_event event = {
		.event = kind,
		.uid = geteuid(),
		.job = retirer_batch_object(job, object),
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
	retirer_batch_note(batch, job, "job-held", why);
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

bool retirer_batch_say_ledger(const struct batch *batch, int error)
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

void retirer_batch_close_session(struct retirer_volume *volume)
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
		retirer_batch_say(job,
			"%zu of its files do not lie on the volume, or are not its user's (%s)",
			job->found.refused, strerror(-job->found.refusal));
		return job->found.refusal;
	}
	if (job->found.is_cut) {
		job->soon = true;
		retirer_batch_say(
			job, "it has more files, or deeper directories, than are taken at once");
		return -EAGAIN;
	}
	r = job_files_clear(&options, &left);
	if (r >= 0 && left > 0) {
		job->soon = true;
		retirer_batch_say(
			job, "files came into its directories while it was being retired");
		return -EAGAIN;
	}
	if (r < 0)
		retirer_batch_say(job, "its directories cannot be cleared: %s", strerror(-r));
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
		retirer_batch_say(job, "its files are gone, its spooler does not forget it: %.180s",
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
		retirer_batch_close_session(batch->volume);
		for (size_t i = 0; i < batch->in_count; i++)
			retirer_track_delay(batch->in[i]->track, true);
	}
	return r;
}

/* --- all of it --- */

static void batch_done(struct batch *batch, size_t count)
{
	for (size_t i = 0; batch->jobs && i < count; i++) {
		ledger_files_free(batch->jobs[i].names, batch->jobs[i].name_count);
		job_files_done(&batch->jobs[i].found);
		receipt_signed_done(&batch->jobs[i].receipt);
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
		retirer_batch_close_session(batch->volume);
		return false;
	}
	batch->device = st.st_dev;
	r = look_at_all(batch, jobs, count);
	if (r >= 0)
		r = announce(batch);
	if (!retirer_batch_say_ledger(batch, r))
		return false;
	r = make_list(batch);
	if (r < 0 || batch->in_count == 0)
		return r >= 0;
	if (run(batch) < 0)
		return false;
	return retirer_end(batch);
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
