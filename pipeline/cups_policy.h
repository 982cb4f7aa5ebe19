/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_policy.h - what a <Policy> of cupsd.conf lets be done with a job that has been printed
 *
 * Between the end of a job and the overwriting of its file, Restart-Job, Reprocess-Job and
 * CUPS-Get-Document give the document out again, or print what is half overwritten.
 *
 *   Y1  Of several <Limit> that name an operation the first one counts; an operation that none
 *       names falls to <Limit All>; a second <Policy> of one name goes on with the first (tried).
 *   Y2  "Deny from all" does not refuse: cupsd lets local clients pass before it looks (tried).
 *       What refuses everybody is a group that nobody is in: "Require user" CUPS_POLICY_NOBODY.
 *
 * Pure.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_POLICY_H
#define SPOOLGUARD_PIPELINE_CUPS_POLICY_H

#include "pipeline/cups_conf.h"

#define CUPS_POLICY_NOBODY "@spoolguard-nobody"

/* Does that line begin a policy? */
bool cups_policy_begins(const struct cups_directive *directive);

/* The operations, in the order in which a finding names them; NULL ends it. */
extern const char *const cups_policy_operations[];

/* "<Limit ...>" with what it holds, a line each, NULL ends it: to stand first in a <Policy>. */
extern const char *const cups_policy_refusal[];

/*
 * Does the policy of that name refuse the operation to everybody?  ret_line: of the <Limit> that
 * decides, or of the <Policy> if none does.  -ENOENT: there is no such policy.
 */
must_check int cups_policy_refuses(const struct cups_conf *conf, const char *policy,
	const char *operation, bool *ret_refuses, unsigned int *ret_line);

#endif
