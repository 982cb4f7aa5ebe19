/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_io.h - a blockdev under libext2fs
 *
 * An io_manager finds its device by name only, so the device is announced first,
 * for this thread: ext4_io_use(bd), then ext2fs_open or ext2fs_initialize with
 * ext4_io_manager() and any name.  The blockdev (4096-byte blocks) is borrowed.
 */
#ifndef SPOOLGUARD_SPOOL_EXT4_IO_H
#define SPOOLGUARD_SPOOL_EXT4_IO_H

#include "blockdev/blockdev.h"
#include <ext2fs/ext2fs.h>

void ext4_io_use(struct blockdev *bd);
io_manager ext4_io_manager(void);

/* libext2fs's error as -errno. */
int ext4_io_errno(errcode_t error);

#endif
