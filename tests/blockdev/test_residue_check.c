/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_residue_check.c - the map read back from the medium while it is in use
 *
 * Goal: every page whose slots are not what was written last is counted and written over, and no
 * other page ever is, whatever is being committed meanwhile; what the map says does not change.
 * Method: a disk in memory whose bits are turned over, that drops writes and fails operations, and
 * a commit that a gate holds in the middle.
 */
#include "base/mutant.h"
#include "blockdev/residue.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More pages than one transfer holds, plus one. */
enum { PAGE_BLOCKS = 8, PAGES = 65, DATA_BLOCKS = PAGES * PAGE_BLOCKS, ALL = PAGES + 2 };

static struct blockdev *disk;
static struct layout layout;
static struct secret *key;
static struct residue *residue;
static struct residue_check check;
static uint8_t block[BLOCK_BYTES];

static void open_it(bool read_only)
{
	const struct residue_parts parts = {
		.device = disk, .layout = &layout, .volume_key = key, .read_only = read_only};
	struct residue_open_report report;

	ck_assert_int_eq(residue_open(&parts, &residue, &report, NULL), 0);
}

static void setup(void)
{
	struct residue_parts parts;
	const struct extent_list none = {0};

	ck_assert_int_eq(layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, 0, &layout), 0);
	disk = simdisk_new(BLOCK_BYTES, layout.data_first + DATA_BLOCKS);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	ck_assert_int_eq(layout_write(disk, &layout, key), 0);
	parts = (struct residue_parts){.device = disk, .layout = &layout, .volume_key = key};
	ck_assert_int_eq(residue_format(&parts, &none, NULL), 0);
	open_it(false);
}

static void teardown(void)
{
	residue_free(residue);
	secret_free(key);
	disk = blockdev_close(disk);
}

static void write_block(uint64_t at)
{
	struct extent owed;

	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(residue_write(residue, (struct extent){at, 1}, block, &owed), 0);
}

static void assert_whole(void)
{
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.pages, ALL);
	ck_assert_uint_eq(check.damaged_pages, 0);
	ck_assert_uint_eq(check.whole_superblocks, 2);
}

static void rot(uint64_t at)
{
	simdisk_flip(disk, at * BLOCK_BYTES + 1000, 3);
}

START_TEST(a_fresh_map_is_whole_and_so_is_one_in_use)
{
	assert_whole();
	for (uint64_t b = 0; b < DATA_BLOCKS; b += 3) {
		write_block(b);
		if (b % 5 == 0)
			ck_assert_int_eq(residue_flush(residue), 0);
	}
	assert_whole();
}
END_TEST

/* Each slot of each page, the volume's and the stuck list's too. */
START_TEST(every_rotted_slot_is_found_and_written_over)
{
	struct extent areas[] = {layout.map, layout.state, layout.stuck};

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		for (uint64_t slot = 0; slot < areas[i].count; slot++) {
			rot(areas[i].first + slot);
			ck_assert_int_eq(residue_check(residue, &check), 0);
			ck_assert_msg(check.damaged_pages == 1, "area %zu slot %d: %d damaged", i,
				(int)slot, (int)check.damaged_pages);
			assert_whole();
		}
	}
}
END_TEST

START_TEST(a_page_with_both_slots_gone_comes_back_from_memory)
{
	struct residue_counts before, after;

	write_block(9);
	ck_assert_int_eq(residue_flush(residue), 0);
	residue_get_counts(residue, &before);
	rot(layout.map.first + 2);
	rot(layout.map.first + 3);
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.damaged_pages, 1);
	assert_whole();
	residue_get_counts(residue, &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));

	/* The next attach believes what it finds. */
	residue_free(residue);
	open_it(false);
	residue_get_counts(residue, &after);
	ck_assert_uint_eq(after.unknown, 0);
	ck_assert_uint_eq(after.live, before.live);
}
END_TEST

/* The next write of a page, whichever it is. */
static void drop_a_page(void *context, const struct simdisk_call *call)
{
	if (call->op != SIMDISK_WRITE || call->at.first < layout.map.first ||
		call->at.first >= extent_end(layout.map) ||
		atomic_exchange((atomic_bool *)context, true))
		return;
	simdisk_drop_write(disk, 1);
}

START_TEST(a_write_that_the_medium_dropped_is_found)
{
	atomic_bool dropped = false;

	write_block(0);
	ck_assert_int_eq(residue_flush(residue), 0);
	write_block(1);
	simdisk_set_hook(disk, drop_a_page, &dropped);
	ck_assert_int_eq(residue_flush(residue), 0);
	simdisk_set_hook(disk, NULL, NULL);
	ck_assert(simdisk_lied(disk));
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.damaged_pages, 1);
	assert_whole();
}
END_TEST

START_TEST(a_superblock_copy_that_rotted_is_counted)
{
	rot(layout.superblock.first + 1);
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.whole_superblocks, 1);
	rot(layout.superblock.first);
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.whole_superblocks, 0);
	ck_assert_uint_eq(check.damaged_pages, 0);
}
END_TEST

START_TEST(a_copy_of_another_layout_is_not_whole)
{
	struct layout other = layout;

	other.data_blocks_at_format--;
	ck_assert_int_eq(layout_encode(&other, key, block), 0);
	simdisk_poke(disk, (struct extent){layout.superblock.first + 1, 1}, block);
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_uint_eq(check.whole_superblocks, 1);
}
END_TEST

