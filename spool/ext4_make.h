/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_make.h - an ext4 for a spool, made through libext2fs
 *
 * 4 KiB blocks, extents, checksums, a journal of 1/32 of the volume (4 to 64 MiB).
 * No inline_data: small files would lie in the inode table, where no discard
 * reaches them.  Room to grow 1,024 times (resize_inode).
 */
#ifndef SPOOLGUARD_SPOOL_EXT4_MAKE_H
#define SPOOLGUARD_SPOOL_EXT4_MAKE_H

#include "base/problem.h"
#include "blockdev/blockdev.h"

/* -ENOSPC: too small for a file system (8 MiB).  Durable when it returns. */
must_check int ext4_make(struct blockdev *bd, const char *label, struct problem *reterr_problem);

#endif
