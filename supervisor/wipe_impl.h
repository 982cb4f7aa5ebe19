/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_impl.h - what the files of an on-demand overwrite share
 *
 *   wipe.c           who may begin one, its steps, its end, what is done after a crash
 *   wipe_record.c    STATE/wipe: which step has begun (W1)
 *   wipe_plan.c      what would die: jobs, files, directories
 *   wipe_intake.c    CUPS and the retirer stand still; jobs are cancelled, and forgotten
 *   wipe_standard.c  files are overwritten: rounds over wipe_walk.c, batches of wipe_files.c
 *   wipe_unnamed.c   files without a name that a program has open
 *   wipe_full.c      a new key and a new file system; directories as they were
 *   wipe_account.c   what the ledger is told
 *   wipe_receipts.c  ... of those that are retired: their signed receipts
 *   wipe_sheet.c     the confirmation sheet
 *   wiper.c          the thread that resumes one, and begins those on schedule
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_IMPL_H
#define SPOOLGUARD_SUPERVISOR_WIPE_IMPL_H

#include "base/clock.h"
#include "base/io.h"
#include "blockdev/medium.h"
#include "ipc/fields.h"
#include "pipeline/cups_server.h"
#include "supervisor/supervisor.h"
#include "supervisor/wipe.h"
#include "supervisor/wipe_record.h"
#include "supervisor/wipe_walk.h"

struct wipe {
	struct supervisor *supervisor;
	const struct config *config;
	const struct config_volume *volume;
	struct keeper *keeper;
	struct runtime_state runtime; /* of the volume now */
	dev_t device;		      /* what is mounted, when it is */
	bool has_cups;		      /* the spool of CUPS lies on the volume */
	struct cups_server *cups; /* NULL: there is none, or it does not answer; this thread's alone
				   */
	int passphrase_fd;	  /* -1: as configured */
	const struct progress_sink *sink;
	struct wipe_record record;
	struct json_object *directories; /* of the plan: [{"directory","files","bytes"}] */
	struct json_object *retained;
	uint64_t plan_files, plan_bytes;
	/* Of the volume, for receipts and the sheet. */
	char scheme[32], verify[16], medium[MEDIUM_TEXT_BYTES];
	uint64_t erased_before; /* blocks that the volume's process had erased when we began */
	uint64_t process;	/* ... that one */
	char queue[CUPS_QUEUE_BYTES]; /* for the sheet; "": none */
	char sheet_state[16];	      /* "": none was asked for */
	bool sheet_owed;	      /* its queue is there */
};

/* The service stops: what is under way is left as it is recorded, and goes on at the next start. */
bool wipe_is_stopping(const struct wipe *wipe);
/* -ECANCELED if it stops.  what: borrowed for the call. */
must_check int wipe_progress(
	struct wipe *wipe, const char *what, uint64_t done_bytes, uint64_t total_bytes);
/* The record as it is now is on disk, or nothing goes on: tried until it is (or -ECANCELED). */
must_check int wipe_save(struct wipe *wipe);
/* The runtime state, and what is mounted.  -ENOTCONN: the volume is not open. */
must_check int wipe_look(struct wipe *wipe, struct problem *reterr_problem);

/* wipe_plan.c: what would die, counted without touching it; and the report (gives). */
must_check int wipe_plan(struct wipe *wipe, struct problem *reterr_problem);
struct json_object *wipe_report(const struct wipe *wipe, bool dry_run);
/* The same without what is not to lie on an unencrypted disk (names of directories). */
struct json_object *wipe_report_for_disk(const struct wipe *wipe);

/* wipe_intake.c */
must_check int wipe_intake_check(struct wipe *wipe, struct problem *reterr_problem);
/* Jobs that die are listed in the record; nothing is changed. */
must_check int wipe_intake_list(struct wipe *wipe, struct problem *reterr_problem);
void wipe_intake_hold(struct wipe *wipe);
/* The part of it that needs nobody's answer: the policy holds, the retirer is paused. */
void wipe_intake_stand_still(struct supervisor *supervisor, bool has_cups);
must_check int wipe_intake_cancel(struct wipe *wipe);
void wipe_intake_purge(struct wipe *wipe);
/* Its files on the volume are new: it is told to open them again. */
void wipe_intake_reopen(struct wipe *wipe);
void wipe_intake_release(struct wipe *wipe);
/* Until queues are as the policy has them now: a sheet is not to wait for its round. */
void wipe_intake_wait(struct wipe *wipe);
must_check int wipe_intake_connect(struct wipe *wipe, struct problem *reterr_problem);
void wipe_intake_close(struct wipe *wipe);

/* wipe_standard.c */
must_check int wipe_standard(struct wipe *wipe, struct problem *reterr_problem);

/* wipe_full.c */
must_check int wipe_full_note_places(struct wipe *wipe, struct problem *reterr_problem);
must_check int wipe_full_renew(struct wipe *wipe, struct problem *reterr_problem);
must_check int wipe_full_make_places(struct wipe *wipe, struct problem *reterr_problem);

/* Everything owed is paid; the numbers follow. */
must_check int wipe_settle(struct wipe *wipe, struct problem *reterr_problem);

/* wipe_account.c */
void wipe_account_begin(struct wipe *wipe);
void wipe_account_end(struct wipe *wipe);

/* wipe_sheet.c; state: "successful", "failed", "cancelled", "timed-out". */
void wipe_sheet(struct wipe *wipe);
/* One page of plain text; gives it, NULL without memory. */
char *wipe_sheet_text(const struct wipe_record *record, const char *scheme, const char *medium);

#endif
