/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev_impl.h - for those who implement a blockdev
 *
 * Embed "struct blockdev" as the first member, call blockdev_init(), and set
 * ops.  The wrapper in blockdev.c has checked bounds, lengths and the sticky
 * flush before an op is called.
 */
#ifndef SPOOLGUARD_BLOCKDEV_BLOCKDEV_IMPL_H
#define SPOOLGUARD_BLOCKDEV_BLOCKDEV_IMPL_H

#include "blockdev/blockdev.h"
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
	_Atomic uint64_t blocks; /* may only grow */
	atomic_bool flush_failed; /* B3 */
};

void blockdev_init(struct blockdev *bd, const struct blockdev_ops *ops, uint32_t block_bytes, uint64_t blocks);
void blockdev_grow(struct blockdev *bd, uint64_t blocks);

#endif
