/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe.h - on-demand overwrite of a volume's spool: "wipe-spool --standard" and "--full"
 *
 *   PLANNED (DIR/wipe, fsynced) -> INTAKE HELD -> JOBS CANCELLED -> OVERWRITTEN -> [SHEET] -> DONE
 *
 *   standard  every file but those in the retained directories is overwritten in place, read back
 * and removed; what is open elsewhere is cut to nothing, so that its blocks get their passes at the
 *             barrier; then a barrier over everything owed.  Same key, same file system, same
 *             directories, owners and modes.
 *   full      keys die first: the volume process ends, every key slot is destroyed and read back;
 *             then a new key and a new file system, everything marked as owed and overwritten;
 * root, temporary and bound directories are made again with their owners and modes.
 *
 *   W1  Each step is durable in DIR/wipe before it begins; after a crash or a power cut the wipe
 * goes on at that step when the volume is there, before any job is taken. W2  It begins only with
 * the volume's name as confirmation, and ends only by coming to its end: once confirmed it cannot
 * be cancelled, only delayed by a power cut. W3  No job is rejected meanwhile: CUPS accepts and
 * holds (policy.h). W4  What it says at the end is what was measured: successful, failed (and
 * what), with the four numbers of retirement.h.
 *
 * The confirmation sheet is a print job of its own, submitted after the spool is clean, followed to
 * its end (printed, aborted, cancelled, timed out), and retired like any other.
 *
 * Threads: wipe_run in a worker; the others any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_H
#define SPOOLGUARD_SUPERVISOR_WIPE_H

#include "base/problem.h"
#include "base/progress.h"
#include <json-c/json.h>
#include <stdbool.h>

struct supervisor;

struct wipe_request {
	const char *volume; /* its name in the configuration */
	bool full;
	bool dry_run;
	const char *confirm; /* must be the volume's name; ignored for a dry run */
};

/*
 * Gives an object:
 * {"volume","mode","jobs":[...],"directories":[...],"files","bytes","retained":[...],
 * "dry_run","result":"successful"|"failed","steps":[...],"sheet":{"job","state"}}.  For a dry run
 * what would die, and nothing is touched.  -EINVAL: not confirmed; -EBUSY: another wipe is under
 * way; -ENOTCONN: the volume is not open.
 */
must_check int wipe_run(struct supervisor *supervisor, const struct wipe_request *request,
	const struct progress_sink *progress, struct json_object **ret_report,
	struct problem *reterr_problem);

/* After a start: is one unfinished?  Goes on with it. */
must_check int wipe_resume(struct supervisor *supervisor, struct problem *reterr_problem);

#endif
