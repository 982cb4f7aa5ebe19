/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ext4_check.c - which ext4 may be a spool, and which blocks it owns
 *
 * Goal: every forbidden feature is refused by its name, damage is told from
 * absence, and the extents agree with what e2fsprogs say.  Method: file systems
 * made by mkfs.ext4 and changed by debugfs on sparse files; dumpe2fs and
 * debugfs are the other opinion.
 */
#include "base/bytes.h"
#include "blockdev/raw.h"
#include "spool/ext4_check.h"
#include "spool/ext4_make.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char image[64];
static struct blockdev *disk;
static struct ext4_report report;
static struct problem problem;

static int run(const char *format, ...) format_printf(1, 2);
static int run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

static void setup(void)
{
	int fd;

	strcpy(image, "/tmp/test_ext4_check.XXXXXX");
	fd = mkstemp(image);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 64 << 20), 0);
	close(fd);
	setenv("MKE2FS_DEVICE_SECTSIZE", "512", 1); /* nothing of this machine's device */
	memset(&problem, 0, sizeof(problem));
}

static void teardown(void)
{
	disk = blockdev_close(disk);
	unlink(image);
}

static void make(const char *options)
{
	ck_assert_int_eq(run("mkfs.ext4 -q -F %s %s >/dev/null 2>&1", options, image), 0);
}

static int check(void)
{
	const struct raw_options options = {
		.read_only = true, .buffered = true, .block_bytes = BLOCK_BYTES};

	disk = blockdev_close(disk);
	ck_assert_int_eq(raw_open(image, &options, &disk, NULL), 0);
	return ext4_check(disk, &report, &problem);
}

static void patch(uint64_t at, const void *bytes, size_t count)
{
	int fd = open(image, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)at), (ssize_t)count);
	close(fd);
}

START_TEST(an_ordinary_ext4_is_accepted_and_described)
{
	make("-b 4096 -L spooled -U 6b2c0f0e-90ea-4f8d-a2c5-0c4a3f5d8e11");
	ck_assert_int_eq(check(), 0);
	ck_assert(report.is_ext4 && report.has_journal && report.is_clean);
	ck_assert(!report.needs_recovery && !report.has_errors);
	ck_assert_str_eq(report.label, "spooled");
	ck_assert_str_eq(report.uuid, "6b2c0f0e-90ea-4f8d-a2c5-0c4a3f5d8e11");
	ck_assert_uint_eq(report.blocks, 16384);
	ck_assert_uint_gt(report.free_blocks, 10000);
	ck_assert_uint_eq(report.mount_count, 0);
	ck_assert_int_gt(report.written_wall_s, 1500000000);
	ck_assert_int_eq(report.mounted_wall_s, 0);
	ck_assert_str_eq(report.warning.text, "");
}
END_TEST

START_TEST(what_is_no_ext4_is_no_error)
{
	ck_assert_int_eq(check(), 0);
	ck_assert(!report.is_ext4);

	ck_assert_int_eq(run("mkswap -q %s >/dev/null 2>&1", image), 0);
	ck_assert_int_eq(check(), 0);
	ck_assert(!report.is_ext4);
}
END_TEST

static const struct {
	const char *options;
	const char *said;
} refused[] = {
	{"-b 4096 -O inline_data", "inline_data"},
	{"-b 1024", "1024 bytes"},
	{"-b 2048", "2048 bytes"},
	{"-b 4096 -O bigalloc -C 16384", "bigalloc"},
	{"-b 4096 -O encrypt", "encrypt"},
	{"-b 4096 -O verity", "verity"},
	{"-b 4096 -O journal_dev", "journal of another file system"},
};

START_TEST(each_forbidden_feature_is_refused_by_its_name)
{
	make(refused[_i].options);
	ck_assert_int_eq(check(), -EOPNOTSUPP);
	ck_assert_msg(strstr(problem.text, refused[_i].said) != NULL, "%s: %s", refused[_i].options,
		problem.text);
	ck_assert(report.is_ext4);
}
END_TEST

static const char *const accepted[] = {
	"-b 4096 -O casefold -E encoding=utf8",
	"-b 4096 -O quota",
	"-b 4096 -O ea_inode,large_dir",
	"-b 4096 -O meta_bg,^resize_inode",
	"-b 4096 -O ^metadata_csum,^64bit",
	"-b 4096 -t ext3",
	"-b 4096 -O mmp",
	"-b 4096 -O fast_commit",
};

START_TEST(harmless_features_are_accepted)
{
	make(accepted[_i]);
	ck_assert_msg(check() == 0, "%s: %s", accepted[_i], problem.text);
	ck_assert(report.is_ext4);
}
END_TEST

