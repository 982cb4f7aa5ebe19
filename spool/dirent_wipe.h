/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dirent_wipe.h - names out of one directory block
 *
 * ext4 removes a name by lengthening the entry before it, and leaves its bytes.  Here the
 * entry goes and so does every byte of the block that belongs to no entry: what earlier
 * removals left too.  Index blocks of hashed directories keep their index.  Pure.
 *
 * Of ext4: linear directories, and the two kinds of index blocks (Documentation/filesystems/
 * ext4/directory.rst in Linux).
 */
#ifndef SPOOLGUARD_SPOOL_DIRENT_WIPE_H
#define SPOOLGUARD_SPOOL_DIRENT_WIPE_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dirent_block {
	uint8_t *bytes;
	size_t size;	   /* 4096 */
	bool is_indexed;   /* the directory has an index, ... */
	bool is_first;	   /* ... and this is its first block */
	bool has_checksum; /* the file system has metadata checksums */
};

/*
 * Removes the entry "name" (NULL: none) if the block has it, and clears what belongs to no
 * entry.  -EBADMSG: it is no directory block; it is then left as it is.
 */
must_check int dirent_wipe(struct dirent_block block, const char *name, bool *ret_removed);

#endif
