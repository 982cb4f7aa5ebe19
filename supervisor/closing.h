/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closing.h - a volume is closed for good, because its drive is decommissioned
 *
 *   CLOSING durable, event "begun" -> intake held -> jobs that are under way are waited for
 *     -> each is retired, or listed with why it is not -> CLOSED durable -> detached, its key
 *        deactivated -> event "success"
 *
 *   L1  No job is lost in silence: what is not retired is listed.  Jobs that wait to be printed,
 *       are held by a person or kept by their queue are not retired, and die with the key.
 *   L2  Interrupted anywhere (a caller that goes away, -ECANCELED; kill -9), the same call goes
 *       on; meanwhile intake stands still, over a restart too.
 *   L3  It and a wipe exclude one another (wipe.h).
 *   L4  Intake is that of CUPS where its spool lies on the volume; jobs that are announced for
 *       the volume (JobBegin) are refused in words.  Other volumes go on.
 *
 * Threads: closing_run() in a worker, which it may keep for long; the others any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_CLOSING_H
#define SPOOLGUARD_SUPERVISOR_CLOSING_H

#include "base/progress.h"
#include "supervisor/closure.h"
#include "supervisor/supervisor.h"

#define CLOSING_WAIT_S_DEFAULT 600u

struct closing_request {
	const char *volume;  /* its name in the configuration */
	const char *uuid;    /* "": not known */
	const char *confirm; /* the name, or the UUID */
	uint64_t wait_s;     /* for jobs that are under way */
	uid_t uid;
	const char *role;
	/* service.h; may be NULL */
	struct json_object *(*waiting)(void *context);
	void *context;
};

/*
 * Gives {"volume","uuid","jobs_retired","jobs_not_retired":[{"source","id","why"}],"detached"}.
 * -EINVAL: not confirmed, no such volume; -EBUSY: L3, or it is in use and cannot be detached;
 * -ECANCELED: L2; -EROFS and friends: nothing was touched.
 */
must_check int closing_run(struct supervisor *supervisor, const struct closing_request *request,
	const struct progress_sink *sink, struct json_object **ret_result,
	struct problem *reterr_problem);

/* At the start of the service, and when a volume was attached: intake is held if it has to be, and
 * released if not. */
void closing_judge_intake(struct supervisor *supervisor);

/* Is the open volume with that UUID being closed? */
bool closing_is_under_way(struct supervisor *supervisor, const char *uuid);

#endif
