/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/inprocess_impl.h"
#include "base/io.h"
#include "blockdev/ext4_fingerprint.h"
#include "overwrite/wipe.h"
#include "spool/ext4_check.h"
#include "spool/ext4_io.h"
#include <errno.h>
#include <et/com_err.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BLOCKS   8192u  /* 32 MiB: one batch of the eraser */
#define BACKLOG_BLOCKS 65536u /* 256 MiB: of an older debt, so much is paid with one command */

int inprocess_fail(
	struct problem *reterr_problem, errcode_t error, const char *what, const char *name)
{
	int r = ext4_io_errno(error);

	if (r == -ENOSPC)
		return problem_set(reterr_problem, r,
			"%s: the file system on the volume is full; retire jobs that are done, or "
			"use a larger volume",
			name);
	if (r == -EFBIG)
		return problem_set(reterr_problem, r,
			"%s: %s changes more than the redo area holds; do it in smaller steps, or "
			"attach the volume",
			name, what);
	return problem_set(
		reterr_problem, r, "%s: %s failed: %s", name, what, error_message(error));
}

/* --- open --- */

static int load(struct inprocess *inprocess, struct problem *reterr_problem)
{
	int flags = EXT2_FLAG_64BITS | (inprocess->parts.redo ? EXT2_FLAG_RW : 0);
	ext2_filsys fs = NULL;
	errcode_t e;

	ext4_io_use(inprocess->bd);
	e = ext2fs_open("spool", flags, 0, 0, ext4_io_manager(), &fs);
	if (!e)
		e = ext2fs_read_bitmaps(fs);
	if (e) {
		if (fs)
			ext2fs_free(fs);
		return problem_set(reterr_problem, ext4_io_errno(e),
			"the file system on the volume cannot be read: %s; attach the volume and "
			"check it with e2fsck",
			error_message(e));
	}
	inprocess->fs = fs;
	return 0;
}

/* Features that work on a mounted file system and that libext2fs does not keep up to date. */
static int check_kept_up(const struct inprocess *inprocess, struct problem *reterr_problem)
{
	struct ext2_super_block *super = inprocess->fs->super;
	const char *name = NULL;

	if (ext2fs_has_feature_quota(super) || ext2fs_has_feature_project(super))
		name = "quota";
	else if (ext2fs_has_feature_mmp(super))
		name = "mmp (multiple mount protection)";
	else if (ext2fs_has_feature_casefold(super))
		name = "casefold";
	else if (ext2fs_has_feature_ea_inode(super))
		name = "ea_inode";
	if (name)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"the ext4 on the volume uses %s, which cannot be kept up to date without "
			"mounting it; attach the volume on a machine that can mount",
			name);
	if (super->s_last_orphan != 0 || ext2fs_has_feature_orphan_present(super))
		return problem_set(reterr_problem, -EUCLEAN,
			"the ext4 on the volume has files that were removed while they were open; "
			"attach it once on a machine that can mount, which clears them");
	return 0;
}

static int check_superblock(const uint8_t *block, uint64_t blocks, struct problem *reterr_problem)
{
	struct ext4_report report;
	int r;

	r = ext4_check_superblock(block, blocks, &report, reterr_problem);
	if (r < 0)
		return r;
	if (!report.is_ext4)
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"there is no ext4 on the volume; make one with \"spoolguard format\"");
	if (report.needs_recovery)
		return problem_set(reterr_problem, -EUCLEAN,
			"the ext4 on the volume was not unmounted in order and its journal must be "
			"replayed, which cannot be done without mounting; attach it once on a "
			"machine that can mount, or take a decrypted copy and run e2fsck on that");
	if (report.has_errors || !report.is_clean)
		return problem_set(reterr_problem, -EUCLEAN,
			"the ext4 on the volume has recorded errors; attach it on a machine that "
			"can mount, and run e2fsck");
	return 0;
}

/* I3: the superblock is the one that went through this volume last, or somebody else wrote. */
static bool is_foreign(struct inprocess *inprocess, const uint8_t *block)
{
	uint8_t now[RESIDUE_FINGERPRINT_BYTES], recorded[RESIDUE_FINGERPRINT_BYTES];

	residue_get_fingerprint(inprocess->parts.residue, recorded);
	return !ext4_fingerprint(block, now) || memcmp(now, recorded, sizeof(now)) != 0;
}

static int open_checked(
	struct inprocess *inprocess, const uint8_t *block, struct problem *reterr_problem)
{
	struct residue *residue = inprocess->parts.residue;
	bool foreign = is_foreign(inprocess, block);
	int r;

	r = check_superblock(block, residue_blocks(residue), reterr_problem);
	if (r < 0)
		return r;
	if (foreign && !inprocess->parts.redo)
		return problem_set(reterr_problem, -EUCLEAN,
			"somebody else has written to the file system since the volume was closed; "
			"open it for writing once, which takes stock of it");
	/* Before anything is read: what somebody else wrote to a clean block reads as zeros. */
	if (foreign)
		r = residue_distrust(residue);
	if (r >= 0)
		r = load(inprocess, reterr_problem);
	if (r < 0 || !inprocess->parts.redo)
		return r;
	r = check_kept_up(inprocess, reterr_problem);
	if (r < 0)
		return r;
	if (foreign || inprocess->parts.sweep_owed)
		return inprocess_sweep(inprocess, reterr_problem);
	residue_trust(residue);
	return 0;
}

