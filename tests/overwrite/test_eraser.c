/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_eraser.c - the residue map and the eraser together, on an image file
 *
 * Goal: the life of a block (clean, live, residue, clean) is as drawn in
 * residue.h, seen from three sides: what the volume reads, what the map says,
 * and what lies on the raw medium.  Crash states are the crash simulator's
 * business; here the process merely forgets (residue_free) what it knew.
 */
#include "base/bytes.h"
#include "blockdev/raw.h"
#include "blockdev/residue.h"
#include "overwrite/eraser.h"
#include "overwrite/sanitizing.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATA_BLOCKS = 40, MOST_BLOCKS = 64, PAGE_BLOCKS = 16 };

static char path[] = "/tmp/spoolguard-eraser.XXXXXX";
static struct blockdev *device;
static struct layout layout;
static struct secret *key;
static struct residue *residue;
static struct eraser *eraser;
static struct residue_open_report opened;
static uint8_t buf[8 * BLOCK_BYTES];

static struct residue_parts parts(void)
{
	return (struct residue_parts){.device = device, .layout = &layout, .volume_key = key};
}

static void open_it(void)
{
	struct problem problem = {""};
	struct residue_parts p = parts();
	int r;

	r = residue_open(&p, &residue, &opened, &problem);
	ck_assert_msg(r == 0, "open: %s", problem_text(&problem, r));
	ck_assert_int_eq(eraser_new(residue, scheme_default(), VERIFY_FULL, &eraser), 0);
}

static void forget(void)
{
	eraser_free(eraser);
	residue_free(residue);
	eraser = NULL;
	residue = NULL;
}

static void reopen_after_crash(void)
{
	forget();
	open_it();
}

static void format_it(const struct extent_list *owed)
{
	struct raw_options options = {.block_bytes = BLOCK_BYTES};
	struct residue_parts p;
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(layout_plan(0, PAGE_BLOCKS, DATA_BLOCKS, MOST_BLOCKS, &layout), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(layout.data_first + DATA_BLOCKS) * BLOCK_BYTES), 0);
	close(fd);
	ck_assert_int_eq(raw_open(path, &options, &device, NULL), 0);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	p = parts();
	ck_assert_int_eq(residue_format(&p, owed, NULL), 0);
}

static void setup(void)
{
	const struct extent_list none = {0};

	format_it(&none);
	open_it();
}

static void teardown(void)
{
	forget();
	device = blockdev_close(device);
	secret_free(key);
	key = NULL;
	unlink(path);
}

/* --- helpers: one block each --- */

static int put(uint64_t block, char text)
{
	struct extent owed;

	memset(buf, text, BLOCK_BYTES);
	return residue_write(residue, (struct extent){block, 1}, buf, &owed);
}

static bool reads_as(uint64_t block, uint8_t byte)
{
	ck_assert_int_eq(residue_read(residue, (struct extent){block, 1}, buf), 0);
	return bytes_are(buf, BLOCK_BYTES, byte);
}

static bool medium_shows(uint64_t block, uint8_t byte)
{
	ck_assert_int_eq(blockdev_read(device, (struct extent){layout.data_first + block, 1}, buf,
				 BLOCK_BYTES),
		0);
	return bytes_are(buf, BLOCK_BYTES, byte);
}

static enum residue_class class_of(uint64_t block)
{
	uint64_t run;

	return residue_lookup(residue, block, 1, &run);
}

static struct eraser_report erase(uint64_t first, uint64_t count)
{
	struct extent_list wanted = {0};
	struct eraser_report report;

	ck_assert_int_eq(extent_list_add(&wanted, (struct extent){first, count}), 0);
	ck_assert_int_eq(eraser_run(eraser, &wanted, &report), 0);
	extent_list_done(&wanted);
	return report;
}

static int discard(uint64_t first, uint64_t count)
{
	return residue_discard(residue, (struct extent){first, count});
}

/* --- the life of a block --- */

START_TEST(a_fresh_volume_is_clean_and_reads_zeros)
{
	ck_assert_int_eq(class_of(0), RESIDUE_CLASS_CLEAN);
	ck_assert_int_eq(class_of(DATA_BLOCKS - 1), RESIDUE_CLASS_CLEAN);
	ck_assert(reads_as(7, 0));
	ck_assert(!opened.was_unclean);
}
END_TEST

START_TEST(what_is_written_reads_back_and_lies_encrypted)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert(reads_as(3, 'a'));
	ck_assert(!medium_shows(3, 'a'));
	ck_assert(!bytes_are_uniform(buf, BLOCK_BYTES));
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_LIVE);
}
END_TEST

START_TEST(what_was_flushed_survives_a_crash)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	reopen_after_crash();
	ck_assert(opened.was_unclean);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_LIVE);
	ck_assert(reads_as(3, 'a'));
}
END_TEST

