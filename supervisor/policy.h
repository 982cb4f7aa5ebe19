/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - may new jobs be printed?  When not, they are held, and never rejected
 *
 *   held while   - claims are stopped and on_failure = hold (with continue-without-receipts they
 *                  are printed, and retired without receipts)
 *                - more is owed than debt_limit, or for longer than debt_limit_age; until it is
 *                  nine tenths of that
 *                - the ledger is full
 *                - somebody asks for it (a wipe)
 *
 *   Q1  A hold changes queues of CUPS alone (cups_server_hold_new_jobs): jobs are accepted, stay
 *       with CUPS, and are printed later.
 *   Q2  Whoever prints reads why: the printer's state message is the reason.
 *   Q3  A hold outlives a crash of ours, and is known by its mark: after a start it is kept if it
 * is due, and taken back if not.  While the first self-tests run nothing is changed. Q4  Queues
 * that somebody else stopped are left alone.
 *
 *   Q5  Displays are told by a printer-state-reason (CUPS_REASON_PREFIX, [cups] state_reason):
 *       claims-stopped-error; debt-warning: over a limit; overwrite-pending-report: something has
 *       been owed for a minute.  Sent when it changes, and again each minute while it stands.
 *
 * Where no volume lies where CUPS has its spool, CUPS is none of our business and nothing is asked
 * of it (intake NULL).
 *
 * Threads: policy_update() in one; the others any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_POLICY_H
#define SPOOLGUARD_SUPERVISOR_POLICY_H

#include "supervisor/events.h"
#include "supervisor/figures.h"
#include "supervisor/state.h"

#define POLICY_REASON_BYTES 200
#define POLICY_HOLDERS_MAX  8

/* What can be told to hold; policy_cups_new() makes the one for CUPS. */
struct policy_intake {
	/* ret_complete: every queue stands still. */
	int (*hold)(void *context, const char *reason, bool *ret_complete,
		struct problem *reterr_problem);
	int (*release)(void *context, struct problem *reterr_problem);
	/* A keyword for IPP clients, or NULL: none. */
	int (*tell)(void *context, const char *keyword, struct problem *reterr_problem);
	void (*free)(void *context);
	void *context;
};
must_check int policy_cups_new(
	const char *address, struct policy_intake *ret_intake, struct problem *reterr_problem);

struct policy_options {
	const struct config *config; /* borrowed, as all here */
	struct state *state;
	struct events *events;
	const struct policy_intake *intake; /* taken; NULL: there is none */
};

struct policy;

must_check int policy_new(const struct policy_options *options, struct policy **ret_policy);
void policy_free(struct policy *policy);

/* Judges and acts.  Returns when to be called again, in milliseconds. */
int policy_update(struct policy *policy, const struct figures *figures);

/* From now on, until it is released: key is who asks ("wipe"). */
must_check int policy_hold(struct policy *policy, const char *key, const char *reason);
void policy_release(struct policy *policy, const char *key);
/* Waits until what is asked for has been done at every queue; -ETIMEDOUT. */
must_check int policy_settle(struct policy *policy, uint64_t timeout_ms);

/* New jobs are to be held now; ret_reason (may be NULL): why. */
bool policy_is_holding(struct policy *policy, char *ret_reason);

#endif
