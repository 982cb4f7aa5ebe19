/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/retire_jobs.h"
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "base/io.h"
#include "spool/barrier.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RETRY_MS	   100u
#define DESCRIPTORS_WANTED 1024u /* a batch of files needs two each (spool/retire.c) */

struct retire_session {
	struct runtime_state state;
	struct client *client;
	struct spool_port port;
	struct json_object *status; /* receipts name scheme and read-back from it */
	char medium[MEDIUM_TEXT_BYTES];
};

/* One run. */
struct work {
	struct retire_session *session;
	const struct job_list *jobs;
	const struct retire_options *options;
	int mount_fd;
	struct retire_file *files;
	struct job_receipt *receipts;
	int *refusals; /* of the jobs, by their hooks */
	uint64_t start_ns;
};

/* --- the session --- */

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int ask_status(struct retire_session *session)
{
	struct json_object *status;
	int r = client_status(session->client, &status);

	if (r < 0)
		return r;
	json_object_put(session->status);
	session->status = status;
	return 0;
}

static int open_session(struct retire_session *session, struct problem *reterr_problem)
{
	const struct runtime_state *state = &session->state;
	int r;

	if (state->read_only)
		return problem_set(reterr_problem, -EROFS,
			"%s is attached read-only; attach it for writing", state->path);
	r = volumes_connect(state, &session->client, reterr_problem);
	if (r >= 0)
		r = volumes_check_managed(state, session->client, "retiring a job", reterr_problem);
	if (r >= 0)
		r = ask_status(session);
	if (r < 0)
		return r;
	session->port = volume_port(session->client);
	raise_descriptor_limit();
	/* Between taking a lease and saying that no signal is wanted somebody may open the file. */
	(void)signal(SIGIO, SIG_IGN);
	return 0;
}

int retire_session_open(const struct runtime_state *state, struct retire_session **ret_session,
	struct problem *reterr_problem)
{
	_cleanup_(retire_session_closep) struct retire_session *session =
		calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	session->state = *state;
	r = open_session(session, reterr_problem);
	if (r < 0)
		return r;
	*ret_session = session;
	session = NULL;
	return 0;
}

void retire_session_close(struct retire_session *session)
{
	if (!session)
		return;
	json_object_put(session->status);
	client_free(session->client);
	free(session);
}

/* --- files --- */

static bool is_gone(const struct work *work, const struct retire_file *file)
{
	return work->options->may_be_gone && file->error == -ENOENT && !file->erased;
}

static bool is_left_alone(const struct work *work, size_t entry)
{
	return work->refusals[work->jobs->entries[entry].job] < 0;
}

static void ask_hooks_before(struct work *work)
{
	const struct retire_hooks *hooks = &work->options->hooks;

	for (size_t job = 0; job < work->jobs->jobs && hooks->before; job++)
		work->refusals[job] = hooks->before(hooks->context, job);
}

/* Those of one job that was left alone stand between the others: a call for each stretch. */
static int retire_once(struct work *work, struct problem *reterr_problem)
{
	size_t count = work->jobs->count, end;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i = end) {
		bool skip = is_left_alone(work, i);

		for (end = i; end < count && is_left_alone(work, end) == skip; end++) {
			if (skip)
				work->files[end].error =
					work->refusals[work->jobs->entries[end].job];
		}
		if (!skip)
			r = retire_files(&work->session->port, work->mount_fd, &work->files[i],
				end - i, reterr_problem);
	}
	return r;
}

static bool is_busy(const struct work *work, size_t entry)
{
	return work->files[entry].error == -EBUSY && !is_left_alone(work, entry);
}

static bool any_is_busy(const struct work *work)
{
	for (size_t i = 0; i < work->jobs->count; i++) {
		if (is_busy(work, i))
			return true;
	}
	return false;
}

/* Files that were open elsewhere are tried again, as long as there is time. */
static int retire_all(struct work *work, struct problem *reterr_problem)
{
	uint64_t end_ns = work->start_ns + work->options->wait_ms * 1000000u;
	int r;

	r = retire_once(work, reterr_problem);
	while (r >= 0 && clock_monotonic_ns() < end_ns && any_is_busy(work)) {
		usleep(RETRY_MS * 1000);
		for (size_t i = 0; i < work->jobs->count && r >= 0; i++) {
			if (!is_busy(work, i))
				continue;
			work->files[i] = (struct retire_file){.path = work->files[i].path};
			r = retire_files(&work->session->port, work->mount_fd, &work->files[i], 1,
				reterr_problem);
		}
	}
	return r;
}

/* --- receipts --- */

static void add_file(
	const struct work *work, struct job_receipt *receipt, const struct retire_file *file)
{
	receipt->files++;
	receipt->erased_files += file->erased;
	receipt->removed_files += file->error == 0 && file->removed;
	receipt->gone_files += is_gone(work, file);
	receipt->bytes += file->size_bytes;
	receipt->extents += file->extent_count;
	job_receipt_add(receipt, &file->retirement);
}

