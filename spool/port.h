/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - what the spool asks of the volume below it
 *
 * The volume process answers through its control socket (attached/volume_port.h supplies
 * the functions); a volume open in this process answers directly.  All are required.
 * Each returns 0 or -errno.
 */
#ifndef SPOOLGUARD_SPOOL_PORT_H
#define SPOOLGUARD_SPOOL_PORT_H

#include "base/extent.h"
#include "blockdev/residue.h"
#include "overwrite/retirement.h"
#include <stdbool.h>

struct spool_port {
	void *context;
	/* Retirement in place (residue_watch_*). */
	int (*watch)(void *context, const struct extent_list *extents, uint64_t *ret_watch);
	int (*unwatch)(void *context, uint64_t watch);
	/* Ends the watches; one retirement for each; the passes of all share batches. */
	int (*condemn)(void *context, const uint64_t *watches, size_t count,
		struct retirement *ret_retirements);
	/* One of many leads the file system's part of a barrier. */
	int (*barrier_enter)(void *context, bool *ret_lead);
	int (*barrier_leave)(void *context, bool done);
	/* Returns when what was freed before the call is erased; all: also the backlog. */
	int (*barrier)(void *context, bool all, uint64_t *ret_epoch);
	/* Sweep. */
	int (*trust)(void *context);
	int (*distrust)(void *context);
	int (*allow_unknown_discards)(void *context);
	int (*settle_unknown)(void *context);
	int (*get_fingerprint)(void *context, uint8_t ret_bytes[static RESIDUE_FINGERPRINT_BYTES]);
	int (*set_sweep_owed)(void *context, bool owed);
	int (*set_filesystem_expected)(void *context, bool expected);
};

#endif
