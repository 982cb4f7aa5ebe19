/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free_space.h - making a mounted ext4 hand back everything it has freed
 *
 * ext4 discards late, from another thread, and not everything.  In this order:
 *
 *   syncfs                        frees what is deleted
 *   EXT4_IOC_CHECKPOINT(discard)  the journal's copies of names and metadata (Linux 5.14)
 *   FITRIM, twice                 first of one group, with minlen of a whole group, which
 *                                 makes the second, with minlen 0, look at every group again
 *
 * When the last FITRIM returns, every block that it covered has been through the
 * volume's discard.  What it cannot reach (preallocation of open files, unwritten
 * extents) is counted, not waited for.
 */
#ifndef SPOOLGUARD_SPOOL_FREE_SPACE_H
#define SPOOLGUARD_SPOOL_FREE_SPACE_H

#include "base/problem.h"
#include <stdbool.h>
#include <stdint.h>

struct free_space_report {
	bool journal_discarded;	   /* false: no journal, or a kernel older than 5.14; a
				      journal that cannot be emptied is an error */
	uint64_t trimmed_bytes;	   /* as the file system counts */
	uint64_t unreached_blocks; /* free, but held as preallocation: not handed back */
};

/* mount_fd: the mount's root directory, open.  -EOPNOTSUPP: the file system cannot trim. */
must_check int free_space_hand_back(
	int mount_fd, struct free_space_report *ret_report, struct problem *reterr_problem);

/* Writes the group preallocation of a mounted ext4 down to none.  device: "/dev/loop3". */
void free_space_tune(const char *device);

#endif
