/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev_impl.h - for those who implement a blockdev
 *
 * Embed "struct blockdev" as the first member and call blockdev_init().  The
 * wrapper in blockdev.c has checked bounds, lengths and the sticky flush before
 * an op is called, and never calls one for an empty extent.
 */
#ifndef SPOOLGUARD_BLOCKDEV_BLOCKDEV_IMPL_H
#define SPOOLGUARD_BLOCKDEV_BLOCKDEV_IMPL_H

#include "blockdev/blockdev.h"
#include <assert.h>
#include <stdatomic.h>

struct blockdev_ops {
	/* Required.  buf holds the whole extent. */
	int (*read)(struct blockdev *bd, struct extent at, void *buf);
	int (*write)(struct blockdev *bd, struct extent at, const void *buf);
	int (*flush)(struct blockdev *bd);
	/* Optional: NULL means that write is called. */
	int (*write_consuming)(struct blockdev *bd, struct extent at, void *buf);
	/* Optional: NULL means -EOPNOTSUPP. */
	int (*discard)(struct blockdev *bd, struct extent at);
	/* Required: frees bd itself. */
	void (*close)(struct blockdev *bd);
};

struct blockdev {
	const struct blockdev_ops *ops;
	uint32_t block_bytes;
	_Atomic uint64_t blocks;  /* may only grow */
	atomic_bool flush_failed; /* B3 */
};

/* Inline, so that a test's blockdev needs nothing of this folder's archive. */
static inline void blockdev_init(
	struct blockdev *bd, const struct blockdev_ops *ops, uint32_t block_bytes, uint64_t blocks)
{
	assert(block_bytes == 512 || block_bytes == 4096);
	assert(ops->read && ops->write && ops->flush && ops->close);
	bd->ops = ops;
	bd->block_bytes = block_bytes;
	atomic_init(&bd->blocks, blocks);
	atomic_init(&bd->flush_failed, false);
}

static inline void blockdev_grow(struct blockdev *bd, uint64_t blocks)
{
	assert(blocks >= atomic_load(&bd->blocks));
	atomic_store(&bd->blocks, blocks);
}

#endif
