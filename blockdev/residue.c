/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue.c - the residue map: its states in memory, open and close, what is known
 *
 *   M7  Premarked blocks that were never issued a write go back to CLEAN when their
 *       window is closed.
 */
#include "blockdev/residue_impl.h"
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
void residue_close_window(struct residue *residue, struct premark_window *window)
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
		residue_close_window(residue, &residue->windows[i]);
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
