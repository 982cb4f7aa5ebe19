/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses a drive, and through which device (L1, L2).
 *
 * Method: machines of files (tests/support/sysfs_tree.h): disks, partitions, what stands on them,
 * tables of mounts, processes.  Loop devices and swap of this machine: tests/e2e/devices.sh.
 */
#include "blockdev/usage.h"
#include "tests/support/scratch.h"
#include "tests/support/sysfs_tree.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SDB  makedev(120, 16)
#define SDB1 makedev(120, 17)
#define SDB2 makedev(120, 18)
#define SDC  makedev(120, 32)
#define DM0  makedev(121, 0)
#define MD0  makedev(122, 0)

static struct sysfs_tree tree;
static const char *disk, *first, *second;
static struct usage_list list;

static void setup(void)
{
	sysfs_tree_make(&tree);
	disk = sysfs_tree_disk(&tree, "pci/host0/target0:0:0/0:0:0:0", "sdb", SDB);
	first = sysfs_tree_part(&tree, disk, "sdb1", SDB1);
	second = sysfs_tree_part(&tree, disk, "sdb2", SDB2);
	list = (struct usage_list){.items = NULL};
}

static void teardown(void)
{
	usage_list_done(&list);
}

static void find(dev_t device)
{
	usage_list_done(&list);
	ck_assert_int_eq(usage_find(device, &tree.places, &list), 0);
}

static void mounts(const char *lines)
{
	sysfs_tree_put(&tree, lines, "proc/self/mountinfo");
}

static size_t count(enum usage_kind kind, const char *device, const char *text)
{
	size_t found = 0;

	for (size_t i = 0; i < list.count; i++)
		found += list.items[i].kind == kind && strcmp(list.items[i].device, device) == 0 &&
			 strcmp(list.items[i].text, text) == 0;
	return found;
}

static void expect(enum usage_kind kind, const char *device, const char *text)
{
	char told[1024] = "", line[800];

	for (size_t i = 0; i < list.count; i++) {
		strncat(told, usage_describe(&list.items[i], line, sizeof(line)),
			sizeof(told) - strlen(told) - 2);
		strcat(told, "\n");
	}
	ck_assert_msg(count(kind, device, text) == 1, "%s (%s) is not told once: %s",
		usage_kind_name(kind), device, told);
}

