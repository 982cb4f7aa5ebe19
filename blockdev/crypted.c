/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/crypted.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "crypto/xts.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define TWEAK_UNIT_BYTES 512u /* plain64 counts these, whatever the sector size */
#define COPY_BYTES	 (1u << 20)

struct crypted {
	struct blockdev bd;
	struct blockdev *parent;
	struct xts *xts;
	uint32_t sector_bytes;
	uint64_t iv_offset;
};

static uint64_t tweak_at(const struct crypted *c, uint64_t block)
{
	return c->iv_offset + block * (c->bd.block_bytes / TWEAK_UNIT_BYTES);
}

static size_t bytes_of(const struct crypted *c, struct extent at)
{
	return (size_t)at.count * c->bd.block_bytes;
}

static int do_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct crypted *c = (struct crypted *)bd;
	int r;

	r = blockdev_read(c->parent, at, buf, bytes_of(c, at));
	if (r < 0)
		return r;
	return xts_decrypt(c->xts, tweak_at(c, at.first), c->sector_bytes / TWEAK_UNIT_BYTES,
		c->sector_bytes, buf, buf, bytes_of(c, at));
}

static int encrypt_and_write(struct crypted *c, struct extent at, const void *from, void *to)
{
	int r;

	r = xts_encrypt(c->xts, tweak_at(c, at.first), c->sector_bytes / TWEAK_UNIT_BYTES,
		c->sector_bytes, from, to, bytes_of(c, at));
	if (r < 0)
		return r;
	return blockdev_write_consuming(c->parent, at, to, bytes_of(c, at));
}

static int do_write_consuming(struct blockdev *bd, struct extent at, void *buf)
{
	return encrypt_and_write((struct crypted *)bd, at, buf, buf);
}

static int do_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct crypted *c = (struct crypted *)bd;
	uint64_t most = COPY_BYTES / bd->block_bytes;
	_cleanup_free_ void *copy = NULL;
	const uint8_t *from = buf;
	int r;

	r = io_alloc(bytes_of(c, (struct extent){0, at.count < most ? at.count : most}), &copy);
	while (at.count > 0 && r >= 0) {
		struct extent some = {at.first, at.count < most ? at.count : most};

		r = encrypt_and_write(c, some, from, copy);
		from += bytes_of(c, some);
		at.first += some.count;
		at.count -= some.count;
	}
	return r;
}

static int do_flush(struct blockdev *bd)
{
	return blockdev_flush(((struct crypted *)bd)->parent);
}

static void do_close(struct blockdev *bd)
{
	struct crypted *c = (struct crypted *)bd;

	xts_free(c->xts);
	free(c);
}

static const struct blockdev_ops ops = {
	.read = do_read,
	.write = do_write,
	.write_consuming = do_write_consuming,
	.flush = do_flush,
	.close = do_close,
};

int crypted_new(struct blockdev *parent, const struct secret *key, uint32_t sector_bytes,
	uint64_t iv_offset, struct blockdev **ret_bd)
{
	struct crypted *c;
	int r;

	assert(sector_bytes == 512 || sector_bytes == 4096);
	assert(blockdev_block_bytes(parent) % sector_bytes == 0);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->parent = parent;
	c->sector_bytes = sector_bytes;
	c->iv_offset = iv_offset;
	blockdev_init(&c->bd, &ops, blockdev_block_bytes(parent), blockdev_blocks(parent));
	r = xts_new(key, &c->xts);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret_bd = &c->bd;
	return 0;
}

void crypted_refresh_size(struct blockdev *crypted)
{
	blockdev_grow(crypted, blockdev_blocks(((struct crypted *)crypted)->parent));
}
