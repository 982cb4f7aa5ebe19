/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_search.c - strings in a stream, wherever they lie
 *
 * Goal: no match is missed or counted twice, whatever the sizes of the pieces that
 * the stream comes in.  Method: every place of a string against every cut of the
 * stream; a naive search as the other opinion.
 */
#include "base/search.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HITS_MAX = 4096 };

static struct search *search;
static struct search_stream *stream;
static struct search_hit hits[HITS_MAX];
static size_t hit_count;

static void found(void *context, const struct search_hit *hit)
{
	(void)context;
	ck_assert_uint_lt(hit_count, HITS_MAX);
	hits[hit_count++] = *hit;
}

static void setup(void)
{
	ck_assert_int_eq(search_new(&search), 0);
	hit_count = 0;
}

static void begin(void)
{
	search_stream_free(stream);
	ck_assert_int_eq(search_stream_new(search, found, NULL, &stream), 0);
	hit_count = 0;
}

static void teardown(void)
{
	search_stream_free(stream);
	stream = NULL;
	search_free(search);
}

static void add(const char *text)
{
	ck_assert_int_eq(search_add(search, text, strlen(text)), 0);
}

START_TEST(a_match_is_found_once_at_every_place_and_every_cut)
{
	uint8_t data[64];

	add("needle");
	for (size_t at = 0; at + 6 <= sizeof(data); at++) {
		memset(data, '.', sizeof(data));
		memcpy(data + at, "needle", 6);
		for (size_t piece = 1; piece <= sizeof(data); piece++) {
			begin();
			for (size_t fed = 0; fed < sizeof(data); fed += piece)
				search_stream_feed(stream, 1000 + fed, data + fed,
					sizeof(data) - fed < piece ? sizeof(data) - fed : piece);
			ck_assert_uint_eq(hit_count, 1);
			ck_assert_uint_eq(hits[0].offset, 1000 + at);
			ck_assert_uint_eq(hits[0].bytes, 6);
			ck_assert_int_eq(hits[0].form, SEARCH_AS_GIVEN);
		}
	}
}
END_TEST

START_TEST(short_and_long_strings_are_counted_as_a_naive_search_counts)
{
	static const char *const strings[] = {"abca", "bcabd", "aabbccddaabb", "cdab"};
	uint8_t data[8192];
	size_t expected[4] = {0}, counted[4];
	uint32_t random = 12345;

	for (size_t i = 0; i < sizeof(data); i++) {
		random = random * 1664525u + 1013904223u;
		data[i] = (uint8_t)('a' + (random >> 30));
	}
	for (size_t s = 0; s < 4; s++) {
		size_t length = strlen(strings[s]);

		add(strings[s]);
		for (size_t i = 0; i + length <= sizeof(data); i++)
			expected[s] += memcmp(data + i, strings[s], length) == 0;
	}
	for (size_t piece = 1; piece < 100; piece += 7) {
		memset(counted, 0, sizeof(counted));
		begin();
		for (size_t fed = 0; fed < sizeof(data); fed += piece)
			search_stream_feed(stream, fed, data + fed,
				sizeof(data) - fed < piece ? sizeof(data) - fed : piece);
		for (size_t i = 0; i < hit_count; i++) {
			size_t length = strlen(strings[hits[i].index]);

			ck_assert_int_eq(
				memcmp(data + hits[i].offset, strings[hits[i].index], length), 0);
			counted[hits[i].index]++;
		}
		/* "abca" overlaps itself by one letter: it alone may be counted less. */
		ck_assert_uint_le(counted[0], expected[0]);
		ck_assert_uint_gt(counted[0], 0);
		for (size_t s = 1; s < 4; s++)
			ck_assert_uint_eq(counted[s], expected[s]);
	}
}
END_TEST

START_TEST(pieces_that_do_not_adjoin_are_not_joined)
{
	add("needle");
	begin();
	search_stream_feed(stream, 0, "xxnee", 5);
	search_stream_feed(stream, 6, "dlexx", 5);
	ck_assert_uint_eq(hit_count, 0);
	search_stream_feed(stream, 100, "xxnee", 5);
	search_stream_feed(stream, 105, "dlexx", 5);
	ck_assert_uint_eq(hit_count, 1);
	ck_assert_uint_eq(hits[0].offset, 102);
}
END_TEST

