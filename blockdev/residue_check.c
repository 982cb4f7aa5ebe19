/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_check.c - the map as it lies on the medium, read back while it is in use
 *
 * While a volume is open its map in memory is what counts: a page that has rotted on the medium
 * harms the next attach (M5).  So what is found here is written over from memory, into both
 * slots, and told.
 *
 * While slots are read no commit runs: a slot that is being written is not damaged.  Commits wait
 * for one transfer at most, and are let through between two.
 */
#include "base/mutant.h"
#include "blockdev/residue_impl.h"
#include <errno.h>

#define PAGES_AT_ONCE 64u /* their slots come in one transfer (map_store.c) */

struct check {
	struct residue *residue;
	struct map_store *store; /* its own: commits use the residue's */
	struct extent_list pages;
	bool volume;
	bool stuck;
};

static void hold_commits(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	while (residue->commit_running && !mutant_is(MUTANT_CHECK_DURING_COMMIT))
		pthread_cond_wait(&residue->committed, &residue->lock);
	if (!mutant_is(MUTANT_CHECK_DURING_COMMIT))
		residue->commit_running = true;
	pthread_mutex_unlock(&residue->lock);
}

static void let_commits_go(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	if (!mutant_is(MUTANT_CHECK_DURING_COMMIT))
		residue->commit_running = false;
	pthread_cond_broadcast(&residue->committed);
	pthread_mutex_unlock(&residue->lock);
}

/* A newest slot that is older than the last one written: the medium dropped a write. */
static int check_page(struct check *check, struct map_page_id id, const struct map_slots *expected,
	bool *ret_damaged)
{
	struct map_page_loaded page;
	struct map_slots found;
	int r;

	r = map_store_load(check->store, id, &found, &page);
	if (r == -EPROTONOSUPPORT) /* it is attached: nobody but us writes here */
		*ret_damaged = true;
	else if (r >= 0)
		*ret_damaged = page.damaged || found.generation != expected->generation;
	return r == -EPROTONOSUPPORT ? 0 : r;
}

/* Commits are held.  Pages from first on; *ret_count 0: there are none left. */
static int check_some(struct check *check, uint64_t first, uint64_t *ret_count)
{
	struct residue *residue = check->residue;
	uint64_t count = residue->page_count - first;
	bool damaged;
	int r = 0;

	if (count > PAGES_AT_ONCE)
		count = PAGES_AT_ONCE;
	map_store_forget(check->store);
	for (uint64_t p = first; p < first + count && r >= 0; p++) {
		r = check_page(check, (struct map_page_id){MAP_PAGE_STATES, p},
			&residue->pages[p].slots, &damaged);
		if (r >= 0 && damaged)
			r = extent_list_add(&check->pages, (struct extent){p, 1});
	}
	*ret_count = count;
	return r;
}

static int check_states(struct check *check, uint64_t *ret_pages)
{
	uint64_t at = 0, count;
	int r;

	do {
		hold_commits(check->residue);
		r = check_some(check, at, &count);
		let_commits_go(check->residue);
		at += count;
	} while (r >= 0 && count > 0);
	*ret_pages = at;
	return r;
}

static int check_others(struct check *check)
{
	struct residue *residue = check->residue;
	int r;

	hold_commits(residue);
	map_store_forget(check->store);
	r = check_page(check, (struct map_page_id){MAP_PAGE_VOLUME, 0}, &residue->volume_slots,
		&check->volume);
	if (r >= 0)
		r = check_page(check, (struct map_page_id){MAP_PAGE_STUCK, 0},
			&residue->stuck_slots, &check->stuck);
	let_commits_go(residue);
	return r;
}

/* One commit writes a page's older slot, the next the other. */
static int write_over(struct check *check)
{
	struct residue *residue = check->residue;
	int r = 0;

	for (unsigned int slot = 0; slot < 2 && r >= 0; slot++) {
		pthread_mutex_lock(&residue->lock);
		for (size_t i = 0; i < check->pages.count; i++) {
			struct extent run = check->pages.items[i];

			for (uint64_t p = run.first; p < extent_end(run); p++)
				residue->pages[p].dirty = true;
		}
		residue->volume_dirty |= check->volume;
		residue->stuck_dirty |= check->stuck;
		pthread_mutex_unlock(&residue->lock);
		r = residue_commit(residue, false);
	}
	return r;
}

static int check_all(struct check *check, struct residue_check *report)
{
	int r;

	r = check_states(check, &report->pages);
	if (r >= 0)
		r = check_others(check);
	if (r < 0)
		return r;
	report->pages += 2;
	report->damaged_pages = extent_list_blocks(&check->pages) + check->volume + check->stuck;
	if (report->damaged_pages > 0 && !check->residue->parts.read_only)
		r = write_over(check);
	return r;
}

int residue_check(struct residue *residue, struct residue_check *ret_check)
{
	const struct residue_parts *parts = &residue->parts;
	struct check check = {.residue = residue};
	struct residue_check report = {.pages = 0};
	int r = 0;

	/* What an attach found damaged is then written already, at least once. */
	if (!parts->read_only)
		r = residue_commit(residue, false);
	if (r >= 0)
		r = layout_check_copies(
			parts->device, parts->layout, parts->volume_key, &report.whole_superblocks);
	if (r >= 0)
		r = map_store_new(parts->device, parts->layout, parts->volume_key, &check.store);
	if (r >= 0)
		r = check_all(&check, &report);
	map_store_free(check.store);
	extent_list_done(&check.pages);
	if (r < 0)
		return r;
	*ret_check = report;
	return 0;
}
