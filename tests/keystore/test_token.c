/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_token.c - the spoolguard token: what is encoded is what is decoded, and damage is refused
 *
 * Goal: no text, however damaged, is taken for a token that says something else,
 * and a newer version is told from damage.
 * Method: a fixed vector; one generator for each kind of damage, field by field;
 * every prefix and every single flipped bit of the vector.
 */
#include "keystore/token.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char vector[] = "{\"type\":\"spoolguard\",\"keyslots\":[],\"version\":1,"
			     "\"superblock_offset\":\"4194304\",\"scheme\":\"three-pass\","
			     "\"profile\":\"hcd-cpp\",\"filled_before\":true,\"backups\":3,"
			     "\"key_generation\":\"18446744073709551615\"}";

static const struct keystore_token meaning = {
	.present = true,
	.version = 1,
	.superblock_offset_bytes = 4194304,
	.scheme = "three-pass",
	.profile = PROFILE_HCD_CPP,
	.filled_before = true,
	.backups = 3,
	.key_generation = UINT64_MAX,
};

static bool is_equal(const struct keystore_token *a, const struct keystore_token *b)
{
	return a->present == b->present && a->version == b->version &&
	       a->superblock_offset_bytes == b->superblock_offset_bytes &&
	       strcmp(a->scheme, b->scheme) == 0 && a->profile == b->profile &&
	       a->filled_before == b->filled_before && a->backups == b->backups &&
	       a->key_generation == b->key_generation;
}

/* The vector with one piece of text replaced. */
static const char *with(const char *piece, const char *by)
{
	static char text[8192];
	const char *at = strstr(vector, piece);

	ck_assert_ptr_nonnull(at);
	snprintf(
		text, sizeof(text), "%.*s%s%s", (int)(at - vector), vector, by, at + strlen(piece));
	return text;
}

static int decode(const char *text)
{
	struct keystore_token token = meaning;
	int r = token_decode(text, &token);

	if (r < 0) /* written only on success */
		ck_assert(is_equal(&token, &meaning));
	return r;
}

START_TEST(the_vector_decodes_and_encodes_to_itself)
{
	struct keystore_token token;
	char *text = NULL;

	ck_assert_int_eq(token_decode(vector, &token), 0);
	ck_assert(is_equal(&token, &meaning));
	ck_assert_int_eq(token_encode(&meaning, &text), 0);
	ck_assert_str_eq(text, vector);
	free(text);
}
END_TEST

START_TEST(fields_of_a_later_program_are_passed_over)
{
	ck_assert_int_eq(decode(with("\"backups\"", "\"later\":[1],\"backups\"")), 0);
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":2")), -EPROTONOSUPPORT);
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":99999999999999999999")),
		-EPROTONOSUPPORT);
	/* also if nothing else of it is known */
	ck_assert_int_eq(decode("{\"type\":\"spoolguard\",\"keyslots\":[],\"version\":2}"),
		-EPROTONOSUPPORT);
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":0")), -EBADMSG);
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":-1")), -EBADMSG);
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":\"1\"")), -EBADMSG);
	ck_assert_int_eq(decode(with("\"version\":1", "\"version\":1.0")), -EBADMSG);
}
END_TEST

static const struct {
	const char *piece, *name;
} fields[] = {
	{"\"type\":\"spoolguard\"", "type"},
	{"\"version\":1", "version"},
	{"\"superblock_offset\":\"4194304\"", "superblock_offset"},
	{"\"scheme\":\"three-pass\"", "scheme"},
	{"\"profile\":\"hcd-cpp\"", "profile"},
	{"\"filled_before\":true", "filled_before"},
	{"\"backups\":3", "backups"},
	{"\"key_generation\":\"18446744073709551615\"", "key_generation"},
};

START_TEST(a_field_that_is_missing_or_of_another_type_is_refused)
{
	static const char *const values[] = {
		"null", "[]", "{}", "1.5", "\"\"", "\"\\u0000\"", "[[[[[1]]]]]"};
	char text[128];

	ck_assert_int_eq(decode(with(fields[_i].piece, "\"x\":0")), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(text, sizeof(text), "\"%s\":%s", fields[_i].name, values[i]);
		ck_assert_msg(decode(with(fields[_i].piece, text)) == -EBADMSG, "%s", text);
	}
}
END_TEST

