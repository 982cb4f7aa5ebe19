/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_move.h - the directories of a CUPS server moved onto an attached volume, cupsd being stopped
 *
 *   AT               RequestRoot, CacheDir, the directory of the logs
 *   AT.spoolguard-old   what AT was, once its copy on the volume is whole; overwritten in the end
 *   VOLUME/cups, cups-cache, cups-log   the copies, which are bound over AT (attached/bind.h)
 *
 * Where spoolguard.conf mounts this volume at RequestRoot itself, the spool's copy is the root of
 * the volume, and the mount is moved there (spool/mount.h); binds that it names have the
 * directories that it names.
 *
 *     look -> copied -> compared -> set aside -> in place -> (cupsd starts) -> erased
 *                          |            |            |
 *                          |            +-- undone --+-- put back, cupsd starts on the old spool
 *                          +-- AT is untouched
 *
 *   V1  AT is set aside (by one rename) only when every copy is equal to it, byte for byte, and on
 *       the medium.
 *   V2  What was set aside is overwritten only when cupsd has come up on the volume with its jobs.
 *       So at any instant one copy at least is whole, and cupsd finds it under AT, or nothing at
 *       all: it cannot print onto the bare directory, which is empty and immutable.
 *   V3  Where a run was killed shows in what lies where; the next one goes on there.  A copy that
 * is there is compared again, never believed.
 *
 * Errors: -ENODEV, -EINVAL, -ENOTEMPTY, -EBUSY and others, each with words.
 */
#ifndef SPOOLGUARD_CLI_CUPS_MOVE_H
#define SPOOLGUARD_CLI_CUPS_MOVE_H

#include "cli/cups_context.h"
#include "cli/cups_copy.h"
#include "cli/cups_erase.h"
#include "volume/runtime.h"

#define CUPS_MOVE_NAME_BYTES 64

enum { CUPS_MOVE_SPOOL, CUPS_MOVE_CACHE, CUPS_MOVE_LOG, CUPS_MOVES };

struct cups_move_tree {
	const char *what;		      /* "spool" */
	char at[PATH_MAX];		      /* resolved; "": it is not moved, why_not says why */
	char old[PATH_MAX], fresh[PATH_MAX];  /* AT.spoolguard-old, AT.spoolguard-new */
	char directory[CUPS_MOVE_NAME_BYTES]; /* of the volume; "": its root */
	char target[PATH_MAX];		      /* the same, where the volume is mounted now */
	char emptied[CUPS_MOVE_NAME_BYTES];   /* TempDir, if it is a directory in the spool */
	const char *why_not;
	bool is_in_place; /* AT lies on the volume */
	bool has_old;
	struct cups_tree_count count; /* to be copied */
	struct cups_erase_report erased;
};

struct cups_move {
	struct runtime_state volume;
	char mounted_at[PATH_MAX];
	int lock; /* the volume's; -1: not held */
	struct cups_move_tree trees[CUPS_MOVES];
	/* Jobs that waited before cupsd was stopped: kept on the volume until all is done. */
	int *jobs;
	size_t job_count;
	bool jobs_are_known;
	const char *kept[8];   /* names at the volume's root that are not ours to remove */
	char former[PATH_MAX]; /* mounted_at, before cups_move_place() */
	bool is_placed;
};

/* Finds volume, trees, and how far an earlier run came.  Changes nothing. */
must_check int cups_move_look(
	const struct cups_context *context, struct cups_move *move, struct problem *reterr_problem);
void cups_move_done(struct cups_move *move);

/*
 * VOLUME/.spoolguard-migrate says that what lies in the directories of the volume are our copies,
 * and which jobs waited.
 */
must_check int cups_move_mark_path(const struct cups_move *move, char ret_path[static PATH_MAX]);

/* True if something is to be copied or put in place: cupsd has to be stopped for it. */
bool cups_move_needs_stop(const struct cups_move *move);
/* True if what was set aside is still there. */
bool cups_move_has_old(const struct cups_move *move);

/* Takes the volume's lock, then copies and compares. */
must_check int cups_move_copy(
	struct cups_move *move, const struct progress_sink *sink, struct problem *reterr_problem);
/* Sets aside, and puts in place (V1).  On failure everything is as it was. */
must_check int cups_move_place(struct cups_move *move, struct problem *reterr_problem);
/* Takes back what cups_move_place() did; the copies stay, for the next run. */
must_check int cups_move_undo(struct cups_move *move, struct problem *reterr_problem);
/* Overwrites what was set aside (V2). */
must_check int cups_move_erase(
	struct cups_move *move, const struct progress_sink *sink, struct problem *reterr_problem);

#endif
