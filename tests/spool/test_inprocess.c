/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_inprocess.c - files in and out of a volume that is not mounted
 *
 * Goal: what goes in comes out; after each operation e2fsck is content; after each retirement
 * nothing of the file is left in what the volume reads as, and everything free is CLEAN and
 * shows a pattern on the medium; what is refused changes nothing.
 *
 * Method: the rig of tests/support/spool_rig.h; sizes on the edges of blocks and chunks.
 */
#include "spool/ext4_check.h"
#include "tests/support/simdisk.h"
#include "tests/support/spool_rig.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATA_BLOCKS = 6144, CHUNK = 8 << 20, BIG = CHUNK + 5 };

static struct spool_rig rig;
static struct blockdev *disk;
static char *big, *got;

static void setup(void)
{
	disk = spool_rig_make(&rig, DATA_BLOCKS);
	ck_assert_int_eq(spool_rig_open(&rig, disk, false), 0);
	big = malloc(BIG);
	got = malloc(BIG);
	ck_assert(big && got);
	for (size_t i = 0; i < BIG; i++)
		big[i] = "body of a job; "[i % 15];
}

static void teardown(void)
{
	spool_rig_done(&rig);
	disk = blockdev_close(disk);
	free(big);
	free(got);
}

static void put(const char *name, const void *bytes, size_t count)
{
	int r = spool_rig_put(&rig, name, bytes, count);

	ck_assert_msg(r == 0, "put %s: %s", name, problem_text(&rig.problem, r));
}

static void check_file(const char *name, const void *bytes, size_t count)
{
	size_t got_bytes = 0;
	int r = spool_rig_get(&rig, name, got, BIG, &got_bytes);

	ck_assert_msg(r == 0, "get %s: %s", name, problem_text(&rig.problem, r));
	ck_assert_uint_eq(got_bytes, count);
	ck_assert(memcmp(got, bytes, count) == 0);
}

static int retire(const char *const *names, size_t count, struct inprocess_retired *retired)
{
	return inprocess_complete(rig.inprocess, names, count, retired, &rig.problem);
}

static void retire_one(const char *name)
{
	struct inprocess_retired retired;
	int r = retire(&name, 1, &retired);

	ck_assert_msg(r == 0, "retire %s: %s", name, problem_text(&rig.problem, r));
}

static void reopen(void)
{
	int r = spool_rig_close(&rig);

	ck_assert_msg(r == 0, "close: %s", problem_text(&rig.problem, r));
	r = spool_rig_open(&rig, disk, false);
	ck_assert_msg(r == 0, "open: %s", problem_text(&rig.problem, r));
}

/* --- in and out --- */

START_TEST(files_of_every_edge_size_come_out_as_they_went_in)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65536, CHUNK - 1, CHUNK, BIG};
	char name[64];

	snprintf(name, sizeof(name), "a/b/file-%zu", sizes[_i]);
	put(name, big, sizes[_i]);
	check_file(name, big, sizes[_i]);
	ck_assert(spool_rig_is_whole(&rig));
	reopen();
	check_file(name, big, sizes[_i]);
	ck_assert(!rig.opened.sweep_owed);
	retire_one(name);
	ck_assert(!spool_rig_has(&rig, name));
	ck_assert(spool_rig_is_whole(&rig));
	ck_assert(spool_rig_is_paid(&rig));
	ck_assert_uint_eq(spool_rig_count(&rig, "body of a job", 13), 0);
}
END_TEST

START_TEST(zeros_become_holes_and_come_out_as_zeros)
{
	const struct inprocess_put_options options = {.mode = 0600};
	struct inprocess_put_report report;
	int fd;

	memset(big + 4096, 0, CHUNK - 3 * 4096);
	fd = spool_rig_source(big, CHUNK);
	ck_assert_int_eq(
		inprocess_put(rig.inprocess, fd, "sparse", &options, &report, &rig.problem), 0);
	close(fd);
	ck_assert_uint_eq(report.data_blocks, 3);
	check_file("sparse", big, CHUNK);
	ck_assert(spool_rig_is_whole(&rig));
	retire_one("sparse");
	ck_assert(spool_rig_is_paid(&rig));
}
END_TEST

struct seen {
	struct inprocess_entry entry;
	size_t count;
};

static void see(void *context, const struct inprocess_entry *entry)
{
	struct seen *seen = context;

	seen->entry = *entry;
	seen->count++;
}

START_TEST(a_listing_tells_what_the_file_is)
{
	struct seen seen = {.count = 0};

	put("dir/job", big, 5000);
	ck_assert_int_eq(inprocess_list(rig.inprocess, "dir", see, &seen, &rig.problem), 0);
	ck_assert_uint_eq(seen.count, 1);
	ck_assert_str_eq(seen.entry.name, "job");
	ck_assert_uint_eq(seen.entry.mode, 0100640);
	ck_assert_uint_eq(seen.entry.uid, 70000);
	ck_assert_uint_eq(seen.entry.bytes, 5000);
	ck_assert_int_eq(seen.entry.modified_wall_s, 1000000);
}
END_TEST

