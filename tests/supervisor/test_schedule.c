/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_schedule.c - what is due, and when
 *
 * Goal: each form is read, others are not; the next time is right over months, leap years and
 * both changes of the clock in a year; a clock that jumps makes a thing due once, not never and
 * not twice.  Method: zones as POSIX writes them, so that no database is needed.
 */
#include "supervisor/schedule.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Berlin: the clock is put on at 02:00 on 2026-03-29, back at 03:00 on 2026-10-25. */
static void use_berlin(void)
{
	use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
}

static int64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = {
		.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
	};

	return timegm(&tm);
}

static struct schedule parse(const char *text)
{
	struct schedule schedule = {.day = -1};

	ck_assert_msg(schedule_parse(text, &schedule) == 0, "%s", text);
	return schedule;
}

static void next_is(const char *text, int64_t after, int64_t wanted)
{
	struct schedule schedule = parse(text);
	int64_t found = schedule_next(&schedule, after);

	ck_assert_msg(found == wanted, "%s after %lld: %lld, wanted %lld (%+lld s)", text,
		(long long)after, (long long)found, (long long)wanted, (long long)(found - wanted));
}

START_TEST(each_form_is_read)
{
	struct schedule schedule = parse("weekly sun 03:07");

	ck_assert_int_eq(schedule.kind, SCHEDULE_WEEKLY);
	ck_assert_int_eq(schedule.day, 0);
	ck_assert_int_eq(schedule.hour, 3);
	ck_assert_int_eq(schedule.minute, 7);
	schedule = parse("monthly 28 23:59");
	ck_assert_int_eq(schedule.kind, SCHEDULE_MONTHLY);
	ck_assert_int_eq(schedule.day, 28);
	ck_assert_int_eq(schedule.hour, 23);
	ck_assert_int_eq(schedule.minute, 59);
	ck_assert_int_eq(parse("daily 0:00").kind, SCHEDULE_DAILY);
	ck_assert_int_eq(parse("off").kind, SCHEDULE_OFF);
	ck_assert_int_eq(parse("weekly  SAT  08:09").day, 6);
}
END_TEST