START_TEST(a_map_that_is_open_read_only_is_read_and_not_written)
{
	uint64_t writes;

	ck_assert_int_eq(residue_close_orderly(residue), 0);
	residue_free(residue);
	open_it(true);
	rot(layout.map.first + 2 * 7);
	writes = simdisk_count(disk, SIMDISK_WRITE);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(residue_check(residue, &check), 0);
		ck_assert_uint_eq(check.damaged_pages, 1);
	}
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_WRITE), writes);
}
END_TEST

START_TEST(every_single_io_error_is_survived_and_none_is_taken_for_a_whole_map)
{
	for (uint64_t nth = 1;; nth++) {
		int r;

		rot(layout.map.first + 5);
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		r = residue_check(residue, &check);
		if (!simdisk_fired(disk))
			break;
		if (r >= 0)
			ck_assert_uint_ge(check.damaged_pages + (2 - check.whole_superblocks), 1);
		teardown();
		setup();
	}
}
END_TEST

/* --- a commit that is held in the middle --- */

static pthread_t committer, opener;
static atomic_bool began, held, opened;

static void *commit(void *argument)
{
	(void)argument;
	return residue_flush(residue) == 0 ? NULL : residue;
}

static void *open_the_gate(void *argument)
{
	usleep(200000);
	atomic_store(&opened, true);
	return argument;
}

/* The check's own commit is over when it reads the superblock: now another one comes. */
static void begin_a_commit(void)
{
	struct extent owed;

	if (atomic_exchange(&began, true))
		return;
	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(residue_write(residue, (struct extent){2, 1}, block, &owed), 0);
	ck_assert_int_eq(pthread_create(&committer, NULL, commit, NULL), 0);
	while (!atomic_load(&held))
		usleep(1000);
	ck_assert_int_eq(pthread_create(&opener, NULL, open_the_gate, NULL), 0);
}

static void hook(void *context, const struct simdisk_call *call)
{
	(void)context;
	if (call->op == SIMDISK_READ && call->at.first == layout.superblock.first)
		begin_a_commit();
	if (call->op != SIMDISK_WRITE || !atomic_load(&began) ||
		call->at.first < layout.map.first || call->at.first >= extent_end(layout.map) ||
		atomic_exchange(&held, true))
		return;
	while (!atomic_load(&opened))
		usleep(1000);
}

static uint64_t check_while_a_commit_is_held(void)
{
	void *failed;

	write_block(1); /* premarks: what follows is one commit */
	ck_assert_int_eq(residue_flush(residue), 0);
	simdisk_set_hook(disk, hook, NULL);
	ck_assert_int_eq(residue_check(residue, &check), 0);
	ck_assert_int_eq(pthread_join(opener, NULL), 0);
	ck_assert_int_eq(pthread_join(committer, &failed), 0);
	ck_assert_ptr_null(failed);
	simdisk_set_hook(disk, NULL, NULL);
	return check.damaged_pages;
}

START_TEST(a_slot_that_is_being_written_is_not_damaged)
{
	ck_assert_uint_eq(check_while_a_commit_is_held(), 0);
	assert_whole();
}
END_TEST

/* Writers and a checker, for the thread sanitizer and for what a gate does not show. */
static atomic_bool enough;

static void *write_on(void *argument)
{
	uint8_t own[BLOCK_BYTES];
	struct extent owed;
	uint64_t at = 0;

	while (!atomic_load(&enough)) {
		memset(own, 'y', sizeof(own));
		if (residue_write(residue, (struct extent){at, 1}, own, &owed) < 0 ||
			residue_flush(residue) < 0)
			return residue;
		at = (at + 17) % DATA_BLOCKS;
	}
	return argument;
}

START_TEST(checks_and_commits_do_not_disturb_one_another)
{
	pthread_t threads[2];
	void *failed;

	atomic_store(&enough, false);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_on, NULL), 0);
	for (int i = 0; i < 30; i++)
		assert_whole();
	atomic_store(&enough, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	assert_whole();
}
END_TEST

#ifdef SPOOLGUARD_MUTANTS
START_TEST(without_its_lock_the_check_takes_a_write_for_damage)
{
	mutant_active = MUTANT_CHECK_DURING_COMMIT;
	ck_assert_uint_gt(check_while_a_commit_is_held(), 0);
	mutant_active = MUTANT_NONE;
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("residue_check");
	TCase *tcase = tcase_create("residue_check");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_fresh_map_is_whole_and_so_is_one_in_use);
	tcase_add_test(tcase, every_rotted_slot_is_found_and_written_over);
	tcase_add_test(tcase, a_page_with_both_slots_gone_comes_back_from_memory);
	tcase_add_test(tcase, a_write_that_the_medium_dropped_is_found);
	tcase_add_test(tcase, a_superblock_copy_that_rotted_is_counted);
	tcase_add_test(tcase, a_copy_of_another_layout_is_not_whole);
	tcase_add_test(tcase, a_map_that_is_open_read_only_is_read_and_not_written);
	tcase_add_test(tcase, every_single_io_error_is_survived_and_none_is_taken_for_a_whole_map);
	tcase_add_test(tcase, a_slot_that_is_being_written_is_not_damaged);
	tcase_add_test(tcase, checks_and_commits_do_not_disturb_one_another);
#ifdef SPOOLGUARD_MUTANTS
	tcase_add_test(tcase, without_its_lock_the_check_takes_a_write_for_damage);
#endif
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
