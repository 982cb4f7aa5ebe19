/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/ext4_make.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <et/com_err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uuid/uuid.h>

#define BLOCKS_MIN	   2048u
#define INODE_RATIO_BLOCKS 8u /* one inode for 32 KiB */
#define JOURNAL_SHARE	   32u
#define JOURNAL_BLOCKS_MIN 1024u /* what the kernel takes */
#define JOURNAL_BLOCKS_MAX 16384u
#define LAZY_BLOCKS                                                                                \
	(8ull << 18) /* from 8 GiB on, the kernel zeroes inode tables after mounting               \
		      */
#define INODE_BYTES 256u

static void set_features(struct ext2_super_block *super)
{
	ext2fs_set_feature_journal(super);
	ext2fs_set_feature_xattr(super);
	ext2fs_set_feature_resize_inode(super);
	ext2fs_set_feature_dir_index(super);
	ext2fs_set_feature_filetype(super);
	ext2fs_set_feature_extents(super);
	ext2fs_set_feature_64bit(super);
	ext2fs_set_feature_flex_bg(super);
	ext2fs_set_feature_sparse_super(super);
	ext2fs_set_feature_large_file(super);
	ext2fs_set_feature_huge_file(super);
	ext2fs_set_feature_dir_nlink(super);
	ext2fs_set_feature_extra_isize(super);
	ext2fs_set_feature_metadata_csum(super);
}

static errcode_t begin(struct blockdev *bd, const char *label, ext2_filsys *ret_fs)
{
	struct ext2_super_block param = {.s_rev_level = EXT2_DYNAMIC_REV};
	uint64_t blocks = blockdev_blocks(bd);
	ext2_filsys fs;
	errcode_t e;

	set_features(&param);
	param.s_log_block_size = 2;
	param.s_log_cluster_size = 2;
	param.s_inode_size = INODE_BYTES;
	param.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
	param.s_log_groups_per_flex = 4;
	param.s_inodes_count =
		(uint32_t)(blocks / INODE_RATIO_BLOCKS < UINT32_MAX ? blocks / INODE_RATIO_BLOCKS
								    : UINT32_MAX);
	ext2fs_blocks_count_set(&param, blocks);
	ext4_io_use(bd);
	e = ext2fs_initialize(
		"spool", EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &param, ext4_io_manager(), &fs);
	if (e)
		return e;
	fs->super->s_checksum_type = EXT2_CRC32C_CHKSUM;
	uuid_generate(fs->super->s_uuid);
	ext2fs_init_csum_seed(fs);
	uuid_generate((unsigned char *)fs->super->s_hash_seed);
	fs->super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	fs->super->s_flags |= EXT2_FLAGS_SIGNED_HASH;
	fs->super->s_max_mnt_count = -1;
	fs->super->s_errors = EXT2_ERRORS_RO; /* a spool that is damaged is not written on */
	fs->super->s_default_mount_opts =
		EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL | EXT3_DEFM_JMODE_ORDERED;
	fs->super->s_min_extra_isize = fs->super->s_want_extra_isize = 32;
	strncpy((char *)fs->super->s_volume_name, label, sizeof(fs->super->s_volume_name));
	*ret_fs = fs;
	return 0;
}

/*
 * Inode tables: zeros are written, not assumed.  A block that the file system owns and
 * that nobody wrote reads as zeros now, but not if its map page is lost one day.
 */
static errcode_t write_inode_tables(ext2_filsys fs)
{
	bool lazy = ext2fs_blocks_count(fs->super) >= LAZY_BLOCKS;
	errcode_t e = 0;

	for (dgrp_t g = 0; g < fs->group_desc_count && !e; g++) {
		blk64_t at = ext2fs_inode_table_loc(fs, g);
		int count = (int)fs->inode_blocks_per_group;

		if (lazy) { /* only the inodes that are in use; the kernel's lazy init zeroes the
			       rest */
			uint32_t used =
				fs->super->s_inodes_per_group - ext2fs_bg_itable_unused(fs, g);

			count = (int)((used * INODE_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES);
		} else {
			ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
			ext2fs_group_desc_csum_set(fs, g);
		}
		if (count > 0)
			e = ext2fs_zero_blocks2(fs, at, count, NULL, NULL);
	}
	ext2fs_zero_blocks2(NULL, 0, 0, NULL, NULL); /* frees its buffer */
	return e;
}

static errcode_t make_directories(ext2_filsys fs)
{
	ext2_ino_t inode;
	errcode_t e;

	e = ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, 0);
	if (e)
		return e;
	e = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "lost+found");
	if (e)
		return e;
	e = ext2fs_lookup(fs, EXT2_ROOT_INO, "lost+found", 10, 0, &inode);
	if (e)
		return e;
	for (int i = 1; i < 4; i++) { /* e2fsck wants room in it */
		e = ext2fs_expand_dir(fs, inode);
		if (e)
			return e;
	}
	return 0;
}

static void reserve_inodes(ext2_filsys fs)
{
	for (ext2_ino_t i = EXT2_ROOT_INO + 1; i < EXT2_FIRST_INODE(fs->super); i++)
		ext2fs_inode_alloc_stats2(fs, i, +1, 0);
	ext2fs_mark_ib_dirty(fs);
}

static errcode_t make_bad_blocks_inode(ext2_filsys fs)
{
	ext2fs_mark_inode_bitmap2(fs->inode_map, EXT2_BAD_INO);
	ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
	return ext2fs_update_bb_inode(fs, NULL);
}

static errcode_t fill(ext2_filsys fs)
{
	uint64_t journal = ext2fs_blocks_count(fs->super) / JOURNAL_SHARE;
	errcode_t e;

	e = ext2fs_allocate_tables(fs);
	if (!e)
		e = write_inode_tables(fs);
	if (!e)
		e = make_directories(fs);
	if (e)
		return e;
	reserve_inodes(fs);
	e = make_bad_blocks_inode(fs);
	if (!e)
		e = ext2fs_create_resize_inode(fs);
	if (e)
		return e;
	if (journal < JOURNAL_BLOCKS_MIN)
		journal = JOURNAL_BLOCKS_MIN;
	if (journal > JOURNAL_BLOCKS_MAX)
		journal = JOURNAL_BLOCKS_MAX;
	return ext2fs_add_journal_inode(fs, (blk_t)journal, EXT2_MKJOURNAL_NO_MNT_CHECK);
}

int ext4_make(struct blockdev *bd, const char *label, struct problem *reterr_problem)
{
	ext2_filsys fs = NULL;
	errcode_t e;
	int r;

	if (blockdev_blocks(bd) < BLOCKS_MIN)
		return problem_set(reterr_problem, -ENOSPC,
			"the volume is too small for a file system; it needs 8 MiB");
	e = begin(bd, label, &fs);
	if (!e)
		e = fill(fs);
	if (!e)
		e = ext2fs_close_free(&fs);
	if (fs)
		ext2fs_free(fs);
	r = ext4_io_errno(e);
	if (r >= 0)
		r = blockdev_flush(bd);
	if (r < 0)
		return problem_set(reterr_problem, r, "the file system could not be made: %s",
			e ? error_message(e) : strerror(-r));
	return 0;
}
