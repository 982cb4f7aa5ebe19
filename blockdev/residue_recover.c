/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_recover.c - what an attach finds, and what it makes of it
 *
 *   M5  A page with a slot that does not authenticate is UNKNOWN as a whole.
 *   V1  The volume page and the stuck page are believed from their one whole slot:
 *       what they say is either harmless if old (the clean mark: a damaged page
 *       counts as unclean) or was written to both slots (size, stuck blocks, whether
 *       a file system is expected), and is again after a crash in between.
 *   V2  The volume page knows how many spare blocks were used: while none was, the
 *       stuck page may be lost.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutant.h"
#include "blockdev/crypted.h"
#include "blockdev/residue_impl.h"
#include "blockdev/window.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the volume page --- */

enum {
	VOLUME_FLAGS = 0,
	VOLUME_BLOCKS = 8,
	VOLUME_ATTACHES = 16,
	VOLUME_WALL = 24,
	VOLUME_SPARES = 32,
	VOLUME_FINGERPRINT = 64,
};

#define FLAG_CLEAN		 (1u << 0)
#define FLAG_SWEEP_OWED		 (1u << 1)
#define FLAG_FILESYSTEM_EXPECTED (1u << 2)

void residue_encode_volume_page(
	const struct residue *residue, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	uint32_t flags = 0;

	if (residue->clean)
		flags |= FLAG_CLEAN;
	if (residue->sweep_owed)
		flags |= FLAG_SWEEP_OWED;
	if (residue->filesystem_expected)
		flags |= FLAG_FILESYSTEM_EXPECTED;
	memset(ret_body, 0, MAP_PAGE_BODY_BYTES);
	bytes_put_le32(ret_body + VOLUME_FLAGS, flags);
	bytes_put_le64(ret_body + VOLUME_BLOCKS, residue->blocks);
	bytes_put_le64(ret_body + VOLUME_ATTACHES, residue->attaches);
	bytes_put_le64(ret_body + VOLUME_WALL, (uint64_t)clock_wall_s());
	bytes_put_le64(ret_body + VOLUME_SPARES, residue->next_spare);
	memcpy(ret_body + VOLUME_FINGERPRINT, residue->fingerprint, RESIDUE_FINGERPRINT_BYTES);
}

static void decode_volume_page(struct residue *residue, const uint8_t *body, uint64_t *ret_blocks)
{
	uint32_t flags = bytes_get_le32(body + VOLUME_FLAGS);

	residue->clean = flags & FLAG_CLEAN;
	residue->sweep_owed = flags & FLAG_SWEEP_OWED;
	residue->filesystem_expected = flags & FLAG_FILESYSTEM_EXPECTED;
	residue->attaches = bytes_get_le64(body + VOLUME_ATTACHES);
	residue->next_spare = bytes_get_le64(body + VOLUME_SPARES);
	memcpy(residue->fingerprint, body + VOLUME_FINGERPRINT, RESIDUE_FINGERPRINT_BYTES);
	*ret_blocks = bytes_get_le64(body + VOLUME_BLOCKS);
}

/* With the volume page gone, the size is what the medium holds, and nothing else is believed. */
static uint64_t blocks_of_medium(const struct residue *residue)
{
	uint64_t all = blockdev_blocks(residue->parts.device) - residue->parts.layout->data_first;
	uint64_t most = residue->parts.layout->data_blocks_most;

	return all < most ? all : most;
}

static int load_volume_page(
	struct residue *residue, uint64_t *ret_blocks, bool *ret_damaged, bool *ret_lost)
{
	struct map_page_loaded page;
	int r;

	r = map_store_load(residue->store, (struct map_page_id){MAP_PAGE_VOLUME, 0},
		&residue->volume_slots, &page);
	if (r < 0)
		return r;
	*ret_damaged = page.damaged;
	*ret_lost = page.lost;
	if (page.lost) {
		*ret_blocks = blocks_of_medium(residue);
		residue->filesystem_expected = true;
		residue->next_spare = UINT64_MAX; /* not known */
	} else {
		decode_volume_page(residue, page.body, ret_blocks);
	}
	if (page.damaged) {
		residue->clean = false;
		residue->sweep_owed = true;
	}
	return 0;
}

/* --- the stuck page --- */

