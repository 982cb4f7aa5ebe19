/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_record.c - records as lines of JSON
 *
 * Goal: A2 of record.h, the limits, and that a line is what every JSON reader takes it for.
 *
 * Method: a full and an empty record against their bytes; each text at its limit and one over;
 * a good line changed at every byte, cut at every byte, and with each member removed, repeated,
 * moved or given another type: none is read.
 */
#include "audit/event_table.h"
#include "audit/record.h"
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT	 "0b0b0b0b-0000-4000-8000-00000000000b"
#define VOLUME	 "0a0a0a0a-0000-4000-8000-00000000000a"
#define PREVIOUS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define FULL                                                                                       \
	"{\"sequence\":17,\"time\":\"2026-11-24T09:00:00.123Z\",\"monotonic_ms\":81233,"           \
	"\"boot\":\"" BOOT "\",\"event\":\"job-retired\","                                         \
	"\"subject\":{\"role\":\"pipeline\",\"uid\":7,\"origin\":\"192.0.2.7\"},"                  \
	"\"object\":{\"job\":\"cups 12\",\"volume\":\"" VOLUME "\",\"drive\":\"S/N 1\"},"          \
	"\"outcome\":\"success\",\"detail\":\"3 extents, \\\"all\\\" of them\","                   \
	"\"data\":{\"extents\":3,\"ratio\":0.5,\"list\":[1,null,true,\"\\u00e9\"]},"               \
	"\"previous\":\"" PREVIOUS "\"}"

#define EMPTY                                                                                      \
	"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"                \
	"\"boot\":\"" BOOT "\",\"event\":\"audit-started\","                                       \
	"\"subject\":{\"role\":\"service\",\"uid\":0},\"outcome\":\"success\","                    \
	"\"previous\":\"" PREVIOUS "\"}"

static const struct audit_stamp stamp = {
	.sequence = 17,
	.wall_ms = INT64_C(1795510800123),
	.monotonic_ms = 81233,
	.boot = BOOT,
	.previous = PREVIOUS,
};

static struct audit_event event;

static void setup(void)
{
	event = (struct audit_event){
		.event = "job-retired", .role = "pipeline", .uid = 7, .outcome = "success"};
}

static void teardown(void)
{
	json_object_put(event.data);
	event.data = NULL;
}

static bool is_read(const char *line, size_t bytes)
{
	struct audit_record record;
	int r = audit_record_decode(line, bytes, &record);

	if (r >= 0)
		audit_record_done(&record);
	else
		ck_assert_int_eq(r, -EBADMSG);
	return r >= 0;
}

/* Encodes, and reads it again. */
static struct audit_record there_and_back(void)
{
	struct audit_record record;
	char *line;

	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), 0);
	ck_assert_uint_le(strlen(line), AUDIT_LINE_MAX);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
	for (const char *at = line; at[1]; at++)
		ck_assert_msg(*at >= ' ' && *at < 0x7f, "byte %d", *at);
	ck_assert_int_eq(audit_record_decode(line, strlen(line) - 1, &record), 0);
	free(line);
	return record;
}

/* --- encode --- */

START_TEST(a_full_record_is_these_bytes)
{
	char *line;

	event.origin = "192.0.2.7";
	event.job = "cups 12";
	event.volume = VOLUME;
	event.drive = "S/N 1";
	event.detail = "3 extents, \"all\" of them";
	event.data = json_tokener_parse("{\"extents\":3,\"ratio\":0.5,\"list\":[1,null,true,"
					"\"\xc3\xa9\"]}");
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), 0);
	ck_assert_str_eq(line, FULL "\n");
	free(line);
}
END_TEST

START_TEST(what_is_empty_is_left_out)
{
	const struct audit_stamp first = {.sequence = 1, .boot = BOOT, .previous = PREVIOUS};
	char *line;

	event = (struct audit_event){.event = "audit-started",
		.outcome = "success",
		.origin = "",
		.job = "",
		.detail = "",
		.data = json_object_new_object()};
	ck_assert_int_eq(audit_record_encode(&event, &first, &line), 0);
	ck_assert_str_eq(line, EMPTY "\n");
	free(line);
}
END_TEST