START_TEST(data_journalling_by_default_is_refused)
{
	make("-b 4096");
	ck_assert_int_eq(run("tune2fs -o journal_data %s >/dev/null 2>&1", image), 0);
	ck_assert_int_eq(check(), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(problem.text, "journal_data"));

	ck_assert_int_eq(
		run("tune2fs -o ^journal_data,journal_data_writeback %s >/dev/null 2>&1", image),
		0);
	ck_assert_int_eq(check(), 0);
}
END_TEST

START_TEST(an_external_journal_is_refused)
{
	const char *features = "features has_journal";

	make("-b 4096 -O ^has_journal");
	/* As mke2fs -J device= leaves it: a journal, and no inode of it. */
	ck_assert_int_eq(
		run("debugfs -w -R 'set_super_value feature_compat 0x3c' %s >/dev/null 2>&1; "
		    "debugfs -w -R '%s' %s >/dev/null 2>&1",
			image, features, image),
		0);
	ck_assert_int_eq(check(), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(problem.text, "external journal"));
}
END_TEST

START_TEST(without_a_journal_the_user_is_warned)
{
	make("-b 4096 -O ^has_journal");
	ck_assert_int_eq(check(), 0);
	ck_assert(!report.has_journal);
	ck_assert_ptr_nonnull(strstr(report.warning.text, "e2fsck"));
}
END_TEST

START_TEST(a_journal_that_needs_recovery_is_reported)
{
	make("-b 4096");
	ck_assert_int_eq(
		run("debugfs -w -R 'features needs_recovery' %s >/dev/null 2>&1", image), 0);
	ck_assert_int_eq(check(), 0);
	ck_assert(report.needs_recovery);
}
END_TEST

START_TEST(recorded_errors_are_reported)
{
	make("-b 4096");
	ck_assert_int_eq(
		run("debugfs -w -R 'set_super_value state 2' %s >/dev/null 2>&1", image), 0);
	ck_assert_int_eq(check(), 0);
	ck_assert(report.has_errors && !report.is_clean);
	ck_assert_ptr_nonnull(strstr(report.warning.text, "errors"));
}
END_TEST

START_TEST(a_damaged_superblock_is_told_from_none)
{
	make("-b 4096");
	patch(1024 + 0x200, "\xff", 1);
	ck_assert_int_eq(check(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "checksum"));
}
END_TEST

START_TEST(an_unknown_incompatible_feature_is_refused)
{
	const uint8_t unknown[4] = {0xc2, 0x02, 0x00, 0x40};

	make("-b 4096 -O ^metadata_csum");
	patch(1024 + 0x60, unknown, sizeof(unknown));
	ck_assert_int_eq(check(), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(problem.text, "0x40000000"));
}
END_TEST

START_TEST(a_file_system_larger_than_its_volume_is_refused)
{
	make("-b 4096");
	ck_assert_int_eq(truncate(image, 60 << 20), 0);
	ck_assert_int_eq(check(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "cut short"));
}
END_TEST

START_TEST(an_unreadable_first_block_is_an_error)
{
	make("-b 4096");
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(truncate(image, 0), 0);
	ck_assert_int_eq(ext4_check(disk, &report, &problem), -EIO);
	ck_assert_ptr_nonnull(strstr(problem.text, "first block"));
}
END_TEST

START_TEST(our_own_ext4_is_accepted)
{
	const struct raw_options options = {.buffered = true, .block_bytes = BLOCK_BYTES};
	struct blockdev *writable = NULL;

	ck_assert_int_eq(raw_open(image, &options, &writable, NULL), 0);
	ck_assert_int_eq(ext4_make(writable, "spool", &problem), 0);
	writable = blockdev_close(writable);
	ck_assert_int_eq(check(), 0);
	ck_assert(report.is_ext4 && report.has_journal && report.is_clean);
	ck_assert_str_eq(report.warning.text, "");
}
END_TEST

/* --- extents --- */

static uint64_t asked(const char *command)
{
	char line[512] = "";
	FILE *pipe;

	snprintf(line, sizeof(line), "%s %s 2>/dev/null", command, image);
	pipe = popen(line, "re");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), pipe));
	pclose(pipe);
	return strtoull(line, NULL, 0);
}

/* Every block of a run asked of debugfs: all free, or all in use. */
static void assert_debugfs_says(struct extent run, bool is_free)
{
	char command[128];

	snprintf(command, sizeof(command),
		"f() { debugfs -R 'testb %llu %llu' \"$1\" | grep -c %s; }; f",
		(unsigned long long)run.first, (unsigned long long)run.count,
		is_free ? "'not in use'" : "'marked in use'");
	ck_assert_uint_eq(asked(command), run.count);
}

