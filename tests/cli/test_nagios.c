/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_nagios.c - ranges and results as monitoring plugins have them
 *
 * Goal: each form of the guidelines' table alerts where the table says, on and beside its edges;
 * what is no range is refused; the worse result wins.
 */
#include "cli/nagios.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	const char *alerts, *silent; /* numbers, with blanks between them */
} ranges[] = {
	{"10", "-1 11 10.5", "0 10 5"},
	{"10:", "9 -1 9.9", "10 11 1000000"},
	{":10", "-1 11", "0 10"},
	{"~:10", "11 10.1", "10 0 -1000"},
	{"10:20", "9 21", "10 20 15"},
	{"@10:20", "10 20 15", "9 21"},
	{"@~:0", "0 -5", "1"},
	{"0", "-1 1", "0"},
	{"@0", "0", "-1 1"},
	{"-5:5", "-6 6", "-5 5 0"},
	{"1.5:2.5", "1.4 2.6", "1.5 2.5"},
};

static void judge_all(const struct nagios_range *range, const char *numbers, bool alert)
{
	char copy[100], *save = NULL;

	strcpy(copy, numbers);
	for (char *n = strtok_r(copy, " ", &save); n; n = strtok_r(NULL, " ", &save))
		ck_assert_msg(nagios_is_alert(range, atof(n)) == alert, "%s: %s", range->text, n);
}

START_TEST(a_range_alerts_where_the_guidelines_say)
{
	struct nagios_range range;

	ck_assert_int_eq(nagios_parse_range(ranges[_i].text, &range), 0);
	judge_all(&range, ranges[_i].alerts, true);
	judge_all(&range, ranges[_i].silent, false);
}
END_TEST

START_TEST(what_is_no_range_is_refused)
{
	static const char *const bad[] = {"", "@", ":", "@:", "x", "10x", "10:x", "x:10", "20:10",
		"1:2:3", "10 ", " 10", "1e3", "nan", "inf", "0x10", "~10", "~", "10:~", "--5",
		"1-2", "10;20", "1,5"};
	struct nagios_range range = {.start = 77};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(nagios_parse_range(bad[i], &range) == -EINVAL, "\"%s\"", bad[i]);
	ck_assert(range.start == 77);
}
END_TEST

START_TEST(critical_comes_before_warning)
{
	struct nagios_range warning, critical, none = {.set = false};

	ck_assert_int_eq(nagios_parse_range("1", &warning), 0);
	ck_assert_int_eq(nagios_parse_range("10", &critical), 0);
	ck_assert_int_eq(nagios_judge(&warning, &critical, 1), NAGIOS_OK);
	ck_assert_int_eq(nagios_judge(&warning, &critical, 2), NAGIOS_WARNING);
	ck_assert_int_eq(nagios_judge(&warning, &critical, 11), NAGIOS_CRITICAL);
	ck_assert_int_eq(nagios_judge(&none, &none, 1e18), NAGIOS_OK);
	ck_assert_int_eq(nagios_judge(&none, &critical, 5), NAGIOS_OK);
}
END_TEST

START_TEST(the_worse_result_wins)
{
	ck_assert_int_eq(nagios_worse(NAGIOS_OK, NAGIOS_WARNING), NAGIOS_WARNING);
	ck_assert_int_eq(nagios_worse(NAGIOS_UNKNOWN, NAGIOS_WARNING), NAGIOS_UNKNOWN);
	ck_assert_int_eq(nagios_worse(NAGIOS_UNKNOWN, NAGIOS_CRITICAL), NAGIOS_CRITICAL);
	ck_assert_int_eq(nagios_worse(NAGIOS_OK, NAGIOS_OK), NAGIOS_OK);
	ck_assert_str_eq(nagios_text(NAGIOS_UNKNOWN), "UNKNOWN");
	ck_assert_int_eq(NAGIOS_UNKNOWN, 3); /* it is the exit code */
}
END_TEST

START_TEST(performance_data_are_formatted_as_the_guidelines_say)
{
	struct nagios_range warning, critical, none = {.set = false};
	struct nagios_datum datum = {"oldest", "s", 7, &warning, &critical};
	char buf[100];

	ck_assert_int_eq(nagios_parse_range("60", &warning), 0);
	ck_assert_int_eq(nagios_parse_range("@~:600", &critical), 0);
	ck_assert_str_eq(nagios_format(&datum, buf, sizeof(buf)), "'oldest'=7s;60;@~:600;0;");
	datum.warning = &none;
	datum.critical = NULL;
	datum.value = 18446744073709551615ull;
	ck_assert_str_eq(
		nagios_format(&datum, buf, sizeof(buf)), "'oldest'=18446744073709551615s;;;0;");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nagios");
	TCase *tcase = tcase_create("ranges");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		tcase, a_range_alerts_where_the_guidelines_say, 0, (int)ARRAY_SIZE(ranges));
	tcase_add_test(tcase, what_is_no_range_is_refused);
	tcase_add_test(tcase, critical_comes_before_warning);
	tcase_add_test(tcase, the_worse_result_wins);
	tcase_add_test(tcase, performance_data_are_formatted_as_the_guidelines_say);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
