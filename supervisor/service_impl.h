/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_impl.h - what the files of the service share
 *
 *   service.c          its life; who calls, what he may, and which worker runs it
 *   service_jobs.c     JobBegin ... JobRelease; jobs that are waited for, or whose caller is gone
 *   service_files.c    may this caller hand over that file? (Y3)
 *   service_status.c   GetStatus, Monitor
 *   service_volumes.c  Sweep, Attach, Detach
 *   service_wipe.c     WipeSpool
 *   service_residue.c  RecordResidueCheck
 *   service_admin.c    SelfTest, Events, GetDeviceKey, Reload
 *   service_decommission.c  CloseForDecommission, RecordDecommission
 *   service_record.c   RecordHostEvent, RecordKeyChange, SetLogAside; who read the log
 *
 * A new method is a line in the table of service.c, a row in roles.h, and its text in
 * io.spoolguard.varlink.
 */
#ifndef SPOOLGUARD_SUPERVISOR_SERVICE_IMPL_H
#define SPOOLGUARD_SUPERVISOR_SERVICE_IMPL_H

#include "base/problem.h"
#include "base/progress.h"
#include "ipc/fields.h"
#include "ipc/server.h"
#include <stdio.h>
#include "supervisor/ledger.h"
#include "supervisor/pool.h"
#include "supervisor/roles.h"
#include "supervisor/service.h"
#include "supervisor/supervisor.h"
#include <pthread.h>
#include <stdatomic.h>

#define SERVICE_INTERFACE      "io.spoolguard"
#define SERVICE_REFUSALS_SHOWN 10u /* of one uid, in a minute (Y2) */
#define SERVICE_REFUSERS       32u /* uids whose refusals are counted */
#define SERVICE_READERS	       32u /* uids whose reading is counted */
#define SERVICE_KINDS_MAX      64u
#define SERVICE_SHORT_THREADS  4u
#define SERVICE_LONG_THREADS   3u
#define SERVICE_LONG_WAITING   8u
#define SERVICE_SOURCE_CALL    "call" /* of jobs that are announced here (ledger.h) */

struct service_call;

enum service_queue { SERVICE_SHORT, SERVICE_LONG, SERVICE_STATUS };

struct service_method {
	const char *name;
	enum service_queue queue;
	/* Must answer, now or later. */
	void (*run)(struct service_call *call);
};

/* A call in a worker's hands. */
struct service_call {
	struct service *service;
	struct server_call *call;
	const struct service_method *method;
	struct roles_verdict verdict;
	bool administrator; /* one of the caller's roles, if not the one by which he may */
	char *text;	    /* the call's, until a worker reads it */
	struct message message;
	struct json_object *parameters; /* in message */
};

/* Refusals of one uid within a minute. */
struct service_refuser {
	uid_t uid;
	uint64_t since_ns; /* 0: this place is free */
	uint64_t count;
};

struct service_status_board;
struct service_desk;

/* What the host reports of one kind: so much at once, and so much in the long run. */
struct service_bucket {
	double tokens;
	uint64_t filled_ns;  /* 0: never used */
	uint64_t suppressed; /* without a record of their own, and not told yet */
	uint64_t since_ns;   /* the first of those */
};

struct service_reader {
	uid_t uid;
	uint64_t noted_ns; /* 0: this place is free */
	uint64_t count;	   /* since then */
};

struct service {
	struct service_options options;
	struct supervisor *supervisor;
	struct server *server;
	struct pool_thread *loop;
	struct pool *short_pool, *long_pool;
	struct service_status_board *board;
	struct service_desk *desk;
	atomic_bool stops;

	pthread_mutex_t lock; /* of what follows */
	struct roles roles;
	uint64_t job_abandoned_s;
	struct service_refuser refusers[SERVICE_REFUSERS];
	struct service_reader readers[SERVICE_READERS];
	struct service_bucket buckets[SERVICE_KINDS_MAX]; /* by their place in the table */
	struct service_bucket decommissions;
};

/* --- answers; each ends the call --- */

/* Takes parameters. */
void service_reply(struct service_call *call, struct json_object *parameters);
/* error: "Refused", "NotFound", ... */
void service_error(struct service_call *call, const char *error, const char *format, ...)
	format_printf(3, 4);
/* What r means to the caller, in the problem's words. */
void service_fail(struct service_call *call, int r, const struct problem *problem);
/* org.varlink.service.InvalidParameter */
void service_bad_parameter(struct service_call *call, const char *name);
/* PermissionDenied, with its event; job: NULL for none; detail: what stands there, and names no
 * file. */
