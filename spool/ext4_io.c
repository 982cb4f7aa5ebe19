/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/ext4_io.h"
#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct blockdev *announced;

void ext4_io_use(struct blockdev *bd)
{
	announced = bd;
}

int ext4_io_errno(errcode_t error)
{
	if (error == 0)
		return 0;
	if (error > 0 && error < 4096)
		return -(int)error;
	switch (error) {
	case EXT2_ET_NO_MEMORY:
		return -ENOMEM;
	case EXT2_ET_BLOCK_ALLOC_FAIL:
	case EXT2_ET_INODE_ALLOC_FAIL:
	case EXT2_ET_DIR_NO_SPACE:
		return -ENOSPC;
	case EXT2_ET_FILE_NOT_FOUND:
		return -ENOENT;
	case EXT2_ET_FILE_EXISTS:
	case EXT2_ET_DIR_EXISTS:
		return -EEXIST;
	case EXT2_ET_NO_DIRECTORY:
		return -ENOTDIR;
	case EXT2_ET_BAD_MAGIC:
		return -EMEDIUMTYPE;
	case EXT2_ET_RO_FILSYS:
		return -EROFS;
	default:
		return -EIO;
	}
}

static struct blockdev *device_of(io_channel channel)
{
	return channel->private_data;
}

static errcode_t do_open(const char *name, int flags, io_channel *ret_channel)
{
	io_channel channel = calloc(1, sizeof(*channel));

	(void)flags;
	if (!channel)
		return EXT2_ET_NO_MEMORY;
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = ext4_io_manager();
	channel->name = strdup(name);
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = announced;
	if (!channel->name || !announced) {
		free(channel->name);
		free(channel);
		return EXT2_ET_NO_MEMORY;
	}
	*ret_channel = channel;
	return 0;
}

static errcode_t do_close(io_channel channel)
{
	if (--channel->refcount > 0)
		return 0;
	free(channel->name);
	free(channel);
	return 0;
}

static errcode_t do_set_blksize(io_channel channel, int block_size)
{
	channel->block_size = block_size;
	return 0;
}

/* The bytes that block and count name (a negative count is bytes), and the whole blocks around
 * them. */
struct span {
	uint64_t offset;
	size_t bytes;
	struct extent around;
};

static struct span span_of(io_channel channel, unsigned long long block, int count)
{
	struct span span = {.offset = block * (uint64_t)channel->block_size};
	uint64_t end;

	span.bytes = count < 0 ? (size_t)-count : (size_t)count * (size_t)channel->block_size;
	span.around.first = span.offset / BLOCK_BYTES;
	end = (span.offset + span.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	span.around.count = end - span.around.first;
	return span;
}

static bool is_whole(const struct span *span)
{
	return span->offset % BLOCK_BYTES == 0 && span->bytes % BLOCK_BYTES == 0;
}

static errcode_t do_read_blk64(io_channel channel, unsigned long long block, int count, void *data)
{
	struct span span = span_of(channel, block, count);
	size_t around_bytes = (size_t)span.around.count * BLOCK_BYTES;
	_cleanup_free_ void *copy = NULL;
	int r;

	if (is_whole(&span))
		return -blockdev_read(device_of(channel), span.around, data, span.bytes);
	r = io_alloc(around_bytes, &copy);
	if (r >= 0)
		r = blockdev_read(device_of(channel), span.around, copy, around_bytes);
	if (r >= 0)
		memcpy(data, (uint8_t *)copy + span.offset % BLOCK_BYTES, span.bytes);
	return -r;
}

static errcode_t write_span(io_channel channel, struct span span, const void *data)
{
	size_t around_bytes = (size_t)span.around.count * BLOCK_BYTES;
	_cleanup_free_ void *copy = NULL;
	int r;

	if (is_whole(&span))
		return -blockdev_write(device_of(channel), span.around, data, span.bytes);
	r = io_alloc(around_bytes, &copy);
	if (r >= 0)
		r = blockdev_read(device_of(channel), span.around, copy, around_bytes);
	if (r >= 0) {
		memcpy((uint8_t *)copy + span.offset % BLOCK_BYTES, data, span.bytes);
		r = blockdev_write(device_of(channel), span.around, copy, around_bytes);
	}
	return -r;
}

static errcode_t do_write_blk64(
	io_channel channel, unsigned long long block, int count, const void *data)
{
	return write_span(channel, span_of(channel, block, count), data);
}

static errcode_t do_read_blk(io_channel channel, unsigned long block, int count, void *data)
{
	return do_read_blk64(channel, block, count, data);
}

static errcode_t do_write_blk(io_channel channel, unsigned long block, int count, const void *data)
{
	return do_write_blk64(channel, block, count, data);
}

static errcode_t do_write_byte(
	io_channel channel, unsigned long offset, int count, const void *data)
{
	struct span span = {.offset = offset, .bytes = (size_t)count};

	span.around.first = offset / BLOCK_BYTES;
	span.around.count =
		(offset + span.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES - span.around.first;
	return write_span(channel, span, data);
}

static errcode_t do_flush(io_channel channel)
{
	return -blockdev_flush(device_of(channel));
}

static errcode_t do_discard(io_channel channel, unsigned long long block, unsigned long long count)
{
	if (channel->block_size != (int)BLOCK_BYTES)
		return EXT2_ET_UNIMPLEMENTED;
	return -blockdev_discard(device_of(channel), (struct extent){block, count});
}

io_manager ext4_io_manager(void)
{
	static struct struct_io_manager manager = {
		.magic = EXT2_ET_MAGIC_IO_MANAGER,
		.name = "spoolguard",
		.open = do_open,
		.close = do_close,
		.set_blksize = do_set_blksize,
		.read_blk = do_read_blk,
		.write_blk = do_write_blk,
		.flush = do_flush,
		.write_byte = do_write_byte,
		.read_blk64 = do_read_blk64,
		.write_blk64 = do_write_blk64,
		.discard = do_discard,
	};

	return &manager;
}
