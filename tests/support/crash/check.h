/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - judges one attached volume against the model and the medium's history
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_CHECK_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_CHECK_H

#include "tests/support/crash/media.h"
#include "tests/support/crash/model.h"

/* The first thing that was found wrong; text empty: nothing was. */
struct crash_verdict {
	char text[400];
};
bool crash_is_wrong(const struct crash_verdict *verdict);
/* Keeps the first. */
__attribute__((format(printf, 2, 3))) void crash_wrong(
	struct crash_verdict *verdict, const char *format, ...);

/* What was seen of each block. */
struct crash_seen {
	uint64_t blocks;
	enum residue_class class[CRASH_BLOCKS_MAX];
	uint64_t sectors[CRASH_BLOCKS_MAX][SECTORS_PER_BLOCK];
};

/*
 * The volume as it shows itself right after an attach that followed a crash after
 * n events of the log: P2, P3, P4.
 */
void crash_check_attached(struct crash_rig *rig, const struct crash_model *model, uint64_t n,
	const struct residue_open_report *report, const struct crash_media *media,
	struct crash_seen *ret_seen, struct crash_verdict *verdict);

/* Which blocks the file system owns, by what was seen; where either is right, by the seed. */
void crash_choose_owned(const struct crash_seen *seen, const struct crash_model *model, uint64_t n,
	uint64_t *seed, bool *ret_owned);

/*
 * Sweeps and pays all, and looks that what is owned reads as before, and that of the
 * rest nothing is left and every pass was made.  The disk's log is started for it.
 */
void crash_check_paid(struct crash_rig *rig, const struct crash_seen *seen, const bool *owned,
	bool distrust, const struct crash_media *media, struct crash_verdict *verdict);

#endif
