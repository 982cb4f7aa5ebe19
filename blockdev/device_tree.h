/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_tree.h - how block devices stand on one another, as sysfs tells it
 *
 *   mounted file system, swap        users
 *        |
 *   dm-0, md0, loop3                 holders: what stands on a device
 *        |
 *   sda2 ---- partition of ---- sda  family: what shares its sectors
 *
 * Devices are named by their numbers (dev_t), never by a path in /dev: a name
 * can be moved to another device, a number cannot while it is in use.
 *
 * Errors: -ENOENT if there is no such device (or no sysfs), -E2BIG if a set is
 * full.  What can only be asked with more privilege is left out.
 * Threads: none is shared.
 */
#ifndef SPOOLGUARD_BLOCKDEV_DEVICE_TREE_H
#define SPOOLGUARD_BLOCKDEV_DEVICE_TREE_H

#include "base/macros.h"
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_SET_MAX	  512
#define DEVICE_NAME_BYTES 64
#define DEVICE_TEXT_BYTES 192

struct device_set {
	dev_t items[DEVICE_SET_MAX];
	size_t count;
};

/* What a bound loop device reads and writes. */
struct device_backing {
	dev_t device; /* the file system's, if it is a file */
	ino_t inode;
	dev_t block; /* the device itself, if it is a block device; else 0 */
	char path[PATH_MAX];
};

must_check int device_set_add(struct device_set *set, dev_t device);
bool device_set_has(const struct device_set *set, dev_t device);

/* "sda1": the kernel's name.  -ENOENT. */
must_check int device_name(dev_t device, char ret_name[static DEVICE_NAME_BYTES]);

/* The first line of an attribute of the device or, for a partition, of its disk ("device/serial").
 */
must_check int device_attribute(dev_t device, const char *attribute, char *buf, size_t buf_bytes);

/* Its disk, if it is a partition; else itself. */
must_check int device_whole(dev_t device, dev_t *ret_whole);

/* Itself, its partitions, and the disk if it is a partition: those whose use forbids writing to it.
 */
must_check int device_family(dev_t device, struct device_set *set);

/* Itself and all that it stands on, down to the disks. */
must_check int device_below(dev_t device, struct device_set *set);

/* Names what holds one of them: "the LVM volume vg-spool", "the RAID array md0".  False: nothing.
 */
bool device_holder(const struct device_set *set, char ret_text[static DEVICE_TEXT_BYTES]);

/* -ENXIO: not a loop device, or bound to nothing. */
must_check int device_backing(dev_t loop, struct device_backing *ret_backing);

/*
 * The bound loop devices, one after the other: listing is opendir(DEVICE_LISTING); false at the
 * end.  One that cannot be asked is passed over.
 */
#define DEVICE_LISTING "/sys/block"
bool device_next_loop(DIR *listing, dev_t *ret_loop, struct device_backing *ret_backing);

#endif
