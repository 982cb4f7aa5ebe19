/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer.h - retires the ledger's jobs, in batches, one thread for each volume
 *
 *   ledger SEEN -> [finished? asked once more] -> ledger RETIRING (fsync)
 *     -> files overwritten in place, read back, removed -> the source's own end (CUPS: purge)
 *     -> barrier -> audit log "job-retired" (durable) -> ledger RETIRED (fsync)
 *     -> whoever waits is told
 *
 *   T1  Nothing is touched before RETIRING is durable, nobody is told before RETIRED is, and
 *       RETIRED with a claim is nothing that the audit log does not have.
 *   T2  After a crash, jobs in RETIRING are done again from the start; a file that is gone was
 *       removed by us after its passes, or by somebody else: the receipt says which is known.
 *   T3  A job that fails is tried again after 1, 2, 4 ... 300 s (a file that is open elsewhere, or
 *       changed meanwhile: from 0.1 s on); its neighbours go on.
 *   T4  While !state_may_claim() jobs are held in SEEN (on_failure = hold), or retired without
 *       receipts (continue-without-receipts), and each such job says so.
 *   T5  What a job says of itself (why, events, receipt) names no file.
 *   T6  A job whose file lay on blocks that the medium refuses is HELD: no second try could do
 *       better, and RETIRED would not be true.
 *
 * A receipt is that of attached/job_receipt.h, and:
 *   job           its number in the ledger
 *   source        where it came from
 *   selftest      the run of the self-tests (harness.h) that it rests on
 *   claims        false: claims_why says why, and result is "not claimed"
 *   files_missing of files that were not there when their turn came: how many, and in
 *                 files_missing_why what is known of them (only where there were any)
 *   files_unknown names that were lost with damage to the ledger (only where there were any)
 *   attempts      how often it was tried; numbers of files and blocks are those of all attempts
 *   user_digest, title_digest   keyed digests, where the caller told a name
 * Where it claims, it is signed (receipt.h), and the audit log names it.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_RETIRER_H
#define SPOOLGUARD_SUPERVISOR_RETIRER_H

#include "keystore/device_keys.h"
#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/ledger.h"
#include "supervisor/state.h"
#include "volume/runtime.h"

#define RETIRER_BATCH_JOBS 256u

struct retirer;

/* What a source of jobs knows of its own; functions may be NULL.  Called from threads of the
 * retirer, one for each volume. */
struct retirer_source {
	const char *name; /* ledger source, or its beginning up to ":" */
	/* Still finished?  Asked right before its files are touched.  < 0: not now; it is asked
	 * again at growing intervals, and the job waits. */
	int (*check)(void *context, const struct ledger_job *job);
	/* Its files are gone: let the spooler forget it (purge). */
	int (*purge)(void *context, const struct ledger_job *job, struct problem *reterr_problem);
	/* It is RETIRED. */
	void (*retired)(void *context, const struct ledger_job *job);
	void *context;
};

struct retirer_options {
	const struct config *config; /* borrowed for good, as all here but the sources, which are
					copied */
	struct state *state;
	struct events *events;
	struct ledger *ledger;
	/* With which receipts are signed; NULL: they are not there (yet), and nothing is claimed.
	 */
	struct device_keys *(*keys)(void *context);
	void *keys_context;
	const struct retirer_source *sources;
	size_t source_count;
};

must_check int retirer_new(const struct retirer_options *options, struct retirer **ret_retirer);
/* Batches under way come to their end first; who still waits is not told. */
void retirer_free(struct retirer *retirer);

/* What receipts rest on: the last run of the self-tests that passed. */
void retirer_set_selftest(struct retirer *retirer, const char *harness_id);

/*
 * A volume is open (again): its jobs begin (those in RETIRING first).  It makes or reads the
 * ledger's key there.
 */
must_check int retirer_open_volume(struct retirer *retirer, const struct runtime_state *volume,
	struct problem *reterr_problem);
/*
 * Returns when nothing of it is held open any more.  lost: its process died, and it will be back;
 * its jobs can be announced meanwhile.  Otherwise the names of its jobs become unreadable.
 */
void retirer_close_volume(struct retirer *retirer, const char *uuid, bool lost);
/* The ledger has news, or the state has changed. */
void retirer_wake(struct retirer *retirer);
/* That job is tried now, whenever it would have been due. */
void retirer_retry(struct retirer *retirer, uint64_t number);

/* A pass over what was freed, without a job, by the calling thread: what spoolers rewrote or
 * removed themselves.  -ENOTCONN: the volume is not open. */
must_check int retirer_barrier(struct retirer *retirer, const char *uuid);

/* Calls done (from a thread of the retirer) when the job is RETIRED, FAILED or HELD; at once if it
 * is.  -ENOENT: there is no such job. */
must_check int retirer_await(struct retirer *retirer, uint64_t number,
	void (*done)(void *context, const struct ledger_job *job), void *context);
/* Not called any more when this has returned (not to be called from done itself). */
void retirer_forget(struct retirer *retirer, void *context);

/* Stops intake of new batches and waits for the one under way (wipe-spool); then goes on.  Pauses
 * are counted. */
void retirer_pause(struct retirer *retirer);
void retirer_resume(struct retirer *retirer);

#endif
