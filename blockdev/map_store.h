/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_store.h - pages of the map area on the medium, two slots each
 *
 *   D1 (M5) A page goes to the slot that does not hold its newest generation,
 *      and that slot's write is flushed before the other is ever written:
 *      map_store_write() asserts that the page has no unflushed write.
 *   D2 (M5) If either slot does not authenticate, or their generations do not follow one
 *      another, the page is damaged: what the newest whole one says is returned, but only
 *      the caller who can afford to may believe it.
 *
 * A page that was never damaged is read back whole from its newest slot.
 * Threads: one caller at a time.
 */
#ifndef SPOOLGUARD_BLOCKDEV_MAP_STORE_H
#define SPOOLGUARD_BLOCKDEV_MAP_STORE_H

#include "blockdev/map_page.h"
#include <stdbool.h>

struct map_store;

/* What is remembered of one page's slots; zero bytes to begin with. */
struct map_slots {
	uint64_t generation; /* the newest that may be on the medium */
	uint8_t newest;	     /* slot that holds it, once flushed */
	bool unflushed;	     /* written since the last map_store_flushed() */
};

struct map_page_loaded {
	bool damaged;			   /* a slot cannot be read, is not authentic or too old */
	bool lost;			   /* neither did */
	bool twins;			   /* both are whole and say the same */
	uint8_t body[MAP_PAGE_BODY_BYTES]; /* the newest whole slot's, unless lost */
};

/* device, layout and volume_key are borrowed. */
must_check int map_store_new(struct blockdev *device, const struct layout *layout,
	const struct secret *volume_key, struct map_store **ret_store);
void map_store_free(struct map_store *store);

/* Reads ahead: ask for pages in order.  -EPROTONOSUPPORT: a newer format. */
must_check int map_store_load(struct map_store *store, struct map_page_id id,
	struct map_slots *ret_slots, struct map_page_loaded *ret_page);

/* Writes one page to its older slot; call map_store_flushed for it when the device was flushed. */
must_check int map_store_write(struct map_store *store, struct map_page_id id,
	struct map_slots *slots, const uint8_t body[static MAP_PAGE_BODY_BYTES]);
void map_store_flushed(struct map_slots *slots);

/* The next load reads from the medium, not from what was read ahead. */
void map_store_forget(struct map_store *store);

/* Both slots with one body, for format and growth; no flush.  count pages from first on have the
 * same body. */
must_check int map_store_fill(struct map_store *store, struct map_page_id first, uint64_t count,
	void (*body_of)(
		void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES]),
	void *context);

#endif
