/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_owners.h - what an ext4 keeps in which block, and whose it is
 *
 * By the metadata on the medium, for inspection only (M8).  Where a block lies is
 * answered at once; which inode owns it takes a walk over all inodes, so blocks are
 * gathered first and resolved together.
 *
 * Units: blocks of 4096 bytes.  fs is borrowed for the owners' life, its bitmaps read.
 * Threads: one caller at a time.
 */
#ifndef SPOOLGUARD_SPOOL_EXT4_OWNERS_H
#define SPOOLGUARD_SPOOL_EXT4_OWNERS_H

#include "base/macros.h"
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>

enum ext4_place {
	EXT4_FREE,
	EXT4_OUTSIDE,	  /* behind the end of the file system */
	EXT4_METADATA,	  /* superblocks, group descriptors, bitmaps, room for growth */
	EXT4_INODE_TABLE, /* also short symbolic links and extended attributes */
	EXT4_JOURNAL,
	EXT4_DIRECTORY,
	EXT4_FILE, /* whatever else an inode owns */
};

struct ext4_owners;

must_check int ext4_owners_new(ext2_filsys fs, struct ext4_owners **ret_owners);
void ext4_owners_free(struct ext4_owners *owners);
DEFINE_CLEANUP(struct ext4_owners *, ext4_owners_free)

enum ext4_place ext4_owners_place(const struct ext4_owners *owners, uint64_t block);
bool ext4_owners_is_free(const struct ext4_owners *owners, uint64_t block); /* or outside */

/* The inode (0: unknown) and, if it has a name, its path; give path to free(). */
struct ext4_owner {
	uint64_t block;
	uint32_t offset_bytes; /* in the block: which inode of an inode table */
	ext2_ino_t inode;
	char *path;
};
/* Fills inode and path of each; what is not found keeps 0 and NULL. */
must_check int ext4_owners_resolve(
	struct ext4_owners *owners, struct ext4_owner *wanted, size_t count);

/*
 * The places where the blocks of a file that follow one another do not lie so: visit
 * gets the last block before and the first after.  Nonzero from visit ends the walk and is
 * returned.
 */
must_check int ext4_owners_visit_seams(struct ext4_owners *owners,
	int (*visit)(void *context, ext2_ino_t inode, uint64_t before, uint64_t after),
	void *context);

#endif
