/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_cites.h - does the audit log know of a document that stands on it?
 *
 * The log verifies as a whole (log_verify.h), is the one that the document names, has the record at
 * the document's position with its digest, and behind that a record that names the document.
 *
 * Errors: 0: it does; -EBADMSG: it does not, and the problem says why; -ENODATA: its records of
 * that time were dropped; others: it cannot be told.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_CITES_H
#define SPOOLGUARD_AUDIT_LOG_CITES_H

#include "audit/record.h"
#include "audit/trust.h"
#include "base/problem.h"

struct log_cites {
	const char *what; /* "receipt" */
	/* Where the log stood when the document was made. */
	const char *log, *sha256;
	uint64_t sequence;
	/* 1: this record names the document; 0: it does not; < 0: it speaks of it otherwise. */
	int (*names)(
		void *context, const struct audit_record *record, struct problem *reterr_problem);
	void *context;
	const char *record; /* "job-retired": what names it, for the problem */
};

/* directory: DIR/audit or a copy; position_path: of log_verify().  ret_record: the sequence number
 * of the record that names it. */
must_check int log_cites(const struct log_cites *cites, const char *directory,
	const char *position_path, const struct trust *trusted, uint64_t *ret_record,
	bool *ret_root_enrolled, struct problem *reterr_problem);

#endif
