/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closure.h - STATE/closure.NAME: a volume whose drive is decommissioned is closed for good
 *
 *   none --CloseForDecommission--> CLOSING --jobs are retired, or listed--> CLOSED
 *     ^                              |   its intake stands still; it may be opened    |
 *     |                              +   again after a boot, so that jobs can end     |
 *     +------- attached with another UUID, or from another medium (format) -----------+
 *
 *   C1  CLOSING is durable before a queue is touched, CLOSED before the volume is detached: from
 *       then on nothing attaches it again.
 *   C2  A record that cannot be read is CLOSED: it fails closed.
 *   C3  What was answered is in it: the same call again answers the same.
 *
 * One JSON object, replaced whole.  No title, file or user is in it.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_CLOSURE_H
#define SPOOLGUARD_SUPERVISOR_CLOSURE_H

#include "base/problem.h"
#include "volume/runtime.h"
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum closure_state { CLOSURE_NONE, CLOSURE_CLOSING, CLOSURE_CLOSED };

struct closure {
	enum closure_state state;
	char uuid[RUNTIME_UUID_BYTES]; /* "": not known, because its medium could not be read */
	char medium[PATH_MAX];	       /* as the configuration named it */
	int64_t began_wall_s;
	struct json_object *jobs; /* {"NUMBER":true}: the ledger's jobs that it had; owned */
	bool looked;
	uint64_t newest; /* retired before that; a higher number is a job that came meanwhile */
	/* CLOSED: what became of them. */
	uint64_t retired;
	struct json_object *not_retired; /* [{"source","id","why"}]; owned */
};

void closure_done(struct closure *closure);
/* -ENOENT: there is none; -EBADMSG: damaged (C2). */
must_check int closure_load(const char *directory, const char *name, struct closure *ret_closure);
must_check int closure_save(const char *directory, const char *name, const struct closure *closure);
must_check int closure_remove(const char *directory, const char *name);

/* How it stands, alone (C2). */
enum closure_state closure_state(const char *directory, const char *name);

/*
 * May the medium be attached?  medium_uuid: of its header; NULL: it has none that can be read.  0:
 * yes, and what closed the one before is removed; -EKEYREVOKED: no, with its line.
 */
must_check int closure_check(const char *directory, const char *name, const char *medium,
	const char *medium_uuid, struct problem *reterr_problem);

#endif
