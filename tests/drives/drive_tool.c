/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_tool.c - a drive's own commands from the command line, for tests in a virtual machine
 *
 * usage: drive_tool DEVICE                         what it is and offers
 *        drive_tool DEVICE METHOD [start|resume]   performs it; with start, a witness looks on
 *        drive_tool DEVICE lift-hidden             opens what is hidden, an overlay too
 *        drive_tool DEVICE format-unit             SCSI FORMAT UNIT, which is no method; a witness
 *                                                  looks on
 *
 * A line for each thing: "serial S", "offers METHOD", "record STEP begin", "progress N" (of a
 * hundred), "state done: ...", "survived N of N".  Exit code 0: done, and nothing survived; 1
 * otherwise; 2: usage.
 */
#include "blockdev/raw.h"
#include "drives/hidden.h"
#include "drives/linux_port.h"
#include "drives/method.h"
#include "drives/witness.h"
#include <stdio.h>
#include <string.h>

enum { POLL_MS = 200, FORMAT_UNIT = 0x04, FORMAT_MS = 60000 };

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
	printf("model %s\nserial %s\nbytes %llu\nopal %s\nhealth %s\n", facts->model, facts->serial,
		(unsigned long long)facts->bytes, facts->opal ? "yes" : "no",
		facts->health_known ? facts->health : "not known");
	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++)
		if (facts->methods[kind].offered)
			printf("offers %s\n", method_name((enum method_kind)kind));
		else if (facts->methods[kind].why_not[0] != '\0')
			printf("no %s: %s\n", method_name((enum method_kind)kind),
				facts->methods[kind].why_not);
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

/* What some drives take for an answer to everything, and do nothing. */
static int format_unit(const struct command_port *port)
{
	struct scsi_command command = {
		.cdb = {FORMAT_UNIT}, .cdb_bytes = 6, .timeout_ms = FORMAT_MS};
	int r = port->ops->scsi(port->context, &command);

	printf("format-unit status %u host %u (%d)\n", command.status, command.host_status, r);
	return r < 0 || command.status != 0 || command.host_status != 0 ? 1 : 0;
}

static int lift(const struct command_port *port, struct drive_facts *facts)
{
	struct hidden_run run = {
		.port = port, .permanent = true, .restore_dco = true, .record = record};
	struct hidden_result result = {.detail = ""};
	int r = hidden_lift(&run, facts, &result);

	printf("hidden %llu of %llu, the device %llu: %s (%d)\n",
		(unsigned long long)result.bytes_after, (unsigned long long)result.bytes_native,
		(unsigned long long)result.bytes_of_device, result.detail, r);
	return r >= 0 && result.lifted ? 0 : 1;
}

/* Between two looks at the same sectors. */
static int perform_watched(const struct method_run *run, const char *path, bool formats)
{
	_cleanup_(blockdev_closep) struct blockdev *before = NULL, *after = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	struct witness_report seen;

	if (open_medium(path, &before) < 0 || witness_take(before, &witness) < 0 ||
		(formats ? format_unit(run->port) : perform(run, false)) != 0)
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

	bool lifts = argc > 2 && strcmp(argv[2], "lift-hidden") == 0;
	bool formats = argc > 2 && strcmp(argv[2], "format-unit") == 0;

	if (argc < 2 || (argc > 2 && !lifts && !formats && method_parse(argv[2], &run.kind) < 0)) {
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
	if (lifts)
		return lift(run.port, &facts);
	if (argc > 3 && strcmp(argv[3], "resume") == 0)
		return perform(&run, true);
	return perform_watched(&run, argv[1], formats);
}
