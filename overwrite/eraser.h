/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eraser.h - pays what the residue map owes
 *
 *   residue_erase_begin -> pass 1 flush ... pass n flush -> read-back -> residue_erase_done
 *
 * One batch holds the extents of many jobs; each pass is one run over the batch
 * and one flush.  A block that the medium refuses becomes STUCK.
 *
 *   R1  Pass n+1 starts after the flush of pass n succeeded.
 *   R2  A block is reported erased after the last pass is durable and the block was read back.
 *   R3  Seeds of random passes live in locked memory and are wiped when the batch is verified.
 *   R4  A block that the medium refused is never reported erased, though a spare carries it
 *       from then on: its old place keeps what it held.
 *
 * Threads: one eraser_run at a time for each eraser.
 */
#ifndef SPOOLGUARD_OVERWRITE_ERASER_H
#define SPOOLGUARD_OVERWRITE_ERASER_H

#include "base/extent.h"
#include "blockdev/residue.h"
#include "overwrite/scheme.h"

enum verify_mode {
	VERIFY_NONE,
	VERIFY_SAMPLE, /* 1,000 sections, two samples of at least 5 % each, first and last block (SP
			  800-88r1) */
	VERIFY_FULL,
	VERIFY_HCD, /* the sample, and the fixed sectors of sample_add_hcd(): whole media only */
};

struct eraser;

struct eraser_report {
	uint64_t requested_blocks;
	uint64_t not_owed_blocks; /* were clean already, or changed hands */
	uint64_t written_blocks;  /* got every pass */
	uint64_t durable_blocks;  /* ... and the last flush said so */
	uint64_t verified_blocks; /* ... and were read back right */
	uint64_t stuck_blocks;
	uint32_t passes;
	int64_t pass_durable_wall_s[SCHEME_PASSES_MAX]; /* when each pass was durable */
	uint64_t took_ns;
	uint64_t epoch; /* this batch; grows by one */
};

must_check int eraser_new(struct residue *residue, const struct scheme *scheme,
	enum verify_mode verify, struct eraser **ret_eraser);
void eraser_free(struct eraser *eraser);
DEFINE_CLEANUP(struct eraser *, eraser_free)

/* Logical blocks that the last run left clean, and those of them that were read back; borrowed,
 * until the next run. */
const struct extent_list *eraser_cleared(const struct eraser *eraser);
const struct extent_list *eraser_verified(const struct eraser *eraser);
/* Logical blocks that the medium has refused since eraser_new (R4); borrowed likewise. */
const struct extent_list *eraser_refused(const struct eraser *eraser);

/* Erases what is owed of "wanted".  -EIO only if the volume itself stopped; refused blocks are in
 * the report. */
must_check int eraser_run(
	struct eraser *eraser, const struct extent_list *wanted, struct eraser_report *ret_report);

#endif
