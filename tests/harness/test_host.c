/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_host.c - where a file, or a swap space, really lies
 *
 * Goal: what lies on a disk of this machine as it is, is never taken for encrypted, in memory or
 * apart from the lock, through whatever stack of devices.
 * Method: a directory that looks like sysfs; files on this machine's own tmpfs and disk; where root
 * may make it, a file system on a loop device.
 */
#include "base/io.h"
#include "harness/host.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_TYPE 0x01021994

static char root[1200];

static void put(const char *name, const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[2400];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
}

/* A device of that name: sys/class/block/NAME -> where, which exists. */
static void add_device(const char *name, const char *where)
{
	char link[2400], target[2400];

	snprintf(target, sizeof(target), "sys/devices/%s/dev", where);
	put(target, "8:1\n");
	put("sys/class/block/.keep", "");
	snprintf(link, sizeof(link), "%s/sys/class/block/%s", root, name);
	snprintf(target, sizeof(target), "../../devices/%s", where);
	ck_assert_int_eq(symlink(target, link), 0);
}

static void add_attribute(const char *name, const char *attribute, const char *value)
{
	char path[600];

	snprintf(path, sizeof(path), "sys/class/block/%s/%s", name, attribute);
	put(path, value);
}

static void setup(void)
{
	scratch_make();
	snprintf(root, sizeof(root), "%.1000s/root", scratch_path());
	add_device("sda", "pci/ata1/block/sda");
	add_device("sda2", "pci/ata1/block/sda/sda2");
	add_attribute("sda2", "partition", "2\n");
	add_attribute("sda", "removable", "0\n");
	add_device("sdb", "pci/usb1/1-1/block/sdb");
	add_device("sdb1", "pci/usb1/1-1/block/sdb/sdb1");
	add_attribute("sdb1", "partition", "1\n");
	add_device("sdc", "pci/ata2/block/sdc");
	add_attribute("sdc", "removable", "1\n");
	add_device("mmcblk0", "soc/mmc0/block/mmcblk0");
	add_attribute("mmcblk0", "device/type", "SD\n");
	add_device("mmcblk1", "soc/mmc1/block/mmcblk1");
	add_attribute("mmcblk1", "device/type", "MMC\n"); /* eMMC: soldered */
	add_device("dm-0", "virtual/block/dm-0");	  /* LVM on dm-crypt */
	add_attribute("dm-0", "dm/uuid", "LVM-abcdef\n");
	add_attribute("dm-0", "slaves/dm-1/dev", "253:1\n");
	add_device("dm-1", "virtual/block/dm-1");
	add_attribute("dm-1", "dm/uuid", "CRYPT-LUKS2-0123-name\n");
	add_attribute("dm-1", "slaves/sda2/dev", "8:2\n");
	add_device("dm-2", "virtual/block/dm-2"); /* LVM on a disk */
	add_attribute("dm-2", "dm/uuid", "LVM-abcdef\n");
	add_attribute("dm-2", "slaves/sda2/dev", "8:2\n");
	add_device("md0", "virtual/block/md0"); /* one leg encrypted, the other not */
	add_attribute("md0", "slaves/dm-1/dev", "253:1\n");
	add_attribute("md0", "slaves/sda2/dev", "8:2\n");
	add_device("zram0", "virtual/block/zram0");
	add_attribute("zram0", "backing_dev", "none\n");
	add_device("zram1", "virtual/block/zram1");
	add_attribute("zram1", "backing_dev", "/dev/sda2\n");
	add_device("dm-9", "virtual/block/dm-9"); /* stands on itself */
	add_attribute("dm-9", "slaves/dm-9/dev", "253:9\n");
}

static void teardown(void)
{
	scratch_remove();
}

START_TEST(devices_are_judged_by_what_they_stand_on)
{
	static const struct {
		const char *name;
		enum host_place place;
	} cases[] = {
		{"sda", HOST_OPEN},
		{"sda2", HOST_OPEN},
		{"sdb", HOST_REMOVABLE},
		{"sdb1", HOST_REMOVABLE},
		{"sdc", HOST_REMOVABLE},
		{"mmcblk0", HOST_REMOVABLE},
		{"mmcblk1", HOST_OPEN},
		{"dm-0", HOST_ENCRYPTED},
		{"dm-1", HOST_ENCRYPTED},
		{"dm-2", HOST_OPEN},
		{"md0", HOST_OPEN},
		{"zram0", HOST_MEMORY},
		{"zram1", HOST_OPEN},
		{"dm-9", HOST_UNKNOWN},
		{"sdz", HOST_UNKNOWN},
		{"", HOST_UNKNOWN},
		{"..", HOST_UNKNOWN},
		{"../block/dm-1", HOST_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(host_place_of_device(root, cases[i].name) == cases[i].place, "%s: %d",
			cases[i].name, (int)host_place_of_device(root, cases[i].name));
}
END_TEST

static bool is_tmpfs(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == TMPFS_TYPE;
}

START_TEST(a_file_in_memory_is_apart_from_the_lock)
{
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	if (!is_tmpfs("/dev/shm"))
		return;
	ck_assert_int_eq(host_find_place("/dev/shm", &place, text), 0);
	ck_assert_int_eq(place, HOST_MEMORY);
	ck_assert_str_eq(text, "on tmpfs, in memory");
	ck_assert(host_is_on_encrypted("/dev/shm") && host_is_apart("/dev/shm"));
}
END_TEST

START_TEST(what_cannot_be_told_is_not_taken_for_encrypted)
{
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	ck_assert_int_eq(host_find_place("/no/such/file", &place, text), -ENOENT);
	ck_assert(!host_is_on_encrypted("/no/such/file") && !host_is_apart("/no/such/file"));
	ck_assert_int_eq(host_find_place("/proc/self/status", &place, text), 0);
	ck_assert_int_eq(place, HOST_UNKNOWN);
	ck_assert(!host_is_on_encrypted("/proc/self/status"));
}
END_TEST

/* --- a real device --- */

static int shell(const char *format, ...) format_printf(1, 2);
static int shell(const char *format, ...)
{
	char command[4000];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

static bool can_make_devices(void)
{
	return geteuid() == 0 && access("/dev/loop-control", W_OK) == 0 &&
	       shell("command -v mkfs.ext4 losetup >/dev/null") == 0;
}

/* A loop device is what its file is. */
START_TEST(a_file_system_in_an_image_is_what_the_image_is)
{
	const char *at = scratch_path();
	enum host_place below, place;
	char text[HOST_TEXT_BYTES], path[1200];

	if (!can_make_devices())
		return;
	ck_assert_int_eq(host_find_place(at, &below, text), 0);
	ck_assert_int_eq(
		shell("cd %s && truncate -s 16M image && mkfs.ext4 -q image && mkdir mnt && "
		      "mount -o loop image mnt && touch mnt/file",
			at),
		0);
	snprintf(path, sizeof(path), "%.1000s/mnt/file", at);
	ck_assert_int_eq(host_find_place(path, &place, text), 0);
	ck_assert_msg(place == below, "%d instead of %d: %s", (int)place, (int)below, text);
	ck_assert_ptr_nonnull(strstr(text, "on loop"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host");
	TCase *tcase = tcase_create("host");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_unchecked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, devices_are_judged_by_what_they_stand_on);
	tcase_add_test(tcase, a_file_in_memory_is_apart_from_the_lock);
	tcase_add_test(tcase, what_cannot_be_told_is_not_taken_for_encrypted);
	tcase_add_test(tcase, a_file_system_in_an_image_is_what_the_image_is);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