START_TEST(utf16_is_found_in_both_byte_orders)
{
	static const char little[] = "B\0\xfc\0r\0o\0\x3d\xd8\x00\xde";
	static const char big[] = "\0B\0\xfc\0r\0o\xd8\x3d\xde\x00";

	add("B\xc3\xbcro\xf0\x9f\x98\x80"); /* U+1F600: a surrogate pair */
	begin();
	search_stream_feed(stream, 0, little, 12);
	ck_assert_uint_eq(hit_count, 1);
	ck_assert_int_eq(hits[0].form, SEARCH_UTF16LE);
	ck_assert_uint_eq(hits[0].bytes, 12);
	search_stream_feed(stream, 1000, big, 12);
	ck_assert_uint_eq(hit_count, 2);
	ck_assert_int_eq(hits[1].form, SEARCH_UTF16BE);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_searched_as_given_only)
{
	static const char *const odd[] = {"\xff\xfe\x01z", "ab\xc3", "\xc0\xaf..", "\xed\xa0\x80.",
		"\xf5\x80\x80\x80", "\x80zzz"};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		int r = search_add(search, odd[i], strlen(odd[i]));

		if (strlen(odd[i]) < SEARCH_BYTES_MIN) {
			ck_assert_int_eq(r, -EINVAL);
			continue;
		}
		ck_assert_int_eq(r, 0);
	}
	begin();
	search_stream_feed(stream, 0, "..\xff\xfe\x01z..", 8);
	ck_assert_uint_eq(hit_count, 1);
	/* One needle each: otherwise chance would be counted for three. */
	ck_assert_double_lt(search_chance_hits(search, 1ull << 32), 5.5);
}
END_TEST

START_TEST(too_short_too_long_and_too_many_are_refused)
{
	char text[SEARCH_BYTES_MAX + 1];

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(search_add(search, text, SEARCH_BYTES_MIN - 1), -EINVAL);
	ck_assert_int_eq(search_add(search, text, SEARCH_BYTES_MAX + 1), -EFBIG);
	for (size_t i = 0; i < SEARCH_COUNT_MAX; i++)
		ck_assert_int_eq(search_add(search, text, SEARCH_BYTES_MAX), 0);
	ck_assert_int_eq(search_add(search, text, SEARCH_BYTES_MAX), -E2BIG);
	ck_assert_uint_eq(search_count(search), SEARCH_COUNT_MAX);
}
END_TEST

START_TEST(the_longest_string_is_found_across_many_small_pieces)
{
	static uint8_t data[8 * SEARCH_BYTES_MAX];
	char text[SEARCH_BYTES_MAX];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('A' + i * 7 % 26 + i / 300);
	ck_assert_int_eq(search_add(search, text, sizeof(text)), 0);
	for (size_t i = 0; i < sizeof(text); i++)
		data[3001 + 2 * i] = (uint8_t)text[i]; /* UTF-16LE */
	data[3000] = '.';			       /* a zero there would make it UTF-16BE too */
	begin();
	for (size_t fed = 0; fed < sizeof(data); fed += 512)
		search_stream_feed(stream, fed, data + fed, 512);
	ck_assert_uint_eq(hit_count, 1);
	ck_assert_uint_eq(hits[0].offset, 3001);
	ck_assert_int_eq(hits[0].form, SEARCH_UTF16LE);
}
END_TEST

START_TEST(pieces_of_one_byte_repeated_hide_nothing)
{
	char zeros[100] = {0}, letters[100];

	memset(letters, 'e', sizeof(letters));
	add("eeee");
	add("need");
	begin();
	search_stream_feed(stream, 0, zeros, 100);
	search_stream_feed(stream, 100, letters, 100);
	ck_assert_uint_eq(hit_count, 25);
	begin();
	search_stream_feed(stream, 0, "n", 1);
	search_stream_feed(stream, 1, letters, 2);
	search_stream_feed(stream, 3, "d", 1);
	search_stream_feed(stream, 4, zeros, 100);
	ck_assert_uint_eq(hit_count, 1);
	ck_assert_uint_eq(hits[0].index, 1);
	ck_assert_uint_eq(hits[0].offset, 0);
}
END_TEST

START_TEST(chance_is_counted_by_length)
{
	add("four");
	/* "four" in 4 GiB: once; its UTF-16 forms of 8 bytes: hardly ever. */
	ck_assert_double_eq_tol(search_chance_hits(search, 1ull << 32), 1.0, 1e-6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("search");
	TCase *tcase = tcase_create("search");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_match_is_found_once_at_every_place_and_every_cut);
	tcase_add_test(tcase, short_and_long_strings_are_counted_as_a_naive_search_counts);
	tcase_add_test(tcase, pieces_that_do_not_adjoin_are_not_joined);
	tcase_add_test(tcase, utf16_is_found_in_both_byte_orders);
	tcase_add_test(tcase, bytes_that_are_no_utf8_are_searched_as_given_only);
	tcase_add_test(tcase, too_short_too_long_and_too_many_are_refused);
	tcase_add_test(tcase, the_longest_string_is_found_across_many_small_pieces);
	tcase_add_test(tcase, pieces_of_one_byte_repeated_hide_nothing);
	tcase_add_test(tcase, chance_is_counted_by_length);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