START_TEST(characters_of_any_kind_come_back_as_they_were)
{
	static const char text[] = "\x01\b\f\n\r\t\x1f \"\\/\x7f \xc3\xa9 \xe2\x82\xac "
				   "\xf0\x9f\x96\xa8 <>";
	struct audit_record record;

	event.detail = text;
	event.job = text;
	event.data = json_object_new_object();
	json_object_object_add(event.data, text, json_object_new_string_len(text, sizeof(text)));
	record = there_and_back();
	ck_assert_str_eq(record.event.detail, text);
	ck_assert_str_eq(record.event.job, text);
	ck_assert(json_object_equal(record.event.data, event.data));
	audit_record_done(&record);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_replaced)
{
	struct audit_record record;

	event.detail = "a\xff\xc3(\xed\xa0\x80z";
	record = there_and_back();
	ck_assert_str_eq(record.event.detail, "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd"
					      "\xef\xbf\xbdz");
	audit_record_done(&record);
}
END_TEST

/* Texts of one, two and six bytes in the line, around the limit. */
START_TEST(long_texts_are_cut_between_characters_and_say_so)
{
	static const char *const pieces[] = {"x", "\"", "\xc3\xa9", "\xf0\x9f\x96\xa8"};
	static const size_t widths[] = {1, 2, 6, 12};

	for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
		size_t most = AUDIT_DETAIL_MAX / widths[p];

		for (size_t count = most - 3; count <= most + 3; count++) {
			char text[2 * AUDIT_DETAIL_MAX] = "";
			struct audit_record record;
			size_t n;

			for (size_t i = 0; i < count; i++)
				strcat(text, pieces[p]);
			event.detail = text;
			record = there_and_back();
			n = strlen(record.event.detail);
			if (count <= most) {
				ck_assert_str_eq(record.event.detail, text);
			} else {
				ck_assert_str_eq(record.event.detail + n - 3, "...");
				ck_assert_int_eq(memcmp(record.event.detail, text, n - 3), 0);
				ck_assert_uint_eq((n - 3) % strlen(pieces[p]), 0);
				ck_assert_uint_gt(
					(n - 3) / strlen(pieces[p]) + 1 + 3 / widths[p] + 1, most);
			}
			audit_record_done(&record);
		}
	}
}
END_TEST

START_TEST(the_longest_texts_fit_together_and_leave_room_for_data)
{
	char text[2048];
	struct audit_record record;

	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	event.role = event.origin = event.job = event.volume = event.drive = event.detail = text;
	event.data = json_object_new_object();
	for (int i = 0; i < 8; i++) {
		char key[] = {(char)('a' + i), '\0'}, value[513] = "";

		memset(value, 'x', sizeof(value) - 1);
		json_object_object_add(event.data, key, json_object_new_string(value));
	}
	record = there_and_back();
	ck_assert_int_eq(json_object_object_length(record.event.data), 8);
	audit_record_done(&record);
}
END_TEST

START_TEST(data_that_does_not_fit_is_refused)
{
	char text[AUDIT_LINE_MAX + 1], *line;
	size_t most = 0;

	memset(text, 'x', sizeof(text));
	for (size_t n = AUDIT_LINE_MAX - 500; n <= AUDIT_LINE_MAX; n++) {
		int r;

		event.data = json_object_new_object();
		json_object_object_add(event.data, "a", json_object_new_string_len(text, (int)n));
		r = audit_record_encode(&event, &stamp, &line);
		if (r >= 0) {
			most = strlen(line);
			ck_assert(is_read(line, most - 1));
			free(line);
		} else {
			ck_assert_int_eq(r, -E2BIG);
			ck_assert_uint_eq(most, AUDIT_LINE_MAX);
		}
		json_object_put(event.data);
		event.data = NULL;
	}
}
END_TEST

static struct json_object *nested(unsigned int levels)
{
	struct json_object *inner = json_object_new_int(1);

	for (unsigned int i = 0; i < levels; i++) {
		struct json_object *outer;

		if (i % 2 && i + 1 < levels) {
			outer = json_object_new_array();
			json_object_array_add(outer, inner);
		} else {
			outer = json_object_new_object();
			json_object_object_add(outer, "a", inner);
		}
		inner = outer;
	}
	return inner;
}

