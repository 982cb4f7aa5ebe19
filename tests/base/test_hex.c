/* SPDX-License-Identifier: Apache-2.0 */
/* test_hex.c - bytes as hexadecimal, there and back; what is none is refused */
#include "base/hex.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_byte_goes_there_and_back)
{
	uint8_t bytes[256], again[256];
	char text[513];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_ptr_eq(hex_encode(bytes, sizeof(bytes), text), text);
	ck_assert_uint_eq(strlen(text), 512);
	ck_assert_int_eq(strncmp(text + 2 * 0x9a, "9a9b", 4), 0);
	ck_assert_int_eq(hex_decode(text, 512, again, 256), 0);
	ck_assert_mem_eq(again, bytes, sizeof(bytes));
}
END_TEST

START_TEST(what_is_no_hexadecimal_is_refused_and_nothing_is_written)
{
	uint8_t to[2] = {7, 7};

	ck_assert_int_eq(hex_decode("aBcD", 4, to, 2), 0);
	ck_assert_uint_eq(to[0], 0xab);
	ck_assert_uint_eq(to[1], 0xcd);
	ck_assert_int_eq(hex_decode("0000", 3, to, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("00000", 5, to, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("000g", 4, to, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("00/0", 4, to, 2), -EINVAL);
	ck_assert_int_eq(hex_decode("00:0", 4, to, 2), -EINVAL);
	ck_assert_uint_eq(to[0], 0xab);
	ck_assert_int_eq(hex_decode("", 0, to, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hex");
	TCase *tcase = tcase_create("hex");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_byte_goes_there_and_back);
	tcase_add_test(tcase, what_is_no_hexadecimal_is_refused_and_nothing_is_written);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
