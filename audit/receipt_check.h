/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt_check.h - is this receipt the device's, of that job, and does the log know of it?
 *
 *   signature    of exactly these bytes, by the trusted key (document.h)
 *   job          the one that it is shown for: else it was replayed
 *   log          verifies as a whole (log_verify.h), is the one that the receipt names, has the
 *                record at the receipt's position with its digest, and behind that a record
 *                "job-retired" of this job with the receipt's id and the SHA-256 of its text
 *
 *   Q1  Good is what passed every check that was asked for.
 *   Q2  What cannot be judged (a log whose records of that time were dropped) is neither good nor
 *       bad.
 *
 * Errors: 0: good; -EBADMSG: it is not, and the problem says why; others: it cannot be told.
 */
#ifndef SPOOLGUARD_AUDIT_RECEIPT_CHECK_H
#define SPOOLGUARD_AUDIT_RECEIPT_CHECK_H

#include "audit/document.h"
#include "audit/trust.h"
#include <stdint.h>

#define RECEIPT_CHECK_SCHEMA "spoolguard.receipt"

struct receipt_check {
	const struct trust *trusted;
	const char *source, *id;   /* the job's; NULL: any */
	const char *log;	   /* DIR/audit or a copy; NULL: not asked for */
	const char *position_path; /* of log_verify() */
};

struct receipt_found {
	struct json_object *receipt; /* from the verified bytes; owned */
	uint64_t record;	     /* the "job-retired" that names it; 0: no log was asked for */
	bool root_enrolled;	     /* of log_verify() */
};
void receipt_found_done(struct receipt_found *found);

must_check int receipt_check(const struct receipt_check *check, const struct document *document,
	struct receipt_found *ret_found, struct problem *reterr_problem);

#endif
