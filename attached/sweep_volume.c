/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/sweep_volume.h"
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include "ipc/fields.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_US 200000

/* While the barrier waits, a second connection asks how far the eraser is. */
struct watcher {
	const struct progress_sink *sink;
	struct client *sweeping; /* the connection that waits */
	struct client *client;
	pthread_t thread;
	uint64_t before_blocks; /* erased when the sweep began */
	atomic_bool ended;
	atomic_bool is_canceled;
	bool running;
};

static uint64_t owed_blocks(struct json_object *status)
{
	return volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect");
}

/* --- progress --- */

static void *watch(void *argument)
{
	struct watcher *watcher = argument;

	while (!atomic_load(&watcher->ended)) {
		struct json_object *status;
		struct progress progress = {.what = "overwriting"};
		uint64_t owed;

		if (client_status(watcher->client, &status) < 0)
			break;
		owed = owed_blocks(status);
		progress.done_bytes =
			(volumes_status_u64(status, "erased_blocks") - watcher->before_blocks) *
			BLOCK_BYTES;
		progress.total_bytes = progress.done_bytes + owed * BLOCK_BYTES;
		json_object_put(status);
		if (owed > 0 && progress_report(watcher->sink, &progress)) {
			atomic_store(&watcher->is_canceled, true);
			client_cancel(watcher->sweeping);
			break;
		}
		usleep(LOOK_EVERY_US);
	}
	return NULL;
}

static void start_watching(struct watcher *watcher, const struct runtime_state *state)
{
	struct json_object *status;

	if (!watcher->sink || client_connect(state->uuid, &watcher->client) < 0)
		return;
	if (client_status(watcher->client, &status) >= 0) {
		watcher->before_blocks = volumes_status_u64(status, "erased_blocks");
		json_object_put(status);
		watcher->running = pthread_create(&watcher->thread, NULL, watch, watcher) == 0;
	}
}

static void stop_watching(struct watcher *watcher)
{
	atomic_store(&watcher->ended, true);
	if (watcher->running)
		pthread_join(watcher->thread, NULL);
	client_free(watcher->client);
}

/* --- the sweep --- */

static int pay(const struct runtime_state *state, const struct spool_port *port,
	struct barrier_report *ret_report, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (state->mount[0]) {
		fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return problem_set(
				reterr_problem, -errno, "%s: %s", state->mount, strerror(errno));
		return barrier_run(port, fd, true, ret_report, reterr_problem);
	}
	r = port->barrier(port->context, true, &ret_report->epoch);
	return r < 0 ? problem_set(reterr_problem, r, "%s cannot be swept: %s", state->path,
			       strerror(-r))
		     : 0;
}

static int sweep(const struct runtime_state *state, struct client *client,
	const struct progress_sink *sink, struct barrier_report *ret_report,
	struct problem *reterr_problem)
{
	struct spool_port port = volume_port(client);
	struct watcher watcher = {.sink = sink, .sweeping = client};
	int r;

	if (state->read_only)
		return problem_set(reterr_problem, -EROFS,
			"%s is attached read-only; attach it for writing", state->path);
	r = volumes_check_managed(state, client, "a sweep", reterr_problem);
	if (r < 0)
		return r;
	start_watching(&watcher, state);
	r = pay(state, &port, ret_report, reterr_problem);
	stop_watching(&watcher);
	if (!atomic_load(&watcher.is_canceled))
		return r;
	return problem_set(reterr_problem, -ECANCELED,
		"the sweep of %s was interrupted; what is owed goes on being paid", state->path);
}

static enum sweep_verdict judge(
	const struct runtime_state *state, struct json_object *status, const char **ret_fault)
{
	*ret_fault = "the medium refuses to overwrite some of what is owed, and no spare block is "
		     "left; replace it";
	if (volumes_status_u64(status, "refused") > 0)
		return SWEEP_NOT_WHOLE;
	*ret_fault = "blocks that nobody has judged yet are not erased; attach it with --mount";
	if (volumes_status_u64(status, "unknown") > 0 || volumes_status_bool(status, "sweep_owed"))
		return SWEEP_NOT_WHOLE;
	*ret_fault = "nothing is mounted, so what its file system has freed is not known; attach "
		     "it with --mount";
	if (state->nbd[0])
		*ret_fault =
			"what was trimmed is paid; what its client's file system has freed and "
			"not trimmed is not known here; run fstrim there, then sweep again";
	if (!state->mount[0] && volumes_status_bool(status, "filesystem_expected"))
		return SWEEP_CANNOT_TELL;
	*ret_fault = NULL;
	return SWEEP_WHOLE;
}

int sweep_volume(const struct runtime_state *state, const struct progress_sink *sink,
	struct sweep_report *ret_report, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct sweep_report report = {.status = NULL};
	uint64_t start_ns = clock_monotonic_ns();
	int r;

	r = volumes_connect(state, &client, reterr_problem);
	if (r >= 0)
		r = sweep(state, client, sink, &report.barrier, reterr_problem);
	if (r >= 0)
		r = client_status(client, &report.status);
	if (r < 0)
		return r;
	report.verdict = judge(state, report.status, &report.fault);
	report.took_ms = (clock_monotonic_ns() - start_ns) / 1000000u;
	*ret_report = report;
	return 0;
}

void sweep_report_done(struct sweep_report *report)
{
	json_object_put(report->status);
	*report = (struct sweep_report){.status = NULL};
}

/* --- in words --- */

const char *sweep_verdict_name(enum sweep_verdict verdict)
{
	static const char *const names[] = {
		[SWEEP_WHOLE] = "whole",
		[SWEEP_NOT_WHOLE] = "not whole",
		[SWEEP_CANNOT_TELL] = "cannot tell",
	};

	return names[verdict];
}

struct json_object *sweep_report_to_json(
	const struct runtime_state *state, const struct sweep_report *report)
{
	const struct barrier_report *barrier = &report->barrier;
	struct json_object *object = json_object_new_object();

	fields_add_string(object, "schema", "spoolguard.sweep/1");
	fields_add_string(object, "path", state->path);
	fields_add_string(object, "result", report->fault ? "not whole" : "swept");
	fields_add_string(object, "verdict", sweep_verdict_name(report->verdict));
	if (report->fault)
		fields_add_string(object, "fault", report->fault);
	fields_add_bool(object, "file_system_swept", barrier->led);
	fields_add_bool(object, "journal_discarded", barrier->free_space.journal_discarded);
	fields_add_u64(object, "trimmed_bytes", barrier->free_space.trimmed_bytes);
	fields_add_u64(object, "unreached_free_blocks", barrier->free_space.unreached_blocks);
	fields_add_u64(object, "epoch", barrier->epoch);
	fields_add_u64(object, "owed_blocks", owed_blocks(report->status));
	fields_add_u64(object, "unknown_blocks", volumes_status_u64(report->status, "unknown"));
	fields_add_u64(object, "stuck_blocks", volumes_status_u64(report->status, "stuck"));
	fields_add_u64(object, "refused_blocks", volumes_status_u64(report->status, "refused"));
	fields_add_u64(object, "took_ms", report->took_ms);
	return object;
}