START_TEST(data_that_readers_would_take_for_something_else_is_refused)
{
	struct audit_record record;
	char *line;

	event.data = nested(AUDIT_DATA_DEPTH_MAX);
	record = there_and_back();
	ck_assert(json_object_equal(record.event.data, event.data));
	audit_record_done(&record);
	json_object_put(event.data);
	event.data = nested(AUDIT_DATA_DEPTH_MAX + 1);
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	json_object_put(event.data);
	event.data = json_object_new_object();
	json_object_object_add(event.data, "a", json_object_new_double(NAN));
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	json_object_put(event.data);
	event.data = json_object_new_array();
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
}
END_TEST

START_TEST(numbers_of_any_size_come_back_as_they_were)
{
	struct audit_record record;

	event.data = json_tokener_parse("{\"a\":18446744073709551615,\"b\":-9223372036854775808,"
					"\"c\":0.1,\"d\":1e300,\"e\":-0.0}");
	event.uid = UINT32_MAX;
	record = there_and_back();
	ck_assert(json_object_equal(record.event.data, event.data));
	ck_assert_uint_eq(record.event.uid, UINT32_MAX);
	audit_record_done(&record);
}
END_TEST

START_TEST(an_event_of_no_table_or_with_no_known_outcome_is_not_written)
{
	struct audit_stamp bad = stamp;
	char *line;

	event.event = "coffee-made";
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	event.event = NULL;
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	event.event = "job-retired";
	event.outcome = "perhaps";
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	event.outcome = NULL;
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), -EINVAL);
	event.outcome = "success";
	bad.boot[8] = '0';
	ck_assert_int_eq(audit_record_encode(&event, &bad, &line), -EINVAL);
	bad = stamp;
	bad.previous[0] = 'A';
	ck_assert_int_eq(audit_record_encode(&event, &bad, &line), -EINVAL);
}
END_TEST

START_TEST(every_event_of_the_table_can_be_written_and_read)
{
	for (const struct audit_event_kind *kind = audit_event_kinds; kind->name; kind++) {
		struct audit_record record;

		event.event = kind->name;
		record = there_and_back();
		ck_assert_str_eq(record.event.event, kind->name);
		audit_record_done(&record);
	}
}
END_TEST

/* --- time --- */

