/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_since.h - "--since": a record's number, or the beginning of a time
 */
#ifndef SPOOLGUARD_CLI_AUDIT_SINCE_H
#define SPOOLGUARD_CLI_AUDIT_SINCE_H

#include "audit/record.h"
#include <stdbool.h>

struct audit_since {
	uint64_t sequence;	     /* 0: all */
	char time[AUDIT_TIME_BYTES]; /* the beginning of a time; "": all */
};

#define AUDIT_SINCE_WANTED                                                                         \
	"give a record's number, or a time such as 2026-11-24T09:00Z" /* what else it should be */

bool audit_since_parse(const char *text, struct audit_since *ret_since);
bool audit_since_has(const struct audit_since *since, const struct audit_record *record);

#endif
