/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe.h - every pass of a scheme over a run of a device that no map speaks of
 *
 * For what lies beside the data segment: the redo area.  Each pass is flushed before
 * the next, then what was overwritten is read back.
 */
#ifndef SPOOLGUARD_OVERWRITE_WIPE_H
#define SPOOLGUARD_OVERWRITE_WIPE_H

#include "base/extent.h"
#include "blockdev/blockdev.h"
#include "overwrite/scheme.h"

/*
 * The blocks of the run that show anything but one byte repeated (a pattern or zeros hold
 * nothing), or cannot be read.  Reads the run; cheap if there is nothing to do.  -EIO: a block
 * was refused, or read back otherwise.
 */
must_check int wipe_what_shows(
	struct blockdev *device, const struct scheme *scheme, struct extent run);

#endif
