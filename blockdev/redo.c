/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/redo.h"
#include "base/io.h"
#include "base/mutant.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/redo_record.h"
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u

struct redo {
	struct blockdev bd; /* first: the layer is a blockdev */
	struct redo_parts parts;
	struct redo_record pending; /* contents are owned one by one */
	size_t capacity;	    /* of pending.writes */
	void *scratch;		    /* one block, to compare with */
	struct extent_list zeroed;  /* J2, for this change: free again if it is not made */
	bool failed;
};

static bool is_live(struct residue *residue, uint64_t block)
{
	uint64_t run;
	enum residue_class class = residue_lookup(residue, block, 1, &run);

	return class == RESIDUE_CLASS_LIVE || class == RESIDUE_CLASS_UNKNOWN;
}

/* --- what is held back --- */

/* Index of the block's write, or of the place where it would be. */
static size_t find(const struct redo_record *record, uint64_t block)
{
	size_t low = 0, high = record->write_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (record->writes[middle].block < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_held(const struct redo_record *record, size_t index, uint64_t block)
{
	return index < record->write_count && record->writes[index].block == block;
}

static bool has_room(const struct redo *redo, uint64_t writes, uint64_t discards)
{
	return 1 + redo_body_blocks(writes, discards) <= redo->parts.layout->redo.count;
}

static int hold(struct redo *redo, size_t index, uint64_t block, const void *content)
{
	struct redo_record *pending = &redo->pending;
	void *copy = NULL;
	int r;

	if (!has_room(redo, pending->write_count + 1, pending->discards.count))
		return -EFBIG;
	if (pending->write_count == redo->capacity) {
		size_t capacity = redo->capacity ? 2 * redo->capacity : 64;
		struct redo_write *writes =
			realloc(pending->writes, capacity * sizeof(*pending->writes));

		if (!writes)
			return -ENOMEM;
		pending->writes = writes;
		redo->capacity = capacity;
	}
	r = io_alloc(BLOCK_BYTES, &copy);
	if (r < 0)
		return r;
	memcpy(copy, content, BLOCK_BYTES);
	memmove(&pending->writes[index + 1], &pending->writes[index],
		(pending->write_count - index) * sizeof(*pending->writes));
	pending->writes[index] = (struct redo_write){block, copy};
	pending->write_count++;
	return 0;
}

static void drop(struct redo *redo, size_t index)
{
	struct redo_record *pending = &redo->pending;

	free(pending->writes[index].content);
	pending->write_count--;
	memmove(&pending->writes[index], &pending->writes[index + 1],
		(pending->write_count - index) * sizeof(*pending->writes));
}

static int write_one(struct redo *redo, uint64_t block, const void *content)
{
	struct redo_record *pending = &redo->pending;
	size_t index = find(pending, block);
	int r;

	if (extent_list_overlaps(&pending->discards, (struct extent){block, 1}))
		return -EBUSY; /* J5 */
	if (is_held(pending, index, block)) {
		memcpy(pending->writes[index].content, content, BLOCK_BYTES);
		return 0;
	}
	if (is_live(redo->parts.residue, block)) {
		r = blockdev_read(
			redo->parts.below, (struct extent){block, 1}, redo->scratch, BLOCK_BYTES);
		if (r < 0)
			return r;
		if (memcmp(redo->scratch, content, BLOCK_BYTES) == 0)
			return 0;
	}
	return hold(redo, index, block, content);
}

/* --- the layer --- */

static int do_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct redo *redo = (struct redo *)bd;
	const struct redo_record *pending = &redo->pending;
	uint8_t *out = buf;
	int r;

	r = blockdev_read(redo->parts.below, at, buf, (size_t)at.count * BLOCK_BYTES);
	if (r < 0)
		return r;
	for (size_t i = find(pending, at.first);
		i < pending->write_count && pending->writes[i].block < extent_end(at); i++)
		memcpy(out + (pending->writes[i].block - at.first) * BLOCK_BYTES,
			pending->writes[i].content, BLOCK_BYTES);
	return 0;
}

static int do_write(struct blockdev *bd, struct extent at, const void *buf)
{
	const uint8_t *from = buf;
	int r = 0;

	for (uint64_t i = 0; i < at.count && r >= 0; i++)
		r = write_one((struct redo *)bd, at.first + i, from + i * BLOCK_BYTES);
	return r;
}

static int do_discard(struct blockdev *bd, struct extent at)
{
	struct redo *redo = (struct redo *)bd;
	struct redo_record *pending = &redo->pending;

	if (!has_room(redo, pending->write_count, pending->discards.count + 1))
		return -EFBIG;
	for (size_t i = find(pending, at.first);
		i < pending->write_count && pending->writes[i].block < extent_end(at);)
		drop(redo, i);
	return extent_list_add(&pending->discards, at);
}

/* A driver flushes when it likes; only redo_commit() ends a change. */
static int do_flush(struct blockdev *bd)
{
	(void)bd;
	return 0;
}

static void forget(struct redo *redo)
{
	for (size_t i = 0; i < redo->pending.write_count; i++)
		free(redo->pending.writes[i].content);
	redo->pending.write_count = 0;
	extent_list_clear(&redo->pending.discards);
	extent_list_clear(&redo->zeroed);
}

static void do_close(struct blockdev *bd)
{
	struct redo *redo = (struct redo *)bd;

	forget(redo);
	extent_list_done(&redo->zeroed);
	redo_record_done(&redo->pending);
	free(redo->scratch);
	free(redo);
}

static const struct blockdev_ops ops = {
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.discard = do_discard,
	.close = do_close,
};

int redo_new(const struct redo_parts *parts, struct redo **ret_redo)
{
	struct redo *redo = calloc(1, sizeof(*redo));
	int r;

	if (!redo)
		return -ENOMEM;
	r = io_alloc(BLOCK_BYTES, &redo->scratch);
	if (r < 0) {
		free(redo);
		return r;
	}
	redo->parts = *parts;
	blockdev_init(&redo->bd, &ops, BLOCK_BYTES, blockdev_blocks(parts->below));
	*ret_redo = redo;
	return 0;
}

void redo_free(struct redo *redo)
{
	if (redo)
		blockdev_close(&redo->bd);
}

struct blockdev *redo_blockdev(struct redo *redo)
{
	return &redo->bd;
}

int redo_write_direct(struct redo *redo, struct extent at, const void *buf)
{
	size_t index = find(&redo->pending, at.first);

	assert(index == redo->pending.write_count ||
		redo->pending.writes[index].block >= extent_end(at));
	if (redo->failed)
		return -ENOTRECOVERABLE;
	if (extent_list_overlaps(&redo->pending.discards, at))
		return -EBUSY; /* J5 */
	return blockdev_write(redo->parts.below, at, buf, (size_t)at.count * BLOCK_BYTES);
}

/* --- commit --- */

/* J2: what holds nothing yet gets zeros, as it reads now, and so its passes and its LIVE. */
static int prepare(struct redo *redo)
{
	const struct redo_record *pending = &redo->pending;
	int r = 0;

	memset(redo->scratch, 0, BLOCK_BYTES);
	for (size_t i = 0; i < pending->write_count && r >= 0; i++) {
		struct extent at = {pending->writes[i].block, 1};

		if (mutant_is(MUTANT_REDO_NO_ZEROS_BEFORE) ||
			is_live(redo->parts.residue, at.first))
			continue;
		r = extent_list_add(&redo->zeroed, at);
		if (r >= 0)
			r = blockdev_write(redo->parts.below, at, redo->scratch, BLOCK_BYTES);
	}
	return r < 0 ? r : blockdev_flush(redo->parts.below);
}

static int hash_sectors(const uint8_t *block, uint8_t ret_hashes[static REDO_ANCHOR_BYTES])
{
	int r = 0;

	for (size_t i = 0; i < BLOCK_BYTES / SECTOR_BYTES && r >= 0; i++)
		r = hash_sha256(
			block + i * SECTOR_BYTES, SECTOR_BYTES, ret_hashes + i * SHA256_BYTES);
	return r;
}

static int read_anchor(const struct redo_parts *parts, uint8_t ret_hashes[static REDO_ANCHOR_BYTES])
{
	_cleanup_free_ void *block = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = blockdev_read(parts->below, (struct extent){0, 1}, block, BLOCK_BYTES);
	return r < 0 ? r : hash_sectors(block, ret_hashes);
}

/* The header is gone, durably: there is no record any more. */
static int retire(const struct redo_parts *parts)
{
	_cleanup_free_ void *zeros = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &zeros);
	if (r < 0)
		return r;
	memset(zeros, 0, BLOCK_BYTES);
	r = blockdev_write(
		parts->medium, (struct extent){parts->layout->redo.first, 1}, zeros, BLOCK_BYTES);
	return r < 0 ? r : blockdev_flush(parts->medium);
}

