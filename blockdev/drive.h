/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive.h - which drives a volume lies on, what kind of medium each is, and what follows from it
 *
 * Found, never configured: from a descriptor down through loop devices, file systems,
 * device-mapper, RAID and partitions to the drives (device_tree.h, medium.h), each layer is named.
 * Attributes come from sysfs (queue/rotational, queue/zoned, device/model, serial, wwid,
 * firmware_rev, the driver's name) and from udev's database where sysfs has none; no command
 * is sent to the drive here.
 *
 * The verdict is a pure function of the layers, in the terms of SP 800-88r2 3.1.1 and 3.1.2 (Clear,
 * Purge) and IEEE 2883: what an overwrite of every block that a job had can promise there.  It is
 * never better than what the worst layer allows, and "neither" where blocks are not written in
 * place.  An overwrite alone is never Purge.
 *
 *   rotational, nothing between   Clear
 *   zoned                         neither: host-managed is written elsewhere; drive-managed
 *                                 cannot be told from outside, and that is said
 *   flash (SSD, NVMe, UFS, USB)   neither: the flash translation layer writes elsewhere; remnants
 *                                 must be assumed (HCD cPP v1.0e, FPT_WIPE_EXT.1); encryption and
 *                                 the drive's own sanitize protect there
 *   eMMC, SD                      as flash
 *   virtual (virtio, xen, ...)    neither: what lies below is not visible
 *   network (iSCSI, NBD, ...)     neither: as virtual
 *   file on ext4, XFS, in place   what the file system's drive allows
 *   file on btrfs, ZFS, F2FS, overlay, compressed, reflinked     neither
 *   dm linear, crypt              what lies below allows
 *   dm thin, snapshot, cache, vdo neither
 *   RAID 0, 1, 10, linear         what each member allows (all copies are written)
 *   RAID 4, 5, 6                  Clear at most; a journal or write-back cache is named
 *   memory                        neither: nothing durable, and swap may have it
 *   not known                     neither, "not assessed"
 */
#ifndef SPOOLGUARD_BLOCKDEV_DRIVE_H
#define SPOOLGUARD_BLOCKDEV_DRIVE_H

#include "base/macros.h"
#include "blockdev/medium.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVE_TEXT_BYTES   192
#define DRIVE_SERIAL_BYTES 160
#define DRIVE_LAYERS_MAX   32
#define DRIVE_REASON_BYTES 320

enum drive_class {
	DRIVE_UNKNOWN,
	DRIVE_ROTATIONAL,
	DRIVE_ZONED,
	DRIVE_FLASH,
	DRIVE_EMMC,
	DRIVE_VIRTUAL,
	DRIVE_NETWORK,
	/* not drives, but what stands on them: */
	DRIVE_LOOP,
	DRIVE_FILE, /* a file in a file system: text names it */
	DRIVE_PARTITION,
	DRIVE_MAPPED, /* device-mapper: text names the target ("linear", "crypt", "thin") */
	DRIVE_RAID,   /* text names the level ("raid1") */
	DRIVE_MEMORY, /* brd, zram, a file in tmpfs */
};

struct drive_layer {
	enum drive_class class;
	char name[DRIVE_TEXT_BYTES]; /* the kernel's, "sda"; of a file its file system, "ext4" */
	char text[DRIVE_TEXT_BYTES]; /* target, level, transport ("sata", "nvme", "usb", "virtio");
					or "" */
	/* of a drive; "": not told */
	char model[DRIVE_TEXT_BYTES];
	char serial[DRIVE_SERIAL_BYTES];
	bool serial_is_stand_in; /* identity.h */
	char wwn[DRIVE_TEXT_BYTES];
	char firmware[DRIVE_TEXT_BYTES];
	uint64_t bytes;
	unsigned int depth;	   /* 0: what was asked for */
	struct medium_facts facts; /* of a file */
};

struct drive_stack {
	struct drive_layer layers[DRIVE_LAYERS_MAX]; /* from the top down */
	size_t count;
	bool cut; /* there were more, or something could not be looked at */
};

enum drive_sanitization { DRIVE_NEITHER, DRIVE_CLEAR, DRIVE_PURGE };

struct drive_verdict {
	enum drive_sanitization overwrite; /* DRIVE_CLEAR at best */
	char reason[DRIVE_REASON_BYTES];   /* one sentence: which layer, and why */
	char clause[DRIVE_TEXT_BYTES];	   /* "SP 800-88r2 3.1.1; HCD cPP v1.0e FPT_WIPE_EXT.1" */
};

/* fd: the medium of a volume, a device or a file.  sysfs: NULL: "/sys" (tests have their own). */
must_check int drive_look(int fd, const char *sysfs, struct drive_stack *ret_stack);
/* Pure. */
struct drive_verdict drive_judge(const struct drive_stack *stack);

const char *drive_class_name(enum drive_class class);		   /* "rotational", "loop", ... */
const char *drive_sanitization_name(enum drive_sanitization what); /* "Clear", "Purge", "neither" */

#endif
