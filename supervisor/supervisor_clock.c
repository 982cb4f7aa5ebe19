/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_clock.c - the clock was set: by how much
 *
 * A timer that is cancelled when the wall clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET)
 * tells of it; a clock that is only slowed or hurried (NTP) is not set.  Waking from suspend
 * cancels it too, and sets nothing.
 */
#include "ipc/fields.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FAR_S	   (INT64_C(1) << 33) /* it never runs out */
#define SUSPEND_MS 100

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int arm(struct supervisor_clock *clock)
{
	const struct itimerspec far = {.it_value = {.tv_sec = FAR_S}};

	clock->wall_ms = now_ms(CLOCK_REALTIME) - now_ms(CLOCK_BOOTTIME);
	clock->suspended_ms = now_ms(CLOCK_BOOTTIME) - now_ms(CLOCK_MONOTONIC);
	return timerfd_settime(clock->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) <
			       0
		       ? -errno
		       : 0;
}

int supervisor_clock_open(struct supervisor_clock *clock)
{
	clock->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	return clock->fd < 0 ? -errno : arm(clock);
}

static void note(struct supervisor *supervisor, int64_t step_ms)
{
	struct json_object *data = json_object_new_object();
	const struct audit_event event = {
		.event = "time-changed",
		.uid = geteuid(),
		.outcome = "success",
		.data = data,
	};

	json_object_object_add(data, "step_ms", json_object_new_int64(step_ms));
	events_add(supervisor->events, &event);
	json_object_put(data);
}

void supervisor_clock_tend(struct supervisor *supervisor)
{
	struct supervisor_clock *clock = &supervisor->impl->clock, before = *clock;
	uint64_t ignored;
	int64_t step_ms;

	if (read(clock->fd, &ignored, sizeof(ignored)) >= 0 || errno != ECANCELED)
		return;
	if (arm(clock) < 0)
		events_note_fault(supervisor->events, "clock", NULL,
			"whether it is set is not seen any more");
	step_ms = clock->wall_ms - before.wall_ms;
	if (clock->suspended_ms - before.suspended_ms > SUSPEND_MS && step_ms < SUSPEND_MS &&
		step_ms > -SUSPEND_MS)
		return;
	note(supervisor, step_ms);
}
