/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev.c - the checks that stand in front of every blockdev (B1 to B4 in blockdev.h)
 */
#include "blockdev/blockdev_impl.h"
#include <assert.h>
#include <errno.h>

uint32_t blockdev_block_bytes(const struct blockdev *bd)
{
	return bd->block_bytes;
}

uint64_t blockdev_blocks(const struct blockdev *bd)
{
	return atomic_load(&bd->blocks);
}

/* B1, then B4: the product cannot wrap once the extent is known to lie on the device. */
static int check_transfer(const struct blockdev *bd, struct extent at, size_t buf_bytes)
{
	if (!extent_is_within(at, blockdev_blocks(bd)))
		return -ERANGE;
	assert(buf_bytes == at.count * bd->block_bytes);
	return 0;
}

int blockdev_read(struct blockdev *bd, struct extent at, void *buf, size_t buf_bytes)
{
	int r = check_transfer(bd, at, buf_bytes);

	if (r < 0 || at.count == 0)
		return r;
	return bd->ops->read(bd, at, buf);
}

int blockdev_write(struct blockdev *bd, struct extent at, const void *buf, size_t buf_bytes)
{
	int r = check_transfer(bd, at, buf_bytes);

	if (r < 0 || at.count == 0)
		return r;
	return bd->ops->write(bd, at, buf);
}

int blockdev_write_consuming(struct blockdev *bd, struct extent at, void *buf, size_t buf_bytes)
{
	int r = check_transfer(bd, at, buf_bytes);

	if (r < 0 || at.count == 0)
		return r;
	if (!bd->ops->write_consuming)
		return bd->ops->write(bd, at, buf);
	return bd->ops->write_consuming(bd, at, buf);
}

/*
 * B3.  The kernel tells of a lost write once and then forgets it, so that a
 * second flush would succeed.  The flag is looked at again afterwards: a flush
 * that ran beside one that failed may owe its success to that.
 */
int blockdev_flush(struct blockdev *bd)
{
	int r;

	if (atomic_load(&bd->flush_failed))
		return -EIO;
	r = bd->ops->flush(bd);
	if (r < 0) {
		atomic_store(&bd->flush_failed, true);
		return r;
	}
	return atomic_load(&bd->flush_failed) ? -EIO : 0;
}

int blockdev_discard(struct blockdev *bd, struct extent at)
{
	if (!extent_is_within(at, blockdev_blocks(bd)))
		return -ERANGE;
	if (!bd->ops->discard)
		return -EOPNOTSUPP;
	return at.count == 0 ? 0 : bd->ops->discard(bd, at);
}

struct blockdev *blockdev_close(struct blockdev *bd)
{
	if (bd)
		bd->ops->close(bd);
	return NULL;
}
