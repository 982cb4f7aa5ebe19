/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_erase.c - the eraser's side of the map, and STUCK blocks
 *
 *   M1  Blocks are taken for erasing with the range held alone.
 *   M4  RESIDUE is durable before pass 1 touches the medium: residue_erase_begin()
 *       returns only then.  CLEARED is set only by residue_erase_done(), whose
 *       caller has flushed the last pass and read it back.
 *
 * A block that was premarked or clean before a foreign write (SUSPECT) is read
 * first: if it shows one byte repeated (a pattern or zeros; never ciphertext),
 * nothing was written to it and it is clear.
 */
#include "base/io.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutant.h"
#include "blockdev/residue_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUSPECT_READ_BLOCKS 64u

/* --- what is owed --- */

static bool is_of_debt(enum block_state state, enum residue_debt debt)
{
	if (debt == RESIDUE_DEBT_FRESH)
		return state == STATE_FRESH;
	return state == STATE_RESIDUE || state == STATE_SUSPECT;
}

static uint64_t debt_of_page(const struct page_info *page, enum residue_debt debt)
{
	if (debt == RESIDUE_DEBT_FRESH)
		return page->counts[STATE_FRESH];
	return (uint64_t)page->counts[STATE_RESIDUE] + page->counts[STATE_SUSPECT];
}

int residue_next_owed(struct residue *residue, enum residue_debt debt, uint64_t *cursor,
	uint64_t limit_blocks, struct extent_list *out)
{
	uint64_t b, found = 0;
	int r = 0;

	pthread_mutex_lock(&residue->lock);
	b = *cursor;
	while (b < residue->blocks && found < limit_blocks && r >= 0) {
		uint64_t run;

		if (debt_of_page(page_of(residue, b), debt) == 0) {
			b += blocks_per_page(residue) - b % blocks_per_page(residue);
			continue;
		}
		if (!is_of_debt(state_of(residue, b), debt) ||
			extent_list_overlaps(&residue->dead, (struct extent){b, 1})) {
			b++;
			continue;
		}
		run = residue_run_of(residue, b, limit_blocks - found);
		for (uint64_t i = 1; residue->dead.count > 0 && i < run; i++) {
			if (extent_list_overlaps(&residue->dead, (struct extent){b + i, 1}))
				run = i;
		}
		r = extent_list_add(out, (struct extent){b, run});
		found += run;
		b += run;
	}
	*cursor = b < residue->blocks ? b : residue->blocks;
	pthread_mutex_unlock(&residue->lock);
	return r;
}

/* --- taking and giving back --- */

/* Under lock and an exclusive range: what of the run is owed goes to ERASING, and into taken or
 * suspects. */
static int take_run(struct residue *residue, struct extent run, struct extent_list *taken,
	struct extent_list *suspects)
{
	int r;

	for (uint64_t b = run.first; b < extent_end(run); b++) {
		enum block_state state = state_of(residue, b);
		struct extent_list *list = state == STATE_SUSPECT ? suspects : taken;

		if (state != STATE_FRESH && state != STATE_RESIDUE && state != STATE_SUSPECT)
			continue;
		if (extent_list_overlaps(&residue->dead, (struct extent){b, 1}))
			continue;
		r = extent_list_add(list, (struct extent){b, 1});
		if (r < 0)
			return r;
		residue_set_state(residue, b, STATE_ERASING);
	}
	return 0;
}

static void turn_list(struct residue *residue, const struct extent_list *list, enum block_state to)
{
	pthread_mutex_lock(&residue->lock);
	for (size_t i = 0; i < list->count; i++) {
		for (uint64_t b = list->items[i].first; b < extent_end(list->items[i]); b++) {
			if (state_of(residue, b) == STATE_ERASING)
				residue_set_state(residue, b, to);
		}
	}
	pthread_mutex_unlock(&residue->lock);
}

/* Reads one suspect run as it lies on the medium; what is uniform goes to clear, the rest to taken.
 */
static int judge_run(struct residue *residue, struct extent run, uint8_t *buf,
	struct extent_list *clear, struct extent_list *taken)
{
	int r = 0;

	while (run.count > 0 && r >= 0) {
		struct extent some = {run.first,
			run.count < SUSPECT_READ_BLOCKS ? run.count : SUSPECT_READ_BLOCKS};
		struct extent lies;
		bool readable;

		r = residue_locate(residue, some, &lies);
		if (r < 0)
			break;
		some.count = lies.count;
		readable = blockdev_read(residue->parts.device, lies, buf,
				   (size_t)lies.count * BLOCK_BYTES) >= 0;
		for (uint64_t i = 0; i < some.count && r >= 0; i++) {
			bool uniform =
				readable && bytes_are_uniform(buf + i * BLOCK_BYTES, BLOCK_BYTES);

			r = extent_list_add(
				uniform ? clear : taken, (struct extent){some.first + i, 1});
		}
		run.first += some.count;
		run.count -= some.count;
	}
	return r;
}

static int judge_suspects(
	struct residue *residue, const struct extent_list *suspects, struct extent_list *taken)
{
	struct extent_list clear = {0};
	_cleanup_free_ void *buf = NULL;
	int r;

	r = io_alloc((size_t)SUSPECT_READ_BLOCKS * BLOCK_BYTES, &buf);
	for (size_t i = 0; i < suspects->count && r >= 0; i++)
		r = judge_run(residue, suspects->items[i], buf, &clear, taken);
	if (r >= 0)
		turn_list(residue, &clear, STATE_CLEARED);
	extent_list_done(&clear);
	return r;
}

