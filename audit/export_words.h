/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_words.h - what every message of a record has, whatever its format
 *
 * Pure.  Threads: any.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_WORDS_H
#define SPOOLGUARD_AUDIT_EXPORT_WORDS_H

#include "audit/event_table.h"
#include "audit/record.h"

#define EXPORT_FACILITY 13 /* log audit (RFC 5424, table 1) */

/* By the table, and by how it went. */
enum audit_severity export_severity(const struct audit_event *event);
/* "job-retired: success, job cups 12: ..."; without control characters, cut to fit. */
void export_words(const struct audit_event *event, char *words, size_t bytes);

#endif
