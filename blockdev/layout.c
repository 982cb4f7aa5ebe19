/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/layout.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Byte offsets in the superblock (docs/ONDISK.md). */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_BLOCKS_PER_PAGE = 12,
	AT_VOLUME_ID = 16,
	AT_DATA_FIRST = 32,
	AT_DATA_AT_FORMAT = 40,
	AT_DATA_MOST = 48,
	AT_EXTENTS = 64, /* seven, 16 bytes each */
	AT_MAC = BLOCK_BYTES - 2 * SHA256_BYTES,
	AT_DIGEST = BLOCK_BYTES - SHA256_BYTES,
	EXTENT_BYTES = 16,
};

static const uint8_t magic[8] = {'S', 'P', 'G', 'D', 'S', 'U', 'P', '1'};
static const char mac_use[] = "spoolguard superblock v1";

#define SPARE_BLOCKS   240u
#define REDO_BLOCKS    1024u
#define SCRATCH_BLOCKS 16u
#define DATA_ALIGNMENT 256u /* 1 MiB */

/* Geometries this small exist only in simulated devices. */
#define SMALL_PAGE 256u

int layout_plan(uint64_t superblock_first, uint32_t blocks_per_page, uint64_t data_blocks,
	uint64_t data_blocks_most, struct layout *ret_layout)
{
	bool small = blocks_per_page < SMALL_PAGE;
	struct layout layout = {.blocks_per_page = blocks_per_page};
	uint64_t pages, at = superblock_first;

	assert(blocks_per_page > 0 && blocks_per_page <= LAYOUT_BLOCKS_PER_PAGE);
	if (data_blocks_most < data_blocks)
		data_blocks_most = data_blocks;
	if (data_blocks_most > UINT64_MAX / BLOCK_BYTES / 4 ||
		superblock_first > UINT64_MAX / BLOCK_BYTES / 4)
		return -EOVERFLOW;
	pages = (data_blocks_most + blocks_per_page - 1) / blocks_per_page;

	layout.superblock = (struct extent){at, 2};
	at = extent_end(layout.superblock);
	layout.map = (struct extent){at, 2 * pages};
	at = extent_end(layout.map);
	layout.state = (struct extent){at, 2};
	at = extent_end(layout.state);
	layout.stuck = (struct extent){at, 2};
	at = extent_end(layout.stuck);
	layout.spare = (struct extent){at, small ? 4 : SPARE_BLOCKS};
	at = extent_end(layout.spare);
	layout.redo = (struct extent){at, small ? 2 : REDO_BLOCKS};
	at = extent_end(layout.redo);
	layout.scratch = (struct extent){at, small ? 1 : SCRATCH_BLOCKS};
	at = extent_end(layout.scratch);
	layout.data_first = small ? at : bytes_align_up(at, DATA_ALIGNMENT);
	layout.data_blocks_at_format = data_blocks;
	layout.data_blocks_most = data_blocks_most;
	*ret_layout = layout;
	return 0;
}

/* The extents in the order in which they stand on the medium. */
static void list_extents(struct layout *layout, struct extent *ret[static 7])
{
	ret[0] = &layout->superblock;
	ret[1] = &layout->map;
	ret[2] = &layout->state;
	ret[3] = &layout->stuck;
	ret[4] = &layout->spare;
	ret[5] = &layout->redo;
	ret[6] = &layout->scratch;
}

static int make_mac(
	const uint8_t *block, const struct secret *volume_key, uint8_t ret_mac[static SHA256_BYTES])
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = hash_hkdf_sha256(
		volume_key, block + AT_VOLUME_ID, LAYOUT_UUID_BYTES, mac_use, SHA256_BYTES, &key);
	if (r < 0)
		return r;
	return hash_hmac_sha256(key, block, AT_MAC, ret_mac);
}

int layout_encode(const struct layout *layout, const struct secret *volume_key,
	uint8_t ret_block[static BLOCK_BYTES])
{
	struct layout copy = *layout;
	struct extent *extents[7];
	int r;

	memset(ret_block, 0, BLOCK_BYTES);
	memcpy(ret_block + AT_MAGIC, magic, sizeof(magic));
	bytes_put_le32(ret_block + AT_VERSION, LAYOUT_VERSION);
	bytes_put_le32(ret_block + AT_BLOCKS_PER_PAGE, layout->blocks_per_page);
	memcpy(ret_block + AT_VOLUME_ID, layout->volume_id, LAYOUT_UUID_BYTES);
	bytes_put_le64(ret_block + AT_DATA_FIRST, layout->data_first);
	bytes_put_le64(ret_block + AT_DATA_AT_FORMAT, layout->data_blocks_at_format);
	bytes_put_le64(ret_block + AT_DATA_MOST, layout->data_blocks_most);
	list_extents(&copy, extents);
	for (size_t i = 0; i < ARRAY_SIZE(extents); i++) {
		bytes_put_le64(ret_block + AT_EXTENTS + i * EXTENT_BYTES, extents[i]->first);
		bytes_put_le64(ret_block + AT_EXTENTS + i * EXTENT_BYTES + 8, extents[i]->count);
	}
	r = make_mac(ret_block, volume_key, ret_block + AT_MAC);
	if (r < 0)
		return r;
	return hash_sha256(ret_block, AT_DIGEST, ret_block + AT_DIGEST);
}

