/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_journal.h - one record of the audit log as an entry for systemd's journal
 *
 * In the journal's native protocol, for one datagram to /run/systemd/journal/socket: lines
 * "FIELD=value".  MESSAGE, PRIORITY, SYSLOG_FACILITY (13), SYSLOG_IDENTIFIER, MESSAGE_ID, and
 *   SPOOLGUARD_EVENT, _SEQUENCE, _LOG, _TIME, _OUTCOME, _ROLE, _UID, _ORIGIN, _JOB, _VOLUME,
 *   _DRIVE, _DETAIL
 *   SPOOLGUARD_RECORD   the record's line as it stands in the log: what "audit verify" judges
 * MESSAGE_ID of an event is the first half of the SHA-256 of "spoolguard.event/NAME".
 *
 * No value has a newline in it (control characters are shown as \xNN).  Pure.  Threads: any.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_JOURNAL_H
#define SPOOLGUARD_AUDIT_EXPORT_JOURNAL_H

#include "audit/export_rfc5424.h"

/* line: the record's, line_bytes long.  Gives a text to free(), of ret_bytes; NULL: no memory. */
char *export_journal(const struct audit_record *record, const struct export_source *source,
	const char *line, size_t line_bytes, size_t *ret_bytes);

#endif
