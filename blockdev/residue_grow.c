/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_grow.c - a fresh map, and a map that grows
 *
 * New pages are durable in both slots before anything says that they count.
 */
#include "blockdev/crypted.h"
#include "base/mutant.h"
#include "blockdev/residue_impl.h"
#include "blockdev/window.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fill {
	const struct extent_list *owed; /* NULL: all blocks are */
	uint32_t blocks_per_page;
	uint64_t blocks;
};

static void fill_body(void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	const struct fill *fill = context;
	struct extent page = {number * fill->blocks_per_page, fill->blocks_per_page};
	bool none = fill->owed && !extent_list_overlaps(fill->owed, page);

	memset(ret_body, 0, MAP_PAGE_BODY_BYTES);
	for (uint64_t i = 0; i < page.count && page.first + i < fill->blocks; i++) {
		bool owed = !none && (!fill->owed || extent_list_overlaps(fill->owed,
							     (struct extent){page.first + i, 1}));

		ret_body[i / 2] |= (uint8_t)((owed ? CODE_RESIDUE : CODE_CLEAN) << (i % 2 * 4));
	}
}

static void volume_body(
	void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	(void)number;
	residue_encode_volume_page(context, ret_body);
}

static void stuck_body(void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	(void)number;
	residue_encode_stuck_page(context, ret_body);
}

static uint64_t pages_for(const struct layout *layout, uint64_t blocks)
{
	return (blocks + layout->blocks_per_page - 1) / layout->blocks_per_page;
}

int residue_format(const struct residue_parts *parts, const struct extent_list *owed,
	struct problem *reterr_problem)
{
	const struct layout *layout = parts->layout;
	struct fill fill = {owed, layout->blocks_per_page, layout->data_blocks_at_format};
	struct residue *empty = calloc(1, sizeof(*empty)); /* only for its page encoders */
	struct map_store *store = NULL;
	int r;

	if (!empty)
		return -ENOMEM;
	empty->blocks = fill.blocks;
	empty->clean = true;
	r = map_store_new(parts->device, layout, parts->volume_key, &store);
	if (r >= 0)
		r = map_store_fill(store, (struct map_page_id){MAP_PAGE_STATES, 0},
			pages_for(layout, fill.blocks), fill_body, &fill);
	if (r >= 0)
		r = map_store_fill(
			store, (struct map_page_id){MAP_PAGE_STUCK, 0}, 1, stuck_body, empty);
	if (r >= 0)
		r = map_store_fill(
			store, (struct map_page_id){MAP_PAGE_VOLUME, 0}, 1, volume_body, empty);
	if (r >= 0 && !mutant_is(MUTANT_FORMAT_NOT_FLUSHED))
		r = blockdev_flush(parts->device);
	if (r < 0)
		problem_set(reterr_problem, r, "the residue map could not be written: %s",
			strerror(-r));
	map_store_free(store);
	free(empty);
	return r;
}

/* Pages that the map did not have yet: on the medium, durable, before anything says that they
 * count. */
static int fill_new_pages(struct residue *residue, uint64_t old_pages, uint64_t blocks, bool owed)
{
	const struct extent_list none = {0};
	struct fill fill = {owed ? NULL : &none, blocks_per_page(residue), blocks};
	uint64_t pages = pages_for(residue->parts.layout, blocks);
	struct map_store *store = NULL;
	int r;

	if (pages == old_pages)
		return 0;
	r = map_store_new(
		residue->parts.device, residue->parts.layout, residue->parts.volume_key, &store);
	if (r >= 0)
		r = map_store_fill(store, (struct map_page_id){MAP_PAGE_STATES, old_pages},
			pages - old_pages, fill_body, &fill);
	if (r >= 0 && !mutant_is(MUTANT_GROW_WITHOUT_PAGES))
		r = blockdev_flush(residue->parts.device);
	map_store_free(store);
	return r;
}

int residue_grow(struct residue *residue, uint64_t blocks, bool owed)
{
	uint64_t old_blocks = residue->blocks;
	uint64_t old_pages = residue->page_count;
	int r;

	if (residue->parts.read_only)
		return -EROFS;
	if (blocks < old_blocks)
		return -EINVAL;
	if (blocks > residue->parts.layout->data_blocks_most)
		return -EFBIG;
	r = window_grow(residue->data_window, blocks);
	if (r < 0)
		return r;
	crypted_refresh_size(residue->data);
	r = fill_new_pages(residue, old_pages, blocks, owed);
	if (r < 0)
		return r;

	pthread_mutex_lock(&residue->lock);
	while (residue->commit_running && /* it walks the pages */
		!mutant_is(MUTANT_GROW_DURING_COMMIT))
		pthread_cond_wait(&residue->committed, &residue->lock);
	r = residue_reserve(residue, blocks);
	if (r >= 0) {
		for (uint64_t b = old_blocks; b < blocks; b++)
			residue_set_state(residue, b, owed ? STATE_RESIDUE : STATE_CLEAN);
		for (uint64_t p = old_pages; p < residue->page_count; p++) {
			residue->pages[p].slots = (struct map_slots){.generation = 2, .newest = 1};
			residue->pages[p].dirty = false;
		}
		residue->volume_dirty = true;
	}
	pthread_mutex_unlock(&residue->lock);
	if (r < 0)
		return r;

	/* The new size into both slots (V1). */
	r = residue_commit(residue, false);
	if (r < 0 || mutant_is(MUTANT_GROW_ONE_SLOT))
		return r;
	pthread_mutex_lock(&residue->lock);
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}