enum {
	STUCK_COUNT = 0,
	STUCK_NEXT_SPARE = 8,
	STUCK_ENTRIES = 16,
	STUCK_ENTRY_BYTES = 16,
};

void residue_encode_stuck_page(
	const struct residue *residue, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	memset(ret_body, 0, MAP_PAGE_BODY_BYTES);
	bytes_put_le32(ret_body + STUCK_COUNT, (uint32_t)residue->stuck_count);
	bytes_put_le64(ret_body + STUCK_NEXT_SPARE, residue->next_spare);
	for (size_t i = 0; i < residue->stuck_count; i++) {
		const struct residue_stuck *stuck = &residue->stuck[i];
		uint8_t *at = ret_body + STUCK_ENTRIES + i * STUCK_ENTRY_BYTES;

		bytes_put_le64(at, stuck->block);
		bytes_put_le16(at + 8, (uint16_t)stuck->spare);
		bytes_put_le16(at + 10, (uint16_t)-stuck->error);
		bytes_put_le32(at + 12, (uint32_t)stuck->wall_s);
	}
}

static int decode_stuck_page(struct residue *residue, const uint8_t *body)
{
	uint32_t count = bytes_get_le32(body + STUCK_COUNT);

	residue->next_spare = bytes_get_le64(body + STUCK_NEXT_SPARE);
	if (count > STUCK_MAX || residue->next_spare > residue->parts.layout->spare.count)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at = body + STUCK_ENTRIES + i * STUCK_ENTRY_BYTES;
		struct residue_stuck *stuck = &residue->stuck[i];

		stuck->block = bytes_get_le64(at);
		stuck->spare = bytes_get_le16(at + 8);
		stuck->error = -(int)bytes_get_le16(at + 10);
		stuck->wall_s = bytes_get_le32(at + 12);
		if (stuck->block >= residue->blocks || stuck->spare >= residue->next_spare ||
			(i > 0 && stuck->block <= residue->stuck[i - 1].block))
			return -EBADMSG;
	}
	residue->stuck_count = count;
	return 0;
}

/* Without the list, blocks that live in the spare area would be read from their refused old places.
 */
static int load_stuck_page(
	struct residue *residue, bool *ret_damaged, struct problem *reterr_problem)
{
	struct map_page_loaded page;
	int r;

	r = map_store_load(residue->store, (struct map_page_id){MAP_PAGE_STUCK, 0},
		&residue->stuck_slots, &page);
	if (r < 0)
		return r;
	if (page.lost && residue->next_spare == 0) { /* V2: it was empty */
		residue->stuck_dirty = true;
		return 0;
	}
	if (!page.lost)
		r = decode_stuck_page(residue, page.body);
	if (page.lost || r < 0)
		return problem_set(reterr_problem, -EBADMSG,
			"the list of remapped blocks is damaged in both copies, so that blocks "
			"would be read from the "
			"wrong place; restore the image from a copy, or format the volume again");
	/* A crash between its two writes leaves the entry in one slot: into the other, before it
	 * is used. */
	residue->stuck_dirty = page.damaged || (!page.twins && !mutant_is(MUTANT_STUCK_NOT_HEALED));
	*ret_damaged = page.damaged;
	return 0;
}

/* --- the states --- */

int residue_reserve(struct residue *residue, uint64_t blocks)
{
	uint64_t pages = (blocks + blocks_per_page(residue) - 1) / blocks_per_page(residue);
	uint8_t *states;
	struct page_info *infos;

	assert(blocks >= residue->blocks);
	states = realloc(residue->states, blocks / 2 + 1);
	if (!states)
		return -ENOMEM;
	residue->states = states;
	infos = realloc(residue->pages, pages * sizeof(*infos));
	if (!infos)
		return -ENOMEM;
	residue->pages = infos;

	memset(infos + residue->page_count, 0, (pages - residue->page_count) * sizeof(*infos));
	if (residue->blocks % 2 != 0) /* its neighbour's half of the byte stays */
		states[residue->blocks / 2] &= 0x0f;
	memset(states + (residue->blocks + 1) / 2, 0, blocks / 2 + 1 - (residue->blocks + 1) / 2);
	for (uint64_t b = residue->blocks; b < blocks;) { /* all STATE_UNKNOWN, which is zero */
		uint64_t page = b / blocks_per_page(residue);
		uint64_t end = (page + 1) * blocks_per_page(residue);

		end = end < blocks ? end : blocks;
		infos[page].counts[STATE_UNKNOWN] += (uint16_t)(end - b);
		b = end;
	}
	residue->totals[STATE_UNKNOWN] += blocks - residue->blocks;
	residue->page_count = pages;
	residue->blocks = blocks;
	return 0;
}

