/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/block_owner.h"
#include "blockdev/blockdev.h"
#include <linux/fsmap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* From the kernel's fs/ext4/fsmap.h. */
#define OWNER_LOG    FMR_OWNER('X', 1)
#define OWNER_INODES FMR_OWNER('X', 5)

static enum block_owner owner_of(const struct fsmap *record)
{
	if (!(record->fmr_flags & FMR_OF_SPECIAL_OWNER))
		return BLOCK_OWNER_FILE;
	switch (record->fmr_owner) {
	case FMR_OWN_FREE:
		return BLOCK_OWNER_FREE;
	case FMR_OWN_UNKNOWN: /* ext4 does not tell which file */
		return BLOCK_OWNER_FILE;
	case OWNER_LOG:
		return BLOCK_OWNER_JOURNAL;
	case OWNER_INODES:
		return BLOCK_OWNER_INODES;
	default:
		return BLOCK_OWNER_METADATA;
	}
}

enum block_owner block_owner_get(int mount_fd, uint64_t block)
{
	enum block_owner owner = BLOCK_OWNER_UNKNOWN;
	struct fsmap_head *head = calloc(1, sizeof(*head) + sizeof(struct fsmap));

	if (!head)
		return owner;
	head->fmh_count = 1;
	head->fmh_keys[0].fmr_physical = block * BLOCK_BYTES;
	memset(&head->fmh_keys[1], 0xff, sizeof(head->fmh_keys[1]));
	memset(head->fmh_keys[1].fmr_reserved, 0, sizeof(head->fmh_keys[1].fmr_reserved));
	if (ioctl(mount_fd, FS_IOC_GETFSMAP, head) == 0 && head->fmh_entries == 1 &&
		head->fmh_recs[0].fmr_physical <= block * BLOCK_BYTES)
		owner = owner_of(&head->fmh_recs[0]);
	free(head);
	return owner;
}

const char *block_owner_words(enum block_owner owner)
{
	static const char *const words[] = {"an unknown place", "free space",
		"a file, a directory or the journal", "an outer journal", "an inode table",
		"the file system's own blocks"};

	return words[owner];
}
