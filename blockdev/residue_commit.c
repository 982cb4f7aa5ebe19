/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_commit.c - how states become durable
 *
 * One commit serves everybody who asked before it started:
 *
 *   with data:  WRITTEN -> FLUSHING (the set, M3) ; flush ; FLUSHING -> LIVE
 *   always:     dirty pages encoded and written, each to its older slot (M5) ; flush
 *
 *   M2  OPENING is encoded as OPEN and becomes MARKED; only the flush makes it
 *       OPEN, which is what a first write waits for.  A CLEARED block that is
 *       encoded becomes CLEAN: from then on an image may say CLEAN.
 *   M3  LIVE is encoded only for blocks that were WRITTEN before the data flush began.
 *   M5  Each page is written at most once between two flushes.
 *   M7  Any failure stops the volume: a flush that is tried again lies.
 */
#include "base/bytes.h"
#include "base/mutant.h"
#include "blockdev/residue_impl.h"
#include <errno.h>
#include <string.h>

/* Under lock.  Every block of the page in state from becomes to. */
static void turn(struct residue *residue, uint64_t page, enum block_state from, enum block_state to)
{
	uint64_t first = page * blocks_per_page(residue);
	uint64_t end = first + blocks_per_page(residue);
	uint16_t left = residue->pages[page].counts[from];

	if (end > residue->blocks)
		end = residue->blocks;
	for (uint64_t b = first; b < end && left > 0; b++) {
		if (state_of(residue, b) != from)
			continue;
		residue_set_state(residue, b, to);
		left--;
	}
}

static void turn_all(struct residue *residue, enum block_state from, enum block_state to)
{
	for (uint64_t p = 0; p < residue->page_count && residue->totals[from] > 0; p++)
		turn(residue, p, from, to);
}

/* Under lock.  The page as it is to be recorded now; what that makes true is noted. */
static void encode_page(
	struct residue *residue, uint64_t page, uint8_t body[static MAP_PAGE_BODY_BYTES])
{
	uint64_t first = page * blocks_per_page(residue);
	uint64_t count = blocks_per_page(residue);

	if (count > residue->blocks - first)
		count = residue->blocks - first;
	turn(residue, page, STATE_CLEARED, STATE_CLEAN);
	turn(residue, page, STATE_OPENING, STATE_MARKED);

	memset(body, 0, MAP_PAGE_BODY_BYTES);
	for (uint64_t i = 0; i < count; i++)
		body[i / 2] |=
			(uint8_t)(block_state_to_code(state_of(residue, first + i)) << (i % 2 * 4));
}

/* Takes and leaves the lock. */
static int flush_data(struct residue *residue)
{
	int r = 0;

	if (!mutant_is(MUTANT_LIVE_SET_AFTER_FLUSH))
		turn_all(
			residue, STATE_WRITTEN, STATE_FLUSHING); /* M3: the set, before the flush */
	pthread_mutex_unlock(&residue->lock);
	if (atomic_exchange(&residue->data_unflushed, false) &&
		!mutant_is(MUTANT_NO_FLUSH_BEFORE_LIVE))
		r = blockdev_flush(residue->parts.device);
	pthread_mutex_lock(&residue->lock);
	if (r < 0 && !mutant_is(MUTANT_FLUSH_RETRY))
		return r;
	if (mutant_is(MUTANT_LIVE_SET_AFTER_FLUSH))
		turn_all(residue, STATE_WRITTEN, STATE_FLUSHING);
	turn_all(residue, STATE_FLUSHING, STATE_LIVE);
	return 0;
}

/* Takes and leaves the lock; writes one page without it. */
static int write_page(struct residue *residue, struct map_page_id id, struct map_slots *slots,
	const uint8_t *body)
{
	int r;

	pthread_mutex_unlock(&residue->lock);
	r = map_store_write(residue->store, id, slots, body);
	pthread_mutex_lock(&residue->lock);
	return mutant_is(MUTANT_FAILED_MAP_WRITE) ? 0 : r;
}

