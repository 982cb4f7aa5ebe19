/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_drive_real.c - the layers below real files, on what this machine can mount
 *
 * Goal: the walk finds file system, loop device and the drive at the bottom through file systems
 * that have a number of their own (btrfs, overlay) too, and what is not in place is named.  What
 * the machine's drive is, is not ours to know: a test asks which layer decides.  A file system
 * that cannot be mounted here is passed over.
 *
 * Not under qemu-user: it mounts, and asks file systems by calls that do not pass through
 */
#include "base/io.h"
#include "blockdev/drive.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char directory[PATH_MAX];
static char image[PATH_MAX], mount_point[PATH_MAX], inside[PATH_MAX];
static struct drive_stack stack;
static struct drive_verdict verdict;

/* system(3), silently; true if the command succeeded. */
static bool run(const char *format, ...) format_printf(1, 2);

static bool run(const char *format, ...)
{
	char command[4 * PATH_MAX] = "exec >/dev/null 2>&1; ";
	size_t used = strlen(command);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command + used, sizeof(command) - used, format, arguments);
	va_end(arguments);
	return system(command) == 0;
}

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(image, sizeof(image), "%.1000s/image", directory);
	snprintf(mount_point, sizeof(mount_point), "%.1000s/mount", directory);
	snprintf(inside, sizeof(inside), "%.1000s/file", mount_point);
}

static void teardown(void)
{
	(void)run("umount '%s'; losetup -j '%s' -nO NAME | xargs -r losetup -d; rm -rf '%s'",
		mount_point, image, directory);
}

static void write_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char data[65536];

	ck_assert_int_ge(fd, 0);
	memset(data, 0x41, sizeof(data));
	ck_assert_int_eq(io_write(fd, data, sizeof(data)), 0);
	close(fd);
}

static void look(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(drive_look(fd, NULL, &stack), 0);
	close(fd);
	verdict = drive_judge(&stack);
}

/* False: this machine cannot make or mount one. */
static bool mount_new(const char *mkfs)
{
	ck_assert(run("mkdir -p '%s' && truncate -s 320M '%s'", mount_point, image));
	return run("%s '%s' && mount $(losetup -f --show --direct-io=on '%s') '%s'", mkfs, image,
		image, mount_point);
}

static void expect_layer(size_t index, enum drive_class class, const char *name)
{
	ck_assert_uint_lt(index, stack.count);
	ck_assert_msg(stack.layers[index].class == class, "layer %zu is %s", index,
		drive_class_name(stack.layers[index].class));
	ck_assert_msg(strncmp(stack.layers[index].name, name, strlen(name)) == 0, "layer %zu is %s",
		index, stack.layers[index].name);
	ck_assert_uint_eq(stack.layers[index].depth, index);
}

/* The file system of the image, the loop device, the file system that the image lies on, ... */
static void expect_file_system(const char *name)
{
	look(inside);
	expect_layer(0, DRIVE_FILE, name);
	expect_layer(1, DRIVE_LOOP, "loop");
	ck_assert_uint_gt(stack.count, 2);
}

START_TEST(a_file_on_ext4_is_as_good_as_what_lies_below)
{
	if (!mount_new("mkfs.ext4 -q -F"))
		return;
	write_file(inside);
	expect_file_system("ext4");
	ck_assert_ptr_ne(verdict.layer, &stack.layers[0]);
}
END_TEST

START_TEST(a_reflinked_file_on_xfs_is_named_and_its_neighbour_is_not)
{
	char copy[PATH_MAX + 8];
	int from, to;

	if (!mount_new("mkfs.xfs -q -f -m reflink=1"))
		return;
	write_file(inside);
	expect_file_system("xfs");
	ck_assert_ptr_ne(verdict.layer, &stack.layers[0]);
	snprintf(copy, sizeof(copy), "%s.copy", inside);
	from = open(inside, O_RDONLY | O_CLOEXEC);
	to = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ioctl(to, FICLONE, from), 0);
	close(from);
	close(to);
	expect_file_system("xfs");
	ck_assert_int_eq(verdict.overwrite, DRIVE_NEITHER);
	ck_assert_ptr_eq(verdict.layer, &stack.layers[0]);
	ck_assert_ptr_nonnull(strstr(verdict.reason, "reflink"));
}
END_TEST