static uint64_t page_blocks(const struct residue *residue, uint64_t page)
{
	uint64_t first = page * blocks_per_page(residue);
	uint64_t left = residue->blocks - first;

	return left < blocks_per_page(residue) ? left : blocks_per_page(residue);
}

/* How far the code at entry i goes on, up to end: of most pages it is all. */
static uint64_t run_of_codes(const uint8_t *body, uint64_t i, uint64_t end)
{
	unsigned int code = (body[i / 2] >> (i % 2 * 4)) & 0xf;
	uint64_t at = i + 1;

	while (at < end) {
		if (at % 2 == 0 && at + 1 < end && body[at / 2] == code * 0x11u)
			at += 2;
		else if (((unsigned int)(body[at / 2] >> (at % 2 * 4)) & 0xf) == code)
			at++;
		else
			break;
	}
	return at - i;
}

static int load_states(struct residue *residue, uint64_t page, struct residue_open_report *report)
{
	struct page_info *info = &residue->pages[page];
	uint64_t first = page * blocks_per_page(residue);
	struct map_page_loaded loaded;
	enum block_state state;
	int r;

	r = map_store_load(
		residue->store, (struct map_page_id){MAP_PAGE_STATES, page}, &info->slots, &loaded);
	if (r < 0)
		return r;
	if (loaded.damaged) { /* M5: all its blocks stay UNKNOWN */
		report->damaged_pages++;
		residue->sweep_owed = true;
		info->dirty = true;
		return 0;
	}
	for (uint64_t i = 0; i < page_blocks(residue, page);) {
		uint64_t run = run_of_codes(loaded.body, i, page_blocks(residue, page));

		if (block_state_from_code((loaded.body[i / 2] >> (i % 2 * 4)) & 0xf, &state))
			residue_set_run(residue, (struct extent){first + i, run}, state);
		i += run;
	}
	info->dirty = false;
	return 0;
}

int residue_load(struct residue *residue, struct residue_open_report *ret_report,
	struct problem *reterr_problem)
{
	const struct layout *layout = residue->parts.layout;
	bool volume_damaged = false, lost = false, stuck_damaged = true;
	uint64_t blocks = 0;
	int r;

	r = load_volume_page(residue, &blocks, &volume_damaged, &lost);
	if (r == -EPROTONOSUPPORT)
		return problem_set(reterr_problem, r,
			"the volume's map was written by a newer version of spoolguard; use that "
			"version or a newer one");
	if (r < 0)
		return r;
	if (blocks == 0 || blocks > layout->data_blocks_most ||
		!extent_is_within((struct extent){layout->data_first, blocks},
			blockdev_blocks(residue->parts.device)))
		return problem_set(reterr_problem, -ENXIO,
			"the volume holds %" PRIu64 " blocks of 4096 bytes from byte %" PRIu64
			" on, but the medium ends at byte %" PRIu64
			": it was cut short; restore the whole image",
			blocks, layout->data_first * BLOCK_BYTES,
			blockdev_bytes(residue->parts.device));

	r = residue_reserve(residue, blocks);
	if (r < 0)
		return r;
	r = load_stuck_page(residue, &stuck_damaged, reterr_problem);
	for (uint64_t p = 0; p < residue->page_count && r >= 0; p++)
		r = load_states(residue, p, ret_report);
	if (r < 0)
		return r;

	ret_report->damaged_pages += volume_damaged + stuck_damaged;
	if (residue->totals[STATE_UNKNOWN] + residue->totals[STATE_UNKNOWN_CLEAN] > 0)
		residue->sweep_owed = true; /* a crash may have come before it was recorded */
	ret_report->was_unclean = !residue->clean;
	ret_report->suspect_blocks = residue->totals[STATE_SUSPECT];
	ret_report->filesystem_expected = residue->filesystem_expected;
	ret_report->sweep_owed = residue->sweep_owed;
	if (lost) { /* its last writer and its size are not known: nothing of the map is believed */
		for (uint64_t b = 0; b < residue->blocks; b++)
			residue_set_state(residue, b, STATE_UNKNOWN);
	}
	return 0;
}

