/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_check_text.c - the report for people
 *
 * Goal: what is wrong is told once, with its remedy and all that it concerns; lines fit; nothing
 * from outside steers a terminal. Method: reports made here.
 */
#include "cli/check.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 100u

static char swap[] = "swap on /dev/sda2 \033[31mis open\n and more", swapoff[] = "swapoff it";
static char no_log[] = "log: there is none", start[] = "start the service";
static char clock_kept[] = "the clock is kept", adjtimex_says[] = "adjtimex";
static char proc[] = "/proc", seen[] = "2026-11-24T09:00:00Z", nothing[] = "", text_e[] = "e";

static struct control_part parts[][2] = {
	{{"swap", CONTROL_NOT_MET, swap, swapoff, seen, proc},
		{"log", CONTROL_CANNOT_TELL, no_log, start, nothing, nothing}},
	{{"swap", CONTROL_NOT_MET, swap, swapoff, seen, proc}},
	{{"clock", CONTROL_MET, clock_kept, NULL, seen, adjtimex_says}},
};

static struct control controls[] = {
	{.id = "first-1",
		.standard = "Standard",
		.clause = "1.1",
		.title = "Nothing lies about",
		.person = "that it is so",
		.state = CONTROL_NOT_MET,
		.evidence = text_e,
		.remedy = text_e,
		.parts = parts[0],
		.part_count = 2},
	{.id = "second-2",
		.standard = "Standard",
		.clause = "2.2",
		.title = "Nothing lies about for long",
		.person = "whose it was",
		.state = CONTROL_NOT_MET,
		.evidence = text_e,
		.remedy = text_e,
		.parts = parts[1],
		.part_count = 1},
	{.id = "third-3",
		.standard = "Other",
		.clause = "3",
		.title = "Time is told",
		.person = "by whom",
		.state = CONTROL_MET,
		.evidence = text_e,
		.parts = parts[2],
		.part_count = 1},
};

static char *printed(bool all)
{
	const struct compliance_report report = {.profile = "all",
		.time = "2026-11-24T09:00:00Z",
		.host = "ward\007",
		.controls = controls,
		.count = ARRAY_SIZE(controls),
		.met = 1,
		.not_met = 2};
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	check_text_print(out, &report, all);
	fclose(out);
	return text;
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		count++;
	return count;
}

START_TEST(what_is_wrong_is_told_once_with_all_that_it_concerns)
{
	char *text = printed(false);

	ck_assert_uint_eq(count_of(text, "swap on /dev/sda2"), 1);
	ck_assert_uint_eq(count_of(text, "mend: swapoff it"), 1);
	ck_assert_ptr_nonnull(strstr(text, "for:  first-1, second-2\n"));
	ck_assert_uint_eq(count_of(text, "log: there is none"), 1);
	ck_assert_ptr_nonnull(strstr(text, "for:  first-1\n"));
	ck_assert_ptr_nonnull(strstr(text, "1 met, 2 not met, 0 cannot be told"));
	ck_assert_ptr_null(strstr(text, "the clock is kept"));
	ck_assert_ptr_nonnull(strstr(text, "Standard: 1.1 2.2\n"));
	free(text);
}
END_TEST

START_TEST(all_has_the_evidence_and_what_people_show)
{
	char *text = printed(true);

	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		ck_assert_ptr_nonnull(strstr(text, controls[i].title));
		ck_assert_ptr_nonnull(strstr(text, controls[i].person));
	}
	ck_assert_ptr_nonnull(
		strstr(text, "met: the clock is kept [adjtimex, 2026-11-24T09:00:00Z]"));
	free(text);
}
END_TEST

START_TEST(nothing_from_outside_steers_a_terminal)
{
	char *text = printed(true);

	for (const char *at = text; *at; at++)
		ck_assert(*at == '\n' || (unsigned char)*at >= 0x20);
	free(text);
}
END_TEST

START_TEST(lines_fit)
{
	static char many[1024] = "";
	char *text, *rest, *line;

	for (size_t i = 0; i < 60; i++)
		strcat(many, "word-after-word ");
	parts[2][0].evidence = many;
	parts[2][0].state = CONTROL_CANNOT_TELL;
	parts[2][0].remedy = many;
	text = printed(false);
	for (rest = text; (line = strsep(&rest, "\n"));)
		ck_assert_msg(strlen(line) <= WIDTH, "%s", line);
	free(text);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("check_text");
	TCase *tc = tcase_create("check_text");

	tcase_add_test(tc, what_is_wrong_is_told_once_with_all_that_it_concerns);
	tcase_add_test(tc, all_has_the_evidence_and_what_people_show);
	tcase_add_test(tc, nothing_from_outside_steers_a_terminal);
	tcase_add_test(tc, lines_fit);
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
