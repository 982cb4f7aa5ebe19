/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive.h - which drives a volume lies on, what kind of medium each is, and what follows from it
 *
 * Found, never configured: from a descriptor down through loop devices, file systems,
 * device-mapper, RAID and partitions to the drives (device_tree.h, medium.h), each layer is named.
 * Attributes come from sysfs (queue/rotational, queue/zoned, the SCSI inquiry pages that the kernel
 * keeps, device/model, serial, wwid, firmware_rev) and from udev's database where sysfs has none;
 * no command is sent to the drive here.
 *
 * The verdict is a pure function of the layers, in the terms of SP 800-88r2 3.1.1 and 3.1.2 (Clear,
 * Purge) and IEEE 2883: what an overwrite of every block that a job had can promise there.  It is
 * never better than what the worst layer allows, and "neither" where blocks are not written in
 * place.  An overwrite alone is never Purge.
 *
 *   rotational, nothing between   Clear
 *   zoned                         neither: host-managed is written elsewhere; drive-managed
 *                                 shows only where the drive says so, and that is said
 *   flash (SSD, NVMe, UFS, USB)   neither: the flash translation layer writes elsewhere; remnants
 *                                 must be assumed (HCD cPP v1.0e, FPT_WIPE_EXT.1); encryption and
 *                                 the drive's own sanitize protect there
 *   eMMC, SD                      as flash
 *   virtual (virtio, xen, ...)    neither: what lies below is not visible; so below a RAID
 *                                 controller
 *   network (iSCSI, NBD, ...)     neither: as virtual
 *   file on ext4, XFS, FAT, in place                             what the layers below allow
 *   file on btrfs, ZFS, F2FS, overlay, compressed, reflinked     neither
 *   dm linear, striped, crypt, mirror, multipath   what lies below allows
 *   dm thin, snapshot, cache, vdo, integrity       neither
 *   RAID 0, 1, 10, linear         what each member allows (all copies are written)
 *   RAID 4, 5, 6                  what each member allows; neither with a journal or a partial
 *                                 parity log, which keep copies
 *   RAID, degraded                neither: what a missing member holds is not overwritten
 *   memory                        neither: nothing durable, and swap may have it
 *   not known                     neither, "not assessed"
 *
 *   D1  A drive is rotational only if it tells a rotation rate: the kernel's flag is set for every
 *       drive that says nothing (memory cards, USB sticks, early SSDs).
 *   D2  Whatever could not be looked at makes the verdict "neither".
 *
 * Errors: -errno of fstat and FIEMAP; what is not there below the descriptor is no error: cut.
 * Threads: none is shared.
 */
#ifndef SPOOLGUARD_BLOCKDEV_DRIVE_H
#define SPOOLGUARD_BLOCKDEV_DRIVE_H

#include "base/macros.h"
#include "blockdev/medium.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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
	DRIVE_MEMORY, /* brd, zram, a file in tmpfs */
	/* not drives, but what stands on them: */
	DRIVE_LOOP,
	DRIVE_FILE, /* a file in a file system: name is the file system's */
	DRIVE_PARTITION,
	DRIVE_MAPPED, /* device-mapper: text names the targets ("linear", "crypt", "thin") */
	DRIVE_RAID,   /* text names the level ("raid1") */
};

struct drive_layer {
	enum drive_class class;
	char name[DRIVE_TEXT_BYTES]; /* the kernel's, "sda"; of a file its file system, "ext4" */
	char text[DRIVE_TEXT_BYTES]; /* targets ("linear+striped"), level, transport ("ata", "nvme",
					"usb", "virtio"), driver of a RAID controller; or "" */
	/* of a drive; "": not told */
	char model[DRIVE_TEXT_BYTES];
	char serial[DRIVE_SERIAL_BYTES];
	bool serial_is_stand_in; /* identity.h */
	char wwn[DRIVE_TEXT_BYTES];
	char firmware[DRIVE_TEXT_BYTES];
	uint64_t bytes;	    /* of a device */
	bool is_controller; /* VIRTUAL: a RAID controller, text is its driver */
	/* of RAID */
	bool keeps_copies; /* a journal, or a partial parity log */
	bool is_degraded;
	unsigned int depth;	   /* 0: what was asked for */
	struct medium_facts facts; /* of a file */
};

struct drive_stack {
	struct drive_layer layers[DRIVE_LAYERS_MAX]; /* from the top down; each below its upper */
	size_t count;
	bool cut; /* there were more, or something could not be looked at */
};

enum drive_sanitization { DRIVE_NEITHER, DRIVE_CLEAR, DRIVE_PURGE };

struct drive_verdict {
	enum drive_sanitization overwrite; /* DRIVE_CLEAR at best */
	char reason[DRIVE_REASON_BYTES];   /* one sentence: which layer, and why */
	char clause[DRIVE_TEXT_BYTES];	   /* "SP 800-88r2 3.1.1; HCD cPP v1.0e FPT_WIPE_EXT.1" */
	const struct drive_layer *layer;   /* whose reason it is; into the stack; or NULL */
};

/* Where to look; tests have their own.  A member that is NULL: this machine's. */
struct drive_places {
	const char *sysfs;  /* "/sys" */
	const char *udev;   /* "/run/udev/data" */
	const char *mapper; /* a directory of files "MAJOR:MINOR" with a line "TARGET STATUS" for
			       each target; NULL: the kernel is asked */
	const char *proc;   /* "/proc" */
};

/*
 * fd: the medium of a volume, a device or a file.  places: NULL: this machine.  Takes the time of
 * one FIEMAP of each file; a stand-in for a missing serial is made on this machine alone.
 */
must_check int drive_look(int fd, const struct drive_places *places, struct drive_stack *ret_stack);
/* The same from a block device's number down. */
void drive_look_at_device(
	dev_t device, const struct drive_places *places, struct drive_stack *ret_stack);

/* Pure. */
struct drive_verdict drive_judge(const struct drive_stack *stack);

bool drive_class_is_drive(enum drive_class class);    /* false: a layer on drives; UNKNOWN is one */
const char *drive_class_name(enum drive_class class); /* "rotational", "loop", ... */
const char *drive_sanitization_name(enum drive_sanitization what); /* "Clear", "Purge", "neither" */

#endif
