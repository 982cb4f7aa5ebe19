/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - one open volume, whatever port it is served through
 *
 * Opens the medium, unlocks it, and owns the eraser's thread.  Managed volumes
 * have a residue map; a stock LUKS2 volume has none and is served as encryption only.
 *
 *   G1  A write that meets owed blocks holds no thread: it is parked, its blocks
 *       are erased before anything else, and the eraser's thread completes it.
 *   G2  The eraser serves parked writes first, then retirements, then what was
 *       freed since the attach, then the backlog, in batches shared by all.
 *   G3  A barrier returns after one scan of all fresh debt that began after it was asked.
 *
 * Threads: every function from any thread, between engine_start and engine_stop.
 */
#ifndef SPOOLGUARD_VOLUME_ENGINE_H
#define SPOOLGUARD_VOLUME_ENGINE_H

#include "base/extent.h"
#include "base/problem.h"
#include "base/search.h"
#include "blockdev/redo.h"
#include "blockdev/residue.h"
#include "crypto/secret.h"
#include "keystore/keystore.h"
#include "overwrite/eraser.h"
#include "overwrite/retirement.h"
#include "overwrite/scratch.h"

#define ENGINE_UUID_BYTES 40

struct engine;

struct engine_options {
	bool read_only;
	bool repair_token;	     /* magic without token: put the token back */
	const struct scheme *scheme; /* NULL: the volume's own */
	enum verify_mode verify;
	const struct secret
		*volume_key; /* known already (format): no passphrase is tried; borrowed */
};

struct engine_info {
	bool managed;
	bool read_only;
	bool direct; /* the medium is read past the page cache */
	char uuid[ENGINE_UUID_BYTES];
	uint32_t block_bytes;
	uint64_t blocks;
	uint64_t medium_bytes_most;  /* the map has room for a medium of this length */
	const struct scheme *scheme; /* NULL: not managed */
	enum verify_mode verify;
	struct keystore_token token;
	struct residue_open_report opened;
	enum redo_outcome redo; /* what an interrupted change had left when the volume was opened */
};

/* passphrase may be NULL where the volume key is given. */
must_check int engine_open(const char *path, const struct engine_options *options,
	const struct secret *passphrase, struct engine **ret_engine,
	struct problem *reterr_problem);
void engine_get_info(const struct engine *engine, struct engine_info *ret_info);
struct residue *engine_residue(struct engine *engine); /* NULL: not managed; borrowed */

/*
 * For work in-process, without engine_start(): one thread, managed volumes.  The volume as a
 * plain blockdev that erases what a write meets, its eraser (both borrowed, NULL if not managed),
 * and a layer for changes that happen as a whole (gives; free it before engine_close).
 */
struct blockdev *engine_blockdev(struct engine *engine);
struct eraser *engine_eraser(struct engine *engine);
must_check int engine_redo_new(struct engine *engine, struct redo **ret_redo);

int engine_medium_fd(const struct engine *engine); /* borrowed */

must_check int engine_start(struct engine *engine);
/* The eraser's thread ends after its batch; parked writes fail. */
void engine_stop(struct engine *engine);
/* Orderly: what is owed is recorded, the clean mark written.  engine is freed also on error. */
must_check int engine_close(struct engine *engine);

/* --- the ports' side; extents in blocks of block_bytes --- */

struct engine_write {
	struct extent at;
	void *buf; /* scribbled over */
	/* From the eraser's thread, once. */
	void (*complete)(struct engine_write *write, int result);
	struct engine_write *next;
};

must_check int engine_read(struct engine *engine, struct extent at, void *buf);
/* buf is scribbled over.  -EBUSY: owed blocks are in the way, nothing was done; engine_park() waits
 * for them. */
must_check int engine_write(struct engine *engine, struct extent at, void *buf);
/* The write is done, and write->complete called, once its blocks are erased.  On error it is not
 * parked. */
must_check int engine_park(struct engine *engine, struct engine_write *write);
must_check int engine_flush(struct engine *engine);
must_check int engine_discard(struct engine *engine, struct extent at);

/* --- the control side; managed volumes only (-EOPNOTSUPP) --- */

/*
 * Condemns what is still watched by each, waits for the passes; they share batches.
 * requested_blocks and ret_retirements: one for each watch.  The watches stay the caller's.
 */
must_check int engine_retire(struct engine *engine, struct residue_watch *const *watches,
	const uint64_t *requested_blocks, size_t count, struct retirement *ret_retirements);
/* G3.  ret_epoch: of the last batch that it covers. */
must_check int engine_barrier(struct engine *engine, uint64_t *ret_epoch);
/* Also waits for the backlog. */
must_check int engine_barrier_all(struct engine *engine, uint64_t *ret_epoch);

/* The medium (image file or device) has grown: the volume takes its new size; new blocks of a
 * device are owed. */
must_check int engine_grow(struct engine *engine, uint64_t *ret_blocks);

/* The map may be acted on from now on (residue_trust), and what waited for it goes on. */
void engine_trust(struct engine *engine);

/*
 * For ports whose file system is mounted by somebody else: compares its superblock with what was
 * seen of it last, as spool/bring_up.h does, and acts the same; what a sweep would judge stays
 * UNKNOWN.  Before engine_start().
 */
must_check int engine_settle_trust(struct engine *engine, bool *ret_foreign_writes);

/*
 * Of those who ask at the same time one leads (true: does the file system's part, then
 * calls engine_barrier_leave); the others wait for a leader who entered after they
 * asked, and need do nothing (false).
 */
bool engine_barrier_enter(struct engine *engine);
void engine_barrier_leave(struct engine *engine, bool done);

/* On the medium, one at a time, while everything else goes on.  -EROFS: read-only. */
must_check int engine_selftest_overwrite(struct engine *engine, struct scratch_report *ret_report);
must_check int engine_selftest_map(struct engine *engine, struct residue_check *ret_check);

/* --- what the medium decrypts to, whatever the map says of it (engine_search.c) --- */

#define ENGINE_SEARCH_BLOCKS_MAX 65536u /* in one call */
#define ENGINE_STRINGS_MAX	 16u
#define ENGINE_FOUND_MAX	 64u /* places that are told; all are counted */

/* Spare blocks have tweaks of their own, and are counted from the first. */
enum engine_area { ENGINE_AREA_DATA, ENGINE_AREA_SPARE };

struct engine_found {
	struct search_hit hit;	  /* offset: in bytes of the area */
	enum residue_class class; /* of the block, by the map; of a spare block: CLEAN */
};

struct engine_search_report {
	uint64_t area_blocks;
	uint64_t unreadable_blocks; /* the medium refused them: what they hold is not known */
	uint64_t hits;
	uint64_t hits_of[ENGINE_STRINGS_MAX]; /* by string */
	struct engine_found found[ENGINE_FOUND_MAX];
	size_t found_count;
};

/* Matches that begin in these blocks of the area.  -ERANGE: not all of them are in it; -E2BIG: too
 * many blocks or strings. */
must_check int engine_search(struct engine *engine, const struct search *search,
	enum engine_area area, struct extent at, struct engine_search_report *ret_report);

struct engine_debt {
	uint64_t parked_writes;
	uint64_t oldest_owed_s; /* since when anything has been owed without a break: at least so
				   long, if it was owed before the attach */
	bool from_before; /* something owed from before the attach (or from growing) is left */
	uint64_t erased_blocks; /* since the attach */
	bool eraser_failed;	/* the medium stopped: nothing is paid any more */
};
void engine_get_debt(struct engine *engine, struct engine_debt *ret_debt);

#endif
