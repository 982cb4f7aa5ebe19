/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_rfc5424.c - a record as a syslog message
 *
 * Goal: whole messages are what RFC 5424 asks for, octet by octet; whatever a record holds, a
 * message stays one line, within its bound, with every value escaped, cut between characters, and
 * its structured data readable by a reader that was written from the RFC's grammar.
 * Method: vectors; hostile texts in each place; texts of every length around the bounds.
 */
#include "audit/event_table.h"
#include "audit/export_rfc5424.h"
#include "base/utf8.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG  "7a5f0c3e-1111-4222-8333-444455556666"
#define BOOT "0a1b2c3d-aaaa-4bbb-8ccc-ddddeeeeffff"

static struct audit_record record;
static struct export_source source;
static char text[EXPORT_RFC5424_MAX + 1];

static void setup(void)
{
	record = (struct audit_record){
		.stamp = {.sequence = 17, .wall_ms = 1795510800123, .monotonic_ms = 81233},
		.event = {.event = "job-retired", .role = "service", .outcome = "success"},
	};
	strcpy(record.stamp.boot, BOOT);
	memset(record.stamp.previous, 'a', 64);
	record.stamp.previous[64] = '\0';
	source = (struct export_source){.host = "printer7", .version = "1.2.3", .log = LOG};
}

static void teardown(void)
{
	json_object_put(record.event.data);
}

static const char *export(void)
{
	size_t octets = export_rfc5424(&record, &source, text);

	ck_assert_uint_eq(octets, strlen(text));
	ck_assert_uint_le(octets, EXPORT_RFC5424_MAX);
	return text;
}

/* --- a reader by the grammar of RFC 5424, 6 --- */

/* One value, unescaped, and what stands behind it; NULL: the text breaks the grammar. */
static const char *read_value(const char *at, char *to)
{
	for (; *at != '"'; at++) {
		if (*at == '\0' || *at == ']' || (unsigned char)*at < 0x20)
			return NULL;
		if (*at == '\\' && (*++at == '\0' || !strchr("\"\\]", *at)))
			return NULL;
		*to++ = *at;
	}
	*to = '\0';
	return at + 1;
}

/* Goes over all elements; into ret the value of that parameter of that element, if it is there. */
static const char *read_elements(const char *at, const char *id, const char *name, char *ret)
{
	char value[EXPORT_RFC5424_MAX];
	size_t id_length, length;
	bool is_it;

	while (*at == '[') {
		id_length = strcspn(++at, " ]");
		if (id_length == 0 || id_length > 32)
			return NULL;
		is_it = strlen(id) == id_length && strncmp(at, id, id_length) == 0;
		for (at += id_length; *at == ' ';) {
			length = strcspn(++at, " =]\"");
			if (length == 0 || length > 32 || at[length] != '=' ||
				at[length + 1] != '"')
				return NULL;
			if (is_it && strlen(name) == length && strncmp(at, name, length) == 0)
				at = read_value(at + length + 2, ret);
			else
				at = read_value(at + length + 2, value);
			if (!at)
				return NULL;
		}
		if (*at++ != ']')
			return NULL;
	}
	return *at == ' ' || *at == '\0' ? at : NULL;
}

static const char *elements(void)
{
	const char *at = text;

	for (int i = 0; i < 6; i++) {
		at = strchr(at, ' ');
		ck_assert_ptr_nonnull(at);
		at++;
	}
	return at;
}

/* Returns what stands behind the elements; the parameter's value is in ret. */
static const char *get(const char *id, const char *name, char ret[static EXPORT_RFC5424_MAX])
{
	const char *rest;

	ret[0] = '\0';
	rest = read_elements(elements(), id, name, ret);
	ck_assert_msg(rest != NULL, "this is no structured data: %s", text);
	return rest;
}

static void has(const char *name, const char *expected)
{
	char value[EXPORT_RFC5424_MAX];

	get("spoolguard@32473", name, value);
	ck_assert_str_eq(value, expected);
}

/* --- vectors --- */

START_TEST(the_least_record_is_this_message)
{
	ck_assert_str_eq(export(),
		"<110>1 2026-11-24T09:00:00.123Z printer7 spoolguardd - job-retired "
		"[timeQuality tzKnown=\"1\"][origin software=\"spoolguard\" swVersion=\"1.2.3\"]"
		"[meta sequenceId=\"17\"]"
		"[spoolguard@32473 sequence=\"17\" log=\"" LOG "\" boot=\"" BOOT
		"\" monotonic=\"81233\" "
		"previous=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" "
		"E=\"job-retired\" S=\"success\" role=\"service\" uid=\"0\"] job-retired: success");
}
END_TEST

