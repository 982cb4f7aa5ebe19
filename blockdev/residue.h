/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue.h - a block device that knows what it owes
 *
 * Every 4 KiB block of the volume is in one state; the map of the states lies
 * beside the data, encrypted and authenticated, and is kept so that no instant
 * at which the power may fail makes it lie (docs/ONDISK.md, docs/ARCHITECTURE.md;
 * the rules are M1 to M8 there, and in the residue_*.c where they are kept).
 *
 *            first write (not-CLEAN durable first)        discard
 *   CLEAN -----------------------------------> LIVE ----------------> RESIDUE
 *     ^                                                                  |
 *     +------- eraser: every pass flushed, read back --------------------+
 *
 *   UNKNOWN: the map was lost or is not to be trusted here.  Reads decrypt;
 *   never erased and never CLEAN until residue_judge().
 *
 * Units: blocks of BLOCK_BYTES from the start of the data segment.
 * Threads: every function may be called from any thread.  A write to a block
 * that is owed passes does not wait: it returns -EBUSY and names the blocks, so
 * that no thread is held (the caller erases, or parks the request).
 * Errors: -EIO and what the medium says; -EBUSY as above; -EROFS; -ENOTRECOVERABLE
 * after a failed flush: the volume has stopped (M7).
 */
#ifndef SPOOLGUARD_BLOCKDEV_RESIDUE_H
#define SPOOLGUARD_BLOCKDEV_RESIDUE_H

#include "base/extent.h"
#include "base/problem.h"
#include "blockdev/blockdev.h"
#include "blockdev/layout.h"
#include "crypto/secret.h"
#include <stdbool.h>

struct residue;

/* What residue_open works on; all borrowed for the life of the residue. */
struct residue_parts {
	struct blockdev *device;     /* the whole medium, 4096-byte blocks; flushes go here */
	const struct layout *layout; /* where things are on it */
	const struct secret *volume_key;
	bool read_only; /* nothing at all is written */
};

/* The counts of blocks by what they are.  Sum of the first five = the volume. */
struct residue_counts {
	uint64_t clean;
	uint64_t live;
	uint64_t residue; /* owed every pass; reads as zeros */
	uint64_t suspect; /* was clean; is read before it is believed or overwritten; part of what
			     is owed */
	uint64_t unknown;
	uint64_t dead;	/* part of residue: refused by the medium, and no spare was left */
	uint64_t stuck; /* remapped, or dead; counted apart */
};

struct residue_open_report {
	bool was_unclean;	 /* not detached in order: a sweep is owed */
	uint64_t damaged_pages;	 /* a slot did not authenticate: the page is UNKNOWN */
	uint64_t suspect_blocks; /* premarked when the power failed */
	bool sweep_owed;
	bool filesystem_expected; /* format made one, or a sweep has seen one */
};

/*
 * Writes a fresh map: every block CLEAN, but those in the list RESIDUE.  Durable
 * when it returns.
 */
must_check int residue_format(const struct residue_parts *parts, const struct extent_list *owed,
	struct problem *reterr_problem);

must_check int residue_open(const struct residue_parts *parts, struct residue **ret_residue,
	struct residue_open_report *ret_report, struct problem *reterr_problem);

/*
 * Orderly end: waits for every transfer in flight, then what was premarked and never
 * written goes back to CLEAN, all is flushed, and the clean mark is written last.
 * From its beginning on, and also when it fails, no write, discard or flush is taken
 * any more (-ENOTRECOVERABLE); residue_free() is what is left to do.
 */
must_check int residue_close_orderly(struct residue *residue);
void residue_free(struct residue *residue); /* NULL is fine; writes nothing */

uint64_t residue_blocks(const struct residue *residue);

must_check int residue_read(struct residue *residue, struct extent at, void *buf);
/* buf is scribbled over.  -EBUSY: reterr_owed is the first run that is owed passes; nothing was
 * written. */
must_check int residue_write(
	struct residue *residue, struct extent at, void *buf, struct extent *reterr_owed);
must_check int residue_flush(struct residue *residue);
must_check int residue_discard(struct residue *residue, struct extent at);

void residue_get_counts(struct residue *residue, struct residue_counts *ret_counts);

enum residue_class {
	RESIDUE_CLASS_CLEAN,
	RESIDUE_CLASS_LIVE,
	RESIDUE_CLASS_RESIDUE,
	RESIDUE_CLASS_SUSPECT,
	RESIDUE_CLASS_UNKNOWN,
};
/* The class of the block at first, and how far it reaches (at most limit blocks). */
enum residue_class residue_lookup(
	struct residue *residue, uint64_t first, uint64_t limit, uint64_t *ret_run);

/* --- The eraser's side --- */

enum residue_debt {
	RESIDUE_DEBT_FRESH,   /* freed since this attach */
	RESIDUE_DEBT_BACKLOG, /* owed from before: format of a used device, recovery */
};

/*
 * The next runs owed from cursor on, at most limit_blocks in all; cursor moves
 * on, and is residue_blocks() at the end.  -ENOMEM.
 */
must_check int residue_next_owed(struct residue *residue, enum residue_debt debt, uint64_t *cursor,
	uint64_t limit_blocks, struct extent_list *out);

