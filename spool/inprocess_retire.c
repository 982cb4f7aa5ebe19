/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess_retire.c - files out of the file system, and nothing of them left
 *
 *   check all -> (free blocks, clear inode, wipe name; commit) for groups of files
 *             -> journal emptied -> passes, read-back -> redo area overwritten
 *
 * The name goes before the passes: in this process nobody can reuse what is freed
 * meanwhile, and a crash after the commit leaves the blocks recorded as owed.
 */
#include "spool/inprocess_impl.h"
#include "base/io.h"
#include "spool/dirent_wipe.h"
#include "spool/ext4_check.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one call retires. */
struct retiring {
	struct inprocess *inprocess;
	const char *const *names;
	struct inprocess_place *places;
	size_t count;
	struct extent_list freed;   /* committed: owed passes */
	struct extent_list freeing; /* of this change */
	struct problem *reterr_problem;
};

/* --- checks --- */

static int check_file(
	const struct inprocess_place *place, const char *name, struct problem *reterr_problem)
{
	const struct ext2_inode *body = &place->body;

	if (place->inode == 0)
		return problem_set(reterr_problem, -ENOENT,
			"%s: there is no such file on the volume; \"spoolguard ls\" lists them",
			name);
	if (LINUX_S_ISLNK(body->i_mode))
		return problem_set(reterr_problem, -ELOOP,
			"%s is a symbolic link; retire the file that it points to", name);
	if (LINUX_S_ISDIR(body->i_mode))
		return problem_set(reterr_problem, -EISDIR,
			"%s is a directory; retire the files in it one by one", name);
	if (!LINUX_S_ISREG(body->i_mode))
		return problem_set(reterr_problem, -EINVAL,
			"%s is not a regular file, and holds no job", name);
	if (body->i_links_count > 1)
		return problem_set(reterr_problem, -EMLINK,
			"%s has %u names (hard links), and its content would go under all of "
			"them; remove the other names first",
			name, body->i_links_count);
	if (body->i_flags & (EXT2_IMMUTABLE_FL | EXT2_APPEND_FL))
		return problem_set(reterr_problem, -EPERM,
			"%s is marked immutable or append-only; clear that mark first", name);
	return 0;
}

static int check_all(struct retiring *retiring)
{
	int r = 0;

	for (size_t i = 0; i < retiring->count && r >= 0; i++) {
		const char *name = retiring->names[i];

		r = inprocess_find(retiring->inprocess, name, &retiring->places[i], NULL,
			retiring->reterr_problem);
		if (r >= 0)
			r = check_file(&retiring->places[i], name, retiring->reterr_problem);
		for (size_t j = 0; j < i && r >= 0; j++) {
			if (retiring->places[j].inode == retiring->places[i].inode)
				r = problem_set(retiring->reterr_problem, -EINVAL,
					"%s is named twice", name);
		}
	}
	return r;
}

/* --- the name --- */

struct directory_block {
	ext2_filsys fs;
	ext2_ino_t directory;
	bool is_indexed;
	const char *name;
	uint8_t *buf;
	bool removed;
	errcode_t error;
};

static int wipe_directory_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t parent,
	int offset, void *private)
{
	struct directory_block *at = private;
	struct dirent_block what = {
		.bytes = at->buf,
		.size = fs->blocksize,
		.is_indexed = at->is_indexed,
		.is_first = number == 0,
		.has_checksum = ext2fs_has_feature_metadata_csum(fs->super),
	};
	bool removed = false;

	(void)parent, (void)offset;
	at->error = ext2fs_read_dir_block4(fs, *block, at->buf, 0, at->directory);
	if (!at->error && dirent_wipe(what, at->removed ? NULL : at->name, &removed) < 0)
		at->error = EXT2_ET_DIR_CORRUPTED;
	at->removed |= removed;
	/* What did not change is not written: the redo layer compares. */
	if (!at->error)
		at->error = ext2fs_write_dir_block4(fs, *block, at->buf, 0, at->directory);
	return at->error ? BLOCK_ABORT : 0;
}

