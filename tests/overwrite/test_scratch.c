/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_scratch.c - the self-test of overwriting on the real medium
 *
 * Goal: a disk that drops, tears, refuses or forgets any single write, read or flush of the test
 * never passes it; nothing outside of the area is touched.
 * Method: a disk in memory, each operation of it failing or lying in turn, for every scheme.
 */
#include "base/bytes.h"
#include "overwrite/scratch.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 40, FIRST = 7, COUNT = 16 };

static const struct extent area = {FIRST, COUNT};
static struct blockdev *disk;
static struct scratch_report report;
static uint8_t block[BLOCK_BYTES];

static void setup(void)
{
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
}

static void teardown(void)
{
	disk = blockdev_close(disk);
}

static void again(void)
{
	teardown();
	setup();
}

static bool is_good(int r)
{
	return r == 0 && report.different == 0 && report.refused == 0;
}

START_TEST(every_scheme_is_tried_and_leaves_its_last_pattern_in_the_area_alone)
{
	const struct scheme *scheme;

	for (size_t i = 0; (scheme = scheme_at(i)); i++) {
		const struct scheme_pass *last = &scheme->passes[scheme->pass_count - 1];

		ck_assert(is_good(scratch_test(disk, area, scheme, false, &report)));
		ck_assert_uint_eq(report.blocks, COUNT);
		ck_assert_uint_eq(report.passes, scheme->pass_count + 1u);
		for (uint64_t b = 0; b < BLOCKS; b++) {
			bool inside = b >= FIRST && b < FIRST + COUNT;

			simdisk_peek(disk, (struct extent){b, 1}, block);
			if (!inside)
				ck_assert(bytes_are(block, sizeof(block), 0));
			else if (last->kind == PASS_BYTE)
				ck_assert(bytes_are(block, sizeof(block), last->byte));
			else
				ck_assert(!bytes_are_uniform(block, sizeof(block)));
		}
		again();
	}
}
END_TEST

START_TEST(a_bit_that_is_changed_on_the_medium_is_found_for_every_scheme)
{
	const struct scheme *scheme;

	for (size_t i = 0; (scheme = scheme_at(i)); i++) {
		ck_assert_int_eq(scratch_test(disk, area, scheme, true, &report), 0);
		ck_assert_uint_eq(report.different, 1);
		ck_assert_uint_eq(report.refused, 0);
	}
}
END_TEST

/* The area holds what the test before left, so that a write of the same goes unnoticed alone. */
START_TEST(a_write_that_is_dropped_or_torn_is_found_for_every_scheme)
{
	const struct scheme *scheme;

	for (size_t i = 0; (scheme = scheme_at(i)); i++) {
		for (uint64_t nth = 1;; nth++) {
			int r;

			ck_assert(is_good(scratch_test(disk, area, scheme, false, &report)));
			if (nth % 2 != 0)
				simdisk_drop_write(disk, nth / 2 + 1);
			else
				simdisk_tear_write(disk, nth / 2, 3);
			r = scratch_test(disk, area, scheme, false, &report);
			if (!simdisk_lied(disk))
				break;
			ck_assert_msg(!is_good(r), "%s: lie %d", scheme->name, (int)nth);
			again();
		}
		again();
	}
}
END_TEST

/* A block that is read while it is not durable comes from a cache, and proves nothing. */
static void note_order(void *context, const struct simdisk_call *call)
{
	bool *unflushed = context;

	if (call->op == SIMDISK_READ)
		ck_assert(!*unflushed);
	*unflushed = call->op == SIMDISK_WRITE || (*unflushed && call->op != SIMDISK_FLUSH);
}

START_TEST(each_pass_is_flushed_before_it_is_read_back)
{
	const struct scheme *scheme = scheme_default();
	bool unflushed = false;

	simdisk_set_hook(disk, note_order, &unflushed);
	ck_assert(is_good(scratch_test(disk, area, scheme, false, &report)));
	ck_assert(!unflushed);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_FLUSH), report.passes);
	ck_assert_uint_ge(simdisk_count(disk, SIMDISK_READ), report.passes);
}
END_TEST

START_TEST(every_single_io_error_is_reported)
{
	for (uint64_t nth = 1;; nth++) {
		int r;

		simdisk_fail_nth(disk, SIMDISK_FLUSH, nth, EIO);
		r = scratch_test(disk, area, scheme_default(), false, &report);
		if (!simdisk_fired(disk))
			break;
		ck_assert_int_eq(r, -EIO);
		again();
	}
	again();
	for (unsigned int op = SIMDISK_READ; op <= SIMDISK_WRITE; op++) {
		simdisk_break(disk, (struct extent){FIRST + 5, 1}, op, EIO);
		ck_assert_int_eq(scratch_test(disk, area, scheme_default(), false, &report), 0);
		ck_assert_uint_eq(report.refused, 1);
		again();
	}
}
END_TEST

START_TEST(want_of_room_is_an_error_and_no_bad_block)
{
	simdisk_break(disk, area, SIMDISK_WRITE, ENOSPC);
	ck_assert_int_eq(scratch_test(disk, area, scheme_default(), false, &report), -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scratch");
	TCase *tcase = tcase_create("scratch");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_scheme_is_tried_and_leaves_its_last_pattern_in_the_area_alone);
	tcase_add_test(tcase, a_bit_that_is_changed_on_the_medium_is_found_for_every_scheme);
	tcase_add_test(tcase, a_write_that_is_dropped_or_torn_is_found_for_every_scheme);
	tcase_add_test(tcase, each_pass_is_flushed_before_it_is_read_back);
	tcase_add_test(tcase, every_single_io_error_is_reported);
	tcase_add_test(tcase, want_of_room_is_an_error_and_no_bad_block);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
