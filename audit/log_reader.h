/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_reader.h - the records of a log's directory, one after the other, without judging them
 *
 * For show, export and search; who wants to know whether they are true verifies (log_verify.h).
 * The directory may be in use.  What is no record is told as such, and passed over.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_READER_H
#define SPOOLGUARD_AUDIT_LOG_READER_H

#include "audit/record.h"
#include "base/problem.h"

struct log_reader;

/* path: DIR/audit, or one segment's file.  from_sequence: the first wanted. */
must_check int log_reader_open(const char *path, uint64_t from_sequence,
	struct log_reader **ret_reader, struct problem *reterr_problem);
void log_reader_free(struct log_reader *reader);

/* 1: a record, for the caller to audit_record_done(); 0: the end (for now: more may come);
 * -EBADMSG: the next line is none, and was passed over; else -errno. */
must_check int log_reader_next(struct log_reader *reader, struct audit_record *ret_record);
/* The line that the last call read, without its newline; until the next call. */
const char *log_reader_line(const struct log_reader *reader, size_t *ret_bytes);

#endif
