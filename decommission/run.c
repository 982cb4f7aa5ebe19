/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/run.h"
#include "base/clock.h"
#include "decommission/run_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int run_save(struct run *run)
{
	int r = run->world->save(run->world->context, run->record, run->problem);

	run->save_error = r < 0 ? r : 0;
	return run->save_error;
}

static void tell(const struct run *run, enum record_step step, const char *outcome)
{
	if (run->world->tell)
		run->world->tell(run->world->context, run->record, step, outcome,
			run->record->steps[step].detail);
}

bool run_is_over(const struct run *run, enum record_step step)
{
	enum record_state state = run->record->steps[step].state;

	return state != RECORD_PENDING && state != RECORD_BEGUN;
}

int run_begin(struct run *run, enum record_step step)
{
	struct record_progress *progress = &run->record->steps[step];
	const bool again = progress->state == RECORD_BEGUN;
	int r;

	run_close_drive(run); /* what it says of itself is asked anew */
	if (again)
		progress->resumes++;
	else
		progress->began_wall_s = clock_wall_s();
	progress->state = RECORD_BEGUN;
	r = run_save(run);
	if (r >= 0)
		tell(run, step, again ? "progress" : "begun");
	return r;
}

int run_end(
	struct run *run, enum record_step step, enum record_state state, const char *format, ...)
{
	struct record_progress *progress = &run->record->steps[step];
	va_list arguments;
	int r;

	va_start(arguments, format);
	vsnprintf(progress->detail, sizeof(progress->detail), format, arguments);
	va_end(arguments);
	progress->ended_wall_s = clock_wall_s();
	progress->state = state;
	r = run_save(run);
	if (r >= 0)
		tell(run, step, state == RECORD_FAILED ? "failure" : "success");
	return r;
}

/* --- the steps one behind the other --- */

static const struct {
	enum record_step step;
	int (*perform)(struct run *run);
} steps[] = {
	{RECORD_INTAKE, run_intake},
	{RECORD_KEYS, run_keys},
	{RECORD_SANITIZE, run_sanitize},
	{RECORD_OVERWRITE, run_overwrite},
	{RECORD_SEARCH, run_search},
};

/* X2, whatever a damaged plan says: nothing of a later step has begun before an earlier ended. */
static int check_order(struct run *run)
{
	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		if (run->record->steps[steps[i].step].state != RECORD_PENDING &&
			!run_is_over(run, steps[i - 1].step))
			return problem_set(run->problem, -EBADMSG,
				"the record says that \"%s\" began before \"%s\" ended, which "
				"spoolguard never does; nothing is done with it",
				record_step_name(steps[i].step),
				record_step_name(steps[i - 1].step));
	}
	return 0;
}

/* How the drive is in the end.  One that has left by now does not tell, and nothing hangs on it. */
static int note_health(struct run *run)
{
	struct record *record = run->record;

	run_close_drive(run);
	run->problem = NULL;
	if (record->health_after[0] != '\0' || run_open_drive(run) < 0 || !run->facts.health_known)
		return 0;
	snprintf(record->health_after, sizeof(record->health_after), "%s",
		run->facts.health[0] != '\0' ? run->facts.health : "healthy");
	return run_save(run);
}

int run_steps(struct record *record, const struct run_request *request,
	const struct run_world *world, struct problem *reterr_problem)
{
	struct run run = {
		.record = record, .request = request, .world = world, .problem = reterr_problem};
	int r = check_order(&run);

	if (r >= 0 && record->began_wall_s == 0)
		record->began_wall_s = clock_wall_s();
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r >= 0; i++) {
		if (!run_is_over(&run, steps[i].step))
			r = steps[i].perform(&run);
		assert(r < 0 || run_is_over(&run, steps[i].step));
	}
	if (r >= 0)
		r = note_health(&run);
	run_close_drive(&run);
	return r < 0 ? r : 0;
}