START_TEST(a_full_record_has_its_keys)
{
	record.event.event = "job-failed";
	record.event.outcome = "failure";
	record.event.role = "pipeline";
	record.event.uid = 7;
	record.event.origin = "192.0.2.7";
	record.event.job = "cups 12";
	record.event.volume = "spool";
	record.event.drive = "S3R1AL";
	record.event.detail = "3 blocks were refused";
	record.event.data = json_tokener_parse("{\"source\":\"cups\",\"files\":3,"
					       "\"deep\":{\"a\":[1]}}");
	source.device_uuid = "urn:uuid:12345678-9abc-def0-1234-56789abcdef0";
	source.enterprise = 99999;
	source.clock = EXPORT_CLOCK_SYNCED;
	ck_assert_str_eq(export(),
		"<107>1 2026-11-24T09:00:00.123Z printer7 spoolguardd - job-failed "
		"[timeQuality tzKnown=\"1\" isSynced=\"1\"]"
		"[origin enterpriseId=\"99999\" software=\"spoolguard\" swVersion=\"1.2.3\"]"
		"[meta sequenceId=\"17\"]"
		"[spoolguard@99999 sequence=\"17\" log=\"" LOG "\" boot=\"" BOOT
		"\" monotonic=\"81233\" "
		"previous=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" "
		"E=\"job-failed\" S=\"failure\" role=\"pipeline\" uid=\"7\" UH=\"192.0.2.7\" "
		"JID=\"12\" job=\"cups 12\" volume=\"spool\" drive=\"S3R1AL\" "
		"DUU=\"urn:uuid:12345678-9abc-def0-1234-56789abcdef0\" d_source=\"cups\" "
		"d_files=\"3\" "
		"d_deep=\"{\\\"a\\\":[1\\]}\"] job-failed: failure, job cups 12, volume spool, "
		"drive S3R1AL: 3 blocks were refused");
}
END_TEST

START_TEST(severity_is_the_tables)
{
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		char begin[20];

		record.event.event = kind->name;
		record.event.outcome = "success";
		snprintf(begin, sizeof(begin), "<%d>1 ", 104 + kind->severity);
		ck_assert_int_eq(strncmp(export(), begin, strlen(begin)), 0);
		record.event.outcome = "denied";
		snprintf(begin, sizeof(begin), "<%d>1 ", 104 + kind->on_failure);
		ck_assert_int_eq(strncmp(export(), begin, strlen(begin)), 0);
	}
}
END_TEST

START_TEST(only_a_job_of_cups_has_a_number)
{
	static const char *const without[] = {"cups", "cups ", "cups 1a", "lpd 12", "12"};

	for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
		record.event.job = without[i];
		export();
		has("JID", "");
		has("job", without[i]);
	}
}
END_TEST

START_TEST(sequence_ids_begin_again_past_their_largest)
{
	static const struct {
		uint64_t sequence;
		const char *id;
	} cases[] = {{1, "1"}, {2147483647, "2147483647"}, {2147483648, "1"}, {0, "1"},
		{UINT64_MAX, "3"}};
	char value[EXPORT_RFC5424_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		record.stamp.sequence = cases[i].sequence;
		export();
		get("meta", "sequenceId", value);
		ck_assert_str_eq(value, cases[i].id);
	}
	has("sequence", "18446744073709551615");
}
END_TEST

START_TEST(a_host_that_is_none_is_nil)
{
	source.host = NULL;
	ck_assert_ptr_nonnull(strstr(export(), ".123Z - spoolguardd - "));
	source.host = "two words\n";
	ck_assert_ptr_nonnull(strstr(export(), ".123Z two?words? spoolguardd - "));
}
END_TEST

/* --- hostile texts --- */

static const char *const hostile[] = {
	"\"] [evil@1 x=\"y\"] all is well",
	"\\",
	"\\\"]\\]\"\\",
	"line\nbreak\r\n<110>1 - - - - - - forged",
	"\x1b[2J\x07\x7f",
	"\xff\xfe\xc3",
	"umlaut \xc3\xa4, euro \xe2\x82\xac, \xf0\x9f\x96\xa8",
	"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
	"]]]"
	"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
	"]]]",
};

