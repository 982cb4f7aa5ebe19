/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/ext4_owners.h"
#include "base/extent.h"
#include "spool/ext4_check.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESIZE_INODE 7

struct ext4_owners {
	ext2_filsys fs; /* borrowed */
	uint64_t blocks;
	struct extent_list metadata;
	struct extent_list inode_tables;
	struct extent_list journal;
	struct extent_list directories;
};

/* --- a walk over all inodes that are in use --- */

typedef int (*on_inode)(void *context, ext2_ino_t inode, const struct ext2_inode *body);

/* Nonzero from visit ends the walk and is returned. */
static int walk_inodes(ext2_filsys fs, on_inode visit, void *context)
{
	struct ext2_inode body;
	ext2_inode_scan scan;
	ext2_ino_t inode;
	errcode_t e;
	int r = 0;

	e = ext2fs_open_inode_scan(fs, 0, &scan);
	if (e)
		return ext4_io_errno(e);
	for (;;) {
		e = ext2fs_get_next_inode(scan, &inode, &body);
		if (e || inode == 0)
			break;
		/* What e2fsck calls in use: links, or reserved. */
		if (body.i_links_count == 0 && inode >= EXT2_FIRST_INODE(fs->super))
			continue;
		r = visit(context, inode, &body);
		if (r != 0)
			break;
	}
	ext2fs_close_inode_scan(scan);
	return r != 0 ? r : ext4_io_errno(e);
}

static int collect_directory(void *context, ext2_ino_t inode, const struct ext2_inode *body)
{
	struct ext4_owners *owners = context;

	return LINUX_S_ISDIR(body->i_mode)
		       ? ext4_inode_extents(owners->fs, inode, &owners->directories)
		       : 0;
}

/* --- places --- */

static int add_group(struct ext4_owners *owners, dgrp_t group)
{
	blk64_t super, old_descriptors, new_descriptors;
	struct extent runs[5] = {{0, 0}};
	ext2_filsys fs = owners->fs;
	blk_t used;
	int r;

	ext2fs_super_and_bgd_loc2(fs, group, &super, &old_descriptors, &new_descriptors, &used);
	/* Group 0's superblock is in block 0, which the function cannot name. */
	if (super != 0 || group == 0)
		runs[0] = (struct extent){super, 1};
	if (old_descriptors != 0)
		runs[1] = (struct extent){
			old_descriptors, fs->desc_blocks + fs->super->s_reserved_gdt_blocks};
	if (new_descriptors != 0)
		runs[2] = (struct extent){new_descriptors, 1};
	runs[3] = (struct extent){ext2fs_block_bitmap_loc(fs, group), 1};
	runs[4] = (struct extent){ext2fs_inode_bitmap_loc(fs, group), 1};
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		r = extent_list_add(&owners->metadata, runs[i]);
		if (r < 0)
			return r;
	}
	return extent_list_add(&owners->inode_tables,
		(struct extent){ext2fs_inode_table_loc(fs, group), fs->inode_blocks_per_group});
}

int ext4_owners_new(ext2_filsys fs, struct ext4_owners **ret_owners)
{
	struct ext4_owners *owners = calloc(1, sizeof(*owners));
	int r = 0;

	if (!owners)
		return -ENOMEM;
	owners->fs = fs;
	owners->blocks = ext2fs_blocks_count(fs->super);
	for (dgrp_t g = 0; g < fs->group_desc_count && r >= 0; g++)
		r = add_group(owners, g);
	if (r >= 0 && ext2fs_has_feature_resize_inode(fs->super))
		r = ext4_inode_extents(fs, RESIZE_INODE, &owners->metadata);
	if (r >= 0 && ext2fs_has_feature_mmp(fs->super))
		r = extent_list_add(&owners->metadata, (struct extent){fs->super->s_mmp_block, 1});
	if (r >= 0)
		r = ext4_journal_extents(fs, &owners->journal);
	if (r >= 0)
		r = walk_inodes(fs, collect_directory, owners);
	if (r < 0) {
		ext4_owners_free(owners);
		return r;
	}
	*ret_owners = owners;
	return 0;
}

void ext4_owners_free(struct ext4_owners *owners)
{
	if (!owners)
		return;
	extent_list_done(&owners->metadata);
	extent_list_done(&owners->inode_tables);
	extent_list_done(&owners->journal);
	extent_list_done(&owners->directories);
	free(owners);
}

bool ext4_owners_is_free(const struct ext4_owners *owners, uint64_t block)
{
	return block >= owners->blocks || !ext2fs_test_block_bitmap2(owners->fs->block_map, block);
}

enum ext4_place ext4_owners_place(const struct ext4_owners *owners, uint64_t block)
{
	struct extent one = {block, 1};

	if (block >= owners->blocks)
		return EXT4_OUTSIDE;
	if (ext4_owners_is_free(owners, block))
		return EXT4_FREE;
	if (extent_list_overlaps(&owners->metadata, one))
		return EXT4_METADATA;
	if (extent_list_overlaps(&owners->inode_tables, one))
		return EXT4_INODE_TABLE;
	if (extent_list_overlaps(&owners->journal, one))
		return EXT4_JOURNAL;
	if (extent_list_overlaps(&owners->directories, one))
		return EXT4_DIRECTORY;
	return EXT4_FILE;
}

/* --- owners by name --- */