static errcode_t remove_name(ext2_filsys fs, const struct inprocess_place *place, uint8_t *buf)
{
	struct directory_block at = {
		.fs = fs, .directory = place->directory, .name = place->name, .buf = buf};
	struct ext2_inode directory;
	errcode_t e;

	e = ext2fs_read_inode(fs, place->directory, &directory);
	if (e)
		return e;
	at.is_indexed = directory.i_flags & EXT2_INDEX_FL;
	e = ext2fs_block_iterate3(fs, place->directory, BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY,
		NULL, wipe_directory_block, &at);
	if (!e)
		e = at.error;
	return !e && !at.removed ? EXT2_ET_DIR_CORRUPTED : e;
}

/* --- the file --- */

/* A block of extended attributes may be shared: it goes with its last inode. */
static errcode_t release_attributes(
	ext2_filsys fs, const struct inprocess_place *place, blk64_t block, bool *ret_last)
{
	uint32_t left = 0;
	errcode_t e;

	*ret_last = true;
	if (block == 0)
		return 0;
	e = ext2fs_adjust_ea_refcount3(fs, block, NULL, -1, &left, place->inode);
	*ret_last = left == 0;
	return e;
}

static int collect_blocks(struct retiring *retiring, const struct inprocess_place *place,
	struct extent_list *blocks, errcode_t *reterr)
{
	ext2_filsys fs = retiring->inprocess->fs;
	blk64_t attributes = ext2fs_file_acl_block(fs, &place->body);
	bool last;
	int r;

	r = ext4_inode_extents(fs, place->inode, blocks);
	if (r < 0)
		return r;
	*reterr = release_attributes(fs, place, attributes, &last);
	if (*reterr)
		return ext4_io_errno(*reterr);
	return last ? 0 : extent_list_remove(blocks, (struct extent){attributes, 1});
}

static int free_blocks(struct retiring *retiring, const struct extent_list *blocks)
{
	struct inprocess *inprocess = retiring->inprocess;
	int r = 0;

	for (size_t i = 0; i < blocks->count && r >= 0; i++) {
		struct extent run = blocks->items[i];

		while (run.count > 0 && r >= 0) {
			struct extent some = {
				run.first, run.count < INT32_MAX ? run.count : INT32_MAX};

			ext2fs_block_alloc_stats_range(
				inprocess->fs, some.first, (blk_t)some.count, -1);
			r = blockdev_discard(inprocess->bd, some);
			if (r >= 0)
				r = extent_list_add(&retiring->freeing, some);
			run.first += some.count;
			run.count -= some.count;
		}
	}
	return r;
}

static int remove_file(struct retiring *retiring, size_t index, uint8_t *buf)
{
	ext2_filsys fs = retiring->inprocess->fs;
	const struct inprocess_place *place = &retiring->places[index];
	size_t inode_bytes = EXT2_INODE_SIZE(fs->super);
	struct extent_list blocks = {0};
	errcode_t e = 0;
	int r;

	r = collect_blocks(retiring, place, &blocks, &e);
	if (r >= 0)
		r = free_blocks(retiring, &blocks);
	extent_list_done(&blocks);
	if (r >= 0) {
		memset(buf, 0, inode_bytes);
		e = ext2fs_write_inode_full(fs, place->inode, (void *)buf, (int)inode_bytes);
		if (!e) {
			ext2fs_inode_alloc_stats2(fs, place->inode, -1, 0);
			e = remove_name(fs, place, buf);
		}
		r = ext4_io_errno(e);
	}
	if (e)
		return inprocess_fail(
			retiring->reterr_problem, e, "removing it", retiring->names[index]);
	if (r < 0)
		return problem_set(retiring->reterr_problem, r, "%s cannot be removed: %s",
			retiring->names[index], strerror(-r));
	return 0;
}

static int move_list(struct extent_list *to, struct extent_list *from)
{
	int r = 0;

	for (size_t i = 0; i < from->count && r >= 0; i++)
		r = extent_list_add(to, from->items[i]);
	extent_list_clear(from);
	return r;
}

