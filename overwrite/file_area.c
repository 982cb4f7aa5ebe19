/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/file_area.h"
#include "base/bytes.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Network file systems report transfer sizes here: no file's last block is larger than this. */
#define BLOCK_BYTES_MAX 65536u
#define LARGE_BLOCK	4096u
#define SMALL_BLOCK	512u

void file_area_done(struct file_area *area)
{
	file_map_done(&area->before);
	extent_list_done(&area->runs);
}

static int add_range(struct file_area *area, uint64_t from, uint64_t end)
{
	uint64_t first = from / area->block_bytes;
	uint64_t behind;

	if (end > area->grown)
		end = area->grown;
	behind = bytes_align_up(end, area->block_bytes) / area->block_bytes;
	if (behind <= first)
		return 0;
	return extent_list_add(&area->runs, (struct extent){first, behind - first});
}

static int add_pieces(struct file_area *area)
{
	int r = 0;

	for (size_t i = 0; i < area->before.count && r >= 0; i++) {
		const struct file_piece *piece = &area->before.pieces[i];

		r = add_range(area, piece->logical, piece->logical + piece->bytes);
	}
	return r;
}

/* Where no map is to be had: all that is no hole. */
static int add_data(int fd, struct file_area *area)
{
	off_t at = 0, end;
	int r = 0;

	while (r >= 0 && (uint64_t)at < area->size) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : add_range(area, 0, area->grown);
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = add_range(area, (uint64_t)at, (uint64_t)end);
		at = end;
	}
	return r;
}

static int plan(int fd, struct file_area *area)
{
	struct statfs fs;
	struct stat st;
	uint64_t block;
	int r;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	block = (uint64_t)fs.f_bsize;
	if (block < SMALL_BLOCK || block > BLOCK_BYTES_MAX || (block & (block - 1)) != 0)
		block = LARGE_BLOCK;
	area->size = (uint64_t)st.st_size;
	area->grown = bytes_align_up(area->size, block);

	r = file_map_read(fd, &area->before);
	area->is_mapped = r >= 0;
	if (r < 0 && r != -EOPNOTSUPP && r != -EINVAL)
		return r;
	if (area->is_mapped && file_map_end(&area->before) > area->grown)
		area->grown = bytes_align_up(file_map_end(&area->before), block);
	area->block_bytes = area->grown % LARGE_BLOCK == 0 ? LARGE_BLOCK : SMALL_BLOCK;
	r = area->is_mapped ? add_pieces(area) : add_data(fd, area);
	area->area_bytes = extent_list_blocks(&area->runs) * area->block_bytes;
	return r;
}

int file_area_plan(int fd, struct file_area *area)
{
	int r;

	*area = (struct file_area){.size = 0};
	r = plan(fd, area);
	if (r < 0)
		file_area_done(area);
	return r;
}

int file_area_grow(int fd, const struct file_area *area)
{
	if (area->grown == area->size)
		return 0;
	return ftruncate(fd, (off_t)area->grown) < 0 ? -errno : 0;
}

int file_area_settle(int fd, const struct file_area *area, bool *ret_moved)
{
	struct file_map after = {.pieces = NULL};
	bool moved = false;
	int r = 0;

	/* While it is still long: what was allocated beyond the end is compared too. */
	if (area->is_mapped) {
		r = file_map_read(fd, &after);
		moved = r < 0 || !file_map_is_equal(&area->before, &after);
		file_map_done(&after);
	}
	if (area->grown != area->size && ftruncate(fd, (off_t)area->size) < 0)
		return -errno;
	if (fsync(fd) < 0)
		return -errno;
	*ret_moved = moved;
	return 0;
}
