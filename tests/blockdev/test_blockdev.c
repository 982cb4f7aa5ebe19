/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_blockdev.c - the checks in front of every blockdev, and windows
 *
 * Goal: B1 to B4 of blockdev.h hold whatever the layer below does.  Method: a
 * simulated disk that counts what reaches it.
 */
#include "base/bytes.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/window.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 16 };

static struct blockdev *disk;
static struct blockdev *window;
static uint8_t buf[BLOCKS * BLOCK_BYTES];

static void setup(void)
{
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
	ck_assert_int_eq(window_new(disk, (struct extent){4, 8}, &window), 0);
}

static void teardown(void)
{
	window = blockdev_close(window);
	disk = blockdev_close(disk);
}

static int read_at(struct blockdev *bd, uint64_t first, uint64_t count)
{
	return blockdev_read(bd, (struct extent){first, count}, buf, count * BLOCK_BYTES);
}

static int write_at(struct blockdev *bd, uint64_t first, uint64_t count, uint8_t byte)
{
	memset(buf, byte, count * BLOCK_BYTES);
	return blockdev_write(bd, (struct extent){first, count}, buf, count * BLOCK_BYTES);
}

static bool shows(uint64_t block, uint8_t byte)
{
	simdisk_peek(disk, (struct extent){block, 1}, buf);
	return bytes_are(buf, BLOCK_BYTES, byte);
}

/* --- the wrapper --- */

START_TEST(no_transfer_leaves_the_device) /* B1 */
{
	static const struct extent outside[] = {{BLOCKS, 1}, {BLOCKS - 1, 2}, {0, BLOCKS + 1},
		{UINT64_MAX, 1}, {UINT64_MAX, 2}, {1, UINT64_MAX}, {BLOCKS + 1, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		ck_assert_int_eq(blockdev_read(disk, outside[i], buf, 1), -ERANGE);
		ck_assert_int_eq(blockdev_write(disk, outside[i], buf, 1), -ERANGE);
		ck_assert_int_eq(blockdev_write_consuming(disk, outside[i], buf, 1), -ERANGE);
		ck_assert_int_eq(blockdev_discard(disk, outside[i]), -ERANGE);
	}
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_ANY), 0);
}
END_TEST

START_TEST(the_whole_device_is_one_transfer)
{
	ck_assert_int_eq(write_at(disk, 0, BLOCKS, 'a'), 0);
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(read_at(disk, 0, BLOCKS), 0);
	ck_assert(bytes_are(buf, sizeof(buf), 'a'));
	ck_assert_uint_eq(blockdev_bytes(disk), sizeof(buf));
}
END_TEST

START_TEST(an_empty_transfer_reaches_nobody)
{
	ck_assert_int_eq(read_at(disk, BLOCKS, 0), 0);
	ck_assert_int_eq(write_at(disk, 0, 0, 0), 0);
	ck_assert_int_eq(blockdev_write_consuming(disk, (struct extent){3, 0}, buf, 0), 0);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_ANY), 0);
}
END_TEST

START_TEST(a_buffer_of_another_size_aborts) /* B4 */
{
	(void)!blockdev_read(disk, (struct extent){0, 2}, buf, BLOCK_BYTES);
}
END_TEST

START_TEST(a_failed_flush_sticks) /* B3 */
{
	simdisk_fail_nth(disk, SIMDISK_FLUSH, 1, ENOSPC);
	ck_assert_int_eq(blockdev_flush(disk), -ENOSPC);
	ck_assert_int_eq(blockdev_flush(disk), -EIO);
	ck_assert_int_eq(blockdev_flush(disk), -EIO);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_FLUSH), 1);
	ck_assert_int_eq(write_at(disk, 0, 1, 'a'), 0); /* reads and writes go on */
}
END_TEST

static void fail_the_other_flush(void *context, const struct simdisk_call *call)
{
	(void)context;
	(void)call;
	simdisk_set_hook(disk, NULL, NULL);
	simdisk_fail_nth(disk, SIMDISK_FLUSH, 1, EIO);
	ck_assert_int_eq(blockdev_flush(disk), -EIO);
}

START_TEST(a_flush_beside_a_failed_one_does_not_succeed) /* B3 */
{
	simdisk_set_hook(disk, fail_the_other_flush, NULL);
	ck_assert_int_eq(blockdev_flush(disk), -EIO);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_FLUSH), 2);
}
END_TEST

START_TEST(errors_pass_through_unchanged)
{
	simdisk_fail_from_nth(disk, SIMDISK_ANY, 1, ENODEV);
	ck_assert_int_eq(read_at(disk, 0, 1), -ENODEV);
	ck_assert_int_eq(write_at(disk, 0, 1, 'a'), -ENODEV);
	ck_assert_int_eq(
		blockdev_write_consuming(disk, (struct extent){0, 1}, buf, BLOCK_BYTES), -ENODEV);
	ck_assert_int_eq(blockdev_flush(disk), -ENODEV);
}
END_TEST

START_TEST(a_discard_where_there_is_none_is_not_supported)
{
	ck_assert_int_eq(blockdev_discard(disk, (struct extent){0, 1}), -EOPNOTSUPP);
	ck_assert_int_eq(blockdev_discard(window, (struct extent){0, 1}), -EOPNOTSUPP);
}
END_TEST