struct resolving {
	struct ext4_owners *owners;
	struct ext4_owner *wanted;
	size_t count;
	size_t open; /* wanted ones whose inode is not known */
	ext2_ino_t directory;
};

static ext2_ino_t inode_in_table(const struct ext4_owners *owners, const struct ext4_owner *wanted)
{
	ext2_filsys fs = owners->fs;

	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		uint64_t first = ext2fs_inode_table_loc(fs, g);

		if (wanted->block >= first && wanted->block < first + fs->inode_blocks_per_group)
			return (ext2_ino_t)(g * fs->super->s_inodes_per_group + 1 +
					    ((wanted->block - first) * fs->blocksize +
						    wanted->offset_bytes) /
						    EXT2_INODE_SIZE(fs->super));
	}
	return 0;
}

static int match_inode(void *context, ext2_ino_t inode, const struct ext2_inode *body)
{
	struct resolving *resolving = context;
	struct extent_list extents = {0};
	int r;

	(void)body;
	if (inode == RESIZE_INODE)
		return 0; /* its blocks are metadata */
	r = ext4_inode_extents(resolving->owners->fs, inode, &extents);
	for (size_t i = 0; i < resolving->count && r >= 0; i++) {
		struct ext4_owner *wanted = &resolving->wanted[i];

		if (wanted->inode == 0 &&
			extent_list_overlaps(&extents, (struct extent){wanted->block, 1})) {
			wanted->inode = inode;
			resolving->open--;
		}
	}
	extent_list_done(&extents);
	if (r < 0)
		return r;
	return resolving->open == 0 ? 1 : 0;
}

static int match_name(ext2_ino_t directory, int entry, struct ext2_dir_entry *dirent, int offset,
	int block_bytes, char *buf, void *context)
{
	struct resolving *resolving = context;

	(void)directory, (void)offset, (void)block_bytes, (void)buf;
	if (entry != DIRENT_OTHER_FILE)
		return 0;
	for (size_t i = 0; i < resolving->count; i++) {
		struct ext4_owner *wanted = &resolving->wanted[i];

		if (wanted->path == NULL && wanted->inode == dirent->inode &&
			ext2fs_get_pathname(resolving->owners->fs, resolving->directory,
				dirent->inode, &wanted->path))
			wanted->path = NULL;
	}
	return 0;
}

static int match_names(void *context, ext2_ino_t inode, const struct ext2_inode *body)
{
	struct resolving *resolving = context;
	errcode_t e;

	if (!LINUX_S_ISDIR(body->i_mode))
		return 0;
	resolving->directory = inode;
	e = ext2fs_dir_iterate2(resolving->owners->fs, inode, 0, NULL, match_name, resolving);
	return ext4_io_errno(e);
}

int ext4_owners_resolve(struct ext4_owners *owners, struct ext4_owner *wanted, size_t count)
{
	struct resolving resolving = {.owners = owners, .wanted = wanted, .count = count};
	int r;

	for (size_t i = 0; i < count; i++) {
		if (ext4_owners_place(owners, wanted[i].block) == EXT4_INODE_TABLE)
			wanted[i].inode = inode_in_table(owners, &wanted[i]);
		resolving.open += wanted[i].inode == 0;
	}
	if (resolving.open > 0) {
		r = walk_inodes(owners->fs, match_inode, &resolving);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < count; i++) {
		if (wanted[i].inode == EXT2_ROOT_INO)
			wanted[i].path = strdup("/");
	}
	return walk_inodes(owners->fs, match_names, &resolving);
}

/* --- seams --- */

struct seams {
	struct ext4_owners *owners;
	int (*visit)(void *context, ext2_ino_t inode, uint64_t before, uint64_t after);
	void *context;
	ext2_ino_t inode;
	uint64_t before_physical;
	e2_blkcnt_t before_logical;
	bool any;
	int result;
};

static int seam_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t parent,
	int offset, void *private)
{
	struct seams *seams = private;

	(void)fs, (void)parent, (void)offset;
	if (seams->any && number == seams->before_logical + 1 &&
		*block != seams->before_physical + 1)
		seams->result =
			seams->visit(seams->context, seams->inode, seams->before_physical, *block);
	seams->any = true;
	seams->before_logical = number;
	seams->before_physical = *block;
	return seams->result != 0 ? BLOCK_ABORT : 0;
}

static int seams_of_inode(void *context, ext2_ino_t inode, const struct ext2_inode *body)
{
	struct seams *seams = context;
	struct ext2_inode copy = *body;
	errcode_t e;

	if (!LINUX_S_ISREG(body->i_mode) || inode < EXT2_FIRST_INODE(seams->owners->fs->super) ||
		!ext2fs_inode_has_valid_blocks2(seams->owners->fs, &copy))
		return 0;
	seams->inode = inode;
	seams->any = false;
	e = ext2fs_block_iterate3(seams->owners->fs, inode,
		BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, NULL, seam_block, seams);
	return seams->result != 0 ? seams->result : ext4_io_errno(e);
}

int ext4_owners_visit_seams(struct ext4_owners *owners,
	int (*visit)(void *context, ext2_ino_t inode, uint64_t before, uint64_t after),
	void *context)
{
	struct seams seams = {.owners = owners, .visit = visit, .context = context};

	return walk_inodes(owners->fs, seams_of_inode, &seams);
}
