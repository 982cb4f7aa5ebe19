/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overwrite_state.h - how far the overwrite of a device is, kept for the next run
 *
 * One small JSON file for each device in $SPOOLGUARD_STATE_DIR, or
 * /var/lib/spoolguard: named by the device's key (identity.h), so that it follows
 * the drive and not its name in /dev.  Replaced whole (write, fsync, rename, fsync
 * of the directory) after each durable segment.  It holds no seed.
 */
#ifndef SPOOLGUARD_CLI_OVERWRITE_STATE_H
#define SPOOLGUARD_CLI_OVERWRITE_STATE_H

#include "base/problem.h"
#include "overwrite/sanitize.h"

#define OVERWRITE_STATE_PATH_BYTES 512

struct overwrite_state {
	char path[OVERWRITE_STATE_PATH_BYTES];
	const char *scheme;
	uint32_t block_bytes;
	uint64_t blocks;
};

/* Makes the directory if it is missing.  key: identity.key. */
must_check int overwrite_state_init(struct overwrite_state *state, const char *key,
	const struct scheme *scheme, uint32_t block_bytes, uint64_t blocks,
	struct problem *reterr_problem);

/*
 * Fills position, refused blocks and times of the run before.  -ENOENT: there was none, or it
 * was of another scheme or geometry, or its file is damaged: the run begins at the beginning.
 */
must_check int overwrite_state_load(const struct overwrite_state *state,
	struct sanitize_position *ret_position, struct sanitize_report *report);

must_check int overwrite_state_save(
	const struct overwrite_state *state, const struct sanitize_report *report);
void overwrite_state_remove(const struct overwrite_state *state);

#endif
