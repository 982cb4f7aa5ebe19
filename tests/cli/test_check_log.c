/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_check_log.c - what records of the audit log add up to
 *
 * Goal: events, the last wipe and residue check, and days are counted as they are.
 * Method: records made here; days at their edges, out of order, and more of them than are kept.
 */
#include "cli/check_log.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS	 INT64_C(86400000)
#define BEGIN_MS (INT64_C(20000) * DAY_MS) /* 2024-10-04 */

static struct check_log *new_log(void)
{
	struct check_log *log = calloc(1, sizeof(*log));

	ck_assert_ptr_nonnull(log);
	return log;
}

static void add(struct check_log *log, const char *event, const char *outcome, const char *data,
	int64_t wall_ms)
{
	struct audit_record record = {
		.stamp = {.wall_ms = wall_ms},
		.event = {.event = event, .role = "service", .outcome = outcome},
	};

	if (data)
		record.event.data = json_tokener_parse(data);
	check_log_add(log, &record);
	json_object_put(record.event.data);
}

/* Takes the object. */
static uint64_t number_of(struct json_object *object, const char *key)
{
	uint64_t number = json_object_get_uint64(json_object_object_get(object, key));

	json_object_put(object);
	return number;
}

/* --- events --- */

START_TEST(kinds_are_counted_and_who_told_them)
{
	struct check_log *log = new_log();
	struct json_object *events, *kinds;

	add(log, "audit-started", "success", NULL, 0);
	ck_assert(log->is_open);
	add(log, "selftest", "success", NULL, 0);
	add(log, "selftest", "failure", NULL, 0);
	add(log, "login-limit", "success", NULL, 0);
	add(log, "audit-stopped", "success", NULL, 0);
	ck_assert(!log->is_open);
	events = check_log_events(log);
	kinds = json_object_object_get(events, "kinds");
	ck_assert_int_eq(json_object_object_length(kinds), 4);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(kinds, "selftest")), 2);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(events, "records")), 5);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(events, "from_host")), 1);
	json_object_put(events);
	free(log);
}
END_TEST

START_TEST(every_kind_of_the_table_has_a_place)
{
	size_t count = 0;

	while (audit_event_kinds[count].name)
		count++;
	ck_assert_uint_le(count, CHECK_LOG_KINDS_MAX);
}
END_TEST

START_TEST(the_last_that_ended_counts)
{
	struct check_log *log = new_log();
	struct json_object *value;

	ck_assert_uint_eq(number_of(check_log_wipe(log), "count"), 0);
	add(log, "wipe", "failure", NULL, BEGIN_MS);
	add(log, "wipe", "success", NULL, BEGIN_MS + DAY_MS);
	add(log, "wipe", "begun", NULL, BEGIN_MS + 2 * DAY_MS);
	add(log, "wipe", "progress", NULL, BEGIN_MS + 2 * DAY_MS);
	value = check_log_wipe(log);
	ck_assert_str_eq(
		json_object_get_string(json_object_object_get(value, "outcome")), "success");
	ck_assert_str_eq(json_object_get_string(json_object_object_get(value, "time")),
		"2024-10-05T00:00:00.000Z");
	ck_assert_uint_eq(number_of(value, "count"), 2);
	add(log, "residue-check", "failure", NULL, BEGIN_MS);
	ck_assert_uint_eq(
		number_of(check_log_residue(log, BEGIN_MS / 1000 + 60), "age_seconds"), 60);
	ck_assert_uint_eq(number_of(check_log_residue(log, 1), "age_seconds"), 0);
	free(log);
}
END_TEST

START_TEST(a_residue_check_that_could_not_tell_has_not_found_anything)
{
	static const char *const details[] = {"cannot tell", "found"};
	static const char *const outcomes[] = {"cannot tell", "failure"};

	for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
		const struct audit_record record = {.event = {.event = "residue-check",
							    .role = "administrator",
							    .outcome = "failure",
							    .detail = details[i]}};
		struct check_log *log = new_log();
		struct json_object *value;

		check_log_add(log, &record);
		value = check_log_residue(log, 0);
		ck_assert_str_eq(json_object_get_string(json_object_object_get(value, "outcome")),
			outcomes[i]);
		json_object_put(value);
		free(log);
	}
}
END_TEST

/* --- days --- */

START_TEST(days_add_up_by_utc)
{
	struct check_log *log = new_log();

	add(log, "job-retired", "success", "{\"owed_blocks\":10}", BEGIN_MS);
	add(log, "job-retired", "failure", "{\"owed_blocks\":30}", BEGIN_MS + DAY_MS - 1);
	add(log, "job-failed", "failure", NULL, BEGIN_MS + DAY_MS - 1);
	add(log, "job-retired", "success", "{\"owed_blocks\":20}", BEGIN_MS + DAY_MS);
	ck_assert_uint_eq(log->days.count, 2);
	ck_assert_str_eq(log->days.days[0].day, "2024-10-04");
	ck_assert_uint_eq(log->days.days[0].retired_jobs, 1);
	ck_assert_uint_eq(log->days.days[0].failed_jobs, 1);
	ck_assert_uint_eq(log->days.days[0].debt_bytes, 30 * 4096);
	ck_assert_str_eq(log->days.days[1].day, "2024-10-05");
	ck_assert_uint_eq(log->days.days[1].debt_bytes, 20 * 4096);
	free(log);
}
END_TEST

static void assert_in_order(const struct check_days *days)
{
	for (size_t i = 1; i < days->count; i++)
		ck_assert_int_lt(strcmp(days->days[i - 1].day, days->days[i].day), 0);
}

START_TEST(days_stay_in_order_when_the_clock_jumps)
{
	struct check_days days = {.count = 0};
	static const int order[] = {5, 3, 4, 3, 9, 1, 5};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		check_days_at(&days, BEGIN_MS + order[i] * DAY_MS)->retired_jobs++;
	ck_assert_uint_eq(days.count, 5);
	assert_in_order(&days);
	ck_assert_uint_eq(days.days[1].retired_jobs, 2);
}
END_TEST

START_TEST(the_newest_days_are_kept)
{
	struct check_days days = {.count = 0};

	for (unsigned int i = 0; i < CHECK_DAYS_MAX + 5; i++)
		check_days_at(&days, BEGIN_MS + (int64_t)(2 * i) * DAY_MS)->retired_jobs = i;
	ck_assert_uint_eq(days.count, CHECK_DAYS_MAX);
	ck_assert_uint_eq(days.days[0].retired_jobs, 5);
	ck_assert_ptr_null(check_days_at(&days, BEGIN_MS));
	ck_assert_ptr_nonnull(check_days_at(&days, BEGIN_MS + 11 * DAY_MS)); /* between two */
	ck_assert_uint_eq(days.count, CHECK_DAYS_MAX);
	assert_in_order(&days);
	ck_assert_str_eq(days.days[0].day, "2024-10-15");
	ck_assert_uint_eq(days.days[CHECK_DAYS_MAX - 1].retired_jobs, CHECK_DAYS_MAX + 4);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("check_log");
	TCase *tc = tcase_create("check_log");

	tcase_add_test(tc, kinds_are_counted_and_who_told_them);
	tcase_add_test(tc, every_kind_of_the_table_has_a_place);
	tcase_add_test(tc, the_last_that_ended_counts);
	tcase_add_test(tc, a_residue_check_that_could_not_tell_has_not_found_anything);
	tcase_add_test(tc, days_add_up_by_utc);
	tcase_add_test(tc, days_stay_in_order_when_the_clock_jumps);
	tcase_add_test(tc, the_newest_days_are_kept);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
