/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_search.c - strings in what the medium decrypts to, whatever the map says of it
 *
 * Through the ports a block that is CLEAN or owed reads as zeros: who looks there sees what the map
 * claims, and not what is so.  Here each block is read from the medium and decrypted beneath the
 * map, as somebody would who has the medium and the key.  Blocks that show one byte repeated
 * (never written, or erased) hold no ciphertext and are passed over.
 *
 * No range is locked: a block that is written meanwhile shows its old bytes, its new ones, or some
 * of each.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/xts.h"
#include "volume/engine_impl.h"
#include <errno.h>
#include <string.h>

#define TRANSFER_BLOCKS	 256u
#define TWEAK_UNIT_BYTES 512u

struct scan {
	struct engine *engine;
	struct xts *xts;
	struct extent area;    /* on the medium */
	uint64_t tweak_offset; /* of its first block */
	uint64_t end_bytes;    /* matches that begin from here on are another call's */
	bool is_data;
	uint8_t *buf; /* TRANSFER_BLOCKS */
	struct engine_search_report *report;
};

/* Where a large read fails each block is read alone; what cannot be read shows as zeros. */
static void read_beneath(struct scan *scan, struct extent at)
{
	struct extent lies = {scan->area.first + at.first, at.count};
	struct blockdev *device = scan->engine->device;

	if (blockdev_read(device, lies, scan->buf, (size_t)at.count * BLOCK_BYTES) >= 0)
		return;
	for (uint64_t i = 0; i < at.count; i++) {
		uint8_t *to = scan->buf + i * BLOCK_BYTES;

		if (blockdev_read(device, (struct extent){lies.first + i, 1}, to, BLOCK_BYTES) >= 0)
			continue;
		memset(to, 0, BLOCK_BYTES);
		scan->report->unreadable_blocks++;
	}
}

static int decrypt(struct scan *scan, struct extent at)
{
	uint64_t run;
	int r = 0;

	for (uint64_t i = 0; i < at.count && r >= 0; i += run) {
		uint8_t *from = scan->buf + i * BLOCK_BYTES;

		run = 0;
		while (i + run < at.count &&
			!bytes_are_uniform(from + run * BLOCK_BYTES, BLOCK_BYTES))
			run++;
		if (run == 0) {
			memset(from, 0, BLOCK_BYTES);
			run = 1;
			continue;
		}
		r = xts_decrypt(scan->xts,
			scan->tweak_offset + (at.first + i) * (BLOCK_BYTES / TWEAK_UNIT_BYTES),
			BLOCK_BYTES / TWEAK_UNIT_BYTES, BLOCK_BYTES, from, from, run * BLOCK_BYTES);
	}
	return r;
}

static void found(void *context, const struct search_hit *hit)
{
	struct scan *scan = context;
	struct engine_search_report *report = scan->report;
	struct engine_found *place;
	uint64_t run;

	if (hit->offset >= scan->end_bytes)
		return;
	report->hits_of[hit->index]++;
	if (report->hits++ >= ENGINE_FOUND_MAX)
		return;
	place = &report->found[report->found_count++];
	*place = (struct engine_found){.hit = *hit, .class = RESIDUE_CLASS_CLEAN};
	if (scan->is_data)
		place->class =
			residue_lookup(scan->engine->residue, hit->offset / BLOCK_BYTES, 1, &run);
}

static int scan_run(struct scan *scan, struct search_stream *stream, struct extent run)
{
	int r = 0;

	while (run.count > 0 && r >= 0) {
		struct extent some = {
			run.first, run.count < TRANSFER_BLOCKS ? run.count : TRANSFER_BLOCKS};

		read_beneath(scan, some);
		r = decrypt(scan, some);
		if (r >= 0)
			search_stream_feed(stream, some.first * BLOCK_BYTES, scan->buf,
				(size_t)some.count * BLOCK_BYTES);
		run.first += some.count;
		run.count -= some.count;
	}
	return r;
}

int engine_search(struct engine *engine, const struct search *search, enum engine_area area,
	struct extent at, struct engine_search_report *ret_report)
{
	const size_t bytes = (size_t)TRANSFER_BLOCKS * BLOCK_BYTES;
	_cleanup_(search_stream_freep) struct search_stream *stream = NULL;
	_cleanup_(xts_freep) struct xts *xts = NULL;
	_cleanup_free_ void *buf = NULL;
	struct scan scan = {.engine = engine, .report = ret_report};
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	scan.is_data = area == ENGINE_AREA_DATA;
	scan.area = scan.is_data ? (struct extent){engine->layout.data_first,
					   residue_blocks(engine->residue)}
				 : engine->layout.spare;
	scan.tweak_offset = scan.is_data ? 0 : LAYOUT_SPARE_IV_OFFSET;
	*ret_report = (struct engine_search_report){.area_blocks = scan.area.count};
	if (at.count > ENGINE_SEARCH_BLOCKS_MAX || search_count(search) > ENGINE_STRINGS_MAX)
		return -E2BIG;
	if (!extent_is_within(at, scan.area.count))
		return -ERANGE;
	scan.end_bytes = extent_end(at) * BLOCK_BYTES;
	if (extent_end(at) < scan.area.count)
		at.count++; /* what begins in its last block may end in the next */

	r = xts_new(engine->volume_key, &xts);
	if (r >= 0)
		r = search_stream_new(search, found, &scan, &stream);
	if (r >= 0)
		r = io_alloc(bytes, &buf);
	scan.xts = xts;
	scan.buf = buf;
	if (r >= 0)
		r = scan_run(&scan, stream, at);
	if (buf)
		secret_wipe(buf, bytes);
	return r;
}