/*
 * Takes blocks for erasing.  Those of "wanted" that are RESIDUE or, having been
 * read, SUSPECT and not uniform, are locked (M1), their RESIDUE is durable when
 * it returns (M4), and they are in "taken" (logical blocks).  Suspects that
 * show a pattern become clean at once.  What is not owed is left out.
 */
must_check int residue_erase_begin(
	struct residue *residue, const struct extent_list *wanted, struct extent_list *taken);

/* The first run of a logical extent as it lies on the medium (remapped blocks lie in the spare
 * area). */
must_check int residue_locate(
	struct residue *residue, struct extent logical, struct extent *ret_physical);
struct blockdev *residue_medium(
	struct residue *residue); /* borrowed: the whole device, unencrypted */

/* Every pass over these is durable and read back: they are clean. */
void residue_erase_done(struct residue *residue, const struct extent_list *cleared);
/* The passes did not happen (interrupted): still owed. */
void residue_erase_abandon(struct residue *residue, const struct extent_list *still_owed);
/*
 * The medium refused the passes with error (a -errno): the block is STUCK, its
 * old place is never used again, and it is remapped to a clean spare block.  -ENOSPC: no
 * spare is left; the block stays owed, and writes to it fail with -EIO.
 */
must_check int residue_erase_stuck(struct residue *residue, uint64_t block, int error);

struct residue_stuck {
	uint64_t block; /* logical */
	uint64_t spare; /* which spare block carries it now */
	int32_t error;	/* -errno of the pass that failed */
	int64_t wall_s;
};
/* Copies at most capacity entries; returns how many there are. */
size_t residue_get_stuck(struct residue *residue, struct residue_stuck *entries, size_t capacity);

/* --- Retirement in place (design section 4) --- */

/*
 * Watches blocks that a file owns and that are to be erased under it.  From now
 * on a write or discard that touches one of them takes it off the list.
 */
struct residue_watch;
must_check int residue_watch_new(struct residue *residue, const struct extent_list *blocks,
	struct residue_watch **ret_watch);
void residue_watch_free(struct residue *residue, struct residue_watch *watch);

/*
 * How many of the blocks that are still watched are UNKNOWN, and may not be freed before a sweep
 * has judged them (residue_allow_unknown_discards): condemning leaves those as they are.
 */
uint64_t residue_watch_unjudged(struct residue *residue, const struct residue_watch *watch);

/*
 * Turns what is still watched into RESIDUE (reads as zeros, owed passes); "owed" gets
 * those blocks, ret_lost how many were taken off the list before their turn came.
 */
must_check int residue_watch_condemn(struct residue *residue, struct residue_watch *watch,
	struct extent_list *owed, uint64_t *ret_lost);

/*
 * How many of the blocks that are still watched, and are not in "owed", the medium has refused
 * (residue_erase_stuck): they are clean on their spare, but their old place keeps what it held,
 * and that may be the file's.
 */
uint64_t residue_watch_refused(
	struct residue *residue, const struct residue_watch *watch, const struct extent_list *owed);

/* --- Sweep and recovery --- */

/* UNKNOWN blocks may be discarded from now on: a checked file system says what is free. */
void residue_allow_unknown_discards(struct residue *residue);
/* What is still UNKNOWN is owned by the file system: it becomes LIVE.  Durable when it returns. */
must_check int residue_settle_unknown(struct residue *residue);
/*
 * Nothing is erased before the map is trusted: a volume with a file system waits until its host has
 * looked whether somebody else wrote to it (compare the fingerprint; residue_distrust() if so),
 * then calls this.
 */
void residue_trust(struct residue *residue);
bool residue_is_trusted(struct residue *residue);
/* Somebody else wrote: the whole map is UNKNOWN (clean blocks are to be read first).  Durable when
 * it returns. */
must_check int residue_distrust(struct residue *residue);

/* 64 bytes that the spool keeps beside the map: what the file system's superblock looked like at
 * detach. */
#define RESIDUE_FINGERPRINT_BYTES 64
void residue_get_fingerprint(
	struct residue *residue, uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES]);
/* Written with the next orderly close, or by the next flush. */
void residue_set_fingerprint(
	struct residue *residue, const uint8_t fingerprint[static RESIDUE_FINGERPRINT_BYTES]);
/* Records that a sweep is owed, or was done.  Durable when it returns. */
bool residue_is_sweep_owed(struct residue *residue);
must_check int residue_set_sweep_owed(struct residue *residue, bool owed);
must_check int residue_set_filesystem_expected(struct residue *residue, bool expected);

struct residue_check {
	uint64_t pages;		    /* of the map, the volume and the stuck list: all were read */
	uint64_t damaged_pages;	    /* a slot is not authentic, or not the one written last */
	uint32_t whole_superblocks; /* of two copies */
};
/*
 * Reads the map back from the medium, while it is in use.  Damaged pages are written over from
 * memory, unless it is open read-only; in what is in memory nothing changes.  Reads 8 KiB for each
 * page (32 GiB of volume: 8 MiB); commits wait for a transfer at most.
 */
must_check int residue_check(struct residue *residue, struct residue_check *ret_check);

/* Map growth: the device has grown already; new blocks are RESIDUE if owed, else CLEAN.  Durable
 * when it returns. */
must_check int residue_grow(struct residue *residue, uint64_t blocks, bool owed);

#endif
