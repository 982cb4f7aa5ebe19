/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_sweep.c - "spoolguard sweep": free space and journal; everything owed is paid
 */
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include "cli/cli.h"
#include "spool/barrier.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* While the barrier waits, a second connection asks how far the eraser is. */
struct watcher {
	struct client *client;
	pthread_t thread;
	uint64_t before_blocks; /* erased when the sweep began */
	atomic_bool ended;
	bool running;
};

static void *watch(void *argument)
{
	struct watcher *watcher = argument;
	const struct progress_sink *sink = cli_progress();

	while (!atomic_load(&watcher->ended)) {
		struct json_object *status;
		struct progress progress = {.what = "overwriting"};
		uint64_t owed;

		if (client_status(watcher->client, &status) < 0)
			break;
		owed = volumes_status_u64(status, "residue") +
		       volumes_status_u64(status, "suspect");
		progress.done_bytes =
			(volumes_status_u64(status, "erased_blocks") - watcher->before_blocks) *
			BLOCK_BYTES;
		progress.total_bytes = progress.done_bytes + owed * BLOCK_BYTES;
		json_object_put(status);
		/* Interrupted: what is owed stays recorded and goes on being paid. */
		if (owed > 0 && progress_report(sink, &progress))
			_exit(CLI_NO);
		usleep(200000);
	}
	return NULL;
}

static void start_watching(struct watcher *watcher, const struct runtime_state *state)
{
	struct json_object *status;

	if (!isatty(STDERR_FILENO) || client_connect(state->uuid, &watcher->client) < 0)
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

static int sweep(const struct runtime_state *state, struct client *client,
	struct barrier_report *report, struct problem *problem)
{
	struct spool_port port = volume_port(client);
	struct watcher watcher = {.client = NULL};
	_cleanup_close_ int fd = -1;
	int r;

	if (state->read_only)
		return problem_set(problem, -EROFS,
			"%s is attached read-only; attach it for writing", state->path);
	r = volumes_check_managed(state, client, "a sweep", problem);
	if (r < 0)
		return r;
	start_watching(&watcher, state);
	if (state->mount[0]) {
		fd = open(state->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? problem_set(problem, -errno, "%s: %s", state->mount, strerror(errno))
			   : barrier_run(&port, fd, true, report, problem);
	} else {
		r = port.barrier(port.context, true, &report->epoch);
		if (r < 0)
			problem_set(
				problem, r, "%s cannot be swept: %s", state->path, strerror(-r));
	}
	stop_watching(&watcher);
	return r;
}

/* What keeps the sweep from being whole, in words; NULL: nothing does. */
static const char *find_fault(
	const struct runtime_state *state, struct json_object *status, enum cli_exit *ret_code)
{
	*ret_code = CLI_NO;
	if (volumes_status_u64(status, "refused") > 0)
		return "the medium refuses to overwrite some of what is owed, and no spare block "
		       "is left; replace it";
	if (volumes_status_u64(status, "unknown") > 0 ||
		json_object_get_boolean(json_object_object_get(status, "sweep_owed")))
		return "blocks that nobody has judged yet are not erased; attach it with --mount";
	*ret_code = CLI_CANNOT_TELL;
	if (!state->mount[0] &&
		json_object_get_boolean(json_object_object_get(status, "filesystem_expected")))
		return "nothing is mounted, so what its file system has freed is not known; attach "
		       "it with --mount";
	*ret_code = CLI_YES;
	return NULL;
}

static void print_json(const struct runtime_state *state, const struct barrier_report *report,
	struct json_object *status, uint64_t took_ms, const char *fault)
{
	struct json_object *object = cli_json("sweep");

	cli_add_string(object, "path", state->path);
	cli_add_string(object, "result", fault ? "not whole" : "swept");
	cli_add_bool(object, "file_system_swept", report->led);
	cli_add_bool(object, "journal_discarded", report->free_space.journal_discarded);
	cli_add_u64(object, "unreached_free_blocks", report->free_space.unreached_blocks);
	cli_add_u64(object, "epoch", report->epoch);
	cli_add_u64(object, "owed_blocks",
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect"));
	cli_add_u64(object, "unknown_blocks", volumes_status_u64(status, "unknown"));
	cli_add_u64(object, "stuck_blocks", volumes_status_u64(status, "stuck"));
	cli_add_u64(object, "refused_blocks", volumes_status_u64(status, "refused"));
	cli_add_u64(object, "took_ms", took_ms);
	cli_print_json(object);
}

static void print_text(const struct runtime_state *state, const struct barrier_report *report,
	struct json_object *status, uint64_t took_ms, const char *fault)
{
	char trimmed[32];

	printf("%s swept in %" PRIu64 " ms%s\n", cli_shown(state->path), took_ms,
		fault ? "" : ": what was owed when it began is paid");
	if (report->led)
		printf("  file system: %s free handed back, journal %s, %" PRIu64
		       " free blocks held back\n",
			bytes_format_size(
				report->free_space.trimmed_bytes, trimmed, sizeof(trimmed)),
			report->free_space.journal_discarded ? "discarded" : "NOT discarded",
			report->free_space.unreached_blocks);
	printf("  owed now: %" PRIu64 " blocks\n",
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect"));
}

/* Prints what was done, and one line on stderr if that is not all; returns the exit code. */
static enum cli_exit tell(const struct runtime_state *state, const struct barrier_report *report,
	struct json_object *status, uint64_t took_ms, bool json)
{
	struct problem problem = {""};
	enum cli_exit code;
	const char *fault = find_fault(state, status, &code);

	if (json)
		print_json(state, report, status, took_ms, fault);
	else
		print_text(state, report, status, took_ms, fault);
	if (fault) {
		problem_set(&problem, -EIO, "%s: %s", state->path, fault);
		cli_fail(&problem, -EIO);
	}
	return code;
}

static int run(int argc, char **argv)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct barrier_report report = {.epoch = 0};
	struct json_object *status = NULL;
	struct problem problem = {""};
	struct runtime_state state;
	const char *path = NULL;
	uint64_t start_ns;
	enum cli_exit code;
	bool json = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' || path)
			return cli_usage_error(&cli_verb_sweep, "name one attached volume");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error(&cli_verb_sweep, "name one attached volume");
	start_ns = clock_monotonic_ns();
	r = volumes_find_by_medium(path, &state, &problem);
	if (r >= 0)
		r = volumes_connect(&state, &client, &problem);
	if (r >= 0)
		r = sweep(&state, client, &report, &problem);
	if (r >= 0)
		r = client_status(client, &status);
	if (r < 0)
		return cli_fail(&problem, r);
	code = tell(&state, &report, status, (clock_monotonic_ns() - start_ns) / 1000000u, json);
	json_object_put(status);
	return code;
}

const struct cli_verb cli_verb_sweep = {
	.name = "sweep",
	.summary = "free space and journal: everything owed is paid",
	.usage = "usage: spoolguard sweep [--json] PATH\n\n"
		 "PATH is an attached volume.  Its file system hands back what it has freed, its\n"
		 "journal is emptied, and the command returns when everything that was owed when\n"
		 "it began, backlog included, has had every pass.  Interrupted, the work goes "
		 "on.\n\n"
		 "Exit code: 0 swept, 1 not all of it could be, 3 nothing is mounted: what its "
		 "file\n"
		 "system has freed is not known.\n",
	.run = run,
};
