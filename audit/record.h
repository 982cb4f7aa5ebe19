/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - one record of the audit log: a line of JSON
 *
 *   {"sequence":17,"time":"2026-11-24T09:00:00.123Z","monotonic_ms":81233,"boot":"UUID",
 *    "event":"job-retired","subject":{"role":"pipeline","uid":7},
 *    "object":{"job":"cups 12","volume":"UUID"},"outcome":"success","detail":"...",
 *    "data":{...},"previous":"SHA-256 of the line before, with its newline"}
 *
 * Members stand in this order; those that are empty are left out, but for sequence, time,
 * monotonic_ms, boot, event, subject, outcome and previous.  "origin" stands in the subject.  A
 * line is ASCII (other characters escaped), at most AUDIT_LINE_MAX bytes with its newline.
 *
 *   A1  No title, user or file name of a job is in a record: ids, counts and keyed digests only.
 *   A2  encode and decode are pure, and decode refuses what encode would not have written: members
 *       of other types, twice the same, missing ones.
 */
#ifndef SPOOLGUARD_AUDIT_RECORD_H
#define SPOOLGUARD_AUDIT_RECORD_H

#include "base/macros.h"
#include "crypto/hash.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AUDIT_LINE_MAX	     8192u
#define AUDIT_DETAIL_MAX     1024u /* longer ones are cut; counted as it stands in the line */
#define AUDIT_HEX_BYTES	     (2 * SHA256_BYTES + 1)
#define AUDIT_BOOT_BYTES     37
#define AUDIT_TIME_BYTES     32
#define AUDIT_OBJECT_BYTES   288 /* of role, origin, job, volume, drive: as detail; with a NUL */
#define AUDIT_DATA_DEPTH_MAX 8	 /* levels of objects and arrays in data */

/* What is said of what happened.  Strings are borrowed. */
struct audit_event {
	const char *event; /* of audit_event_kinds */
	const char *role;  /* NULL: "service" */
	uid_t uid;
	const char *origin; /* where a host's event came from, e.g. an address; NULL: none */
	const char *job;    /* NULL: none */
	const char *volume;
	const char *drive;	  /* serial or stand-in */
	const char *outcome;	  /* "success", "failure", "denied", "begun", "progress" */
	const char *detail;	  /* one line; NULL: none */
	struct json_object *data; /* an object; borrowed; NULL: none */
};

/* Where and when it stands. */
struct audit_stamp {
	uint64_t sequence;
	int64_t wall_ms;
	uint64_t monotonic_ms;
	char boot[AUDIT_BOOT_BYTES];
	char previous[AUDIT_HEX_BYTES];
};

/* "2026-11-24T09:00:00.123Z"; before 1970 and after 9999 the nearest of those; returns buf. */
const char *audit_time(int64_t wall_ms, char buf[static AUDIT_TIME_BYTES]);
/* -EBADMSG: it is no such text. */
must_check int audit_time_decode(const char *text, int64_t *ret_wall_ms);

/* Gives ret_line, with its newline, to free().  -EINVAL: the event is in no table, the outcome is
 * none, or data is no object, too deep, or has a number that JSON has not; -E2BIG: data is too
 * large. */
must_check int audit_record_encode(
	const struct audit_event *event, const struct audit_stamp *stamp, char **ret_line);

/* A record that was read: strings point into object. */
struct audit_record {
	struct audit_stamp stamp;
	struct audit_event event;   /* NULL where the line has none; subject's role is never NULL */
	struct json_object *object; /* owned */
};
void audit_record_done(struct audit_record *record);

/* line: without its newline.  -EBADMSG: it is no record. */
must_check int audit_record_decode(const char *line, size_t bytes, struct audit_record *ret_record);

#endif
