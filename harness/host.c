/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/host.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A device on a device on a device ...: deeper than this is nobody's. */
#define DEPTH_MAX  8u
#define NAME_BYTES 64

static enum host_place place_of_device(const char *root, const char *name, unsigned int depth);
static int place_of_path(const char *path, unsigned int depth, enum host_place *ret_place,
	char text[static HOST_TEXT_BYTES]);

/* --- sysfs --- */

static bool attribute(
	const char *root, const char *name, const char *which, char *buf, size_t buf_bytes)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s", root, name, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, buf_bytes - 1);
	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

static bool has(const char *root, const char *name, const char *which)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s", root, name, which);
	return access(path, F_OK) == 0;
}

/* Where sysfs has the device: ".../usb1/.../block/sdb/sdb1". */
static bool find_device(const char *root, const char *name, char ret_path[static PATH_MAX])
{
	char path[PATH_MAX];

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') || strlen(name) >= NAME_BYTES)
		return false;
	snprintf(path, sizeof(path), "%s/sys/class/block/%s", root, name);
	return realpath(path, ret_path) != NULL;
}

/* The last but one part of the path. */
static bool disk_of_partition(char *path, char ret_name[static NAME_BYTES])
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return false;
	*slash = '\0';
	slash = strrchr(path, '/');
	if (!slash || strlen(slash + 1) >= NAME_BYTES)
		return false;
	strcpy(ret_name, slash + 1);
	return true;
}

static bool is_removable(const char *root, const char *name, const char *path)
{
	char value[16];

	if (attribute(root, name, "removable", value, sizeof(value)) && strcmp(value, "1") == 0)
		return true;
	if (attribute(root, name, "device/type", value, sizeof(value)) && strcmp(value, "SD") == 0)
		return true;
	return strstr(path, "/usb") != NULL;
}

static enum host_place worse(enum host_place a, enum host_place b)
{
	return a > b ? a : b;
}

/* What stands below an LVM volume, a RAID array, a plain mapping.  False: nothing does. */
static bool place_of_slaves(
	const char *root, const char *name, unsigned int depth, enum host_place *ret_place)
{
	_cleanup_closedir_ DIR *slaves = NULL;
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/slaves", root, name);
	slaves = opendir(path);
	*ret_place = HOST_MEMORY;
	while (slaves && (entry = readdir(slaves))) {
		if (entry->d_name[0] == '.')
			continue;
		*ret_place = worse(*ret_place, place_of_device(root, entry->d_name, depth + 1));
		found = true;
	}
	return found;
}

/* zram may write what it has no room for to a disk. */
static enum host_place place_of_zram(const char *root, const char *name, unsigned int depth)
{
	char backing[PATH_MAX];

	if (!attribute(root, name, "backing_dev", backing, sizeof(backing)) || backing[0] != '/')
		return HOST_MEMORY;
	return place_of_device(root, strrchr(backing, '/') + 1, depth + 1);
}

static enum host_place place_of_loop(const char *root, const char *name, unsigned int depth)
{
	char backing[PATH_MAX], text[HOST_TEXT_BYTES];
	enum host_place place;

	if (!attribute(root, name, "loop/backing_file", backing, sizeof(backing)) ||
		place_of_path(backing, depth + 1, &place, text) < 0)
		return HOST_UNKNOWN;
	return place;
}

static enum host_place place_of_device(const char *root, const char *name, unsigned int depth)
{
	char path[PATH_MAX], disk[NAME_BYTES], uuid[160];
	enum host_place place;

	if (depth > DEPTH_MAX || !find_device(root, name, path))
		return HOST_UNKNOWN;
	if (attribute(root, name, "dm/uuid", uuid, sizeof(uuid)) && strncmp(uuid, "CRYPT-", 6) == 0)
		return HOST_ENCRYPTED;
	if (strncmp(name, "zram", 4) == 0)
		return place_of_zram(root, name, depth);
	if (strncmp(name, "ram", 3) == 0)
		return HOST_MEMORY;
	if (strncmp(name, "loop", 4) == 0 && has(root, name, "loop"))
		return place_of_loop(root, name, depth);
	if (has(root, name, "partition"))
		return disk_of_partition(path, disk) ? place_of_device(root, disk, depth + 1)
						     : HOST_UNKNOWN;
	if (place_of_slaves(root, name, depth, &place))
		return place;
	return is_removable(root, name, path) ? HOST_REMOVABLE : HOST_OPEN;
}

enum host_place host_place_of_device(const char *root, const char *name)
{
	return place_of_device(root, name, 0);
}

/* --- files --- */

