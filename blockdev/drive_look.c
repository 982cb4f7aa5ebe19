/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_look.c - the walk from a descriptor down to the drives
 *
 *   file -> file system -> partition -> device-mapper, RAID -> drives
 *             ^                             |
 *             +---------- loop device <-----+
 *
 * What is reached on two ways is shown on both: two halves of a mirror on one disk.  Where the way
 * down is lost, a layer of class "unknown" stands for what is there.
 */
#include "base/io.h"
#include "blockdev/drive_impl.h"
#include "blockdev/identity.h"
#include "blockdev/mount_table.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEPTH_MAX    16u
#define SECTOR_BYTES 512u

struct walk {
	const struct drive_places *places;
	bool is_this_machine;
	struct drive_stack *stack;
};

static void walk_device(struct walk *walk, dev_t device, unsigned int depth);
static int walk_file(struct walk *walk, int fd, unsigned int depth);

/* NULL: no more are kept, and the stack says so. */
static struct drive_layer *add_layer(
	struct walk *walk, enum drive_class class, const char *name, unsigned int depth)
{
	struct drive_layer *layer;

	if (walk->stack->count == DRIVE_LAYERS_MAX) {
		walk->stack->cut = true;
		return NULL;
	}
	layer = &walk->stack->layers[walk->stack->count++];
	*layer = (struct drive_layer){.class = class, .depth = depth};
	snprintf(layer->name, sizeof(layer->name), "%.191s", name);
	return layer;
}

static void add_unseen(struct walk *walk, const char *name, unsigned int depth)
{
	(void)add_layer(walk, DRIVE_UNKNOWN, name, depth);
	walk->stack->cut = true;
}

/* --- loop devices --- */

/* Below a directory of a test there are no loop devices to ask: the path must do. */
static int open_backing(const struct walk *walk, int directory, dev_t device)
{
	struct device_backing backing = {.device = 0};
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!drive_sysfs_read(directory, "loop/backing_file", path, sizeof(path)))
		return -ENXIO;
	if (walk->is_this_machine && device_backing(device, &backing) < 0)
		return -ENXIO;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 ||
		(walk->is_this_machine && (backing.block ? st.st_rdev != backing.block
							 : st.st_dev != backing.device ||
								   st.st_ino != backing.inode))) {
		io_closep(&fd);
		return -ENXIO;
	}
	return fd;
}

static void walk_loop(
	struct walk *walk, int directory, dev_t device, const char *name, unsigned int depth)
{
	struct drive_layer *layer = add_layer(walk, DRIVE_LOOP, name, depth);
	_cleanup_close_ int below = open_backing(walk, directory, device);

	if (layer)
		layer->bytes = drive_sysfs_number(directory, "size") * SECTOR_BYTES;
	if (below < 0 || walk_file(walk, below, depth + 1) < 0)
		add_unseen(walk, "the file below the loop device", depth + 1);
}

/* --- what stands on several --- */

static void walk_slaves(struct walk *walk, int directory, const char *list, unsigned int depth)
{
	_cleanup_closedir_ DIR *listing = drive_sysfs_list(directory, list);
	size_t before = walk->stack->count;
	const char *name;
	dev_t number;

	while (listing && (name = drive_sysfs_next(listing))) {
		if (drive_sysfs_device(dirfd(listing), name, &number) >= 0)
			walk_device(walk, number, depth);
		else
			walk->stack->cut = true;
	}
	if (walk->stack->count == before && !listing)
		add_unseen(walk, "what is below", depth);
}

static void describe_raid(int directory, struct drive_layer *layer)
{
	char level[64], policy[32], mode[32];

	drive_sysfs_read(directory, "md/level", level, sizeof(level));
	drive_sysfs_read(directory, "md/consistency_policy", policy, sizeof(policy));
	drive_sysfs_read(directory, "md/journal_mode", mode, sizeof(mode));
	layer->is_degraded = drive_sysfs_number(directory, "md/degraded") > 0;
	layer->keeps_copies = strcmp(policy, "journal") == 0 || strcmp(policy, "ppl") == 0;
	mode[strcspn(mode, "\n")] = '\0';
	if (strcmp(policy, "journal") == 0)
		snprintf(layer->text, sizeof(layer->text), "%s with a journal%s%s", level,
			mode[0] ? ", " : "", mode);
	else if (strcmp(policy, "ppl") == 0)
		snprintf(layer->text, sizeof(layer->text), "%s with a partial parity log", level);
	else
		snprintf(layer->text, sizeof(layer->text), "%s", level);
}

