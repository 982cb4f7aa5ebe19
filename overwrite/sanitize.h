/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sanitize.h - every pass of a scheme over runs of a blockdev, in the foreground
 *
 *   for each pass:  [ segment: write, flush, tell ] [ segment ... ]
 *   read-back:      full, or a sample (sample.h), of the last pass
 *
 * For a whole medium or a single file: no residue map, no other user.  The
 * medium is flushed after every SANITIZE_SEGMENT_BYTES, and the position told, so that an
 * interrupted run is taken up where it is durable.
 *
 *   T1  Pass n+1 begins after the flush of pass n succeeded (P4).
 *   T2  written, durable and verified are measured, none is derived from another.
 *   T3  A block that the medium refuses is listed, and the run goes on: refused in any
 *       pass it never counts as written, unreadable it never counts as verified.
 *   T4  Seeds of random passes live in locked memory and nowhere else: a random
 *       pass that was interrupted begins anew, and so does the last pass, if
 *       random, when its read-back was interrupted.
 *
 * Errors: -EIO: a flush failed, and no later one could be believed, or a segment was refused
 * whole; -ECANCELED: the sink asked to stop; -ENOMEM; what the durable function
 * says.  The report tells in each case how far it came.
 */
#ifndef SPOOLGUARD_OVERWRITE_SANITIZE_H
#define SPOOLGUARD_OVERWRITE_SANITIZE_H

#include "base/extent.h"
#include "base/progress.h"
#include "blockdev/blockdev.h"
#include "crypto/hash.h"
#include "overwrite/eraser.h"
#include "overwrite/scheme.h"

#define SANITIZE_SEGMENT_BYTES (256ull << 20)

/* done_blocks of pass number "pass" (0 is the first) are durable, in the order of the runs. */
struct sanitize_position {
	uint32_t pass; /* = pass_count: all of them */
	uint64_t done_blocks;
};

struct sanitize_report {
	uint64_t requested_blocks;
	uint64_t written_blocks;       /* took every pass */
	uint64_t durable_blocks;       /* ... and the last flush succeeded */
	uint64_t read_blocks;	       /* were to be read back */
	uint64_t verified_blocks;      /* ... and showed the last pattern */
	struct extent_list refused;    /* owned; goes in with those of an earlier run */
	struct extent_list mismatched; /* owned: read back otherwise than written */
	struct sanitize_position reached;
	int64_t pass_durable_wall_s[SCHEME_PASSES_MAX];
	/* SHA-256 of the seed of each random pass that this run began; the others are left alone.
	 */
	uint8_t seed_sha256[SCHEME_PASSES_MAX][SHA256_BYTES];
	uint64_t took_ns;
};

struct sanitize_plan {
	const struct scheme *scheme;
	enum verify_mode verify;
	const struct extent_list *runs;
	unsigned int lanes; /* transfers in flight: PASS_LANES_MAX at most */
	struct sanitize_position start;
	const struct progress_sink *sink;
	/* Optional: report->reached is durable.  An error stops the run. */
	int (*durable)(void *context, const struct sanitize_report *report);
	void *context;
};

/* report starts as zero bytes, or with refused and times of the run that is continued. */
must_check int sanitize_run(
	struct blockdev *bd, const struct sanitize_plan *plan, struct sanitize_report *report);
void sanitize_report_done(struct sanitize_report *report);

/*
 * Before a run is taken up: does the medium still show what the run before left, as far
 * as a few hundred samples and the first MiB tell?  -ESTALE: somebody wrote to it.
 * A random pass leaves nothing that could be looked for.
 */
must_check int sanitize_check_left(
	struct blockdev *bd, const struct sanitize_plan *plan, const struct extent_list *refused);

#endif
