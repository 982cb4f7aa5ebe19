/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.h - one pass over runs of blocks, and its read-back
 *
 * The pattern of a random pass at block b is its seed's stream from byte
 * b * block_bytes on: it is made again to be verified.  A pass does not flush;
 * whoever calls decides when it must be durable.
 *
 * Blocks that the medium refuses are collected one by one (a failed large
 * transfer is tried again block by block) and are no error of the pass.
 */
#ifndef SPOOLGUARD_OVERWRITE_PASS_H
#define SPOOLGUARD_OVERWRITE_PASS_H

#include "base/extent.h"
#include "base/progress.h"
#include "blockdev/blockdev.h"
#include "crypto/secret.h"
#include "overwrite/scheme.h"

#define PASS_TRANSFER_BYTES (1u << 20)

/* What is shared by the passes of one caller: aligned buffers of PASS_TRANSFER_BYTES.  One thread
 * at a time. */
struct pass_buffers;
must_check int pass_buffers_new(struct pass_buffers **ret_buffers);
void pass_buffers_free(struct pass_buffers *buffers);
DEFINE_CLEANUP(struct pass_buffers *, pass_buffers_free)

/*
 * seed: NULL for PASS_BYTE.  progress->done_bytes is advanced and reported if sink is not NULL.
 * -ECANCELED if the sink asks to stop; -ENOMEM.
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