START_TEST(nobody_uses_an_idle_drive)
{
	find(SDB);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(what_is_no_device_is_an_error)
{
	ck_assert_int_eq(usage_find(makedev(120, 99), &tree.places, &list), -ENODEV);
}
END_TEST

START_TEST(a_mount_of_a_partition_is_told_with_its_partition)
{
	mounts("30 1 120:17 / /srv rw - ext4 /dev/sdb1 rw\n"
	       "31 1 120:17 /x /home/a\\040b rw - ext4 /dev/sdb1 rw\n"
	       "32 1 120:32 / /other rw - ext4 /dev/sdc rw");
	find(SDB);
	ck_assert_uint_eq(list.count, 2);
	expect(USAGE_MOUNT, "sdb1", "/srv");
	expect(USAGE_MOUNT, "sdb1", "/home/a b");
}
END_TEST

START_TEST(a_disk_that_is_mounted_whole_is_used_itself)
{
	mounts("30 1 120:16 / /srv rw - ext4 /dev/sdb rw");
	find(SDB);
	expect(USAGE_MOUNT, "sdb", "/srv");
}
END_TEST

START_TEST(where_the_system_stands_is_told_as_that)
{
	mounts("29 1 120:32 / / rw - ext4 /dev/sdc1 rw\n"
	       "30 1 120:17 / / rw - ext4 /dev/sdb1 rw\n"
	       "31 1 120:18 / /var rw - ext4 /dev/sdb2 rw\n"
	       "32 1 120:17 / /srv rw - ext4 /dev/sdb1 rw");
	find(SDB);
	expect(USAGE_SYSTEM, "sdb1", "/");
	expect(USAGE_SYSTEM, "sdb2", "/var");
}
END_TEST

START_TEST(the_system_below_an_overlay_is_found)
{
	char lines[2 * PATH_MAX];
	struct stat st;

	ck_assert_int_eq(stat(tree.root, &st), 0);
	snprintf(lines, sizeof(lines),
		"30 1 0:99 / / rw - overlay overlay rw,lowerdir=/no/such:%s,upperdir=/none\n"
		"31 1 %u:%u / /run/live rw - ext4 /dev/x rw",
		tree.root, major(st.st_dev), minor(st.st_dev));
	mounts(lines);
	sysfs_tree_disk(&tree, "pci/host1", "sdz", st.st_dev);
	find(st.st_dev);
	expect(USAGE_SYSTEM, "sdz", "/run/live");
}
END_TEST

START_TEST(lvm_is_told_and_what_is_mounted_on_it)
{
	const char *volume = sysfs_tree_virtual(&tree, "dm-0", DM0);

	sysfs_tree_put(&tree, "vg-spool", "%s/dm/name", volume);
	sysfs_tree_put(&tree, "LVM-abc", "%s/dm/uuid", volume);
	sysfs_tree_hold(&tree, volume, second);
	mounts("30 1 121:0 / /spool rw - ext4 /dev/mapper/vg-spool rw");
	find(SDB);
	ck_assert_uint_eq(list.count, 2);
	expect(USAGE_LVM, "sdb2", "vg-spool");
	expect(USAGE_MOUNT, "dm-0", "/spool");
}
END_TEST

START_TEST(raid_multipath_and_other_mappings_are_told_apart)
{
	const char *array = sysfs_tree_virtual(&tree, "md0", MD0);
	const char *paths = sysfs_tree_virtual(&tree, "dm-1", makedev(121, 1));
	const char *crypt = sysfs_tree_virtual(&tree, "dm-2", makedev(121, 2));
	const char *cache = sysfs_tree_virtual(&tree, "bcache0", makedev(123, 0));

	sysfs_tree_put(&tree, "raid1", "%s/md/level", array);
	sysfs_tree_put(&tree, "mpatha", "%s/dm/name", paths);
	sysfs_tree_put(&tree, "mpath-3600", "%s/dm/uuid", paths);
	sysfs_tree_put(&tree, "secret", "%s/dm/name", crypt);
	sysfs_tree_put(&tree, "CRYPT-LUKS2-1-secret", "%s/dm/uuid", crypt);
	sysfs_tree_hold(&tree, array, first);
	sysfs_tree_hold(&tree, paths, disk);
	sysfs_tree_hold(&tree, crypt, array);
	sysfs_tree_hold(&tree, cache, second);
	find(SDB);
	ck_assert_uint_eq(list.count, 4);
	expect(USAGE_RAID, "sdb1", "md0");
	expect(USAGE_MULTIPATH, "sdb", "mpatha");
	expect(USAGE_MAPPED, "md0", "secret");
	expect(USAGE_MAPPED, "sdb2", "bcache0");
}
END_TEST

/* Of two devices the table of mounts names one. */
START_TEST(a_btrfs_uses_each_of_its_devices)
{
	const char *other = sysfs_tree_disk(&tree, "pci/host1", "sdc", SDC);

	sysfs_tree_link(&tree, "sys/fs/btrfs/uuid/devices/sdc", other);
	sysfs_tree_link(&tree, "sys/fs/btrfs/uuid/devices/sdb1", first);
	mounts("30 1 120:32 / /pool rw - btrfs /dev/sdc rw");
	find(SDB);
	expect(USAGE_MOUNT, "sdb1", "/pool");
}
END_TEST

/* A loop device on a file of a file system on it, and what is mounted there. */
START_TEST(a_loop_device_on_a_file_system_of_it_is_told)
{
	char path[PATH_MAX], text[PATH_MAX + 32];
	const char *loop = sysfs_tree_virtual(&tree, "loop9", makedev(120, 200));
	struct stat st;

	snprintf(path, sizeof(path), "%s/image", tree.root);
	sysfs_tree_put(&tree, "x", "image");
	ck_assert_int_eq(stat(path, &st), 0);
	sysfs_tree_put(&tree, path, "%s/loop/backing_file", loop);
	sysfs_tree_disk(&tree, "pci/host1", "sdz", st.st_dev);
	mounts("30 1 120:200 / /inner rw - ext4 /dev/loop9 rw");
	find(st.st_dev);
	snprintf(text, sizeof(text), "/dev/loop9 on %s", path);
	expect(USAGE_LOOP, "sdz", text);
	expect(USAGE_MOUNT, "loop9", "/inner");
}
END_TEST

/* The file below a loop device, open in a process that stays. */
START_TEST(a_process_that_has_the_file_below_open_is_told)
{
	char path[PATH_MAX];
	const char *loop = sysfs_tree_virtual(&tree, "loop9", makedev(120, 200));

	sysfs_tree_put(&tree, "x", "image");
	snprintf(path, sizeof(path), "%s/image", tree.root);
	sysfs_tree_put(&tree, path, "%s/loop/backing_file", loop);
	sysfs_tree_put(&tree, "reader\033[2J", "proc/4711/comm");
	sysfs_tree_link(&tree, "proc/4711/fd/3", "image");
	find(makedev(120, 200));
	ck_assert_uint_eq(list.count, 1);
	expect(USAGE_OPEN, "loop9", "reader?[2J (process 4711)");
	ck_assert_int_eq(list.items[0].pid, 4711);
}
END_TEST

/* L1: whoever cannot be looked into may have it open. */
START_TEST(what_cannot_be_looked_into_is_unknown)
{
	char path[PATH_MAX];

	if (geteuid() == 0)
		return; /* to root nothing is closed */
	sysfs_tree_put(&tree, "other", "proc/4712/comm");
	snprintf(path, sizeof(path), "%s/proc/4712/fd", tree.root);
	ck_assert_int_eq(mkdir(path, 0), 0);
	find(SDB);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(list.items[0].kind, USAGE_UNKNOWN);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(what_stands_on_it_is_in_one_set)
{
	_cleanup_(usage_scene_freep) struct usage_scene *scene = NULL;
	const char *volume = sysfs_tree_virtual(&tree, "dm-0", DM0);
	static struct device_set set;

	sysfs_tree_put(&tree, "x", "%s/dm/name", volume);
	sysfs_tree_hold(&tree, volume, second);
	ck_assert_int_eq(usage_scene_take(&tree.places, &scene), 0);
	ck_assert_int_eq(usage_above(scene, SDB, &set), 0);
	ck_assert_uint_eq(set.count, 4);
	ck_assert(device_set_has(&set, DM0) && device_set_has(&set, SDB1));
	ck_assert_int_eq(usage_above(scene, makedev(120, 99), &set), -ENODEV);
}
END_TEST

START_TEST(each_kind_has_a_name_and_words)
{
	struct usage usage = {.device = "sdb1", .text = "what"};
	char line[256];

	for (int kind = USAGE_MOUNT; kind <= USAGE_UNKNOWN; kind++) {
		usage.kind = (enum usage_kind)kind;
		usage_describe(&usage, line, sizeof(line));
		ck_assert_ptr_nonnull(usage_kind_name(usage.kind));
		ck_assert_msg(strstr(line, "what") && strstr(line, "(sdb1)"), "%s", line);
	}
	usage.kind = USAGE_MOUNT;
	ck_assert_str_eq(usage_describe(&usage, line, sizeof(line)), "mounted at what (sdb1)");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blockdev/usage");
	TCase *tcase = tcase_create("usage");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nobody_uses_an_idle_drive);
	tcase_add_test(tcase, what_is_no_device_is_an_error);
	tcase_add_test(tcase, a_mount_of_a_partition_is_told_with_its_partition);
	tcase_add_test(tcase, a_disk_that_is_mounted_whole_is_used_itself);
	tcase_add_test(tcase, where_the_system_stands_is_told_as_that);
	tcase_add_test(tcase, the_system_below_an_overlay_is_found);
	tcase_add_test(tcase, lvm_is_told_and_what_is_mounted_on_it);
	tcase_add_test(tcase, raid_multipath_and_other_mappings_are_told_apart);
	tcase_add_test(tcase, a_btrfs_uses_each_of_its_devices);
	tcase_add_test(tcase, a_loop_device_on_a_file_system_of_it_is_told);
	tcase_add_test(tcase, a_process_that_has_the_file_below_open_is_told);
	tcase_add_test(tcase, what_cannot_be_looked_into_is_unknown);
	tcase_add_test(tcase, what_stands_on_it_is_in_one_set);
	tcase_add_test(tcase, each_kind_has_a_name_and_words);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
