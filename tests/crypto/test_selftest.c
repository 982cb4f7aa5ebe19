/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_selftest.c - the known-answer tests themselves
 *
 * Goal: every algorithm in use is right on this machine, and the alarm rings
 * for each test whose answer is damaged, and for that one alone.
 */
#include "crypto/profile.h"
#include "crypto/selftest.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct selftest_result results[SELFTEST_MAX];
static size_t count;

START_TEST(every_known_answer_is_right)
{
	int r = selftest_run(results, &count);

	for (size_t i = 0; i < count; i++)
		ck_assert_msg(results[i].ok, "%s (%s)", results[i].name, results[i].detail);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_ge(count, 19);
}
END_TEST

START_TEST(an_injected_fault_fails_its_test_and_no_other)
{
	ck_assert_int_eq(selftest_run(results, &count), 0);
	for (size_t wrong = 0; wrong < count; wrong++) {
		struct selftest_result now[SELFTEST_MAX];
		size_t now_count;

		ck_assert_int_eq(selftest_inject(results[wrong].name), 0);
		ck_assert_int_eq(selftest_run(now, &now_count), -EBADMSG);
		ck_assert_uint_eq(now_count, count);
		for (size_t i = 0; i < count; i++)
			ck_assert_msg(now[i].ok == (i != wrong), "%s while %s is injected",
				now[i].name, results[wrong].name);
	}
	ck_assert_int_eq(selftest_inject(NULL), 0);
	ck_assert_int_eq(selftest_run(results, &count), 0);
}
END_TEST

START_TEST(an_unknown_name_is_refused_and_injects_nothing)
{
	ck_assert_int_eq(selftest_inject("rot13"), -EINVAL);
	ck_assert_int_eq(selftest_inject(""), -EINVAL);
	ck_assert_int_eq(selftest_run(results, &count), 0);
}
END_TEST

START_TEST(names_are_distinct_and_each_test_names_its_source)
{
	ck_assert_int_eq(selftest_run(results, &count), 0);
	for (size_t i = 0; i < count; i++) {
		ck_assert(results[i].detail && results[i].detail[0]);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(results[i].name, results[j].name);
	}
}
END_TEST

START_TEST(the_hcd_cpp_profile_tests_what_it_uses_and_not_argon2id)
{
	size_t standard_count;

	ck_assert_int_eq(selftest_run(results, &standard_count), 0);
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(selftest_run(results, &count), 0);
	ck_assert_uint_eq(count, standard_count - 1);
	for (size_t i = 0; i < count; i++)
		ck_assert_ptr_null(strstr(results[i].name, "argon2"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("selftest");
	TCase *tcase = tcase_create("selftest");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, every_known_answer_is_right);
	tcase_add_test(tcase, an_injected_fault_fails_its_test_and_no_other);
	tcase_add_test(tcase, an_unknown_name_is_refused_and_injects_nothing);
	tcase_add_test(tcase, names_are_distinct_and_each_test_names_its_source);
	tcase_add_test(tcase, the_hcd_cpp_profile_tests_what_it_uses_and_not_argon2id);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
