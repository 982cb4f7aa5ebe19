/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sanitizing.c - the volume as a plain blockdev that pays before it writes
 *
 * Goal: P4 holds through it; a caller's buffer is left alone; what cannot be paid is
 * an error and changes nothing; every failed operation is reported.
 */
#include "base/bytes.h"
#include "overwrite/sanitizing.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_BLOCKS = 600, PAGE_BLOCKS = 64 };

static struct blockdev *disk, *bd;
static struct layout layout;
static struct secret *key;
static struct residue *residue;
static struct eraser *eraser;
static uint8_t buf[300 * BLOCK_BYTES], back[300 * BLOCK_BYTES];

static void open_it(void)
{
	struct residue_parts parts = {.device = disk, .layout = &layout, .volume_key = key};
	struct residue_open_report report;

	ck_assert_int_eq(residue_open(&parts, &residue, &report, NULL), 0);
	ck_assert_int_eq(eraser_new(residue, scheme_default(), VERIFY_FULL, &eraser), 0);
	ck_assert_int_eq(sanitizing_new(residue, eraser, &bd), 0);
}

static void close_it(void)
{
	bd = blockdev_close(bd);
	eraser_free(eraser);
	residue_free(residue);
	eraser = NULL;
	residue = NULL;
}

static void setup(void)
{
	struct residue_parts parts;
	const struct extent_list none = {0};

	ck_assert_int_eq(layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, 0, &layout), 0);
	disk = simdisk_new(BLOCK_BYTES, layout.data_first + DATA_BLOCKS);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	parts = (struct residue_parts){.device = disk, .layout = &layout, .volume_key = key};
	ck_assert_int_eq(residue_format(&parts, &none, NULL), 0);
	open_it();
}

static void teardown(void)
{
	close_it();
	disk = blockdev_close(disk);
	secret_free(key);
}

static int put(uint64_t first, uint64_t count, char text)
{
	memset(buf, text, count * BLOCK_BYTES);
	return blockdev_write(bd, (struct extent){first, count}, buf, count * BLOCK_BYTES);
}

static bool reads_as(uint64_t first, uint64_t count, uint8_t byte)
{
	ck_assert_int_eq(
		blockdev_read(bd, (struct extent){first, count}, back, count * BLOCK_BYTES), 0);
	return bytes_are(back, count * BLOCK_BYTES, byte);
}

START_TEST(it_is_a_device_like_any_other)
{
	ck_assert_uint_eq(blockdev_blocks(bd), DATA_BLOCKS);
	ck_assert_uint_eq(blockdev_block_bytes(bd), BLOCK_BYTES);
	ck_assert_int_eq(put(10, 257, 'a'), 0); /* one more than it copies at once */
	ck_assert(
		bytes_are(buf, 257 * BLOCK_BYTES, 'a')); /* the caller's buffer is not scribbled */
	ck_assert(reads_as(10, 257, 'a'));
	ck_assert(reads_as(267, 33, 0));
	ck_assert_int_eq(blockdev_flush(bd), 0);
	ck_assert_int_eq(put(DATA_BLOCKS - 1, 2, 'x'), -ERANGE);
}
END_TEST

START_TEST(what_is_owed_gets_every_pass_before_the_write)
{
	static const uint8_t patterns[] = {0x35, 0xca, 0x97};
	size_t writes = 0;

	ck_assert_int_eq(put(10, 20, 'a'), 0);
	ck_assert_int_eq(blockdev_flush(bd), 0);
	ck_assert_int_eq(blockdev_discard(bd, (struct extent){15, 1}), 0);
	ck_assert(reads_as(15, 1, 0));
	simdisk_log_start(disk);
	ck_assert_int_eq(put(14, 3, 'b'), 0);
	for (uint64_t i = 0; i < simdisk_log_count(disk); i++) {
		const struct simdisk_event *event = simdisk_log_event(disk, i);

		if (event->kind != SIMDISK_EVENT_WRITE ||
			!extent_overlaps(event->at, (struct extent){layout.data_first + 15, 1}))
			continue;
		if (writes < ARRAY_SIZE(patterns)) {
			ck_assert(bytes_are(event->data, event->bytes, patterns[writes]));
			ck_assert_uint_eq(event->at.count, 1); /* the neighbours are not owed */
		}
		writes++;
	}
	ck_assert_uint_eq(writes, 4);
	ck_assert(reads_as(14, 3, 'b') && reads_as(13, 1, 'a') && reads_as(17, 1, 'a'));
}
END_TEST

