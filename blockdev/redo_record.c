/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/redo_record.h"
#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Byte offsets in the header block. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_SEQUENCE = 16,
	AT_WRITES = 24,
	AT_DISCARDS = 32,
	AT_BODY_BLOCKS = 40,
	AT_SALT = 64,
	AT_BODY_TAG = 96,
	AT_HEADER_TAG = 112,
	AT_REST = 128,
};

enum { TARGET_BYTES = 8, RUN_BYTES = 16 };

static const uint8_t magic[8] = {'S', 'P', 'G', 'D', 'R', 'E', 'D', '1'};
static const char key_use[] = "spoolguard redo v1";

/* A key is of one record (its salt is random), so that two fixed nonces suffice. */
static const uint8_t body_nonce[AEAD_NONCE_BYTES] = {0};
static const uint8_t header_nonce[AEAD_NONCE_BYTES] = {1};

static uint64_t table_blocks(uint64_t writes, uint64_t discards)
{
	uint64_t bytes = REDO_ANCHOR_BYTES + writes * TARGET_BYTES + discards * RUN_BYTES;

	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

uint64_t redo_body_blocks(uint64_t writes, uint64_t discards)
{
	return table_blocks(writes, discards) + writes;
}

static int derive(const struct secret *volume_key, const uint8_t *block, struct aead **ret_aead)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = hash_hkdf_sha256(
		volume_key, block + AT_SALT, REDO_SALT_BYTES, key_use, AEAD_KEY_BYTES, &key);
	return r < 0 ? r : aead_new(key, ret_aead);
}

/* The header up to "end", and the volume's id. */
static size_t fill_associated(const uint8_t *block, size_t end, const struct layout *layout,
	uint8_t ret[static AT_HEADER_TAG + LAYOUT_UUID_BYTES])
{
	memcpy(ret, block, end);
	memcpy(ret + end, layout->volume_id, LAYOUT_UUID_BYTES);
	return end + LAYOUT_UUID_BYTES;
}

static void fill_body(const struct redo_record *record, uint8_t *body, uint64_t body_blocks)
{
	uint8_t *at = body + REDO_ANCHOR_BYTES;
	uint8_t *contents = body + (body_blocks - record->write_count) * BLOCK_BYTES;

	memset(body, 0, (size_t)(contents - body));
	memcpy(body, record->anchor, REDO_ANCHOR_BYTES);
	for (size_t i = 0; i < record->write_count; i++, at += TARGET_BYTES) {
		bytes_put_le64(at, record->writes[i].block);
		memcpy(contents + i * BLOCK_BYTES, record->writes[i].content, BLOCK_BYTES);
	}
	for (size_t i = 0; i < record->discards.count; i++, at += RUN_BYTES) {
		bytes_put_le64(at, record->discards.items[i].first);
		bytes_put_le64(at + 8, record->discards.items[i].count);
	}
}

int redo_record_encode(const struct redo_record *record, const struct layout *layout,
	const struct secret *volume_key, uint8_t *blocks)
{
	uint64_t body_blocks = redo_body_blocks(record->write_count, record->discards.count);
	uint8_t associated[AT_HEADER_TAG + LAYOUT_UUID_BYTES];
	_cleanup_(aead_freep) struct aead *aead = NULL;
	uint8_t *body = blocks + BLOCK_BYTES;
	uint8_t nothing = 0;
	size_t bytes;
	int r;

	memset(blocks, 0, BLOCK_BYTES);
	memcpy(blocks + AT_MAGIC, magic, sizeof(magic));
	bytes_put_le32(blocks + AT_VERSION, REDO_VERSION);
	bytes_put_le64(blocks + AT_SEQUENCE, record->sequence);
	bytes_put_le64(blocks + AT_WRITES, record->write_count);
	bytes_put_le64(blocks + AT_DISCARDS, record->discards.count);
	bytes_put_le64(blocks + AT_BODY_BLOCKS, body_blocks);
	fill_body(record, body, body_blocks);
	r = random_bytes(blocks + AT_SALT, REDO_SALT_BYTES);
	if (r >= 0)
		r = derive(volume_key, blocks, &aead);
	if (r < 0)
		return r;

	bytes = fill_associated(blocks, AT_BODY_TAG, layout, associated);
	r = aead_seal(aead, body_nonce, associated, bytes, body, (size_t)body_blocks * BLOCK_BYTES,
		body, blocks + AT_BODY_TAG);
	if (r < 0)
		return r;
	bytes = fill_associated(blocks, AT_HEADER_TAG, layout, associated);
	return aead_seal(aead, header_nonce, associated, bytes, &nothing, 0, &nothing,
		blocks + AT_HEADER_TAG);
}

