/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redo_record.h - one redo record: encoded, sealed, and read again
 *
 * docs/ONDISK.md has the bytes.  A record is a header block, whose first 512 bytes
 * say everything, and a sealed body behind it: the table of what is to be written
 * and discarded, then the new content of each block.  The header authenticates the
 * body's tag, so that only a body that was wholly there when the header was written
 * is ever believed.  Pure.
 *
 * Units: blocks of BLOCK_BYTES.
 */
#ifndef SPOOLGUARD_BLOCKDEV_REDO_RECORD_H
#define SPOOLGUARD_BLOCKDEV_REDO_RECORD_H

#include "base/extent.h"
#include "blockdev/blockdev.h"
#include "blockdev/layout.h"
#include "crypto/secret.h"
#include <stdint.h>

#define REDO_VERSION	  1u
#define REDO_SALT_BYTES	  32u
#define REDO_ANCHOR_BYTES 256u /* SHA-256 of each 512-byte sector of block 0, as it was before */

struct redo_write {
	uint64_t block;
	uint8_t *content; /* BLOCK_BYTES */
};

struct redo_record {
	uint64_t sequence;
	uint8_t anchor[REDO_ANCHOR_BYTES];
	struct redo_write *writes; /* sorted by block */
	size_t write_count;
	struct extent_list discards;
};

/* What the header says before the body is read. */
struct redo_header {
	uint64_t sequence;
	uint64_t write_count;
	uint64_t discard_count;
	uint64_t body_blocks;
};

/* Blocks that a body of so much takes. */
uint64_t redo_body_blocks(uint64_t writes, uint64_t discards);

/* blocks: 1 + redo_body_blocks(), the header first. */
must_check int redo_record_encode(const struct redo_record *record, const struct layout *layout,
	const struct secret *volume_key, uint8_t *blocks);

/*
 * -ENODATA: no record; -EBADMSG: there was one, and it is damaged; -EPROTONOSUPPORT:
 * of a newer version.
 */
must_check int redo_header_decode(const uint8_t block[static BLOCK_BYTES],
	const struct layout *layout, const struct secret *volume_key,
	struct redo_header *ret_header);

/*
 * blocks: header and body (1 + body_blocks); the body is opened in place, and the
 * contents of ret_record lie in it.  redo_record_done() frees the lists only.  -EBADMSG.
 */
must_check int redo_record_decode(uint8_t *blocks, const struct redo_header *header,
	const struct layout *layout, const struct secret *volume_key,
	struct redo_record *ret_record);
void redo_record_done(struct redo_record *record);

#endif