int inprocess_open(const struct inprocess_parts *parts, struct inprocess **ret_inprocess,
	struct problem *reterr_problem)
{
	struct inprocess *inprocess = calloc(1, sizeof(*inprocess));
	_cleanup_free_ void *block = NULL;
	int r;

	if (!inprocess)
		return -ENOMEM;
	inprocess->parts = *parts;
	inprocess->bd = parts->redo ? redo_blockdev(parts->redo) : parts->below;
	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = blockdev_read(parts->below, (struct extent){0, 1}, block, BLOCK_BYTES);
	if (r < 0)
		problem_set(reterr_problem, r, "the volume's first block cannot be read: %s",
			strerror(-r));
	else
		r = open_checked(inprocess, block, reterr_problem);
	if (r < 0) {
		inprocess_free(inprocess);
		return r;
	}
	*ret_inprocess = inprocess;
	return 0;
}

void inprocess_free(struct inprocess *inprocess)
{
	if (!inprocess)
		return;
	if (inprocess->fs)
		ext2fs_free(inprocess->fs); /* writes nothing */
	extent_list_done(&inprocess->direct);
	free(inprocess);
}

int inprocess_check_writable(const struct inprocess *inprocess, struct problem *reterr_problem)
{
	if (!inprocess->parts.redo)
		return problem_set(reterr_problem, -EROFS, "the volume is open for reading only");
	if (!inprocess->fs || redo_has_failed(inprocess->parts.redo))
		return problem_set(reterr_problem, -EIO,
			"an earlier change failed half-way; open the volume again, which completes "
			"it or takes it back");
	return 0;
}

/* --- changes --- */

int inprocess_commit(struct inprocess *inprocess, struct problem *reterr_problem)
{
	errcode_t e;
	int r;

	e = ext2fs_flush2(inprocess->fs, 0);
	if (e)
		return inprocess_fail(reterr_problem, e, "the change", "volume");
	r = redo_commit(inprocess->parts.redo);
	if (r < 0)
		return problem_set(reterr_problem, r,
			redo_has_failed(inprocess->parts.redo)
				? "the change could not be finished: %s; the next open of the "
				  "volume completes it or takes it back"
				: "the change could not be recorded: %s; nothing was changed",
			strerror(-r));
	extent_list_clear(&inprocess->direct);
	return 0;
}

/*
 * What was written directly lies in blocks that nothing owns: discarded, so that it is owed
 * its passes.  After a commit that failed half-way they may be a file's: left alone.
 */
int inprocess_roll_back(struct inprocess *inprocess, int error)
{
	bool failed = redo_has_failed(inprocess->parts.redo);
	int r = 0;

	ext2fs_free(inprocess->fs);
	inprocess->fs = NULL;
	if (failed) {
		/* Whose they are the next open finds out, also if this one still ends in order. */
		r = residue_set_sweep_owed(inprocess->parts.residue, true);
		return r < 0 ? r : error;
	}
	r = redo_abort(inprocess->parts.redo);
	for (size_t i = 0; i < inprocess->direct.count && r >= 0; i++)
		r = blockdev_discard(inprocess->parts.below, inprocess->direct.items[i]);
	extent_list_clear(&inprocess->direct);
	if (r >= 0)
		r = load(inprocess, NULL);
	return r < 0 ? r : error;
}

/* --- settling --- */

static int pay(struct inprocess *inprocess, enum residue_debt debt, uint64_t most_blocks)
{
	struct residue *residue = inprocess->parts.residue;
	struct extent_list wanted = {0};
	struct eraser_report report;
	uint64_t cursor = 0, paid = 0;
	int r = 0;

	while (r >= 0 && cursor < residue_blocks(residue) && paid < most_blocks) {
		extent_list_clear(&wanted);
		r = residue_next_owed(residue, debt, &cursor, PIECE_BLOCKS, &wanted);
		if (r >= 0 && wanted.count > 0)
			r = eraser_run(inprocess->parts.eraser, &wanted, &report);
		paid += extent_list_blocks(&wanted);
	}
	extent_list_done(&wanted);
	return r;
}

int inprocess_settle(struct inprocess *inprocess, struct problem *reterr_problem)
{
	const struct inprocess_parts *parts = &inprocess->parts;
	int r;

	if (!parts->redo)
		return 0;
	r = pay(inprocess, RESIDUE_DEBT_FRESH, UINT64_MAX);
	if (r >= 0)
		r = pay(inprocess, RESIDUE_DEBT_BACKLOG, BACKLOG_BLOCKS);
	if (r >= 0)
		r = residue_flush(parts->residue);
	/* A record that is still needed is not touched. */
	if (r >= 0 && !redo_has_failed(parts->redo))
		r = wipe_what_shows(
			residue_medium(parts->residue), parts->scheme, redo_area(parts->redo));
	if (r < 0)
		return problem_set(reterr_problem, r,
			"what was freed could not be overwritten: %s; it stays owed", strerror(-r));
	return 0;
}
