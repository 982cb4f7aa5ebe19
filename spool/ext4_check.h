/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_check.h - does this volume hold an ext4, and can it be a spool?
 *
 * Refused by name (-EOPNOTSUPP), because what a job leaves there no discard would
 * reach, or no extent would show: inline_data, data journalling by default, blocks
 * that are not 4096 bytes, bigalloc, encrypt, verity, shared_blocks, an external
 * journal, and incompatible features that this version does not know.
 *
 * ext4_check() reads the superblock alone; the lists of extents go through libext2fs
 * and believe the metadata on the medium: for inspection, and never for a decision
 * about the map (M8).
 *
 * Units: blocks of 4096 bytes of the volume.  Threads: one caller at a time for each
 * ext2_filsys.
 */
#ifndef SPOOLGUARD_SPOOL_EXT4_CHECK_H
#define SPOOLGUARD_SPOOL_EXT4_CHECK_H

#include "base/extent.h"
#include "base/problem.h"
#include "blockdev/blockdev.h"
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>

#define EXT4_LABEL_BYTES 17
#define EXT4_UUID_BYTES	 37

struct ext4_report {
	bool is_ext4; /* false: nothing below is filled */
	char label[EXT4_LABEL_BYTES];
	char uuid[EXT4_UUID_BYTES];
	uint64_t blocks;
	uint64_t free_blocks; /* by the superblock, which a mounted ext4 updates late */
	uint32_t inodes;
	bool has_journal;    /* false: a crash needs e2fsck (see warning) */
	bool needs_recovery; /* the journal holds what is not in place yet */
	bool is_clean;	     /* s_state: unmounted cleanly (without a journal, or by e2fsck) ... */
	bool has_errors;     /* ... or errors were found while it was mounted */
	uint32_t mount_count;
	int64_t mounted_wall_s;
	int64_t written_wall_s;
	int64_t checked_wall_s;
	/* Accepted, but the user should know; empty text: nothing to say. */
	struct problem warning;
};

/*
 * No ext4 (of 4 KiB and more) there is no error: is_ext4 is false.  -EOPNOTSUPP: refused, the
 * problem says why; -EBADMSG: the superblock is damaged, or its file system is larger than the
 * volume.  The report is filled also when an ext4 is refused.
 */
must_check int ext4_check(
	struct blockdev *bd, struct ext4_report *ret_report, struct problem *reterr_problem);
/* Pure: block is the volume's first 4096 bytes. */
must_check int ext4_check_superblock(const uint8_t block[static BLOCK_BYTES],
	uint64_t volume_blocks, struct ext4_report *ret_report, struct problem *reterr_problem);

/* Read-only, nothing is replayed; bitmaps are read.  Close with ext2fs_free().  bd is borrowed
 * until then. */
must_check int ext4_open_read_only(
	struct blockdev *bd, ext2_filsys *ret_fs, struct problem *reterr_problem);
/* Blocks that the bitmaps call free. */
must_check int ext4_free_extents(ext2_filsys fs, struct extent_list *list);
/* None without a journal. */
must_check int ext4_journal_extents(ext2_filsys fs, struct extent_list *list);
/* Data and mapping blocks of an inode, extended attributes too. */
must_check int ext4_inode_extents(ext2_filsys fs, ext2_ino_t inode, struct extent_list *list);

#endif
