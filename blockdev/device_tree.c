/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/device_tree.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A loop on a loop on a loop ...: deeper than this is nobody's, and ends the walk. */
#define DEPTH_MAX     16
#define DEVNODE_BYTES 128

/* --- sets --- */

bool device_set_has(const struct device_set *set, dev_t device)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i] == device)
			return true;
	}
	return false;
}

int device_set_add(struct device_set *set, dev_t device)
{
	if (device_set_has(set, device))
		return 0;
	if (set->count == DEVICE_SET_MAX)
		return -E2BIG;
	set->items[set->count++] = device;
	return 0;
}

/* --- sysfs --- */

static int open_sysfs(dev_t device)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_line(int directory, const char *name, char *buf, size_t buf_bytes)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, buf_bytes - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* Of a sysfs directory of a device. */
static int read_number(int directory, dev_t *ret_device)
{
	unsigned int major_number, minor_number;
	char text[32];
	int r;

	r = read_line(directory, "dev", text, sizeof(text));
	if (r < 0)
		return r;
	if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return -ENOENT;
	*ret_device = makedev(major_number, minor_number);
	return 0;
}

static int number_of_child(int directory, const char *child, dev_t *ret_device)
{
	_cleanup_close_ int fd = openat(directory, child, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : read_number(fd, ret_device);
}

static DIR *open_listing(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);

	if (!listing)
		io_closep(&fd);
	return listing;
}

static const char *next_name(DIR *listing)
{
	struct dirent *entry;

	while ((entry = readdir(listing))) {
		if (entry->d_name[0] != '.')
			return entry->d_name;
	}
	return NULL;
}

int device_name(dev_t device, char ret_name[static DEVICE_NAME_BYTES])
{
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(ret_name, DEVICE_NAME_BYTES, "%.63s", base ? base + 1 : target);
	return 0;
}

static bool is_partition(int directory)
{
	return faccessat(directory, "partition", F_OK, 0) == 0;
}

int device_whole(dev_t device, dev_t *ret_whole)
{
	_cleanup_close_ int directory = open_sysfs(device);

	if (directory < 0)
		return directory;
	if (is_partition(directory))
		return number_of_child(directory, "..", ret_whole);
	*ret_whole = device;
	return 0;
}

int device_attribute(dev_t device, const char *attribute, char *buf, size_t buf_bytes)
{
	_cleanup_close_ int directory = -1;
	dev_t whole;
	int r;

	r = device_whole(device, &whole);
	if (r < 0)
		return r;
	directory = open_sysfs(whole);
	return directory < 0 ? directory : read_line(directory, attribute, buf, buf_bytes);
}

/* --- walks --- */

static int add_partitions(int directory, struct device_set *set)
{
	_cleanup_closedir_ DIR *listing = open_listing(directory, ".");
	const char *name;
	int r = 0;

	while (listing && r >= 0 && (name = next_name(listing))) {
		_cleanup_close_ int child =
			openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dev_t number;

		if (child >= 0 && is_partition(child) && read_number(child, &number) >= 0)
			r = device_set_add(set, number);
	}
	return r;
}

int device_family(dev_t device, struct device_set *set)
{
	_cleanup_close_ int directory = open_sysfs(device);
	dev_t whole;
	int r;

	if (directory < 0)
		return directory;
	r = device_set_add(set, device);
	if (r >= 0)
		r = add_partitions(directory, set);
	if (r >= 0)
		r = device_whole(device, &whole);
	return r < 0 ? r : device_set_add(set, whole);
}

static int add_slaves(dev_t device, struct device_set *set, unsigned int depth);

static int add_below(dev_t device, struct device_set *set, unsigned int depth)
{
	struct device_backing backing;
	dev_t whole;
	int r;

	if (device_set_has(set, device) || depth == 0)
		return 0;
	r = device_set_add(set, device);
	if (r >= 0)
		r = device_whole(device, &whole);
	if (r == -ENOENT)
		return 0; /* a number without a device: an overlay's, a network file system's */
	if (r < 0)
		return r;
	if (device_backing(device, &backing) >= 0)
		r = add_below(backing.block ? backing.block : backing.device, set, depth - 1);
	if (r >= 0 && whole != device)
		r = add_below(whole, set, depth - 1);
	return r < 0 ? r : add_slaves(device, set, depth - 1);
}

