/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_page.h - one page of the map area: sealed, one block
 *
 * Layout in docs/ONDISK.md.  The body is AES-256-GCM under a key that HKDF makes
 * of the volume key and the salt in the page (M6: a fresh salt for each attach,
 * a counter as nonce); the header and the volume's id are authenticated with it.
 *
 * Pure but for the cache of derived keys.  Threads: one caller at a time.
 */
#ifndef SPOOLGUARD_BLOCKDEV_MAP_PAGE_H
#define SPOOLGUARD_BLOCKDEV_MAP_PAGE_H

#include "blockdev/blockdev.h"
#include "blockdev/layout.h"
#include "crypto/secret.h"
#include <stdint.h>

#define MAP_PAGE_BODY_BYTES   3840u
#define MAP_PAGE_HEADER_BYTES 256u
#define MAP_PAGE_SALT_BYTES   32u
#define MAP_PAGE_VERSION      1u

enum map_page_kind {
	MAP_PAGE_STATES = 1, /* 4 bits a block */
	MAP_PAGE_VOLUME = 2, /* size, clean mark, fingerprint */
	MAP_PAGE_STUCK = 3,  /* blocks that the medium refused */
};

struct map_page_id {
	enum map_page_kind kind;
	uint64_t number;
};

struct map_sealer;

/* Draws the salt of this attach.  volume_key is borrowed for the sealer's life. */
must_check int map_sealer_new(const struct secret *volume_key,
	const uint8_t volume_id[static LAYOUT_UUID_BYTES], struct map_sealer **ret_sealer);
void map_sealer_free(struct map_sealer *sealer);

must_check int map_page_encode(struct map_sealer *sealer, struct map_page_id id,
	uint64_t generation, const uint8_t body[static MAP_PAGE_BODY_BYTES],
	uint8_t ret_block[static BLOCK_BYTES]);

/* -EBADMSG: not such a page, or it does not authenticate; -EPROTONOSUPPORT: it does, and is of a
 * newer version. */
must_check int map_page_decode(struct map_sealer *sealer, struct map_page_id id,
	const uint8_t block[static BLOCK_BYTES], uint64_t *ret_generation,
	uint8_t ret_body[static MAP_PAGE_BODY_BYTES]);

#endif
