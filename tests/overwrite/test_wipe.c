/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_wipe.c - the passes over what lies beside the data segment
 *
 * Goal: what shows gets every pass, what shows nothing is left alone, an unreadable block
 * keeps no volume from being opened as long as it can be written.
 */
#include "base/bytes.h"
#include "overwrite/wipe.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 600, AREA_FIRST = 10, AREA_BLOCKS = 500 };

static struct blockdev *disk;
static uint8_t block[BLOCK_BYTES];

static void setup(void)
{
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
}

static void teardown(void)
{
	disk = blockdev_close(disk);
}

static void leave_something(uint64_t at)
{
	memset(block, 'x', sizeof(block));
	memcpy(block + 100, "what is left of a name", 22);
	simdisk_poke(disk, (struct extent){at, 1}, block);
}

static bool shows(uint64_t at, uint8_t byte)
{
	simdisk_peek(disk, (struct extent){at, 1}, block);
	return bytes_are(block, BLOCK_BYTES, byte);
}

static int wipe(void)
{
	return wipe_what_shows(disk, scheme_default(), (struct extent){AREA_FIRST, AREA_BLOCKS});
}

START_TEST(what_shows_gets_every_pass_and_nothing_else_does)
{
	uint64_t writes = simdisk_count(disk, SIMDISK_WRITE);

	leave_something(AREA_FIRST);
	leave_something(AREA_FIRST + 300);
	leave_something(AREA_FIRST - 1);
	ck_assert_int_eq(wipe(), 0);
	ck_assert(shows(AREA_FIRST, 0x97) && shows(AREA_FIRST + 300, 0x97));
	ck_assert(shows(AREA_FIRST + 1, 0) && !shows(AREA_FIRST - 1, 0x97));
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_WRITE), writes + 2 * 3);
	ck_assert_int_eq(wipe(), 0);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_WRITE), writes + 2 * 3);
}
END_TEST

/* As a drive does: a sector that cannot be read is mended by being written. */
static void mend(void *context, const struct simdisk_call *call)
{
	(void)context;
	if (call->op == SIMDISK_WRITE)
		simdisk_mend(disk);
}

START_TEST(a_block_that_cannot_be_read_is_wiped)
{
	leave_something(AREA_FIRST + 3);
	leave_something(AREA_FIRST + 4);
	simdisk_break(disk, (struct extent){AREA_FIRST + 4, 1}, SIMDISK_READ, EIO);
	simdisk_set_hook(disk, mend, NULL);
	ck_assert_int_eq(wipe(), 0);
	ck_assert(shows(AREA_FIRST + 3, 0x97) && shows(AREA_FIRST + 4, 0x97));
	ck_assert(shows(AREA_FIRST + 5, 0));
}
END_TEST

START_TEST(a_block_that_stays_bad_is_an_error)
{
	leave_something(AREA_FIRST + 3);
	simdisk_break(disk, (struct extent){AREA_FIRST + 4, 1}, SIMDISK_READ, EIO);
	ck_assert_int_eq(wipe(), -EIO);
	ck_assert(shows(AREA_FIRST + 3, 0x97)); /* the others get theirs all the same */
	simdisk_mend(disk);
	leave_something(AREA_FIRST + 7);
	simdisk_break(disk, (struct extent){AREA_FIRST + 7, 1}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(wipe(), -EIO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wipe");
	TCase *tcase = tcase_create("wipe");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_shows_gets_every_pass_and_nothing_else_does);
	tcase_add_test(tcase, a_block_that_cannot_be_read_is_wiped);
	tcase_add_test(tcase, a_block_that_stays_bad_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
