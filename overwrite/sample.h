/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.h - which blocks a sampled read-back reads
 *
 * The layout of NIST SP 800-88r1: the medium in at least 1,000 sections, in each two
 * samples that do not overlap, at random places, each of at least 5 % of the
 * section; and the first and the last block.  A medium too small for that is
 * read in full.
 */
#ifndef SPOOLGUARD_OVERWRITE_SAMPLE_H
#define SPOOLGUARD_OVERWRITE_SAMPLE_H

#include "base/extent.h"
#include "base/macros.h"

#define SAMPLE_SECTIONS 1000u

/* Adds to plan the sampled blocks of a medium of that many blocks. */
must_check int sample_plan(uint64_t blocks, struct extent_list *plan);

/* The same over the blocks of a list, taken as if they lay one behind the other. */
must_check int sample_plan_of_list(const struct extent_list *runs, struct extent_list *plan);

/*
 * The sectors that the evaluator of the collaborative protection profile for hardcopy devices reads
 * (HCD SD v1.0e, FPT_WIPE_EXT.1, test 4), of a medium of that many blocks, where a block counts as
 * a sector: the first 2,049; 129 before and behind the middle one, and that; the last 1,025; ten
 * at random places; and on a medium of more than 2^28 and 2^32 sectors the 259 around there.
 */
must_check int sample_add_hcd(uint64_t blocks, struct extent_list *plan);

#endif
