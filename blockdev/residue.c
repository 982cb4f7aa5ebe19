/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue.c - reads, writes and discards of a device that knows what it owes
 *
 * The rules that are kept here; the others are in residue_commit.c and
 * residue_erase.c:
 *
 *   M1  A change of state that ends or begins a block's data holds the range
 *       alone: no transfer is in flight on it.
 *   M2  Before the first write to a CLEAN block, OPEN ("not CLEAN") is durable
 *       for it: premark(), a window of blocks at a time.
 *   M7  A failed first write leaves the block owed; premarked blocks that were
 *       never issued a write go back to CLEAN.
 */
#include "blockdev/residue_impl.h"
#include "base/bytes.h"
#include "base/mutant.h"
#include "blockdev/crypted.h"
#include "blockdev/window.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- states --- */

void residue_set_state(struct residue *residue, uint64_t block, enum block_state state)
{
	enum block_state old = state_of(residue, block);
	struct page_info *page = page_of(residue, block);
	unsigned int shift = block % 2 * 4;
	uint8_t *at = &residue->states[block / 2];

	if (old == state)
		return;
	*at = (uint8_t)((*at & ~(0xf << shift)) | ((unsigned int)state << shift));
	page->counts[old]--;
	page->counts[state]++;
	residue->totals[old]--;
	residue->totals[state]++;
	if (block_state_to_code(old) != block_state_to_code(state))
		page->dirty = true;
}

void residue_set_run(struct residue *residue, struct extent run, enum block_state state)
{
	struct page_info *page = page_of(residue, run.first);
	enum block_state old = state_of(residue, run.first);
	uint64_t first = run.first, end = extent_end(run);

	assert(page == page_of(residue, end - 1));
	if (old == state)
		return;
	if (first % 2 != 0)
		residue_set_state(residue, first++, state);
	if (first < end && end % 2 != 0)
		residue_set_state(residue, --end, state);
	if (first >= end)
		return;
	memset(residue->states + first / 2, (int)(state * 0x11u), (end - first) / 2);
	page->counts[old] = (uint16_t)(page->counts[old] - (end - first));
	page->counts[state] = (uint16_t)(page->counts[state] + (end - first));
	residue->totals[old] -= end - first;
	residue->totals[state] += end - first;
	if (block_state_to_code(old) != block_state_to_code(state))
		page->dirty = true;
}

uint64_t residue_run_of(const struct residue *residue, uint64_t block, uint64_t limit)
{
	enum block_state state = state_of(residue, block);
	uint64_t most = residue->blocks - block < limit ? residue->blocks - block : limit;
	uint64_t run = 1;

	while (run < most && state_of(residue, block + run) == state)
		run++;
	return run;
}

/* --- open and close --- */

static int stack_devices(struct residue *residue, uint64_t data_blocks)
{
	const struct residue_parts *parts = &residue->parts;
	struct extent data = {parts->layout->data_first, data_blocks};
	int r;

	r = window_new(parts->device, data, &residue->data_window);
	if (r < 0)
		return r;
	r = crypted_new(residue->data_window, parts->volume_key, BLOCK_BYTES, 0, &residue->data);
	if (r < 0)
		return r;
	r = window_new(parts->device, parts->layout->spare, &residue->spare_window);
	if (r < 0)
		return r;
	return crypted_new(residue->spare_window, parts->volume_key, BLOCK_BYTES,
		LAYOUT_SPARE_IV_OFFSET, &residue->spare);
}

/* An attach begins: whatever happens from here on, the map does not say "detached in order". */
static int mark_open(struct residue *residue, struct residue_open_report *report)
{
	int r;

	if (!mutant_is(MUTANT_OPEN_WITHOUT_MARK))
		residue->clean = false;
	residue->attaches++;
	if (report->was_unclean && residue->filesystem_expected)
		residue->sweep_owed = true;
	report->sweep_owed = residue->sweep_owed;
	residue->volume_dirty = true;

	/* Twice: a page whose slots were damaged has two whole ones again before anything relies
	 * on it (M5). */
	for (unsigned int i = 0; i < (report->damaged_pages ? 2 : 1); i++) {
		for (uint64_t p = 0; i == 1 && p < residue->page_count; p++)
			residue->pages[p].dirty |= residue->pages[p].in_commit;
		if (i == 1) {
			residue->stuck_dirty |= residue->stuck_in_commit;
			residue->volume_dirty = true;
		}
		r = residue_commit(residue, false);
		if (r < 0)
			return r;
	}
	return 0;
}