static bool is_whole(const struct job_receipt *receipt)
{
	return receipt->removed_files + receipt->gone_files == receipt->files;
}

/* What the session says is the same for all; it is filled in again after the barrier. */
static void begin_receipts(struct work *work)
{
	const struct job_list *jobs = work->jobs;

	for (size_t job = 0; job < jobs->jobs; job++)
		work->receipts[job] = (struct job_receipt){.id = jobs->ids[job]};
	for (size_t i = 0; i < jobs->count; i++)
		add_file(work, &work->receipts[jobs->entries[i].job], &work->files[i]);
}

/* Q2 */
static void ask_hooks_removed(struct work *work)
{
	const struct retire_hooks *hooks = &work->options->hooks;

	for (size_t job = 0; job < work->jobs->jobs && hooks->removed; job++) {
		const struct job_receipt *receipt = &work->receipts[job];

		if (work->refusals[job] >= 0)
			work->refusals[job] =
				hooks->removed(hooks->context, job, receipt, is_whole(receipt));
	}
}

/* Q3 */
static void end_receipts(
	struct work *work, bool barrier_passed, const struct barrier_report *barrier)
{
	struct retire_session *session = work->session;
	struct json_object *status = session->status;
	uint64_t owed =
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect");

	volumes_assess_medium(&session->state, status, session->medium, NULL);
	for (size_t job = 0; job < work->jobs->jobs; job++) {
		struct job_receipt *receipt = &work->receipts[job];

		receipt->scheme = volumes_status_string(status, "scheme");
		receipt->verify = volumes_status_string(status, "verify");
		receipt->volume_uuid = session->state.uuid;
		receipt->medium = session->medium;
		receipt->barrier_epoch = barrier_passed ? barrier->epoch : 0;
		receipt->led = barrier->led;
		receipt->journal_discarded = barrier->free_space.journal_discarded;
		receipt->unreached_blocks = barrier->free_space.unreached_blocks;
		receipt->backlog_blocks = owed;
		receipt->took_ms = (clock_monotonic_ns() - work->start_ns) / 1000000u;
		receipt->wall_s = clock_wall_s();
		receipt->retired = barrier_passed && is_whole(receipt) && work->refusals[job] >= 0;
	}
}

/* --- a run --- */

static int run(struct work *work, struct retire_result *result, struct problem *reterr_problem)
{
	struct retire_session *session = work->session;
	struct barrier_report barrier = {.epoch = 0};
	int r;

	ask_hooks_before(work);
	r = retire_all(work, reterr_problem);
	if (r < 0)
		return r;
	begin_receipts(work);
	ask_hooks_removed(work);
	r = barrier_run(&session->port, work->mount_fd, false, &barrier, &result->barrier_problem);
	result->barrier_error = r < 0 ? r : 0;
	if (ask_status(session) < 0)
		(void)0; /* the one from before will do: the volume's names are the same */
	end_receipts(work, r >= 0, &barrier);
	return 0;
}

static int prepare(struct work *work, struct problem *reterr_problem)
{
	const char *mount = work->session->state.mount;
	const struct job_list *jobs = work->jobs;

	/* One more than needed: a list may be empty. */
	work->files = calloc(jobs->count + 1, sizeof(*work->files));
	work->receipts = calloc(jobs->jobs + 1, sizeof(*work->receipts));
	work->refusals = calloc(jobs->jobs + 1, sizeof(*work->refusals));
	if (!work->files || !work->receipts || !work->refusals)
		return -ENOMEM;
	for (size_t i = 0; i < jobs->count; i++)
		work->files[i].path = jobs->entries[i].path;
	work->mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* Q4 */
	if (work->mount_fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", mount, strerror(errno));
	return 0;
}

int retire_session_run(struct retire_session *session, const struct job_list *jobs,
	const struct retire_options *options, struct retire_result *ret_result,
	struct problem *reterr_problem)
{
	struct retire_result result = {.barrier_error = 0};
	struct work work = {
		.session = session,
		.jobs = jobs,
		.options = options,
		.mount_fd = -1,
		.start_ns = clock_monotonic_ns(),
	};
	int r;

	r = prepare(&work, reterr_problem);
	if (r >= 0)
		r = run(&work, &result, reterr_problem);
	io_closep(&work.mount_fd);
	free(work.refusals);
	result.files = work.files;
	result.receipts = work.receipts;
	if (r < 0) {
		retire_result_done(&result);
		return r;
	}
	*ret_result = result;
	return 0;
}

void retire_result_done(struct retire_result *result)
{
	free(result->files);
	free(result->receipts);
	*result = (struct retire_result){.files = NULL};
}