/* Numbers that contradict one another are damage, whoever wrote them. */
static bool is_sane(struct layout *layout)
{
	struct extent *extents[7];
	uint64_t at, pages;

	if (layout->blocks_per_page == 0 || layout->blocks_per_page > LAYOUT_BLOCKS_PER_PAGE ||
		layout->data_blocks_at_format == 0 ||
		layout->data_blocks_at_format > layout->data_blocks_most ||
		layout->data_blocks_most > UINT64_MAX / BLOCK_BYTES / 4)
		return false;
	list_extents(layout, extents);
	at = extents[0]->first;
	for (size_t i = 0; i < ARRAY_SIZE(extents); i++) {
		if (extents[i]->count == 0 || extents[i]->first != at ||
			extents[i]->count > UINT64_MAX / BLOCK_BYTES / 4 ||
			at > UINT64_MAX / BLOCK_BYTES / 4)
			return false;
		at = extent_end(*extents[i]);
	}
	pages = (layout->data_blocks_most + layout->blocks_per_page - 1) / layout->blocks_per_page;
	return layout->superblock.count == 2 && layout->map.count == 2 * pages &&
	       layout->state.count == 2 && layout->stuck.count == 2 && layout->data_first >= at &&
	       layout->data_first <= UINT64_MAX / BLOCK_BYTES / 4;
}

static void decode_fields(const uint8_t *block, struct layout *ret_layout)
{
	struct layout layout = {
		.blocks_per_page = bytes_get_le32(block + AT_BLOCKS_PER_PAGE),
		.data_first = bytes_get_le64(block + AT_DATA_FIRST),
		.data_blocks_at_format = bytes_get_le64(block + AT_DATA_AT_FORMAT),
		.data_blocks_most = bytes_get_le64(block + AT_DATA_MOST),
	};
	struct extent *extents[7];

	memcpy(layout.volume_id, block + AT_VOLUME_ID, LAYOUT_UUID_BYTES);
	list_extents(&layout, extents);
	for (size_t i = 0; i < ARRAY_SIZE(extents); i++) {
		extents[i]->first = bytes_get_le64(block + AT_EXTENTS + i * EXTENT_BYTES);
		extents[i]->count = bytes_get_le64(block + AT_EXTENTS + i * EXTENT_BYTES + 8);
	}
	*ret_layout = layout;
}

/* The digest comes before the version, so that a rotted version is damage and not "newer". */
static int check_whole(const uint8_t *block)
{
	uint8_t digest[SHA256_BYTES];
	int r;

	if (memcmp(block + AT_MAGIC, magic, sizeof(magic)) != 0)
		return -ENODATA;
	r = hash_sha256(block, AT_DIGEST, digest);
	if (r < 0)
		return r;
	return memcmp(digest, block + AT_DIGEST, sizeof(digest)) == 0 ? 0 : -EBADMSG;
}

int layout_decode(const uint8_t block[static BLOCK_BYTES], const struct secret *volume_key,
	struct layout *ret_layout)
{
	uint8_t mac[SHA256_BYTES];
	struct layout layout;
	int r;

	r = check_whole(block);
	if (r < 0)
		return r;
	if (bytes_get_le32(block + AT_VERSION) > LAYOUT_VERSION)
		return -EPROTONOSUPPORT;
	decode_fields(block, &layout);
	if (bytes_get_le32(block + AT_VERSION) != LAYOUT_VERSION || !is_sane(&layout))
		return -EBADMSG;
	if (volume_key) {
		r = make_mac(block, volume_key, mac);
		if (r < 0)
			return r;
		if (!secret_is_equal(mac, block + AT_MAC, sizeof(mac)))
			return -EKEYREJECTED;
	}
	*ret_layout = layout;
	return 0;
}

/* One copy is durable before the other is touched: a crash leaves one of them whole. */
int layout_write(
	struct blockdev *device, const struct layout *layout, const struct secret *volume_key)
{
	_cleanup_free_ void *block = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = layout_encode(layout, volume_key, block);
	for (uint64_t copy = 0; copy < 2 && r >= 0; copy++) {
		r = blockdev_write(device, (struct extent){layout->superblock.first + copy, 1},
			block, BLOCK_BYTES);
		if (r >= 0)
			r = blockdev_flush(device);
	}
	return r;
}

