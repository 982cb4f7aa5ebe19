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
 * A program that has the device open for a moment only (udev, blkid, whenever something changes) is
 * waited for and is no user.  Which volumes are attached is not known here: a loop device over the
 * FUSE file of one is USAGE_VOLUME, the process that serves one is USAGE_OPEN on its medium
 * (decommission/target.h tells them as volumes).
 *
 * Threads: none is shared; a scene may be used by several at once.  Errors: -ENOMEM, -ENODEV (no
 * such block device), -E2BIG (more stands on it than DEVICE_SET_MAX devices).
 */
#ifndef SPOOLGUARD_BLOCKDEV_USAGE_H
#define SPOOLGUARD_BLOCKDEV_USAGE_H

#include "base/macros.h"
#include "blockdev/device_tree.h"
#include "blockdev/drive.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USAGE_TEXT_BYTES 512

enum usage_kind {
	USAGE_MOUNT,  /* text: the mount point */
	USAGE_SWAP,   /* text: the swap file; "": the device itself */
	USAGE_LVM,    /* text: the volume's name, as device-mapper has it ("vg-spool") */
	USAGE_RAID,   /* text: "md0" */
	USAGE_MAPPED, /* another device-mapper target, bcache; text: its name */
	USAGE_LOOP,   /* a loop device on it or on a file of a file system on it; text: "/dev/loop3
			 on FILE" */
	USAGE_OPEN,   /* a process has the device, or the file below it, open; text: program and
			 pid, "cat (process 12)" */
	USAGE_VOLUME, /* an attached spoolguard volume; text: its UUID and mount point */
	USAGE_SYSTEM, /* the running system stands on it: "/", "/boot", "/var/lib/spoolguard" or
			 what they lie on is mounted there; text: the mount point */
	USAGE_MULTIPATH, /* a path of a multipath device; text: its name */
	USAGE_UNKNOWN,	 /* text: what could not be looked at, or who it is cannot be told */
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

/* --- the same for many devices: the machine is read once --- */

struct usage_scene;

/* places: borrowed for as long as the scene lives. */
must_check int usage_scene_take(const struct drive_places *places, struct usage_scene **ret_scene);
void usage_scene_free(struct usage_scene *scene);
DEFINE_CLEANUP(struct usage_scene *, usage_scene_free)

must_check int usage_find_in(
	const struct usage_scene *scene, dev_t device, struct usage_list *ret_list);
/* The device, its partitions and all that stands on them; the numbers of file systems too. */
must_check int usage_above(
	const struct usage_scene *scene, dev_t device, struct device_set *ret_set);

const char *usage_kind_name(enum usage_kind kind); /* "mount", "swap", ...: for programs */
/* "mounted at /srv (sdb1)": for people; returns buf. */
const char *usage_describe(const struct usage *usage, char *buf, size_t buf_bytes);

#endif
