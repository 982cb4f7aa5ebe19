/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_tool.c - a drive's own commands from the command line, for tests in a virtual machine
 *
 * usage: drive_tool DEVICE                         what it is and offers
 *        drive_tool DEVICE METHOD [start|resume]   performs it; with start, a witness looks on
 *
 * A line for each thing: "serial S", "offers METHOD", "record STEP begin", "progress N" (of a
 * hundred), "state done: ...", "survived N of N".  Exit code 0: done, and nothing survived; 1
 * otherwise; 2: usage.
 */
#include "blockdev/raw.h"
#include "drives/linux_port.h"
#include "drives/method.h"
#include "drives/witness.h"
#include <stdio.h>
#include <string.h>

enum { POLL_MS = 200 };

static int record(void *context, enum method_kind kind, const char *step, bool done)
{
	(void)context;
	(void)kind;
	printf("record %s %s\n", step, done ? "done" : "begin");
	fflush(stdout);
	return 0;
}

static bool report(void *context, const struct progress *progress)
{
	(void)context;
	if (progress->total_bytes > 0)
		printf("progress %u\n",
			(unsigned int)(progress->done_bytes * 100 / progress->total_bytes));
	fflush(stdout);
	return false;
}

static void show(const struct drive_facts *facts)
{
	printf("model %s\nserial %s\nbytes %llu\nopal %s\n", facts->model, facts->serial,
		(unsigned long long)facts->bytes, facts->opal ? "yes" : "no");
	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++)
		if (facts->methods[kind].offered)
			printf("offers %s\n", method_name((enum method_kind)kind));
}

static int open_medium(const char *path, struct blockdev **ret_bd)
{
	struct raw_options options = {.read_only = true, .unlocked = true, .block_bytes = 512};
	struct problem problem = {""};
	int r = raw_open(path, &options, ret_bd, &problem);

	if (r < 0)
		printf("problem %s\n", problem_text(&problem, r));
	return r;
}

static int perform(const struct method_run *run, bool again)
{
	struct progress_sink sink = {report, NULL};
	struct method_result result;
	int r = again ? method_resume(run, &result) : method_start(run, &result);

	if (r >= 0)
		r = method_wait(run, &sink, &result);
	printf("state %s: %s (%d)\n", method_state_name(result.state), result.detail, r);
	return r < 0 || result.state != METHOD_DONE ? 1 : 0;
}

/* Between two looks at the same sectors. */
static int perform_watched(const struct method_run *run, const char *path)
{
	_cleanup_(blockdev_closep) struct blockdev *before = NULL, *after = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	struct witness_report seen;

	if (open_medium(path, &before) < 0 || witness_take(before, &witness) < 0 ||
		perform(run, false) != 0)
		return 1;
	if (open_medium(path, &after) < 0 || witness_compare(witness, after, &seen) < 0)
		return 1;
	printf("survived %llu of %llu\n", (unsigned long long)seen.survived,
		(unsigned long long)seen.held_data);
	return seen.verdict == WITNESS_CHANGED ? 0 : 1;
}

int main(int argc, char **argv)
{
	_cleanup_(linux_port_closep) struct linux_port *port = NULL;
	struct linux_port_options options = {.only_ask = argc < 3};
	static struct drive_facts facts;
	struct method_run run = {.facts = &facts, .record = record, .limits = {.poll_ms = POLL_MS}};
	struct problem problem = {""};
	int r;

	if (argc < 2 || (argc > 2 && method_parse(argv[2], &run.kind) < 0)) {
		fprintf(stderr, "usage: drive_tool DEVICE [METHOD [start|resume]]\n");
		return 2;
	}
	r = linux_port_open(argv[1], &options, &port, &problem);
	if (r >= 0) {
		run.port = linux_port_commands(port);
		r = facts_ask(run.port, &facts);
	}
	if (r < 0) {
		printf("problem %s\n", problem_text(&problem, r));
		return 1;
	}
	if (argc == 2) {
		show(&facts);
		return 0;
	}
	if (argc > 3 && strcmp(argv[3], "resume") == 0)
		return perform(&run, true);
	return perform_watched(&run, argv[1]);
}