static int explain(int error, uint64_t superblock_first, struct problem *reterr_problem)
{
	switch (error) {
	case -ENODATA:
		return problem_set(reterr_problem, error,
			"there is no spoolguard superblock at byte %" PRIu64
			": this volume has no residue map; make one with \"spoolguard format\", or "
			"use it as encryption only",
			superblock_first * BLOCK_BYTES);
	case -EPROTONOSUPPORT:
		return problem_set(reterr_problem, error,
			"the volume was made by a newer version of spoolguard; use that version or "
			"a newer one");
	case -EKEYREJECTED:
		return problem_set(reterr_problem, error,
			"the residue map belongs to another volume key: the volume was "
			"re-encrypted, or the map comes from another volume; what is owed is not "
			"known any more, so copy the data off and format anew");
	case -EBADMSG:
		return problem_set(reterr_problem, error,
			"both copies of the spoolguard superblock (byte %" PRIu64
			") are damaged; restore the image from a copy, or save the data with "
			"\"cryptsetup open\" and format anew",
			superblock_first * BLOCK_BYTES);
	default:
		return problem_set(reterr_problem, error,
			"the spoolguard superblock (byte %" PRIu64
			") cannot be read: %s; check the device",
			superblock_first * BLOCK_BYTES, strerror(-error));
	}
}

/* Of two failures the one that says more: another key, cannot be read, damaged, not there. */
static int more_telling(int a, int b)
{
	static const int order[] = {0, -ENODATA, -EBADMSG};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (a == order[i])
			return b;
		if (b == order[i])
			return a;
	}
	return b == -EKEYREJECTED ? b : a;
}

static int read_copy(struct blockdev *device, struct extent at, void *block,
	const struct secret *volume_key, struct layout *ret_layout)
{
	int r;

	if (!extent_is_within(at, blockdev_blocks(device)))
		return -ENODATA; /* a device this short has no superblock */
	r = blockdev_read(device, at, block, BLOCK_BYTES);
	return r < 0 ? r : layout_decode(block, volume_key, ret_layout);
}

int layout_read_at(struct blockdev *device, uint64_t superblock_first,
	const struct secret *volume_key, struct layout *ret_layout, struct problem *reterr_problem)
{
	_cleanup_free_ void *block = NULL;
	struct layout layout;
	int failure = 0, r;

	assert(blockdev_block_bytes(device) == BLOCK_BYTES);
	r = io_alloc(BLOCK_BYTES, &block);
	if (r < 0)
		return r;
	for (uint64_t copy = 0; copy < 2; copy++) {
		r = read_copy(device, (struct extent){superblock_first + copy, 1}, block,
			volume_key, &layout);
		if (r >= 0 && layout.superblock.first != superblock_first)
			r = -EBADMSG; /* whole, but it was written for another place */
		if (r >= 0) {
			*ret_layout = layout;
			return 0;
		}
		if (r == -EPROTONOSUPPORT)
			return explain(r, superblock_first, reterr_problem);
		failure = more_telling(failure, r);
	}
	return explain(failure, superblock_first, reterr_problem);
}

static bool is_same(const struct layout *a, const struct layout *b)
{
	struct layout left = *a, right = *b;
	struct extent *lefts[7], *rights[7];

	list_extents(&left, lefts);
	list_extents(&right, rights);
	for (size_t i = 0; i < ARRAY_SIZE(lefts); i++) {
		if (lefts[i]->first != rights[i]->first || lefts[i]->count != rights[i]->count)
			return false;
	}
	return memcmp(a->volume_id, b->volume_id, LAYOUT_UUID_BYTES) == 0 &&
	       a->blocks_per_page == b->blocks_per_page && a->data_first == b->data_first &&
	       a->data_blocks_at_format == b->data_blocks_at_format &&
	       a->data_blocks_most == b->data_blocks_most;
}

int layout_check_copies(struct blockdev *device, const struct layout *layout,
	const struct secret *volume_key, uint32_t *ret_whole)
{
	_cleanup_free_ void *block = NULL;
	struct layout found;
	uint32_t whole = 0;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r < 0)
		return r;
	for (uint64_t copy = 0; copy < layout->superblock.count; copy++) {
		struct extent at = {layout->superblock.first + copy, 1};

		r = read_copy(device, at, block, volume_key, &found);
		whole += r >= 0 && is_same(&found, layout);
	}
	*ret_whole = whole;
	return 0;
}

int layout_read(struct blockdev *device, const struct secret *volume_key, struct layout *ret_layout,
	struct problem *reterr_problem)
{
	return layout_read_at(device, LAYOUT_SUPERBLOCK_BYTES / BLOCK_BYTES, volume_key, ret_layout,
		reterr_problem);
}
