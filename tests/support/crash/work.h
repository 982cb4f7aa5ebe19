/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.h - random work on a volume, its log, and what the log may look like
 *
 * A workload is some eras; an era begins with an attach of what the crash before it
 * left, and ends with a crash.  Its log begins before the attach, so that recovery is
 * work like any other.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_CRASH_WORK_H
#define SPOOLGUARD_TESTS_SUPPORT_CRASH_WORK_H

#include "tests/support/crash/check.h"

#define CRASH_PLAINTEXT	 "JOB DATA"
#define CRASH_REUSES_MAX 1024u

/* New data went to a block that was free: by then every pass was durable there. */
struct crash_reuse {
	uint64_t log_start;
	uint64_t block;
	uint64_t place;
};

struct crash_profile {
	const char *name;
	struct crash_geometry geometry;
	bool used;	 /* the device held something when it was formatted */
	bool filesystem; /* the map is not trusted before its host has looked */
	bool bad_blocks; /* the medium refuses some blocks after a while */
	bool grows;
	bool lies;		 /* flushes do nothing: the control (the log is not audited then) */
	unsigned int operations; /* in an era */
	unsigned int threads;	 /* 0: the operations are all one thread's */
};

/* One era, when it has ended: what is needed to judge every crash in it. */
struct crash_era {
	struct crash_rig *rig;
	struct blockdev *base; /* the disk as the log began */
	struct crash_model model;
	struct crash_model before; /* of the era before, for the crash that ended it */
	uint64_t before_events;
	struct crash_media media; /* as the log began */
	struct crash_reuse reuses[CRASH_REUSES_MAX];
	size_t reuse_count;
	struct crash_verdict verdict;
	const struct crash_profile *profile;
	uint64_t seed;
	uint64_t writes; /* numbers what is written: no two blocks are alike */
	bool tolerant;	 /* faults were injected: requests may fail */
	bool fault_seen; /* ... and one has met it */
	bool stopped;	 /* a request has failed for good */
};

extern const struct crash_profile crash_profiles[];
extern const size_t crash_profile_count;

/* The first era begins with a fresh volume. */
void crash_era_init(struct crash_era *era, struct crash_rig *rig,
	const struct crash_profile *profile, uint64_t seed);
void crash_era_done(struct crash_era *era);
/* Attaches, sweeps, works; the log is on era->rig->disk. */
void crash_era_run(struct crash_era *era);
/* The attach and the sweep alone; false: it failed. */
bool crash_era_attach(struct crash_era *era);
/* P2 with no request in flight: what the map calls clean now holds no job data. */
void crash_era_check_now(struct crash_era *era);
/* R1 and P4 on the log of the run itself. */
void crash_era_audit(struct crash_era *era);
/* Cuts the power; the next era begins with what that left. */
void crash_era_cut(struct crash_era *era);

/* The work by profile->threads threads; crash_era_run calls it. */
void crash_era_run_threads(struct crash_era *era);
/* One block that no other id makes. */
void crash_fill(uint64_t id, uint8_t *block, uint64_t ret_sectors[static SECTORS_PER_BLOCK]);

/* --- single requests, for tests that make their own workload --- */
bool crash_do_write(struct crash_era *era, struct extent at); /* false: it failed */
void crash_do_flush(struct crash_era *era);
void crash_do_discard(struct crash_era *era, struct extent at);
void crash_do_close_and_open(struct crash_era *era);

#endif
