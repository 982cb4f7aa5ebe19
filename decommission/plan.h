/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what a decommissioning would do to one drive, before anything is done
 *
 * Pure: of what was looked at (target.h) and what was asked for.  --dry-run prints it; the real run
 * makes the same plan and does nothing if it has a refusal.
 *
 *   P1  What is in use by anything but spoolguard, is no drive of its own (a member of RAID, LVM,
 *       multipath), or cannot be told from another, is refused.
 *   P2  State, log and certificate never lie on what dies.
 *   P3  A method that reaches what is in use, or what nobody named, is left out, with its reason;
 *       the next one is taken.
 *   P4  The disk that the system runs from needs this_machine and a serial that a person typed.
 *       Only its keys die then: every later step would need a boot from that disk to be taken up.
 *   P5  A drive dies only by its own serial (or the stand-in for it).
 *
 * A refusal is one line: what, why, what to do.  Threads: any.
 */
#ifndef SPOOLGUARD_DECOMMISSION_PLAN_H
#define SPOOLGUARD_DECOMMISSION_PLAN_H

#include "decommission/record.h"
#include "decommission/target.h"

#define PLAN_REFUSALS_MAX 32
#define PLAN_NOTES_MAX	  24
#define PLAN_UNKNOWN	  UINT64_MAX /* of a time */

struct plan_request {
	const struct scheme *scheme;
	enum record_verify verify;
	bool own_methods;	  /* the drive's own may be used */
	bool searches;		  /* the medium is searched at the end */
	bool this_machine;	  /* the disk the system runs from is meant */
	bool batch;		  /* from a list, without a person at each */
	bool typed;		  /* the serial was, or will be, typed at a terminal */
	const char *const *named; /* every device that was named to die, as target.path; may be NULL
				   */
	size_t named_count;
	const char *state_directory, *certificate; /* for the lines */
	bool state_on_target, log_on_target, certificate_on_target;
	uint64_t read_bytes_per_s; /* measured; 0: not known */
};

struct plan_method {
	enum method_kind kind;
	bool taken;			 /* false: left out, and why_not says why */
	enum drive_sanitization promise; /* the most that may be said of it */
	uint64_t estimated_s;
	char why_not[RECORD_LINE_BYTES];
};

struct plan_step {
	enum record_step step;
	bool needed;
	uint64_t estimated_s;
	char what[RECORD_LINE_BYTES]; /* or why not needed */
};

struct plan {
	const struct target *target; /* borrowed */
	struct plan_method methods[METHOD_KINDS];
	size_t method_count; /* those the drive offers, best first */
	struct plan_step steps[RECORD_STEPS];
	uint64_t estimated_s;
	bool keys_only;			   /* P4 */
	enum drive_sanitization reachable; /* if all goes well */
	char why[DRIVE_REASON_BYTES];
	char refusals[PLAN_REFUSALS_MAX][RECORD_LINE_BYTES];
	size_t refusal_count;
	char notes[PLAN_NOTES_MAX][RECORD_LINE_BYTES]; /* what a person should know */
	size_t note_count;
};

void plan_make(
	const struct target *target, const struct plan_request *request, struct plan *ret_plan);

/* Is this use spoolguard's own, which the run ends itself? */
bool plan_is_own_use(const struct target *target, const struct usage *use);

/* P5: -EPERM, and the line says what to say.  confirms: those that were given, in any order. */
must_check int plan_check_confirmed(const struct target *target, const char *const *confirms,
	size_t count, struct problem *reterr_problem);

#endif