START_TEST(a_file_in_many_pieces_comes_out_and_is_retired_whole)
{
	char name[32];
	size_t bytes = 0;

	/* Every second small file goes: what is free is in pieces. */
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "small-%d", i);
		put(name, big, 30000);
	}
	for (int i = 0; i < 300; i += 2) {
		snprintf(name, sizeof(name), "small-%d", i);
		retire_one(name);
	}
	ck_assert(spool_rig_is_whole(&rig));
	for (bytes = CHUNK; spool_rig_put(&rig, "pieces", big, bytes) == -ENOSPC; bytes -= 1 << 20)
		ck_assert_uint_gt(bytes, 5 << 20);
	check_file("pieces", big, bytes);
	ck_assert(spool_rig_is_whole(&rig));
	retire_one("pieces");
	ck_assert(spool_rig_is_whole(&rig));
	ck_assert(spool_rig_is_paid(&rig));
	check_file("small-1", big, 30000);
}
END_TEST

START_TEST(many_files_are_retired_in_one_call)
{
	enum { FILES = 250 };
	struct inprocess_retired retired;
	char names[FILES][32];
	const char *list[FILES];
	int r;

	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "many/TITLE-%d-of-a-job", i);
		list[i] = names[i];
		put(names[i], big, 4097);
	}
	put("many/other", big, 4097);
	r = retire(list, FILES, &retired);
	ck_assert_msg(r == 0, "%s", problem_text(&rig.problem, r));
	ck_assert_uint_eq(retired.retirement.requested_blocks, 2 * FILES);
	ck_assert_uint_eq(retired.retirement.verified_blocks, 2 * FILES);
	ck_assert_uint_eq(retired.retirement.refused_blocks, 0);
	ck_assert_uint_eq(retired.bytes, FILES * 4097);
	ck_assert_uint_eq(spool_rig_count(&rig, "TITLE-", 6), 0);
	check_file("many/other", big, 4097);
	ck_assert(spool_rig_is_whole(&rig));
	ck_assert(spool_rig_is_paid(&rig));
}
END_TEST

START_TEST(what_went_through_the_journal_is_gone)
{
	struct extent_list journal = {0};
	struct inprocess_retired retired;
	const char *name = "job";
	ext2_filsys fs;
	struct extent middle;

	ck_assert_int_eq(ext4_open_read_only(rig.below, &fs, &rig.problem), 0);
	ck_assert_int_eq(ext4_journal_extents(fs, &journal), 0);
	ext2fs_free(fs);
	middle = journal.items[journal.count - 1];
	ck_assert_uint_ge(middle.count, 500);
	middle = (struct extent){middle.first + 400, 2};
	extent_list_done(&journal);
	ck_assert_int_eq(blockdev_write(rig.below, middle, big, 8192), 0);
	put(name, big, 100);
	ck_assert_uint_gt(spool_rig_count(&rig, "body of a job", 13), 10);
	ck_assert_int_eq(retire(&name, 1, &retired), 0);
	ck_assert_uint_eq(retired.journal_blocks, 2);
	ck_assert_uint_eq(spool_rig_count(&rig, "body of a job", 13), 0);
	ck_assert(spool_rig_is_whole(&rig));
	ck_assert(spool_rig_is_paid(&rig));
}
END_TEST

/* --- refusals --- */

START_TEST(one_refused_name_leaves_all_files_alone)
{
	static const char *const bad[] = {"none", "dir", "dir/none", "job/x", "job", "../job", "."};
	const char *names[] = {"job", "other", bad[_i]};
	struct inprocess_retired retired;

	put("job", big, 100);
	put("other", big, 100);
	put("dir/job", big, 100);
	ck_assert_int_lt(retire(names, 3, &retired), 0);
	ck_assert_str_ne(rig.problem.text, "");
	check_file("job", big, 100);
	check_file("other", big, 100);
	ck_assert(spool_rig_is_whole(&rig));
}
END_TEST

START_TEST(a_full_file_system_is_left_as_it_was)
{
	char *more = calloc(1, 40 << 20);

	put("kept", big, 5000);
	memset(more, 'x', 40 << 20);
	ck_assert_int_eq(spool_rig_put(&rig, "too/big", more, 40 << 20), -ENOSPC);
	ck_assert(strstr(rig.problem.text, "full"));
	free(more);
	ck_assert(!spool_rig_has(&rig, "too"));
	check_file("kept", big, 5000);
	put("next", big, 5000);
	ck_assert(spool_rig_is_whole(&rig));
	reopen();
	ck_assert(spool_rig_is_paid(&rig));
	ck_assert_uint_eq(spool_rig_count(&rig, "xxxxxxxxxxxxxxxx", 16), 0);
}
END_TEST