START_TEST(a_time_is_what_it_was_for_every_day_of_four_centuries)
{
	char text[AUDIT_TIME_BYTES];
	int64_t again;

	for (int64_t day = 0; day < 400 * 366; day++) {
		int64_t wall_ms = day * 86400000 + day * 7919 % 86400000;

		ck_assert_int_eq(audit_time_decode(audit_time(wall_ms, text), &again), 0);
		ck_assert_msg(again == wall_ms, "%s", text);
	}
	ck_assert_str_eq(audit_time(-1, text), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(audit_time(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = {"", "2026-02-30T00:00:00.000Z",
		"2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-11-24T24:00:00.000Z",
		"2026-11-24T23:60:00.000Z", "2026-11-24 23:00:00.000Z", "2026-11-24T23:00:00.00Z",
		"2026-11-24T23:00:00.0000Z", "2026-11-24T23:00:00.000z", "2026-11-24T23:00:60.000Z",
		"1969-12-31T23:59:59.000Z", " 026-11-24T23:00:00.000Z", "2026-11-24T+1:00:00.000Z",
		"2026-11-24T23:00:00.-01Z"};
	int64_t wall_ms;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(audit_time_decode(bad[i], &wall_ms) == -EBADMSG, "%s", bad[i]);
}
END_TEST

/* --- decode --- */

START_TEST(a_record_is_read_as_it_was_written)
{
	struct audit_record record;

	ck_assert_int_eq(audit_record_decode(FULL, strlen(FULL), &record), 0);
	ck_assert_uint_eq(record.stamp.sequence, 17);
	ck_assert_int_eq(record.stamp.wall_ms, stamp.wall_ms);
	ck_assert_uint_eq(record.stamp.monotonic_ms, 81233);
	ck_assert_str_eq(record.stamp.boot, BOOT);
	ck_assert_str_eq(record.stamp.previous, PREVIOUS);
	ck_assert_str_eq(record.event.event, "job-retired");
	ck_assert_str_eq(record.event.role, "pipeline");
	ck_assert_uint_eq(record.event.uid, 7);
	ck_assert_str_eq(record.event.origin, "192.0.2.7");
	ck_assert_str_eq(record.event.job, "cups 12");
	ck_assert_str_eq(record.event.volume, VOLUME);
	ck_assert_str_eq(record.event.drive, "S/N 1");
	ck_assert_str_eq(record.event.outcome, "success");
	ck_assert_str_eq(record.event.detail, "3 extents, \"all\" of them");
	ck_assert_int_eq(json_object_object_length(record.event.data), 3);
	audit_record_done(&record);
	audit_record_done(&record);

	ck_assert_int_eq(audit_record_decode(EMPTY, strlen(EMPTY), &record), 0);
	ck_assert_str_eq(record.event.role, "service");
	ck_assert_ptr_null(record.event.origin);
	ck_assert_ptr_null(record.event.job);
	ck_assert_ptr_null(record.event.volume);
	ck_assert_ptr_null(record.event.drive);
	ck_assert_ptr_null(record.event.detail);
	ck_assert_ptr_null(record.event.data);
	audit_record_done(&record);
}
END_TEST

START_TEST(an_event_of_a_newer_program_is_read)
{
	static const char *const names[] = {"job-retired", "", "future-event"};
	char line[1024];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *at;

		strcpy(line, FULL);
		at = strstr(line, names[0]);
		snprintf(at, sizeof(line) - (size_t)(at - line), "%s%s", names[i],
			strstr(FULL, names[0]) + strlen(names[0]));
		ck_assert_int_eq(is_read(line, strlen(line)), i != 1);
	}
}
END_TEST

/* What the line's bytes are, other bytes than these are not: a text may be another text, no more.
 */
START_TEST(no_byte_can_be_changed_into_one_that_means_the_same)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");
	const int step = scale && strcmp(scale, "small") == 0 ? 7 : 1;
	struct audit_record whole, record;
	char line[sizeof(FULL)];

	ck_assert_int_eq(audit_record_decode(FULL, strlen(FULL), &whole), 0);
	for (size_t i = 0; i < strlen(FULL); i++) {
		for (int c = 1; c < 256; c += step) {
			memcpy(line, FULL, sizeof(line));
			if (line[i] == (char)c)
				continue;
			line[i] = (char)c;
			if (audit_record_decode(line, strlen(line), &record) < 0)
				continue;
			ck_assert_msg(!json_object_equal(record.object, whole.object),
				"byte %zu is %d", i, c);
			audit_record_done(&record);
		}
	}
	audit_record_done(&whole);
}
END_TEST

START_TEST(a_line_that_is_cut_or_longer_is_none)
{
	char line[2 * AUDIT_LINE_MAX];

	for (size_t i = 0; i < strlen(FULL); i++)
		ck_assert_msg(!is_read(FULL, i), "cut at %zu", i);
	ck_assert(!is_read(FULL "\n", strlen(FULL) + 1));
	ck_assert(!is_read(FULL " ", strlen(FULL) + 1));
	ck_assert(!is_read(FULL, sizeof(FULL))); /* with its NUL */
	ck_assert(!is_read(FULL FULL, 2 * strlen(FULL)));
	memset(line, ' ', sizeof(line));
	memcpy(line, FULL, strlen(FULL));
	ck_assert(!is_read(line, sizeof(line)));
}
END_TEST

static const char *const keys[] = {"sequence", "time", "monotonic_ms", "boot", "event", "subject",
	"object", "outcome", "detail", "data", "previous"};

static bool is_optional(const char *key)
{
	return strcmp(key, "object") == 0 || strcmp(key, "detail") == 0 || strcmp(key, "data") == 0;
}

/* A line of FULL's members: "which" is left out, or stands as "instead"; "twice" twice. */
static bool is_read_with(const char *which, const char *instead, const char *twice)
{
	struct json_object *whole = json_tokener_parse(FULL);
	char line[2048] = "{";
	bool is;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct json_object *value = json_object_object_get(whole, keys[i]);
		const char *text = json_object_to_json_string_ext(
			value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		unsigned int times = which && strcmp(which, keys[i]) == 0 && !instead ? 0 : 1;

		if (twice && strcmp(twice, keys[i]) == 0)
			times = 2;
		if (which && strcmp(which, keys[i]) == 0)
			text = instead;
		if (strcmp(keys[i], "data") == 0 && !(which && strcmp(which, "data") == 0))
			text = "{\"a\":1}";
		while (times--)
			snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s\"%s\":%s",
				line[1] ? "," : "", keys[i], text);
	}
	strcat(line, "}");
	is = is_read(line, strlen(line));
	json_object_put(whole);
	return is;
}

