/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/window.h"
#include "blockdev/blockdev_impl.h"
#include <errno.h>
#include <stdlib.h>

struct window {
	struct blockdev bd;
	struct blockdev *parent;
	uint64_t first;
};

static struct extent in_parent(const struct window *w, struct extent at)
{
	return (struct extent){w->first + at.first, at.count};
}

static size_t bytes_of(const struct blockdev *bd, struct extent at)
{
	return (size_t)at.count * bd->block_bytes;
}

static int do_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct window *w = (struct window *)bd;

	return blockdev_read(w->parent, in_parent(w, at), buf, bytes_of(bd, at));
}

static int do_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct window *w = (struct window *)bd;

	return blockdev_write(w->parent, in_parent(w, at), buf, bytes_of(bd, at));
}

static int do_write_consuming(struct blockdev *bd, struct extent at, void *buf)
{
	struct window *w = (struct window *)bd;

	return blockdev_write_consuming(w->parent, in_parent(w, at), buf, bytes_of(bd, at));
}

static int do_flush(struct blockdev *bd)
{
	return blockdev_flush(((struct window *)bd)->parent);
}

static int do_discard(struct blockdev *bd, struct extent at)
{
	struct window *w = (struct window *)bd;

	return blockdev_discard(w->parent, in_parent(w, at));
}

static void do_close(struct blockdev *bd)
{
	free(bd);
}

static const struct blockdev_ops ops = {
	.read = do_read,
	.write = do_write,
	.write_consuming = do_write_consuming,
	.flush = do_flush,
	.discard = do_discard,
	.close = do_close,
};

int window_new(struct blockdev *parent, struct extent run, struct blockdev **ret_bd)
{
	struct window *w;

	if (!extent_is_within(run, blockdev_blocks(parent)))
		return -ERANGE;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->parent = parent;
	w->first = run.first;
	blockdev_init(&w->bd, &ops, blockdev_block_bytes(parent), run.count);
	*ret_bd = &w->bd;
	return 0;
}

int window_grow(struct blockdev *window, uint64_t blocks)
{
	struct window *w = (struct window *)window;

	if (blocks < blockdev_blocks(window) ||
		!extent_is_within((struct extent){w->first, blocks}, blockdev_blocks(w->parent)))
		return -ERANGE;
	blockdev_grow(window, blocks);
	return 0;
}
