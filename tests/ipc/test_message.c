/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_message.c - Varlink messages from hostile peers
 *
 * Goal: whatever is no call, reply or error is -EBADMSG, and nothing else
 * happens; what is one means what docs of Varlink say.
 * Method: tables of texts; every prefix of a good message; every byte of it changed.
 */
#include "base/macros.h"
#include "ipc/message.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int decode(const char *text, struct message *message)
{
	return message_decode(text, strlen(text), message);
}

static bool is_refused(const char *text)
{
	struct message message = {.object = NULL};
	int r = decode(text, &message);

	if (r >= 0)
		message_done(&message);
	return r == -EBADMSG && !message.object;
}

/* --- what a message is --- */

START_TEST(a_call_has_a_method_and_parameters)
{
	struct message message;
	uint64_t number = 0;

	ck_assert_int_eq(decode("{\"method\":\"a.b.C\",\"parameters\":{\"n\":7}}", &message), 0);
	ck_assert_str_eq(message.method, "a.b.C");
	ck_assert_ptr_null(message.error);
	ck_assert(!message.more && !message.continues);
	ck_assert(message_get_u64(message.parameters, "n", &number));
	ck_assert_uint_eq(number, 7);
	message_done(&message);
	ck_assert_ptr_null(message.object);
}
END_TEST

START_TEST(absent_parameters_are_an_empty_object)
{
	struct message message;

	ck_assert_int_eq(decode("{}", &message), 0);
	ck_assert_ptr_null(message.method);
	ck_assert(json_object_is_type(message.parameters, json_type_object));
	ck_assert_int_eq(json_object_object_length(message.parameters), 0);
	message_done(&message);
}
END_TEST

START_TEST(flags_are_true_only_when_they_are_true)
{
	struct message message;

	ck_assert_int_eq(decode("{\"method\":\"a\",\"more\":true,\"continues\":1}", &message), 0);
	ck_assert(message.more);
	ck_assert(!message.continues && !message.oneway);
	message_done(&message);
	ck_assert_int_eq(decode("{\"method\":\"a\",\"oneway\":true}", &message), 0);
	ck_assert(message.oneway && !message.more);
	message_done(&message);
}
END_TEST

START_TEST(what_is_encoded_decodes_to_the_same)
{
	struct json_object *parameters = json_object_new_object();
	struct message message;
	const char *name;
	char *text;

	json_object_object_add(
		parameters, "name", json_object_new_string("\"quoted\"\n\x01 \xc3\xa9"));
	ck_assert_int_eq(message_encode_call("io.example.Do", parameters, &text), 0);
	ck_assert_int_eq(decode(text, &message), 0);
	ck_assert_str_eq(message.method, "io.example.Do");
	ck_assert(message_get_string(message.parameters, "name", &name));
	ck_assert_str_eq(name, "\"quoted\"\n\x01 \xc3\xa9");
	message_done(&message);
	free(text);

	ck_assert_int_eq(message_encode_error("io.example.No", NULL, &text), 0);
	ck_assert_int_eq(decode(text, &message), 0);
	ck_assert_str_eq(message.error, "io.example.No");
	ck_assert_ptr_null(message.method);
	message_done(&message);
	free(text);

	ck_assert_int_eq(message_encode_reply(NULL, &text), 0);
	ck_assert_str_eq(text, "{\"parameters\":{}}");
	free(text);
	ck_assert_int_eq(message_encode_reply_continues(NULL, &text), 0);
	ck_assert_str_eq(text, "{\"parameters\":{},\"continues\":true}");
	free(text);
	ck_assert_int_eq(message_encode_call_more("a.B", NULL, &text), 0);
	ck_assert_str_eq(text, "{\"method\":\"a.B\",\"parameters\":{},\"more\":true}");
	free(text);
}
END_TEST

/* --- what none is --- */

