/* SPDX-License-Identifier: Apache-2.0 */
/*
 * races.h - requests that meet at the worst instant
 *
 * A gate holds one operation of the disk until the test lets it go; meanwhile another
 * request must wait for it, or must not count on it.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_RACES_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_RACES_H

#include "tests/support/crash/check.h"

struct crash_race {
	const char *name; /* a sentence that is true */
	void (*run)(struct crash_verdict *verdict);
};

extern const struct crash_race crash_races[];
extern const size_t crash_race_count;

#endif
