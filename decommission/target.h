/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - a drive that may be decommissioned: what it is, what lies on it, who uses it, and what
 * else a method would reach
 *
 * Looks only: sysfs, the drive's own identification commands (drives/facts.h), headers of volumes
 * on it and on its partitions.
 *
 *   R1  A target is a whole drive.  A partition, and what stands on drives (LVM, RAID, multipath,
 *       device-mapper, a loop device on a device or over an attached volume) is refused, and the
 *       whole drive is named.  A drive that is a member of one is a target in use: see uses.
 *   R2  It is known by serial, WWN (or EUI, NGUID) and size, never by its name in /dev.  Where
 *       the drive tells no serial the stand-in of blockdev/identity.h stands for it, marked as one.
 *       identity.key is made of what sysfs tells (serial, WWN, namespace), so that it outlives an
 *       overwrite and a change of size; without any of it, of model and size.
 *   R3  Another device that is present with the same serial and WWN, or with none, makes it a twin:
 *       nobody could say which of them died.
 *   R4  What a method reaches beyond this device (the subsystem's other namespaces, other LUNs of
 *       the target, eMMC boot partitions) is listed, and whether it is in use.
 *
 * Without the right to open the device what sysfs tells is there all the same (opened is false).
 *
 * Errors: -ENOENT, -EMEDIUMTYPE (a file: "spoolguard overwrite" is for files), -EINVAL (R1), -EPERM
 * (confined), -ENOMEDIUM, -ENODEV, -ENOMEM; each with its line.  What the drive does not answer is
 * no error.  Threads: one for each target.
 */
#ifndef SPOOLGUARD_DECOMMISSION_TARGET_H
#define SPOOLGUARD_DECOMMISSION_TARGET_H

#include "base/problem.h"
#include "blockdev/blockdev.h"
#include "blockdev/drive.h"
#include "blockdev/identity.h"
#include "blockdev/signature.h"
#include "blockdev/usage.h"
#include "drives/facts.h"

#define TARGET_PATH_BYTES 512
#define TARGET_UUID_BYTES 37

/* A spoolguard (or stock LUKS2) volume that lies on it. */
struct target_volume {
	char uuid[TARGET_UUID_BYTES];
	char device[TARGET_PATH_BYTES]; /* on which its header stands: "/dev/sdb", "/dev/sdb1" */
	bool is_spoolguard;		/* has our token, or had */
	bool attached;
	char mount[TARGET_PATH_BYTES]; /* "": not mounted */
	uint32_t key_slots;
	uint32_t backups;   /* header backups ever taken: keystore.h */
	bool filled_before; /* something lay on the medium before it was encrypted */
	bool damaged;	    /* a header is there, and spoolguard cannot read it */
};

struct target_part {
	char device[TARGET_PATH_BYTES]; /* "/dev/sdb1" */
	uint64_t bytes;
	char holds[SIGNATURE_TEXT_BYTES];
};

struct target_reach {
	char what[FACTS_TEXT_BYTES];	/* "namespace 2", "LUN 1", "boot partition mmcblk0boot0" */
	char device[TARGET_PATH_BYTES]; /* "": the system shows none */
	bool in_use;
	bool untouched; /* none that is offered reaches it: eMMC boot, RPMB */
};

struct target {
	char asked[TARGET_PATH_BYTES]; /* as it was given */
	char path[TARGET_PATH_BYTES];  /* of the whole drive: "/dev/sdb" */
	dev_t device;
	struct identity identity;
	struct drive_stack stack;
	struct drive_verdict overwrite; /* what overwriting can promise on this medium */
	enum drive_class class;
	char transport[FACTS_TEXT_BYTES]; /* "sata", "sas", "nvme", "usb", "emmc", "virtio", "loop",
					     "" */
	bool read_only;
	bool opened;			 /* false: only what sysfs tells is known */
	bool facts_known;		 /* false: the drive could not be asked, facts are empty */
	char unasked[TARGET_PATH_BYTES]; /* why not opened or asked; "" */
	struct drive_facts facts;
	struct usage_list uses;
	bool is_system; /* the running system stands on it */
	bool is_twin;	/* R3 */
	char holds[SIGNATURE_TEXT_BYTES];
	struct target_part *parts; /* owned */
	size_t part_count;
	struct target_volume *volumes; /* owned */
	size_t volume_count;
	struct target_reach *reaches; /* owned */
	size_t reach_count;
};

struct target_options {
	const struct drive_places *places; /* NULL: this machine */
};

must_check int target_look(const char *path, const struct target_options *options,
	struct target **ret_target, struct problem *reterr_problem);
/*
 * Every whole drive of this machine, and every loop device that has a file: for "spoolguard
 * devices".  Each is looked at by a thread, so that one that hangs costs its own time only.
 * What cannot be looked at is left out and counted; what is memory, has no medium, or may not be
 * touched by a confined process is left out.  Gives ret_targets, each to
 * target_free(), and the array to free().
 */
must_check int target_list(const struct target_options *options, struct target ***ret_targets,
	size_t *ret_count, size_t *ret_left_out);
void target_free(struct target *target);
DEFINE_CLEANUP(struct target *, target_free)

/* Is what is present now the drive that was looked at then?  -ESTALE: no, and in what. */
must_check int target_compare(const struct identity *then, const struct drive_facts *facts_then,
	const struct target *now, struct problem *reterr_problem);

/* --- what spoolguard recommends, and why: pure --- */

/* The most that may be claimed of a method that ended well on such a medium. */
enum drive_sanitization target_promise(enum method_kind kind, enum drive_class class);

struct target_advice {
	enum method_kind method; /* METHOD_KINDS: none of the drive's own; overwrite alone */
	enum drive_sanitization verdict; /* what can be reached with it on this medium */
	char why[DRIVE_REASON_BYTES];
};
struct target_advice target_advise(const struct target *target);

#endif
