/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/file_map.h"
#include "base/io.h"
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define BATCH 256u

void file_map_done(struct file_map *map)
{
	free(map->pieces);
	*map = (struct file_map){.pieces = NULL};
}

static int add(struct file_map *map, const struct fiemap_extent *extent)
{
	const uint32_t passing = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED;

	if (map->count == FILE_MAP_PIECES_MAX)
		return -EFBIG;
	if (map->count == map->capacity) {
		size_t capacity = map->capacity ? 2 * map->capacity : BATCH;
		void *pieces = realloc(map->pieces, capacity * sizeof(*map->pieces));

		if (!pieces)
			return -ENOMEM;
		map->pieces = pieces;
		map->capacity = capacity;
	}
	map->pieces[map->count++] = (struct file_piece){
		.logical = extent->fe_logical,
		.physical = extent->fe_flags & FIEMAP_EXTENT_UNKNOWN ? 0 : extent->fe_physical,
		.bytes = extent->fe_length,
		.flags = extent->fe_flags & ~passing,
	};
	map->all_flags |= extent->fe_flags & ~passing;
	return 0;
}

/* 1: there may be more; 0: that was the last. */
static int read_batch(int fd, struct fiemap *request, uint64_t *from, struct file_map *map)
{
	int r = 0;

	memset(request, 0, sizeof(*request));
	request->fm_start = *from;
	request->fm_length = FIEMAP_MAX_OFFSET - *from;
	request->fm_flags = FIEMAP_FLAG_SYNC;
	request->fm_extent_count = BATCH;
	if (ioctl(fd, FS_IOC_FIEMAP, request) < 0)
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	for (uint32_t i = 0; i < request->fm_mapped_extents && r >= 0; i++) {
		const struct fiemap_extent *extent = &request->fm_extents[i];

		/* An answer that does not move on would be asked for ever. */
		if (extent->fe_length == 0 || extent->fe_logical + extent->fe_length <= *from)
			return -EIO;
		r = add(map, extent);
		*from = extent->fe_logical + extent->fe_length;
		if (extent->fe_flags & FIEMAP_EXTENT_LAST)
			return r;
	}
	return r < 0 ? r : request->fm_mapped_extents > 0;
}

int file_map_read(int fd, struct file_map *map)
{
	_cleanup_free_ struct fiemap *request =
		calloc(1, sizeof(*request) + BATCH * sizeof(request->fm_extents[0]));
	uint64_t from = 0;
	int r = 1;

	file_map_done(map);
	if (!request)
		return -ENOMEM;
	while (r > 0)
		r = read_batch(fd, request, &from, map);
	if (r < 0)
		file_map_done(map);
	return r;
}

/* One step of a walk over both maps: the run that both describe from where they stand. */
struct cursor {
	const struct file_map *map;
	size_t piece;
	uint64_t into;
};

static bool is_at_end(const struct cursor *cursor)
{
	return cursor->piece == cursor->map->count;
}

static void advance(struct cursor *cursor, uint64_t bytes)
{
	cursor->into += bytes;
	if (cursor->into == cursor->map->pieces[cursor->piece].bytes) {
		cursor->piece++;
		cursor->into = 0;
	}
}

bool file_map_is_equal(const struct file_map *a, const struct file_map *b)
{
	struct cursor left = {a, 0, 0}, right = {b, 0, 0};

	while (!is_at_end(&left) && !is_at_end(&right)) {
		const struct file_piece *l = &a->pieces[left.piece], *r = &b->pieces[right.piece];
		uint64_t l_rest = l->bytes - left.into, r_rest = r->bytes - right.into;
		uint64_t some = l_rest < r_rest ? l_rest : r_rest;

		if (l->logical + left.into != r->logical + right.into ||
			l->physical + left.into != r->physical + right.into)
			return false;
		advance(&left, some);
		advance(&right, some);
	}
	return is_at_end(&left) && is_at_end(&right);
}

uint64_t file_map_end(const struct file_map *map)
{
	const struct file_piece *last;

	if (map->count == 0)
		return 0;
	last = &map->pieces[map->count - 1];
	return last->logical + last->bytes;
}
