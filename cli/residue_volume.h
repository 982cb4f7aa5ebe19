/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_volume.h - the canary on an attached volume: seen before, and searched for afterwards
 *
 * "Decrypted" is what the volume's process reads beneath its own map (volume/engine_search.c): a
 * block that is called clean and was never overwritten shows there.  A read through the loop device
 * would show zeros for it.  Before either search the file system is synced, so that what is in its
 * caches is on the medium.
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_VOLUME_H
#define SPOOLGUARD_CLI_RESIDUE_VOLUME_H

#include "cli/residue_scan.h"
#include "volume/runtime.h"

struct residue_volume {
	struct runtime_state state;
	struct client *client; /* owned */
	pid_t process;
	uint64_t blocks;
};

/* state is copied.  -EOPNOTSUPP: it is served as encryption only. */
must_check int residue_volume_open(struct residue_volume *volume, const struct runtime_state *state,
	struct problem *reterr_problem);
void residue_volume_done(struct residue_volume *volume);

/* How often each word is in the blocks of a file on the volume, as the search below sees them. */
must_check int residue_volume_see(struct residue_volume *volume, const struct residue_scan *scan,
	const char *path, uint64_t seen[static CANARY_WORDS], struct problem *reterr_problem);

/* What is freed is handed on, and what was owed is paid, or wait_ms have passed.  -ECANCELED. */
must_check int residue_volume_settle(
	struct residue_volume *volume, struct residue_scan *scan, uint64_t wait_ms);

must_check int residue_volume_search_decrypted(
	struct residue_volume *volume, struct residue_scan *scan, struct residue_place *place);
must_check int residue_volume_search_medium(
	struct residue_volume *volume, struct residue_scan *scan, struct residue_place *place);

#endif