START_TEST(closing_nothing_is_fine)
{
	struct blockdev *none = NULL;

	ck_assert_ptr_null(blockdev_close(NULL));
	blockdev_closep(&none);
}
END_TEST

/* --- windows --- */

START_TEST(a_window_shows_its_run_and_no_more)
{
	ck_assert_uint_eq(blockdev_blocks(window), 8);
	ck_assert_uint_eq(blockdev_block_bytes(window), BLOCK_BYTES);
	ck_assert_int_eq(write_at(window, 0, 1, 'a'), 0);
	memset(buf, 'z', BLOCK_BYTES);
	ck_assert_int_eq(
		blockdev_write_consuming(window, (struct extent){7, 1}, buf, BLOCK_BYTES), 0);
	ck_assert(shows(3, 0));
	ck_assert(shows(4, 'a'));
	ck_assert(shows(11, 'z'));
	ck_assert(shows(12, 0));
	ck_assert_int_eq(write_at(window, 8, 1, 'x'), -ERANGE);
	ck_assert_int_eq(write_at(window, 7, 2, 'x'), -ERANGE);
	ck_assert_int_eq(read_at(window, 7, 1), 0);
	ck_assert(bytes_are(buf, BLOCK_BYTES, 'z'));
}
END_TEST

START_TEST(a_window_does_not_leave_its_parent)
{
	struct blockdev *none = NULL;

	ck_assert_int_eq(window_new(disk, (struct extent){0, BLOCKS + 1}, &none), -ERANGE);
	ck_assert_int_eq(window_new(disk, (struct extent){UINT64_MAX, 2}, &none), -ERANGE);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(window_new(disk, (struct extent){BLOCKS, 0}, &none), 0);
	ck_assert_int_eq(read_at(none, 0, 1), -ERANGE);
	blockdev_close(none);
}
END_TEST

START_TEST(a_window_of_a_window_adds_up)
{
	struct blockdev *inner;

	ck_assert_int_eq(window_new(window, (struct extent){2, 3}, &inner), 0);
	ck_assert_int_eq(write_at(inner, 1, 1, 'i'), 0);
	ck_assert(shows(4 + 2 + 1, 'i'));
	blockdev_close(inner);
}
END_TEST

START_TEST(a_windows_flush_is_its_parents_and_sticks_there)
{
	ck_assert_int_eq(blockdev_flush(window), 0);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_FLUSH), 1);
	simdisk_fail_nth(disk, SIMDISK_FLUSH, 1, EIO);
	ck_assert_int_eq(blockdev_flush(window), -EIO);
	ck_assert_int_eq(blockdev_flush(window), -EIO);
	ck_assert_int_eq(blockdev_flush(disk), -EIO);
}
END_TEST

START_TEST(a_window_grows_only_as_far_as_its_parent)
{
	ck_assert_int_eq(window_grow(window, BLOCKS - 4 + 1), -ERANGE);
	ck_assert_int_eq(window_grow(window, UINT64_MAX - 1), -ERANGE);
	ck_assert_uint_eq(blockdev_blocks(window), 8);
	ck_assert_int_eq(window_grow(window, BLOCKS - 4), 0);
	ck_assert_int_eq(write_at(window, BLOCKS - 5, 1, 'g'), 0);
	ck_assert(shows(BLOCKS - 1, 'g'));
	simdisk_grow(disk, BLOCKS + 1);
	ck_assert_int_eq(window_grow(window, BLOCKS - 4 + 1), 0);
	ck_assert_int_eq(write_at(window, BLOCKS - 4, 1, 'h'), 0);
	ck_assert(shows(BLOCKS, 'h'));
}
END_TEST

START_TEST(a_window_does_not_shrink)
{
	ck_assert_int_eq(window_grow(window, 7), -ERANGE);
	ck_assert_uint_eq(blockdev_blocks(window), 8);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *tcase = tcase_create("wrapper");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, no_transfer_leaves_the_device);
	tcase_add_test(tcase, the_whole_device_is_one_transfer);
	tcase_add_test(tcase, an_empty_transfer_reaches_nobody);
	tcase_add_test(tcase, a_failed_flush_sticks);
	tcase_add_test(tcase, a_flush_beside_a_failed_one_does_not_succeed);
	tcase_add_test(tcase, errors_pass_through_unchanged);
	tcase_add_test(tcase, a_discard_where_there_is_none_is_not_supported);
	tcase_add_test(tcase, closing_nothing_is_fine);
	tcase_add_test_raise_signal(tcase, a_buffer_of_another_size_aborts, SIGABRT);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("window");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_window_shows_its_run_and_no_more);
	tcase_add_test(tcase, a_window_does_not_leave_its_parent);
	tcase_add_test(tcase, a_window_of_a_window_adds_up);
	tcase_add_test(tcase, a_windows_flush_is_its_parents_and_sticks_there);
	tcase_add_test(tcase, a_window_grows_only_as_far_as_its_parent);
	tcase_add_test(tcase, a_window_does_not_shrink);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("blockdev");
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
