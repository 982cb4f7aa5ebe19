/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bytes.c - little-endian fields, checked arithmetic, sizes, uniform runs
 *
 * Goal: the numbers of the on-disk format come out right at both ends of each
 * type, and no number from outside wraps.  Method: tables of edges.
 */
#include "base/bytes.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(fields_are_little_endian)
{
	static const uint8_t expected[] = {
		0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07};
	uint8_t at[14];

	bytes_put_le16(at, 0x0102);
	bytes_put_le32(at + 2, 0x03040506);
	bytes_put_le64(at + 6, 0x0708090a0b0c0d0e);
	ck_assert_mem_eq(at, expected, sizeof(at));
	ck_assert_uint_eq(bytes_get_le16(at), 0x0102);
	ck_assert_uint_eq(bytes_get_le32(at + 2), 0x03040506);
	ck_assert_uint_eq(bytes_get_le64(at + 6), 0x0708090a0b0c0d0e);
}
END_TEST

START_TEST(the_largest_values_survive)
{
	uint8_t at[8];

	bytes_put_le16(at, UINT16_MAX);
	ck_assert_uint_eq(bytes_get_le16(at), UINT16_MAX);
	bytes_put_le32(at, UINT32_MAX);
	ck_assert_uint_eq(bytes_get_le32(at), UINT32_MAX);
	bytes_put_le64(at, UINT64_MAX);
	ck_assert_uint_eq(bytes_get_le64(at), UINT64_MAX);
}
END_TEST

START_TEST(one_odd_byte_anywhere_is_found)
{
	uint8_t run[67];

	memset(run, 0x97, sizeof(run));
	for (size_t odd = 0; odd < sizeof(run); odd++) {
		ck_assert(bytes_are(run, sizeof(run), 0x97));
		ck_assert(bytes_are_uniform(run, sizeof(run)));
		run[odd] ^= 1;
		ck_assert(!bytes_are(run, sizeof(run), 0x97));
		ck_assert(!bytes_are_uniform(run, sizeof(run)));
		run[odd] ^= 1;
	}
	ck_assert(!bytes_are(run, sizeof(run), 0x35));
	ck_assert(bytes_are(run, 0, 0x35));
	ck_assert(bytes_are_uniform(run, 0));
	ck_assert(bytes_are_uniform(run, 1));
}
END_TEST

START_TEST(sums_and_products_do_not_wrap)
{
	uint64_t n = 7;

	ck_assert_int_eq(bytes_add(UINT64_MAX - 1, 1, &n), 0);
	ck_assert_uint_eq(n, UINT64_MAX);
	n = 7;
	ck_assert_int_eq(bytes_add(UINT64_MAX, 1, &n), -EOVERFLOW);
	ck_assert_int_eq(bytes_multiply(1ull << 32, 1ull << 32, &n), -EOVERFLOW);
	ck_assert_uint_eq(n, 7); /* written only on success */
	ck_assert_int_eq(bytes_multiply(1ull << 32, (1ull << 32) - 1, &n), 0);
	ck_assert_uint_eq(n, 0xffffffff00000000);
	ck_assert_int_eq(bytes_multiply(0, UINT64_MAX, &n), 0);
	ck_assert_int_eq(bytes_multiply(UINT64_MAX, 0, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(alignment_goes_up_and_down_to_powers_of_two)
{
	ck_assert_uint_eq(bytes_align_up(0, 256), 0);
	ck_assert_uint_eq(bytes_align_up(1, 256), 256);
	ck_assert_uint_eq(bytes_align_up(256, 256), 256);
	ck_assert_uint_eq(bytes_align_up(257, 256), 512);
	ck_assert_uint_eq(bytes_align_down(255, 256), 0);
	ck_assert_uint_eq(bytes_align_down(511, 256), 256);
	ck_assert_uint_eq(bytes_align_down(UINT64_MAX, 4096), UINT64_MAX - 4095);
}
END_TEST

static const struct {
	const char *text;
	int result;
	uint64_t bytes;
} sizes[] = {
	{"0", 0, 0},
	{"4096", 0, 4096},
	{"1K", 0, 1024},
	{"1k", 0, 1024},
	{"512M", 0, 512ull << 20},
	{"10G", 0, 10ull << 30},
	{"16777215T", 0, 16777215ull << 40},
	{"18446744073709551615", 0, UINT64_MAX},
	{"18446744073709551616", -ERANGE, 0},
	{"16777216T", -ERANGE, 0},
	{"99999999999999999999999", -ERANGE, 0},
	{"", -EINVAL, 0},
	{"G", -EINVAL, 0},
	{"-1", -EINVAL, 0},
	{"+1", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"1GB", -EINVAL, 0},
	{"1.5G", -EINVAL, 0},
	{"0x10", -EINVAL, 0},
	{"1P", -EINVAL, 0},
	{"1\xc4\xb0", -EINVAL, 0},
};

START_TEST(sizes_are_read_as_written_or_refused)
{
	uint64_t bytes = 7;

	ck_assert_msg(bytes_parse_size(sizes[_i].text, &bytes) == sizes[_i].result, "\"%s\"",
		sizes[_i].text);
	ck_assert_msg(
		bytes == (sizes[_i].result == 0 ? sizes[_i].bytes : 7), "\"%s\"", sizes[_i].text);
}
END_TEST

START_TEST(sizes_are_shown_in_the_largest_unit_that_fits)
{
	char buf[32];

	ck_assert_str_eq(bytes_format_size(0, buf, sizeof(buf)), "0 bytes");
	ck_assert_str_eq(bytes_format_size(1023, buf, sizeof(buf)), "1023 bytes");
	ck_assert_str_eq(bytes_format_size(1024, buf, sizeof(buf)), "1.0 KiB");
	ck_assert_str_eq(bytes_format_size(1536ull << 20, buf, sizeof(buf)), "1.5 GiB");
	ck_assert_str_eq(bytes_format_size(UINT64_MAX, buf, sizeof(buf)), "16777216.0 TiB");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bytes");
	TCase *tcase = tcase_create("bytes");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, fields_are_little_endian);
	tcase_add_test(tcase, the_largest_values_survive);
	tcase_add_test(tcase, one_odd_byte_anywhere_is_found);
	tcase_add_test(tcase, sums_and_products_do_not_wrap);
	tcase_add_test(tcase, alignment_goes_up_and_down_to_powers_of_two);
	tcase_add_loop_test(tcase, sizes_are_read_as_written_or_refused, 0, (int)ARRAY_SIZE(sizes));
	tcase_add_test(tcase, sizes_are_shown_in_the_largest_unit_that_fits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
