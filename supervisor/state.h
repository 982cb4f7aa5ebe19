/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the service's state, and the reasons for it
 *
 *              +-------------------- a self-test fails --------------------+
 *              |                                                           v
 *   start -> SELF-TEST -> LOCKED <-> READY <-> DEGRADED (one or more reasons)
 *                            ^         |          |
 *                            |         +-> WIPING <+   (the spool is being wiped; then as before)
 *                            +---- a volume is closed
 *   any -> STOPPED (stopping in order; the volumes stay attached)
 *
 *   SELF-TEST  nothing is claimed: no receipt is written
 *   LOCKED     a configured volume is not open; what can be done without it is done
 *   READY      every volume is open, every test passed, nothing is wrong
 *   DEGRADED   it works, but something needs a person: each reason names its remedy
 *   WIPING     intake stands still
 *
 *   E1  Claims (receipts, "retired") are made only while state_may_claim().
 *   E2  A self-test's reason that stops claims is taken back only by a passed self-test; the audit
 *       log's once it takes records again.
 *
 * A reason is keyed: who raised it takes it back.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_STATE_H
#define SPOOLGUARD_SUPERVISOR_STATE_H

#include "base/problem.h"
#include <json-c/json.h>
#include <stdbool.h>

enum state_name {
	STATE_SELF_TEST,
	STATE_LOCKED,
	STATE_READY,
	STATE_DEGRADED,
	STATE_WIPING,
	STATE_STOPPED,
};

enum state_weight {
	STATE_ATTENTION, /* DEGRADED */
	STATE_LOCKS,	 /* LOCKED */
	STATE_STOPS_CLAIMS,
};

/* Key of the reason that the audit log takes no records. */
#define STATE_KEY_AUDIT "audit-log"

struct state;

/* changed is called, without a lock held, after each change (sd_notify, events, hold of intake). */
must_check int state_new(void (*changed)(void *context), void *context, struct state **ret_state);
void state_free(struct state *state);

void state_set_testing(struct state *state, bool testing);
void state_set_wiping(struct state *state, bool wiping);
void state_set_stopped(struct state *state);

/* key: "selftest", "volume:spool", "swap", "disk", "cups"; the text names the remedy. */
void state_raise(struct state *state, enum state_weight weight, const char *key, const char *format,
	...) format_printf(4, 5);
void state_clear(struct state *state, const char *key);
/* Every reason whose key begins so. */
void state_clear_all(struct state *state, const char *prefix);

enum state_name state_get(struct state *state);
const char *state_text(enum state_name name); /* "SELF-TEST" */
bool state_may_claim(struct state *state);
/* In a few words for a queue's message: "a self-test failed", "the audit log cannot be written";
 * returns buf. */
const char *state_why_no_claim(struct state *state, char *buf, size_t bytes);
/* {"state":"DEGRADED","reasons":[{"key","weight","text"}]}; gives. */
struct json_object *state_to_json(struct state *state);
/* One line for sd_notify: "READY", "DEGRADED: swap is not encrypted (+2 more)"; returns buf. */
const char *state_line(struct state *state, char *buf, size_t bytes);

#endif
