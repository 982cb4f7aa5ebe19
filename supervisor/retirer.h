/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer.h - retires the ledger's jobs, in batches, one thread for each volume
 *
 *   ledger SEEN -> [finished? asked once more] -> ledger RETIRING (fsync) -> files overwritten in
 * place, read back, removed -> the source's own end (CUPS: purge) -> barrier -> ledger RETIRED
 * (fsync)
 *   -> whoever waits is told
 *
 *   T1  Nothing is touched before RETIRING is durable, nobody is told before RETIRED is.
 *   T2  After a crash, jobs in RETIRING are done again from the start; a file that is gone was
 *       removed by us after its passes, or by somebody else: the receipt says which is known.
 *   T3  A job that fails is tried again after 1, 2, 4 ... 300 s; its neighbours go on.
 *   T4  While !state_may_claim() jobs are held in SEEN (on_failure = hold), or retired without
 *       receipts (continue-without-receipts), and each such job says so.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_RETIRER_H
#define SPOOLGUARD_SUPERVISOR_RETIRER_H

#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/ledger.h"
#include "supervisor/state.h"
#include "volume/runtime.h"

struct retirer;

/* What a source of jobs knows of its own; functions may be NULL. */
struct retirer_source {
	const char *name; /* ledger source, or its beginning up to ":" */
	/* Still finished?  Asked right before its files are touched. -EAGAIN: not now; later again.
	 */
	int (*check)(void *context, const struct ledger_job *job);
	/* Its files are gone: let the spooler forget it (purge). */
	int (*purge)(void *context, const struct ledger_job *job, struct problem *reterr_problem);
	/* It is RETIRED. */
	void (*retired)(void *context, const struct ledger_job *job);
	void *context;
};

struct retirer_options {
	const struct config *config;
	struct state *state;
	struct events *events;
	struct ledger *ledger;
	const struct retirer_source *sources;
	size_t source_count;
};

must_check int retirer_new(const struct retirer_options *options, struct retirer **ret_retirer);
void retirer_free(struct retirer *retirer);

/* A volume is open: its jobs begin (those in RETIRING first).  It makes or reads the ledger's key
 * there. */
must_check int retirer_open_volume(struct retirer *retirer, const struct runtime_state *volume,
	struct problem *reterr_problem);
void retirer_close_volume(struct retirer *retirer, const char *uuid);
/* The ledger has news. */
void retirer_wake(struct retirer *retirer);

/* A pass over what was freed, without a job: settles what spoolers rewrite after a job
 * (job.cache.O). */
must_check int retirer_barrier(struct retirer *retirer, const char *uuid);

/* Calls done (from a thread of the retirer) when the job is RETIRED, FAILED or HELD; at once if it
 * is. */
must_check int retirer_await(struct retirer *retirer, uint64_t number,
	void (*done)(void *context, const struct ledger_job *job), void *context);
void retirer_forget(struct retirer *retirer, void *context);

/* Stops intake of new batches and waits for the one under way (wipe-spool); then goes on. */
void retirer_pause(struct retirer *retirer);
void retirer_resume(struct retirer *retirer);

#endif