START_TEST(whatever_is_no_message_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"null",
		"true",
		"7",
		"\"text\"",
		"[]",
		"[{}]",
		"{",
		"}",
		"{}}",
		"{} {}",
		"{}x",
		"{\"method\"}",
		"{\"method\":}",
		"{method:\"a\"}",
		"{'method':'a'}",
		"{\"method\":7}",
		"{\"method\":null}",
		"{\"method\":[\"a\"]}",
		"{\"error\":{}}",
		"{\"method\":\"a\",\"error\":\"b\"}",
		"{\"parameters\":[]}",
		"{\"parameters\":null}",
		"{\"parameters\":\"x\"}",
		"{\"parameters\":{},}",
		"{\"parameters\":{\"n\":01}}",
		"{\"parameters\":{\"n\":1.2.3}}",
		"{\"parameters\":{\"s\":\"\\x41\"}}",
		"{\"parameters\":{\"s\":\"\\u12\"}}",
		"/* a comment */{}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(is_refused(bad[i]), "accepted: %s", bad[i]);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
	static const char *const bad[] = {
		"{\"method\":\"\x80\"}",	 /* a continuation byte alone */
		"{\"method\":\"\xc3\"}",	 /* cut short */
		"{\"method\":\"\xc3(\"}",	 /* not continued */
		"{\"method\":\"\xff\xfe\"}",	 /* never in UTF-8 */
		"{\"meth\xf0\x9f\x92od\":\"a\"}" /* in a key */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(is_refused(bad[i]), "accepted: text %zu", i);
}
END_TEST

START_TEST(a_message_with_a_nul_inside_is_refused)
{
	static const char text[] = "{\"method\":\"a\0b\"}";
	static const char behind[] = "{}\0{}";
	struct message message;

	ck_assert_int_eq(message_decode(text, sizeof(text) - 1, &message), -EBADMSG);
	ck_assert_int_eq(message_decode(behind, sizeof(behind) - 1, &message), -EBADMSG);
}
END_TEST

static char *nested(unsigned int levels)
{
	static const char head[] = "{\"parameters\":", tail[] = "}";
	char *text = calloc(1, sizeof(head) + sizeof(tail) + 6 * (size_t)levels + 8);

	strcpy(text, head);
	for (unsigned int i = 1; i < levels; i++)
		strcat(text, "{\"a\":");
	strcat(text, "{}");
	for (unsigned int i = 1; i < levels; i++)
		strcat(text, "}");
	return strcat(text, tail);
}

START_TEST(depth_is_limited)
{
	struct message message;
	char *text = nested(MESSAGE_DEPTH_MAX - 2);

	ck_assert_int_eq(decode(text, &message), 0);
	message_done(&message);
	free(text);
	text = nested(MESSAGE_DEPTH_MAX);
	ck_assert(is_refused(text));
	free(text);
	text = nested(10000);
	ck_assert(is_refused(text));
	free(text);
}
END_TEST

static char *of_length(size_t bytes)
{
	char *text = malloc(bytes + 1);

	memset(text, 'x', bytes);
	memcpy(text, "{\"method\":\"", 11);
	memcpy(text + bytes - 2, "\"}", 3);
	return text;
}

START_TEST(length_is_limited_to_the_byte)
{
	struct message message;
	char *text = of_length(MESSAGE_BYTES_MAX);

	ck_assert_int_eq(decode(text, &message), 0);
	ck_assert_uint_eq(strlen(message.method), MESSAGE_BYTES_MAX - 13);
	message_done(&message);
	free(text);
	text = of_length(MESSAGE_BYTES_MAX + 1);
	ck_assert(is_refused(text));
	free(text);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
	static const char text[] =
		"{\"method\":\"io.x.Y\",\"parameters\":{\"a\":[1,-2.5e3,null,true],"
		"\"b\":\"\\u00e9\xc3\xa9\"},\"more\":false}";
	struct message message;

	for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++)
		ck_assert_int_eq(message_decode(text, bytes, &message), -EBADMSG);
	ck_assert_int_eq(message_decode(text, sizeof(text) - 1, &message), 0);
	message_done(&message);
}
END_TEST

START_TEST(no_changed_byte_does_harm)
{
	static const char text[] = "{\"method\":\"io.x.Y\",\"parameters\":{\"a\":[1,-2.5e3],"
				   "\"b\":\"\\u00e9\xc3\xa9\"},\"more\":false}";
	char changed[sizeof(text)];
	struct message message;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)byte;
			if (message_decode(changed, sizeof(text) - 1, &message) < 0)
				continue;
			ck_assert(json_object_is_type(message.parameters, json_type_object));
			message_done(&message);
		}
	}
}
END_TEST

/* --- fields --- */

START_TEST(numbers_out_of_range_are_no_numbers)
{
	static const struct {
		const char *json;
		bool good;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"1", true, 1},
		{"9223372036854775807", true, INT64_MAX},
		{"9223372036854775808", true, (uint64_t)INT64_MAX + 1},
		{"18446744073709551614", true, UINT64_MAX - 1},
		{"18446744073709551616", false, 0},
		{"99999999999999999999999999999999", false, 0},
		{"-1", false, 0},
		{"-9223372036854775809", false, 0},
		{"1.0", false, 0},
		{"1e3", false, 0},
		{"\"1\"", false, 0},
		{"true", false, 0},
		{"null", false, 0},
		{"[1]", false, 0},
	};
	char text[96];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct message message;
		uint64_t value = 77;

		snprintf(text, sizeof(text), "{\"parameters\":{\"n\":%s}}", cases[i].json);
		ck_assert_int_eq(decode(text, &message), 0);
		ck_assert_msg(message_get_u64(message.parameters, "n", &value) == cases[i].good,
			"%s", cases[i].json);
		ck_assert_uint_eq(value, cases[i].good ? cases[i].value : 77);
		ck_assert(!message_get_u64(message.parameters, "absent", &value));
		message_done(&message);
	}
}
END_TEST

START_TEST(fields_of_another_type_are_absent)
{
	struct message message;
	const char *string = NULL;
	bool flag = true;

	ck_assert_int_eq(
		decode("{\"parameters\":{\"s\":7,\"b\":\"true\",\"f\":false}}", &message), 0);
	ck_assert(!message_get_string(message.parameters, "s", &string));
	ck_assert(!message_get_bool(message.parameters, "b", &flag));
	ck_assert(flag);
	ck_assert(message_get_bool(message.parameters, "f", &flag));
	ck_assert(!flag);
	message_done(&message);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("message");
	TCase *tcase = tcase_create("encode and decode");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_call_has_a_method_and_parameters);
	tcase_add_test(tcase, absent_parameters_are_an_empty_object);
	tcase_add_test(tcase, flags_are_true_only_when_they_are_true);
	tcase_add_test(tcase, what_is_encoded_decodes_to_the_same);
	tcase_add_test(tcase, whatever_is_no_message_is_refused);
	tcase_add_test(tcase, text_that_is_not_utf8_is_refused);
	tcase_add_test(tcase, a_message_with_a_nul_inside_is_refused);
	tcase_add_test(tcase, depth_is_limited);
	tcase_add_test(tcase, length_is_limited_to_the_byte);
	tcase_add_test(tcase, every_prefix_is_refused);
	tcase_add_test(tcase, no_changed_byte_does_harm);
	tcase_add_test(tcase, numbers_out_of_range_are_no_numbers);
	tcase_add_test(tcase, fields_of_another_type_are_absent);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