START_TEST(what_was_not_flushed_is_suspect_and_never_clean_after_a_crash)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	reopen_after_crash();
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_SUSPECT);
	ck_assert(reads_as(3, 0));
	ck_assert_uint_gt(opened.suspect_blocks, 0);
	erase(0, DATA_BLOCKS);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_CLEAN);
	ck_assert(medium_shows(3, 0x97));
	ck_assert(medium_shows(
		4, 0)); /* premarked and never written: seen to be so, not overwritten */
	ck_assert_int_eq(class_of(4), RESIDUE_CLASS_CLEAN);
}
END_TEST

START_TEST(a_discarded_block_reads_zeros_and_is_owed)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(discard(0, DATA_BLOCKS), 0);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_RESIDUE);
	ck_assert_int_eq(class_of(4), RESIDUE_CLASS_CLEAN);
	ck_assert(reads_as(3, 0));
}
END_TEST

START_TEST(the_eraser_leaves_the_last_pattern_and_a_clean_block)
{
	struct eraser_report report;

	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(put(4, 'b'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	report = erase(0, DATA_BLOCKS);
	ck_assert_uint_eq(report.requested_blocks, DATA_BLOCKS);
	ck_assert_uint_eq(report.written_blocks, 1);
	ck_assert_uint_eq(report.durable_blocks, 1);
	ck_assert_uint_eq(report.verified_blocks, 1);
	ck_assert_uint_eq(report.not_owed_blocks, DATA_BLOCKS - 1);
	ck_assert(medium_shows(3, 0x97));
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_CLEAN);
	ck_assert(reads_as(4, 'b'));
}
END_TEST

START_TEST(a_write_to_an_owed_block_is_refused_until_it_is_erased)
{
	struct extent owed = {0, 0};

	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	memset(buf, 'b', 3 * BLOCK_BYTES);
	ck_assert_int_eq(residue_write(residue, (struct extent){2, 3}, buf, &owed), -EBUSY);
	ck_assert_uint_eq(owed.first, 3);
	ck_assert_uint_eq(owed.count, 1);
	erase(3, 1);
	ck_assert_int_eq(put(3, 'b'), 0);
	ck_assert(reads_as(3, 'b'));
}
END_TEST

START_TEST(an_erased_block_that_was_reused_and_flushed_survives)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	erase(3, 1);
	ck_assert_int_eq(put(3, 'b'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	reopen_after_crash();
	ck_assert(reads_as(3, 'b'));
}
END_TEST

START_TEST(debt_survives_detach_and_is_backlog_then)
{
	struct extent_list owed = {0};
	uint64_t cursor = 0;

	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	ck_assert_int_eq(residue_next_owed(residue, RESIDUE_DEBT_FRESH, &cursor, 100, &owed), 0);
	ck_assert_uint_eq(extent_list_blocks(&owed), 1);
	ck_assert_int_eq(residue_close_orderly(residue), 0);
	reopen_after_crash();
	ck_assert(!opened.was_unclean);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_RESIDUE);
	extent_list_clear(&owed);
	cursor = 0;
	ck_assert_int_eq(residue_next_owed(residue, RESIDUE_DEBT_BACKLOG, &cursor, 100, &owed), 0);
	ck_assert_uint_eq(extent_list_blocks(&owed), 1);
	ck_assert_uint_eq(cursor, DATA_BLOCKS);
	extent_list_done(&owed);
}
END_TEST

START_TEST(an_orderly_end_gives_untouched_premarked_blocks_back)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_close_orderly(residue), 0);
	reopen_after_crash();
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_LIVE);
	ck_assert_int_eq(class_of(4), RESIDUE_CLASS_CLEAN);
	ck_assert_uint_eq(opened.suspect_blocks, 0);
}
END_TEST

START_TEST(a_closed_volume_takes_no_more_writes)
{
	ck_assert_int_eq(residue_close_orderly(residue), 0);
	ck_assert_int_eq(put(3, 'a'), -ENOTRECOVERABLE);
}
END_TEST

START_TEST(a_used_medium_is_owed_as_a_whole)
{
	struct extent_list all = {0};
	struct eraser_report report;

	teardown();
	ck_assert_int_eq(extent_list_add(&all, (struct extent){0, DATA_BLOCKS}), 0);
	format_it(&all);
	open_it();
	ck_assert_int_eq(class_of(0), RESIDUE_CLASS_RESIDUE);
	report = erase(0, DATA_BLOCKS);
	ck_assert_uint_eq(report.verified_blocks, DATA_BLOCKS);
	ck_assert(medium_shows(DATA_BLOCKS - 1, 0x97));
	extent_list_done(&all);
}
END_TEST

/* --- damage --- */

static void damage(uint64_t block)
{
	memset(buf, 0x5a, BLOCK_BYTES);
	ck_assert_int_eq(blockdev_write(device, (struct extent){block, 1}, buf, BLOCK_BYTES), 0);
}

