/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_drive.c - the drive of a run: opened, compared with the one that was confirmed, opened again
 */
#include "decommission/run_impl.h"
#include "drives/hidden.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void run_close_drive(struct run *run)
{
	if (run->port)
		run->world->close_drive(run->world->context, run->port);
	run->port = NULL;
}

/* --- is it that drive? (J2) --- */

static int differs(struct run *run, const char *in_what, const char *then, const char *now)
{
	return problem_set(run->problem, -ESTALE,
		"this is another drive than the one that was confirmed: its %s is \"%.64s\", and "
		"it was \"%.64s\"; nothing was written to it",
		in_what, now, then);
}

/* What a hidden area was opened by is gone after a power cut, and there before it. */
static bool is_size_possible(const struct record *record, uint64_t bytes)
{
	const struct record_hidden *hidden = &record->hidden;

	if (bytes == record->bytes)
		return true;
	return hidden->step[0] != '\0' && bytes > record->bytes &&
	       (hidden->bytes_native == 0 || bytes <= hidden->bytes_native);
}

static int compare(struct run *run)
{
	const struct record *record = run->record;
	const struct drive_facts *facts = &run->facts;
	char then[32], now[32];

	if (strcmp(facts->serial, record->serial) != 0)
		return differs(run, "serial", record->serial, facts->serial);
	/* One that the system alone told is no word of the drive's own (record_drive.c). */
	if (facts->wwn[0] != '\0' && strcmp(facts->wwn, record->wwn) != 0)
		return differs(run, "world wide name", record->wwn, facts->wwn);
	if (is_size_possible(record, facts->bytes))
		return 0;
	snprintf(then, sizeof(then), "%llu", (unsigned long long)record->bytes);
	snprintf(now, sizeof(now), "%llu", (unsigned long long)facts->bytes);
	return differs(run, "size in bytes", then, now);
}

int run_open_drive(struct run *run)
{
	int r;

	if (run->port)
		return 0;
	r = run->world->open_drive(run->world->context, run->record, &run->port, run->problem);
	if (r < 0) {
		run->port = NULL;
		return r;
	}
	r = facts_ask(run->port, &run->facts);
	if (r < 0)
		r = problem_set(run->problem, r,
			"the drive does not say what it is (%s); see to its cable and power, and "
			"run the same again",
			strerror(-r));
	else
		r = compare(run);
	if (r < 0)
		run_close_drive(run);
	return r;
}

int run_reopen_drive(struct run *run)
{
	run_close_drive(run);
	if (run->reopens == RUN_REOPENS_MAX)
		return problem_set(run->problem, -ENODEV,
			"the drive left %u times; see to its cable and power, and run the same "
			"again: it goes on where it was",
			run->reopens + 1);
	run->reopens++;
	return run_open_drive(run);
}

/* --- the medium --- */

uint32_t run_block_bytes(const struct run *run)
{
	if (run->facts.logical_bytes > 0)
		return run->facts.logical_bytes;
	return run->record->logical_bytes > 0 ? run->record->logical_bytes : 512;
}

int run_open_medium(struct run *run, struct blockdev **ret_medium)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	char then[32], now[32];
	int r;

	r = run->world->open_medium(
		run->world->context, run->record, run_block_bytes(run), &medium, run->problem);
	if (r < 0)
		return r;
	if (!is_size_possible(run->record, blockdev_bytes(medium))) {
		snprintf(then, sizeof(then), "%llu", (unsigned long long)run->record->bytes);
		snprintf(now, sizeof(now), "%llu", (unsigned long long)blockdev_bytes(medium));
		return differs(run, "size in bytes", then, now);
	}
	*ret_medium = medium;
	medium = NULL;
	return 0;
}

/* --- hidden areas --- */

static int note_hidden(void *context, enum method_kind kind, const char *step, bool done)
{
	struct run *run = context;
	struct record_hidden *hidden = &run->record->hidden;

	(void)kind; /* none is at work */
	snprintf(hidden->step, sizeof(hidden->step), "%s", step);
	hidden->step_done = done;
	return run_save(run);
}

/* What is told of the first time stays: later, what was opened is open. */
static void take_hidden(struct record_hidden *hidden, const struct hidden_result *result)
{
	hidden->hpa = hidden->hpa || result->hpa;
	hidden->ama = hidden->ama || result->ama;
	hidden->dco = hidden->dco || result->dco;
	hidden->lifted = result->lifted || (hidden->lifted && !result->hpa && !result->ama);
	if (result->bytes_native > hidden->bytes_native)
		hidden->bytes_native = result->bytes_native;
	hidden->bytes_after = result->bytes_after;
	snprintf(hidden->detail, sizeof(hidden->detail), "%s", result->detail);
}

int run_lift_hidden(struct run *run)
{
	struct record_hidden *hidden = &run->record->hidden;
	struct hidden_run lift = {
		.restore_dco = run->request->restore_dco, .record = note_hidden, .context = run};
	struct hidden_result result;
	int r = run_open_drive(run);

	if (r < 0 || !run->facts.is_ata || (!run->facts.hpa && !run->facts.ama && !run->facts.dco))
		return r;
	if (hidden->bytes_before == 0)
		hidden->bytes_before = run->facts.bytes;
	if (run->facts.native_bytes > hidden->bytes_native)
		hidden->bytes_native = run->facts.native_bytes;
	lift.port = run->port;
	r = hidden_lift(&lift, &run->facts, &result);
	if (run->save_error < 0)
		return run->save_error;
	if (r < 0)
		return problem_set(run->problem, r,
			"what a part of the drive is hidden by could not be lifted (%s); see to "
			"its "
			"cable and power, and run the same again",
			strerror(-r));
	take_hidden(hidden, &result);
	return run_save(run);
}
