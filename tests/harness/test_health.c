/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_health.c - the health tests of a noise source
 *
 * Goal: the cutoffs are those of NIST SP 800-90B, and a source that repeats or leans reaches them.
 * Method: binomial sums with 80 decimal digits in Python; those for a whole number of bits are also
 * in the standard's table of section 4.4.2.  Made-up samples around what is counted.
 */
#include "harness/health.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(cutoffs_are_those_of_the_standard)
{
	static const struct {
		double min_entropy;
		unsigned int repetition, proportion;
	} cases[] = {
		{0.01, 2001, HEALTH_WINDOW + 1},
		{0.3, 68, 456},
		{0.39, 53, 435},
		{0.5, 41, 410},
		{1, 21, 311},
		{2, 11, 177},
		{3.3, 8, 88},
		{4, 6, 62},
		{7.8, 4, 13},
		{8, 4, 13},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_uint_eq(
			health_repetition_cutoff(cases[i].min_entropy), cases[i].repetition);
		ck_assert_uint_eq(
			health_proportion_cutoff(cases[i].min_entropy), cases[i].proportion);
	}
}
END_TEST

START_TEST(a_source_that_claims_more_is_allowed_less)
{
	for (unsigned int step = 2; step <= 80; step++) {
		double less = (step - 1) / 10.0, more = step / 10.0;

		ck_assert_uint_le(health_proportion_cutoff(more), health_proportion_cutoff(less));
		ck_assert_uint_le(health_repetition_cutoff(more), health_repetition_cutoff(less));
	}
}
END_TEST

START_TEST(runs_are_counted_at_both_ends)
{
	uint8_t samples[64];

	for (size_t i = 0; i < sizeof(samples); i++)
		samples[i] = (uint8_t)i;
	ck_assert_uint_eq(health_longest_run(samples, sizeof(samples)), 1);
	memset(samples, 7, 5);
	ck_assert_uint_eq(health_longest_run(samples, sizeof(samples)), 5);
	memset(samples + 58, 9, 6);
	ck_assert_uint_eq(health_longest_run(samples, sizeof(samples)), 6);
	memset(samples, 9, sizeof(samples));
	ck_assert_uint_eq(health_longest_run(samples, sizeof(samples)), 64);
	ck_assert_uint_eq(health_longest_run(samples, 0), 0);
}
END_TEST

START_TEST(each_window_counts_its_first_value)
{
	uint8_t samples[2 * HEALTH_WINDOW + 100];

	memset(samples, 1, sizeof(samples));
	for (size_t i = 0; i < HEALTH_WINDOW; i++)
		samples[i] = (uint8_t)(i % 256);
	ck_assert_uint_eq(health_most_frequent(samples, HEALTH_WINDOW), 2);
	ck_assert_uint_eq(health_most_frequent(samples, 2 * HEALTH_WINDOW), HEALTH_WINDOW);
	/* The second window begins with a value that is rare in it. */
	samples[HEALTH_WINDOW] = 2;
	ck_assert_uint_eq(health_most_frequent(samples, 2 * HEALTH_WINDOW), 2);
	/* What is left over is no window. */
	ck_assert_uint_eq(health_most_frequent(samples + HEALTH_WINDOW, HEALTH_WINDOW - 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health");
	TCase *tcase = tcase_create("health");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, cutoffs_are_those_of_the_standard);
	tcase_add_test(tcase, a_source_that_claims_more_is_allowed_less);
	tcase_add_test(tcase, runs_are_counted_at_both_ends);
	tcase_add_test(tcase, each_window_counts_its_first_value);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