START_TEST(below_btrfs_its_device_is_found)
{
	if (!mount_new("mkfs.btrfs -q"))
		return;
	write_file(inside);
	expect_file_system("btrfs");
	ck_assert_ptr_eq(verdict.layer, &stack.layers[0]);
	ck_assert_ptr_nonnull(strstr(verdict.reason, "btrfs"));
}
END_TEST

START_TEST(below_an_overlay_its_upper_directory_is_found)
{
	if (!mount_new("mkfs.ext4 -q -F"))
		return;
	ck_assert(run("mkdir '%s'/lower '%s/upper one' '%s'/work '%s'/all", mount_point,
		mount_point, mount_point, mount_point));
	if (!run("mount -t overlay overlay -o 'lowerdir=%s/lower,upperdir=%s/upper "
		 "one,workdir=%s/work' '%s'/all",
		    mount_point, mount_point, mount_point, mount_point))
		return;
	snprintf(inside, sizeof(inside), "%.1000s/all/file", mount_point);
	write_file(inside);
	look(inside);
	(void)run("umount '%s'/all", mount_point);
	expect_layer(0, DRIVE_FILE, "overlay");
	ck_assert_ptr_eq(verdict.layer, &stack.layers[0]);
	ck_assert_uint_gt(stack.count, 2);
}
END_TEST

START_TEST(a_file_in_tmpfs_is_memory)
{
	ck_assert(run("mkdir -p '%s'", mount_point));
	if (!run("mount -t tmpfs -o size=1M none '%s'", mount_point))
		return;
	write_file(inside);
	look(inside);
	ck_assert_uint_eq(stack.count, 1);
	expect_layer(0, DRIVE_MEMORY, "tmpfs");
	ck_assert_int_eq(verdict.overwrite, DRIVE_NEITHER);
}
END_TEST

/* The device of a volume is found from its own descriptor as from a file on it. */
START_TEST(a_loop_device_itself_is_the_top)
{
	char device[64] = "";
	FILE *names;

	ck_assert(run("truncate -s 1M '%s' && losetup -f '%s'", image, image));
	snprintf(inside, sizeof(inside), "losetup -j '%.1000s' -nO NAME", image);
	names = popen(inside, "re");
	ck_assert_ptr_nonnull(names);
	ck_assert_ptr_nonnull(fgets(device, sizeof(device), names));
	pclose(names);
	device[strcspn(device, " \n")] = '\0';
	look(device);
	expect_layer(0, DRIVE_LOOP, "loop");
	ck_assert_uint_eq(stack.layers[0].bytes, 1u << 20);
	ck_assert_uint_gt(stack.count, 1);
	ck_assert_int_ne(stack.layers[1].class, DRIVE_LOOP);
}
END_TEST

/* I1 of identity.h, or the drive's own: whatever lies at the bottom is named. */
START_TEST(the_drive_at_the_bottom_is_known_by_something)
{
	look(scratch_path());
	ck_assert_uint_gt(stack.count, 0);
	if (!stack.cut && stack.layers[stack.count - 1].class != DRIVE_MEMORY && geteuid() == 0)
		ck_assert_str_ne(stack.layers[stack.count - 1].serial, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("drive_real");
	TCase *real = tcase_create("real");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(real, scratch_make, scratch_remove);
	tcase_add_checked_fixture(real, setup, teardown);
	tcase_set_timeout(real, 60);
	tcase_add_test(real, the_drive_at_the_bottom_is_known_by_something);
	if (geteuid() == 0) {
		tcase_add_test(real, a_file_on_ext4_is_as_good_as_what_lies_below);
		tcase_add_test(real, a_reflinked_file_on_xfs_is_named_and_its_neighbour_is_not);
		tcase_add_test(real, below_btrfs_its_device_is_found);
		tcase_add_test(real, below_an_overlay_its_upper_directory_is_found);
		tcase_add_test(real, a_file_in_tmpfs_is_memory);
		tcase_add_test(real, a_loop_device_itself_is_the_top);
	}
	suite_add_tcase(suite, real);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
