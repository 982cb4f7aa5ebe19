/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.h - one pass over runs of blocks, and its read-back
 *
 * The pattern of a random pass at block b is its seed's stream from byte
 * b * block_bytes on: it is made again to be verified.  A pass does not flush;
 * whoever calls decides when it must be durable.
 *
 * Blocks that the medium refuses are collected one by one (a failed large
 * transfer is tried again block by block) and are no error of the pass.  Where an
 * image's file system has no room (-ENOSPC, -EDQUOT) the pass ends with that error.
 */
#ifndef SPOOLGUARD_OVERWRITE_PASS_H
#define SPOOLGUARD_OVERWRITE_PASS_H

#include "base/extent.h"
#include "base/progress.h"
#include "blockdev/blockdev.h"
#include "crypto/secret.h"
#include "overwrite/scheme.h"

#define PASS_TRANSFER_BYTES (1u << 20)

#define PASS_LANES_MAX 8

/*
 * What the passes of one caller share: aligned buffers, 2 * PASS_TRANSFER_BYTES for each lane.  One
 * caller at a time.  With one lane everything happens in the caller's thread; with more, that many
 * threads, started and ended within each call, keep as many transfers in flight.
 */
struct pass_buffers;
must_check int pass_buffers_new(struct pass_buffers **ret_buffers); /* one lane */
must_check int pass_buffers_new_lanes(unsigned int lanes, struct pass_buffers **ret_buffers);
void pass_buffers_free(struct pass_buffers *buffers);
DEFINE_CLEANUP(struct pass_buffers *, pass_buffers_free)

/*
 * seed: NULL for PASS_BYTE.  progress->done_bytes is advanced and reported if sink is not NULL:
 * from any of the threads, one at a time.  -ECANCELED if the sink asks to stop: what was in flight
 * has ended, and blocks anywhere in the runs may have been written.  -ENOMEM.
 */
must_check int pass_write(struct blockdev *bd, const struct scheme_pass *pass,
	const struct secret *seed, const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *refused);

/* Reads the runs and compares: mismatched gets blocks that differ, refused those that cannot be
 * read. */
must_check int pass_verify(struct blockdev *bd, const struct scheme_pass *pass,
	const struct secret *seed, const struct extent_list *runs, struct pass_buffers *buffers,
	const struct progress_sink *sink, struct progress *progress, struct extent_list *mismatched,
	struct extent_list *refused);

#endif
