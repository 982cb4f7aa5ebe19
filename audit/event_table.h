/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_table.h - every event that the audit log knows, and what each is in the standards' words
 *
 * One table: name, severity, what it means, which row of HCD cPP v1.0e FAU_GEN.1 table 3 it
 * answers, whether the host may report it, and what stands in its record.  docs/EVENTS.md is held
 * against it, and so are the log's tests: an event that is in no table cannot be written, and one
 * that no test produces fails the tests.
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

/* Who is its subject. */
enum audit_subject {
	AUDIT_BY_SERVICE, /* role "service": it happened by itself, or to it */
	AUDIT_BY_CALLER,  /* who asked for it: role and uid; "service" if the schedule did */
	AUDIT_BY_HOST,	  /* who reported it, and the origin that the host gave */
};

struct audit_event_kind {
	const char
		*name; /* "job-retired": lower case, hyphens, at most 31 bytes (RFC 5424 MSGID) */
	enum audit_severity severity;	/* when it succeeds */
	enum audit_severity on_failure; /* when its outcome is "failure" or "denied" */
	const char *hcd;		/* the row of FAU_GEN.1 table 3; NULL: ours */
	bool from_host;			/* accepted from the host through the service */
	const char *meaning;		/* one line */
	enum audit_subject subject;
	const char *object; /* "job", "volume", "job, volume"; NULL: none */
	const char *data;   /* the members that its data may have: "state, before"; NULL: none */
};

/* The kinds in the order of the docs; ends with a NULL name. */
extern const struct audit_event_kind audit_event_kinds[];

/* NULL: there is none of that name. */
const struct audit_event_kind *audit_event_find(const char *name);
/* May a record of that kind have that member in its data? */
bool audit_event_has_member(const struct audit_event_kind *kind, const char *member);

const char *audit_severity_text(enum audit_severity severity); /* "notice" */

#endif
