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
		struct extent section = {middle.first + middle.count / WITNESS_SECTIONS * i,
			middle.count / WITNESS_SECTIONS};

		if (i + 1 == WITNESS_SECTIONS)
			section.count += middle.count % WITNESS_SECTIONS;
		add(witness, random_place(random + 16 * i, section));
		add(witness, random_place(random + 16 * i + 8, section));
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

void witness_free(struct witness *witness)
{
	free(witness);
}
