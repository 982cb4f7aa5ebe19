/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep_volume.h - free space and journal of an attached volume: everything owed is paid
 *
 * The file system hands back what it freed, the journal is emptied, and the volume erases
 * what was owed when the call began, backlog included.
 */
#ifndef SPOOLGUARD_ATTACHED_SWEEP_VOLUME_H
#define SPOOLGUARD_ATTACHED_SWEEP_VOLUME_H

#include "base/problem.h"
#include "base/progress.h"
#include "spool/barrier.h"
#include "volume/runtime.h"
#include <json-c/json.h>

enum sweep_verdict {
	SWEEP_WHOLE,	   /* what was owed when it began is paid */
	SWEEP_NOT_WHOLE,   /* the medium refuses, or blocks are not judged yet */
	SWEEP_CANNOT_TELL, /* nothing is mounted: what its file system has freed is not known */
};

struct sweep_report {
	enum sweep_verdict verdict;
	const char *fault; /* why not SWEEP_WHOLE, and what to do; NULL */
	struct barrier_report barrier;
	struct json_object *status; /* of the volume afterwards; owned */
	uint64_t took_ms;
};
void sweep_report_done(struct sweep_report *report);

/* "whole", "not whole", "cannot tell" */
const char *sweep_verdict_name(enum sweep_verdict verdict);
/* "schema": "spoolguard.sweep/1"; give the object to json_object_put(). */
struct json_object *sweep_report_to_json(
	const struct runtime_state *state, const struct sweep_report *report);

/*
 * sink may be NULL; it is called from a thread of this call's.  -EROFS: attached read-only;
 * -EOPNOTSUPP: encryption only; -ESRCH: its process is gone; -ECANCELED: the sink said so, and
 * what is owed goes on being paid.
 */
must_check int sweep_volume(const struct runtime_state *state, const struct progress_sink *sink,
	struct sweep_report *ret_report, struct problem *reterr_problem);

#endif