START_TEST(members_that_are_missing_repeated_or_of_another_type_are_refused)
{
	static const char *const others[] = {"null", "true", "[]", "{}", "\"\"", "\"x\"", "-1",
		"0.5", "1e2", "01", "\"17\"", "{\"x\":1}", "18446744073709551616", "\"\\u0000\""};

	ck_assert(is_read_with(NULL, NULL, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		ck_assert_msg(
			is_read_with(keys[i], NULL, NULL) == is_optional(keys[i]), "%s", keys[i]);
		ck_assert_msg(!is_read_with(NULL, NULL, keys[i]), "%s", keys[i]);
		for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
			bool is = is_read_with(keys[i], others[k], NULL);
			bool may = (strcmp(keys[i], "detail") == 0 &&
					   (strcmp(others[k], "\"x\"") == 0 ||
						   strcmp(others[k], "\"17\"") == 0)) ||
				   (strcmp(keys[i], "data") == 0 &&
					   strcmp(others[k], "{\"x\":1}") == 0) ||
				   (strcmp(keys[i], "event") == 0 &&
					   (strcmp(others[k], "\"x\"") == 0 ||
						   strcmp(others[k], "\"17\"") == 0));

			ck_assert_msg(is == may, "%s: %s", keys[i], others[k]);
		}
	}
}
END_TEST

START_TEST(members_in_another_order_or_spelled_otherwise_are_refused)
{
	static const char *const bad[] = {/* order */
		"{\"time\":\"1970-01-01T00:00:00.000Z\",\"sequence\":1,\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0},\"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		/* unknown */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0},\"outcome\":\"success\",\"x\":1,\"previous\":\"" PREVIOUS "\"}",
		/* an escape that is not needed */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"s\\u0077eep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0},\"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		/* a character that needs one */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"\xc3\xa9\","
		"\"uid\":0},\"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		/* half a surrogate pair */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"\\ud83d\","
		"\"uid\":0},\"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		/* a member of the subject twice */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0,\"uid\":0},\"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		/* a key of data twice */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0},\"outcome\":\"success\",\"data\":{\"a\":1,\"a\":1},"
		"\"previous\":\"" PREVIOUS "\"}",
		/* a space */
		"{\"sequence\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"monotonic_ms\":0,"
		"\"boot\":\"" BOOT "\",\"event\":\"sweep\",\"subject\":{\"role\":\"service\","
		"\"uid\":0}, \"outcome\":\"success\",\"previous\":\"" PREVIOUS "\"}",
		"", "{}", "[]", "null", "17", "\"x\""};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!is_read(bad[i], strlen(bad[i])), "%s", bad[i]);
	ck_assert(is_read(EMPTY, strlen(EMPTY)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_full_record_is_these_bytes);
	tcase_add_test(tc, what_is_empty_is_left_out);
	tcase_add_test(tc, characters_of_any_kind_come_back_as_they_were);
	tcase_add_test(tc, bytes_that_are_no_text_are_replaced);
	tcase_add_test(tc, long_texts_are_cut_between_characters_and_say_so);
	tcase_add_test(tc, the_longest_texts_fit_together_and_leave_room_for_data);
	tcase_add_test(tc, data_that_does_not_fit_is_refused);
	tcase_add_test(tc, data_that_readers_would_take_for_something_else_is_refused);
	tcase_add_test(tc, numbers_of_any_size_come_back_as_they_were);
	tcase_add_test(tc, an_event_of_no_table_or_with_no_known_outcome_is_not_written);
	tcase_add_test(tc, every_event_of_the_table_can_be_written_and_read);
	tcase_add_test(tc, a_time_is_what_it_was_for_every_day_of_four_centuries);
	tcase_add_test(tc, what_is_no_time_is_refused);
	tcase_add_test(tc, a_record_is_read_as_it_was_written);
	tcase_add_test(tc, an_event_of_a_newer_program_is_read);
	tcase_add_test(tc, no_byte_can_be_changed_into_one_that_means_the_same);
	tcase_add_test(tc, a_line_that_is_cut_or_longer_is_none);
	tcase_add_test(tc, members_that_are_missing_repeated_or_of_another_type_are_refused);
	tcase_add_test(tc, members_in_another_order_or_spelled_otherwise_are_refused);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
