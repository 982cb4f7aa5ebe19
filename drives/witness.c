/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/witness.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES_MAX = 4096 };

struct seen {
	uint64_t block;
	bool readable, held_data;
	uint8_t digest[SHA256_BYTES];
};

struct witness {
	uint32_t block_bytes;
	uint64_t blocks;
	size_t count;
	struct seen seen[WITNESS_MAX];
};

/* --- which --- */

static void add(struct witness *witness, uint64_t block)
{
	witness->seen[witness->count++].block = block;
}

static uint64_t random_place(const uint8_t *at, struct extent of)
{
	return of.first + bytes_get_le64(at) % of.count;
}

/* Sections differ by one block at most. */
static uint64_t section_start(struct extent of, uint64_t index)
{
	return of.first + of.count / WITNESS_SECTIONS * index +
	       of.count % WITNESS_SECTIONS * index / WITNESS_SECTIONS;
}

static int choose(struct witness *witness)
{
	struct extent middle = {WITNESS_ENDS, 0};
	uint8_t random[2 * WITNESS_SECTIONS * sizeof(uint64_t)];
	int r;

	if (witness->blocks <= WITNESS_MAX) {
		for (uint64_t block = 0; block < witness->blocks; block++)
			add(witness, block);
		return 0;
	}
	r = random_bytes(random, sizeof(random));
	if (r < 0)
		return r;
	middle.count = witness->blocks - 2 * (uint64_t)WITNESS_ENDS;
	for (uint64_t block = 0; block < WITNESS_ENDS; block++)
		add(witness, block);
	for (uint64_t i = 0; i < WITNESS_SECTIONS; i++) {
		uint64_t first = section_start(middle, i);
		struct extent section = {first, section_start(middle, i + 1) - first};
		struct extent half;

		half = (struct extent){section.first, section.count / 2};
		add(witness, random_place(random + 16 * i, half));
		half = (struct extent){extent_end(half), section.count - half.count};
		add(witness, random_place(random + 16 * i + 8, half));
	}
	for (uint64_t block = witness->blocks - WITNESS_ENDS; block < witness->blocks; block++)
		add(witness, block);
	return 0;
}

/* --- look --- */

static int look(struct blockdev *bd, uint64_t block, struct seen *ret_seen)
{
	/* Aligned, so that a direct read needs no copy. */
	_Alignas(BLOCK_BYTES_MAX) uint8_t content[BLOCK_BYTES_MAX];
	uint32_t bytes = blockdev_block_bytes(bd);
	int r = blockdev_read(bd, (struct extent){block, 1}, content, bytes);

	*ret_seen = (struct seen){.block = block, .readable = r >= 0};
	if (r < 0)
		return 0;
	ret_seen->held_data = !bytes_are_uniform(content, bytes);
	return hash_sha256(content, bytes, ret_seen->digest);
}

int witness_take(struct blockdev *bd, struct witness **ret_witness)
{
	_cleanup_(witness_freep) struct witness *witness = calloc(1, sizeof(*witness));
	int r;

	if (!witness)
		return -ENOMEM;
	witness->block_bytes = blockdev_block_bytes(bd);
	witness->blocks = blockdev_blocks(bd);
	r = choose(witness);
	for (size_t i = 0; r >= 0 && i < witness->count; i++)
		r = look(bd, witness->seen[i].block, &witness->seen[i]);
	if (r < 0)
		return r;
	*ret_witness = witness;
	witness = NULL;
	return 0;
}

static enum witness_verdict judge(const struct witness_report *report)
{
	if (report->survived > 0)
		return WITNESS_SURVIVED;
	if (report->unreadable_after > 0)
		return WITNESS_UNREADABLE;
	return report->held_data > 0 ? WITNESS_CHANGED : WITNESS_SAW_NOTHING;
}