static void walk_mapped(
	struct walk *walk, int directory, dev_t device, const char *name, unsigned int depth)
{
	struct drive_layer *layer = add_layer(walk, DRIVE_MAPPED, name, depth);

	if (layer)
		layer->bytes = drive_sysfs_number(directory, "size") * SECTOR_BYTES;
	if (layer && drive_sysfs_has(directory, "dm"))
		drive_mapper_find(walk->places, directory, device, layer);
	else if (layer)
		snprintf(layer->text, sizeof(layer->text), "bcache");
	walk_slaves(walk, directory, "slaves", depth + 1);
}

static void walk_raid(struct walk *walk, int directory, const char *name, unsigned int depth)
{
	struct drive_layer *layer = add_layer(walk, DRIVE_RAID, name, depth);

	if (layer) {
		layer->bytes = drive_sysfs_number(directory, "size") * SECTOR_BYTES;
		describe_raid(directory, layer);
	}
	walk_slaves(walk, directory, "slaves", depth + 1);
}

/* --- drives --- */

/* A drive that tells no serial is known by a stand-in; its node must be in sight for that. */
static void find_stand_in(const char *name, dev_t device, struct drive_layer *layer)
{
	struct identity identity;
	_cleanup_close_ int fd = -1;
	char node[DRIVE_TEXT_BYTES + 8];
	struct stat st;

	snprintf(node, sizeof(node), "/dev/%.190s", name);
	for (char *c = node + 5; *c; c++) {
		if (*c == '!') /* "cciss!c0d0" */
			*c = '/';
	}
	fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_rdev != device ||
		identity_read(fd, &identity) < 0)
		return;
	snprintf(layer->serial, sizeof(layer->serial), "%s", identity.serial);
	layer->serial_is_stand_in = identity.is_stand_in;
}

static void walk_drive(struct walk *walk, int directory, const char *path, dev_t device,
	const char *name, unsigned int depth)
{
	struct drive_layer *layer = add_layer(walk, DRIVE_UNKNOWN, name, depth);

	if (!layer)
		return;
	layer->bytes = drive_sysfs_number(directory, "size") * SECTOR_BYTES;
	drive_kind_find(walk->places, directory, path, device, layer);
	if (layer->serial[0] == '\0' && walk->is_this_machine && layer->class != DRIVE_MEMORY)
		find_stand_in(name, device, layer);
}

static void walk_partition(struct walk *walk, int directory, const char *name, unsigned int depth)
{
	struct drive_layer *layer = add_layer(walk, DRIVE_PARTITION, name, depth);
	dev_t whole;

	if (layer)
		layer->bytes = drive_sysfs_number(directory, "size") * SECTOR_BYTES;
	if (drive_sysfs_device(directory, "..", &whole) >= 0)
		walk_device(walk, whole, depth + 1);
	else
		add_unseen(walk, "the partition's disk", depth + 1);
}

static void walk_device(struct walk *walk, dev_t device, unsigned int depth)
{
	_cleanup_close_ int directory = -1;
	char path[PATH_MAX], number[32];
	const char *name;

	if (depth > DEPTH_MAX) {
		walk->stack->cut = true;
		return;
	}
	directory = drive_sysfs_open(walk->places, device, path);
	if (directory < 0) {
		snprintf(number, sizeof(number), "%u:%u", major(device), minor(device));
		add_unseen(walk, number, depth);
		return;
	}
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (drive_sysfs_has(directory, "partition"))
		walk_partition(walk, directory, name, depth);
	else if (drive_sysfs_has(directory, "loop"))
		walk_loop(walk, directory, device, name, depth);
	else if (drive_sysfs_has(directory, "md"))
		walk_raid(walk, directory, name, depth);
	else if (drive_sysfs_has(directory, "dm") || strncmp(name, "bcache", 6) == 0)
		walk_mapped(walk, directory, device, name, depth);
	else
		walk_drive(walk, directory, path, device, name, depth);
}