int residue_erase_begin(
	struct residue *residue, const struct extent_list *wanted, struct extent_list *taken)
{
	struct extent_list suspects = {0};
	int r = 0;

	if (residue->parts.read_only)
		return -EROFS;
	extent_list_clear(taken);
	if (!residue_is_trusted(residue))
		return 0;

	for (size_t i = 0; i < wanted->count && r >= 0; i++) {
		struct extent run = wanted->items[i];
		struct range_holder holder;

		if (!mutant_is(MUTANT_NO_DRAIN_ON_ERASE))
			range_lock_exclusive(&residue->ranges, run, &holder);
		pthread_mutex_lock(&residue->lock);
		r = extent_is_within(run, residue->blocks)
			    ? take_run(residue, run, taken, &suspects)
			    : -ERANGE;
		pthread_mutex_unlock(&residue->lock);
		if (!mutant_is(MUTANT_NO_DRAIN_ON_ERASE))
			range_lock_release(&residue->ranges, &holder);
	}
	if (r >= 0 && suspects.count > 0)
		r = judge_suspects(residue, &suspects, taken);
	if (r >= 0 && taken->count > 0 && !mutant_is(MUTANT_NO_RESIDUE_BEFORE_PASS))
		r = residue_commit(residue, false); /* M4; writes only pages that changed */
	if (r < 0) {
		turn_list(residue, &suspects, STATE_RESIDUE);
		turn_list(residue, taken, STATE_RESIDUE);
		extent_list_clear(taken);
	}
	extent_list_done(&suspects);
	return r;
}

void residue_erase_done(struct residue *residue, const struct extent_list *cleared)
{
	turn_list(residue, cleared, STATE_CLEARED);
}

void residue_erase_abandon(struct residue *residue, const struct extent_list *still_owed)
{
	turn_list(residue, still_owed, STATE_RESIDUE);
}

int residue_locate(struct residue *residue, struct extent logical, struct extent *ret_physical)
{
	const struct residue_stuck *stuck;
	const struct layout *layout = residue->parts.layout;

	if (!extent_is_within(logical, residue->blocks) || logical.count == 0)
		return -ERANGE;
	pthread_mutex_lock(&residue->lock);
	stuck = residue_find_stuck(residue, logical);
	if (stuck && stuck->block == logical.first)
		*ret_physical = (struct extent){layout->spare.first + stuck->spare, 1};
	else
		*ret_physical = (struct extent){layout->data_first + logical.first,
			stuck ? stuck->block - logical.first : logical.count};
	pthread_mutex_unlock(&residue->lock);
	return 0;
}

struct blockdev *residue_medium(struct residue *residue)
{
	return residue->parts.device;
}

/* --- STUCK --- */

/* Under lock: a new entry, or a new spare for an old one whose spare was refused too; sorted by
 * block. */
static void enter_stuck(struct residue *residue, const struct residue_stuck *entry)
{
	size_t at = 0;

	while (at < residue->stuck_count && residue->stuck[at].block < entry->block)
		at++;
	if (at == residue->stuck_count || residue->stuck[at].block != entry->block) {
		memmove(&residue->stuck[at + 1], &residue->stuck[at],
			(residue->stuck_count - at) * sizeof(residue->stuck[0]));
		residue->stuck_count++;
	}
	residue->stuck[at] = *entry;
	residue->stuck_dirty = true;
}

/* V1: into both slots, so that whichever survives, no write to the spare is forgotten. */
static int commit_stuck(struct residue *residue)
{
	int r = 0;

	for (unsigned int i = 0; i < 2 && r >= 0; i++) {
		if (i == 1 && mutant_is(MUTANT_STUCK_ONE_SLOT))
			break;
		pthread_mutex_lock(&residue->lock);
		residue->stuck_dirty = residue->volume_dirty = true;
		pthread_mutex_unlock(&residue->lock);
		r = residue_commit(residue, false);
	}
	return r;
}

int residue_erase_stuck(struct residue *residue, uint64_t block, int error)
{
	struct residue_stuck entry = {.block = block, .error = error, .wall_s = clock_wall_s()};
	bool known, room;
	int r = 0;

	pthread_mutex_lock(&residue->lock);
	known = residue_find_stuck(residue, (struct extent){block, 1}) != NULL;
	room = residue->next_spare < residue->parts.layout->spare.count &&
	       (known || residue->stuck_count < STUCK_MAX);
	if (room) {
		entry.spare = residue->next_spare++;
		/* Nobody takes it before the list is durable: passes and data would go to a spare
		 * that a crash forgets. */
		residue_set_state(residue, block, STATE_ERASING);
		enter_stuck(residue, &entry);
	} else {
		r = extent_list_add(&residue->dead, (struct extent){block, 1});
		residue_set_state(residue, block, STATE_RESIDUE);
	}
	pthread_mutex_unlock(&residue->lock);
	if (!room)
		return r < 0 ? r : -ENOSPC;

	r = commit_stuck(residue);
	pthread_mutex_lock(&residue->lock);
	/* The spare gets every pass before it carries anything: it may be an old, used medium. */
	residue_set_state(residue, block, r < 0 ? STATE_RESIDUE : STATE_FRESH);
	pthread_mutex_unlock(&residue->lock);
	return r;
}

size_t residue_get_stuck(struct residue *residue, struct residue_stuck *entries, size_t capacity)
{
	size_t count;

	pthread_mutex_lock(&residue->lock);
	count = residue->stuck_count;
	memcpy(entries, residue->stuck, (count < capacity ? count : capacity) * sizeof(entries[0]));
	pthread_mutex_unlock(&residue->lock);
	return count;
}