START_TEST(free_extents_are_those_of_the_bitmaps)
{
	static const char free_count[] =
		"f() { dumpe2fs -h \"$1\" | awk '/^Free blocks/ {print $3}'; }; f";
	struct extent_list list = {0};
	ext2_filsys fs = NULL;

	make("-b 4096 -g 4096");
	ck_assert_int_eq(run("head -c 3000000 /dev/zero | tr '\\0' x > %s.file; "
			     "debugfs -w -R 'write %s.file job' %s >/dev/null 2>&1; rm %s.file",
				 image, image, image, image),
		0);
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(ext4_open_read_only(disk, &fs, &problem), 0);
	ck_assert_int_eq(ext4_free_extents(fs, &list), 0);
	ck_assert_uint_eq(extent_list_blocks(&list), asked(free_count));
	ck_assert_uint_ge(list.count, 2);
	for (size_t i = 0; i < list.count; i++) {
		assert_debugfs_says(list.items[i], true);
		if (i > 0)
			assert_debugfs_says(
				(struct extent){extent_end(list.items[i - 1]),
					list.items[i].first - extent_end(list.items[i - 1])},
				false);
	}
	extent_list_done(&list);
	ext2fs_free(fs);
}
END_TEST

START_TEST(journal_extents_are_those_of_inode_8)
{
	static const char count[] =
		"f() { debugfs -R 'blocks <8>' \"$1\" | tr ' ' '\\n' | grep -c .; }; f";
	static const char first[] = "f() { debugfs -R 'blocks <8>' \"$1\"; }; f";
	struct extent_list list = {0};
	ext2_filsys fs = NULL;

	make("-b 4096 -J size=8");
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(ext4_open_read_only(disk, &fs, &problem), 0);
	ck_assert_int_eq(ext4_journal_extents(fs, &list), 0);
	ck_assert_uint_eq(extent_list_blocks(&list), asked(count));
	ck_assert(extent_list_overlaps(&list, (struct extent){asked(first), 1}));
	extent_list_done(&list);
	ext2fs_free(fs);

	make("-b 4096 -O ^has_journal");
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(ext4_open_read_only(disk, &fs, &problem), 0);
	ck_assert_int_eq(ext4_journal_extents(fs, &list), 0);
	ck_assert_uint_eq(list.count, 0);
	ext2fs_free(fs);
}
END_TEST

START_TEST(damaged_bitmaps_are_an_error)
{
	static const char bitmap[] = "f() { dumpe2fs \"$1\" | "
				     "awk '/Block bitmap at/ {print $4; exit}'; }; f";
	ext2_filsys fs = NULL;

	make("-b 4096");
	patch(asked(bitmap) * BLOCK_BYTES, "\x5a\x5a", 2);
	ck_assert_int_eq(check(), 0);
	ck_assert_int_lt(ext4_open_read_only(disk, &fs, &problem), 0);
	ck_assert_ptr_nonnull(strstr(problem.text, "e2fsck"));
	ck_assert_ptr_null(fs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ext4_check");
	TCase *tcase = tcase_create("superblock");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, an_ordinary_ext4_is_accepted_and_described);
	tcase_add_test(tcase, what_is_no_ext4_is_no_error);
	tcase_add_loop_test(
		tcase, each_forbidden_feature_is_refused_by_its_name, 0, (int)ARRAY_SIZE(refused));
	tcase_add_loop_test(tcase, harmless_features_are_accepted, 0, (int)ARRAY_SIZE(accepted));
	tcase_add_test(tcase, data_journalling_by_default_is_refused);
	tcase_add_test(tcase, an_external_journal_is_refused);
	tcase_add_test(tcase, without_a_journal_the_user_is_warned);
	tcase_add_test(tcase, a_journal_that_needs_recovery_is_reported);
	tcase_add_test(tcase, recorded_errors_are_reported);
	tcase_add_test(tcase, a_damaged_superblock_is_told_from_none);
	tcase_add_test(tcase, an_unknown_incompatible_feature_is_refused);
	tcase_add_test(tcase, a_file_system_larger_than_its_volume_is_refused);
	tcase_add_test(tcase, an_unreadable_first_block_is_an_error);
	tcase_add_test(tcase, our_own_ext4_is_accepted);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("extents");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, free_extents_are_those_of_the_bitmaps);
	tcase_add_test(tcase, journal_extents_are_those_of_inode_8);
	tcase_add_test(tcase, damaged_bitmaps_are_an_error);
	suite_add_tcase(suite, tcase);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
