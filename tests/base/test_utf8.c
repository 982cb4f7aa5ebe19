/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_utf8.c - text from outside
 *
 * Goal: what is no UTF-8 is told, and nothing that a terminal obeys is printed.
 * Method: the edges of RFC 3629, each byte alone, and every length of buffer.
 */
#include "base/utf8.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_edges_of_utf8_are_kept)
{
	static const struct {
		const char *text;
		size_t length;
		uint32_t point;
	} cases[] = {
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\x80", 0, 0},		    /* a continuation alone */
		{"\xc0\xaf", 0, 0},	    /* overlong */
		{"\xe0\x9f\xbf", 0, 0},	    /* overlong */
		{"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
		{"\xed\xa0\x80", 0, 0},	    /* a surrogate */
		{"\xf4\x90\x80\x80", 0, 0}, /* beyond U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 0, 0},
		{"\xe2\x82", 0, 0}, /* cut short */
		{"\xe2\x28\xa1", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint8_t *text = (const uint8_t *)cases[i].text;
		uint32_t point = 0;

		ck_assert_uint_eq(
			utf8_decode(text, strlen(cases[i].text), &point), cases[i].length);
		ck_assert_uint_eq(point, cases[i].point);
		ck_assert_int_eq(utf8_is_valid(text, strlen(cases[i].text)), cases[i].length > 0);
	}
	ck_assert(utf8_is_valid("", 0));
	ck_assert(utf8_is_valid("B\xc3\xbcro", 5));
	ck_assert(!utf8_is_valid("B\xc3\xbcro\xc3", 6));
}
END_TEST

START_TEST(nothing_that_a_terminal_obeys_is_printed)
{
	char buf[64];

	ck_assert_str_eq(utf8_printable("\x1b[2Jjob", 7, buf, sizeof(buf)), "\\x1b[2Jjob");
	ck_assert_str_eq(utf8_printable("B\xc3\xbcro\n", 6, buf, sizeof(buf)), "B\xc3\xbcro\\x0a");
	ck_assert_str_eq(utf8_printable("\xc2\x9b"
					"2J",
				 4, buf, sizeof(buf)),
		"\\xc2\\x9b2J");
	ck_assert_str_eq(utf8_printable("a\xff\0b", 4, buf, sizeof(buf)), "a\\xff\\x00b");
	for (int b = 0; b < 256; b++) {
		uint8_t byte = (uint8_t)b;

		utf8_printable(&byte, 1, buf, sizeof(buf));
		for (const char *c = buf; *c; c++)
			ck_assert(*c >= 0x20 && *c < 0x7f);
	}
}
END_TEST

START_TEST(it_is_cut_between_characters)
{
	char buf[16];

	for (size_t room = 1; room < sizeof(buf); room++) {
		memset(buf, 'z', sizeof(buf));
		utf8_printable("a\xe2\x82\xac\x01"
			       "b",
			6, buf, room);
		ck_assert_uint_lt(strlen(buf), room);
		ck_assert(utf8_is_valid(buf, strlen(buf)));
		ck_assert_int_eq(buf[room], 'z');
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tcase = tcase_create("utf8");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, the_edges_of_utf8_are_kept);
	tcase_add_test(tcase, nothing_that_a_terminal_obeys_is_printed);
	tcase_add_test(tcase, it_is_cut_between_characters);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