START_TEST(a_page_with_one_damaged_slot_is_unknown_and_reads_on)
{
	for (unsigned int slot = 0; slot < 2; slot++) {
		ck_assert_int_eq(put(3, 'a'), 0);
		ck_assert_int_eq(residue_flush(residue), 0);
		damage(layout.map.first + slot);
		reopen_after_crash();
		ck_assert_uint_eq(opened.damaged_pages, 1);
		ck_assert(opened.sweep_owed);
		ck_assert_int_eq(class_of(3), RESIDUE_CLASS_UNKNOWN);
		ck_assert_int_eq(class_of(PAGE_BLOCKS), RESIDUE_CLASS_CLEAN);
		ck_assert(reads_as(3, 'a'));
		/* Both slots are whole again, and still say UNKNOWN. */
		reopen_after_crash();
		ck_assert_uint_eq(opened.damaged_pages, 0);
		ck_assert_int_eq(class_of(3), RESIDUE_CLASS_UNKNOWN);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(a_rotted_version_of_a_page_is_damage_and_not_a_newer_version)
{
	const uint64_t areas[] = {layout.map.first, layout.state.first, layout.stuck.first};

	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		struct extent slot = {areas[i] + i % 2, 1};

		ck_assert_int_eq(blockdev_read(device, slot, buf, BLOCK_BYTES), 0);
		buf[9] ^= 0x40; /* the high byte of the version */
		ck_assert_int_eq(blockdev_write(device, slot, buf, BLOCK_BYTES), 0);
		reopen_after_crash();
		ck_assert_uint_eq(opened.damaged_pages, 1);
		ck_assert(reads_as(3, 'a'));
	}
}
END_TEST

START_TEST(a_list_of_remapped_blocks_that_was_empty_may_be_lost)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	damage(layout.stuck.first);
	damage(layout.stuck.first + 1);
	reopen_after_crash();
	ck_assert_uint_eq(opened.damaged_pages, 1);
	ck_assert(reads_as(3, 'a'));
	/* Both copies are whole again. */
	damage(layout.stuck.first);
	reopen_after_crash();
	damage(layout.stuck.first + 1);
	reopen_after_crash();
	ck_assert(reads_as(3, 'a'));
}
END_TEST

START_TEST(unknown_blocks_are_live_once_settled)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(residue_distrust(residue), 0);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_UNKNOWN);
	ck_assert_int_eq(class_of(20), RESIDUE_CLASS_UNKNOWN);
	ck_assert_int_eq(discard(20, 1), 0);
	ck_assert_int_eq(
		class_of(20), RESIDUE_CLASS_UNKNOWN); /* nobody has checked the file system yet */
	residue_allow_unknown_discards(residue);
	ck_assert_int_eq(discard(20, 20), 0);
	ck_assert_int_eq(class_of(20), RESIDUE_CLASS_SUSPECT);
	ck_assert_int_eq(residue_settle_unknown(residue), 0);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_LIVE);
	ck_assert(reads_as(3, 'a'));
	erase(0, DATA_BLOCKS);
	ck_assert_int_eq(class_of(20), RESIDUE_CLASS_CLEAN);
	ck_assert(medium_shows(20, 0));
}
END_TEST

START_TEST(nothing_is_erased_before_a_file_systems_map_is_trusted)
{
	ck_assert_int_eq(residue_set_filesystem_expected(residue, true), 0);
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	reopen_after_crash();
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_SUSPECT);
	erase(0, DATA_BLOCKS);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_SUSPECT);
	residue_trust(residue);
	erase(0, DATA_BLOCKS);
	ck_assert_int_eq(class_of(3), RESIDUE_CLASS_CLEAN);
}
END_TEST

START_TEST(a_map_of_another_key_is_not_believed)
{
	struct residue_parts p;
	struct residue *other = NULL;
	struct problem problem = {""};

	ck_assert_int_eq(residue_close_orderly(residue), 0);
	forget();
	secret_free(key);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	p = parts();
	ck_assert_int_eq(residue_open(&p, &other, &opened, &problem), -EBADMSG);
	ck_assert_ptr_null(other);
	ck_assert_str_ne(problem.text, "");
}
END_TEST

/* --- retirement --- */

START_TEST(a_watched_block_that_is_written_is_not_condemned)
{
	struct extent_list blocks = {0}, owed = {0};
	struct residue_watch *watch;
	uint64_t lost;

	for (uint64_t b = 0; b < 4; b++)
		ck_assert_int_eq(put(b, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){0, 4}), 0);
	ck_assert_int_eq(residue_watch_new(residue, &blocks, &watch), 0);
	ck_assert_int_eq(put(1, 'z'), 0);
	ck_assert_int_eq(residue_watch_condemn(residue, watch, &owed, &lost), 0);
	ck_assert_uint_eq(lost, 1);
	ck_assert_uint_eq(extent_list_blocks(&owed), 3);
	residue_watch_free(residue, watch);
	erase(0, 4);
	ck_assert(reads_as(1, 'z'));
	ck_assert(reads_as(2, 0));
	ck_assert(medium_shows(2, 0x97));
	extent_list_done(&blocks);
	extent_list_done(&owed);
}
END_TEST