int residue_open(const struct residue_parts *parts, struct residue **ret_residue,
	struct residue_open_report *ret_report, struct problem *reterr_problem)
{
	struct residue *residue = calloc(1, sizeof(*residue));
	struct residue_open_report report = {.was_unclean = true};
	int r;

	assert(blockdev_block_bytes(parts->device) == BLOCK_BYTES);
	if (!residue)
		return -ENOMEM;
	residue->parts = *parts;
	range_lock_init(&residue->ranges);
	pthread_mutex_init(&residue->lock, NULL);
	pthread_cond_init(&residue->committed, NULL);

	r = map_store_new(parts->device, parts->layout, parts->volume_key, &residue->store);
	if (r >= 0)
		r = residue_load(residue, &report, reterr_problem);
	if (r >= 0)
		r = stack_devices(residue, residue->blocks);
	if (r == -ERANGE)
		r = problem_set(reterr_problem, -ENXIO,
			"the medium is shorter than the volume's map says; restore the whole image "
			"or grow the device");
	if (r >= 0 && !parts->read_only)
		r = mark_open(residue, &report);
	if (r < 0) {
		residue_free(residue);
		return r;
	}

	residue->trusted = !residue->filesystem_expected;
	residue->unknown_discards_allowed = !residue->filesystem_expected;
	*ret_residue = residue;
	*ret_report = report;
	return 0;
}

void residue_free(struct residue *residue)
{
	if (!residue)
		return;
	while (residue->watches)
		residue_watch_free(residue, residue->watches);
	residue->data = blockdev_close(residue->data);
	residue->data_window = blockdev_close(residue->data_window);
	residue->spare = blockdev_close(residue->spare);
	residue->spare_window = blockdev_close(residue->spare_window);
	map_store_free(residue->store);
	extent_list_done(&residue->dead);
	range_lock_done(&residue->ranges);
	pthread_cond_destroy(&residue->committed);
	pthread_mutex_destroy(&residue->lock);
	free(residue->pages);
	free(residue->states);
	free(residue);
}

/* Under lock: every premarked block that never was issued a write is clean again (M7). */
static void close_window(struct residue *residue, struct premark_window *window)
{
	for (uint64_t b = window->run.first; b < extent_end(window->run); b++) {
		if (state_of(residue, b) == STATE_OPEN)
			residue_set_state(residue, b, STATE_CLEARED);
	}
	window->run.count = 0;
}

/* What close does with every write drained, and none coming. */
static int close_drained(struct residue *residue)
{
	int r;

	/* Data first: what is written becomes LIVE before its windows are closed. */
	r = residue_commit(residue, true);
	if (r < 0)
		return r;

	pthread_mutex_lock(&residue->lock);
	for (size_t i = 0; i < PREMARK_WINDOWS; i++)
		close_window(residue, &residue->windows[i]);
	for (uint64_t p = 0; p < residue->page_count; p++) {
		if (residue->pages[p].counts[STATE_CLEARED] > 0)
			residue->pages[p].dirty = true;
	}
	pthread_mutex_unlock(&residue->lock);
	r = residue_commit(residue, false);
	if (r < 0)
		return r;

	pthread_mutex_lock(&residue->lock);
	residue->clean = true;
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}

