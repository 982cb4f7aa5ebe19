/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_csv.h - one record of the audit log as a row of ten columns
 *
 *   Index, Date, Time, Event ID, Event description      as printer vendors export them
 *   Object, Subject, Outcome, Detail, Data              what this event has to say
 *
 * Index is the record's number, date and time are UTC, the event's id is the number by which
 * several vendors know such an event (1 start-up, 2 shutdown, 3 and 4 overwrite of the spool begun
 * and ended, 5 job, 48 service login), and one above 900 that is fixed for each of our others.
 *
 *   C1  RFC 4180: a field with a comma, a quote, CR or LF stands in quotes, each quote in it twice;
 *       rows end in CR LF.
 *   C2  A field that a spreadsheet would take for a formula ("=", "+", "-", "@", tab or CR at its
 *       beginning) gets an apostrophe before it.
 *
 * Pure.  Threads: any.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_CSV_H
#define SPOOLGUARD_AUDIT_EXPORT_CSV_H

#include "audit/record.h"

/* The row that names the columns. */
const char *export_csv_header(void);
/* Gives a row to free(), with its CR LF; NULL: no memory. */
char *export_csv(const struct audit_record *record);
/* outcome: only the vendors' "begun and ended" depends on it.  0: there is no such event. */
unsigned int export_csv_event_id(const char *event, const char *outcome);

#endif