static const char *const nonsense[][2] = {
	{"spoolguard", "spoolguarD"},
	{"\"4194304\"", "\"-1\""},
	{"\"4194304\"", "\" 1\""},
	{"\"4194304\"", "\"0x10\""},
	{"\"4194304\"", "\"4194304 \""},
	{"\"4194304\"", "\"18446744073709551616\""},
	{"\"18446744073709551615\"", "\"18446744073709551616\""},
	{"\"18446744073709551615\"", "\"+1\""},
	{"three-pass", "a name of more than thirty-one bytes"},
	{"three-pass", "three\\u0000pass"},
	{"hcd-cpp", "hcd"},
	{"\"filled_before\":true", "\"filled_before\":1"},
	{"\"backups\":3", "\"backups\":-1"},
	{"\"backups\":3", "\"backups\":4294967296"},
	{"\"backups\":3", "\"backups\":99999999999999999999"},
};

START_TEST(a_value_out_of_range_is_refused)
{
	ck_assert_msg(
		decode(with(nonsense[_i][0], nonsense[_i][1])) == -EBADMSG, "%s", nonsense[_i][1]);
}
END_TEST

START_TEST(the_largest_values_are_taken)
{
	ck_assert_int_eq(decode(with("\"backups\":3", "\"backups\":4294967295")), 0);
	ck_assert_int_eq(decode(with("three-pass", "exactly-thirty-one-bytes-long-n")), 0);
	ck_assert_int_eq(decode(with("three-pass", "exactly-thirty-two-bytes-long-na")), -EBADMSG);
}
END_TEST

START_TEST(no_prefix_is_a_token)
{
	char text[sizeof(vector)];

	for (size_t bytes = 0; bytes < sizeof(vector) - 1; bytes++) {
		memcpy(text, vector, bytes);
		text[bytes] = '\0';
		ck_assert_int_eq(decode(text), -EBADMSG);
	}
}
END_TEST

START_TEST(what_follows_a_token_is_damage)
{
	char text[sizeof(vector) + 8];

	for (const char *const *tail = (const char *const[]){"x", "{}", "}", ",", NULL}; *tail;
		tail++) {
		snprintf(text, sizeof(text), "%s%s", vector, *tail);
		ck_assert_msg(decode(text) == -EBADMSG, "%s", *tail);
	}
	ck_assert_int_eq(decode("[]"), -EBADMSG);
	ck_assert_int_eq(decode("null"), -EBADMSG);
}
END_TEST

START_TEST(a_text_without_end_is_refused)
{
	static char text[16384];

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, vector, sizeof(vector) - 1);
	ck_assert_int_eq(decode(text), -EBADMSG);
}
END_TEST

/* Whatever a flipped bit makes of it: in range, or refused. */
START_TEST(a_flipped_bit_never_leads_out_of_range)
{
	char text[sizeof(vector)];

	for (size_t bit = 0; bit < 8 * (sizeof(vector) - 1); bit++) {
		struct keystore_token token = {.present = false};

		memcpy(text, vector, sizeof(vector));
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		if (token_decode(text, &token) < 0) {
			ck_assert(!token.present);
			continue;
		}
		ck_assert(token.present);
		ck_assert_int_eq(token.version, 1);
		ck_assert(token.profile <= PROFILE_HCD_CPP);
		ck_assert_uint_lt(
			strnlen(token.scheme, sizeof(token.scheme)), sizeof(token.scheme));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");
	TCase *tests = tcase_create("token");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, the_vector_decodes_and_encodes_to_itself);
	tcase_add_test(tests, fields_of_a_later_program_are_passed_over);
	tcase_add_test(tests, a_newer_version_is_told_from_damage);
	tcase_add_loop_test(tests, a_field_that_is_missing_or_of_another_type_is_refused, 0,
		ARRAY_SIZE(fields));
	tcase_add_loop_test(tests, a_value_out_of_range_is_refused, 0, ARRAY_SIZE(nonsense));
	tcase_add_test(tests, the_largest_values_are_taken);
	tcase_add_test(tests, no_prefix_is_a_token);
	tcase_add_test(tests, what_follows_a_token_is_damage);
	tcase_add_test(tests, a_text_without_end_is_refused);
	tcase_add_test(tests, a_flipped_bit_never_leads_out_of_range);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
