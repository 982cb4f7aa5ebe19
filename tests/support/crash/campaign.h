/* SPDX-License-Identifier: Apache-2.0 */
/*
 * campaign.h - many workloads, over several processes
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_CAMPAIGN_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_CAMPAIGN_H

#include "tests/support/crash/explore.h"

/* One workload from its seed: eras of work, each explored, until one is wrong. */
void crash_workload(const struct crash_profile *profile, uint64_t seed,
	const struct crash_options *options, struct crash_stats *stats,
	struct crash_verdict *verdict);

struct crash_campaign {
	uint64_t seed;	  /* of the first workload; the others' follow */
	uint64_t states;  /* at least so many crash states, in all */
	uint64_t seconds; /* ... or what was reached by then; 0: no limit */
	unsigned int processes;
	bool lying;	  /* the control: a disk whose flushes do nothing */
	bool quiet;	  /* prints nothing */
	bool brief;	  /* few states of each workload */
	const char *only; /* workloads of this name; NULL: all */
};

/* Prints a line for each workload, and the sums.  The first thing wrong is in verdict. */
void crash_campaign_run(const struct crash_campaign *campaign, struct crash_stats *ret_stats,
	struct crash_verdict *verdict);

/* A number from the environment, or otherwise. */
uint64_t crash_setting(const char *name, uint64_t otherwise);

#endif
