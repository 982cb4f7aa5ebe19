/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_area.h - the blocks of a single file that are to be overwritten in place
 *
 *   0                     size                 last whole block   end of preallocation
 *   |---- data, unwritten ----|---- slack of the last block ----|---- beyond the end ----|
 *   |<------------------------------- overwritten ------------------------------------->|
 *
 * All that is allocated, unwritten extents too; holes have nothing to overwrite.
 * For that the file is made longer meanwhile, and gets its size back in the end:
 * slack then reads as zeros, and what was allocated beyond the end is given back
 * to the file system, overwritten.  After a crash in between the file is longer
 * than it was, by less than a block if nothing was preallocated.
 *
 * The map is read again at the end: a file that was moved meanwhile (defragmentation,
 * copy-on-write) left its data where it lay.
 */
#ifndef SPOOLGUARD_OVERWRITE_FILE_AREA_H
#define SPOOLGUARD_OVERWRITE_FILE_AREA_H

#include "base/extent.h"
#include "blockdev/file_map.h"

struct file_area {
	uint64_t size;	      /* as it was, in bytes */
	uint64_t grown;	      /* while it is overwritten: whole blocks */
	uint64_t area_bytes;  /* that will be overwritten */
	uint32_t block_bytes; /* 4096, or 512 */
	bool is_mapped;	      /* before is known */
	struct file_map before;
	struct extent_list runs; /* of blocks */
};

/* Looks only.  fd: open for reading.  area is filled anew; file_area_done frees it. */
must_check int file_area_plan(int fd, struct file_area *area);
void file_area_done(struct file_area *area);

/* fd: open for writing.  Errors of ftruncate(2). */
must_check int file_area_grow(int fd, const struct file_area *area);

/* The size as it was, durable; were the blocks where they had been? */
must_check int file_area_settle(int fd, const struct file_area *area, bool *ret_moved);

#endif
