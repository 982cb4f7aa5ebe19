/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_sweep.c - "spoolguard sweep": free space and journal; everything owed is paid
 */
#include "attached/sweep_volume.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t owed_blocks(const struct sweep_report *report)
{
	return volumes_status_u64(report->status, "residue") +
	       volumes_status_u64(report->status, "suspect");
}

static void print_json(const struct runtime_state *state, const struct sweep_report *report)
{
	const struct barrier_report *barrier = &report->barrier;
	struct json_object *object = cli_json("sweep");

	cli_add_string(object, "path", state->path);
	cli_add_string(object, "result", report->fault ? "not whole" : "swept");
	cli_add_bool(object, "file_system_swept", barrier->led);
	cli_add_bool(object, "journal_discarded", barrier->free_space.journal_discarded);
	cli_add_u64(object, "unreached_free_blocks", barrier->free_space.unreached_blocks);
	cli_add_u64(object, "epoch", barrier->epoch);
	cli_add_u64(object, "owed_blocks", owed_blocks(report));
	cli_add_u64(object, "unknown_blocks", volumes_status_u64(report->status, "unknown"));
	cli_add_u64(object, "stuck_blocks", volumes_status_u64(report->status, "stuck"));
	cli_add_u64(object, "refused_blocks", volumes_status_u64(report->status, "refused"));
	cli_add_u64(object, "took_ms", report->took_ms);
	cli_print_json(object);
}

static void print_text(const struct runtime_state *state, const struct sweep_report *report)
{
	const struct free_space_report *free_space = &report->barrier.free_space;
	char trimmed[32];

	printf("%s swept in %" PRIu64 " ms%s\n", cli_shown(state->path), report->took_ms,
		report->fault ? "" : ": what was owed when it began is paid");
	if (report->barrier.led)
		printf("  file system: %s free handed back, journal %s, %" PRIu64
		       " free blocks held back\n",
			bytes_format_size(free_space->trimmed_bytes, trimmed, sizeof(trimmed)),
			free_space->journal_discarded ? "discarded" : "NOT discarded",
			free_space->unreached_blocks);
	printf("  owed now: %" PRIu64 " blocks\n", owed_blocks(report));
}

/* Prints what was done, and one line on stderr if that is not all; returns the exit code. */
static enum cli_exit tell(
	const struct runtime_state *state, const struct sweep_report *report, bool json)
{
	struct problem problem = {""};

	if (json)
		print_json(state, report);
	else
		print_text(state, report);
	if (report->fault) {
		problem_set(&problem, -EIO, "%s: %s", state->path, report->fault);
		cli_fail(&problem, -EIO);
	}
	switch (report->verdict) {
	case SWEEP_WHOLE:
		return CLI_YES;
	case SWEEP_NOT_WHOLE:
		return CLI_NO;
	case SWEEP_CANNOT_TELL:
		break;
	}
	return CLI_CANNOT_TELL;
}

static int run(int argc, char **argv)
{
	struct problem problem = {""};
	struct sweep_report report;
	struct runtime_state state;
	const char *path = NULL;
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
	r = volumes_find_by_medium(path, &state, &problem);
	if (r >= 0)
		r = sweep_volume(
			&state, isatty(STDERR_FILENO) ? cli_progress() : NULL, &report, &problem);
	if (r == -ECANCELED)
		return CLI_NO;
	if (r < 0)
		return cli_fail(&problem, r);
	code = tell(&state, &report, json);
	sweep_report_done(&report);
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
