/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/schedule.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CANDIDATES_MAX 70 /* days, from the day before on: a month and then some */

static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* "03:00", with nothing behind it. */
static bool parse_time(const char *text, struct schedule *schedule)
{
	size_t digits = strspn(text, "0123456789");
	int used = 0;

	if (digits < 1 || digits > 2 ||
		sscanf(text, "%2d:%2d%n", &schedule->hour, &schedule->minute, &used) != 2 ||
		text[used] != '\0' || strlen(strchr(text, ':') + 1) != 2 ||
		strspn(strchr(text, ':') + 1, "0123456789") != 2)
		return false;
	return schedule->hour >= 0 && schedule->hour < 24 && schedule->minute >= 0 &&
	       schedule->minute < 60;
}

static bool parse_day(const char *text, struct schedule *schedule)
{
	int used = 0;

	if (schedule->kind == SCHEDULE_MONTHLY)
		return strspn(text, "0123456789") == strlen(text) &&
		       sscanf(text, "%2d%n", &schedule->day, &used) == 1 && text[used] == '\0' &&
		       schedule->day >= 1 && schedule->day <= 28;
	for (int i = 0; i < (int)ARRAY_SIZE(days); i++) {
		if (strcasecmp(text, days[i]) == 0) {
			schedule->day = i;
			return true;
		}
	}
	return false;
}

int schedule_parse(const char *text, struct schedule *ret_schedule)
{
	struct schedule schedule = {.kind = SCHEDULE_OFF};
	char kind[16], first[16], second[16], surplus[2];
	int count = sscanf(text, "%15s %15s %15s %1s", kind, first, second, surplus);
	bool right = false;

	if (count == 1 && strcmp(kind, "off") == 0) {
		right = true;
	} else if (count == 2 && strcmp(kind, "daily") == 0) {
		schedule.kind = SCHEDULE_DAILY;
		right = parse_time(first, &schedule);
	} else if (count == 3 && (strcmp(kind, "weekly") == 0 || strcmp(kind, "monthly") == 0)) {
		schedule.kind = kind[0] == 'w' ? SCHEDULE_WEEKLY : SCHEDULE_MONTHLY;
		right = parse_day(first, &schedule) && parse_time(second, &schedule);
	}
	if (!right)
		return -EINVAL;
	*ret_schedule = schedule;
	return 0;
}

/* The moment of that local time, with or without summer time; false if it is not shown then. */
static bool try_moment(const struct tm *wanted, int summer, time_t *ret_moment)
{
	struct tm local = *wanted, shown;

	local.tm_isdst = summer;
	*ret_moment = mktime(&local);
	return localtime_r(ret_moment, &shown) && shown.tm_hour == wanted->tm_hour &&
	       shown.tm_min == wanted->tm_min && shown.tm_mday == wanted->tm_mday;
}

/*
 * A local time that comes twice (the clock is put back) is the first of the two; one that is left
 * out (it is put on) is as if it had not been put on.
 */
static time_t moment(const struct tm *wanted)
{
	time_t with_summer, without;
	bool in_summer = try_moment(wanted, 1, &with_summer);
	bool in_winter = try_moment(wanted, 0, &without);

	if (in_summer && in_winter)
		return with_summer < without ? with_summer : without;
	return in_summer ? with_summer : without;
}

static bool is_day(const struct schedule *schedule, const struct tm *day)
{
	return schedule->kind == SCHEDULE_DAILY ||
	       (schedule->kind == SCHEDULE_WEEKLY ? day->tm_wday : day->tm_mday) == schedule->day;
}

int64_t schedule_next(const struct schedule *schedule, int64_t after_wall_s)
{
	time_t after = (time_t)after_wall_s;
	struct tm today;

	if (schedule->kind == SCHEDULE_OFF || !localtime_r(&after, &today))
		return INT64_MAX;
	for (int i = 0; i < CANDIDATES_MAX; i++) {
		/* Noon is in every day, whatever is done to the clock at night. */
		struct tm day = {
			.tm_year = today.tm_year,
			.tm_mon = today.tm_mon,
			.tm_mday = today.tm_mday + i,
			.tm_hour = 12,
			.tm_isdst = -1,
		};
		time_t found;

		if (mktime(&day) == (time_t)-1 || !is_day(schedule, &day))
			continue;
		day.tm_hour = schedule->hour;
		day.tm_min = schedule->minute;
		found = moment(&day);
		if (found > after)
			return found;
	}
	return INT64_MAX;
}

bool schedule_is_due(const struct schedule *schedule, int64_t last_wall_s, int64_t now_wall_s)
{
	return now_wall_s >= schedule_next(schedule, last_wall_s);
}
