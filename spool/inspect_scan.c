/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_scan.c - the pass over the medium: every block is read once, judged, searched as it
 * lies, decrypted and searched again
 */
#include "base/bytes.h"
#include "base/io.h"
#include "spool/inspect_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRANSFER_BLOCKS	 256u
#define TWEAK_UNIT_BYTES 512u

struct scan {
	struct inspect *inspect;
	struct search_stream *raw, *decrypted; /* NULL: nothing to search */
	uint8_t *buf;			       /* TRANSFER_BLOCKS */
	bool unreadable[TRANSFER_BLOCKS];
	uint8_t *spare; /* one block beside buf */
	struct progress progress;
};

/* --- reading --- */

/* Where a large read fails each block is read alone; what cannot be read shows as zeros. */
static void read_medium(struct scan *scan, struct extent at)
{
	struct inspect *inspect = scan->inspect;
	size_t bytes = (size_t)at.count * BLOCK_BYTES;

	memset(scan->unreadable, 0, sizeof(scan->unreadable));
	if (blockdev_read(inspect->device, at, scan->buf, bytes) >= 0)
		return;
	for (uint64_t i = 0; i < at.count; i++) {
		struct extent one = {at.first + i, 1};
		uint8_t *to = scan->buf + i * BLOCK_BYTES;

		if (blockdev_read(inspect->device, one, to, BLOCK_BYTES) >= 0)
			continue;
		memset(to, 0, BLOCK_BYTES);
		scan->unreadable[i] = true;
		inspect->report->unreadable_blocks++;
	}
}

int inspect_decrypt(struct inspect *inspect, uint64_t tweak_offset, struct extent at, uint8_t *buf)
{
	const uint32_t sector = inspect->report->segment.sector_bytes;
	uint64_t run;
	int r = 0;

	for (uint64_t i = 0; i < at.count && r >= 0; i += run) {
		uint8_t *from = buf + i * BLOCK_BYTES;

		run = 0;
		while (i + run < at.count &&
			!bytes_are_uniform(from + run * BLOCK_BYTES, BLOCK_BYTES))
			run++;
		if (run == 0) {
			memset(from, 0, BLOCK_BYTES);
			run = 1;
			continue;
		}
		r = xts_decrypt(inspect->xts,
			tweak_offset + (at.first + i) * (BLOCK_BYTES / TWEAK_UNIT_BYTES),
			sector / TWEAK_UNIT_BYTES, sector, from, from, run * BLOCK_BYTES);
	}
	return r;
}

/* --- judging --- */

/* M2, M4: nothing of a job is under CLEAN. */
static void judge_clean(struct inspect *inspect, uint64_t block, const uint8_t *medium)
{
	struct inspect_compared *compared = &inspect->report->compared;
	const struct scheme_pass *last =
		inspect->scheme ? &inspect->scheme->passes[inspect->scheme->pass_count - 1] : NULL;

	if (!bytes_are_uniform(medium, BLOCK_BYTES)) {
		if (last && last->kind == PASS_RANDOM) {
			compared->clean_random++;
			return;
		}
		compared->clean_not_blank++;
		inspect_find(inspect, INSPECT_CLEAN_NOT_BLANK, (struct extent){block, 1});
	} else if (last && last->kind == PASS_BYTE && medium[0] == last->byte) {
		compared->clean_last_pattern++;
	} else if (medium[0] == 0) {
		compared->clean_zeros++;
	} else {
		compared->clean_other_byte++;
	}
}

/* A remapped block lies in the spare area; false: it cannot be read. */
static bool find_medium(struct scan *scan, uint64_t block, const uint8_t **medium)
{
	struct inspect *inspect = scan->inspect;
	const struct residue_stuck *stuck = inspect_stuck_of(inspect, block);
	struct extent at;

	if (!stuck)
		return true;
	at = (struct extent){inspect->layout.spare.first + stuck->spare, 1};
	*medium = scan->spare;
	return blockdev_read(inspect->device, at, scan->spare, BLOCK_BYTES) >= 0;
}

static void judge_block(
	struct scan *scan, uint64_t block, enum residue_class class, const uint8_t *medium)
{
	struct inspect *inspect = scan->inspect;
	struct inspect_report *report = inspect->report;
	bool is_free = report->is_compared && ext4_owners_is_free(inspect->owners, block);

	if (is_free)
		report->compared.free[class]++;
	else
		report->compared.owned[class]++;
	if (class == RESIDUE_CLASS_CLEAN && find_medium(scan, block, &medium))
		judge_clean(inspect, block, medium);
	if (is_free && class == RESIDUE_CLASS_LIVE)
		inspect_find(inspect, INSPECT_FREE_BUT_LIVE, (struct extent){block, 1});
}

static void judge(struct scan *scan, struct extent blocks)
{
	uint64_t run;

	if (!scan->inspect->residue)
		return;
	for (uint64_t i = 0; i < blocks.count; i += run) {
		enum residue_class class = residue_lookup(
			scan->inspect->residue, blocks.first + i, blocks.count - i, &run);

		for (uint64_t n = i; n < i + run; n++) {
			if (!scan->unreadable[n])
				judge_block(
					scan, blocks.first + n, class, scan->buf + n * BLOCK_BYTES);
		}
	}
}