/* --- files --- */

/* btrfs has a number that is no device's, and may lie on several. */
static void walk_btrfs(struct walk *walk, int fd, unsigned int depth)
{
	struct btrfs_ioctl_fs_info_args info = {.num_devices = 0};
	const uint8_t *u = info.fsid;
	_cleanup_close_ int sysfs = -1;
	char path[PATH_MAX];

	if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0) {
		add_unseen(walk, "the devices of the btrfs", depth);
		return;
	}
	snprintf(path, sizeof(path),
		"%.3900s/fs/btrfs/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		"%02x%02x%02x%02x%02x%02x",
		walk->places->sysfs ? walk->places->sysfs : "/sys", u[0], u[1], u[2], u[3], u[4],
		u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	sysfs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	walk_slaves(walk, sysfs, "devices", depth);
}

/* A changed file lies in the upper directory. */
static void walk_overlay(struct walk *walk, dev_t file_system, unsigned int depth)
{
	_cleanup_close_ int fd = -1;
	char upper[PATH_MAX];
	struct stat st;

	if (mount_table_option(file_system, "upperdir", upper, sizeof(upper)) >= 0)
		fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev == file_system || depth > DEPTH_MAX ||
		walk_file(walk, fd, depth) < 0)
		add_unseen(walk, "the directory below the overlay", depth);
}

static void find_type(dev_t file_system, uint32_t magic, char *name, size_t bytes)
{
	if (mount_table_type(file_system, name, bytes) >= 0)
		return;
	if (magic == BTRFS_SUPER_MAGIC) /* a subvolume's number is no mount's */
		snprintf(name, bytes, "btrfs");
	else
		snprintf(name, bytes, "file system 0x%x", magic);
}

static int walk_file(struct walk *walk, int fd, unsigned int depth)
{
	struct medium_facts facts;
	struct drive_layer *layer;
	char type[64];
	struct stat st;
	bool in_memory;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		walk_device(walk, st.st_rdev, depth);
		return 0;
	}
	r = medium_gather(fd, true, &facts);
	if (r < 0)
		return r;
	find_type(st.st_dev, facts.file_system, type, sizeof(type));
	in_memory = facts.file_system == TMPFS_MAGIC || facts.file_system == RAMFS_MAGIC;
	layer = add_layer(walk, in_memory ? DRIVE_MEMORY : DRIVE_FILE, type, depth);
	if (layer) {
		layer->facts = facts;
		layer->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	}
	if (in_memory)
		return 0;
	if (facts.file_system == BTRFS_SUPER_MAGIC)
		walk_btrfs(walk, fd, depth + 1);
	else if (facts.file_system == OVERLAYFS_SUPER_MAGIC)
		walk_overlay(walk, st.st_dev, depth + 1);
	else if (major(st.st_dev) == 0)
		add_unseen(walk, "what the file system lies on", depth + 1);
	else
		walk_device(walk, st.st_dev, depth + 1);
	return 0;
}

/* --- */

static void begin(struct walk *walk, const struct drive_places *places, struct drive_stack *stack)
{
	static const struct drive_places this_machine = {.sysfs = NULL};

	*stack = (struct drive_stack){.count = 0};
	*walk = (struct walk){.places = places ? places : &this_machine, .stack = stack};
	walk->is_this_machine = !walk->places->sysfs;
}

int drive_look(int fd, const struct drive_places *places, struct drive_stack *ret_stack)
{
	struct drive_stack stack;
	struct walk walk;
	int r;

	begin(&walk, places, &stack);
	r = walk_file(&walk, fd, 0);
	if (r < 0)
		return r;
	*ret_stack = stack;
	return 0;
}

void drive_look_at_device(
	dev_t device, const struct drive_places *places, struct drive_stack *ret_stack)
{
	struct walk walk;

	begin(&walk, places, ret_stack);
	walk_device(&walk, device, 0);
}
