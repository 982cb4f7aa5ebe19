/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_impl.h - what the files of the residue map share
 *
 *   residue.c          states, open, close, what is known
 *   residue_transfer.c read, write, discard (M1, M2, M7)
 *   residue_commit.c  how states become durable (M2, M3, M5)
 *   residue_erase.c   the eraser's side (M4) and STUCK blocks
 *   residue_watch.c   retirement in place
 *   residue_load.c     what an attach finds on the medium (M5)
 *   residue_judge.c    trust, distrust, settling, flags
 *   residue_grow.c     format and growth
 *   residue_check.c    read back from the medium while it is in use
 *
 * Locks, taken in this order: range (M1) -> commit_running (a flag, waited for
 * with "committed") -> lock.  "lock" guards everything in the struct but the
 * devices; it is never held across I/O.
 */
#ifndef SPOOLGUARD_BLOCKDEV_RESIDUE_IMPL_H
#define SPOOLGUARD_BLOCKDEV_RESIDUE_IMPL_H

#include "blockdev/block_state.h"
#include "blockdev/map_store.h"
#include "blockdev/range_lock.h"
#include "blockdev/residue.h"
#include <pthread.h>
#include <stdatomic.h>

/* Blocks premarked at once for first writes (M2), and how many such windows stay open. */
#define PREMARK_BLOCKS	1024u
#define PREMARK_WINDOWS 16u

/* What one page of entries holds (docs/ONDISK.md). */
#define STUCK_MAX 239u

struct page_info {
	struct map_slots slots;
	bool dirty;	/* states changed since the page was last encoded */
	bool in_commit; /* encoded by the commit that is running */
	uint16_t counts[STATE_COUNT];
};

struct premark_window {
	struct extent run; /* count 0: free */
	uint64_t last_used;
};

struct residue_watch {
	struct extent_list blocks;
	uint64_t lost_blocks;
	struct residue_watch *next;
};

struct residue {
	struct residue_parts parts;
	struct blockdev *data_window;
	struct blockdev *data; /* crypted over data_window */
	struct blockdev *spare_window;
	struct blockdev *spare; /* crypted over spare_window, tweaks of its own */
	struct map_store *store;

	struct range_lock ranges;
	pthread_mutex_t lock;
	pthread_cond_t committed;

	_Atomic uint64_t blocks; /* may only grow */
	uint8_t *states;	 /* four bits a block, low half first */
	struct page_info *pages;
	uint64_t page_count;
	uint64_t totals[STATE_COUNT];

	struct premark_window windows[PREMARK_WINDOWS];
	uint64_t window_clock;

	/* Group commit. */
	uint64_t commits_started;
	uint64_t commits_done;
	bool commit_running;
	bool data_wanted; /* the next commit flushes data first and records LIVE */
	bool stopped;	  /* a flush or a map write failed (M7): nothing more is promised */
	bool closing;	  /* an orderly end has begun: no write or discard is taken any more */
	atomic_bool data_unflushed;

	/* The volume page. */
	struct map_slots volume_slots;
	bool volume_dirty;
	bool volume_in_commit;
	bool clean;
	bool sweep_owed;
	bool filesystem_expected;
	uint64_t attaches;
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES];

	/* The stuck page: entries sorted by block. */
	struct map_slots stuck_slots;
	bool stuck_dirty;
	bool stuck_in_commit;
	struct residue_stuck stuck[STUCK_MAX];
	size_t stuck_count;
	uint64_t next_spare;
	struct extent_list dead; /* refused, and no spare was left */

	bool trusted; /* the map may be acted on: nothing is erased before */
	bool unknown_discards_allowed;
	struct residue_watch *watches;
};

static inline uint32_t blocks_per_page(const struct residue *residue)
{
	return residue->parts.layout->blocks_per_page;
}

static inline struct page_info *page_of(struct residue *residue, uint64_t block)
{
	return &residue->pages[block / blocks_per_page(residue)];
}

static inline uint64_t last_of_page(const struct residue *residue, uint64_t block)
{
	return block - block % blocks_per_page(residue) + blocks_per_page(residue) - 1;
}

static inline enum block_state state_of(const struct residue *residue, uint64_t block)
{
	return (enum block_state)((residue->states[block / 2] >> (block % 2 * 4)) & 0xf);
}

/* Under lock.  Marks the page dirty if what would be recorded changes. */
void residue_set_state(struct residue *residue, uint64_t block, enum block_state state);

/* The same for a run within one page whose blocks all have the state of its first. */
void residue_set_run(struct residue *residue, struct extent run, enum block_state state);

/* Under lock and an exclusive range: the block is free from now on, if it held data. */
void residue_free_block(struct residue *residue, uint64_t block);

/* Under lock.  Every premarked block of the window that never was issued a write is clean again
 * (M7). */
void residue_close_window(struct residue *residue, struct premark_window *window);

/* Under lock.  Length of the run from block on with one state, at most limit. */
uint64_t residue_run_of(const struct residue *residue, uint64_t block, uint64_t limit);

/*
 * Makes durable what was changed before the call: pages, volume page, stuck
 * page; with_data also the data of WRITTEN blocks, which become LIVE.
 * -ENOTRECOVERABLE once anything of it has failed.
 */
must_check int residue_commit(struct residue *residue, bool with_data);

void residue_encode_volume_page(
	const struct residue *residue, uint8_t ret_body[static MAP_PAGE_BODY_BYTES]);
void residue_encode_stuck_page(
	const struct residue *residue, uint8_t ret_body[static MAP_PAGE_BODY_BYTES]);
must_check int residue_load(struct residue *residue, struct residue_open_report *ret_report,
	struct problem *reterr_problem);

/* Memory for more blocks; the new ones are UNKNOWN.  Under lock, or before anybody else knows the
 * residue. */
must_check int residue_reserve(struct residue *residue, uint64_t blocks);

/* Under lock: takes blocks off every watch's list. */
void residue_watches_hit(struct residue *residue, struct extent at);

/* The stuck entry of the first stuck block in the run, or NULL.  Under lock. */
const struct residue_stuck *residue_find_stuck(const struct residue *residue, struct extent run);

#endif
