/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_transfer.c - reads, writes and discards of a device that knows what it owes
 *
 * The rules that are kept here; the others are in residue_commit.c and
 * residue_erase.c:
 *
 *   M1  A change of state that ends or begins a block's data holds the range
 *       alone: no transfer is in flight on it.
 *   M2  Before the first write to a CLEAN block, OPEN ("not CLEAN") is durable
 *       for it: premark(), a window of blocks at a time.
 *   M7  A failed first write leaves the block owed.
 */
#include "blockdev/residue_impl.h"
#include "base/io.h"
#include "base/mutant.h"
#include <errno.h>
#include <string.h>

/* --- where a block lies --- */

const struct residue_stuck *residue_find_stuck(const struct residue *residue, struct extent run)
{
	for (size_t i = 0; i < residue->stuck_count; i++) {
		if (residue->stuck[i].block >= run.first &&
			residue->stuck[i].block < extent_end(run))
			return &residue->stuck[i];
	}
	return NULL;
}

/* The part of the run that lies in one piece, and on which device at which place. */
struct piece {
	struct blockdev *bd;
	struct extent at;
};

static struct piece first_piece(struct residue *residue, struct extent run)
{
	struct piece piece = {residue->data, run};
	const struct residue_stuck *stuck;

	pthread_mutex_lock(&residue->lock);
	stuck = residue_find_stuck(residue, run);
	if (stuck && stuck->block == run.first) {
		piece = (struct piece){residue->spare, {stuck->spare, 1}};
	} else if (stuck) {
		piece.at.count = stuck->block - run.first;
	}
	pthread_mutex_unlock(&residue->lock);
	return piece;
}

static int transfer(struct residue *residue, struct extent run, uint8_t *buf, bool writing)
{
	while (run.count > 0) {
		struct piece piece = first_piece(residue, run);
		size_t bytes = (size_t)piece.at.count * BLOCK_BYTES;
		int r;

		r = writing ? blockdev_write_consuming(piece.bd, piece.at, buf, bytes)
			    : blockdev_read(piece.bd, piece.at, buf, bytes);
		if (r < 0)
			return r;
		buf += bytes;
		run.first += piece.at.count;
		run.count -= piece.at.count;
	}
	return 0;
}

/* --- read --- */

int residue_read(struct residue *residue, struct extent at, void *buf)
{
	struct extent whole = at;
	struct range_holder holder;
	uint8_t *out = buf;
	int r = 0;

	if (!extent_is_within(at, residue->blocks))
		return -ERANGE;
	if (!mutant_is(MUTANT_READ_WITHOUT_RANGE))
		range_lock_shared(&residue->ranges, whole, &holder);
	while (at.count > 0 && r >= 0) {
		uint64_t run = 1;
		bool data;

		pthread_mutex_lock(&residue->lock);
		data = block_state_has_data(state_of(residue, at.first));
		while (run < at.count &&
			block_state_has_data(state_of(residue, at.first + run)) == data)
			run++;
		pthread_mutex_unlock(&residue->lock);

		if (data)
			r = transfer(residue, (struct extent){at.first, run}, out, false);
		else
			memset(out, 0, (size_t)run * BLOCK_BYTES);
		out += run * BLOCK_BYTES;
		at.first += run;
		at.count -= run;
	}
	if (!mutant_is(MUTANT_READ_WITHOUT_RANGE))
		range_lock_release(&residue->ranges, &holder);
	return r;
}

/* --- write --- */

/* The window around a block: never across pages, so that one page write marks it. */
static struct extent window_around(const struct residue *residue, uint64_t block)
{
	uint64_t page_first = block - block % blocks_per_page(residue);
	uint64_t page_end = page_first + blocks_per_page(residue);
	struct extent run;

	run.first = page_first + (block - page_first) / PREMARK_BLOCKS * PREMARK_BLOCKS;
	run.count = PREMARK_BLOCKS;
	if (extent_end(run) > page_end)
		run.count = page_end - run.first;
	if (extent_end(run) > residue->blocks)
		run.count = residue->blocks - run.first;
	return run;
}

/* Under lock: remembers an open window, in the place of the one not used for longest. */
static struct extent remember_window(struct residue *residue, struct extent run)
{
	struct premark_window *victim = &residue->windows[0];
	struct extent evicted;

