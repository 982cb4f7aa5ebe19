/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_words.c - what people read: problem lines, progress lines, times
 *
 * Goal: a line is there when something failed, never overruns its buffer, and
 * never divides by zero.
 */
#include "base/clock.h"
#include "base/problem.h"
#include "base/progress.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_problem_passes_its_error_on)
{
	struct problem problem = {""};

	ck_assert_int_eq(problem_set(&problem, -ENOENT, "%s is not there", "it"), -ENOENT);
	ck_assert_str_eq(problem_text(&problem, -ENOENT), "it is not there");
	ck_assert_int_eq(problem_set(NULL, -EIO, "nobody listens"), -EIO);
}
END_TEST

START_TEST(a_duration_is_said_in_the_largest_unit_of_which_there_are_two)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{0, "0 s"},
		{119, "119 s"},
		{120, "2 min"},
		{7199, "119 min"},
		{7200, "2 h"},
		{172799, "47 h"},
		{604800, "7 d"},
		{UINT64_MAX, "213503982334601 d"},
	};
	char buf[CLOCK_DURATION_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(clock_duration(cases[i].seconds, buf), cases[i].text);
}
END_TEST

START_TEST(a_silent_problem_says_what_the_error_means)
{
	struct problem problem = {""};

	ck_assert_str_eq(problem_text(&problem, -ENOSPC), strerror(ENOSPC));
	ck_assert_str_eq(problem_text(NULL, -ENOSPC), strerror(ENOSPC));
}
END_TEST

START_TEST(a_problem_longer_than_its_line_is_cut)
{
	char path[2 * PROBLEM_TEXT_BYTES];
	struct problem problem;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(problem_set(&problem, -ENOENT, "%s", path), -ENOENT);
	ck_assert_uint_eq(strlen(problem.text), PROBLEM_TEXT_BYTES - 1);
}
END_TEST

START_TEST(a_progress_line_has_part_rate_and_time_left)
{
	struct progress progress = {"pass 2 of 3", 512ull << 20, 2048ull << 20};
	char buf[128];

	ck_assert_str_eq(progress_line(&progress, 1000000000, buf, sizeof(buf)),
		"pass 2 of 3  25 %  512.0 MiB/s  0:03 left");
}
END_TEST

START_TEST(a_progress_line_survives_nothing_done_and_nothing_to_do)
{
	struct progress none = {"read-back", 0, 4096}, empty = {"read-back", 0, 0};
	struct progress beyond = {"read-back", 8192, 4096};
	char buf[128], tiny[4];

	ck_assert_str_eq(progress_line(&none, 0, buf, sizeof(buf)), "read-back  0 %");
	ck_assert_str_eq(progress_line(&empty, 5, buf, sizeof(buf)), "read-back  100 %");
	ck_assert_ptr_nonnull(strstr(progress_line(&beyond, 1000000000, buf, sizeof(buf)), "0:00"));
	ck_assert_str_eq(progress_line(&none, 0, tiny, sizeof(tiny)), "rea");
}
END_TEST

static bool count_and_stop(void *context, const struct progress *progress)
{
	(void)progress;
	return ++*(int *)context == 2;
}

START_TEST(a_sink_can_ask_to_stop)
{
	struct progress progress = {"pass 1 of 3", 1, 2};
	int calls = 0;
	struct progress_sink sink = {count_and_stop, &calls}, deaf = {NULL, NULL};

	ck_assert(!progress_report(&sink, &progress));
	ck_assert(progress_report(&sink, &progress));
	ck_assert(!progress_report(&deaf, &progress));
	ck_assert(!progress_report(NULL, &progress));
}
END_TEST

START_TEST(times_are_utc_and_go_forward)
{
	uint64_t before = clock_monotonic_ns();
	char buf[CLOCK_RFC3339_BYTES];

	ck_assert_str_eq(clock_rfc3339(0, buf), "1970-01-01T00:00:00Z");
	ck_assert_str_eq(clock_rfc3339(1795465333, buf), "2026-11-23T20:22:13Z");
	ck_assert_str_eq(clock_rfc3339(INT64_MAX, buf), "unknown");
	ck_assert_uint_ge(clock_monotonic_ns(), before);
	ck_assert_int_gt(clock_wall_s(), 1700000000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("words");
	TCase *tcase = tcase_create("problem, progress, clock");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_problem_passes_its_error_on);
	tcase_add_test(tcase, a_duration_is_said_in_the_largest_unit_of_which_there_are_two);
	tcase_add_test(tcase, a_silent_problem_says_what_the_error_means);
	tcase_add_test(tcase, a_problem_longer_than_its_line_is_cut);
	tcase_add_test(tcase, a_progress_line_has_part_rate_and_time_left);
	tcase_add_test(tcase, a_progress_line_survives_nothing_done_and_nothing_to_do);
	tcase_add_test(tcase, a_sink_can_ask_to_stop);
	tcase_add_test(tcase, times_are_utc_and_go_forward);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
