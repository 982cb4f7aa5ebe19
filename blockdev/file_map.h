/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_map.h - where a file lies on its file system, as FIEMAP tells it
 *
 * Everything in bytes.  What is dirty is written out first (FIEMAP_FLAG_SYNC), so
 * that delayed allocation has an address.  Pieces are in logical order.
 *
 * Errors: -EOPNOTSUPP: this file system does not tell; -EFBIG: more than
 * FILE_MAP_PIECES_MAX pieces.
 */
#ifndef SPOOLGUARD_BLOCKDEV_FILE_MAP_H
#define SPOOLGUARD_BLOCKDEV_FILE_MAP_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define FILE_MAP_PIECES_MAX (1u << 20)

struct file_piece {
	uint64_t logical;
	uint64_t physical; /* on the file system's device; 0: it has no address */
	uint64_t bytes;
	uint32_t flags; /* FIEMAP_EXTENT_* of linux/fiemap.h, without LAST and MERGED */
};

struct file_map {
	struct file_piece *pieces; /* owned */
	size_t count;
	size_t capacity;
	uint32_t all_flags; /* of all pieces, or-ed */
};

/* map starts as zero bytes, done leaves it so.  Filled anew; empty after a failure. */
must_check int file_map_read(int fd, struct file_map *map);
void file_map_done(struct file_map *map);

/* True if every byte lies where it lay (written and unwritten are alike). */
bool file_map_is_equal(const struct file_map *a, const struct file_map *b);

uint64_t file_map_end(const struct file_map *map); /* behind the last piece; 0 if there is none */

#endif