void service_deny(struct service_call *call, const char *job, const char *detail, const char *text);

/* An event of what the caller had done: what it is about, detail and data are filled in by him. */
void service_note(struct service_call *call, struct audit_event what);
/* "management": a method that has no event of its own; keeper: NULL for none; r: its outcome. */
void service_note_management(
	struct service_call *call, struct keeper *keeper, int r, const char *detail);

uid_t service_uid(const struct service_call *call);
/* False, and the call was answered: the ledger could not be opened (state says why). */
bool service_has_ledger(struct service_call *call);

/* --- parameters: false, and the call was answered, if there is one that cannot be --- */

bool service_get_string(struct service_call *call, const char *name, const char **ret_value);
/* Absent or null: *ret_value stays. */
bool service_may_get_string(struct service_call *call, const char *name, const char **ret_value);
bool service_may_get_u64(struct service_call *call, const char *name, uint64_t *ret_value);
bool service_may_get_bool(struct service_call *call, const char *name, bool *ret_value);

/* 8-4-4-4-12 digits in lower case, as headers of volumes have it. */
bool service_is_uuid(const char *text);

/* --- files (Y3) --- */

struct service_files {
	char volume_uuid[RUNTIME_UUID_BYTES]; /* "": no file, and no volume */
	char **paths;			      /* as the ledger shall know them */
	size_t count;
	size_t absent; /* of those that were named: they are not there, and not in paths */
};
void service_files_done(struct service_files *files);

/*
 * names: an array of strings, or NULL; with one or two slashes at the end they are directories and
 * beginnings of names (ledger.h).  uid: whose they have to be; 0: anybody's.  -EACCES: not
 * his, no regular file, the service's own, or behind a symbolic link; -ENODEV: on no configured
 * volume; -ENOTCONN: it is not open; -EXDEV: on two volumes; -EINVAL, -ENAMETOOLONG: no plain
 * absolute path.
 */
must_check int service_files_check(struct service *service, uid_t uid, struct json_object *names,
	struct service_files *ret_files, struct problem *reterr_problem);

/* By name or medium; NULL, and the call was answered. */
struct keeper *service_find_volume(struct service_call *call, const char *name);
/*
 * Progress of work that lasts, if the caller wants to know, a few times a second at most.
 * *told_ns: when it was told last; 0 at first.  True: there is nobody to be told.
 */
bool service_tell_progress(
	struct service_call *call, uint64_t *told_ns, const struct progress *progress);

/* --- jobs --- */

must_check int service_desk_new(struct service *service, struct service_desk **ret_desk);
/* Before the first caller is served: whoever began a job that the ledger has is gone. */
void service_desk_find_begun(struct service_desk *desk);
/* Who waits is answered. */
void service_desk_stop(struct service_desk *desk);
void service_desk_free(struct service_desk *desk);
void service_desk_gone(struct service_desk *desk, uint64_t connection);

void service_job_begin(struct service_call *call);
void service_job_complete(struct service_call *call);
void service_job_list(struct service_call *call);
void service_job_show(struct service_call *call);
void service_job_hold(struct service_call *call);
void service_job_release(struct service_call *call);

/* --- status --- */

must_check int service_board_new(struct service *service, struct service_status_board **ret_board);
void service_board_stop(struct service_status_board *board);
void service_board_free(struct service_status_board *board);
void service_board_changed(struct service_status_board *board);
/* From the thread that serves the socket: takes the call, and answers it from its own. */
void service_board_ask(struct service_status_board *board, struct service_call *call);
struct json_object *service_board_get(struct service_status_board *board);

/* --- the others --- */

void service_sweep(struct service_call *call);
void service_wipe_spool(struct service_call *call);
void service_record_residue_check(struct service_call *call);
void service_attach(struct service_call *call);
void service_detach(struct service_call *call);
void service_selftest(struct service_call *call);
void service_events(struct service_call *call);
void service_device_key(struct service_call *call);
void service_reload_call(struct service_call *call);
void service_record_host_event(struct service_call *call);
void service_record_key_change(struct service_call *call);
void service_close_for_decommission(struct service_call *call);
void service_record_decommission(struct service_call *call);
void service_set_log_aside(struct service_call *call);
/* That the caller reads the log; once in a while, with how often he did. */
void service_note_reading(struct service_call *call, uint64_t since);

/* The call is over for its worker; whoever keeps it for later frees it later. */
void service_call_free(struct service_call *call);

#endif