START_TEST(what_is_no_schedule_is_refused)
{
	static const char *const bad[] = {"", " ", "on", "off 1", "daily", "daily 24:00",
		"daily 12:60", "daily 12", "daily 12:0", "daily 12:000", "daily 012:00",
		"daily -1:00", "daily +1:00", "daily 1:+1", "daily 12:00 x", "daily 12:00x",
		"daily :30", "weekly 03:00", "weekly day 03:00", "weekly 3 03:00",
		"weekly sunday 03:00", "monthly 0 03:00", "monthly 29 03:00", "monthly 1x 03:00",
		"monthly -1 03:00", "monthly 1", "monthly 1 03:00 x", "Daily 03:00", "daily 03.00",
		"daily 03:00:00", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct schedule schedule = {.day = 77};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(schedule_parse(bad[i], &schedule) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(schedule.day, 77);
}
END_TEST

START_TEST(the_next_time_is_after_and_never_at)
{
	use_zone("UTC0");
	next_is("daily 03:00", utc(2026, 5, 1, 2, 59), utc(2026, 5, 1, 3, 0));
	next_is("daily 03:00", utc(2026, 5, 1, 3, 0), utc(2026, 5, 2, 3, 0));
	next_is("daily 03:00", utc(2026, 5, 1, 3, 0) - 1, utc(2026, 5, 1, 3, 0));
	next_is("daily 00:00", utc(2026, 12, 31, 23, 59), utc(2027, 1, 1, 0, 0));
	/* 2026-05-03 is a Sunday */
	next_is("weekly sun 03:00", utc(2026, 5, 1, 12, 0), utc(2026, 5, 3, 3, 0));
	next_is("weekly sun 03:00", utc(2026, 5, 3, 3, 0), utc(2026, 5, 10, 3, 0));
	next_is("monthly 1 03:00", utc(2026, 5, 1, 3, 0), utc(2026, 6, 1, 3, 0));
	next_is("monthly 28 03:00", utc(2026, 1, 29, 0, 0), utc(2026, 2, 28, 3, 0));
	next_is("monthly 28 03:00", utc(2028, 2, 28, 4, 0), utc(2028, 3, 28, 3, 0));
	next_is("monthly 1 03:00", utc(2028, 2, 28, 4, 0), utc(2028, 3, 1, 3, 0)); /* leap year */
	next_is("off", utc(2026, 5, 1, 0, 0), INT64_MAX);
}
END_TEST

START_TEST(a_time_that_the_clock_leaves_out_is_due_once)
{
	int64_t due;

	use_berlin();
	/* 02:30 does not exist on 2026-03-29: as if it had not been put on, 01:30 UTC */
	next_is("daily 02:30", utc(2026, 3, 28, 12, 0), utc(2026, 3, 29, 1, 30));
	next_is("daily 02:30", utc(2026, 3, 29, 1, 30), utc(2026, 3, 30, 0, 30));
	next_is("daily 02:30", utc(2026, 3, 29, 1, 31), utc(2026, 3, 30, 0, 30));
	next_is("daily 03:00", utc(2026, 3, 28, 12, 0), utc(2026, 3, 29, 1, 0));
	due = utc(2026, 3, 28, 12, 0);
	for (int i = 0; i < 3; i++) {
		struct schedule schedule = parse("daily 02:30");
		int64_t next = schedule_next(&schedule, due);

		ck_assert_int_gt(next - due, i == 0 ? 0 : 20 * 3600);
		due = next;
	}
}
END_TEST

START_TEST(a_time_that_comes_twice_is_due_once)
{
	use_berlin();
	/* 02:30 is shown at 00:30 and at 01:30 UTC on 2026-10-25 */
	next_is("daily 02:30", utc(2026, 10, 24, 12, 0), utc(2026, 10, 25, 0, 30));
	next_is("daily 02:30", utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30));
	next_is("daily 02:30", utc(2026, 10, 25, 1, 0), utc(2026, 10, 26, 1, 30));
	next_is("weekly sun 02:30", utc(2026, 10, 25, 0, 30), utc(2026, 11, 1, 1, 30));
}
END_TEST

START_TEST(a_zone_is_asked_for_its_own_time)
{
	use_zone("XXX+11"); /* west: 03:00 there is 14:00 UTC */
	next_is("daily 03:00", utc(2026, 5, 1, 0, 0), utc(2026, 5, 1, 14, 0));
	use_zone("XXX-13:45");
	next_is("daily 03:00", utc(2026, 5, 1, 0, 0), utc(2026, 5, 1, 13, 15));
	/* the south: put on in October at 02:00, back in April at 03:00 */
	use_zone("AEST-10AEDT,M10.1.0,M4.1.0/3");
	next_is("daily 02:30", utc(2026, 10, 3, 12, 0), utc(2026, 10, 3, 16, 30));
	next_is("daily 02:30", utc(2026, 10, 3, 16, 30), utc(2026, 10, 4, 15, 30));
}
END_TEST

START_TEST(a_day_without_a_midnight_is_a_day)
{
	/* once Brazil's: put on at midnight, on Sunday 2026-10-18 */
	use_zone("XXX3YYY,M10.3.0/0,M2.3.0/0");
	next_is("weekly sun 03:00", utc(2026, 10, 17, 12, 0), utc(2026, 10, 18, 5, 0));
	next_is("weekly sun 00:00", utc(2026, 10, 17, 12, 0), utc(2026, 10, 18, 3, 0));
	next_is("weekly sat 23:30", utc(2026, 10, 17, 12, 0), utc(2026, 10, 18, 2, 30));
	next_is("monthly 18 03:00", utc(2026, 10, 17, 12, 0), utc(2026, 10, 18, 5, 0));
}
END_TEST

START_TEST(every_day_of_ten_years_is_due_once)
{
	struct schedule schedule = parse("daily 02:30");
	int64_t at;
	int count = 0;

	use_berlin();
	at = utc(2026, 1, 1, 0, 0);
	while (at < utc(2036, 1, 1, 0, 0)) {
		int64_t next = schedule_next(&schedule, at);

		ck_assert_int_gt(next, at);
		if (count > 0)
			ck_assert_int_ge(next - at, 23 * 3600);
		ck_assert_int_le(next - at, 25 * 3600 + 3600);
		at = next;
		count++;
	}
	ck_assert_int_eq(count, 3652 + 1);
}
END_TEST

START_TEST(a_clock_that_jumps_on_makes_it_due_once)
{
	struct schedule schedule = parse("weekly sun 03:00");
	int64_t last = utc(2026, 5, 3, 3, 0), away = utc(2026, 8, 1, 0, 0);

	use_zone("UTC0");
	ck_assert(!schedule_is_due(&schedule, last, last));
	ck_assert(!schedule_is_due(&schedule, last, last + 7 * DAY_S - 1));
	ck_assert(schedule_is_due(&schedule, last, last + 7 * DAY_S));
	ck_assert(schedule_is_due(&schedule, last, away)); /* missed thirteen times: once */
	ck_assert(!schedule_is_due(&schedule, away, away + 1));
}
END_TEST

START_TEST(a_clock_that_is_set_back_makes_nothing_due)
{
	struct schedule schedule = parse("daily 03:00");
	int64_t last = utc(2026, 5, 3, 3, 0);

	use_zone("UTC0");
	ck_assert(!schedule_is_due(&schedule, last, last - DAY_S));
	ck_assert(!schedule_is_due(&schedule, last, last - 1));
	ck_assert(schedule_is_due(&schedule, last, last + DAY_S));
	/* 1970: a machine without a clock at its start */
	ck_assert(!schedule_is_due(&schedule, last, 0));
	ck_assert(schedule_is_due(&schedule, 0, last));
	schedule = parse("off");
	ck_assert(!schedule_is_due(&schedule, 0, INT64_MAX - 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *tcase = tcase_create("times");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, each_form_is_read);
	tcase_add_test(tcase, what_is_no_schedule_is_refused);
	tcase_add_test(tcase, the_next_time_is_after_and_never_at);
	tcase_add_test(tcase, a_time_that_the_clock_leaves_out_is_due_once);
	tcase_add_test(tcase, a_time_that_comes_twice_is_due_once);
	tcase_add_test(tcase, a_zone_is_asked_for_its_own_time);
	tcase_add_test(tcase, a_day_without_a_midnight_is_a_day);
	tcase_add_test(tcase, every_day_of_ten_years_is_due_once);
	tcase_add_test(tcase, a_clock_that_jumps_on_makes_it_due_once);
	tcase_add_test(tcase, a_clock_that_is_set_back_makes_nothing_due);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
