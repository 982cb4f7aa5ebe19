/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/ext4_fingerprint.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include <string.h>

enum {
	SUPERBLOCK_AT = 1024,
	SUPERBLOCK_BYTES = 1024,
	MAGIC_AT = SUPERBLOCK_AT + 0x38,
	MAGIC = 0xef53,
};

bool ext4_fingerprint(const uint8_t block[static BLOCK_BYTES],
	uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	memset(ret_fingerprint, 0, RESIDUE_FINGERPRINT_BYTES);
	if (bytes_get_le16(block + MAGIC_AT) != MAGIC)
		return false;
	return hash_sha256(block + SUPERBLOCK_AT, SUPERBLOCK_BYTES, ret_fingerprint) >= 0;
}
