/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_extents.h - where a file's bytes lie on the volume, by FIEMAP
 *
 * Extents are 4096-byte blocks of the volume, to the end of the file and beyond
 * (preallocation), unwritten ones too.  An extent that cannot be overwritten in
 * place, because it is shared, encoded, inline or not allocated yet, is refused.
 */
#ifndef SPOOLGUARD_SPOOL_FILE_EXTENTS_H
#define SPOOLGUARD_SPOOL_FILE_EXTENTS_H

#include "base/extent.h"
#include "base/problem.h"

/* A file in more pieces is refused: one watch takes no more (EXTENTS_MAX of
 * volume/control_retire.c). */
#define FILE_EXTENTS_MAX (1u << 17)

/*
 * The file's data is synced first.  name is for the problem's words only.
 * -EOPNOTSUPP: no extents to be had here, or one that cannot be overwritten in place;
 * -EFBIG: more than FILE_EXTENTS_MAX.
 */
must_check int file_extents_read(
	int fd, const char *name, struct extent_list *ret_extents, struct problem *reterr_problem);

#endif
