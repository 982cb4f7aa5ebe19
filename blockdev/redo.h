/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redo.h - many writes and discards of a volume that happen together or not at all
 *
 * A blockdev over the volume that holds writes and discards back in memory until
 * redo_commit().  For a file system driver without a journal of its own; it knows
 * nothing of file systems, only that block 0 changes whenever anybody works on one.
 *
 *   collect -> prepare -> record -> apply -> retire
 *                |          |         |        header zeroed; flush
 *                |          |         each block in place, discards; flush
 *                |          body; flush; header; flush        <- the change is made
 *                blocks that hold nothing get zeros; flush: what was written directly is durable
 *
 * Before the header is durable a crash leaves the old state, after it the new one:
 * the next open of the volume, by whatever port, replays the record first.
 *
 *   J1  The body is durable before the header is written; the header lies in one
 *       512-byte sector.
 *   J2  Nothing of a change but zeros is written to its blocks before its record is durable,
 *       and then every one of them is LIVE: a replay never meets a block that is owed passes.
 *   J3  A record is retired after all of it is in place and durable, and before another is
 *       written.
 *   J4  A record is replayed only if block 0 shows, sector by sector, what it was before the
 *       change or is after it: otherwise somebody else wrote meanwhile.
 *   J5  A block freed in a change is not written again in the same change: it would miss
 *       its passes (-EBUSY).
 *
 * Contents that do not differ from what is in place are not recorded.  A change has at
 * most as many blocks as the area has room for (-EFBIG), about 1,000.
 *
 * Sealed, a record is still what is left of a job's name: redo_area() tells where they
 * have lain, for whoever overwrites them.
 *
 * Errors: what lies below says; after a failure between header and retirement every
 * commit is refused with -ENOTRECOVERABLE (redo_has_failed): the next open decides.
 * Threads: one.
 */
#ifndef SPOOLGUARD_BLOCKDEV_REDO_H
#define SPOOLGUARD_BLOCKDEV_REDO_H

#include "blockdev/blockdev.h"
#include "blockdev/layout.h"
#include "blockdev/residue.h"
#include "crypto/secret.h"
#include <stdbool.h>

/* All borrowed for the life of the redo. */
struct redo_parts {
	struct blockdev *below;	 /* the volume as a plain blockdev, erasing what a write meets */
	struct residue *residue; /* the same volume: what its blocks hold */
	struct blockdev *medium; /* the whole medium, where the redo area lies */
	const struct layout *layout;
	const struct secret *volume_key;
};

enum redo_outcome {
	REDO_NONE,     /* no record */
	REDO_REPLAYED, /* a change that a crash had interrupted is complete */
	REDO_DAMAGED, /* there was a record, and it cannot be read: the file system needs a check */
	REDO_FOREIGN, /* somebody else wrote after the crash (J4): not replayed */
};

/* Reads the area; with no record it costs one block.  Retires what it finds.  Idempotent. */
must_check int redo_replay(const struct redo_parts *parts, enum redo_outcome *ret_outcome);
/* Only looks. */
must_check int redo_is_pending(const struct redo_parts *parts, bool *ret_pending);

struct redo;

/* The area holds no record: redo_replay() was called. */
must_check int redo_new(const struct redo_parts *parts, struct redo **ret_redo);
/* What was not committed is forgotten. */
void redo_free(struct redo *redo);
DEFINE_CLEANUP(struct redo *, redo_free)

/* Borrowed.  Its flush does nothing: only redo_commit() makes anything durable. */
struct blockdev *redo_blockdev(struct redo *redo);

/*
 * Past the record, at once: for blocks that nothing points at before the commit.
 * Durable with the commit; if there is none, the caller discards them below.
 */
must_check int redo_write_direct(struct redo *redo, struct extent at, const void *buf);

must_check int redo_commit(struct redo *redo);
/* Forgets what was collected; what was written in preparation is owed passes. */
must_check int redo_abort(struct redo *redo);
bool redo_has_failed(const struct redo *redo);
/* Blocks that the next record would have so far, and how many one may have. */
uint64_t redo_collected_blocks(const struct redo *redo);
uint64_t redo_capacity_blocks(const struct redo *redo);

/* Blocks of the medium that hold records, or have. */
struct extent redo_area(const struct redo *redo);

#endif
