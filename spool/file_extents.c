/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/file_extents.h"
#include "base/io.h"
#include "blockdev/blockdev.h"
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define EXTENTS_A_CALL 512u

/* What makes an extent one that an overwrite in place would miss, in words. */
static const char *unsuitable(uint32_t flags)
{
	if (flags & FIEMAP_EXTENT_SHARED)
		return "shares blocks with another file";
	if (flags & FIEMAP_EXTENT_DATA_INLINE)
		return "lies inside its inode";
	if (flags & (FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_ENCRYPTED))
		return "is compressed or encrypted by the file system";
	if (flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC))
		return "has no place on the medium yet";
	if (flags & FIEMAP_EXTENT_NOT_ALIGNED)
		return "is not aligned to blocks";
	return NULL;
}

static int add_extent(const struct fiemap_extent *from, const char *name,
	struct extent_list *extents, struct problem *reterr_problem)
{
	const char *why = unsuitable(from->fe_flags);

	if (why || from->fe_physical % BLOCK_BYTES != 0 || from->fe_length % BLOCK_BYTES != 0)
		return problem_set(reterr_problem, -EOPNOTSUPP,
			"%s %s: it cannot be overwritten in place; nothing was erased", name,
			why ? why : "is not aligned to blocks");
	return extent_list_add(extents,
		(struct extent){from->fe_physical / BLOCK_BYTES, from->fe_length / BLOCK_BYTES});
}

int file_extents_read(
	int fd, const char *name, struct extent_list *ret_extents, struct problem *reterr_problem)
{
	_cleanup_free_ struct fiemap *map =
		calloc(1, sizeof(*map) + EXTENTS_A_CALL * sizeof(struct fiemap_extent));
	struct extent_list extents = {0};
	uint64_t from = 0;
	bool last = false;
	size_t seen = 0;
	int r = 0;

	if (!map)
		return -ENOMEM;
	while (!last && r >= 0) {
		memset(map, 0, sizeof(*map));
		map->fm_start = from;
		map->fm_length = FIEMAP_MAX_OFFSET - from;
		map->fm_flags = FIEMAP_FLAG_SYNC;
		map->fm_extent_count = EXTENTS_A_CALL;
		if (ioctl(fd, FS_IOC_FIEMAP, map) < 0) {
			r = problem_set(reterr_problem, -EOPNOTSUPP,
				"%s: the file system does not tell where its blocks lie (%s)", name,
				strerror(errno));
			break;
		}
		for (uint32_t i = 0; i < map->fm_mapped_extents && r >= 0; i++) {
			r = add_extent(&map->fm_extents[i], name, &extents, reterr_problem);
			from = map->fm_extents[i].fe_logical + map->fm_extents[i].fe_length;
			last |= (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_LAST) != 0;
		}
		seen += map->fm_mapped_extents;
		last |= map->fm_mapped_extents == 0;
		if (r >= 0 && seen > FILE_EXTENTS_MAX)
			r = problem_set(reterr_problem, -EFBIG,
				"%s lies in more than %u pieces; copy it, and retire both", name,
				FILE_EXTENTS_MAX);
	}
	if (r < 0) {
		extent_list_done(&extents);
		return r;
	}
	*ret_extents = extents;
	return 0;
}
