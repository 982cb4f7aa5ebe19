/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/map_store.h"
#include "base/io.h"
#include "base/mutant.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRANSFER_BLOCKS 128u

struct map_store {
	struct blockdev *device;
	const struct layout *layout;
	struct map_sealer *sealer;
	uint8_t *buffer;	/* TRANSFER_BLOCKS blocks */
	struct extent buffered; /* what of the device the buffer holds, or count 0 */
};

int map_store_new(struct blockdev *device, const struct layout *layout,
	const struct secret *volume_key, struct map_store **ret_store)
{
	struct map_store *store = calloc(1, sizeof(*store));
	void *buffer = NULL;
	int r;

	if (!store)
		return -ENOMEM;
	store->device = device;
	store->layout = layout;
	r = io_alloc((size_t)TRANSFER_BLOCKS * BLOCK_BYTES, &buffer);
	store->buffer = buffer;
	if (r >= 0)
		r = map_sealer_new(volume_key, layout->volume_id, &store->sealer);
	if (r < 0) {
		map_store_free(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

void map_store_free(struct map_store *store)
{
	if (!store)
		return;
	map_sealer_free(store->sealer);
	free(store->buffer);
	free(store);
}

/* The first of the page's two slots. */
static uint64_t slots_at(const struct map_store *store, struct map_page_id id)
{
	switch (id.kind) {
	case MAP_PAGE_STATES:
		assert(2 * id.number + 1 < store->layout->map.count);
		return store->layout->map.first + 2 * id.number;
	case MAP_PAGE_VOLUME:
		assert(id.number == 0);
		return store->layout->state.first;
	case MAP_PAGE_STUCK:
		assert(id.number == 0);
		return store->layout->stuck.first;
	}
	abort();
}

static struct extent area_of(const struct map_store *store, enum map_page_kind kind)
{
	switch (kind) {
	case MAP_PAGE_STATES:
		return store->layout->map;
	case MAP_PAGE_VOLUME:
		return store->layout->state;
	case MAP_PAGE_STUCK:
		return store->layout->stuck;
	}
	abort();
}

/*
 * Both slots of the page, through the read-ahead buffer.  Where a large read
 * fails, each slot is read alone, so that one bad sector costs one slot;
 * readable[] tells which came.
 */
static const uint8_t *read_slots(struct map_store *store, struct map_page_id id, bool readable[2])
{
	struct extent area = area_of(store, id.kind);
	uint64_t at = slots_at(store, id);
	struct extent want = {at, extent_end(area) - at};

	readable[0] = readable[1] = true;
	if (store->buffered.count != 0 && at >= store->buffered.first &&
		at + 2 <= extent_end(store->buffered))
		return store->buffer + (at - store->buffered.first) * BLOCK_BYTES;

	if (want.count > TRANSFER_BLOCKS)
		want.count = TRANSFER_BLOCKS;
	store->buffered = want;
	if (blockdev_read(store->device, want, store->buffer, want.count * BLOCK_BYTES) >= 0)
		return store->buffer;

	store->buffered.count = 0;
	for (unsigned int i = 0; i < 2; i++) {
		struct extent one = {at + i, 1};

		readable[i] = blockdev_read(store->device, one, store->buffer + i * BLOCK_BYTES,
				      BLOCK_BYTES) >= 0;
	}
	return store->buffer;
}

/* What a page begins with, at format and again when neither slot could be read. */
#define FIRST_GENERATIONS 2u

/*
 * Each write is one generation further than the other slot's, or two after damage (below).  Slots
 * that lie further apart have seen a write that the medium dropped, or that somebody put back;
 * unless one is the first of a page that was given up, and the crash came before the second.
 */
static bool follow_one_another(uint64_t a, uint64_t b)
{
	uint64_t apart = a > b ? a - b : b - a;

	return apart == 1 || apart == 2 || (a < b ? a : b) <= FIRST_GENERATIONS ||
	       mutant_is(MUTANT_SAME_SLOT);
}

void map_store_forget(struct map_store *store)
{
	store->buffered.count = 0;
}

int map_store_load(struct map_store *store, struct map_page_id id, struct map_slots *ret_slots,
	struct map_page_loaded *ret_page)
{
	uint8_t body[2][MAP_PAGE_BODY_BYTES];
	uint64_t generation[2] = {0, 0};
	bool whole[2];
	const uint8_t *blocks;
	unsigned int newest;
	int r;

	blocks = read_slots(store, id, whole);
	for (unsigned int i = 0; i < 2; i++) {
		if (!whole[i])
			continue;
		r = map_page_decode(
			store->sealer, id, blocks + i * BLOCK_BYTES, &generation[i], body[i]);
		if (r < 0 && r != -EBADMSG)
			return r;
		whole[i] = r >= 0;
	}

	newest = whole[0] && (!whole[1] || generation[0] > generation[1]) ? 0 : 1;
	*ret_slots =
		(struct map_slots){.generation = generation[newest], .newest = (uint8_t)newest};
	ret_page->damaged =
		!whole[0] || !whole[1] || !follow_one_another(generation[0], generation[1]);
	ret_page->lost = !whole[0] && !whole[1];
	ret_page->twins =
		whole[0] && whole[1] && memcmp(body[0], body[1], MAP_PAGE_BODY_BYTES) == 0;
	if (mutant_is(MUTANT_TRUST_OLDER_SLOT) && !ret_page->lost)
		ret_page->damaged = false;

	/*
	 * The slot that does not authenticate may be one generation further than the whole one;
	 * should it become readable again, what is written from now on must be newer.
	 */
	if (ret_page->damaged)
		ret_slots->generation += 1;
	if (!ret_page->lost)
		memcpy(ret_page->body, body[newest], MAP_PAGE_BODY_BYTES);
	return 0;
}

int map_store_write(struct map_store *store, struct map_page_id id, struct map_slots *slots,
	const uint8_t body[static MAP_PAGE_BODY_BYTES])
{
	unsigned int slot = mutant_is(MUTANT_SAME_SLOT) ? slots->newest : slots->newest ^ 1u;
	int r;

	assert(!slots->unflushed); /* D1 */
	store->buffered.count = 0;
	r = map_page_encode(store->sealer, id, slots->generation + 1, body, store->buffer);
	if (r < 0)
		return r;
	slots->generation++;
	slots->unflushed = true;
	return blockdev_write(store->device, (struct extent){slots_at(store, id) + slot, 1},
		store->buffer, BLOCK_BYTES);
}

void map_store_flushed(struct map_slots *slots)
{
	if (!slots->unflushed)
		return;
	slots->unflushed = false;
	if (!mutant_is(MUTANT_SAME_SLOT))
		slots->newest ^= 1u;
}

int map_store_fill(struct map_store *store, struct map_page_id first, uint64_t count,
	void (*body_of)(
		void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES]),
	void *context)
{
	const uint64_t most = TRANSFER_BLOCKS / 2;
	uint8_t body[MAP_PAGE_BODY_BYTES];
	int r;

	store->buffered.count = 0;
	for (uint64_t done = 0; done < count;) {
		uint64_t now = count - done < most ? count - done : most;
		struct map_page_id id = {first.kind, first.number + done};
		struct extent at = {slots_at(store, id), 2 * now};

		for (uint64_t i = 0; i < now; i++) {
			id.number = first.number + done + i;
			body_of(context, id.number, body);
			for (unsigned int slot = 0; slot < 2; slot++) {
				r = map_page_encode(store->sealer, id, slot + 1, body,
					store->buffer + (2 * i + slot) * BLOCK_BYTES);
				if (r < 0)
					return r;
			}
		}
		r = blockdev_write(store->device, at, store->buffer, at.count * BLOCK_BYTES);
		if (r < 0)
			return r;
		done += now;
	}
	return 0;
}
