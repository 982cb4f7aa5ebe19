/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures.h - how much is owed, and for how long: what limits, metrics and checks are held against
 *
 * Collected by one thread (supervisor_survey.c) that may wait: a volume whose medium hangs holds up
 * nobody else, and its last figures stand with their age.
 */
#ifndef SPOOLGUARD_SUPERVISOR_FIGURES_H
#define SPOOLGUARD_SUPERVISOR_FIGURES_H

#include "supervisor/config.h"
#include "supervisor/keeper.h"
#include "supervisor/ledger.h"
#include "supervisor/state.h"

struct figures_volume {
	char name[CONFIG_NAME_BYTES];
	enum keeper_state state;
	uint64_t restarts;
	/* Of an open one that answered: */
	bool answered;
	bool eraser_failed;
	uint64_t owed_bytes, oldest_owed_s;
	uint64_t live_blocks, unknown_blocks, stuck_blocks, refused_blocks, erased_blocks;
};

struct figures {
	enum state_name state;
	bool may_claim;
	bool events_failed;
	bool has_ledger;
	struct ledger_counts jobs;
	uint64_t open_jobs;	/* not RETIRED */
	uint64_t oldest_open_s; /* since the oldest of them was seen */
	uint64_t owed_bytes;	/* all volumes */
	uint64_t oldest_owed_s;
	int64_t tested_wall_s; /* the last run of the self-tests; 0: none */
	bool holding;	       /* new jobs are held (policy.h) */
	struct figures_volume volumes[CONFIG_VOLUMES_MAX];
	size_t volume_count;
};

struct supervisor;

/* May wait for volumes. */
void figures_collect(struct supervisor *supervisor, struct figures *ret_figures);

#endif
