/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A superblock that anybody may have written.  The first byte of the input says how well it was
 * forged: 1: its digest is right; 2: its HMAC too.  What is believed is sane: areas in
 * order, none empty, room in the map for every block, and it encodes to the same block's fields.
 */
#include "blockdev/layout.h"
#include "crypto/hash.h"
#include "tests/support/fuzz.h"
#include <errno.h>
#include <string.h>

static struct secret *key;

static void get_key(void)
{
	static const uint8_t bytes[64] = {1, 2, 3};

	if (!key)
		fuzz_require(secret_new_copy(bytes, sizeof(bytes), &key) == 0);
}

static void forge(uint8_t *block, unsigned int how)
{
	_cleanup_secret_ struct secret *mac_key = NULL;

	if (how & 2) {
		fuzz_require(hash_hkdf_sha256(key, block + 16, 16, "spoolguard superblock v1", 32,
				     &mac_key) == 0);
		fuzz_require(hash_hmac_sha256(mac_key, block, 4032, block + 4032) == 0);
	}
	if (how & 3)
		fuzz_require(hash_sha256(block, 4064, block + 4064) == 0);
}

static void check_sane(const struct layout *l)
{
	const struct extent areas[] = {
		l->superblock, l->map, l->state, l->stuck, l->spare, l->redo, l->scratch};

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		fuzz_require(areas[i].count > 0 && extent_end(areas[i]) > areas[i].first);
		if (i > 0)
			fuzz_require(areas[i].first == extent_end(areas[i - 1]));
	}
	fuzz_require(l->data_first >= extent_end(l->scratch));
	fuzz_require(l->blocks_per_page > 0 && l->blocks_per_page <= LAYOUT_BLOCKS_PER_PAGE);
	fuzz_require(l->data_blocks_at_format > 0);
	fuzz_require(l->data_blocks_at_format <= l->data_blocks_most);
	fuzz_require(l->map.count / 2 * l->blocks_per_page >= l->data_blocks_most);
	fuzz_require((l->data_first + l->data_blocks_most) * BLOCK_BYTES / BLOCK_BYTES ==
		     l->data_first + l->data_blocks_most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t block[BLOCK_BYTES] = {0}, again[BLOCK_BYTES];
	struct layout layout, same;
	int r;

	get_key();
	if (bytes < 1)
		return 0;
	memcpy(block, data + 1, bytes - 1 < sizeof(block) ? bytes - 1 : sizeof(block));
	forge(block, data[0]);
	(void)!layout_decode(block, NULL, &layout);
	r = layout_decode(block, key, &layout);
	if (r < 0) {
		fuzz_require(r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT ||
			     r == -EKEYREJECTED);
		return 0;
	}
	check_sane(&layout);
	fuzz_require(layout_encode(&layout, key, again) == 0);
	memset(&same, 0, sizeof(same));
	fuzz_require(layout_decode(again, key, &same) == 0);
	fuzz_require(same.data_first == layout.data_first && same.map.count == layout.map.count);
	return 0;
}

static void give(uint64_t first, uint32_t per_page, uint64_t now, uint64_t most)
{
	uint8_t seed[1 + BLOCK_BYTES];
	struct layout layout = {.blocks_per_page = 0};

	fuzz_require(layout_plan(first, per_page, now, most, &layout) == 0);
	memset(layout.volume_id, 0x5a, sizeof(layout.volume_id));
	fuzz_require(layout_encode(&layout, key, seed + 1) == 0);
	for (seed[0] = 0; seed[0] < 4; seed[0]++)
		fuzz_seed(seed, sizeof(seed));
	seed[0] = 2;
	seed[9] = 2; /* a newer version */
	fuzz_seed(seed, sizeof(seed));
}

void fuzz_seeds(void)
{
	get_key();
	give(1024, LAYOUT_BLOCKS_PER_PAGE, 262144, 4194304);
	give(3, 16, 40, 64);
}
