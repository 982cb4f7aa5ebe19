/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_plan.h - which lines "cups apply" would change in a file, and the file with them changed
 *
 *   Q1  What is as it should be is not touched: a plan made of a file that a plan was applied to
 *       is empty.
 *   Q2  Nothing that would stop a queue is done: it is in the plan with the reason, and is left.
 *
 * Pure.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_PLAN_H
#define SPOOLGUARD_PIPELINE_CUPS_PLAN_H

#include "pipeline/cups_edit.h"
#include "pipeline/cups_residue.h"

struct cups_change {
	const struct cups_residue *row;
	enum cups_edit_kind kind;
	unsigned int line; /* 0: appended */
	char *was;	   /* the line now; for BEHIND the one that ours follow; "" if appended */
	char *blocked;	   /* Q2: why it is left, or NULL */
	char setting[CUPS_RESIDUE_LINE_BYTES];
	const char *lines[2];	 /* setting, and the end */
	const char *const *text; /* what is written: lines, or those of a policy */
};

struct cups_plan {
	struct cups_change **items; /* owned */
	size_t count;
};

struct cups_plan_request {
	enum cups_conf_kind file;
	const struct cups_conf *conf;	/* of the file */
	const struct cups_text *text;	/* likewise */
	const struct cups_conf *queues; /* printers.conf; NULL: not known */
	const char *const *without;	/* ids that are left out */
	size_t without_count;
};

must_check int cups_plan_make(const struct cups_plan_request *request, struct cups_plan *ret_plan);
void cups_plan_done(struct cups_plan *plan);
/* Changes that are not blocked. */
size_t cups_plan_changes(const struct cups_plan *plan);
must_check int cups_plan_apply(
	const struct cups_plan *plan, const struct cups_text *text, struct cups_text *ret_text);

#endif