/* --- the pass --- */

static int scan_some(struct scan *scan, struct extent at, bool is_data)
{
	struct inspect *inspect = scan->inspect;
	struct extent blocks = {at.first - inspect->data_first, at.count};
	size_t bytes = (size_t)at.count * BLOCK_BYTES;
	int r = 0;

	read_medium(scan, at);
	if (scan->raw)
		search_stream_feed(scan->raw, at.first * BLOCK_BYTES, scan->buf, bytes);
	if (is_data) {
		judge(scan, blocks);
		if (scan->decrypted)
			r = inspect_decrypt(
				inspect, inspect->report->segment.iv_offset, blocks, scan->buf);
		if (scan->decrypted && r >= 0)
			search_stream_feed(
				scan->decrypted, blocks.first * BLOCK_BYTES, scan->buf, bytes);
	}
	if (r < 0)
		return r;
	scan->progress.done_bytes += bytes;
	return progress_report(inspect->sink, &scan->progress) ? -ECANCELED : inspect->error;
}

static int scan_run(struct scan *scan, struct extent run, bool is_data)
{
	int r = 0;

	while (run.count > 0 && r >= 0) {
		struct extent some = {
			run.first, run.count < TRANSFER_BLOCKS ? run.count : TRANSFER_BLOCKS};

		r = scan_some(scan, some, is_data);
		run.first += some.count;
		run.count -= some.count;
	}
	return r;
}

/* Spare blocks have tweaks of their own. */
static int search_spare(struct scan *scan)
{
	_cleanup_(search_stream_freep) struct search_stream *stream = NULL;
	struct inspect *inspect = scan->inspect;
	struct extent spare = inspect->layout.spare;
	int r;

	r = search_stream_new(inspect->search, inspect_found_spare, inspect, &stream);
	for (uint64_t i = 0; i < spare.count && r >= 0; i++) {
		struct extent at = {spare.first + i, 1};

		if (blockdev_read(inspect->device, at, scan->spare, BLOCK_BYTES) < 0)
			continue; /* counted by the pass */
		r = inspect_decrypt(
			inspect, LAYOUT_SPARE_IV_OFFSET, (struct extent){i, 1}, scan->spare);
		if (r >= 0)
			search_stream_feed(stream, i * BLOCK_BYTES, scan->spare, BLOCK_BYTES);
	}
	return r;
}

/* Sealed, but what is left of a job all the same: it is wiped once a record is in place. */
static void judge_redo(struct scan *scan)
{
	struct inspect *inspect = scan->inspect;
	struct extent redo = inspect->layout.redo;
	const struct scheme *scheme = inspect->scheme;
	bool is_random = scheme && scheme->passes[scheme->pass_count - 1].kind == PASS_RANDOM;

	if (inspect->report->is_redo_pending || is_random)
		return;
	for (uint64_t i = 0; i < redo.count; i++) {
		struct extent at = {redo.first + i, 1};

		if (blockdev_read(inspect->device, at, scan->spare, BLOCK_BYTES) >= 0 &&
			!bytes_are_uniform(scan->spare, BLOCK_BYTES))
			inspect_find(inspect, INSPECT_REDO_NOT_BLANK, (struct extent){i, 1});
	}
}

static int scan_all(struct scan *scan)
{
	struct inspect *inspect = scan->inspect;
	uint64_t all = blockdev_blocks(inspect->device);
	struct extent front = {0, inspect->data_first < all ? inspect->data_first : all};
	struct extent data = {front.count, inspect->report->blocks};
	struct extent behind = {extent_end(data), all - extent_end(data)};
	int r;

	r = scan_run(scan, front, false);
	if (r >= 0 && scan->raw && inspect->report->has_layout)
		r = search_spare(scan);
	if (r >= 0 && inspect->report->has_layout)
		judge_redo(scan);
	if (r >= 0)
		r = scan_run(scan, data, true);
	if (r >= 0)
		r = scan_run(scan, behind, false);
	return r;
}

int inspect_scan(struct inspect *inspect)
{
	struct scan scan = {.inspect = inspect};
	_cleanup_free_ void *buf = NULL, *spare = NULL;
	int r;

	scan.progress = (struct progress){"inspect", 0, inspect->report->medium_bytes};
	r = io_alloc((size_t)TRANSFER_BLOCKS * BLOCK_BYTES, &buf);
	if (r >= 0)
		r = io_alloc(BLOCK_BYTES, &spare);
	scan.buf = buf;
	scan.spare = spare;
	if (r >= 0 && inspect->search)
		r = search_stream_new(inspect->search, inspect_found_raw, inspect, &scan.raw);
	if (r >= 0 && inspect->search)
		r = search_stream_new(
			inspect->search, inspect_found_decrypted, inspect, &scan.decrypted);
	if (r >= 0)
		r = scan_all(&scan);
	search_stream_free(scan.raw);
	search_stream_free(scan.decrypted);
	return r;
}
