/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_impl.h - the parts of usage_find(): what there is on the machine, and the walk from a
 * device up
 *
 *   usage.c        the list, and its words
 *   usage_scene.c  mounts, swap, loop devices and open descriptors, each read once
 *   usage_walk.c   from a device to all that stands on it
 */
#ifndef SPOOLGUARD_BLOCKDEV_USAGE_IMPL_H
#define SPOOLGUARD_BLOCKDEV_USAGE_IMPL_H

#include "blockdev/device_tree.h"
#include "blockdev/usage.h"
#include <sys/stat.h>

struct usage_mount {
	dev_t number, device; /* mount_table.h */
	bool is_system;
	char *where;
	char *lower; /* of an overlay: its options; else NULL */
};

struct usage_swap {
	dev_t device; /* itself, or the file's file system */
	bool is_file;
	char *path;
};

struct usage_loop {
	dev_t device;
	char name[DEVICE_NAME_BYTES];
	struct device_backing backing;
	bool is_volume; /* on the FUSE file of an attached volume */
};

struct usage_open {
	struct stat file;
	pid_t pid;
	char text[USAGE_TEXT_BYTES];
};

struct usage_scene {
	struct drive_places places;
	struct usage_mount *mounts;
	struct usage_swap *swaps;
	struct usage_loop *loops;
	struct usage_open *opens;
	size_t mount_count, swap_count, loop_count, open_count;
	bool opens_known; /* every process let itself be looked into */
	int error;	  /* -ENOMEM on the way */
};

/* Room for one more behind count items; NULL: none. */
void *usage_grow(void *items, size_t count, size_t item_bytes);
must_check int usage_list_add(struct usage_list *list, enum usage_kind kind, const char *device,
	const char *text, pid_t pid);

#endif
