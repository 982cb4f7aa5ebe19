/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_table.h - what is mounted or swapped on, of this mount namespace
 *
 * Read anew from /proc at each call.  A mount in another namespace is not seen
 * here; the kernel's own claim on the device (O_EXCL) covers it.
 */
#ifndef SPOOLGUARD_BLOCKDEV_MOUNT_TABLE_H
#define SPOOLGUARD_BLOCKDEV_MOUNT_TABLE_H

#include "base/macros.h"
#include "blockdev/device_tree.h"
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* --- all of them, one after the other --- */

/* Begins as {.proc = NULL}: "/proc"; tests have their own.  For one kind of entry each. */
struct mount_listing {
	const char *proc; /* borrowed */
	FILE *file;
	char *line;
	size_t line_bytes;
};

/* One line of PROC/self/mountinfo (proc(5)); the strings are gone with the next. */
struct mount_entry {
	dev_t number; /* the file system's: st_dev of what is in it */
	dev_t device; /* the block device that it lies on, or one of several; else the number */
	const char *where;
	const char *type;
	const char *source;
	char *options; /* the file system's own; escaped as they are */
};

bool mount_listing_next(struct mount_listing *listing, struct mount_entry *ret_entry);
/* The same for swap space: a device, or a file.  One that has no name here is passed over. */
bool mount_listing_next_swap(
	struct mount_listing *listing, struct stat *ret_st, const char **ret_path);
void mount_listing_done(struct mount_listing *listing);

/* --- questions to this machine's --- */

/* Where one of these devices is mounted, and which of them.  False: nowhere that can be seen. */
bool mount_table_find(
	const struct device_set *set, dev_t *ret_device, char ret_where[static DEVICE_TEXT_BYTES]);

/*
 * The index-th place, in the order of mounting, where this device (and no partition of it) is
 * mounted.  -ENOENT past the last; -ENAMETOOLONG.
 */
must_check int mount_table_place(dev_t device, size_t index, char *ret_where, size_t where_bytes);

/* The type of the file system with this number (st_dev), "fuse.spoolguard".  -ENOENT. */
must_check int mount_table_type(dev_t file_system, char *ret_type, size_t type_bytes);

/* The value of an option of that file system itself ("upperdir" of an overlay).  -ENOENT: it has
 * none; -ENAMETOOLONG. */
must_check int mount_table_option(
	dev_t file_system, const char *option, char *ret_value, size_t value_bytes);

/* The block device under the root directory, as far as there is one.  -ENOENT. */
must_check int mount_table_root(dev_t *ret_device);

/* True if one of these devices, or this file (may be NULL), is swap space in use. */
bool mount_table_is_swap(const struct device_set *set, const struct stat *file);

#endif
