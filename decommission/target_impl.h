/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target_impl.h - the parts of target_look()
 *
 *   target.c           one drive, all of them
 *   target_scene.c     the machine, read once: who uses what, which drives are present
 *   target_whole.c     R1: is it a whole drive, and which one is it
 *   target_identity.c  R2, R3: which drive it is, by what, and whether another is taken for it
 *   target_medium.c    what lies on it: partitions, volumes, and who uses it
 *   target_reach.c     R4: what a method reaches beside it
 *   target_advise.c    what is recommended; pure
 */
#ifndef SPOOLGUARD_DECOMMISSION_TARGET_IMPL_H
#define SPOOLGUARD_DECOMMISSION_TARGET_IMPL_H

#include "blockdev/device_tree.h"
#include "decommission/target.h"

/* A drive that is present, as sysfs tells it. */
struct target_present {
	dev_t device;
	char name[DEVICE_NAME_BYTES];
	char serial[DRIVE_SERIAL_BYTES], wwn[DRIVE_TEXT_BYTES];
	char family[DRIVE_TEXT_BYTES]; /* NVMe: its subsystem; SCSI: its target; else "" */
	unsigned int number;	       /* in it: namespace, LUN */
};

struct target_scene {
	const struct drive_places *places; /* never NULL */
	const char *sysfs;
	struct usage_scene *usage;
	struct target_present *present;
	size_t present_count;
};

/* --- target_scene.c --- */

must_check int target_scene_take(
	const struct drive_places *places, struct target_scene **ret_scene);
void target_scene_free(struct target_scene *scene);
DEFINE_CLEANUP(struct target_scene *, target_scene_free)
/* The next name in SYSFS/block that may be a drive or a loop device; false: the end. */
bool target_next_device(
	const struct target_scene *scene, DIR *listing, char ret_name[static DEVICE_NAME_BYTES]);
DIR *target_listing(const char *sysfs);
/* Of SYSFS/block/NAME; 0: there is none. */
uint64_t target_sysfs_number(const char *sysfs, const char *name, const char *attribute);

/* --- target_whole.c --- */

/* 0, or the line of R1.  name: the kernel's, of the device. */
must_check int target_check_whole(const struct target_scene *scene, dev_t device, const char *asked,
	char ret_name[static DEVICE_NAME_BYTES], struct problem *reterr_problem);
/* "/dev/cciss/c0d0" */
void target_node(const char *name, char *ret_path, size_t path_bytes);

/* --- target_identity.c --- */

/* stack, facts and path are known.  fd: or -1. */
must_check int target_identify(
	struct target *target, int fd, const struct target_scene *scene, const char *name);

/* --- target_medium.c --- */

must_check int target_find_uses(struct target *target, const struct target_scene *scene);
must_check int target_find_parts(
	struct target *target, int fd, const struct target_scene *scene, const char *name);

/* --- target_reach.c --- */

must_check int target_find_reaches(
	struct target *target, const struct target_scene *scene, const char *name);

#endif
