/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - what the machine around us does with what is in memory, and where a file really lies
 *
 * Facts come from /proc and /sys below a root directory ("" is this machine's; tests make their
 * own).  Nothing is changed.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_HARNESS_HOST_H
#define SPOOLGUARD_HARNESS_HOST_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define HOST_TEXT_BYTES 256

/* From the best to the worst. */
enum host_place {
	HOST_MEMORY,	/* tmpfs, ramfs, a zram device without backing: gone with the power */
	HOST_ENCRYPTED, /* below dm-crypt, or on a volume of ours */
	HOST_REMOVABLE, /* on a medium that can be pulled and kept apart */
	HOST_UNKNOWN,	/* a network, an overlay, a file system that does not say */
	HOST_OPEN,	/* on a disk of this machine, as it is */
};

/* Where one block device's content lies, by its kernel's name ("sda2", "dm-0"): through partitions,
 * LVM, RAID and loop devices down to the disks; of several, the worst. */
enum host_place host_place_of_device(const char *root, const char *name);

/* Where a file's content lies.  -errno of stat() if there is none.  text says it for
 * people: "on sda2, not encrypted". */
must_check int host_find_place(
	const char *path, enum host_place *ret_place, char text[static HOST_TEXT_BYTES]);

/* True for HOST_MEMORY and HOST_ENCRYPTED; false also if it cannot be told. */
bool host_is_on_encrypted(const char *path);

/* True where a key in this file lies apart from the lock: also on removable media. */
bool host_is_apart(const char *path);

#endif