struct mounted {
	dev_t number;
	char type[64];
	char source[256];
};

struct table {
	FILE *file;
	char *line;
	size_t line_bytes;
};

static void table_done(struct table *table)
{
	if (table->file)
		fclose(table->file);
	free(table->line);
}

/* By its number: the file's own device number is not in the table for every file system. */
static int find_mount(uint64_t id, struct mounted *ret_mounted)
{
	_cleanup_(table_done) struct table table = {.file = fopen("/proc/self/mountinfo", "re")};
	unsigned int major_number, minor_number;
	unsigned long long number;
	const char *behind;

	if (!table.file)
		return -errno;
	while (getline(&table.line, &table.line_bytes, table.file) > 0) {
		if (sscanf(table.line, "%llu %*u %u:%u ", &number, &major_number, &minor_number) !=
				3 ||
			number != id)
			continue;
		behind = strstr(table.line, " - ");
		if (!behind || sscanf(behind, " - %63s %255s", ret_mounted->type,
				       ret_mounted->source) != 2)
			return -EBADMSG;
		ret_mounted->number = makedev(major_number, minor_number);
		return 0;
	}
	return -ENOENT;
}

static bool name_of_device(dev_t device, char ret_name[static NAME_BYTES])
{
	char path[64], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	if (!slash || strlen(slash + 1) >= NAME_BYTES)
		return false;
	strcpy(ret_name, slash + 1);
	return true;
}

static bool is_one_of(const char *word, const char *const *list)
{
	while (*list && strcmp(word, *list) != 0)
		list++;
	return *list != NULL;
}

static const char *words_for(enum host_place place)
{
	static const char *const words[] = {"in memory", "encrypted", "removable",
		"not known to be encrypted", "not encrypted"};

	return words[place];
}

static int place_of_mount(const struct mounted *mounted, unsigned int depth,
	enum host_place *ret_place, char text[static HOST_TEXT_BYTES])
{
	static const char *const memory[] = {"tmpfs", "ramfs", "devtmpfs", NULL};
	static const char *const ours[] = {"fuse.spoolguard", "fuseblk.spoolguard", NULL};
	dev_t device = mounted->number;
	char name[NAME_BYTES];
	struct stat st;

	if (is_one_of(mounted->type, memory) || is_one_of(mounted->type, ours)) {
		*ret_place = is_one_of(mounted->type, ours) ? HOST_ENCRYPTED : HOST_MEMORY;
		snprintf(text, HOST_TEXT_BYTES, "on %s, %s", mounted->type, words_for(*ret_place));
		return 0;
	}
	/* btrfs and others have a number of their own; their source is a device. */
	if (major(device) == 0 && stat(mounted->source, &st) == 0 && S_ISBLK(st.st_mode))
		device = st.st_rdev;
	*ret_place = HOST_UNKNOWN;
	snprintf(name, sizeof(name), "%.60s", mounted->type);
	if (major(device) != 0 && name_of_device(device, name))
		*ret_place = place_of_device("", name, depth);
	snprintf(text, HOST_TEXT_BYTES, "on %s, %s", name, words_for(*ret_place));
	return 0;
}

static int place_of_path(const char *path, unsigned int depth, enum host_place *ret_place,
	char text[static HOST_TEXT_BYTES])
{
	struct mounted mounted;
	char name[NAME_BYTES];
	struct statx stx;
	int r;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (S_ISBLK(stx.stx_mode) &&
		name_of_device(makedev(stx.stx_rdev_major, stx.stx_rdev_minor), name)) {
		*ret_place = place_of_device("", name, depth);
		snprintf(text, HOST_TEXT_BYTES, "on %s, %s", name, words_for(*ret_place));
		return 0;
	}
	r = stx.stx_mask & STATX_MNT_ID ? find_mount(stx.stx_mnt_id, &mounted) : -ENOSYS;
	if (r < 0) { /* not in this mount namespace, or an old kernel */
		*ret_place = HOST_UNKNOWN;
		snprintf(text, HOST_TEXT_BYTES, "%s", words_for(HOST_UNKNOWN));
		return 0;
	}
	return place_of_mount(&mounted, depth, ret_place, text);
}

int host_find_place(const char *path, enum host_place *ret_place, char text[static HOST_TEXT_BYTES])
{
	return place_of_path(path, 0, ret_place, text);
}

bool host_is_on_encrypted(const char *path)
{
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	return host_find_place(path, &place, text) >= 0 && place <= HOST_ENCRYPTED;
}

bool host_is_apart(const char *path)
{
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	return host_find_place(path, &place, text) >= 0 && place <= HOST_REMOVABLE;
}
