/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_watch.c - blocks that are to be erased while a file still owns them
 *
 *   W1  A write or discard that begins after the watch takes its blocks off the
 *       list; they are then never condemned through this watch.
 *   W2  A block is condemned with its range held alone (M1).
 */
#include "base/mutant.h"
#include "blockdev/residue_impl.h"
#include <errno.h>
#include <stdlib.h>

int residue_watch_new(
	struct residue *residue, const struct extent_list *blocks, struct residue_watch **ret_watch)
{
	struct residue_watch *watch = calloc(1, sizeof(*watch));
	int r = watch ? 0 : -ENOMEM;

	for (size_t i = 0; i < blocks->count && r >= 0; i++) {
		r = extent_is_within(blocks->items[i], residue->blocks) ? 0 : -ERANGE;
		if (r >= 0)
			r = extent_list_add(&watch->blocks, blocks->items[i]);
	}
	if (r < 0) {
		if (watch)
			extent_list_done(&watch->blocks);
		free(watch);
		return r;
	}

	pthread_mutex_lock(&residue->lock);
	watch->next = residue->watches;
	residue->watches = watch;
	pthread_mutex_unlock(&residue->lock);
	*ret_watch = watch;
	return 0;
}

void residue_watch_free(struct residue *residue, struct residue_watch *watch)
{
	struct residue_watch **at;

	if (!watch)
		return;
	pthread_mutex_lock(&residue->lock);
	at = &residue->watches;
	while (*at && *at != watch)
		at = &(*at)->next;
	if (*at)
		*at = watch->next;
	pthread_mutex_unlock(&residue->lock);
	extent_list_done(&watch->blocks);
	free(watch);
}

void residue_watches_hit(struct residue *residue, struct extent at)
{
	if (mutant_is(MUTANT_RETIRE_IGNORES_WRITES))
		return;
	for (struct residue_watch *watch = residue->watches; watch; watch = watch->next) {
		uint64_t before;

		if (!extent_list_overlaps(&watch->blocks, at))
			continue;
		before = extent_list_blocks(&watch->blocks);
		/* Cutting may need memory for one more run; without it the whole list is given up:
		 * safe. */
		if (extent_list_remove(&watch->blocks, at) < 0)
			extent_list_clear(&watch->blocks);
		watch->lost_blocks += before - extent_list_blocks(&watch->blocks);
	}
}

/* Under lock: the block's content is not known, and only a sweep may say whose it is. */
static bool is_unjudged(const struct residue *residue, uint64_t block)
{
	enum block_state state = state_of(residue, block);

	return !residue->unknown_discards_allowed &&
	       (state == STATE_UNKNOWN || state == STATE_UNKNOWN_CLEAN);
}

uint64_t residue_watch_unjudged(struct residue *residue, const struct residue_watch *watch)
{
	uint64_t unjudged = 0;

	pthread_mutex_lock(&residue->lock);
	for (size_t i = 0; i < watch->blocks.count; i++) {
		struct extent run = watch->blocks.items[i];

		if (residue->totals[STATE_UNKNOWN] + residue->totals[STATE_UNKNOWN_CLEAN] == 0)
			break;
		for (uint64_t b = run.first; b < extent_end(run); b++)
			unjudged += is_unjudged(residue, b);
	}
	pthread_mutex_unlock(&residue->lock);
	return unjudged;
}

/* Under lock and an exclusive range. */
static int condemn_block(struct residue *residue, uint64_t block, struct extent_list *owed)
{
	residue_free_block(residue, block);
	if (!block_state_is_owed(state_of(residue, block)))
		return 0;
	return extent_list_add(owed, (struct extent){block, 1});
}

int residue_watch_condemn(struct residue *residue, struct residue_watch *watch,
	struct extent_list *owed, uint64_t *ret_lost)
{
	struct extent_list blocks = {0};
	uint64_t lost;
	int r = 0;

	/* The list may shrink while we go through it: walk a copy, and ask the list again under the
	 * range lock.  What is taken off it after we passed is condemned, and not lost. */
	pthread_mutex_lock(&residue->lock);
	lost = watch->lost_blocks;
	for (size_t i = 0; i < watch->blocks.count && r >= 0; i++)
		r = extent_list_add(&blocks, watch->blocks.items[i]);
	pthread_mutex_unlock(&residue->lock);

	for (size_t i = 0; i < blocks.count && r >= 0; i++) {
		struct extent run = blocks.items[i];
		struct range_holder holder;

		if (!mutant_is(MUTANT_NO_DRAIN_ON_CONDEMN))
			range_lock_exclusive(&residue->ranges, run, &holder);
		pthread_mutex_lock(&residue->lock);
		for (uint64_t b = run.first; b < extent_end(run) && r >= 0; b++) {
			if (extent_list_overlaps(&watch->blocks, (struct extent){b, 1}))
				r = condemn_block(residue, b, owed);
			else
				lost++;
		}
		pthread_mutex_unlock(&residue->lock);
		if (!mutant_is(MUTANT_NO_DRAIN_ON_CONDEMN))
			range_lock_release(&residue->ranges, &holder);
	}

	extent_list_done(&blocks);
	*ret_lost = lost;
	return r;
}

uint64_t residue_watch_refused(
	struct residue *residue, const struct residue_watch *watch, const struct extent_list *owed)
{
	uint64_t refused = 0;

	pthread_mutex_lock(&residue->lock);
	for (size_t i = 0; i < residue->stuck_count; i++) {
		const struct extent one = {residue->stuck[i].block, 1};

		refused += extent_list_overlaps(&watch->blocks, one) &&
			   !extent_list_overlaps(owed, one);
	}
	pthread_mutex_unlock(&residue->lock);
	return refused;
}
