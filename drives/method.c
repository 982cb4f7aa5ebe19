/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/method.h"
#include "base/clock.h"
#include "drives/drives_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MS = 1000, POLL_MS = 1000, LEAST_WITHOUT_PROGRESS_S = 120, LEAST_WHOLE_S = 3600 };

const char *method_state_name(enum method_state state)
{
	static const char *const names[] = {"ready", "running", "done", "failed", "stuck", "lost"};

	return (unsigned int)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* --- for all interfaces --- */

uint64_t command_now_ms(const struct command_port *port)
{
	return port->ops->now_ms ? port->ops->now_ms(port->context)
				 : clock_monotonic_ns() / 1000000u;
}

void command_sleep_ms(const struct command_port *port, uint32_t ms)
{
	struct timespec left = {ms / MS, (long)(ms % MS) * 1000000};

	if (port->ops->sleep_ms) {
		port->ops->sleep_ms(port->context, ms);
		return;
	}
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int method_note(const struct method_run *run, const char *step, bool done)
{
	int r = run->record(run->context, run->kind, step, done);

	return r < 0 ? r : 0;
}

void method_say(struct method_result *result, enum method_state state, const char *format, ...)
{
	va_list arguments;

	result->state = state;
	va_start(arguments, format);
	vsnprintf(result->detail, sizeof(result->detail), format, arguments);
	va_end(arguments);
}

/* --- limits --- */

/* What is given, else so many times the drive's estimate, at least so much. */
static uint64_t limit_ms(
	const struct method_run *run, uint64_t given_s, uint64_t times, uint64_t least_s)
{
	uint64_t estimated_s = run->facts->methods[run->kind].estimated_s, seconds;

	if (given_s > 0)
		seconds = given_s;
	else if (estimated_s > UINT32_MAX || estimated_s * times < least_s)
		seconds = least_s;
	else
		seconds = estimated_s * times;
	return seconds < UINT32_MAX ? seconds * MS : (uint64_t)UINT32_MAX * MS;
}

static uint64_t without_progress_ms(const struct method_run *run)
{
	return limit_ms(run, run->limits.without_progress_s, 10, LEAST_WITHOUT_PROGRESS_S);
}

static uint64_t whole_ms(const struct method_run *run)
{
	return limit_ms(run, run->limits.whole_s, 20, LEAST_WHOLE_S);
}

uint32_t method_command_ms(const struct method_run *run)
{
	uint64_t ms = whole_ms(run);

	return ms < UINT32_MAX / 2 ? (uint32_t)ms : UINT32_MAX / 2;
}

/* --- start and resume --- */

static int finish(const struct method_run *run, struct method_result *result)
{
	const struct drive_ops *ops = drive_ops_of(run->facts, run->kind);
	int r = 0;

	if (result->state != METHOD_DONE && result->state != METHOD_FAILED)
		return 0;
	if (ops->finish)
		r = ops->finish(run, result);
	/* Whoever reads next does so by the block path: what the kernel keeps of it is of before.
	 */
	if (run->port->ops->rescan)
		(void)run->port->ops->rescan(run->port->context);
	return r < 0 ? r : method_note(run, METHOD_STEP_ERASE, true);
}

static int begin(const struct method_run *run, struct method_result *ret_result, bool again)
{
	const struct drive_ops *ops = drive_ops_of(run->facts, run->kind);
	uint64_t begun = command_now_ms(run->port);
	int r;

	assert(run->record); /* H1 */
	*ret_result = (struct method_result){.state = METHOD_READY};
	if (!ops || (unsigned int)run->kind >= METHOD_KINDS ||
		!run->facts->methods[run->kind].offered) {
		method_say(ret_result, METHOD_READY, "the drive does not offer it");
		return -EOPNOTSUPP;
	}
	r = again ? ops->resume(run, ret_result) : ops->start(run, ret_result);
	if (r >= 0)
		r = finish(run, ret_result);
	ret_result->took_ms = command_now_ms(run->port) - begun;
	return r;
}

int method_start(const struct method_run *run, struct method_result *ret_result)
{
	return begin(run, ret_result, false);
}

int method_resume(const struct method_run *run, struct method_result *ret_result)
{
	return begin(run, ret_result, true);
}

/* --- waiting --- */

struct wait {
	uint64_t begun_ms, advanced_ms, took_before_ms;
	uint32_t highest; /* progress that was reached */
	bool answered;	  /* by the last poll */
};

static void take_answer(
	const struct method_run *run, struct wait *wait, int answer, struct method_result *result)
{
	uint64_t now = command_now_ms(run->port);

	wait->answered = answer >= 0;
	if (answer < 0)
		method_say(result, METHOD_LOST, "the drive does not answer: %s", strerror(-answer));
	else if (result->progress > wait->highest)
		wait->advanced_ms = now;
	if (result->progress > wait->highest)
		wait->highest = result->progress;
	result->took_ms = wait->took_before_ms + (now - wait->begun_ms);
}

static bool is_over(const struct method_run *run, const struct wait *wait, int answer,
	struct method_result *result)
{
	uint64_t now = command_now_ms(run->port);

	if (result->state != METHOD_RUNNING && result->state != METHOD_LOST)
		return true;
	if (answer == -ENODEV)
		return true;
	if (now - wait->advanced_ms >= without_progress_ms(run)) {
		if (wait->answered)
			method_say(result, METHOD_STUCK, "no progress for %llu s at %u %%",
				(unsigned long long)(now - wait->advanced_ms) / MS,
				(unsigned int)((uint64_t)wait->highest * 100 / PROGRESS_WHOLE));
		return true;
	}
	if (now - wait->begun_ms < whole_ms(run))
		return false;
	if (wait->answered)
		method_say(result, METHOD_STUCK, "not at its end after %llu s",
			(unsigned long long)(now - wait->begun_ms) / MS);
	return true;
}

static bool is_to_stop(const struct method_run *run, const struct progress_sink *sink,
	const struct method_result *result)
{
	uint64_t bytes = run->facts->bytes;
	struct progress progress = {
		.what = method_name(run->kind),
		.done_bytes = bytes / PROGRESS_WHOLE * result->progress +
			      bytes % PROGRESS_WHOLE * result->progress / PROGRESS_WHOLE,
		.total_bytes = bytes,
	};

	return progress_report(sink, &progress);
}

int method_wait(const struct method_run *run, const struct progress_sink *sink,
	struct method_result *result)
{
	const struct drive_ops *ops = drive_ops_of(run->facts, run->kind);
	uint32_t poll_ms = run->limits.poll_ms > 0 ? run->limits.poll_ms : POLL_MS;
	uint64_t now = command_now_ms(run->port);
	struct wait wait = {.begun_ms = now,
		.advanced_ms = now,
		.took_before_ms = result->took_ms,
		.highest = result->progress};
	int r;

	assert(ops);
	while (result->state == METHOD_RUNNING || result->state == METHOD_LOST) {
		r = ops->poll(run, result);
		take_answer(run, &wait, r, result);
		if (is_over(run, &wait, r, result))
			return finish(run, result);
		if (is_to_stop(run, sink, result))
			return -ECANCELED;
		command_sleep_ms(run->port, poll_ms);
	}
	return 0;
}