static int add_slaves(dev_t device, struct device_set *set, unsigned int depth)
{
	_cleanup_close_ int directory = open_sysfs(device);
	_cleanup_closedir_ DIR *listing = NULL;
	const char *name;
	dev_t number;
	int r = 0;

	if (directory < 0)
		return directory;
	listing = open_listing(directory, "slaves");
	while (listing && r >= 0 && (name = next_name(listing))) {
		if (number_of_child(dirfd(listing), name, &number) >= 0)
			r = add_below(number, set, depth);
	}
	return r;
}

int device_below(dev_t device, struct device_set *set)
{
	return add_below(device, set, DEPTH_MAX);
}

/* --- holders --- */

/* holder: its sysfs directory */
static void describe_holder(int holder, const char *name, char text[static DEVICE_TEXT_BYTES])
{
	char label[96] = "", uuid[32] = "";
	const char *what = "the device-mapper device";

	if (read_line(holder, "dm/name", label, sizeof(label)) >= 0) {
		if (read_line(holder, "dm/uuid", uuid, sizeof(uuid)) < 0)
			uuid[0] = '\0';
		if (strncmp(uuid, "LVM-", 4) == 0)
			what = "the LVM volume";
		else if (strncmp(uuid, "CRYPT-", 6) == 0)
			what = "the encrypted device";
		else if (strncmp(uuid, "mpath-", 6) == 0)
			what = "the multipath device";
		snprintf(text, DEVICE_TEXT_BYTES, "%s %s", what, label);
		return;
	}
	what = strncmp(name, "md", 2) == 0 ? "the RAID array" : "the device";
	snprintf(text, DEVICE_TEXT_BYTES, "%s %.64s", what, name);
}

bool device_holder(const struct device_set *set, char ret_text[static DEVICE_TEXT_BYTES])
{
	for (size_t i = 0; i < set->count; i++) {
		_cleanup_close_ int directory = open_sysfs(set->items[i]);
		_cleanup_closedir_ DIR *listing =
			directory < 0 ? NULL : open_listing(directory, "holders");
		const char *name = listing ? next_name(listing) : NULL;
		_cleanup_close_ int holder = -1;

		if (!name)
			continue;
		holder = openat(dirfd(listing), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		describe_holder(holder, name, ret_text);
		return true;
	}
	return false;
}

/* --- loop devices --- */

/* By number, so that a renamed or replaced backing file is not mistaken. */
static int ask_loop(const char *name, struct device_backing *backing)
{
	_cleanup_close_ int fd = -1;
	struct loop_info64 info;
	char node[DEVNODE_BYTES];

	snprintf(node, sizeof(node), "/dev/%.64s", name);
	fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	backing->device = (dev_t)info.lo_device;
	backing->inode = (ino_t)info.lo_inode;
	backing->block = (dev_t)info.lo_rdevice;
	return 0;
}

/* Without the right to open the device, its path must do. */
static int look_up_path(struct device_backing *backing)
{
	struct stat st;

	if (stat(backing->path, &st) < 0)
		return -errno;
	backing->device = st.st_dev;
	backing->inode = st.st_ino;
	backing->block = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	return 0;
}

int device_backing(dev_t loop, struct device_backing *ret_backing)
{
	struct device_backing backing = {.device = 0};
	char name[DEVICE_NAME_BYTES];
	int r;

	r = device_whole(loop, &loop); /* a partition has a number of another kind */
	if (r >= 0 && major(loop) != LOOP_MAJOR)
		r = -ENXIO;
	if (r >= 0)
		r = device_name(loop, name);
	if (r >= 0)
		r = device_attribute(loop, "loop/backing_file", backing.path, sizeof(backing.path));
	if (r < 0)
		return -ENXIO;
	r = ask_loop(name, &backing);
	if (r < 0 && r != -ENXIO)
		r = look_up_path(&backing);
	if (r < 0)
		return -ENXIO;
	*ret_backing = backing;
	return 0;
}

bool device_next_loop(DIR *listing, dev_t *ret_loop, struct device_backing *ret_backing)
{
	const char *name;

	while ((name = next_name(listing))) {
		if (strncmp(name, "loop", 4) == 0 &&
			number_of_child(dirfd(listing), name, ret_loop) >= 0 &&
			device_backing(*ret_loop, ret_backing) >= 0)
			return true;
	}
	return false;
}
