/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/map_page.h"
#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Byte offsets in the header. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_KIND = 10,
	AT_NUMBER = 16,
	AT_GENERATION = 24,
	AT_SALT = 32,
	AT_NONCE = 64,
	AT_TAG = 80,
	AT_RESERVED = 96,
	AT_BODY = MAP_PAGE_HEADER_BYTES,
};

static const uint8_t magic[8] = {'S', 'P', 'G', 'D', 'M', 'A', 'P', '1'};
static const char key_use[] = "spoolguard map v1";

/* Pages written by many attaches have many salts; loading reads them in order, so a few keys
 * suffice. */
#define CACHED_KEYS 16

struct cached_key {
	uint8_t salt[MAP_PAGE_SALT_BYTES];
	struct aead *aead; /* NULL: free */
};

struct map_sealer {
	const struct secret *volume_key;
	uint8_t volume_id[LAYOUT_UUID_BYTES];
	uint8_t salt[MAP_PAGE_SALT_BYTES];
	struct aead *aead;
	uint64_t nonce;
	struct cached_key cache[CACHED_KEYS];
	size_t next_victim;
};

static int derive(const struct secret *volume_key, const uint8_t *salt, struct aead **ret_aead)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = hash_hkdf_sha256(volume_key, salt, MAP_PAGE_SALT_BYTES, key_use, AEAD_KEY_BYTES, &key);
	if (r < 0)
		return r;
	return aead_new(key, ret_aead);
}

int map_sealer_new(const struct secret *volume_key,
	const uint8_t volume_id[static LAYOUT_UUID_BYTES], struct map_sealer **ret_sealer)
{
	struct map_sealer *sealer = calloc(1, sizeof(*sealer));
	int r;

	if (!sealer)
		return -ENOMEM;
	sealer->volume_key = volume_key;
	memcpy(sealer->volume_id, volume_id, LAYOUT_UUID_BYTES);
	r = random_bytes(sealer->salt, sizeof(sealer->salt));
	if (r >= 0)
		r = derive(volume_key, sealer->salt, &sealer->aead);
	if (r < 0) {
		map_sealer_free(sealer);
		return r;
	}
	*ret_sealer = sealer;
	return 0;
}

void map_sealer_free(struct map_sealer *sealer)
{
	if (!sealer)
		return;
	for (size_t i = 0; i < CACHED_KEYS; i++)
		aead_free(sealer->cache[i].aead);
	aead_free(sealer->aead);
	free(sealer);
}

/* What is authenticated beside the body: the header up to the tag, and the volume's id. */
#define ASSOCIATED_BYTES (AT_TAG + LAYOUT_UUID_BYTES)

static void fill_associated(
	const struct map_sealer *sealer, const uint8_t *block, uint8_t ret[static ASSOCIATED_BYTES])
{
	memcpy(ret, block, AT_TAG);
	memcpy(ret + AT_TAG, sealer->volume_id, LAYOUT_UUID_BYTES);
}

int map_page_encode(struct map_sealer *sealer, struct map_page_id id, uint64_t generation,
	const uint8_t body[static MAP_PAGE_BODY_BYTES], uint8_t ret_block[static BLOCK_BYTES])
{
	uint8_t associated[ASSOCIATED_BYTES];

	assert(sealer->nonce < UINT64_MAX); /* M6: a nonce is never used twice */
	memset(ret_block, 0, MAP_PAGE_HEADER_BYTES);
	memcpy(ret_block + AT_MAGIC, magic, sizeof(magic));
	bytes_put_le16(ret_block + AT_VERSION, MAP_PAGE_VERSION);
	bytes_put_le16(ret_block + AT_KIND, (uint16_t)id.kind);
	bytes_put_le64(ret_block + AT_NUMBER, id.number);
	bytes_put_le64(ret_block + AT_GENERATION, generation);
	memcpy(ret_block + AT_SALT, sealer->salt, MAP_PAGE_SALT_BYTES);
	bytes_put_le64(ret_block + AT_NONCE, sealer->nonce++);

	fill_associated(sealer, ret_block, associated);
	return aead_seal(sealer->aead, ret_block + AT_NONCE, associated, sizeof(associated), body,
		MAP_PAGE_BODY_BYTES, ret_block + AT_BODY, ret_block + AT_TAG);
}

static int find_key(struct map_sealer *sealer, const uint8_t *salt, struct aead **ret_aead)
{
	struct cached_key *slot;
	struct aead *aead;
	int r;

	if (memcmp(salt, sealer->salt, MAP_PAGE_SALT_BYTES) == 0) {
		*ret_aead = sealer->aead;
		return 0;
	}
	for (size_t i = 0; i < CACHED_KEYS; i++) {
		slot = &sealer->cache[i];
		if (slot->aead && memcmp(salt, slot->salt, MAP_PAGE_SALT_BYTES) == 0) {
			*ret_aead = slot->aead;
			return 0;
		}
	}

	r = derive(sealer->volume_key, salt, &aead);
	if (r < 0)
		return r;
	slot = &sealer->cache[sealer->next_victim];
	sealer->next_victim = (sealer->next_victim + 1) % CACHED_KEYS;
	aead_free(slot->aead);
	slot->aead = aead;
	memcpy(slot->salt, salt, MAP_PAGE_SALT_BYTES);
	*ret_aead = aead;
	return 0;
}

static bool header_is(const uint8_t *block, struct map_page_id id)
{
	return memcmp(block + AT_MAGIC, magic, sizeof(magic)) == 0 &&
	       bytes_get_le16(block + AT_KIND) == id.kind &&
	       bytes_get_le64(block + AT_NUMBER) == id.number &&
	       bytes_are(block + AT_RESERVED, AT_BODY - AT_RESERVED, 0);
}

int map_page_decode(struct map_sealer *sealer, struct map_page_id id,
	const uint8_t block[static BLOCK_BYTES], uint64_t *ret_generation,
	uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	uint8_t associated[ASSOCIATED_BYTES];
	uint16_t version = bytes_get_le16(block + AT_VERSION);
	struct aead *aead;
	int r;

	if (!header_is(block, id) || version == 0)
		return -EBADMSG;
	r = find_key(sealer, block + AT_SALT, &aead);
	if (r < 0)
		return r;
	fill_associated(sealer, block, associated);
	r = aead_open(aead, block + AT_NONCE, associated, sizeof(associated), block + AT_BODY,
		MAP_PAGE_BODY_BYTES, ret_body, block + AT_TAG);
	if (r < 0)
		return r;
	/* Only now: a rotten bit in the number is damage of one page, not a newer version. */
	if (version > MAP_PAGE_VERSION)
		return -EPROTONOSUPPORT;
	*ret_generation = bytes_get_le64(block + AT_GENERATION);
	return 0;
}