int residue_close_orderly(struct residue *residue)
{
	struct range_holder holder;
	int r;

	if (residue->parts.read_only)
		return 0;
	/*
	 * M1: a first write in flight has its block OPEN, as one that was never issued has;
	 * and a write after the clean mark would make it a lie.
	 */
	if (!mutant_is(MUTANT_NO_DRAIN_ON_CLOSE))
		range_lock_exclusive(
			&residue->ranges, (struct extent){0, residue->blocks}, &holder);
	pthread_mutex_lock(&residue->lock);
	residue->closing = true;
	pthread_mutex_unlock(&residue->lock);

	r = close_drained(residue);

	pthread_mutex_lock(&residue->lock);
	residue->stopped = true;
	pthread_mutex_unlock(&residue->lock);
	if (!mutant_is(MUTANT_NO_DRAIN_ON_CLOSE))
		range_lock_release(&residue->ranges, &holder);
	return r;
}

uint64_t residue_blocks(const struct residue *residue)
{
	return residue->blocks;
}

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
	close_window(residue, &(struct premark_window){.run = run});
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
 * The file system that holds an image is full: the block is a hole, and could not even get its
 * passes.  It is read before it is overwritten (SUSPECT): a hole shows zeros.
 */
static bool is_want_of_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

/* Under lock: the write has ended.  -EIO if another, failed write took a block away. */
static int end_write(struct residue *residue, struct extent at, int result)
{
	const enum block_state failed = mutant_is(MUTANT_FAILED_WRITE_IS_CLEAN) ? STATE_CLEARED
					: is_want_of_room(result)		? STATE_SUSPECT
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

/* --- what is known --- */

/* Under lock. */
static uint64_t count_dead_owed(const struct residue *residue)
{
	uint64_t dead = 0;

	for (size_t i = 0; i < residue->dead.count; i++) {
		struct extent run = residue->dead.items[i];

		for (uint64_t b = run.first; b < extent_end(run); b++)
			dead += block_state_is_owed(state_of(residue, b));
	}
	return dead;
}

void residue_get_counts(struct residue *residue, struct residue_counts *ret_counts)
{
	const uint64_t *totals = residue->totals;

	pthread_mutex_lock(&residue->lock);
	*ret_counts = (struct residue_counts){
		.clean = totals[STATE_CLEAN] + totals[STATE_CLEARED] + totals[STATE_OPENING] +
			 totals[STATE_MARKED] + totals[STATE_OPEN],
		.live = totals[STATE_WRITTEN] + totals[STATE_FLUSHING] + totals[STATE_LIVE],
		.residue = totals[STATE_FRESH] + totals[STATE_RESIDUE] + totals[STATE_ERASING],
		.suspect = totals[STATE_SUSPECT],
		.unknown = totals[STATE_UNKNOWN] + totals[STATE_UNKNOWN_CLEAN],
		.dead = count_dead_owed(residue),
		.stuck = residue->stuck_count + extent_list_blocks(&residue->dead),
	};
	pthread_mutex_unlock(&residue->lock);
}

static enum residue_class class_of(enum block_state state)
{
	switch (state) {
	case STATE_CLEAN:
	case STATE_CLEARED:
	case STATE_OPENING:
	case STATE_MARKED:
	case STATE_OPEN:
		return RESIDUE_CLASS_CLEAN;
	case STATE_WRITTEN:
	case STATE_FLUSHING:
	case STATE_LIVE:
		return RESIDUE_CLASS_LIVE;
	case STATE_FRESH:
	case STATE_RESIDUE:
	case STATE_ERASING:
		return RESIDUE_CLASS_RESIDUE;
	case STATE_SUSPECT:
		return RESIDUE_CLASS_SUSPECT;
	case STATE_UNKNOWN:
	case STATE_UNKNOWN_CLEAN:
	case STATE_COUNT:
		break;
	}
	return RESIDUE_CLASS_UNKNOWN;
}

enum residue_class residue_lookup(
	struct residue *residue, uint64_t first, uint64_t limit, uint64_t *ret_run)
{
	enum residue_class class;
	uint64_t run = 1;

	assert(first < residue->blocks);
	if (limit > residue->blocks - first)
		limit = residue->blocks - first;
	pthread_mutex_lock(&residue->lock);
	class = class_of(state_of(residue, first));
	while (run < limit && class_of(state_of(residue, first + run)) == class)
		run++;
	pthread_mutex_unlock(&residue->lock);
	*ret_run = run;
	return class;
}
