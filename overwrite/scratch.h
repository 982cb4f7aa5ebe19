/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a self-test of overwriting, on the real medium
 *
 * A volume has a few blocks that hold no job and no map (layout.h: scratch).  There every pass is
 * made as it is made elsewhere: written, flushed, read back from the medium, compared.
 *
 *   1. A pass of random bytes from a fresh seed comes first: what an earlier test left is never
 *      taken for what this one wrote, also where the scheme has one pass.
 *   2. A pass is durable before it is read back, and read back before the next begins.
 *
 * The last pattern stays there.  Threads: one caller at a time for each area.
 */
#ifndef SPOOLGUARD_OVERWRITE_SCRATCH_H
#define SPOOLGUARD_OVERWRITE_SCRATCH_H

#include "blockdev/blockdev.h"
#include "overwrite/scheme.h"
#include <stdbool.h>

struct scratch_report {
	uint64_t blocks;
	uint32_t passes;    /* made and read back: the random one, and the scheme's */
	uint64_t different; /* blocks that some pass left otherwise than it wrote them */
	uint64_t refused;   /* blocks that some pass could not write or read */
};

/*
 * damage: after the last pass a bit of the area is changed on the medium, behind the test's back;
 * a self-test of the self-test.  0 also if blocks differ or were refused.  -EROFS, -ENOMEM, what a
 * flush says (the device has stopped then: B3), -ENOSPC of an image's file system.
 */
must_check int scratch_test(struct blockdev *device, struct extent area,
	const struct scheme *scheme, bool damage, struct scratch_report *ret_report);

#endif
