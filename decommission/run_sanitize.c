/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_sanitize.c - the drive's own ways to forget, best first, until one has (X3)
 *
 *   next kind: witness taken, kept, method recorded -> start -> wait -> witness compared
 *                                                       \-- lost: reopened, resumed
 *
 * What a method came to is told by the drive and then by the witness.  No survivor is enough to
 * stop trying; whether it is proof (W1, W3) is the verdict's.
 */
#include "base/clock.h"
#include "decommission/run_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_ended(const struct record_method *method)
{
	return method->ended_wall_s != 0;
}

static bool has_forgotten(const struct record_method *method)
{
	return is_ended(method) && method->state == METHOD_DONE;
}

static struct record_method *last_of(struct record *record)
{
	return record->method_count > 0 ? &record->methods[record->method_count - 1] : NULL;
}

static int end_method(struct run *run, struct record_method *method)
{
	method->ended_wall_s = clock_wall_s();
	return run_save(run);
}

static int fail_method(struct run *run, struct record_method *method, const char *why)
{
	method->state = METHOD_FAILED;
	if (why)
		snprintf(method->detail, sizeof(method->detail), "%s", why);
	return end_method(run, method);
}

/* --- what may be tried --- */

/* R4: what it reaches besides this device is named, and not in use.  NULL: nothing against it. */
static const char *why_not(const struct run *run, enum method_kind kind)
{
	const struct record *record = run->record;

	if (run->request->leave_out[kind])
		return "not tried: the plan leaves it out, because it would take what must not die";
	if (run->facts.methods[kind].reach != REACH_SUBSYSTEM)
		return NULL;
	if (run->facts.interface == INTERFACE_NVME && !run->facts.namespaces_known)
		return "not tried: it reaches all namespaces, and the drive does not list them all";
	if (run->facts.namespace_count > 1 && record->reach_count == 0)
		return "not tried: it reaches other namespaces, and they were not named when this "
		       "was confirmed";
	if (record->reaches_cut)
		return "not tried: it reaches more than could be named when this was confirmed";
	for (uint32_t i = 0; i < record->reach_count; i++) {
		if (record->reaches[i].in_use && !record->reaches[i].untouched)
			return "not tried: something else that it reaches is in use";
	}
	return NULL;
}

static bool was_tried(const struct record *record, enum method_kind kind)
{
	for (uint32_t i = 0; i < record->method_count; i++) {
		if (record->methods[i].kind == kind)
			return true;
	}
	return false;
}

/* The best that is offered and was not tried: METHOD_KINDS if none. */
static enum method_kind next_kind(const struct run *run)
{
	for (unsigned int kind = 0; kind < METHOD_KINDS; kind++) {
		if (run->facts.methods[kind].offered &&
			!was_tried(run->record, (enum method_kind)kind))
			return (enum method_kind)kind;
	}
	return METHOD_KINDS;
}

/* --- the witness --- */

static int take_witness(struct run *run)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	uint8_t *bytes = malloc(WITNESS_BYTES_MAX);
	size_t used;
	int r = bytes ? run_open_medium(run, &medium) : -ENOMEM;

	if (r >= 0)
		r = witness_take(medium, &witness);
	if (r >= 0)
		r = witness_encode(witness, bytes, &used);
	if (r >= 0) {
		run->save_error = run->world->save_witness(
			run->world->context, run->record, bytes, used, run->problem);
		r = run->save_error;
	}
	free(bytes);
	return r;
}

static int load_witness(struct run *run, struct witness **ret_witness)
{
	uint8_t *bytes = malloc(WITNESS_BYTES_MAX);
	size_t used = 0;
	int r = bytes ? run->world->load_witness(
				run->world->context, run->record, bytes, &used, run->problem)
		      : -ENOMEM;

	if (r >= 0)
		r = witness_decode(bytes, used, ret_witness);
	free(bytes);
	return r;
}