/* J1.  *ret_reached: the header may be on the medium. */
static int store(struct redo *redo, bool *ret_reached)
{
	const struct redo_record *pending = &redo->pending;
	uint64_t body = redo_body_blocks(pending->write_count, pending->discards.count);
	const struct extent area = redo->parts.layout->redo;
	struct blockdev *medium = redo->parts.medium;
	_cleanup_free_ void *blocks = NULL;
	int r;

	r = io_alloc((size_t)(1 + body) * BLOCK_BYTES, &blocks);
	if (r < 0)
		return r;
	redo->pending.sequence++;
	r = redo_record_encode(pending, redo->parts.layout, redo->parts.volume_key, blocks);
	if (r < 0)
		return r;
	r = blockdev_write(medium, (struct extent){area.first + 1, body},
		(uint8_t *)blocks + BLOCK_BYTES, (size_t)body * BLOCK_BYTES);
	if (r >= 0 && !mutant_is(MUTANT_REDO_NO_FLUSH_BEFORE_HEADER))
		r = blockdev_flush(medium);
	if (r < 0)
		return r;
	*ret_reached = true;
	r = blockdev_write(medium, (struct extent){area.first, 1}, blocks, BLOCK_BYTES);
	if (r >= 0 && !mutant_is(MUTANT_REDO_NO_FLUSH_AFTER_HEADER))
		r = blockdev_flush(medium);
	return r;
}

