/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/memory_disk.h"
#include "blockdev/blockdev_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_disk {
	struct blockdev bd; /* first */
	uint8_t *bytes;
};

uint8_t *memory_disk_bytes(struct blockdev *disk)
{
	return ((struct memory_disk *)disk)->bytes;
}

static int disk_read(struct blockdev *bd, struct extent at, void *buf)
{
	memcpy(buf, memory_disk_bytes(bd) + at.first * BLOCK_BYTES, at.count * BLOCK_BYTES);
	return 0;
}

static int disk_write(struct blockdev *bd, struct extent at, const void *buf)
{
	memcpy(memory_disk_bytes(bd) + at.first * BLOCK_BYTES, buf, at.count * BLOCK_BYTES);
	return 0;
}

static int disk_flush(struct blockdev *bd)
{
	(void)bd;
	return 0;
}

static void disk_close(struct blockdev *bd)
{
	free(memory_disk_bytes(bd));
	free(bd);
}

static const struct blockdev_ops ops = {
	.read = disk_read,
	.write = disk_write,
	.flush = disk_flush,
	.close = disk_close,
};

int memory_disk_new(uint64_t blocks, struct blockdev **ret_disk)
{
	struct memory_disk *disk = calloc(1, sizeof(*disk));

	if (disk)
		disk->bytes = calloc(blocks, BLOCK_BYTES);
	if (!disk || !disk->bytes) {
		free(disk);
		return -ENOMEM;
	}
	blockdev_init(&disk->bd, &ops, BLOCK_BYTES, blocks);
	*ret_disk = &disk->bd;
	return 0;
}
