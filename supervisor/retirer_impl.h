/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer_impl.h - the inside of retirer.h, for its own files
 *
 *   retirer.c         volumes that come and go, who waits, pauses
 *   retirer_volume.c  a volume's thread: which jobs are due
 *   retirer_batch.c   one batch, from SEEN to the barrier
 *   retirer_end.c     its end: receipts, to RETIRED
 *   retirer_track.c   what is known of a job between its attempts
 */
#ifndef SPOOLGUARD_SUPERVISOR_RETIRER_IMPL_H
#define SPOOLGUARD_SUPERVISOR_RETIRER_IMPL_H

#include "attached/retire_jobs.h"
#include "harness/harness.h"
#include "supervisor/retirer.h"
#include <pthread.h>

#define RETIRER_NEVER_NS    UINT64_MAX
#define RETIRER_BATCH_FILES 2048u /* a single job may have more */

/* --- what is known of a job between its attempts, in this process --- */

struct lh_table;
struct retirer_track {
	uint64_t number;
	uint64_t due_ns; /* monotonic; 0: now */
	uint64_t delay_ms;
	bool told; /* that it fails is an event already, for this reason */
	char why[LEDGER_WHY_BYTES];
	struct job_receipt sum; /* files that are done with, and their blocks */
	struct lh_table *done;	/* their names; NULL: none */
};

struct retirer_tracks {
	struct retirer_track **items; /* by number; owned, and so is each */
	size_t count, capacity;
};
void retirer_tracks_done(struct retirer_tracks *tracks);
struct retirer_track *retirer_tracks_find(const struct retirer_tracks *tracks, uint64_t number);
/* Found, or made; NULL: no memory. */
struct retirer_track *retirer_tracks_get(struct retirer_tracks *tracks, uint64_t number);
void retirer_tracks_drop(struct retirer_tracks *tracks, uint64_t number);

/* That file is done with: it is not looked for again. */
must_check int retirer_track_add_done(struct retirer_track *track, const char *name);
bool retirer_track_is_done(const struct retirer_track *track, const char *name);
/* soon: what may pass in a moment. */
void retirer_track_delay(struct retirer_track *track, bool soon);

/* --- volumes --- */

struct retirer_volume {
	struct retirer_volume *next;
	struct retirer *retirer;
	struct runtime_state state;
	char reason_key[48]; /* "jobs:UUID" */
	pthread_t thread;
	/* Under retirer->lock. */
	bool woken, stop;
	uint64_t retry_number; /* 0: none */
	/* The thread's own. */
	struct retire_session *session; /* NULL: not open, or lost */
	unsigned int session_failures;
	struct retirer_tracks tracks;
	uint64_t *numbers; /* of a list; LEDGER_OPEN_MAX */
};

must_check int retirer_volume_new(struct retirer *retirer, const struct runtime_state *state,
	struct retirer_volume **ret_volume);
/* Its thread has ended. */
void retirer_volume_free(struct retirer_volume *volume);
void *retirer_volume_run(void *volume);

/*
 * Retires what it can of these; takes the jobs.  Each that is not RETIRED or HELD afterwards has a
 * track that says when it is due.  false: the volume cannot be worked on (its process is gone, the
 * ledger cannot be written to): it is tried again a moment later.
 */
bool retirer_batch(struct retirer_volume *volume, struct ledger_job *jobs, size_t count);

/* --- all --- */

struct retirer_waiter {
	struct retirer_waiter *next;
	uint64_t number;
	void (*done)(void *context, const struct ledger_job *job);
	void *context;
};

struct retirer {
	struct retirer_options options;
	struct retirer_source *sources; /* owned */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* monotonic; of everything below */
	struct retirer_volume *volumes;
	unsigned int pauses;
	unsigned int busy; /* batches that are under way */
	char selftest[HARNESS_ID_BYTES];
	struct retirer_waiter *waiters;
	const void *telling; /* the context that done() is called with right now */
	bool news;	     /* for those who wait */
	bool stop;
	bool teller_started;
	pthread_t teller;
};

const struct retirer_source *retirer_find_source(const struct retirer *retirer, const char *name);
/* Jobs have changed: whoever waits for one of them is told. */
void retirer_tell(struct retirer *retirer);

#endif
