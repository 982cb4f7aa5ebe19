/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.h - what happened: one JSON line each, to a bounded file and to the journal (stderr)
 *
 *   {"time":"2026-11-24T09:00:00Z","sequence":17,"event":"refused","role":"operator","uid":1000,
 *    "object":"volume spool","outcome":"refused","detail":"..."}
 *
 *   V1  No title, no user name, no file name of a job; ids and counts only.
 *   V2  An event that cannot be written (full or read-only disk) is kept in memory (the newest
 *       EVENTS_MEMORY_MAX) and on stderr, and events_has_failed() says so.
 *
 * The signed, chained audit log takes its records from here.  Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_EVENTS_H
#define SPOOLGUARD_SUPERVISOR_EVENTS_H

#include "base/macros.h"
#include "base/problem.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <sys/types.h>

#define EVENTS_MEMORY_MAX 1024u
#define EVENTS_FILE_BYTES (8u << 20) /* then it is renamed to NAME.1 */

struct events;

struct event {
	const char *event; /* "started", "refused", "job-retired", ... */
	const char *role;  /* NULL: the service itself */
	uid_t uid;
	const char *object;  /* NULL: none */
	const char *outcome; /* "done", "failed", "refused" */
	const char *detail;  /* NULL: none */
};

/* directory: the state directory; the file is DIR/events. */
must_check int events_new(const char *directory, struct events **ret_events);
void events_free(struct events *events);
void events_add(struct events *events, const struct event *event);
/* The shorter form, for the service's own: */
void events_note(struct events *events, const char *event, const char *object, const char *outcome,
	const char *format, ...) format_printf(5, 6);
bool events_has_failed(struct events *events);
/* The newest that memory holds, from that sequence number on; gives an array. */
struct json_object *events_since(struct events *events, uint64_t sequence);

#endif