/* The drive has said "done".  A witness that is lost, or a medium that cannot be opened now, leaves
 * the method unjudged: no proof, and no lie either. */
static int judge(struct run *run, struct record_method *method)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	_cleanup_(witness_freep) struct witness *witness = NULL;
	size_t used = strlen(method->detail);
	int r = method->witnessed ? load_witness(run, &witness) : -ENODATA;

	/* A drive that was at work did not open again what a power cut had hidden. */
	if (r >= 0 && run->record->hidden.step[0] != '\0') {
		run_close_drive(run);
		r = run_lift_hidden(run);
	}
	if (r >= 0)
		r = run_open_medium(run, &medium);
	if (r >= 0)
		r = witness_compare(witness, medium, &method->witness);
	if (r == -ENODEV || r == -ESTALE || r == -ENOMEM)
		return r;
	method->judged = r >= 0;
	if (r < 0)
		snprintf(method->detail + used, sizeof(method->detail) - used,
			"; what became of the medium could not be looked at: %s", strerror(-r));
	else if (method->witness.verdict == WITNESS_SURVIVED) {
		snprintf(method->detail, sizeof(method->detail),
			"the drive says that it is done, and %llu of %llu blocks show what they "
			"showed before",
			(unsigned long long)method->witness.survived,
			(unsigned long long)method->witness.held_data);
		return fail_method(run, method, NULL);
	}
	return end_method(run, method);
}

/* --- one method --- */

static int note_step(void *context, enum method_kind kind, const char *step, bool done)
{
	struct run *run = context;
	struct record_method *method = last_of(run->record);

	if (!method || method->kind != kind || is_ended(method))
		return -EINVAL;
	snprintf(method->step, sizeof(method->step), "%s", step);
	method->step_done = done;
	method->erase_begun = method->erase_begun || strcmp(step, METHOD_STEP_ERASE) == 0;
	if (method->state == METHOD_READY)
		method->state = METHOD_RUNNING;
	return run_save(run);
}

static void take_result(
	struct record_method *method, const struct method_result *result, bool is_first)
{
	method->state = result->state;
	snprintf(method->detail, sizeof(method->detail), "%s", result->detail);
	if (result->status_bytes > 0) {
		method->status_bytes = result->status_bytes;
		memcpy(method->status_after, result->status_after, sizeof(method->status_after));
		if (is_first)
			memcpy(method->status_before, result->status_before,
				sizeof(method->status_before));
	}
}

static bool is_stuck_before(const struct record *record)
{
	for (uint32_t i = 0; i + 1 < record->method_count; i++) {
		if (record->methods[i].state == METHOD_STUCK)
			return true;
	}
	return false;
}

/* It was not begun: refused by the drive, or busy with what others began. */
static int refused(struct run *run, struct record_method *method, int error)
{
	if (error == -EBUSY && !is_stuck_before(run->record)) {
		run->record->method_count--; /* tried again then */
		error = run_save(run);
		return problem_set(run->problem, error < 0 ? error : -EBUSY,
			"the drive is at work on a sanitize that somebody else began; run the same "
			"again when that has ended");
	}
	if (method->detail[0] == '\0')
		snprintf(method->detail, sizeof(method->detail), "refused: %s", strerror(-error));
	return fail_method(run, method, NULL);
}

static int start_or_resume(struct run *run, struct record_method *method,
	const struct method_run *how, struct method_result *result)
{
	const bool again = method->erase_begun;
	int r;

	if (method->state != METHOD_READY)
		method->resumes++;
	r = again ? method_resume(how, result) : method_start(how, result);
	if (run->save_error < 0)
		return run->save_error;
	take_result(method, result, !again);
	if (r == -EOPNOTSUPP || r == -EPERM || r == -EBUSY)
		return r;
	if (r < 0) { /* not delivered */
		method->state = result->state = METHOD_LOST;
		return 0;
	}
	r = run_save(run);
	if (r >= 0)
		r = method_wait(how, run->request->sink, result);
	if (run->save_error < 0)
		return run->save_error;
	take_result(method, result, false);
	if (r >= 0 || r == -ECANCELED)
		return r;
	method->state = result->state = METHOD_LOST;
	return 0;
}