	for (size_t i = 0; i < PREMARK_WINDOWS; i++) {
		struct premark_window *window = &residue->windows[i];

		if (window->run.count != 0 && window->run.first == run.first) {
			window->run = run;
			window->last_used = ++residue->window_clock;
			return (struct extent){0, 0};
		}
		if (window->run.count == 0 ||
			(victim->run.count != 0 && window->last_used < victim->last_used))
			victim = window;
	}
	evicted = victim->run;
	*victim = (struct premark_window){run, ++residue->window_clock};
	return evicted;
}

/* A window that fell out of use: its untouched blocks are clean again, once no write is in flight
 * there (M1). */
static void evict_window(struct residue *residue, struct extent run)
{
	struct range_holder holder;

	if (run.count == 0)
		return;
	if (!mutant_is(MUTANT_NO_DRAIN_ON_EVICT))
		range_lock_exclusive(&residue->ranges, run, &holder);
	pthread_mutex_lock(&residue->lock);
	residue_close_window(residue, &(struct premark_window){.run = run});
	pthread_mutex_unlock(&residue->lock);
	if (!mutant_is(MUTANT_NO_DRAIN_ON_EVICT))
		range_lock_release(&residue->ranges, &holder);
}

/* M2: makes "not CLEAN" durable for the window around block. */
static int premark(struct residue *residue, uint64_t block)
{
	struct extent run, evicted;

	pthread_mutex_lock(&residue->lock);
	run = window_around(residue, block);
	evicted = remember_window(residue, run);
	for (uint64_t b = run.first; b < extent_end(run); b++) {
		enum block_state state = state_of(residue, b);

		if (mutant_is(MUTANT_NO_PREMARK) && state == STATE_CLEAN)
			residue_set_state(residue, b, STATE_OPEN);
		else if (state == STATE_CLEAN)
			residue_set_state(residue, b, STATE_OPENING);
		else if (state == STATE_CLEARED)
			residue_set_state(residue, b, STATE_OPEN);
	}
	pthread_mutex_unlock(&residue->lock);

	evict_window(residue, evicted);
	return mutant_is(MUTANT_NO_PREMARK) ? 0 : residue_commit(residue, false);
}

enum write_go {
	WRITE_GO,
	WRITE_OWED,    /* reterr_owed must be erased first (P4) */
	WRITE_PREMARK, /* *reterr_owed.first must be premarked first (M2) */
	WRITE_DEAD,    /* the medium refused the block and no spare is left */
	WRITE_STOPPED,
};

/* Under lock and a shared range: may this write go to the medium now? */
static enum write_go may_write(
	struct residue *residue, struct extent at, struct extent *reterr_owed)
{
	if (residue->closing || (residue->stopped && !mutant_is(MUTANT_FLUSH_RETRY)))
		return WRITE_STOPPED;
	if (extent_list_overlaps(&residue->dead, at))
		return WRITE_DEAD;
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		if (!block_state_is_owed(state_of(residue, b)) ||
			mutant_is(MUTANT_WRITE_OVER_RESIDUE))
			continue;
		*reterr_owed = (struct extent){b, 1};
		while (extent_end(*reterr_owed) < extent_end(at) &&
			block_state_is_owed(state_of(residue, extent_end(*reterr_owed))))
			reterr_owed->count++;
		return WRITE_OWED;
	}
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		enum block_state state = state_of(residue, b);

		if (state == STATE_CLEAN || state == STATE_OPENING || state == STATE_MARKED) {
			*reterr_owed = (struct extent){b, 1};
			return WRITE_PREMARK;
		}
	}
	return WRITE_GO;
}

/* Under lock: the write is about to be issued. */
static void begin_write(struct residue *residue, struct extent at)
{
	residue_watches_hit(residue, at);
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		enum block_state state = state_of(residue, b);

		if (state == STATE_CLEARED) /* nothing that survives a crash says CLEAN: no mark is
					       needed */
			residue_set_state(residue, b, STATE_OPEN);
		else if (state == STATE_UNKNOWN_CLEAN)
			residue_set_state(residue, b, STATE_UNKNOWN);
		else if (mutant_is(MUTANT_WRITE_OVER_RESIDUE) && block_state_is_owed(state))
			residue_set_state(residue, b, STATE_OPEN);
	}
}

/*
 * Where the file system that holds an image is full the block is a hole, and could not even get
 * its passes: it is read before it is overwritten (SUSPECT), and a hole shows zeros.
 * Under lock: the write has ended.  -EIO if another, failed write took a block away.
 */
