/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - a loop device over the FUSE file, with direct I/O
 */
#ifndef SPOOLGUARD_VOLUME_LOOP_H
#define SPOOLGUARD_VOLUME_LOOP_H

#include "base/problem.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_NAME_BYTES 64

must_check int loop_attach(const char *file, uint32_t block_bytes, bool read_only,
	char ret_device[static LOOP_NAME_BYTES], struct problem *reterr_problem);
/* -ENXIO if it is not attached. */
must_check int loop_detach(const char *device);
/*
 * Is the device (still) one over a file whose path ends so?  A device's number goes to whoever
 * asks next, so nothing may be done to one that was only remembered.
 */
bool loop_is_over(const char *device, const char *path_end);
/* The device that is.  -ENOENT. */
must_check int loop_find(const char *path_end, char ret_device[static LOOP_NAME_BYTES]);
/* After its file grew. */
must_check int loop_refresh_size(const char *device);

/*
 * Makes the device stop offering write-zeroes: through loop they arrive as the same
 * PUNCH_HOLE as a discard, but they mean data.  The FUSE port answers ZERO_RANGE with
 * EOPNOTSUPP, once is enough.  The port must not take writes yet (fuse_port_serve):
 * the kernel's second try is to write zeros.
 */
must_check int loop_refuse_zeroing(const char *device, struct problem *reterr_problem);

/* Longest read or write handed down at once: what the FUSE port takes without cutting it. */
void loop_limit_transfers(const char *device, uint64_t bytes);

/* Largest discard handed down at once: one handler call stays short. */
void loop_limit_discards(const char *device, uint64_t bytes);

/*
 * How many writes are handed down at once (on Linux before 6.18: in each of four parts of the
 * queue).  Each may have to wait for the eraser, with its data in the volume process's locked
 * memory and a tag of the queue that reads need too: without a limit a flood of writes takes
 * all of both.  A scheduler that knows such a limit does it; where the kernel has none, the
 * queue's 128 requests are the limit.
 */
void loop_limit_writes(const char *device, unsigned int count);

#endif
