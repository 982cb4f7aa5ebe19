/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explore.h - every crash that an era's log allows
 *
 * After each event: everything that flushes cover, and of the rest every subset of
 * 512-byte sectors while they are few, else some subsets by the seed.  Each different
 * medium is attached and judged; some are swept and paid to the end, on some every
 * slot of the map is damaged in turn.
 *
 * A subset without a sector of the newest event was seen one event earlier, under
 * rules at least as strict; it is looked at again only when a request was
 * acknowledged meanwhile.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_EXPLORE_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_EXPLORE_H

#include "tests/support/crash/work.h"

struct crash_options {
	unsigned int exhaustive_sectors; /* up to so many unflushed ones: every subset */
	unsigned int samples;		 /* else so many */
	unsigned int pay_one_in;
	unsigned int rot_one_in; /* 0: never */
	bool only_last;		 /* only crashes after the last event */
};

struct crash_stats {
	uint64_t events;
	uint64_t visited;  /* crash states made */
	uint64_t distinct; /* media that differ, or differ in what was promised; these are judged */
	uint64_t paid;
	uint64_t rotted; /* a state with one damaged slot more */
};

/* Adds to stats; era->verdict gets the first thing wrong, with the place in the log. */
void crash_explore(
	struct crash_era *era, const struct crash_options *options, struct crash_stats *stats);

#endif
