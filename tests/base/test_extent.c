/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_extent.c - sorted lists of runs
 *
 * Goal: a list is always sorted, disjoint and not adjacent (E1), and holds
 * exactly what was added and not removed.  Method: edges by hand, then many
 * random operations against a plain array of flags, with a printed seed.
 */
#include "base/extent.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 64 };

static struct extent_list list;

static void teardown(void)
{
	extent_list_done(&list);
}

static void add(uint64_t first, uint64_t count)
{
	ck_assert_int_eq(extent_list_add(&list, (struct extent){first, count}), 0);
}

static void cut(uint64_t first, uint64_t count)
{
	ck_assert_int_eq(extent_list_remove(&list, (struct extent){first, count}), 0);
}

/* "3+2 7+1" */
static void assert_list_is(const char *expected)
{
	char text[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < list.count; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu+%llu", i ? " " : "",
			(unsigned long long)list.items[i].first,
			(unsigned long long)list.items[i].count);
	ck_assert_str_eq(text, expected);
}

START_TEST(an_extent_within_bounds_does_not_wrap)
{
	ck_assert(extent_is_within((struct extent){0, 10}, 10));
	ck_assert(extent_is_within((struct extent){10, 0}, 10));
	ck_assert(!extent_is_within((struct extent){10, 1}, 10));
	ck_assert(!extent_is_within((struct extent){11, 0}, 10));
	ck_assert(!extent_is_within((struct extent){UINT64_MAX, 2}, 10));
	ck_assert(!extent_is_within((struct extent){5, UINT64_MAX}, 10));
	ck_assert(extent_is_within((struct extent){0, UINT64_MAX}, UINT64_MAX));
}
END_TEST

START_TEST(neighbours_do_not_overlap)
{
	ck_assert(!extent_overlaps((struct extent){0, 5}, (struct extent){5, 5}));
	ck_assert(extent_overlaps((struct extent){0, 6}, (struct extent){5, 5}));
	ck_assert(extent_overlaps((struct extent){2, 1}, (struct extent){0, 5}));
	ck_assert(!extent_overlaps((struct extent){2, 0}, (struct extent){0, 5}));
}
END_TEST

START_TEST(neighbours_and_overlaps_merge)
{
	add(10, 5);
	add(20, 5);
	add(0, 2);
	assert_list_is("0+2 10+5 20+5");
	add(15, 5);
	assert_list_is("0+2 10+15");
	add(2, 1);
	assert_list_is("0+3 10+15");
	add(12, 2);
	assert_list_is("0+3 10+15");
	add(1, 40);
	assert_list_is("0+41");
	add(50, 0);
	assert_list_is("0+41");
	ck_assert_uint_eq(extent_list_blocks(&list), 41);
}
END_TEST

START_TEST(a_cut_splits_shortens_and_swallows)
{
	add(0, 30);
	cut(10, 5);
	assert_list_is("0+10 15+15");
	cut(0, 1);
	assert_list_is("1+9 15+15");
	cut(29, 10);
	assert_list_is("1+9 15+14");
	cut(5, 12);
	assert_list_is("1+4 17+12");
	cut(5, 12);
	assert_list_is("1+4 17+12");
	cut(0, 100);
	assert_list_is("");
	cut(0, 100);
	assert_list_is("");
}
END_TEST

START_TEST(a_run_that_wraps_is_refused)
{
	add(5, 1);
	ck_assert_int_eq(extent_list_add(&list, (struct extent){UINT64_MAX, 2}), -EINVAL);
	ck_assert_int_eq(extent_list_remove(&list, (struct extent){2, UINT64_MAX}), -EINVAL);
	assert_list_is("5+1");
}
END_TEST

START_TEST(overlaps_are_found_at_every_edge)
{
	add(10, 5);
	add(20, 5);
	ck_assert(!extent_list_overlaps(&list, (struct extent){0, 10}));
	ck_assert(extent_list_overlaps(&list, (struct extent){0, 11}));
	ck_assert(extent_list_overlaps(&list, (struct extent){14, 1}));
	ck_assert(!extent_list_overlaps(&list, (struct extent){15, 5}));
	ck_assert(extent_list_overlaps(&list, (struct extent){15, 6}));
	ck_assert(!extent_list_overlaps(&list, (struct extent){25, 100}));
	ck_assert(!extent_list_overlaps(&list, (struct extent){12, 0}));
}
END_TEST

START_TEST(equal_lists_are_equal_whatever_their_history)
{
	struct extent_list other = {0};

	ck_assert(extent_list_is_equal(&list, &other));
	add(1, 9);
	ck_assert(!extent_list_is_equal(&list, &other));
	ck_assert_int_eq(extent_list_add(&other, (struct extent){5, 5}), 0);
	ck_assert_int_eq(extent_list_add(&other, (struct extent){1, 4}), 0);
	ck_assert(extent_list_is_equal(&list, &other));
	extent_list_clear(&other);
	ck_assert_uint_eq(extent_list_blocks(&other), 0);
	extent_list_done(&other);
}
END_TEST

static void assert_list_shows(const bool flags[static BLOCKS], unsigned int seed, int step)
{
	bool shown[BLOCKS] = {false};

	for (size_t i = 0; i < list.count; i++) {
		struct extent e = list.items[i];

		ck_assert_msg(e.count > 0 && extent_is_within(e, BLOCKS) &&
				      (i == 0 || e.first > extent_end(list.items[i - 1])),
			"E1: seed %u step %d", seed, step);
		memset(shown + e.first, true, e.count);
	}
	ck_assert_msg(memcmp(shown, flags, sizeof(shown)) == 0, "seed %u step %d", seed, step);
}

START_TEST(a_list_holds_what_was_added_and_not_removed)
{
	unsigned int seed = (unsigned int)time(NULL), state = seed;
	bool flags[BLOCKS] = {false};

	for (int step = 0; step < 20000; step++) {
		uint64_t first = (uint64_t)rand_r(&state) % BLOCKS;
		uint64_t count = (uint64_t)rand_r(&state) % 12;
		bool adds = rand_r(&state) & 0x40;

		if (count > BLOCKS - first)
			count = BLOCKS - first;
		if (adds)
			add(first, count);
		else
			cut(first, count);
		memset(flags + first, adds, count);
		assert_list_shows(flags, seed, step);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("extent");
	TCase *tcase = tcase_create("extents");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_extent_within_bounds_does_not_wrap);
	tcase_add_test(tcase, neighbours_do_not_overlap);
	tcase_add_test(tcase, neighbours_and_overlaps_merge);
	tcase_add_test(tcase, a_cut_splits_shortens_and_swallows);
	tcase_add_test(tcase, a_run_that_wraps_is_refused);
	tcase_add_test(tcase, overlaps_are_found_at_every_edge);
	tcase_add_test(tcase, equal_lists_are_equal_whatever_their_history);
	tcase_add_test(tcase, a_list_holds_what_was_added_and_not_removed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