static void put_everywhere(const char *value)
{
	record.event.origin = record.event.job = record.event.volume = record.event.drive = value;
	record.event.detail = source.device_uuid = source.log = source.host = value;
	json_object_put(record.event.data);
	record.event.data = json_object_new_object();
	json_object_object_add(record.event.data, value, json_object_new_string(value));
	json_object_object_add(record.event.data, "job_state", json_object_new_string(value));
}

static void check_message(void)
{
	char value[EXPORT_RFC5424_MAX];
	const char *rest;

	export();
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			ck_abort_msg("a control character in %s", text);
	}
	ck_assert(utf8_is_valid(text, strlen(text)));
	rest = get("spoolguard@32473", "sequence", value);
	ck_assert_str_eq(value, "17");
	ck_assert_ptr_nonnull(strstr(rest, "job-retired: success"));
	get("evil@1", "x", value);
	ck_assert_str_eq(value, "");
}

START_TEST(no_text_breaks_out_of_its_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		put_everywhere(hostile[i]);
		check_message();
	}
}
END_TEST

START_TEST(a_value_reads_back_as_it_was)
{
	record.event.volume = hostile[0];
	record.event.drive = hostile[2];
	record.event.job = hostile[6];
	record.event.origin = "a\nb";
	export();
	has("volume", hostile[0]);
	has("drive", hostile[2]);
	has("job", hostile[6]);
	has("UH", "a\\x0ab"); /* with its backslash escaped on the way */
}
END_TEST

START_TEST(a_message_that_is_not_ascii_begins_with_a_bom)
{
	char value[EXPORT_RFC5424_MAX];

	record.event.detail = "caf\xc3\xa9";
	export();
	ck_assert_str_eq(get("meta", "", value), " \xef\xbb\xbfjob-retired: success: caf\xc3\xa9");
}
END_TEST

/* --- long ones --- */

START_TEST(every_length_fits_and_is_cut_between_characters)
{
	static const char *const units[] = {"x", "]", "\xc3\xa4", "\xe2\x82\xac", "\n"};
	char *value = malloc(4 * AUDIT_LINE_MAX);

	for (size_t unit = 0; unit < ARRAY_SIZE(units); unit++) {
		value[0] = '\0';
		for (size_t count = 1; count <= 140; count++) {
			strcat(value, units[unit]);
			put_everywhere(value);
			check_message();
		}
		for (size_t count = 140; count < AUDIT_DETAIL_MAX; count++)
			strcat(value, units[unit]);
		put_everywhere(value);
		check_message();
	}
	free(value);
}
END_TEST

START_TEST(a_value_that_is_too_long_says_so)
{
	char value[200], expected[140];

	memset(value, 'x', sizeof(value));
	value[128] = '\0';
	record.event.volume = value;
	export();
	has("volume", value); /* just fits */
	value[128] = 'x';
	value[129] = '\0';
	export();
	memset(expected, 'x', 125);
	strcpy(expected + 125, "...");
	has("volume", expected);
}
END_TEST

START_TEST(data_that_finds_no_room_is_counted)
{
	char key[20], value[EXPORT_RFC5424_MAX];
	const char *rest;

	memset(value, 'v', 100);
	value[100] = '\0';
	record.event.data = json_object_new_object();
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "key%02d", i);
		json_object_object_add(record.event.data, key, json_object_new_string(value));
	}
	record.event.detail = "the detail is there all the same";
	export();
	has("d_key00", value);
	has("d_key39", "");
	rest = get("spoolguard@32473", "omitted", value);
	ck_assert_int_gt(atoi(value), 20);
	ck_assert_int_lt(atoi(value), 40);
	ck_assert_ptr_nonnull(strstr(rest, record.event.detail));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("export_rfc5424");
	TCase *tcase = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_least_record_is_this_message);
	tcase_add_test(tcase, a_full_record_has_its_keys);
	tcase_add_test(tcase, severity_is_the_tables);
	tcase_add_test(tcase, only_a_job_of_cups_has_a_number);
	tcase_add_test(tcase, sequence_ids_begin_again_past_their_largest);
	tcase_add_test(tcase, a_host_that_is_none_is_nil);
	tcase_add_test(tcase, no_text_breaks_out_of_its_value);
	tcase_add_test(tcase, a_value_reads_back_as_it_was);
	tcase_add_test(tcase, a_message_that_is_not_ascii_begins_with_a_bom);
	tcase_add_test(tcase, every_length_fits_and_is_cut_between_characters);
	tcase_add_test(tcase, a_value_that_is_too_long_says_so);
	tcase_add_test(tcase, data_that_finds_no_room_is_counted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