/* Each block in place, what is freed discarded; durable when it returns. */
static int apply(const struct redo_parts *parts, const struct redo_record *record)
{
	int r = 0;

	for (size_t i = 0; i < record->write_count && r >= 0; i++)
		r = blockdev_write(parts->below, (struct extent){record->writes[i].block, 1},
			record->writes[i].content, BLOCK_BYTES);
	for (size_t i = 0; i < record->discards.count && r >= 0; i++)
		r = blockdev_discard(parts->below, record->discards.items[i]);
	if (r < 0 || mutant_is(MUTANT_REDO_NO_FLUSH_BEFORE_RETIRE))
		return r;
	return blockdev_flush(parts->below);
}

int redo_commit(struct redo *redo)
{
	bool reached = false;
	int r;

	if (redo->failed)
		return -ENOTRECOVERABLE;
	r = prepare(redo);
	if (r < 0 || (redo->pending.write_count == 0 && redo->pending.discards.count == 0))
		return r;
	r = read_anchor(&redo->parts, redo->pending.anchor);
	if (r >= 0)
		r = store(redo, &reached);
	if (r >= 0)
		r = apply(&redo->parts, &redo->pending);
	if (r >= 0)
		r = retire(&redo->parts); /* J3 */
	if (r >= 0)
		forget(redo);
	else
		redo->failed = reached;
	return r;
}

int redo_abort(struct redo *redo)
{
	int r = 0;

	for (size_t i = 0; i < redo->zeroed.count && r >= 0 && !redo->failed; i++)
		r = blockdev_discard(redo->parts.below, redo->zeroed.items[i]);
	forget(redo);
	return r;
}

bool redo_has_failed(const struct redo *redo)
{
	return redo->failed;
}

uint64_t redo_collected_blocks(const struct redo *redo)
{
	return 1 + redo_body_blocks(redo->pending.write_count, redo->pending.discards.count);
}

uint64_t redo_capacity_blocks(const struct redo *redo)
{
	return redo->parts.layout->redo.count;
}

struct extent redo_area(const struct redo *redo)
{
	return redo->parts.layout->redo;
}

