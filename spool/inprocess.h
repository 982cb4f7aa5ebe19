/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess.h - files on the volume's ext4 without mounting it
 *
 * For where FUSE, loop devices or mounting are not allowed: through libext2fs, over the same
 * residue map and the same eraser.  Each operation is one change of the redo layer
 * (blockdev/redo.h), so that a crash leaves the file system as it was before or as it
 * is after; only a file's data goes directly to blocks that were free.
 *
 *   I1  What an operation frees is discarded in the same change, and erased and read
 *       back before a retirement is reported.
 *   I2  A retired file leaves no name in its directory, no inode, no extended attribute, and
 *       nothing in the journal or the redo area.
 *   I3  A file system that anybody else has worked on, or that a crash has left, is checked
 *       before the map is trusted: no block that it owns is free in its bitmaps.
 *
 * Refused in words: an ext4 whose journal must be replayed first, or with features that
 * libext2fs does not keep up to date (quota, orphan files in use, multiple mount protection);
 * names through symbolic links; retiring directories, links, and files with several names.
 *
 * Names are paths from the root of the file system, without ".." and ".".
 * Errors: -ENOENT, -EEXIST, -ENOTDIR, -EISDIR, -ELOOP (a symbolic link), -EMLINK (several
 * names), -ENOSPC, -EFBIG, -EUCLEAN (needs recovery or a check), -EROFS.  Threads: one.
 */
#ifndef SPOOLGUARD_SPOOL_INPROCESS_H
#define SPOOLGUARD_SPOOL_INPROCESS_H

#include "base/problem.h"
#include "blockdev/redo.h"
#include "blockdev/residue.h"
#include "overwrite/eraser.h"
#include "overwrite/retirement.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define INPROCESS_NAME_BYTES 256

struct inprocess;

/* All borrowed for the life of the inprocess. */
struct inprocess_parts {
	struct residue *residue;
	struct eraser *eraser;
	struct blockdev *below; /* the volume, erasing what a write meets (sanitizing.h) */
	struct redo *redo;	/* over the same; NULL: read-only */
	const struct scheme *scheme;
	bool sweep_owed; /* as residue_open() said, or the redo record was lost */
};

/* -EUCLEAN read-only: it must be opened for writing first (a sweep is owed, or foreign writes). */
must_check int inprocess_open(const struct inprocess_parts *parts, struct inprocess **ret_inprocess,
	struct problem *reterr_problem);

/*
 * Pays what was freed, and of an older backlog a part; overwrites what the redo records
 * left.  inprocess_free() alone leaves both for the next open.
 */
must_check int inprocess_settle(struct inprocess *inprocess, struct problem *reterr_problem);
void inprocess_free(struct inprocess *inprocess); /* NULL is fine; writes nothing */
DEFINE_CLEANUP(struct inprocess *, inprocess_free)

struct inprocess_put_options {
	bool parents; /* make missing directories */
	mode_t mode;  /* permission bits of the new file */
	uid_t uid;
	gid_t gid;
	int64_t modified_wall_s;
};

struct inprocess_put_report {
	uint64_t bytes;
	uint64_t data_blocks; /* blocks of zeros are holes and take none */
};

/* A new file with what source_fd gives up to its end.  An existing name is refused. */
must_check int inprocess_put(struct inprocess *inprocess, int source_fd, const char *name,
	const struct inprocess_put_options *options, struct inprocess_put_report *ret_report,
	struct problem *reterr_problem);

/* Writes the file's bytes to destination_fd; holes of a regular file stay holes. */
must_check int inprocess_get(struct inprocess *inprocess, const char *name, int destination_fd,
	uint64_t *ret_bytes, struct problem *reterr_problem);

struct inprocess_entry {
	char name[INPROCESS_NAME_BYTES];
	uint32_t mode; /* type and permissions, as in struct stat */
	uint32_t links;
	uint32_t uid;
	uint64_t bytes;
	int64_t modified_wall_s;
};

/* Each entry of the directory but "." and "..", or the one entry if name is a file. */
must_check int inprocess_list(struct inprocess *inprocess, const char *name,
	void (*entry)(void *context, const struct inprocess_entry *entry), void *context,
	struct problem *reterr_problem);

struct inprocess_retired {
	struct retirement retirement; /* of the files' blocks, with those of their mapping */
	uint64_t bytes;		      /* the files' sizes */
	uint64_t extents;
	uint64_t journal_blocks; /* that held anything, and were overwritten too */
	uint64_t epoch;		 /* of the last batch: what was freed before it is paid */
};

/*
 * Retires files, all or (after the checks, which come first) none: removed, and their blocks,
 * names, inodes, the journal and the redo area overwritten and read back when it returns.
 * One result for all of them.  Names are not named twice.
 */
must_check int inprocess_complete(struct inprocess *inprocess, const char *const *names,
	size_t count, struct inprocess_retired *ret_retired, struct problem *reterr_problem);

#endif
