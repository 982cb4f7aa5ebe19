/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_table.h - every event that the audit log knows, and what each is in the standards' words
 *
 * One table: name, severity, what it means, which row of HCD cPP v1.0e FAU_GEN.1 table 3 it
 * answers, and whether the host may report it.  docs/EVENTS.md and the log's tests are held against
 * it: an event that is in no table cannot be written, and one that no test produces fails the
 * tests.
 */
#ifndef SPOOLGUARD_AUDIT_EVENT_TABLE_H
#define SPOOLGUARD_AUDIT_EVENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 5424, table 2. */
enum audit_severity {
	AUDIT_ALERT = 1,
	AUDIT_ERROR = 3,
	AUDIT_WARNING = 4,
	AUDIT_NOTICE = 5,
	AUDIT_INFO = 6,
};

struct audit_event_kind {
	const char
		*name; /* "job-retired": lower case, hyphens, at most 31 bytes (RFC 5424 MSGID) */
	enum audit_severity severity;	/* when it succeeds */
	enum audit_severity on_failure; /* when its outcome is "failure" or "denied" */
	const char *hcd;		/* the row of FAU_GEN.1 table 3; NULL: ours */
	bool from_host;			/* accepted from the host through the service */
	const char *meaning;		/* one line */
};

/* The kinds in the order of the docs; ends with a NULL name. */
extern const struct audit_event_kind audit_event_kinds[];

/* NULL: there is none of that name. */
const struct audit_event_kind *audit_event_find(const char *name);

#endif
