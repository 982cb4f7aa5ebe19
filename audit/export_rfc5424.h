/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_rfc5424.h - one record of the audit log as one syslog message of RFC 5424
 *
 *   <104+severity>1 TIME HOST spoolguardd - EVENT
 *     [timeQuality tzKnown="1"][origin software="spoolguard" swVersion="..."]
 *     [meta sequenceId="17"][spoolguard@PEN sequence="17" log="UUID" ...] MESSAGE
 *
 * Facility 13 (log audit), severity from event_table.h.  The element spoolguard@PEN has
 *   sequence, log, boot, monotonic (ms), previous   where the record stands, and its chain
 *   E, S             event and outcome
 *   role, uid, UH    who; UH where from
 *   JID, job         number of a job of CUPS, and whose id it is: "cups 12"
 *   volume, drive
 *   DUU              the printer's UUID, if it was configured
 *   d_NAME           each member of data, as much as finds room; omitted: how many did not
 * Names in capitals are the short keys of PWG 5110.3, of which job-state and its reasons (JS, JR)
 * have no use: what a printer made of a job is not known here.  They stand in our own element
 * because that of the PWG is not ours to give.
 *
 * PEN is the private enterprise number of who makes the printer (RFC 5424, 7.2.2).  32473 is the
 * one that RFC 5612 keeps for documentation: it is the default, and right in no product.
 *
 *   R1  A message is one line of at most EXPORT_RFC5424_MAX octets without control characters.  Too
 *       long a value is cut and ends in "...", never inside a character or an escape.
 *   R2  In a value '"', '\' and ']' stand behind a '\' (RFC 5424, 6.3.3).
 *   R3  isSynced is said only if the source knows it.
 *
 * Pure.  Threads: any.
 */
#ifndef SPOOLGUARD_AUDIT_EXPORT_RFC5424_H
#define SPOOLGUARD_AUDIT_EXPORT_RFC5424_H

#include "audit/record.h"

#define EXPORT_RFC5424_MAX    2048u /* what a receiver should take (RFC 5424, 6.1) */
#define EXPORT_ENTERPRISE_DOC 32473u
#ifndef EXPORT_ENTERPRISE
#define EXPORT_ENTERPRISE EXPORT_ENTERPRISE_DOC
#endif

enum export_clock { EXPORT_CLOCK_UNKNOWN, EXPORT_CLOCK_SYNCED, EXPORT_CLOCK_FREE };

/* Where records come from.  Strings are borrowed; NULL or "": not known. */
struct export_source {
	const char *host;
	const char *version;
	const char *log;	 /* the log's UUID */
	const char *device_uuid; /* as IPP's printer-uuid */
	uint32_t enterprise;	 /* 0: EXPORT_ENTERPRISE */
	enum export_clock clock; /* when the record was written */
};

/* Without a newline, with a NUL; returns its octets. */
size_t export_rfc5424(const struct audit_record *record, const struct export_source *source,
	char ret[static EXPORT_RFC5424_MAX + 1]);

#endif
