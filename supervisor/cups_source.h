/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_source.h - jobs of a cupsd find their way into the ledger, and out of cupsd's memory
 *
 *   wake-up (notifier, the clock) -> round (pipeline/cups_follow.h) -> ledger SEEN -> retirer
 *      check: is it still finished?  ... files erased and removed ... purge: cupsd forgets it
 *   -> RETIRED -> a moment later: the settle round, for what cupsd rewrote after the purge
 *
 *   U1  Notifications only say when to look; what is retired follows from cupsd's lists and the
 *       spool directory alone.
 *   U2  A job is handed on when it is finished or unknown to cupsd; asked again right before its
 *       files are touched.
 *   U3  A job that the ledger knows as RETIRED and that cupsd still lists lost its purge in a
 *       crash: it is purged again.  The purge's own "job-completed" is nothing new.
 *   U4  cupsd away, restarting, hanging or answering nonsense: nothing is concluded from it, the
 *       reason "cups" stands, and the next round comes at growing intervals.
 *   U5  job.cache names users and titles of jobs that are purged, until cupsd writes it anew with
 * the next job: their entries are overwritten in it (pipeline/cups_cache.h), and each last version
 *       (job.cache.O) is retired like a job.  So too after a start of the service, which may have
 *       been killed in between.
 *   U6  A job is purged when cupsd does not know it any more, not when cupsd has said so.  cupsd
 *       has to read the job's control file to forget it (without it 2.4.2 answers "ok", and keeps
 *       the job for ever): so that file is cupsd's to unlink, in the purge, and its blocks get
 *       their passes at the barrier that follows; all the others are overwritten in place before.
 *
 * One thread of its own; hooks are called from the retirer's threads and have a connection of
 * their own.  Nothing of titles and users is ever asked for.
 */
#ifndef SPOOLGUARD_SUPERVISOR_CUPS_SOURCE_H
#define SPOOLGUARD_SUPERVISOR_CUPS_SOURCE_H

#include "supervisor/config.h"
#include "supervisor/events.h"
#include "supervisor/ledger.h"
#include "supervisor/pulse.h"
#include "supervisor/retirer.h"
#include "supervisor/state.h"

#define CUPS_SOURCE_JOB	 "cups"	     /* ledger id: the job's number */
#define CUPS_SOURCE_FILE "cups-file" /* ledger id: a loose file's name; no job's */

struct cups_source;

struct cups_source_options {
	const struct config *config; /* borrowed, as all here */
	struct state *state;
	struct events *events;
	struct ledger *ledger;
	/* The UUID of the open volume that the directory lies on; false: of none. */
	bool (*find_volume)(void *context, const char *directory, char ret_uuid[static 40]);
	void *context;
};

must_check int cups_source_new(const struct cups_source_options *options,
	struct cups_source **ret_source, struct problem *reterr_problem);
/* For retirer_new(): two sources; they live as long as the cups_source. */
const struct retirer_source *cups_source_hooks(struct cups_source *source, size_t *ret_count);
must_check int cups_source_start(struct cups_source *source, struct retirer *retirer);
void cups_source_stop(struct cups_source *source);
void cups_source_free(struct cups_source *source);

/* Look now: a volume was opened, say. */
void cups_source_wake(struct cups_source *source);
/* Of the last round that succeeded: {"source","id","why","since"}; gives an array. */
struct json_object *cups_source_waiting(struct cups_source *source);
struct pulse *cups_source_pulse(struct cups_source *source);

#endif
