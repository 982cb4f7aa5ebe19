/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_event_table.c - the table of events is one that others can rely on
 *
 * Goal: names fit RFC 5424's MSGID and differ; what failed is never less severe than what went
 * well; every row of HCD cPP FAU_GEN.1 table 3 is answered; members of data are found whole.
 */
#include "audit/event_table.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define each_kind(kind)                                                                            \
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++)

START_TEST(a_name_is_a_msgid_and_stands_once)
{
	each_kind(kind)
	{
		size_t bytes = strlen(kind->name);

		ck_assert_msg(bytes > 0 && bytes <= 31, "%s", kind->name);
		ck_assert_msg(strspn(kind->name, "abcdefghijklmnopqrstuvwxyz-") == bytes, "%s",
			kind->name);
		ck_assert_msg(audit_event_find(kind->name) == kind, "%s", kind->name);
	}
	ck_assert_ptr_null(audit_event_find("job"));
	ck_assert_ptr_null(audit_event_find(""));
}
END_TEST

START_TEST(a_failure_is_no_less_severe)
{
	each_kind(kind)
	{
		ck_assert_msg(kind->on_failure <= kind->severity, "%s", kind->name);
		ck_assert_ptr_nonnull(audit_severity_text(kind->severity));
		ck_assert_ptr_nonnull(audit_severity_text(kind->on_failure));
	}
}
END_TEST

START_TEST(a_meaning_is_one_line_for_a_table)
{
	each_kind(kind)
	{
		ck_assert_msg(!strpbrk(kind->meaning, "\n\t|"), "%s", kind->name);
		ck_assert_msg(kind->meaning[strlen(kind->meaning) - 1] == '.', "%s", kind->name);
	}
}
END_TEST

START_TEST(every_row_of_the_profile_is_answered)
{
	static const char *const rows[] = {
		"start-up of the audit functions",
		"shutdown of the audit functions",
		"job completion",
		"limit of login attempts reached",
		"unsuccessful identification or authentication",
		"use of management functions",
		"modification of a role's group",
		"change of the time",
		"failure to establish a session",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t answers = 0;

		each_kind(kind) answers += kind->hcd && strcmp(kind->hcd, rows[i]) == 0;
		ck_assert_msg(answers > 0, "%s", rows[i]);
	}
}
END_TEST

START_TEST(what_the_host_reports_may_name_somebody)
{
	each_kind(kind)
	{
		if (kind->from_host)
			ck_assert_msg(audit_event_has_member(kind, "user"), "%s", kind->name);
	}
}
END_TEST

START_TEST(members_are_found_whole)
{
	const struct audit_event_kind *kind = audit_event_find("state-changed");

	ck_assert(audit_event_has_member(kind, "state"));
	ck_assert(audit_event_has_member(kind, "before"));
	ck_assert(!audit_event_has_member(kind, "stat"));
	ck_assert(!audit_event_has_member(kind, "efore"));
	ck_assert(!audit_event_has_member(kind, "state, before"));
	ck_assert(!audit_event_has_member(kind, ""));
	ck_assert(!audit_event_has_member(audit_event_find("service-stopped"), "state"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event_table");
	TCase *tc = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_name_is_a_msgid_and_stands_once);
	tcase_add_test(tc, a_failure_is_no_less_severe);
	tcase_add_test(tc, a_meaning_is_one_line_for_a_table);
	tcase_add_test(tc, every_row_of_the_profile_is_answered);
	tcase_add_test(tc, what_the_host_reports_may_name_somebody);
	tcase_add_test(tc, members_are_found_whole);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
