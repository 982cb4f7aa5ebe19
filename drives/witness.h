/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness.h - sectors that are read before a drive erases itself and again after
 *
 * A drive that says "done" and did nothing is found out by what it still shows.  Taken are the
 * first and last blocks, and two of each of a thousand sections between, at a random place of each
 * half; of a small medium, all.  Kept are digests, never what stood there.
 *
 *   W1  Only a block that held data (not one byte over and over) can tell anything: zeros may well
 *       be zeros again.
 *   W2  One block that still shows what it showed is enough: the method has failed.
 *   W3  A block that cannot be read afterwards has not been seen to change.
 *
 * What was not taken may survive (a residue of a few sectors): the read-back of a whole overwrite
 * tells of those, not this.
 * Errors: -ENOMEM, -EIO (no randomness), -EINVAL (compared with a medium of another geometry).
 */
#ifndef SPOOLGUARD_DRIVES_WITNESS_H
#define SPOOLGUARD_DRIVES_WITNESS_H

#include "blockdev/blockdev.h"
#include <stdbool.h>

#define WITNESS_ENDS	 64u   /* blocks at each end */
#define WITNESS_SECTIONS 1000u /* each with two */
#define WITNESS_MAX	 (2 * WITNESS_ENDS + 2 * WITNESS_SECTIONS)

struct witness;

enum witness_verdict {
	WITNESS_CHANGED, /* every block that held data reads otherwise */
	WITNESS_SURVIVED,
	WITNESS_UNREADABLE, /* none survived, but one that held data cannot be read now (W3) */
	WITNESS_SAW_NOTHING /* no block held data: nothing can be told (W1) */
};

struct witness_report {
	uint64_t taken, held_data, unreadable_before; /* blocks */
	uint64_t survived, unreadable_after;	      /* of those that held data */
	uint64_t first_survivor;		      /* block, if any survived */
	enum witness_verdict verdict;
};

must_check int witness_take(struct blockdev *bd, struct witness **ret_witness);
must_check int witness_compare(
	const struct witness *witness, struct blockdev *bd, struct witness_report *ret_report);

/*
 * For the record, so that what was seen before a power cut tells after it.  One buffer of
 * WITNESS_BYTES_MAX holds any; sealed with a digest of its own.  -EBADMSG: damaged, cut, or made by
 * another version.
 */
#define WITNESS_BYTES_MAX (64u + WITNESS_MAX * 41u)
must_check int witness_encode(const struct witness *witness,
	uint8_t ret_bytes[static WITNESS_BYTES_MAX], size_t *ret_used);
must_check int witness_decode(const uint8_t *data, size_t bytes, struct witness **ret_witness);

void witness_free(struct witness *witness);
DEFINE_CLEANUP(struct witness *, witness_free)

#endif
