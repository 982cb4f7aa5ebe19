/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_impl.h - the parts of drive_look(): sysfs and udev's database, device-mapper, the walk
 *
 *   drive_look.c    the walk, from a descriptor down
 *   drive_sysfs.c   files below the places
 *   drive_kind.c    what kind of drive it is, and which
 *   drive_pages.c   the inquiry pages that a SCSI or ATA drive gave the kernel; pure
 *   drive_mapper.c  which targets a device-mapper device has
 *   drive_judge.c   the verdict; pure
 */
#ifndef SPOOLGUARD_BLOCKDEV_DRIVE_IMPL_H
#define SPOOLGUARD_BLOCKDEV_DRIVE_IMPL_H

#include "blockdev/device_tree.h"
#include "blockdev/drive.h"
#include <dirent.h>

/* --- drive_sysfs.c: directories are descriptors of a device's directory in sysfs --- */

/* ret_path: where it stands in sysfs, "/devices/pci0000:00/.../block/sda".  -ENOENT. */
must_check int drive_sysfs_open(
	const struct drive_places *places, dev_t device, char ret_path[static PATH_MAX]);
/* The first line, trimmed; "" and false: there is none. */
bool drive_sysfs_read(int directory, const char *attribute, char *text, size_t text_bytes);
uint64_t drive_sysfs_number(int directory, const char *attribute); /* 0: there is none */
/* What the attribute holds, as bytes; the number of them, 0 if there is none. */
size_t drive_sysfs_bytes(int directory, const char *attribute, void *buf, size_t buf_bytes);
bool drive_sysfs_has(int directory, const char *attribute);
/* The last part of what a symbolic link points to; "" and false: it is none. */
bool drive_sysfs_link(int directory, const char *name, char *text, size_t text_bytes);
must_check int drive_sysfs_device(int directory, const char *child, dev_t *ret_device);
DIR *drive_sysfs_list(int directory, const char *name); /* NULL: there is none */
const char *drive_sysfs_next(DIR *listing);		/* NULL: the end */

/* A property ("ID_SERIAL_SHORT") in udev's database of block devices. */
bool drive_udev_read(const struct drive_places *places, dev_t device, const char *property,
	char *text, size_t text_bytes);
bool drive_udev_has(const struct drive_places *places, dev_t device);

/* Without blanks at both ends, control characters as blanks. */
void drive_trim(char *text);

/* --- drive_kind.c --- */

/* Fills class, text and the identity of what is neither loop, partition, mapped nor RAID. */
void drive_kind_find(const struct drive_places *places, int directory, const char *path,
	dev_t device, struct drive_layer *layer);

/* --- drive_pages.c --- */

struct drive_pages {
	bool rate_known;
	unsigned int rate; /* 0: not told; 1: does not rotate; else a minute (SBC, page B1h) */
	bool shingled;	   /* zoned, by host or by drive, as it says itself */
	char model[64], serial[64], firmware[32];
};

void drive_pages_serial(const void *page80, size_t bytes, struct drive_pages *pages);
void drive_pages_characteristics(const void *page_b1, size_t bytes, struct drive_pages *pages);
void drive_pages_ata(const void *page89, size_t bytes, struct drive_pages *pages);

/* --- drive_mapper.c --- */

/* Sets class, text, keeps_copies, is_degraded; text is "" if it cannot be told. */
void drive_mapper_find(
	const struct drive_places *places, int directory, dev_t device, struct drive_layer *layer);

#endif
