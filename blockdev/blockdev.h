/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev.h - block storage that can be stacked
 *
 * One type for a raw disk, an image file, and every layer that wraps another
 * blockdev.  A caller never learns which one it holds; tests use that to put
 * a lying disk under real code.  Extents count the device's own blocks
 * (blockdev_block_bytes: 512 or 4096).
 *
 *   B1  No transfer leaves the device (-ERANGE).
 *   B2  A transfer is whole: the entire extent, or an error.
 *   B3  Once a flush has failed, no later flush reports success (-EIO).
 *   B4  buf_bytes equals the extent's bytes (a broken contract: assert).
 *
 * Threads: every call may come from any thread at once.
 * Errors: -EIO and what the layer below says; -EROFS for a write to a
 * read-only device; -EOPNOTSUPP for a discard where there is none.
 */
#ifndef SPOOLGUARD_BLOCKDEV_BLOCKDEV_H
#define SPOOLGUARD_BLOCKDEV_BLOCKDEV_H

#include "base/extent.h"
#include "base/macros.h"
#include <stdint.h>

#define BLOCK_BYTES 4096u /* the block of a spoolguard volume and of its map */

struct blockdev;

uint32_t blockdev_block_bytes(const struct blockdev *bd);
uint64_t blockdev_blocks(const struct blockdev *bd);
static inline uint64_t blockdev_bytes(const struct blockdev *bd)
{
	return blockdev_blocks(bd) * blockdev_block_bytes(bd);
}

must_check int blockdev_read(struct blockdev *bd, struct extent at, void *buf, size_t buf_bytes);
must_check int blockdev_write(
	struct blockdev *bd, struct extent at, const void *buf, size_t buf_bytes);

/* The same, and buf may be scribbled over (a cipher encrypts in it instead of copying). */
must_check int blockdev_write_consuming(
	struct blockdev *bd, struct extent at, void *buf, size_t buf_bytes);

must_check int blockdev_flush(struct blockdev *bd);
must_check int blockdev_discard(struct blockdev *bd, struct extent at);

/* Takes bd (NULL is fine); returns NULL: bd = blockdev_close(bd).  Layers below are not closed. */
struct blockdev *blockdev_close(struct blockdev *bd);

static inline may_be_unused void blockdev_closep(struct blockdev **bd)
{
	*bd = blockdev_close(*bd);
}

#endif
