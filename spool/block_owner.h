/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_owner.h - whose a block of a mounted ext4 is, as the kernel tells (FS_IOC_GETFSMAP)
 *
 * For words, not for decisions (M8): by the time that it is read it may be another's.
 */
#ifndef SPOOLGUARD_SPOOL_BLOCK_OWNER_H
#define SPOOLGUARD_SPOOL_BLOCK_OWNER_H

#include "base/macros.h"
#include <stdint.h>

enum block_owner {
	BLOCK_OWNER_UNKNOWN, /* the file system does not tell, or the block lies behind its end */
	BLOCK_OWNER_FREE,
	BLOCK_OWNER_FILE, /* a directory and the inner journal too: ext4 does not tell them apart */
	BLOCK_OWNER_JOURNAL,
	BLOCK_OWNER_INODES,
	BLOCK_OWNER_METADATA,
};

/* mount_fd: anything on the mount. */
enum block_owner block_owner_get(int mount_fd, uint64_t block);
const char *block_owner_words(enum block_owner owner); /* "free space" */

#endif