/* Numbers that do not fit one another or the area are damage, whoever sealed them. */
static bool is_sane(const struct redo_header *header, const struct layout *layout)
{
	uint64_t most = layout->redo.count;

	return most > 1 && header->write_count < most &&
	       header->discard_count <= most * (BLOCK_BYTES / RUN_BYTES) &&
	       header->body_blocks < most &&
	       header->body_blocks == redo_body_blocks(header->write_count, header->discard_count);
}

int redo_header_decode(const uint8_t block[static BLOCK_BYTES], const struct layout *layout,
	const struct secret *volume_key, struct redo_header *ret_header)
{
	struct redo_header header = {
		.sequence = bytes_get_le64(block + AT_SEQUENCE),
		.write_count = bytes_get_le64(block + AT_WRITES),
		.discard_count = bytes_get_le64(block + AT_DISCARDS),
		.body_blocks = bytes_get_le64(block + AT_BODY_BLOCKS),
	};
	uint8_t associated[AT_HEADER_TAG + LAYOUT_UUID_BYTES];
	_cleanup_(aead_freep) struct aead *aead = NULL;
	uint8_t nothing = 0;
	size_t bytes;
	int r;

	if (memcmp(block + AT_MAGIC, magic, sizeof(magic)) != 0)
		return -ENODATA;
	r = derive(volume_key, block, &aead);
	if (r < 0)
		return r;
	/* The tag comes before the version, so that a rotted version is damage and not "newer". */
	bytes = fill_associated(block, AT_HEADER_TAG, layout, associated);
	r = aead_open(aead, header_nonce, associated, bytes, &nothing, 0, &nothing,
		block + AT_HEADER_TAG);
	if (r < 0)
		return r;
	if (bytes_get_le32(block + AT_VERSION) > REDO_VERSION)
		return -EPROTONOSUPPORT;
	if (bytes_get_le32(block + AT_VERSION) != REDO_VERSION || !is_sane(&header, layout))
		return -EBADMSG;
	*ret_header = header;
	return 0;
}

static int decode_table(uint8_t *body, const struct redo_header *header, struct redo_record *record)
{
	uint8_t *contents = body + (header->body_blocks - header->write_count) * BLOCK_BYTES;
	uint8_t *at = body + REDO_ANCHOR_BYTES;
	int r = 0;

	record->sequence = header->sequence;
	memcpy(record->anchor, body, REDO_ANCHOR_BYTES);
	record->writes = calloc(header->write_count + 1, sizeof(*record->writes));
	if (!record->writes)
		return -ENOMEM;
	record->write_count = header->write_count;
	for (size_t i = 0; i < record->write_count; i++, at += TARGET_BYTES) {
		record->writes[i].block = bytes_get_le64(at);
		record->writes[i].content = contents + i * BLOCK_BYTES;
	}
	for (uint64_t i = 0; i < header->discard_count && r >= 0; i++, at += RUN_BYTES)
		r = extent_list_add(&record->discards,
			(struct extent){bytes_get_le64(at), bytes_get_le64(at + 8)});
	return r == -EINVAL ? -EBADMSG : r;
}

int redo_record_decode(uint8_t *blocks, const struct redo_header *header,
	const struct layout *layout, const struct secret *volume_key,
	struct redo_record *ret_record)
{
	size_t body_bytes = (size_t)header->body_blocks * BLOCK_BYTES;
	uint8_t associated[AT_HEADER_TAG + LAYOUT_UUID_BYTES];
	_cleanup_(aead_freep) struct aead *aead = NULL;
	struct redo_record record = {.sequence = 0};
	uint8_t *body = blocks + BLOCK_BYTES;
	size_t bytes;
	int r;

	r = derive(volume_key, blocks, &aead);
	if (r < 0)
		return r;
	bytes = fill_associated(blocks, AT_BODY_TAG, layout, associated);
	r = aead_open(
		aead, body_nonce, associated, bytes, body, body_bytes, body, blocks + AT_BODY_TAG);
	if (r >= 0)
		r = decode_table(body, header, &record);
	if (r < 0) {
		redo_record_done(&record);
		return r;
	}
	*ret_record = record;
	return 0;
}

void redo_record_done(struct redo_record *record)
{
	free(record->writes);
	extent_list_done(&record->discards);
	*record = (struct redo_record){.sequence = 0};
}
