/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open_holder.h - which other process has a file or a block device open
 *
 * Looks through the descriptors that /proc shows: all of them to root, one's own
 * to anybody else.  A process of another PID namespace is not seen.  True when
 * it is looked at, and perhaps no longer when it is read.
 */
#ifndef SPOOLGUARD_BLOCKDEV_OPEN_HOLDER_H
#define SPOOLGUARD_BLOCKDEV_OPEN_HOLDER_H

#include "base/macros.h"
#include <stdbool.h>
#include <sys/stat.h>

#define OPEN_HOLDER_BYTES 64

/*
 * file: of a regular file, or of a device node (any node of the same device counts).
 * writers_only: those that only read do not count.  The calling process never does.
 * "dd (process 1234)" if somebody has it.
 */
bool open_holder_find(
	const struct stat *file, bool writers_only, char ret_text[static OPEN_HOLDER_BYTES]);

#endif