/* Takes and leaves the lock.  *ret_written: whether anything was. */
static int write_pages(struct residue *residue, bool *ret_written)
{
	uint8_t body[MAP_PAGE_BODY_BYTES];
	bool written = false;
	int r;

	for (uint64_t p = 0; p < residue->page_count; p++) {
		struct page_info *page = &residue->pages[p];

		page->in_commit = page->dirty;
		if (!page->dirty)
			continue;
		encode_page(residue, p, body);
		page->dirty = false;
		written = true;
		r = write_page(
			residue, (struct map_page_id){MAP_PAGE_STATES, p}, &page->slots, body);
		if (r < 0)
			return r;
	}
	residue->stuck_in_commit = residue->stuck_dirty;
	if (residue->stuck_dirty) {
		residue_encode_stuck_page(residue, body);
		residue->stuck_dirty = false;
		written = true;
		r = write_page(residue, (struct map_page_id){MAP_PAGE_STUCK, 0},
			&residue->stuck_slots, body);
		if (r < 0)
			return r;
	}
	residue->volume_in_commit = residue->volume_dirty;
	if (residue->volume_dirty) {
		residue_encode_volume_page(residue, body);
		residue->volume_dirty = false;
		written = true;
		r = write_page(residue, (struct map_page_id){MAP_PAGE_VOLUME, 0},
			&residue->volume_slots, body);
		if (r < 0)
			return r;
	}
	*ret_written = written;
	return 0;
}

/* Under lock: the pages of this commit are durable. */
static void pages_are_durable(struct residue *residue)
{
	for (uint64_t p = 0; p < residue->page_count; p++) {
		struct page_info *page = &residue->pages[p];

		if (!page->in_commit)
			continue;
		map_store_flushed(&page->slots);
		turn(residue, p, STATE_MARKED, STATE_OPEN);
	}
	if (residue->stuck_in_commit)
		map_store_flushed(&residue->stuck_slots);
	if (residue->volume_in_commit)
		map_store_flushed(&residue->volume_slots);
}

/* The mutants of the one flush that many requests rely on: which request's is dropped. */
static bool flush_is_dropped(const struct residue *residue, bool with_data)
{
	if (with_data)
		return mutant_is(MUTANT_NO_FLUSH_AFTER_PAGES);
	if (residue->stuck_in_commit)
		return mutant_is(MUTANT_STUCK_NOT_FLUSHED);
	if (residue->clean)
		return mutant_is(MUTANT_CLOSE_WITHOUT_FLUSH);
	return (mutant_is(MUTANT_NO_FLUSH_AFTER_PREMARK) && residue->totals[STATE_MARKED] > 0) ||
	       (mutant_is(MUTANT_NO_FLUSH_BEFORE_PASS) && residue->totals[STATE_ERASING] > 0);
}

/* Takes and leaves the lock. */
static int run_commit(struct residue *residue, bool with_data)
{
	bool written = false;
	int r = 0;

	if (with_data)
		r = flush_data(residue);
	if (r >= 0)
		r = write_pages(residue, &written);
	if (r < 0 || !written)
		return r;

	pthread_mutex_unlock(&residue->lock);
	if (!flush_is_dropped(residue, with_data))
		r = blockdev_flush(residue->parts.device);
	pthread_mutex_lock(&residue->lock);
	if (r >= 0 || mutant_is(MUTANT_FLUSH_RETRY))
		pages_are_durable(residue);
	return mutant_is(MUTANT_FLUSH_RETRY) ? 0 : r;
}

int residue_commit(struct residue *residue, bool with_data)
{
	uint64_t wanted;
	int r;

	pthread_mutex_lock(&residue->lock);
	wanted = residue->commits_started + 1;
	if (mutant_is(MUTANT_COMMITS_OVERLAP) && residue->commit_running)
		wanted--;
	residue->data_wanted |= with_data;
	while (residue->commits_done < wanted && !residue->stopped) {
		bool data;

		if (residue->commit_running) {
			pthread_cond_wait(&residue->committed, &residue->lock);
			continue;
		}
		residue->commit_running = true;
		residue->commits_started++;
		data = residue->data_wanted;
		residue->data_wanted = false;
		r = run_commit(residue, data);
		if (r < 0)
			residue->stopped = true;
		residue->commits_done = residue->commits_started;
		residue->commit_running = false;
		pthread_cond_broadcast(&residue->committed);
	}
	r = residue->stopped ? -ENOTRECOVERABLE : 0;
	pthread_mutex_unlock(&residue->lock);
	return r;
}
