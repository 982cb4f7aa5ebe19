/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where things are on a volume's medium, and the superblock that says so
 *
 * docs/ONDISK.md draws it; all numbers are 4096-byte blocks of the medium.
 *
 *   LUKS2 headers | key slots | superblock, copy | map | state | stuck | spare
 *                 | redo | scratch | data
 *
 * The superblock is written once, by format.  It is in the clear (its magic is
 * how a lost token is noticed) and carries an HMAC under a key derived from the
 * volume key, which also names that key: after a re-encryption it does not match.
 * A plain digest tells damage from that, and lets it be recognised without a key.
 */
#ifndef SPOOLGUARD_BLOCKDEV_LAYOUT_H
#define SPOOLGUARD_BLOCKDEV_LAYOUT_H

#include "base/extent.h"
#include "base/problem.h"
#include "blockdev/blockdev.h"
#include "crypto/secret.h"
#include <stdint.h>

#define LAYOUT_VERSION		1
#define LAYOUT_UUID_BYTES	16
#define LAYOUT_SUPERBLOCK_BYTES (4ull << 20) /* byte offset: behind LUKS2 headers and key slots */
#define LAYOUT_BLOCKS_PER_PAGE	7680	     /* 4 bits a block in 3840 bytes */
#define LAYOUT_SCHEME_BYTES	32
#define LAYOUT_SPARE_IV_OFFSET                                                                     \
	(1ull << 60) /* the spare area's tweaks: far beyond any data segment's */

struct layout {
	uint8_t volume_id[LAYOUT_UUID_BYTES]; /* random, of this format */
	uint32_t blocks_per_page;	      /* LAYOUT_BLOCKS_PER_PAGE, less in tests */
	struct extent superblock;	      /* two blocks: the first and its copy */
	struct extent map;		/* two slots a page, page by page, up to the largest size */
	struct extent state;		/* two slots */
	struct extent stuck;		/* two slots */
	struct extent spare;		/* clean blocks for STUCK ones */
	struct extent redo;		/* redo record of the in-process file system port */
	struct extent scratch;		/* for self-tests on the real medium */
	uint64_t data_first;		/* where the data segment begins */
	uint64_t data_blocks_at_format; /* the size now is in the state page */
	uint64_t data_blocks_most;	/* the map has room for this many */
};

/*
 * Lays out a volume whose superblock is at superblock_first, that holds data_blocks now and
 * may grow to data_blocks_most.  Fills all but volume_id.  -EOVERFLOW.
 */
must_check int layout_plan(uint64_t superblock_first, uint32_t blocks_per_page,
	uint64_t data_blocks, uint64_t data_blocks_most, struct layout *ret_layout);

/* Pure.  A superblock is one block. */
must_check int layout_encode(const struct layout *layout, const struct secret *volume_key,
	uint8_t ret_block[static BLOCK_BYTES]);
/*
 * -ENODATA: no magic; -EBADMSG: damaged; -EPROTONOSUPPORT: newer version; -EKEYREJECTED:
 * whole, but of another volume key.  volume_key may be NULL: the HMAC is not checked.
 */
must_check int layout_decode(const uint8_t block[static BLOCK_BYTES],
	const struct secret *volume_key, struct layout *ret_layout);

/*
 * Both copies, each durable before the next; reads whichever is whole.  The errors of
 * layout_decode, and what the device says.  A newer version is refused even if the other
 * copy could be read.
 */
must_check int layout_write(
	struct blockdev *device, const struct layout *layout, const struct secret *volume_key);
must_check int layout_read_at(struct blockdev *device, uint64_t superblock_first,
	const struct secret *volume_key, struct layout *ret_layout, struct problem *reterr_problem);
/* How many of the two copies are whole (and, with a key, authentic) and say what layout says.
 * What the device says if one cannot be read is no error: it is not whole. */
must_check int layout_check_copies(struct blockdev *device, const struct layout *layout,
	const struct secret *volume_key, uint32_t *ret_whole);
/* At LAYOUT_SUPERBLOCK_BYTES, where volumes have it. */
must_check int layout_read(struct blockdev *device, const struct secret *volume_key,
	struct layout *ret_layout, struct problem *reterr_problem);

#endif
