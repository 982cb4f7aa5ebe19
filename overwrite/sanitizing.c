/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/sanitizing.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/ext4_fingerprint.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BLOCKS 256u

struct sanitizing {
	struct blockdev bd;
	struct residue *residue;
	struct eraser *eraser;
	void *copy; /* COPY_BLOCKS: residue_write scribbles over what it is given */
};

static int do_read(struct blockdev *bd, struct extent at, void *buf)
{
	return residue_read(((struct sanitizing *)bd)->residue, at, buf);
}

/* Pays what is owed under the write, then writes. */
static int write_some(struct sanitizing *s, struct extent at, const void *buf)
{
	size_t bytes = (size_t)at.count * BLOCK_BYTES;
	struct extent_list wanted = {0};
	struct eraser_report report;
	struct extent owed;
	int r;

	memcpy(s->copy, buf, bytes);
	r = residue_write(s->residue, at, s->copy, &owed);
	if (r != -EBUSY)
		return r;

	r = extent_list_add(&wanted, at);
	if (r >= 0)
		r = eraser_run(s->eraser, &wanted, &report);
	extent_list_done(&wanted);
	if (r < 0)
		return r;
	memcpy(s->copy, buf, bytes);
	r = residue_write(s->residue, at, s->copy, &owed);
	return r == -EBUSY ? -EIO
			   : r; /* still owed: the map is not trusted yet, or the medium refuses */
}

/* The file system's superblock passes through: what it looks like is remembered, as the volume's
 * other ports do. */
static void note_superblock(struct residue *residue, const uint8_t *block)
{
	uint8_t fingerprint[RESIDUE_FINGERPRINT_BYTES];

	if (ext4_fingerprint(block, fingerprint))
		residue_set_fingerprint(residue, fingerprint);
}

static int do_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct sanitizing *s = (struct sanitizing *)bd;
	const uint8_t *from = buf;
	int r = 0;

	if (at.first == 0)
		note_superblock(s->residue, buf);
	while (at.count > 0 && r >= 0) {
		struct extent some = {at.first, at.count < COPY_BLOCKS ? at.count : COPY_BLOCKS};

		r = write_some(s, some, from);
		from += some.count * BLOCK_BYTES;
		at.first += some.count;
		at.count -= some.count;
	}
	return r;
}

static int do_flush(struct blockdev *bd)
{
	return residue_flush(((struct sanitizing *)bd)->residue);
}

static int do_discard(struct blockdev *bd, struct extent at)
{
	return residue_discard(((struct sanitizing *)bd)->residue, at);
}

static void do_close(struct blockdev *bd)
{
	struct sanitizing *s = (struct sanitizing *)bd;

	free(s->copy);
	free(s);
}

static const struct blockdev_ops ops = {
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.discard = do_discard,
	.close = do_close,
};

int sanitizing_new(struct residue *residue, struct eraser *eraser, struct blockdev **ret_bd)
{
	struct sanitizing *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = io_alloc((size_t)COPY_BLOCKS * BLOCK_BYTES, &s->copy);
	if (r < 0) {
		free(s);
		return r;
	}
	s->residue = residue;
	s->eraser = eraser;
	blockdev_init(&s->bd, &ops, BLOCK_BYTES, residue_blocks(residue));
	*ret_bd = &s->bd;
	return 0;
}
