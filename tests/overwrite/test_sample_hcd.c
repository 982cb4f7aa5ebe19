/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sample_hcd.c - the sectors that the evaluator of the hardcopy device profile reads
 *
 * Goal: each run that HCD SD v1.0e names for test 4 of FPT_WIPE_EXT.1 is in the plan, at media of
 * any size, and nothing lies outside the medium.  Method: its numbers, written out here.
 */
#include "overwrite/sample.h"
#include <check.h>

static struct extent_list plan;

static void teardown(void)
{
	extent_list_done(&plan);
}

static bool has(uint64_t first, uint64_t last)
{
	struct extent_list wanted = {0};
	bool all;

	ck_assert_int_eq(extent_list_add(&wanted, (struct extent){first, last - first + 1}), 0);
	all = extent_list_common_blocks(&wanted, &plan) == last - first + 1;
	extent_list_done(&wanted);
	return all;
}

static void check_common(uint64_t sectors)
{
	const uint64_t middle = sectors / 2;

	ck_assert_int_eq(sample_add_hcd(sectors, &plan), 0);
	ck_assert(has(0, 2048));
	ck_assert(has(middle - 129, middle + 129));
	ck_assert(has(sectors - 1025, sectors - 1));
	ck_assert_uint_le(extent_end(plan.items[plan.count - 1]), sectors);
}

START_TEST(a_small_disk)
{
	check_common(1000000);
	ck_assert_uint_ge(extent_list_blocks(&plan), 2049 + 259 + 1025);
	ck_assert_uint_le(extent_list_blocks(&plan), 2049 + 259 + 1025 + 10);
}
END_TEST

START_TEST(the_ranges_beyond_28_bits_only_where_there_are_such)
{
	check_common(200000000);
	ck_assert_uint_le(extent_list_blocks(&plan), 2049 + 259 + 1025 + 10);
	teardown();
	check_common(268435457);
	ck_assert(has(268435327, 268435456)); /* as far as there are sectors */
	teardown();
	check_common(300000000);
	ck_assert(has(268435327, 268435585));
	ck_assert_uint_ge(extent_list_blocks(&plan), 2049 + 259 + 1025 + 259);
}
END_TEST

START_TEST(the_ranges_beyond_32_bits)
{
	check_common(4200000000);
	ck_assert_uint_le(extent_list_blocks(&plan), 2049 + 2 * 259 + 1025 + 10);
	teardown();
	check_common(5000000000);
	ck_assert(has(268435327, 268435585));
	ck_assert(has(4294967167, 4294967425));
}
END_TEST

START_TEST(a_medium_smaller_than_the_list_is_read_whole)
{
	for (uint64_t sectors = 0; sectors <= 2049; sectors += 683) {
		ck_assert_int_eq(sample_add_hcd(sectors, &plan), 0);
		ck_assert_uint_eq(extent_list_blocks(&plan), sectors);
		teardown();
	}
}
END_TEST

START_TEST(the_random_places_differ)
{
	struct extent_list first = {0};

	ck_assert_int_eq(sample_add_hcd(100000000, &plan), 0);
	ck_assert_int_eq(sample_add_hcd(100000000, &first), 0);
	ck_assert(!extent_list_is_equal(&first, &plan));
	extent_list_done(&first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sample_hcd");
	TCase *tcase = tcase_create("sample_hcd");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, a_small_disk);
	tcase_add_test(tcase, the_ranges_beyond_28_bits_only_where_there_are_such);
	tcase_add_test(tcase, the_ranges_beyond_32_bits);
	tcase_add_test(tcase, a_medium_smaller_than_the_list_is_read_whole);
	tcase_add_test(tcase, the_random_places_differ);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
