/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inprocess_impl.h - what the files of the in-process port share
 *
 *   inprocess.c         open, changes (commit, roll back), settling
 *   inprocess_sweep.c   is the file system whole, and what of it is free (I3)
 *   inprocess_name.c    from a path to directory and inode
 *   inprocess_put.c     new files and directories
 *   inprocess_read.c    get and list
 *   inprocess_retire.c  complete (I1, I2)
 *   inprocess_journal.c ... and what the journal holds of it
 */
#ifndef SPOOLGUARD_SPOOL_INPROCESS_IMPL_H
#define SPOOLGUARD_SPOOL_INPROCESS_IMPL_H

#include "spool/inprocess.h"
#include <ext2fs/ext2fs.h>

struct inprocess {
	struct inprocess_parts parts;
	struct blockdev *bd; /* what libext2fs works on: the redo layer, or the volume; borrowed */
	ext2_filsys fs;	     /* NULL after a failure that could not be rolled back */
	struct extent_list direct; /* data of this change, written to blocks that are free */
};

/* Ends a change: the file system as it is in memory becomes the one on the medium. */
must_check int inprocess_commit(struct inprocess *inprocess, struct problem *reterr_problem);
/* Forgets a change: the file system is read again.  Returns error, or what is worse. */
must_check int inprocess_roll_back(struct inprocess *inprocess, int error);

/* -EROFS in words if opened read-only; -EIO after a failure. */
must_check int inprocess_check_writable(
	const struct inprocess *inprocess, struct problem *reterr_problem);

/* -EUCLEAN in words: an inode or a table of the file system lies where its bitmaps say free. */
must_check int inprocess_check_owned(ext2_filsys fs, struct problem *reterr_problem);
/* Everything free is owed passes, everything else LIVE; then the map is trusted. */
must_check int inprocess_sweep(struct inprocess *inprocess, struct problem *reterr_problem);

/* Discards the blocks of the journal that hold anything; held gets them.  -EUCLEAN: not empty. */
must_check int inprocess_empty_journal(
	struct inprocess *inprocess, struct extent_list *held, struct problem *reterr_problem);

/* A name and where it leads. */
struct inprocess_place {
	ext2_ino_t directory;
	ext2_ino_t inode; /* 0: there is no such name (yet) */
	char name[INPROCESS_NAME_BYTES];
	struct ext2_inode body;
};

/*
 * Follows no links.  The last part may be missing; "/" is the root with an empty name.
 * missing_from (may be NULL): if a directory on the way is missing, 0 is returned, inode and
 * directory are 0, and it points to the rest of path, at the first missing part.
 */
must_check int inprocess_find(struct inprocess *inprocess, const char *path,
	struct inprocess_place *ret_place, const char **missing_from,
	struct problem *reterr_problem);
/* The next part of *path; advances it.  -EINVAL in words for ".", "..", -ENAMETOOLONG. */
must_check int inprocess_next_part(const char **path, char ret_part[static INPROCESS_NAME_BYTES],
	struct problem *reterr_problem);

/* What libext2fs says, as an error and in words: "what NAME: why". */
int inprocess_fail(
	struct problem *reterr_problem, errcode_t error, const char *what, const char *name);

#endif
