/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess_sweep.c - I3: what the file system owns, before anything of the map is believed
 *
 * Not e2fsck, but the one thing that erasing rests on: every block that an inode, a
 * table or a bitmap of the file system owns is marked in its block bitmap, and has one owner.
 * Checksums of what is read are checked by libext2fs.  The file system is not mounted and
 * has no journal to replay, so that its bitmaps are the truth (M8 is about mounted ones).
 */
#include "spool/inprocess_impl.h"
#include "base/io.h"
#include "blockdev/ext4_fingerprint.h"
#include "spool/ext4_check.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <et/com_err.h>
#include <inttypes.h>
#include <string.h>

struct census {
	ext2fs_block_bitmap owned;
	bool many_owners_allowed; /* reserved blocks belong to tables and to the resize inode */
	uint64_t blocks;
	uint64_t shared;  /* a block that has two owners; 0: none */
	uint64_t outside; /* a block beyond the end */
};

static int count_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t parent,
	int offset, void *private)
{
	struct census *census = private;

	(void)fs, (void)number, (void)parent, (void)offset;
	if (*block >= census->blocks) {
		census->outside = *block;
		return BLOCK_ABORT;
	}
	if (ext2fs_mark_block_bitmap2(census->owned, *block) && !census->many_owners_allowed)
		census->shared = *block;
	return 0;
}

static void count_tables(ext2_filsys fs, struct census *census)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_reserve_super_and_bgd(fs, g, census->owned);
		ext2fs_mark_block_bitmap2(census->owned, ext2fs_block_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap2(census->owned, ext2fs_inode_bitmap_loc(fs, g));
		ext2fs_mark_block_bitmap_range2(census->owned, ext2fs_inode_table_loc(fs, g),
			(blk_t)fs->inode_blocks_per_group);
	}
}

static errcode_t count_inode(
	ext2_filsys fs, ext2_ino_t inode, struct ext2_inode *body, struct census *census)
{
	blk64_t attributes = ext2fs_file_acl_block(fs, body);

	if (attributes != 0) { /* may be shared among inodes */
		census->many_owners_allowed = true;
		count_block(fs, &attributes, 0, 0, 0, census);
	}
	if (inode != EXT2_BAD_INO && !ext2fs_inode_has_valid_blocks2(fs, body))
		return 0;
	census->many_owners_allowed = inode == EXT2_RESIZE_INO;
	return ext2fs_block_iterate3(fs, inode, BLOCK_FLAG_READ_ONLY, NULL, count_block, census);
}

static errcode_t count_inodes(ext2_filsys fs, struct census *census, ext2_ino_t *reterr_inode)
{
	ext2_inode_scan scan;
	struct ext2_inode body;
	ext2_ino_t inode;
	errcode_t e;

	e = ext2fs_open_inode_scan(fs, 0, &scan);
	if (e)
		return e;
	for (;;) {
		e = ext2fs_get_next_inode(scan, &inode, &body);
		if (e || inode == 0)
			break;
		*reterr_inode = inode;
		if (body.i_links_count == 0 && inode >= EXT2_FIRST_INODE(fs->super))
			continue;
		if (inode >= EXT2_FIRST_INODE(fs->super) &&
			!ext2fs_test_inode_bitmap2(fs->inode_map, inode)) {
			e = EXT2_ET_INODE_CORRUPTED; /* in use, and its bitmap says free */
			break;
		}
		e = count_inode(fs, inode, &body, census);
		if (e || census->outside || census->shared)
			break;
	}
	ext2fs_close_inode_scan(scan);
	return e;
}

/* A block that is owned and that the bitmap calls free, or 0. */
static uint64_t find_unmarked(ext2_filsys fs, const struct census *census)
{
	for (blk64_t b = fs->super->s_first_data_block; b < census->blocks; b++) {
		if (ext2fs_test_block_bitmap2(census->owned, b) &&
			!ext2fs_test_block_bitmap2(fs->block_map, b))
			return b;
	}
	return 0;
}

int inprocess_check_owned(ext2_filsys fs, struct problem *reterr_problem)
{
	struct census census = {.blocks = ext2fs_blocks_count(fs->super)};
	ext2_ino_t inode = 0;
	uint64_t wrong = 0;
	errcode_t e;

	e = ext2fs_allocate_block_bitmap(fs, "owned", &census.owned);
	if (e)
		return ext4_io_errno(e);
	count_tables(fs, &census);
	e = count_inodes(fs, &census, &inode);
	if (!e)
		wrong = census.outside ? census.outside : census.shared;
	if (!e && wrong == 0)
		wrong = find_unmarked(fs, &census);
	ext2fs_free_block_bitmap(census.owned);
	if (!e && wrong == 0)
		return 0;
	if (e)
		return problem_set(reterr_problem, -EUCLEAN,
			"the file system on the volume is damaged (inode %" PRIu32
			": %s), and nothing is erased on its word; take a decrypted copy and run "
			"e2fsck, or attach the volume and run it there",
			inode, error_message(e));
	return problem_set(reterr_problem, -EUCLEAN,
		"the file system on the volume is damaged (block %" PRIu64
		" is owned twice, or owned and marked free), and nothing is erased on its word; "
		"take a decrypted copy "
		"and run e2fsck, or attach the volume and run it there",
		wrong);
}

static int remember_superblock(struct inprocess *inprocess)
{
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES];
	_cleanup_free_ void *block = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = blockdev_read(
			inprocess->parts.below, (struct extent){0, 1}, block, BLOCK_BYTES);
	if (r >= 0 && ext4_fingerprint(block, fingerprint))
		residue_set_fingerprint(inprocess->parts.residue, fingerprint);
	return r;
}

int inprocess_sweep(struct inprocess *inprocess, struct problem *reterr_problem)
{
	struct residue *residue = inprocess->parts.residue;
	struct extent_list free_runs = {0};
	int r;

	r = inprocess_check_owned(inprocess->fs, reterr_problem);
	if (r < 0)
		return r;
	r = ext4_free_extents(inprocess->fs, &free_runs);
	residue_allow_unknown_discards(residue);
	for (size_t i = 0; i < free_runs.count && r >= 0; i++)
		r = blockdev_discard(inprocess->parts.below, free_runs.items[i]);
	extent_list_done(&free_runs);
	if (r >= 0)
		r = residue_settle_unknown(residue);
	if (r >= 0)
		r = remember_superblock(inprocess);
	if (r >= 0)
		r = residue_set_filesystem_expected(residue, true);
	if (r >= 0)
		r = residue_set_sweep_owed(residue, false);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"what is free on the volume could not be recorded: %s; check the device",
			strerror(-r));
	residue_trust(residue);
	return 0;
}
