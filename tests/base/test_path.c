/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_path.c - what lies in a directory, and what only begins like it
 */
#include "base/path.h"
#include <check.h>
#include <stdlib.h>

START_TEST(a_directory_and_all_below_it_are_in_it)
{
	ck_assert(path_is_at_or_below("/var/spool/cups", "/var/spool/cups"));
	ck_assert(path_is_at_or_below("/var/spool/cups/tmp/x", "/var/spool/cups"));
	ck_assert(path_is_at_or_below("/var/spool/cups", "/var/spool/cups/"));
	ck_assert(path_is_at_or_below("/var", "/"));
	ck_assert(path_is_at_or_below("inside/x", "inside"));
}
END_TEST

START_TEST(what_only_begins_like_it_and_what_is_above_are_not)
{
	ck_assert(!path_is_at_or_below("/var/spool/cups2", "/var/spool/cups"));
	ck_assert(!path_is_at_or_below("/var/spool", "/var/spool/cups"));
	ck_assert(!path_is_at_or_below("/var/spool/cup", "/var/spool/cups"));
	ck_assert(!path_is_at_or_below("/dev2", "/dev/"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path");
	TCase *tcase = tcase_create("path");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_directory_and_all_below_it_are_in_it);
	tcase_add_test(tcase, what_only_begins_like_it_and_what_is_above_are_not);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