/* From where it stands to its end, or to where the run cannot go on now. */
static int perform(struct run *run, struct record_method *method)
{
	struct method_result result = {.state = METHOD_READY};
	int r;

	do {
		struct method_run how = {
			.port = run->port,
			.facts = &run->facts,
			.kind = method->kind,
			.limits = run->request->limits,
			.record = note_step,
			.context = run,
		};

		r = start_or_resume(run, method, &how, &result);
		if (r == -EOPNOTSUPP || r == -EPERM || r == -EBUSY)
			return refused(run, method, r);
		if (r >= 0 && result.state == METHOD_LOST)
			r = run_reopen_drive(run);
		if (r == -ECANCELED)
			problem_set(run->problem, r,
				"interrupted: %s goes on in the drive; run the same again and it "
				"is taken up",
				method_name(method->kind));
	} while (r >= 0 && result.state == METHOD_LOST);
	if (r < 0)
		return r;
	method->drive_said_done = result.state == METHOD_DONE;
	return method->drive_said_done ? judge(run, method) : end_method(run, method);
}

/* --- all of them --- */

static int add_method(struct run *run, enum method_kind kind)
{
	struct record *record = run->record;
	struct record_method *method;
	const char *against = why_not(run, kind);
	int r;

	if (record->method_count == RECORD_METHODS_MAX)
		return problem_set(run->problem, -E2BIG, "too many methods were tried");
	method = &record->methods[record->method_count];
	*method = (struct record_method){
		.kind = kind, .state = METHOD_READY, .began_wall_s = clock_wall_s()};
	if (against) {
		record->method_count++;
		return fail_method(run, method, against);
	}
	r = take_witness(run);
	if (r == -ENODEV)
		return run_reopen_drive(run);
	if (run->save_error < 0 || r == -ESTALE || r == -ENOMEM)
		return r;
	method->witnessed = r >= 0;
	/* A drive whose medium cannot be read now can still erase it: no witness, no proof. */
	record->method_count++;
	r = run_save(run);
	return r < 0 ? r : perform(run, method);
}

static int try_all(struct run *run)
{
	struct record *record = run->record;
	struct record_method *last = last_of(record);
	int r = 0;

	if (last && !is_ended(last))
		r = perform(run, last);
	while (r >= 0 && !((last = last_of(record)) && has_forgotten(last))) {
		enum method_kind kind = next_kind(run);

		if (kind == METHOD_KINDS)
			return 0;
		r = add_method(run, kind);
	}
	return r;
}

int run_sanitize(struct run *run)
{
	const struct record *record = run->record;
	const struct record_method *last;
	int r;

	if (record->steps[RECORD_SANITIZE].state == RECORD_PENDING && !run->request->own_methods)
		return run_end(run, RECORD_SANITIZE, RECORD_SKIPPED, "not asked for");
	r = run_begin(run, RECORD_SANITIZE);
	if (r >= 0)
		r = run_open_drive(run);
	if (r >= 0)
		r = run_lift_hidden(run);
	if (r >= 0)
		r = try_all(run);
	if (r < 0)
		return r;
	last = last_of(run->record);
	if (!last)
		return run_end(run, RECORD_SANITIZE, RECORD_NOT_NEEDED,
			"the drive offers no method of its own");
	if (!has_forgotten(last))
		return run_end(run, RECORD_SANITIZE, RECORD_FAILED,
			"none of the %u methods that were tried came to its end: %s: %s",
			record->method_count, method_name(last->kind), last->detail);
	return run_end(run, RECORD_SANITIZE, RECORD_DONE, "%s", method_name(last->kind));
}
