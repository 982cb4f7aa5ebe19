/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map page and a redo record with any bytes changed: the very one that was sealed, or refused.
 * Input: which of both (first byte), then what is added (xor) to the sealed blocks.
 */
#include "blockdev/map_page.h"
#include "blockdev/redo_record.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

enum { WRITES = 2, DISCARDS = 3 };

static struct secret *key;
static struct layout layout;
static struct map_sealer *sealer;
static uint8_t page[BLOCK_BYTES], body[MAP_PAGE_BODY_BYTES];
static uint8_t record_blocks[16 * BLOCK_BYTES];
static size_t record_bytes;
static uint8_t contents[WRITES][BLOCK_BYTES];

static void prepare(void)
{
	struct redo_write writes[WRITES];
	struct redo_record record = {.sequence = 5, .writes = writes, .write_count = WRITES};

	if (key)
		return;
	fuzz_require(secret_new_random(64, &key) == 0);
	fuzz_require(layout_plan(0, 16, 40, 64, &layout) == 0);
	fuzz_require(map_sealer_new(key, layout.volume_id, &sealer) == 0);
	memset(body, 0x22, sizeof(body));
	fuzz_require(map_page_encode(
			     sealer, (struct map_page_id){MAP_PAGE_STATES, 1}, 3, body, page) == 0);
	for (size_t i = 0; i < WRITES; i++) {
		memset(contents[i], 'a' + (int)i, BLOCK_BYTES);
		writes[i] = (struct redo_write){7 * i + 1, contents[i]};
	}
	for (uint64_t i = 0; i < DISCARDS; i++)
		fuzz_require(
			extent_list_add(&record.discards, (struct extent){20 + 3 * i, 2}) == 0);
	record_bytes = (size_t)(1 + redo_body_blocks(WRITES, DISCARDS)) * BLOCK_BYTES;
	fuzz_require(record_bytes <= sizeof(record_blocks));
	fuzz_require(redo_record_encode(&record, &layout, key, record_blocks) == 0);
	extent_list_done(&record.discards);
}

static void try_page(const uint8_t *data, size_t bytes)
{
	uint8_t changed[BLOCK_BYTES], out[MAP_PAGE_BODY_BYTES];
	uint64_t generation;
	int r;

	memcpy(changed, page, sizeof(changed));
	for (size_t i = 0; i < bytes && i < sizeof(changed); i++)
		changed[i] ^= data[i];
	r = map_page_decode(
		sealer, (struct map_page_id){MAP_PAGE_STATES, 1}, changed, &generation, out);
	if (memcmp(changed, page, sizeof(page)) != 0)
		fuzz_require(r == -EBADMSG);
	else
		fuzz_require(r == 0 && generation == 3 && memcmp(out, body, sizeof(out)) == 0);
}

static void try_record(const uint8_t *data, size_t bytes)
{
	static uint8_t changed[sizeof(record_blocks)];
	struct redo_record record;
	struct redo_header header;
	int r;

	memcpy(changed, record_blocks, record_bytes);
	for (size_t i = 0; i < bytes && i < record_bytes; i++)
		changed[i] ^= data[i];
	r = redo_header_decode(changed, &layout, key, &header);
	fuzz_require(r == 0 || r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT);
	if (r < 0)
		return;
	/* It authenticates: its numbers are ours. */
	fuzz_require(header.write_count == WRITES && header.discard_count == DISCARDS);
	fuzz_require((1 + header.body_blocks) * BLOCK_BYTES == record_bytes);
	r = redo_record_decode(changed, &header, &layout, key, &record);
	fuzz_require(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	fuzz_require(record.write_count == WRITES && record.sequence == 5);
	for (size_t i = 0; i < WRITES; i++)
		fuzz_require(memcmp(record.writes[i].content, contents[i], BLOCK_BYTES) == 0);
	fuzz_require(extent_list_blocks(&record.discards) == 2 * DISCARDS);
	redo_record_done(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	prepare();
	if (bytes < 1)
		return 0;
	if (data[0] & 1)
		try_record(data + 1, bytes - 1);
	else
		try_page(data + 1, bytes - 1);
	return 0;
}

void fuzz_seeds(void)
{
	static uint8_t seed[1 + 4 * BLOCK_BYTES];

	prepare();
	for (size_t at = 0; at < 600; at += 7) {
		for (unsigned int which = 0; which < 2; which++) {
			memset(seed, 0, sizeof(seed));
			seed[0] = (uint8_t)which;
			seed[1 + at] = (uint8_t)(1u << at % 8);
			fuzz_seed(seed, 1 + at + 1);
		}
	}
	memset(seed, 0, sizeof(seed));
	fuzz_seed(seed, sizeof(seed));
	seed[0] = 1;
	fuzz_seed(seed, sizeof(seed));
}
