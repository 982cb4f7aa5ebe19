/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.h - a disk or an image file as a blockdev
 *
 * Opened with O_DIRECT where the file system allows it (raw_is_direct tells),
 * and locked: an open-file-description lock, exclusive for writing, shared for
 * reading, so that two programs never write one medium.  A block device is for writing also opened
 * O_EXCL, which the kernel refuses while it is mounted or held by LVM, RAID or dm.
 *
 * A flush is fdatasync; flushes run one at a time, so that B3 holds among threads.
 * A buffer that O_DIRECT cannot use is copied through one that it can.
 * Threads: as blockdev.h.
 */
#ifndef SPOOLGUARD_BLOCKDEV_RAW_H
#define SPOOLGUARD_BLOCKDEV_RAW_H

#include "base/problem.h"
#include "blockdev/blockdev.h"
#include <stdbool.h>

struct raw_options {
	bool read_only;
	bool buffered;	      /* do not even try O_DIRECT */
	bool unlocked;	      /* the caller holds the lock already */
	uint32_t block_bytes; /* 512 or 4096; a last partial block is out of reach */
};

/*
 * Opens path.  -EBUSY: locked by another process or held by the kernel;
 * -EISDIR, -ENOENT, -EACCES, -EROFS, -ENOMEDIUM, -EMEDIUMTYPE (neither file nor block
 * device).  Of two opens in one process the second is refused too.
 */
must_check int raw_open(const char *path, const struct raw_options *options,
	struct blockdev **ret_bd, struct problem *reterr_problem);

bool raw_is_direct(const struct blockdev *raw);
int raw_fd(const struct blockdev *raw); /* borrowed */

/* After the file or device grew: takes its new size, durable with the next flush.  -ERANGE: it
 * shrank. */
must_check int raw_refresh_size(struct blockdev *raw);

#endif
