/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_maker.h - an audit log for tests of what reads one, made in one go without the writer
 *
 * As audit/log.h describes it: log.json, segments, heads, audit-position.  Wall and monotonic time
 * are made up, and go on by one second with each record.  Failures abort.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_LOG_MAKER_H
#define SPOOLGUARD_TESTS_SUPPORT_LOG_MAKER_H

#include "audit/trust.h"
#include <stdint.h>

/* A head that is signed as it should be, and does not fit. */
enum log_maker_fault {
	LOG_MAKER_NO_FAULT,
	LOG_MAKER_OTHER_LOG,
	LOG_MAKER_OTHER_SEGMENT,
	LOG_MAKER_OTHER_PREVIOUS_HEAD,
	LOG_MAKER_OTHER_FIRST,
	LOG_MAKER_OTHER_SHA256,
};

struct log_maker_options {
	uint64_t records;	      /* in all */
	uint64_t records_per_segment; /* then it is closed */
	uint64_t drop;		      /* so many of the oldest segments are gone */
	enum log_maker_fault head_2;
	uint64_t clock_step_at; /* from that record on the clock is an hour ahead; 0: never */
};

/* directory: gets "audit" and "audit-position".  Segment 1 begins with record 1. */
void log_maker_make(
	const char *directory, const struct log_maker_options *options, struct trust *ret_trust);

#endif