/* --- growth, and the volume as a plain device --- */

START_TEST(a_grown_volume_keeps_its_data_and_its_size)
{
	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	ck_assert_int_eq(truncate(path, (off_t)(layout.data_first + 60) * BLOCK_BYTES), 0);
	ck_assert_int_eq(raw_refresh_size(device), 0);
	ck_assert_int_eq(residue_grow(residue, 60, false), 0);
	ck_assert_int_eq(put(59, 'b'), 0);
	ck_assert_int_eq(residue_flush(residue), 0);
	reopen_after_crash();
	ck_assert_uint_eq(residue_blocks(residue), 60);
	ck_assert(reads_as(3, 'a'));
	ck_assert(reads_as(59, 'b'));
	ck_assert_int_eq(residue_grow(residue, MOST_BLOCKS + 1, false), -EFBIG);
}
END_TEST

START_TEST(an_image_cut_short_is_refused_with_both_sizes)
{
	struct residue_parts p;
	struct residue *cut = NULL;
	struct problem problem = {""};
	struct raw_options options = {.block_bytes = BLOCK_BYTES};

	forget();
	device = blockdev_close(device);
	ck_assert_int_eq(truncate(path, (off_t)(layout.data_first + 10) * BLOCK_BYTES), 0);
	ck_assert_int_eq(raw_open(path, &options, &device, NULL), 0);
	p = parts();
	ck_assert_int_eq(residue_open(&p, &cut, &opened, &problem), -ENXIO);
	ck_assert_ptr_nonnull(strstr(problem.text, "cut short"));
}
END_TEST

START_TEST(the_sanitizing_device_erases_before_it_writes)
{
	struct blockdev *bd;

	ck_assert_int_eq(put(3, 'a'), 0);
	ck_assert_int_eq(discard(3, 1), 0);
	ck_assert_int_eq(sanitizing_new(residue, eraser, &bd), 0);
	memset(buf, 'c', 2 * BLOCK_BYTES);
	ck_assert_int_eq(blockdev_write(bd, (struct extent){3, 2}, buf, 2 * BLOCK_BYTES), 0);
	ck_assert_int_eq(blockdev_flush(bd), 0);
	blockdev_close(bd);
	ck_assert(reads_as(3, 'c'));
	ck_assert(reads_as(4, 'c'));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("eraser");
	TCase *tcase = tcase_create("residue map and eraser");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_fresh_volume_is_clean_and_reads_zeros);
	tcase_add_test(tcase, what_is_written_reads_back_and_lies_encrypted);
	tcase_add_test(tcase, what_was_flushed_survives_a_crash);
	tcase_add_test(tcase, what_was_not_flushed_is_suspect_and_never_clean_after_a_crash);
	tcase_add_test(tcase, a_discarded_block_reads_zeros_and_is_owed);
	tcase_add_test(tcase, the_eraser_leaves_the_last_pattern_and_a_clean_block);
	tcase_add_test(tcase, a_write_to_an_owed_block_is_refused_until_it_is_erased);
	tcase_add_test(tcase, an_erased_block_that_was_reused_and_flushed_survives);
	tcase_add_test(tcase, debt_survives_detach_and_is_backlog_then);
	tcase_add_test(tcase, an_orderly_end_gives_untouched_premarked_blocks_back);
	tcase_add_test(tcase, a_closed_volume_takes_no_more_writes);
	tcase_add_test(tcase, a_used_medium_is_owed_as_a_whole);
	tcase_add_test(tcase, a_page_with_one_damaged_slot_is_unknown_and_reads_on);
	tcase_add_test(tcase, a_rotted_version_of_a_page_is_damage_and_not_a_newer_version);
	tcase_add_test(tcase, a_list_of_remapped_blocks_that_was_empty_may_be_lost);
	tcase_add_test(tcase, unknown_blocks_are_live_once_settled);
	tcase_add_test(tcase, nothing_is_erased_before_a_file_systems_map_is_trusted);
	tcase_add_test(tcase, a_map_of_another_key_is_not_believed);
	tcase_add_test(tcase, a_watched_block_that_is_written_is_not_condemned);
	tcase_add_test(tcase, a_grown_volume_keeps_its_data_and_its_size);
	tcase_add_test(tcase, an_image_cut_short_is_refused_with_both_sizes);
	tcase_add_test(tcase, the_sanitizing_device_erases_before_it_writes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
