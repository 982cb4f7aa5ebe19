/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_server.h - what spoolguard asks of a cupsd, over one connection
 *
 * Nothing connects before the first question; a connection that was lost is made anew by the
 * next one.  Libraries and tests see no libcups type.
 *
 * Units: ids as CUPS counts them, times in seconds since 1970 by cupsd's clock, sizes in KiB
 * where CUPS has no better ("job-k-octets").
 * Errors, beside -ENOMEM; each with a line for the user:
 *   -ECONNREFUSED  nobody is there (also while cupsd restarts)
 *   -ETIMEDOUT     it is there and does not answer
 *   -EPROTO        what it answers is no answer
 *   -EACCES        it wants somebody else to ask
 *   -EAGAIN        it has too much to do; ask again later
 *   -ESRCH         it knows no such job, queue or subscription
 *   -EREMOTEIO     it says no, for another reason
 * Threads: one caller at a time for each server; a thread that must not wait for another has its
 * own.
 *
 *   C1  A request ends within timeout_ms, whatever cupsd does (a peer that sends the length line of
 * a chunk byte by byte is the exception).  A call is one request, but one for each page in a list,
 * and one or two for each queue where queues are changed; the first that is late ends it.  A host
 * name is looked up by the system's resolver, in the time that this takes. C2  Titles and names of
 * users are never asked for, nor looked at where cupsd sends them unasked (notifications). C3  What
 * changes something is sent once: a print job is not sent again when the answer was lost.
 * Everything else can be repeated, and is if a connection turns out to be dead.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_SERVER_H
#define SPOOLGUARD_PIPELINE_CUPS_SERVER_H

#include "base/problem.h"
#include <stdbool.h>
#include <stdint.h>

#define CUPS_SERVER_SOCKET     "/run/cups/cups.sock"
#define CUPS_SERVER_TIMEOUT_MS 10000u

#define CUPS_KEYWORD_BYTES 64u	 /* longer ones are cut */
#define CUPS_QUEUE_BYTES   128u	 /* CUPS allows 127 */
#define CUPS_JOBS_MAX	   65536 /* in one list; cupsd keeps MaxJobs, 500 unless told */

struct cups_server;

/* address: the path of a socket, or HOST:PORT.  Nothing is sent yet.  -EINVAL: neither. */
must_check int cups_server_new(const char *address, unsigned int timeout_ms,
	struct cups_server **ret_server, struct problem *reterr_problem);
void cups_server_free(struct cups_server *server);
DEFINE_CLEANUP(struct cups_server *, cups_server_free)

/* It is there and answers. */
must_check int cups_server_ping(struct cups_server *server, struct problem *reterr_problem);

/* --- jobs --- */

/* The numbers are IPP's (RFC 8011, 5.3.7). */
enum cups_job_state {
	CUPS_JOB_PENDING = 3,
	CUPS_JOB_HELD = 4,
	CUPS_JOB_PROCESSING = 5,
	CUPS_JOB_STOPPED = 6,
	CUPS_JOB_CANCELED = 7,
	CUPS_JOB_ABORTED = 8,
	CUPS_JOB_COMPLETED = 9,
};

struct cups_job {
	int id;
	enum cups_job_state state;
	bool is_preserved; /* finished, and its document files are still there */
	int document_count;
	int kib; /* as submitted */
	int64_t created_s;
	int64_t completed_s;		     /* 0: not finished */
	char queue[CUPS_QUEUE_BYTES];	     /* printer or class */
	char reason[CUPS_KEYWORD_BYTES];     /* the first of job-state-reasons */
	char hold_until[CUPS_KEYWORD_BYTES]; /* "indefinite", "09:30:00"; "" if not asked for */
};

/* Completed, aborted or cancelled.  A cancelled job's filters may still have its files open. */
bool cups_job_is_finished(const struct cups_job *job);

struct cups_job_list {
	struct cups_job *jobs; /* by id */
	size_t count;
	bool is_cut; /* there are more than CUPS_JOBS_MAX: those with higher ids are missing */
};
void cups_job_list_done(struct cups_job_list *list);

