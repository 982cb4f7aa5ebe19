/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess_journal.c - what went through the journal, out of it
 *
 * A journal of a file system that was unmounted in order is empty, but its blocks still
 * hold what went through it: names, inodes, mappings.  They are discarded, and so read as
 * zeros, which is an empty journal too.  Blocks of zeros are left alone.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "spool/ext4_io.h"
#include "spool/inprocess_impl.h"
#include <errno.h>
#include <string.h>

#define LOOK_BLOCKS 256u

/* The journal's superblock (JBD2), big-endian. */
enum {
	JOURNAL_MAGIC_AT = 0,
	JOURNAL_START_AT = 28,
};

static const uint8_t journal_magic[4] = {0xc0, 0x3b, 0x39, 0x98};

struct journal_walk {
	struct blockdev *bd;
	struct extent_list *blocks; /* behind its superblock */
	uint8_t *buf;
	int error;
};

static int walk_journal_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t parent,
	int offset, void *private)
{
	struct journal_walk *walk = private;
	struct extent at = {*block, 1};

	(void)fs, (void)parent, (void)offset;
	if (number > 0) {
		walk->error = extent_list_add(walk->blocks, at);
		return walk->error < 0 ? BLOCK_ABORT : 0;
	}
	walk->error = blockdev_read(walk->bd, at, walk->buf, BLOCK_BYTES);
	/* A start of zero means: empty. */
	if (walk->error >= 0 &&
		(memcmp(walk->buf + JOURNAL_MAGIC_AT, journal_magic, sizeof(journal_magic)) != 0 ||
			bytes_get_le32(walk->buf + JOURNAL_START_AT) != 0))
		walk->error = -EUCLEAN;
	return walk->error < 0 ? BLOCK_ABORT : 0;
}

/* What of the run holds anything but zeros goes to held. */
static int look_at_run(
	struct inprocess *inprocess, struct extent run, uint8_t *buf, struct extent_list *held)
{
	int r = 0;

	while (run.count > 0 && r >= 0) {
		struct extent some = {run.first, 0};
		enum residue_class class = residue_lookup(inprocess->parts.residue, run.first,
			run.count < LOOK_BLOCKS ? run.count : LOOK_BLOCKS, &some.count);

		if (class == RESIDUE_CLASS_LIVE)
			r = blockdev_read(inprocess->parts.below, some, buf,
				(size_t)some.count * BLOCK_BYTES);
		for (uint64_t i = 0; class == RESIDUE_CLASS_LIVE && i < some.count && r >= 0; i++) {
			if (!bytes_are(buf + i * BLOCK_BYTES, BLOCK_BYTES, 0))
				r = extent_list_add(held, (struct extent){some.first + i, 1});
		}
		run.first += some.count;
		run.count -= some.count;
	}
	return r;
}

static int look_at_journal(struct inprocess *inprocess, struct extent_list *held)
{
	struct ext2_super_block *super = inprocess->fs->super;
	struct extent_list blocks = {0};
	struct journal_walk walk = {.bd = inprocess->parts.below, .blocks = &blocks};
	_cleanup_free_ void *buf = NULL;
	errcode_t e;
	int r;

	r = io_alloc((size_t)LOOK_BLOCKS * BLOCK_BYTES, &buf);
	if (r < 0)
		return r;
	walk.buf = buf;
	e = ext2fs_block_iterate3(inprocess->fs, super->s_journal_inum,
		BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL, walk_journal_block, &walk);
	r = walk.error < 0 ? walk.error : ext4_io_errno(e);
	for (size_t i = 0; i < blocks.count && r >= 0; i++)
		r = look_at_run(inprocess, blocks.items[i], buf, held);
	extent_list_done(&blocks);
	return r;
}

int inprocess_empty_journal(
	struct inprocess *inprocess, struct extent_list *held, struct problem *reterr_problem)
{
	struct ext2_super_block *super = inprocess->fs->super;
	int r;

	if (!ext2fs_has_feature_journal(super) || super->s_journal_inum == 0)
		return 0;
	r = look_at_journal(inprocess, held);
	for (size_t i = 0; i < held->count && r >= 0; i++)
		r = blockdev_discard(inprocess->parts.below, held->items[i]);
	if (r == -EUCLEAN)
		return problem_set(reterr_problem, r,
			"the file system's journal is not empty; attach the volume once on a "
			"machine that can mount");
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the file system's journal cannot be emptied: %s", strerror(-r));
	return 0;
}
