/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirement.h - what happened to the blocks of one job
 *
 * What was asked for; what got every pass, and what the last flush made durable (where the volume
 * is served these are one number: a batch counts when its last flush has succeeded, and not
 * at all before); what was read back right.  Requested is the sum of written, lost, not owed and
 * refused, unless blocks are unjudged: then nothing was done.
 */
#ifndef SPOOLGUARD_OVERWRITE_RETIREMENT_H
#define SPOOLGUARD_OVERWRITE_RETIREMENT_H

#include "overwrite/scheme.h"

struct retirement {
	uint64_t requested_blocks;
	uint64_t lost_blocks;	  /* changed hands meanwhile: not touched */
	uint64_t not_owed_blocks; /* never written, or clean already */
	uint64_t written_blocks;
	uint64_t durable_blocks;
	uint64_t verified_blocks;
	uint64_t unjudged_blocks; /* UNKNOWN, and no sweep has said whose they are: of such a job
				     nothing is touched */
	uint64_t refused_blocks;  /* by the medium: their old place keeps what it held */
	uint32_t passes;
	int64_t pass_durable_wall_s[SCHEME_PASSES_MAX];
	uint64_t epoch; /* of the eraser's batch */
};

#endif