enum cups_which_jobs {
	CUPS_JOBS_ALL, /* what is waiting and what is finished, as of one moment for each 500 */
	CUPS_JOBS_FINISHED, /* completed, aborted, cancelled */
	CUPS_JOBS_WAITING,  /* the rest, with hold_until */
};

/*
 * A job keeps its id for ever, and new ones get higher ids: the list is complete for the moment
 * when it was asked for, whatever is submitted and purged meanwhile.
 */
must_check int cups_server_list_jobs(struct cups_server *server, enum cups_which_jobs which,
	struct cups_job_list *ret_list, struct problem *reterr_problem);

/* One job, as CUPS_JOBS_ALL would list it.  -ESRCH */
must_check int cups_server_get_job(struct cups_server *server, int id, struct cups_job *ret_job,
	struct problem *reterr_problem);
must_check int cups_server_job_state(struct cups_server *server, int id,
	enum cups_job_state *ret_state, struct problem *reterr_problem);

/* Out of cupsd's lists, files and memory.  One that is gone already is success; one that is
 * printing dies too. */
must_check int cups_server_purge_job(
	struct cups_server *server, int id, struct problem *reterr_problem);
/* Ends it; it stays in the history.  One that is finished or gone already is success. */
must_check int cups_server_cancel_job(
	struct cups_server *server, int id, struct problem *reterr_problem);

/* Is there a queue (printer or class) of that name?  -ESRCH: no. */
must_check int cups_server_find_queue(
	struct cups_server *server, const char *queue, struct problem *reterr_problem);

/* A job from memory.  title is for people, and not secret; format NULL: cupsd finds out. */
must_check int cups_server_print(struct cups_server *server, const char *queue, const char *title,
	const char *format, const void *data, size_t bytes, int *ret_id,
	struct problem *reterr_problem);

/*
 * The same with more said.  user: whose job it is, as far as cupsd believes it unasked (a caller
 * that has to authenticate himself is who he is).  held: it waits until somebody releases or
 * cancels it, and nothing is printed.
 */
struct cups_submission {
	const char *queue, *title, *user,
		*format; /* user NULL: ours; format NULL: cupsd finds out */
	bool held;
};
must_check int cups_server_submit(struct cups_server *server,
	const struct cups_submission *submission, const void *data, size_t bytes, int *ret_id,
	struct problem *reterr_problem);

/* A job that waits on hold goes on. */
must_check int cups_server_release_job(
	struct cups_server *server, int id, struct problem *reterr_problem);

/* cupsd's default queue, or else the first of its list.  -ESRCH: it has none. */
must_check int cups_server_any_queue(struct cups_server *server,
	char ret_queue[static CUPS_QUEUE_BYTES], struct problem *reterr_problem);

/* --- intake --- */

/*
 * New jobs are accepted, kept and not printed.  Of what cupsd offers (2.4.2, tried):
 *
 * Hold-New-Jobs is not used.  A job that comes as Create-Job and Send-Document (lp, and most
 * others) is printed all the same; after a restart nothing is held any more, although the queue
 * still says "hold-new-jobs".  Reject-Jobs is not used: jobs are lost.
 *
 * Pause-Printer is used, with a message that begins with CUPS_HOLD_MARK.  The message is what users
 * see (lpstat -p, print dialogues), it outlives a restart of cupsd, and it is how a queue that we
 * hold is known, also to the next process after a crash (where cupsd empties the message, by the
 * state reason com.spoolguard-hold-report).  A queue that somebody else stopped is left alone.
 *
 * Pause-Printer interrupts the job that is printing, and prints it from its beginning later. Unless
 * told otherwise a queue that is printing is therefore left to finish that one job: jobs that wait
 * behind it are held for CUPS_HOLD_GRACE_S, a hold that ends by itself, and the queue is stopped by
 * the first call that finds it idle.
 *
 * So call again each second or so until cups_hold_is_complete(), and once each round for as long as
 * the hold is meant to last: a person may start a queue, and a cupsd that is killed within
 * DirtyCleanInterval forgets.
 */