/* --- sweep --- */

void residue_allow_unknown_discards(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	residue->unknown_discards_allowed = true;
	pthread_mutex_unlock(&residue->lock);
}

void residue_trust(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	residue->trusted = true;
	pthread_mutex_unlock(&residue->lock);
}

bool residue_is_trusted(struct residue *residue)
{
	bool trusted;

	pthread_mutex_lock(&residue->lock);
	trusted = residue->trusted;
	pthread_mutex_unlock(&residue->lock);
	return trusted;
}

int residue_settle_unknown(struct residue *residue)
{
	int r;

	/* What was written to UNKNOWN blocks is durable before they are LIVE (M3). */
	r = residue_commit(residue, true);
	if (r < 0)
		return r;
	pthread_mutex_lock(&residue->lock);
	for (uint64_t b = 0; b < residue->blocks; b++) {
		const struct page_info *page = page_of(residue, b);
		enum block_state state = state_of(residue, b);

		if (page->counts[STATE_UNKNOWN] + page->counts[STATE_UNKNOWN_CLEAN] == 0)
			b = last_of_page(residue, b);
		else if (state == STATE_UNKNOWN || state == STATE_UNKNOWN_CLEAN)
			residue_set_state(residue, b, STATE_LIVE);
	}
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}

static enum block_state distrusted(enum block_state state)
{
	switch (state) {
	case STATE_CLEAN:
	case STATE_CLEARED:
	case STATE_OPENING:
	case STATE_MARKED:
	case STATE_OPEN:
	case STATE_SUSPECT:
	case STATE_UNKNOWN_CLEAN:
		return STATE_UNKNOWN_CLEAN;
	case STATE_ERASING: /* the passes are on their way: nobody writes there before they end */
		return STATE_ERASING;
	default:
		return STATE_UNKNOWN;
	}
}

int residue_distrust(struct residue *residue)
{
	struct range_holder holder;

	if (residue->parts.read_only)
		return -EROFS;
	range_lock_exclusive(
		&residue->ranges, (struct extent){0, residue->blocks}, &holder); /* M1 */
	pthread_mutex_lock(&residue->lock);
	for (uint64_t b = 0; b < residue->blocks; b++)
		residue_set_state(residue, b, distrusted(state_of(residue, b)));
	for (size_t i = 0; i < PREMARK_WINDOWS; i++)
		residue->windows[i].run.count = 0;
	residue->unknown_discards_allowed = false;
	residue->sweep_owed = true;
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	range_lock_release(&residue->ranges, &holder);
	return residue_commit(residue, false);
}

void residue_get_fingerprint(
	struct residue *residue, uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	pthread_mutex_lock(&residue->lock);
	memcpy(ret_fingerprint, residue->fingerprint, RESIDUE_FINGERPRINT_BYTES);
	pthread_mutex_unlock(&residue->lock);
}

void residue_set_fingerprint(
	struct residue *residue, const uint8_t fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	pthread_mutex_lock(&residue->lock);
	memcpy(residue->fingerprint, fingerprint, RESIDUE_FINGERPRINT_BYTES);
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
}

static int set_flag(struct residue *residue, bool *flag, bool value)
{
	if (residue->parts.read_only)
		return -EROFS;
	pthread_mutex_lock(&residue->lock);
	*flag = value;
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}

bool residue_is_sweep_owed(struct residue *residue)
{
	bool owed;

	pthread_mutex_lock(&residue->lock);
	owed = residue->sweep_owed;
	pthread_mutex_unlock(&residue->lock);
	return owed;
}

int residue_set_sweep_owed(struct residue *residue, bool owed)
{
	return set_flag(residue, &residue->sweep_owed, owed);
}

int residue_set_filesystem_expected(struct residue *residue, bool expected)
{
	int r;

	/* Into both slots (V1): with an older one the map would be trusted too early. */
	r = set_flag(residue, &residue->filesystem_expected, expected);
	return r < 0 ? r : set_flag(residue, &residue->filesystem_expected, expected);
}

/* --- format and growth --- */

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
