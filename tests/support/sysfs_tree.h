/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs_tree.h - a machine of files: /sys, /proc and udev's database as a test makes them
 *
 * Device numbers are free to choose: nothing of the tree is ever opened as a device.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_SYSFS_TREE_H
#define SPOOLGUARD_TESTS_SUPPORT_SYSFS_TREE_H

#include "base/macros.h"
#include "blockdev/drive.h"
#include <limits.h>

struct sysfs_tree {
	char root[PATH_MAX / 4];
	char sysfs[PATH_MAX / 3], udev[PATH_MAX / 3], mapper[PATH_MAX / 3], proc[PATH_MAX / 3];
	struct drive_places places; /* points into it */
};

/* In a new directory below scratch_path(). */
void sysfs_tree_make(struct sysfs_tree *tree);

/* A line of text at a place below the tree: "sys/...", "proc/self/mountinfo". */
void sysfs_tree_put(struct sysfs_tree *tree, const char *text, const char *format, ...)
	format_printf(3, 4);
/* A symbolic link below the tree; to: below the tree, too. */
void sysfs_tree_link(struct sysfs_tree *tree, const char *at, const char *to);

/* A disk "sdb" of 1 GiB at sys/devices/AT/block/sdb, in sys/block and sys/dev/block; its directory
 * below the tree, until the next call. */
const char *sysfs_tree_disk(
	struct sysfs_tree *tree, const char *at, const char *name, dev_t number);
/* A partition: "sdb1" of "sdb". */
const char *sysfs_tree_part(
	struct sysfs_tree *tree, const char *disk, const char *name, dev_t number);
/* What stands on disks or partitions: "dm-0" or "md0" in sys/devices/virtual/block. */
const char *sysfs_tree_virtual(struct sysfs_tree *tree, const char *name, dev_t number);
/* upper holds lower; each a directory as the calls above gave it. */
void sysfs_tree_hold(struct sysfs_tree *tree, const char *upper, const char *lower);

#endif
