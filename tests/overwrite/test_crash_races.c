/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_crash_races.c - requests that meet at the worst instant (tests/support/crash/races.h)
 */
#include "tests/support/crash/races.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(each_race_ends_well)
{
	struct crash_verdict verdict = {""};

	printf("%s\n", crash_races[_i].name);
	crash_races[_i].run(&verdict);
	ck_assert_msg(!crash_is_wrong(&verdict), "%s: %s", crash_races[_i].name, verdict.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("races");
	TCase *tcase = tcase_create("races");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, each_race_ends_well, 0, (int)crash_race_count);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