/* Half of what a record holds is left for bitmaps and tables, which the commit adds. */
static int remove_all(struct retiring *retiring, uint8_t *buf)
{
	struct inprocess *inprocess = retiring->inprocess;
	uint64_t half = redo_capacity_blocks(inprocess->parts.redo) / 2;
	int r = 0;

	for (size_t i = 0; i < retiring->count && r >= 0; i++) {
		r = remove_file(retiring, i, buf);
		if (r >= 0 && (i + 1 == retiring->count ||
				      redo_collected_blocks(inprocess->parts.redo) > half)) {
			r = inprocess_commit(inprocess, retiring->reterr_problem);
			if (r >= 0)
				r = move_list(&retiring->freed, &retiring->freeing);
		}
	}
	return r < 0 ? inprocess_roll_back(inprocess, r) : r;
}

/* --- the passes --- */

static int erase_freed(struct retiring *retiring, struct inprocess_retired *retired)
{
	struct eraser *eraser = retiring->inprocess->parts.eraser;
	const struct extent_list *freed = &retiring->freed;
	struct retirement *result = &retired->retirement;
	struct eraser_report report;
	uint64_t owed;
	int r;

	r = eraser_run(eraser, freed, &report);
	if (r < 0)
		return r;
	owed = report.requested_blocks - report.not_owed_blocks;
	*result = (struct retirement){
		.requested_blocks = report.requested_blocks,
		.not_owed_blocks = report.not_owed_blocks,
		.written_blocks = extent_list_common_blocks(freed, eraser_cleared(eraser)),
		.verified_blocks = extent_list_common_blocks(freed, eraser_verified(eraser)),
		.passes = report.passes,
		.epoch = report.epoch,
	};
	result->durable_blocks = result->written_blocks;
	result->refused_blocks = owed - result->written_blocks;
	memcpy(result->pass_durable_wall_s, report.pass_durable_wall_s,
		sizeof(result->pass_durable_wall_s));
	retired->extents = freed->count;
	retired->epoch = report.epoch;
	return 0;
}

static int erase_journal(struct retiring *retiring, const struct extent_list *held,
	struct inprocess_retired *retired)
{
	struct eraser *eraser = retiring->inprocess->parts.eraser;
	struct eraser_report report;
	int r;

	if (held->count == 0)
		return 0;
	r = eraser_run(eraser, held, &report);
	if (r < 0)
		return r;
	retired->journal_blocks = extent_list_blocks(held);
	retired->epoch = report.epoch;
	return extent_list_common_blocks(held, eraser_cleared(eraser)) <
			       report.requested_blocks - report.not_owed_blocks
		       ? -EIO
		       : 0;
}

static int complete(struct retiring *retiring, uint8_t *buf, struct inprocess_retired *retired)
{
	struct extent_list held = {0};
	int r;

	r = check_all(retiring);
	if (r >= 0)
		r = remove_all(retiring, buf);
	if (r >= 0)
		r = inprocess_empty_journal(retiring->inprocess, &held, retiring->reterr_problem);
	if (r >= 0) {
		r = erase_freed(retiring, retired);
		if (r >= 0)
			r = erase_journal(retiring, &held, retired);
		if (r < 0)
			problem_set(retiring->reterr_problem, r,
				"the files are removed, but not all of them could be overwritten: "
				"%s; what is left stays owed",
				strerror(-r));
	}
	extent_list_done(&held);
	return r < 0 ? r : inprocess_settle(retiring->inprocess, retiring->reterr_problem);
}

int inprocess_complete(struct inprocess *inprocess, const char *const *names, size_t count,
	struct inprocess_retired *ret_retired, struct problem *reterr_problem)
{
	struct retiring retiring = {
		.inprocess = inprocess,
		.names = names,
		.count = count,
		.reterr_problem = reterr_problem,
	};
	struct inprocess_retired retired = {.bytes = 0};
	_cleanup_free_ void *buf = NULL;
	int r;

	r = inprocess_check_writable(inprocess, reterr_problem);
	if (r < 0)
		return r;
	retiring.places = calloc(count + 1, sizeof(*retiring.places));
	r = retiring.places ? io_alloc(BLOCK_BYTES, &buf) : -ENOMEM;
	if (r >= 0)
		r = complete(&retiring, buf, &retired);
	for (size_t i = 0; i < count && r >= 0; i++)
		retired.bytes += EXT2_I_SIZE(&retiring.places[i].body);
	free(retiring.places);
	extent_list_done(&retiring.freed);
	extent_list_done(&retiring.freeing);
	if (r >= 0)
		*ret_retired = retired;
	return r;
}
