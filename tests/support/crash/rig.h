/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - a tiny volume on a simulated disk, for the crash simulator
 *
 * The disk is as long as the volume may ever grow.  Nothing here judges: what is
 * right is decided by model.h and media.h, which share no code with the map.
 *
 * Errors: what the code under test returns; out of memory aborts (this is a test).
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_RIG_H

#include "blockdev/layout.h"
#include "blockdev/residue.h"
#include "crypto/secret.h"
#include "overwrite/eraser.h"

#define CRASH_BLOCKS_MAX  48u /* of the largest volume */
#define CRASH_DISK_BLOCKS 160u
#define SECTORS_PER_BLOCK 8u
#define SECTOR_BYTES	  512u

struct crash_geometry {
	uint32_t page_blocks;
	uint64_t data_blocks;
	uint64_t most_blocks;
};

struct crash_rig {
	struct blockdev *disk;
	struct layout layout;
	struct secret *key;
	struct residue *residue;
	struct eraser *eraser;
	struct extent broken[4]; /* places of the disk that refuse writes */
	size_t broken_count;
};

/* A fresh disk, formatted.  used: it held something before, all of it is owed. */
void crash_rig_format(
	struct crash_rig *rig, const struct crash_geometry *geometry, bool used, bool filesystem);
void crash_rig_done(struct crash_rig *rig);

/* Opens the map and makes an eraser; on error neither is there. */
must_check int crash_rig_open(struct crash_rig *rig, struct residue_open_report *ret_report);
/* Drops both, as a crash does. */
void crash_rig_drop(struct crash_rig *rig);

/* What a host does after residue_open: tells the map what the file system owns, then trusts it. */
must_check int crash_rig_sweep(struct crash_rig *rig, const bool *owned, bool distrust);
/* Pays everything that is owed. */
must_check int crash_rig_pay(struct crash_rig *rig);
/* Pays what is owed of these blocks. */
must_check int crash_rig_erase(struct crash_rig *rig, struct extent at);

/* Where the logical block lies on the disk now, by the map's list of remapped blocks. */
uint64_t crash_rig_place(struct crash_rig *rig, uint64_t block);
/* Marks a place of the disk as one that refuses writes from now on. */
void crash_rig_break(struct crash_rig *rig, uint64_t place);
bool crash_rig_is_broken(const struct crash_rig *rig, uint64_t place);

/* One number for 512 bytes. */
uint64_t crash_sector_hash(const uint8_t *sector);
bool crash_sector_is_uniform(const uint8_t *sector);
/* A small generator of random numbers; every run prints its seed. */
uint64_t crash_random(uint64_t *seed);
static inline uint64_t crash_below(uint64_t *seed, uint64_t range)
{
	return (crash_random(seed) >> 20) % range;
}

#endif
