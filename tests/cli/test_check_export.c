/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_check_export.c - what a configuration of rsyslog says of the audit log's way
 *
 * Goal: TLS, a receiver that is checked and a queue are seen where they are, and nowhere else.
 * Method: the parameters of the shipped file, each left out or changed in turn.
 */
#include "cli/check_export.h"
#include "base/macros.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

static const char before[] =
	"module(load=\"imuxsock\") # ruleset(name=\"spoolguard\") { \n"
	"input(type=\"imuxsock\" Socket=\"/other\")\n"
	"input(type=\"imuxsock\" Socket=\"/run/s\" Ruleset=\"spoolguard\")\n"
	"ruleset(name=\"other\") { action(type=\"omfwd\" target=\"elsewhere\") }\n"
	"ruleset(name=\"spoolguard\" queue.type=\"Direct\") {\n"
	"\t# a comment with a \" in it, and a }\n"
	"\taction(type=\"omfile\" file=\"/x(\")\n\taction(";

static const char *const parameters[] = {
	"type=\"omfwd\"",
	"target=\"log.ward\"",
	"protocol=\"tcp\"",
	"StreamDriver=\"gtls\"",
	"StreamDriverMode=\"1\"",
	"streamdriverAuthMode=\"x509/name\"",
	"StreamDriverPermittedPeers=\"log.ward\"",
	"queue.type=\"Disk\"",
	"queue.filename=\"spoolguard\"",
	"action.resumeRetryCount=\"-1\"",
};

/* The whole text, with the parameter at that place replaced. */
static const char *text_with(size_t place, const char *instead)
{
	static char text[4096];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", before);

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
			i % 3 == 2 ? "\n\t\t" : " ", i == place ? instead : parameters[i]);
	snprintf(text + at, sizeof(text) - at, ")\n}\n");
	return text;
}

START_TEST(the_shipped_way_is_seen)
{
	struct check_export export;

	ck_assert(check_export_parse(text_with(SIZE_MAX, ""), &export));
	ck_assert_str_eq(export.target, "log.ward");
	ck_assert_str_eq(export.socket, "/run/s");
	ck_assert(export.tls && export.verifies_peer && export.queued);
}
END_TEST

START_TEST(what_is_missing_or_other_is_told)
{
	static const struct {
		size_t place;
		const char *instead;
		bool found, tls, verifies, queued;
	} cases[] = {
		{0, "", false, false, false, false},
		{0, "type=\"omfile\"", false, false, false, false},
		{1, "", false, false, false, false},
		{1, "target=\"loghost.example\"", false, false, false, false},
		{2, "protocol=\"udp\"", true, false, true, true},
		{2, "#", true, false, false, false}, /* the rest of that line */
		{3, "StreamDriver=\"ptcp\"", true, false, true, true},
		{3, "StreamDriver=\"ossl\"", true, true, true, true},
		{4, "StreamDriverMode=\"0\"", true, false, true, true},
		{5, "StreamDriverAuthMode=\"anon\"", true, true, false, true},
		{5, "XStreamDriverAuthMode=\"x509/name\"", true, true, false, true},
		{6, "", true, true, false, true},
		{7, "", true, true, true, false},
		{8, "", true, true, true, false},
		{9, "action.resumeRetryCount=\"3\"", true, true, true, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct check_export export = {.target = ""};
		bool found =
			check_export_parse(text_with(cases[i].place, cases[i].instead), &export);

		ck_assert_msg(found == cases[i].found, "case %zu", i);
		if (!found || cases[i].instead[0] == '#')
			continue;
		ck_assert_msg(export.tls == cases[i].tls, "case %zu: tls", i);
		ck_assert_msg(export.verifies_peer == cases[i].verifies, "case %zu: peer", i);
		ck_assert_msg(export.queued == cases[i].queued, "case %zu: queue", i);
	}
}
END_TEST

START_TEST(every_beginning_of_it_is_taken_or_refused)
{
	const char *whole = text_with(SIZE_MAX, "");
	char cut[4096];

	for (size_t bytes = 0; bytes < strlen(whole); bytes++) {
		struct check_export export;

		snprintf(cut, sizeof(cut), "%.*s", (int)bytes, whole);
		(void)check_export_parse(cut, &export);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("check_export");
	TCase *tc = tcase_create("check_export");

	tcase_add_test(tc, the_shipped_way_is_seen);
	tcase_add_test(tc, what_is_missing_or_other_is_told);
	tcase_add_test(tc, every_beginning_of_it_is_taken_or_refused);
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