START_TEST(a_change_that_no_record_can_hold_is_refused_whole)
{
	ck_assert_int_eq(spool_rig_close(&rig), 0);
	rig.layout.redo.count = 8;
	ck_assert_int_eq(spool_rig_open(&rig, disk, false), 0);
	ck_assert_int_eq(spool_rig_put(&rig, "a/b/c/d/e/f/g/h/i/job", big, 100), -EFBIG);
	ck_assert(strstr(rig.problem.text, "redo area"));
	ck_assert(!spool_rig_has(&rig, "a"));
	ck_assert(spool_rig_is_whole(&rig));
	reopen();
	ck_assert(spool_rig_is_paid(&rig));
}
END_TEST

START_TEST(nothing_is_written_when_opened_for_reading)
{
	struct inprocess_retired retired;
	const char *name = "job";

	put(name, big, 100);
	ck_assert_int_eq(spool_rig_close(&rig), 0);
	simdisk_log_start(disk);
	ck_assert_int_eq(spool_rig_open(&rig, disk, true), 0);
	check_file(name, big, 100);
	ck_assert_int_eq(spool_rig_put(&rig, "x", big, 100), -EROFS);
	ck_assert_int_eq(retire(&name, 1, &retired), -EROFS);
	ck_assert_int_eq(spool_rig_close(&rig), 0);
	ck_assert_uint_eq(simdisk_log_count(disk), 0);
	simdisk_log_stop(disk);
	ck_assert_int_eq(spool_rig_open(&rig, disk, false), 0);
}
END_TEST

START_TEST(names_of_every_length_are_taken_or_refused)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	put(name, big, 10);
	check_file(name, big, 10);
	retire_one(name);
	name[255] = 'n';
	name[256] = '\0';
	ck_assert_int_eq(spool_rig_put(&rig, name, big, 10), -ENAMETOOLONG);
	ck_assert_int_eq(spool_rig_put(&rig, "", big, 10), -EEXIST);
	ck_assert_int_eq(spool_rig_put(&rig, "/", big, 10), -EEXIST);
	put("//twice//slashed", big, 10);
	check_file("twice/slashed", big, 10);
	ck_assert(spool_rig_is_whole(&rig));
}
END_TEST

/* --- the medium refuses --- */

START_TEST(a_block_that_the_medium_refuses_is_not_called_written)
{
	struct inprocess_retired retired;
	struct extent_list extents = {0};
	const char *name = "job";
	ext2_filsys fs;
	ext2_ino_t inode;
	uint64_t bad;

	put(name, big, 40000);
	ck_assert_int_eq(ext4_open_read_only(rig.below, &fs, &rig.problem), 0);
	ck_assert_int_eq(ext2fs_lookup(fs, EXT2_ROOT_INO, name, 3, NULL, &inode), 0);
	ck_assert_int_eq(ext4_inode_extents(fs, inode, &extents), 0);
	ext2fs_free(fs);
	bad = rig.layout.data_first + extents.items[0].first + 3;
	extent_list_done(&extents);
	/* The block and every spare: nothing can take it over. */
	simdisk_break(disk, (struct extent){bad, 1}, SIMDISK_WRITE, EIO);
	simdisk_break(disk, rig.layout.spare, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(retire(&name, 1, &retired), 0);
	ck_assert_uint_eq(retired.retirement.requested_blocks, 10);
	ck_assert_uint_eq(retired.retirement.verified_blocks, 9);
	ck_assert_uint_eq(retired.retirement.written_blocks, 9);
	ck_assert_uint_eq(retired.retirement.refused_blocks, 1);
	simdisk_mend(disk);
	ck_assert(spool_rig_is_whole(&rig));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("in-process");
	TCase *tcase = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, files_of_every_edge_size_come_out_as_they_went_in, 0, 9);
	tcase_add_test(tcase, zeros_become_holes_and_come_out_as_zeros);
	tcase_add_test(tcase, a_listing_tells_what_the_file_is);
	tcase_add_test(tcase, a_file_in_many_pieces_comes_out_and_is_retired_whole);
	tcase_add_test(tcase, many_files_are_retired_in_one_call);
	tcase_add_test(tcase, what_went_through_the_journal_is_gone);
	tcase_add_loop_test(tcase, one_refused_name_leaves_all_files_alone, 0, 7);
	tcase_add_test(tcase, a_full_file_system_is_left_as_it_was);
	tcase_add_test(tcase, a_change_that_no_record_can_hold_is_refused_whole);
	tcase_add_test(tcase, nothing_is_written_when_opened_for_reading);
	tcase_add_test(tcase, names_of_every_length_are_taken_or_refused);
	tcase_add_test(tcase, a_block_that_the_medium_refuses_is_not_called_written);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
