/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_csv.c - a record as a row of ten columns
 *
 * Goal: every event has a number that stays; rows have ten fields whatever is in them; no field
 * begins as a formula.
 * Method: a vector; hostile texts in every place, read back by a reader written from RFC 4180.
 */
#include "audit/event_table.h"
#include "audit/export_csv.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 10

static struct audit_record record;
static char fields[FIELDS][4 * AUDIT_LINE_MAX];

static void setup(void)
{
	record = (struct audit_record){
		.stamp = {.sequence = 17, .wall_ms = 1795510800123, .monotonic_ms = 81233},
		.event = {.event = "job-retired", .role = "service", .outcome = "success"},
	};
}

static void teardown(void)
{
	json_object_put(record.event.data);
}

/* RFC 4180, 2; false: it is no row of that many fields. */
static bool read_row(const char *at)
{
	for (int i = 0; i < FIELDS; i++) {
		char *to = fields[i];
		bool quoted = *at == '"';

		for (at += quoted; quoted || !strchr(",\r", *at); at++) {
			if (*at == '\0')
				return false;
			if (*at == '"' && (!quoted || *++at != '"'))
				break;
			*to++ = *at;
		}
		*to = '\0';
		if (i < FIELDS - 1 && *at++ != ',')
			return false;
	}
	return strcmp(at, "\r\n") == 0;
}

static void export(void)
{
	char *row = export_csv(&record);

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(read_row(row), "no row: %s", row);
	free(row);
}

START_TEST(a_record_is_this_row)
{
	char *row;

	record.event.event = "wipe";
	record.event.outcome = "begun";
	record.event.role = "operator";
	record.event.uid = 1000;
	record.event.origin = "192.0.2.7";
	record.event.volume = "spool";
	record.event.drive = "S3R1AL";
	record.event.detail = "standard, \"all\"";
	record.event.data = json_tokener_parse("{\"scope\":\"standard\"}");
	row = export_csv(&record);
	ck_assert_str_eq(row,
		"17,2026-11-24,09:00:00,3,wipe,\"volume spool, drive S3R1AL\","
		"\"operator, uid 1000, from 192.0.2.7\",begun,\"standard, \"\"all\"\"\","
		"\"{\"\"scope\"\":\"\"standard\"\"}\"\r\n");
	free(row);
	ck_assert(read_row(export_csv_header()));
	ck_assert_str_eq(fields[3], "Event ID");
}
END_TEST

START_TEST(every_event_has_a_number_of_its_own)
{
	const char *owner[1000] = {NULL};

	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		unsigned int id = export_csv_event_id(kind->name, "success");

		ck_assert_msg(id > 0 && id < 1000, "%s has no number", kind->name);
		ck_assert_msg(!owner[id] || id == 5, "%s and %s have one number", kind->name,
			owner[id]); /* both are a job's end */
		owner[id] = kind->name;
	}
	ck_assert_uint_eq(export_csv_event_id("wipe", "begun"), 3);
	ck_assert_uint_eq(export_csv_event_id("wipe", "success"), 4);
	ck_assert_uint_eq(export_csv_event_id("no-such-event", "success"), 0);
}
END_TEST

START_TEST(no_field_is_a_formula_or_breaks_its_row)
{
	static const char *const hostile[] = {"=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1",
		"=cmd|' /C calc'!A0", "a,b\"c\r\nd", "\"", "\x1b[31m", "\xff\xfe", "\n=1"};

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		record.event.role = record.event.origin = record.event.detail = hostile[i];
		record.event.job = record.event.volume = record.event.drive = hostile[i];
		export();
		for (int field = 5; field < FIELDS; field++) {
			ck_assert_msg(!fields[field][0] || !strchr("=+-@\t\r\n", fields[field][0]),
				"%s", fields[field]);
			ck_assert_ptr_null(strpbrk(fields[field], "\r\n\t\x1b"));
		}
	}
	record.event.detail = "=1+2";
	export();
	ck_assert_str_eq(fields[8], "'=1+2");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("export_csv");
	TCase *tcase = tcase_create("rows");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_record_is_this_row);
	tcase_add_test(tcase, every_event_has_a_number_of_its_own);
	tcase_add_test(tcase, no_field_is_a_formula_or_breaks_its_row);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
