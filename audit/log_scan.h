/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_scan.h - what a chain needs of a record's line, without taking it apart
 *
 * For millions of lines: members stand where record.h says, so the first five are read from the
 * line's beginning and the last from its end.  What is between is not looked at; whoever has no
 * signature for the line decodes it too (audit_record_decode).
 *
 * Pure.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_SCAN_H
#define SPOOLGUARD_AUDIT_LOG_SCAN_H

#include "audit/record.h"

struct log_scan {
	uint64_t sequence, monotonic_ms;
	int64_t wall_ms;
	const char *boot;     /* AUDIT_BOOT_BYTES - 1 bytes of the line */
	const char *previous; /* AUDIT_HEX_BYTES - 1 bytes of the line */
	const char *event;
	size_t event_bytes;
};

/* line: without its newline.  False: it begins or ends as no record does. */
bool log_scan(const char *line, size_t bytes, struct log_scan *ret_scan);

#endif
