/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retire.h - job files are overwritten while they still own their blocks, then removed
 *
 *   open, lease -> sync -> extents -> watched -> extents the same? -> condemned: every pass,
 *   read back -> extents the same, nothing lost? -> unlinked
 *
 *   J1  The passes run while the file owns its blocks: what ext4 gives to the next file
 *       was overwritten before.
 *   J2  A write lease is held throughout: nobody else has the file open, and who opens it
 *       waits (F_SETLEASE, fcntl(2)).
 *   J3  A block that receives a write or discard after it was recorded is never erased for
 *       this job (residue_watch); the file is then reported as changed.
 *   J4  Only the file that was opened is removed: the name is looked at right before, and
 *       stays if it means another file by then.  (No call removes a name only if it means a
 *       given file: who renames another file into that instant loses its name.)
 *
 * A barrier (barrier.h) must follow before anything is claimed: it covers the directory
 * entry, the inode's extent blocks and the journal's copies of both.
 */
#ifndef SPOOLGUARD_SPOOL_RETIRE_H
#define SPOOLGUARD_SPOOL_RETIRE_H

#include "base/extent.h"
#include "base/problem.h"
#include "overwrite/retirement.h"
#include "spool/port.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct retire_file {
	const char *path; /* borrowed */

	/* What became of it. */
	int error; /* 0: erased and removed; else the problem says why */
	struct problem problem;
	bool erased; /* its blocks got every pass and were read back as the volume verifies */
	bool erased_but_refused; /* the same, but for blocks that the medium refused: removed too,
				    a second try could do no better */
	bool removed;		 /* its name is gone */
	uint64_t size_bytes;
	size_t extent_count;
	struct retirement retirement;

	/* While it lasts. */
	int fd;
	int directory_fd;
	const char *name; /* in path */
	dev_t device;
	ino_t inode;
	uint64_t watch;
	bool watched;
	struct extent_list extents;
};

/*
 * mount_fd: the mount that all the files must lie on.  Each file tells its own fate; -errno
 * only when the volume cannot be asked any more.  Frees what it held in the files.
 */
must_check int retire_files(const struct spool_port *port, int mount_fd, struct retire_file *files,
	size_t count, struct problem *reterr_problem);

#endif