/* --- replay --- */

static int read_header(const struct redo_parts *parts, void *block, struct redo_header *ret_header)
{
	int r;

	r = blockdev_read(
		parts->medium, (struct extent){parts->layout->redo.first, 1}, block, BLOCK_BYTES);
	return r < 0 ? r : redo_header_decode(block, parts->layout, parts->volume_key, ret_header);
}

int redo_is_pending(const struct redo_parts *parts, bool *ret_pending)
{
	_cleanup_free_ void *block = NULL;
	struct redo_header header;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = read_header(parts, block, &header);
	if (r < 0 && r != -ENODATA && r != -EBADMSG)
		return r;
	*ret_pending = r != -ENODATA;
	return 0;
}

/* J4: each sector of block 0 is as it was before the change, or as it is after it. */
static int check_anchor(
	const struct redo_parts *parts, const struct redo_record *record, bool *ret_ours)
{
	uint8_t now[REDO_ANCHOR_BYTES], after[REDO_ANCHOR_BYTES];
	int r;

	memcpy(after, record->anchor, sizeof(after));
	r = read_anchor(parts, now);
	if (r >= 0 && is_held(record, 0, 0))
		r = hash_sectors(record->writes[0].content, after);
	if (r < 0)
		return r;
	*ret_ours = true;
	for (size_t i = 0; i < sizeof(now); i += SHA256_BYTES) {
		if (memcmp(now + i, record->anchor + i, SHA256_BYTES) != 0 &&
			memcmp(now + i, after + i, SHA256_BYTES) != 0)
			*ret_ours = false;
	}
	return 0;
}

static bool is_within(const struct redo_record *record, uint64_t blocks)
{
	for (size_t i = 0; i < record->write_count; i++) {
		if (record->writes[i].block >= blocks ||
			(i > 0 && record->writes[i].block <= record->writes[i - 1].block))
			return false;
	}
	for (size_t i = 0; i < record->discards.count; i++) {
		if (!extent_is_within(record->discards.items[i], blocks))
			return false;
	}
	return true;
}

static int replay_record(const struct redo_parts *parts, const struct redo_record *record,
	enum redo_outcome *ret_outcome)
{
	bool ours;
	int r;

	if (!is_within(record, blockdev_blocks(parts->below))) {
		*ret_outcome = REDO_DAMAGED;
		return 0;
	}
	r = check_anchor(parts, record, &ours);
	if (r >= 0 && ours)
		r = apply(parts, record);
	if (r >= 0)
		*ret_outcome = ours ? REDO_REPLAYED : REDO_FOREIGN;
	return r;
}

static int read_and_replay(
	const struct redo_parts *parts, void *header_block, enum redo_outcome *ret_outcome)
{
	struct redo_record record = {.sequence = 0};
	const struct extent area = parts->layout->redo;
	_cleanup_free_ void *blocks = NULL;
	struct redo_header header;
	int r;

	r = read_header(parts, header_block, &header);
	if (r < 0)
		return r;
	r = io_alloc((size_t)(1 + header.body_blocks) * BLOCK_BYTES, &blocks);
	if (r >= 0)
		r = blockdev_read(parts->medium,
			(struct extent){area.first, 1 + header.body_blocks}, blocks,
			(size_t)(1 + header.body_blocks) * BLOCK_BYTES);
	if (r >= 0)
		r = redo_record_decode(blocks, &header, parts->layout, parts->volume_key, &record);
	if (r >= 0)
		r = replay_record(parts, &record, ret_outcome);
	redo_record_done(&record);
	return r;
}

int redo_replay(const struct redo_parts *parts, enum redo_outcome *ret_outcome)
{
	enum redo_outcome outcome = REDO_NONE;
	_cleanup_free_ void *block = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r < 0)
		return r;
	r = read_and_replay(parts, block, &outcome);
	if (r == -ENODATA) {
		*ret_outcome = REDO_NONE;
		return 0;
	}
	if (r == -EBADMSG)
		outcome = REDO_DAMAGED;
	else if (r < 0)
		return r;
	*ret_outcome = outcome;
	return retire(parts);
}
