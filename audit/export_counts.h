/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_counts.h - what a log holds, counted: as OpenMetrics text
 *
 * records_total by event and outcome, jobs_retired_total, jobs_failed_total; the first and the last
 * record's numbers, the last one's time; the debt of each volume where a record has it (data
 * "owed_blocks"), as it was last.  Names begin with spoolguard_log_: they count what is in the log
 * (a rotated log begins later), where the service's own metrics count since it was made.
 *
 * Pure.  Threads: one.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_COUNTS_H
#define SPOOLGUARD_AUDIT_EXPORT_COUNTS_H

#include "audit/record.h"

struct export_counts;

must_check int export_counts_new(struct export_counts **ret_counts);
void export_counts_free(struct export_counts *counts);
void export_counts_add(struct export_counts *counts, const struct audit_record *record);
/* Gives a text to free(); NULL: no memory. */
char *export_counts_format(const struct export_counts *counts);

#endif
