/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage.h - what on this system uses a block device: all of it, as a list
 *
 * The guard (guard.h) answers "may it be destroyed?" with one line and the first reason; this names
 * every user, of the device itself and of everything that stands on it (partitions, loop devices on
 * files of its file systems, device-mapper, RAID), so that a person sees what would die.
 *
 *   L1  Looks only; what could not be looked at is in the list as USAGE_UNKNOWN.
 *   L2  A user is told once, with the device through which it uses the drive.
 *
 * Threads: none is shared.  Errors: -ENOMEM, -ENODEV (no such block device).
 */
#ifndef SPOOLGUARD_BLOCKDEV_USAGE_H
#define SPOOLGUARD_BLOCKDEV_USAGE_H

#include "base/macros.h"
#include "blockdev/drive.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USAGE_TEXT_BYTES 512

enum usage_kind {
	USAGE_MOUNT, /* text: the mount point */
	USAGE_SWAP,
	USAGE_LVM,    /* text: the volume group's or mapping's name */
	USAGE_RAID,   /* text: "md0" */
	USAGE_MAPPED, /* another device-mapper target; text: its name */
	USAGE_LOOP,   /* a loop device on it or on a file of a file system on it; text: the file */
	USAGE_OPEN,   /* a process has the device open; text: program and pid */
	USAGE_VOLUME, /* an attached spoolguard volume; text: its UUID and mount point */
	USAGE_SYSTEM, /* the running system stands on it: text: "/", "/boot", "/var/lib/spoolguard"
		       */
	USAGE_MULTIPATH, /* a path of a multipath device; text: its name */
	USAGE_UNKNOWN,
};

struct usage {
	enum usage_kind kind;
	char device[DRIVE_TEXT_BYTES]; /* through which: "sdb", "sdb1", "loop3" */
	char text[USAGE_TEXT_BYTES];
	pid_t pid; /* OPEN; else 0 */
};

struct usage_list {
	struct usage *items; /* owned */
	size_t count;
};

/* places: as drive.h. */
must_check int usage_find(
	dev_t device, const struct drive_places *places, struct usage_list *ret_list);
void usage_list_done(struct usage_list *list);

const char *usage_kind_name(enum usage_kind kind); /* "mount", "swap", ...: for programs */
/* "mounted at /srv (sdb1)": for people; returns buf. */
const char *usage_describe(const struct usage *usage, char *buf, size_t buf_bytes);

#endif
