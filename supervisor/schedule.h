/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - "off", "daily 03:00", "weekly sun 03:00", "monthly 1 03:00"; pure
 *
 * Times are local.  A clock that jumps: what was due while it was away is done once;
 * what is due is measured against the last time it was done, never by waiting.
 */
#ifndef SPOOLGUARD_SUPERVISOR_SCHEDULE_H
#define SPOOLGUARD_SUPERVISOR_SCHEDULE_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

enum schedule_kind { SCHEDULE_OFF, SCHEDULE_DAILY, SCHEDULE_WEEKLY, SCHEDULE_MONTHLY };

struct schedule {
	enum schedule_kind kind;
	int day; /* of the week (0 Sunday), or of the month (1 to 28) */
	int hour, minute;
};

/* -EINVAL. */
must_check int schedule_parse(const char *text, struct schedule *ret_schedule);
/* When it is due next after that time (seconds since 1970); INT64_MAX: never. */
int64_t schedule_next(const struct schedule *schedule, int64_t after_wall_s);
/* Now in the past of last_s (the clock was set back): false until it is due again. */
bool schedule_is_due(const struct schedule *schedule, int64_t last_wall_s, int64_t now_wall_s);

#endif
