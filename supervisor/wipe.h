/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe.h - on-demand overwrite of a volume's spool: "wipe-spool --standard" and "--full"
 *
 *   PLANNED -> INTAKE (held, jobs cancelled) -> ERASE -> SETTLE (everything owed is paid)
 *           -> ACCOUNT (the ledger) -> [intake is open again] -> SHEET -> done
 *
 *   standard  every file that was there, but those in the retained directories, is overwritten in
 *             place, read back and removed; what is open elsewhere is cut to nothing, so that its
 *             blocks get their passes at the barrier; then a barrier over everything owed.  Same
 *             key, same file system, same directories, owners and modes.
 *   full      keys die first: the volume process ends, every key slot is destroyed and read back;
 *             then a new key and a new file system, the whole medium owed its passes, and paid;
 *             root, temporary and bound directories are made again with their owners and modes.
 *             A header backup of the old key, if there is one, still has that key: what it could
 *             open is overwritten.
 *
 *   W1  Each step is durable in STATE/wipe before it begins; after a crash or a power cut the wipe
 *       goes on at that step when the volume is open, before any job is taken.
 *   W2  It begins only with the volume's name as confirmation (a schedule is one), and ends only by
 *       coming to its end: once confirmed it cannot be cancelled, only delayed.
 *   W3  No job is rejected meanwhile: CUPS accepts and holds (policy.h), and what came after the
 *       jobs were listed is not the wipe's.  In the seconds in which a full wipe makes the new file
 *       system there is none to accept a job into: who prints then is told an error.
 *   W4  What it says at the end is what was measured: successful, failed (and what), with the four
 *       numbers of retirement.h.
 *   W5  No name of a file, title or user stands in its record or its events.
 *
 * The confirmation sheet is a print job of its own (wipe_sheet.c).
 *
 * Threads: wipe_run(), wipe_resume() and wipe_tick() in a worker, which they may keep for hours;
 * the others any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_H
#define SPOOLGUARD_SUPERVISOR_WIPE_H

#include "base/problem.h"
#include "base/progress.h"
#include "supervisor/config.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <sys/types.h>

struct supervisor;

struct wipe_request {
	const char *volume; /* its name in the configuration */
	bool full;
	bool dry_run;
	const char *confirm; /* must be the volume's name; ignored for a dry run */
	bool scheduled;
	uid_t uid;	   /* who asks, and as what: for the events */
	const char *role;  /* NULL: the service itself */
	int passphrase_fd; /* full: taken; the volume's own passphrase; -1: as configured */
};

/*
 * Gives an object with "schema": "spoolguard.wipe-spool/1":
 * {"volume","uuid","new_uuid","mode","dry_run","result":"successful"|"failed","began","ended",
 * "jobs":[{"source","id","state"}],"job_count","directories":[{"directory","files","bytes"}],
 * "retained":[...],"files","bytes","numbers":{...},"faults":[...],"notes":[...],
 * "sheet":{"queue","job","state"}}.  For a dry run what would die, and nothing is touched.
 *
 * -EINVAL: not confirmed, no such volume; -EBUSY: another wipe is under way; -ENOTCONN: the volume
 * is not open; -ENOENT: no queue for the sheet; -EOPNOTSUPP: it cannot be wiped so; -EROFS and
 * friends: no record can be kept; nothing was touched.  -ECANCELED, or what a step says: it goes on
 * by itself (W1).
 */
must_check int wipe_run(struct supervisor *supervisor, const struct wipe_request *request,
	const struct progress_sink *progress, struct json_object **ret_report,
	struct problem *reterr_problem);

/*
 * A decommissioning and a wipe exclude one another: from here on, until wipe_allow(), wipe_run() is
 * -EBUSY.  -EBUSY: one is under way, or was interrupted, or another has excluded them.
 */
must_check int wipe_exclude(struct supervisor *supervisor, struct problem *reterr_problem);
void wipe_allow(void);

/* Has one begun, and not ended?  ret_volume ("": its record cannot be read) may be NULL. */
bool wipe_is_pending(struct supervisor *supervisor, char *ret_volume);

/* At the start of the service, before a volume is opened: if one is pending, nothing is retired or
 * printed until it has come to its end. */
void wipe_stand_still(struct supervisor *supervisor);

/* Goes on with it.  -ENOENT: there is none; -ENOTCONN: its volume is not open yet; else as
 * wipe_run(). */
must_check int wipe_resume(struct supervisor *supervisor, const struct progress_sink *progress,
	struct problem *reterr_problem);

/* Does what is due by the configuration's schedule: of each volume, counted from its last.  Returns
 * 0, or what wipe_run() said first. */
must_check int wipe_tick(struct supervisor *supervisor, struct problem *reterr_problem);

#endif