#define CUPS_HOLD_MARK	  "spoolguard: "
#define CUPS_HOLD_GRACE_S 120

struct cups_hold {
	size_t queue_count; /* printers; classes print through them */
	size_t is_held;	    /* stopped, and by us */
	size_t is_stopped;  /* stopped by somebody else */
	size_t is_printing; /* finishes a job */
};
static inline may_be_unused bool cups_hold_is_complete(const struct cups_hold *hold)
{
	return hold->is_held + hold->is_stopped == hold->queue_count;
}

/* reason: what users read behind the mark, one line, CUPS_HOLD_REASON_BYTES at most. */
#define CUPS_HOLD_REASON_BYTES 200u
must_check int cups_server_hold_new_jobs(struct cups_server *server, const char *reason,
	bool interrupt, struct cups_hold *ret_hold, struct problem *reterr_problem);
/* Undoes it on every queue that carries the mark. */
must_check int cups_server_release_new_jobs(
	struct cups_server *server, struct cups_hold *ret_hold, struct problem *reterr_problem);
/* What is held, without a change. */
must_check int cups_server_get_hold(
	struct cups_server *server, struct cups_hold *ret_hold, struct problem *reterr_problem);

/*
 * A printer-state-reason on every queue, for IPP clients and their displays: a keyword that begins
 * with CUPS_REASON_PREFIX and ends, as RFC 8011 5.4.12 wants it, in "-report", "-warning" or
 * "-error"; NULL takes ours off.  -EINVAL: another keyword.
 *
 * cupsd 2.4.2 takes any keyword by CUPS-Add-Modify-Printer, keeps it over a restart and while it
 * prints, and hands it to whoever asks.  It can only be set together with all the others: what
 * changes in the instant between our question and our order is changed back (a reason of a backend,
 * or "paused"; a queue that is removed then comes back, stopped and rejecting).  Nothing is sent to
 * a queue that has what it should have.  Queues that cups-browsed or a driverless printer made for
 * the moment are left out (this would make them permanent).
 */
#define CUPS_REASON_PREFIX "com.spoolguard-"
must_check int cups_server_set_reason(
	struct cups_server *server, const char *keyword, struct problem *reterr_problem);

/* --- notifications --- */

/*
 * A hint that something happened, never the ledger: cupsd keeps the last 100 events, and may
 * forget a subscription when it is killed.  Subscriptions have no lease; one that this or an
 * earlier process made is found again by its user data or its recipient, so that there is one.
 */
struct cups_event {
	int job_id; /* 0: not about a job */
	enum cups_job_state state;
};

struct cups_subscription {
	int id;		   /* 0: none yet */
	int next_sequence; /* 0: not known */
};

#define CUPS_EVENTS_MAX 256u

/* ret: to start with, {0}. */
must_check int cups_server_subscribe(struct cups_server *server,
	struct cups_subscription *ret_subscription, struct problem *reterr_problem);

/*
 * What happened since the last call, CUPS_EVENTS_MAX at most.  *ret_missed: some may have been
 * missed (the first call, a new subscription, more than cupsd keeps): look at the lists of jobs.
 * A subscription that cupsd has forgotten is made again.
 */
must_check int cups_server_poll_events(struct cups_server *server,
	struct cups_subscription *subscription, struct cups_event events[static CUPS_EVENTS_MAX],
	size_t *ret_count, bool *ret_missed, struct problem *reterr_problem);

/* recipient: "spoolguard:///run/cups/spoolguard.wake"; cupsd starts its program notifier/spoolguard
 * for it.  -ENXIO: no such program is installed there. */
must_check int cups_server_subscribe_notifier(
	struct cups_server *server, const char *recipient, struct problem *reterr_problem);
/* Takes both kinds of our subscriptions away. */
must_check int cups_server_unsubscribe(
	struct cups_server *server, const char *recipient, struct problem *reterr_problem);

#endif