static int end_write(struct residue *residue, struct extent at, int result)
{
	const enum block_state failed = mutant_is(MUTANT_FAILED_WRITE_IS_CLEAN) ? STATE_CLEARED
					: io_is_want_of_room(result)		? STATE_SUSPECT
										: STATE_FRESH;

	for (uint64_t b = at.first; b < extent_end(at); b++) {
		enum block_state state = state_of(residue, b);

		if (state == STATE_OPEN && result < 0) /* M7 */
			residue_set_state(residue, b, failed);
		else if (state == STATE_OPEN)
			residue_set_state(residue, b, STATE_WRITTEN);
		else if (result >= 0 && !block_state_has_data(state))
			result = -EIO;
	}
	return result;
}

int residue_write(struct residue *residue, struct extent at, void *buf, struct extent *reterr_owed)
{
	struct range_holder holder;
	struct extent stop = {0, 0};
	enum write_go go;
	int r;

	if (!extent_is_within(at, residue->blocks))
		return -ERANGE;
	if (residue->parts.read_only)
		return -EROFS;

	for (;;) {
		if (!mutant_is(MUTANT_WRITE_WITHOUT_RANGE))
			range_lock_shared(&residue->ranges, at, &holder);
		pthread_mutex_lock(&residue->lock);
		go = may_write(residue, at, &stop);
		if (go == WRITE_GO)
			begin_write(residue, at);
		pthread_mutex_unlock(&residue->lock);
		if (go == WRITE_GO)
			break;

		if (!mutant_is(MUTANT_WRITE_WITHOUT_RANGE))
			range_lock_release(&residue->ranges, &holder);
		switch (go) {
		case WRITE_OWED:
			*reterr_owed = stop;
			return -EBUSY;
		case WRITE_DEAD:
			return -EIO;
		case WRITE_STOPPED:
			return -ENOTRECOVERABLE;
		case WRITE_PREMARK:
		case WRITE_GO:
			r = premark(residue, stop.first);
			if (r < 0)
				return r;
		}
	}

	r = transfer(residue, at, buf, true);
	/* After the transfer, and before the blocks are WRITTEN: a flush that ran meanwhile does
	 * not count. */
	atomic_store(&residue->data_unflushed, true);
	pthread_mutex_lock(&residue->lock);
	r = end_write(residue, at, r);
	pthread_mutex_unlock(&residue->lock);
	if (!mutant_is(MUTANT_WRITE_WITHOUT_RANGE))
		range_lock_release(&residue->ranges, &holder);
	return r;
}

int residue_flush(struct residue *residue)
{
	if (residue->parts.read_only)
		return 0;
	return residue_commit(residue, true);
}

/* --- discard --- */

void residue_free_block(struct residue *residue, uint64_t block)
{
	switch (state_of(residue, block)) {
	case STATE_WRITTEN:
	case STATE_FLUSHING:
	case STATE_LIVE:
		residue_set_state(residue, block, STATE_FRESH);
		break;
	case STATE_UNKNOWN:
		if (residue->unknown_discards_allowed)
			residue_set_state(residue, block, STATE_FRESH);
		break;
	case STATE_UNKNOWN_CLEAN:
		if (residue->unknown_discards_allowed)
			residue_set_state(residue, block, STATE_SUSPECT);
		break;
	default:
		break;
	}
}

/* A trim of a whole file system frees what is mostly free already. */
static bool page_has_data(const struct page_info *page)
{
	const uint16_t *counts = page->counts;

	return counts[STATE_WRITTEN] + counts[STATE_FLUSHING] + counts[STATE_LIVE] +
		       counts[STATE_UNKNOWN] + counts[STATE_UNKNOWN_CLEAN] >
	       0;
}

int residue_discard(struct residue *residue, struct extent at)
{
	struct range_holder holder;
	int r = 0;

	if (!extent_is_within(at, residue->blocks))
		return -ERANGE;
	if (residue->parts.read_only)
		return -EROFS;

	if (!mutant_is(MUTANT_NO_DRAIN_ON_DISCARD))
		range_lock_exclusive(&residue->ranges, at, &holder);
	pthread_mutex_lock(&residue->lock);
	if (residue->closing) { /* it would be acknowledged, and nowhere recorded */
		r = -ENOTRECOVERABLE;
	} else {
		residue_watches_hit(residue, at);
		for (uint64_t b = at.first; b < extent_end(at); b++) {
			if (page_has_data(page_of(residue, b)))
				residue_free_block(residue, b);
			else
				b = last_of_page(residue, b);
		}
	}
	pthread_mutex_unlock(&residue->lock);
	if (!mutant_is(MUTANT_NO_DRAIN_ON_DISCARD))
		range_lock_release(&residue->ranges, &holder);
	return r;
}
