/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_mirror.h - the audit log as tables of an SQLite file, for osquery and the like
 *
 *   events(sequence, time, boot, monotonic_ms, event, severity, outcome, role, uid, origin, job,
 *          volume, drive, detail, data, previous)
 *   jobs(job_id, state, finished, result, volume, sequence)   a job as its newest record has it:
 *          retired, failed, held, waiting; finished when it was retired
 *   mirror(log, last)                                         which log, up to which record
 *
 *   D1  A plain file, never in WAL mode: who reads needs no second file and no right to write.
 *   D2  Records come in transactions; after a crash it goes on behind "last".
 *   D3  A file that is no mirror of ours is left as it is.
 *   D4  At most EXPORT_MIRROR_EVENTS_MAX events are kept; older ones, and jobs of that time, go.
 *   D5  Another log (set aside, and begun anew) empties it first.
 *
 * It proves nothing: the log does.  This file alone of the folder knows SQLite.
 *
 * Errors: -EEXIST: it is somebody else's file, or damaged; -EBUSY: a reader held it for long, and
 * nothing was written; -EIO, -ENOSPC.  Threads: one.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_MIRROR_H
#define SPOOLGUARD_AUDIT_EXPORT_MIRROR_H

#include "audit/record.h"
#include "base/problem.h"

#define EXPORT_MIRROR_EVENTS_MAX 200000u

struct export_mirror;

/* Makes the file (mode 0640) if there is none.  log: the log's UUID. */
must_check int export_mirror_open(const char *path, const char *log,
	struct export_mirror **ret_mirror, struct problem *reterr_problem);
void export_mirror_close(struct export_mirror *mirror); /* drops what was not committed */
/* The newest record that is in it, durably; 0: none. */
uint64_t export_mirror_last(const struct export_mirror *mirror);
must_check int export_mirror_add(struct export_mirror *mirror, const struct audit_record *record);
must_check int export_mirror_commit(struct export_mirror *mirror);

#endif
