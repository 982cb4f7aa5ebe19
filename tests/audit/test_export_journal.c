/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_journal.c - a record as an entry of systemd's journal; a log as OpenMetrics
 *
 * Goal: every line of an entry is FIELD=value with a name that the journal takes, whatever the
 * record holds; the log's own line is in it byte for byte; what is counted is counted once.
 * Method: a vector; hostile texts in every place.
 */
#include "audit/export_counts.h"
#include "audit/export_journal.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct audit_record record;
static struct export_source source;

static void setup(void)
{
	record = (struct audit_record){
		.stamp = {.sequence = 17, .wall_ms = 1795510800123, .monotonic_ms = 81233},
		.event = {.event = "job-retired", .role = "service", .outcome = "success"},
	};
	source = (struct export_source){.log = "7a5f0c3e-1111-4222-8333-444455556666"};
}

static char *export(const char *line)
{
	size_t bytes = 0;
	char *text = export_journal(&record, &source, line, strlen(line), &bytes);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(bytes, strlen(text));
	return text;
}

START_TEST(an_entry_is_these_lines)
{
	char *text;

	record.event.job = "cups 12";
	record.event.detail = "3 files";
	text = export("{\"sequence\":17}");
	/* printf spoolguard.event/job-retired | sha256sum | cut -c1-32 */
	ck_assert_str_eq(text,
		"MESSAGE=job-retired: success, job cups 12: 3 files\nPRIORITY=6\n"
		"SYSLOG_FACILITY=13\nSYSLOG_IDENTIFIER=spoolguardd\n"
		"MESSAGE_ID=3e447af8dd4bd3eb3b272ab52f5e1241\n"
		"SPOOLGUARD_EVENT=job-retired\nSPOOLGUARD_SEQUENCE=17\n"
		"SPOOLGUARD_LOG=7a5f0c3e-1111-4222-8333-444455556666\n"
		"SPOOLGUARD_TIME=2026-11-24T09:00:00.123Z\nSPOOLGUARD_OUTCOME=success\n"
		"SPOOLGUARD_ROLE=service\nSPOOLGUARD_UID=0\nSPOOLGUARD_JOB=cups 12\n"
		"SPOOLGUARD_DETAIL=3 files\nSPOOLGUARD_RECORD={\"sequence\":17}\n");
	free(text);
}
END_TEST

START_TEST(no_text_begins_a_line_of_its_own)
{
	static const char *const hostile[] = {"a\nPRIORITY=0\n", "\n", "\r\n_UID=0", "=", "\xff"};

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		char *text, *save = NULL;
		int lines = 0;

		record.event.job = record.event.volume = record.event.drive = hostile[i];
		record.event.detail = record.event.origin = record.event.role = hostile[i];
		text = export("{}");
		for (char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save)) {
			size_t name = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

			ck_assert_msg(name > 0 && line[0] != '_' && line[name] == '=', "%s", line);
			ck_assert(strncmp(line, "PRIORITY=", 9) != 0 || line[9] == '6');
			lines++;
		}
		ck_assert_int_eq(lines, 18);
		free(text);
	}
}
END_TEST

START_TEST(a_log_is_counted)
{
	struct export_counts *counts;
	char *text;

	ck_assert_int_eq(export_counts_new(&counts), 0);
	for (uint64_t i = 5; i < 8; i++) {
		record.stamp.sequence = i;
		export_counts_add(counts, &record);
	}
	record.stamp.sequence = 8;
	record.event.event = "sweep";
	record.event.volume = "a\"b\\c\nd";
	record.event.data = json_tokener_parse("{\"owed_blocks\":9}");
	export_counts_add(counts, &record);
	record.event.event = "job-failed";
	record.event.outcome = "failure";
	export_counts_add(counts, &record);
	text = export_counts_format(counts);
	ck_assert_ptr_nonnull(text);
#define HAS(line) ck_assert_msg(strstr(text, "\n" line "\n") != NULL, "%s in:\n%s", line, text)
	HAS("# TYPE spoolguard_log_records counter");
	HAS("spoolguard_log_records_total{event=\"job-retired\",outcome=\"success\"} 3");
	HAS("spoolguard_log_jobs_retired_total 3");
	HAS("spoolguard_log_jobs_failed_total 1");
	HAS("spoolguard_log_first_record 5");
	HAS("spoolguard_log_last_record 8");
	HAS("spoolguard_log_owed_blocks{volume=\"a\\\"b\\\\c\\nd\"} 9");
#undef HAS
	ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	free(text);
	export_counts_free(counts);
	json_object_put(record.event.data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("export_journal");
	TCase *tcase = tcase_create("entries");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, an_entry_is_these_lines);
	tcase_add_test(tcase, no_text_begins_a_line_of_its_own);
	tcase_add_test(tcase, a_log_is_counted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
