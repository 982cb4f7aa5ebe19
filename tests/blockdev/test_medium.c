/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_medium.c - what overwriting can promise, by medium
 *
 * Goal: each file system and each kind of file that does not write in place gets
 * the verdict and the words for it, the worst of several layers wins, and nothing
 * else is accused.  Method: the pure verdict on a table of facts; then real files
 * on what this machine can mount (a file system that it cannot is passed over:
 * the table has it).
 */
#include "base/io.h"
#include "blockdev/file_map.h"
#include "blockdev/medium.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct case_of {
	struct medium_facts facts;
	enum medium_promise promise;
	const char *word;
};

#define ON(magic)                                                                                  \
	{                                                                                          \
		.direct = true, .file_system = (magic)                                             \
	}

static const struct case_of cases[] = {
	{{.is_device = true, .direct = true}, MEDIUM_NOT_ASSESSED, ""},
	{ON(EXT4_SUPER_MAGIC), MEDIUM_NOT_ASSESSED, ""},
	{ON(XFS_SUPER_MAGIC), MEDIUM_NOT_ASSESSED, ""},
	{ON(MSDOS_SUPER_MAGIC), MEDIUM_NOT_ASSESSED, ""},
	{ON(0x77777777), MEDIUM_NOT_ASSESSED, ""},
	{ON(BTRFS_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "btrfs"},
	{ON(0x2fc12fc1), MEDIUM_NOT_IN_PLACE, "zfs"},
	{ON(0xca451a4e), MEDIUM_NOT_IN_PLACE, "bcachefs"},
	{ON(F2FS_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "f2fs"},
	{ON(NILFS_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "nilfs2"},
	{ON(OVERLAYFS_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "overlayfs"},
	{ON(NFS_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "NFS"},
	{ON(FUSE_SUPER_MAGIC), MEDIUM_NOT_IN_PLACE, "FUSE"},
	{ON(TMPFS_MAGIC), MEDIUM_CACHE_ONLY, "tmpfs"},
	{{.direct = false, .file_system = EXT4_SUPER_MAGIC}, MEDIUM_CACHE_ONLY, "O_DIRECT"},
	{{.through_loop = true, .file_system = EXT4_SUPER_MAGIC}, MEDIUM_CACHE_ONLY, "loop"},
	{{.direct = true, .file_system = FUSE_SUPER_MAGIC, .is_volume = true}, MEDIUM_NOT_IN_PLACE,
		"job complete"},
	/* Worse is said before bad. */
	{{.direct = false, .file_system = BTRFS_SUPER_MAGIC}, MEDIUM_NOT_IN_PLACE, "btrfs"},
	{{.direct = true, .file_system = BTRFS_SUPER_MAGIC, .attributes = FS_NOCOW_FL},
		MEDIUM_NOT_ASSESSED, ""},
	{{.direct = true,
		 .file_system = BTRFS_SUPER_MAGIC,
		 .attributes = FS_NOCOW_FL,
		 .extent_flags = FIEMAP_EXTENT_SHARED},
		MEDIUM_NOT_IN_PLACE, "reflink"},
	{{.direct = true, .file_system = EXT4_SUPER_MAGIC, .attributes = FS_NOCOW_FL},
		MEDIUM_NOT_ASSESSED, ""},
	{{.direct = true,
		 .file_system = XFS_SUPER_MAGIC,
		 .extent_flags = FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_UNWRITTEN},
		MEDIUM_NOT_IN_PLACE, "reflink"},
	{{.direct = true, .file_system = XFS_SUPER_MAGIC, .extent_flags = FIEMAP_EXTENT_UNWRITTEN},
		MEDIUM_NOT_ASSESSED, ""},
	{{.direct = true, .file_system = EXT4_SUPER_MAGIC, .extent_flags = FIEMAP_EXTENT_ENCODED},
		MEDIUM_NOT_IN_PLACE, "compressed"},
	{{.direct = true, .file_system = 0x77777777, .attributes = FS_COMPR_FL},
		MEDIUM_NOT_IN_PLACE, "compressed"},
	{{.direct = true,
		 .file_system = EXT4_SUPER_MAGIC,
		 .extent_flags = FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_ENCODED},
		MEDIUM_NOT_IN_PLACE, "encrypts"},
	{{.direct = true,
		 .file_system = EXT4_SUPER_MAGIC,
		 .extent_flags = FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED},
		MEDIUM_NOT_IN_PLACE, "inside metadata"},
	{{.direct = true, .file_system = EXT4_SUPER_MAGIC, .attributes = FS_JOURNAL_DATA_FL},
		MEDIUM_NOT_IN_PLACE, "journal"},
	{{.direct = true, .file_system = EXT4_SUPER_MAGIC, .journals_data = true},
		MEDIUM_NOT_IN_PLACE, "journal"},
};

static char directory[PATH_MAX];
static char image[PATH_MAX], mount_point[PATH_MAX], inside[PATH_MAX];

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(image, sizeof(image), "%.1000s/image", directory);
	snprintf(mount_point, sizeof(mount_point), "%.1000s/mount", directory);
	snprintf(inside, sizeof(inside), "%.1000s/file", mount_point);
}

/* system(3), silently; true if the command succeeded. */
static bool run(const char *format, ...) format_printf(1, 2);

static bool run(const char *format, ...)
{
	char command[3 * PATH_MAX] = "exec >/dev/null 2>&1; ";
	size_t used = strlen(command);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command + used, sizeof(command) - used, format, arguments);
	va_end(arguments);
	return system(command) == 0;
}

static void teardown(void)
{
	(void)run("umount '%s'; losetup -j '%s' -nO NAME | xargs -r losetup -d; rm -rf '%s'",
		mount_point, image, directory);
}

static void write_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *data = calloc(1, bytes);

	ck_assert_int_ge(fd, 0);
	memset(data, 0x41, bytes);
	ck_assert_int_eq(io_write(fd, data, bytes), 0);
	free(data);
	close(fd);
}

static struct medium_verdict assess(const char *path)
{
	struct medium_verdict verdict = {MEDIUM_NOT_ASSESSED, NULL};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(medium_assess(fd, true, &verdict), 0);
	close(fd);
	return verdict;
}

/* False: this machine cannot make or mount one. */
static bool mount_new(const char *mkfs)
{
	ck_assert(run("mkdir -p '%s' && truncate -s 320M '%s'", mount_point, image));
	return run("%s '%s' && mount $(losetup -f --show --direct-io=on '%s') '%s'", mkfs, image,
		image, mount_point);
}

START_TEST(each_row_of_the_table_gets_its_verdict)
{
	const struct case_of *c = &cases[_i];
	struct medium_verdict verdict = medium_classify(&c->facts);

	ck_assert_msg(verdict.promise == c->promise, "row %d: %d: %s", _i, verdict.promise,
		verdict.reason);
	ck_assert_msg(strstr(verdict.reason, c->word), "row %d: %s", _i, verdict.reason);
}
END_TEST

START_TEST(the_words_are_those_of_the_contract)
{
	struct medium_verdict verdict = {MEDIUM_NOT_IN_PLACE, "because"};
	char text[MEDIUM_TEXT_BYTES];

	ck_assert_str_eq(
		medium_describe(&verdict, text), "overwriting cannot be promised here: because");
	verdict.promise = MEDIUM_CACHE_ONLY;
	ck_assert_str_eq(
		medium_describe(&verdict, text), "verified through the page cache only: because");
	verdict = (struct medium_verdict){MEDIUM_NOT_ASSESSED, ""};
	ck_assert_str_eq(medium_describe(&verdict, text), "not assessed");
}
END_TEST

START_TEST(a_file_on_a_mounted_btrfs_promises_nothing)
{
	if (!mount_new("mkfs.btrfs -q"))
		return;
	write_file(inside, 65536);
	ck_assert_int_eq(assess(inside).promise, MEDIUM_NOT_IN_PLACE);
	ck_assert(strstr(assess(inside).reason, "btrfs"));
}
END_TEST

START_TEST(a_reflinked_file_on_xfs_promises_nothing_and_its_neighbour_is_not_accused)
{
	char copy[PATH_MAX + 8];
	int from, to;

	if (!mount_new("mkfs.xfs -q -f -m reflink=1"))
		return;
	write_file(inside, 65536);
	ck_assert_int_eq(assess(inside).promise, MEDIUM_NOT_ASSESSED);
	snprintf(copy, sizeof(copy), "%s.copy", inside);
	from = open(inside, O_RDONLY | O_CLOEXEC);
	to = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ioctl(to, FICLONE, from), 0);
	close(from);
	close(to);
	ck_assert_int_eq(assess(inside).promise, MEDIUM_NOT_IN_PLACE);
	ck_assert(strstr(assess(inside).reason, "reflink"));
}
END_TEST

START_TEST(a_file_system_with_a_data_journal_is_recognised)
{
	if (!mount_new("mkfs.ext4 -q -F"))
		return;
	write_file(inside, 65536);
	ck_assert_int_eq(assess(inside).promise, MEDIUM_NOT_ASSESSED);
	/* As a default in the superblock: /proc/mounts does not show it then. */
	ck_assert(run("for i in 1 2 3 4 5; do umount '%s' && exit; sleep 0.2; done; exit 1",
		mount_point));
	ck_assert(run("tune2fs -o journal_data $(losetup -j '%s' -nO NAME)", image));
	ck_assert(run("mount $(losetup -j '%s' -nO NAME) '%s'", image, mount_point));
	ck_assert(strstr(assess(inside).reason, "journal"));
}
END_TEST

/* An image in an ext4 that lies in a file in btrfs: what is at the bottom counts. */
START_TEST(the_worst_of_the_layers_wins)
{
	char inner[PATH_MAX + 8], at[PATH_MAX + 8], path[PATH_MAX + 32];

	if (!mount_new("mkfs.btrfs -q"))
		return;
	snprintf(inner, sizeof(inner), "%s.inner", inside);
	snprintf(at, sizeof(at), "%s.at", image);
	snprintf(path, sizeof(path), "%s/file", at);
	ck_assert(run(
		"truncate -s 64M '%s' && mkdir '%s' && mkfs.ext4 -q -F '%s'", inner, at, inner));
	ck_assert(run("mount -o loop '%s' '%s'", inner, at));
	write_file(path, 4096);
	ck_assert(strstr(assess(path).reason, "btrfs"));
	ck_assert(run("umount '%s'", at));
}
END_TEST

START_TEST(a_loop_device_that_goes_through_the_cache_is_recognised)
{
	if (!mount_new("mkfs.ext4 -q -F"))
		return;
	write_file(inside, 65536);
	ck_assert_int_eq(assess(inside).promise, MEDIUM_NOT_ASSESSED);
	ck_assert(run("losetup --direct-io=off $(losetup -j '%s' -nO NAME)", image));
	ck_assert_int_eq(assess(inside).promise, MEDIUM_CACHE_ONLY);
	ck_assert(strstr(assess(inside).reason, "loop"));
}
END_TEST

START_TEST(a_file_in_memory_is_only_cache)
{
	char path[] = "/dev/shm/spoolguard-medium.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		return;
	close(fd);
	ck_assert_int_eq(assess(path).promise, MEDIUM_CACHE_ONLY);
	unlink(path);
}
END_TEST

START_TEST(a_map_tells_a_moved_file_from_one_that_is_cut_otherwise)
{
	struct file_piece whole[] = {{0, 4096, 8192, 0}};
	struct file_piece halves[] = {{0, 4096, 4096, 0}, {4096, 8192, 4096, 1}};
	struct file_piece moved[] = {{0, 4096, 4096, 0}, {4096, 12288, 4096, 0}};
	const struct file_map a = {whole, 1, 1, 0}, b = {halves, 2, 2, 0}, c = {moved, 2, 2, 0};
	const struct file_map shorter = {halves, 1, 2, 0}, none = {NULL, 0, 0, 0};

	ck_assert(file_map_is_equal(&a, &b) && file_map_is_equal(&b, &a));
	ck_assert(!file_map_is_equal(&a, &c) && !file_map_is_equal(&c, &b));
	ck_assert(!file_map_is_equal(&a, &shorter) && !file_map_is_equal(&shorter, &a));
	ck_assert(file_map_is_equal(&none, &none) && !file_map_is_equal(&none, &a));
	ck_assert_uint_eq(file_map_end(&c), 8192);
	ck_assert_uint_eq(file_map_end(&none), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("medium");
	TCase *pure = tcase_create("pure"), *real = tcase_create("real");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		pure, each_row_of_the_table_gets_its_verdict, 0, (int)ARRAY_SIZE(cases));
	tcase_add_test(pure, the_words_are_those_of_the_contract);
	tcase_add_test(pure, a_map_tells_a_moved_file_from_one_that_is_cut_otherwise);
	tcase_add_unchecked_fixture(real, scratch_make, scratch_remove);
	tcase_add_checked_fixture(real, setup, teardown);
	tcase_set_timeout(real, 60);
	tcase_add_test(real, a_file_on_a_mounted_btrfs_promises_nothing);
	tcase_add_test(
		real, a_reflinked_file_on_xfs_promises_nothing_and_its_neighbour_is_not_accused);
	tcase_add_test(real, a_file_system_with_a_data_journal_is_recognised);
	tcase_add_test(real, the_worst_of_the_layers_wins);
	tcase_add_test(real, a_loop_device_that_goes_through_the_cache_is_recognised);
	tcase_add_test(real, a_file_in_memory_is_only_cache);
	suite_add_tcase(suite, pure);
	suite_add_tcase(suite, real);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