int witness_compare(
	const struct witness *witness, struct blockdev *bd, struct witness_report *ret_report)
{
	struct witness_report report = {.taken = witness->count};

	if (blockdev_block_bytes(bd) != witness->block_bytes ||
		blockdev_blocks(bd) != witness->blocks)
		return -EINVAL;
	for (size_t i = 0; i < witness->count; i++) {
		const struct seen *before = &witness->seen[i];
		struct seen after;
		int r;

		report.unreadable_before += !before->readable;
		if (!before->held_data)
			continue;
		report.held_data++;
		r = look(bd, before->block, &after);
		if (r < 0)
			return r;
		if (!after.readable)
			report.unreadable_after++;
		else if (memcmp(before->digest, after.digest, SHA256_BYTES) == 0 &&
			 report.survived++ == 0)
			report.first_survivor = before->block;
	}
	report.verdict = judge(&report);
	*ret_report = report;
	return 0;
}

/* --- for the record --- */

enum {
	MAGIC_BYTES = 8,
	BLOCK_BYTES_AT = 8,
	COUNT_AT = 12,
	BLOCKS_AT = 16,
	ENTRIES_AT = 24,
	ENTRY_BYTES = 8 + 1 + SHA256_BYTES,
	READABLE = 1,
	HELD_DATA = 2,
};

static const char magic[MAGIC_BYTES + 1] = "SGWITN01";

int witness_encode(const struct witness *witness, uint8_t ret_bytes[static WITNESS_BYTES_MAX],
	size_t *ret_used)
{
	size_t at = ENTRIES_AT;
	int r;

	memcpy(ret_bytes, magic, MAGIC_BYTES);
	bytes_put_le32(ret_bytes + BLOCK_BYTES_AT, witness->block_bytes);
	bytes_put_le32(ret_bytes + COUNT_AT, (uint32_t)witness->count);
	bytes_put_le64(ret_bytes + BLOCKS_AT, witness->blocks);
	for (size_t i = 0; i < witness->count; i++, at += ENTRY_BYTES) {
		const struct seen *seen = &witness->seen[i];

		bytes_put_le64(ret_bytes + at, seen->block);
		ret_bytes[at + 8] = (uint8_t)((seen->readable ? READABLE : 0) |
					      (seen->held_data ? HELD_DATA : 0));
		memcpy(ret_bytes + at + 9, seen->digest, SHA256_BYTES);
	}
	r = hash_sha256(ret_bytes, at, ret_bytes + at);
	if (r < 0)
		return r;
	*ret_used = at + SHA256_BYTES;
	return 0;
}

/* Blocks ascend, and lie on the medium; a block that was not read held nothing. */
static bool decode_entries(const uint8_t *data, struct witness *witness)
{
	const uint8_t *at = data + ENTRIES_AT;
	uint64_t next = 0;

	for (size_t i = 0; i < witness->count; i++, at += ENTRY_BYTES) {
		struct seen *seen = &witness->seen[i];

		seen->block = bytes_get_le64(at);
		seen->readable = at[8] & READABLE;
		seen->held_data = at[8] & HELD_DATA;
		memcpy(seen->digest, at + 9, SHA256_BYTES);
		if (seen->block < next || seen->block >= witness->blocks ||
			at[8] > (READABLE | HELD_DATA) || (seen->held_data && !seen->readable))
			return false;
		next = seen->block;
	}
	return true;
}

int witness_decode(const uint8_t *data, size_t bytes, struct witness **ret_witness)
{
	_cleanup_(witness_freep) struct witness *witness = NULL;
	uint8_t digest[SHA256_BYTES];
	size_t count;
	int r;

	if (bytes < ENTRIES_AT || memcmp(data, magic, MAGIC_BYTES) != 0)
		return -EBADMSG;
	count = bytes_get_le32(data + COUNT_AT);
	if (count > WITNESS_MAX || bytes != ENTRIES_AT + count * ENTRY_BYTES + SHA256_BYTES)
		return -EBADMSG;
	r = hash_sha256(data, bytes - SHA256_BYTES, digest);
	if (r < 0)
		return r;
	if (memcmp(digest, data + bytes - SHA256_BYTES, SHA256_BYTES) != 0)
		return -EBADMSG;
	witness = calloc(1, sizeof(*witness));
	if (!witness)
		return -ENOMEM;
	witness->count = count;
	witness->block_bytes = bytes_get_le32(data + BLOCK_BYTES_AT);
	witness->blocks = bytes_get_le64(data + BLOCKS_AT);
	if (!decode_entries(data, witness))
		return -EBADMSG;
	*ret_witness = witness;
	witness = NULL;
	return 0;
}

void witness_free(struct witness *witness)
{
	free(witness);
}
