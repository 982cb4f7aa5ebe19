/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_load.c - the pages of the map: encoded, and loaded by an attach
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
#include "blockdev/residue_impl.h"
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