START_TEST(what_cannot_be_paid_is_an_error_and_changes_nothing)
{
	ck_assert_int_eq(put(15, 2, 'a'), 0);
	ck_assert_int_eq(residue_set_filesystem_expected(residue, true), 0);
	ck_assert_int_eq(residue_close_orderly(residue), 0);
	close_it();
	open_it(); /* not trusted: nothing is erased yet */
	ck_assert_int_eq(blockdev_discard(bd, (struct extent){15, 1}), 0);
	ck_assert_int_eq(put(15, 2, 'b'), -EIO);
	ck_assert(reads_as(16, 1, 'a'));
	residue_trust(residue);
	ck_assert_int_eq(put(15, 2, 'b'), 0);
	ck_assert(reads_as(15, 2, 'b'));
	/* the medium refuses the block, and every spare */
	ck_assert_int_eq(blockdev_discard(bd, (struct extent){15, 1}), 0);
	simdisk_break(disk, (struct extent){layout.data_first + 15, 1}, SIMDISK_WRITE, EIO);
	simdisk_break(disk, layout.spare, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(put(15, 1, 'c'), -EIO);
	ck_assert(reads_as(15, 1, 0));
}
END_TEST

START_TEST(a_refused_block_is_written_on_its_spare)
{
	ck_assert_int_eq(put(15, 1, 'a'), 0);
	ck_assert_int_eq(blockdev_discard(bd, (struct extent){15, 1}), 0);
	simdisk_break(disk, (struct extent){layout.data_first + 15, 1}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(put(14, 3, 'b'), 0);
	ck_assert(reads_as(14, 3, 'b'));
}
END_TEST

/* Fail operation 1, then 2, ...: either the call says so, or what was written is there. */
START_TEST(every_failed_operation_is_reported_or_made_good)
{
	for (uint64_t nth = 1;; nth++) {
		bool fired;
		int r;

		ck_assert_int_eq(put(10, 8, 'a'), 0);
		ck_assert_int_eq(blockdev_flush(bd), 0);
		ck_assert_int_eq(blockdev_discard(bd, (struct extent){12, 4}), 0);
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		r = put(10, 8, 'b');
		if (r >= 0)
			r = blockdev_flush(bd);
		fired = simdisk_fired(disk);
		simdisk_fail_nth(disk, SIMDISK_ANY, 0, 0);
		if (r >= 0)
			ck_assert(reads_as(10, 8, 'b'));
		else
			ck_assert(fired);
		/* After a crash too: old or new or zeros, never anything else. */
		simdisk_replug(disk);
		close_it();
		open_it();
		for (uint64_t b = 10; b < 18; b++)
			ck_assert(reads_as(b, 1, 'b') || reads_as(b, 1, 0) ||
				  (r < 0 && reads_as(b, 1, 'a')));
		if (!fired)
			break;
		teardown();
		setup();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sanitizing");
	TCase *tcase = tcase_create("pays before it writes");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, it_is_a_device_like_any_other);
	tcase_add_test(tcase, what_is_owed_gets_every_pass_before_the_write);
	tcase_add_test(tcase, what_cannot_be_paid_is_an_error_and_changes_nothing);
	tcase_add_test(tcase, a_refused_block_is_written_on_its_spare);
	tcase_add_test(tcase, every_failed_operation_is_reported_or_made_good);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
