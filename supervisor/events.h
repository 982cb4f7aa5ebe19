/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.h - what happened goes into the audit log, and to the journal (stderr) as a JSON line
 *
 *   events_add() --> memory --> a thread of its own --> audit/log.h: record, commit
 *                      |          (opens the log, and opens it again while that fails)
 *                      +--> stderr, at once
 *
 * Nobody waits for a disk but who asks to (events_add_committed()); others' records are durable a
 * second later at most.
 *
 *   V1  No title, no user name, no file name of a job; ids and counts only.
 *   V2  An event that cannot be written (full or read-only disk, a log that does not fit) is kept
 *       in memory (the newest EVENTS_MEMORY_MAX) and on stderr; events_get_health() says why.
 *       It is written, with the time when it happened, once the log can be written again; what
 *       memory let go meanwhile is counted by a record ("log-lost").
 *   V3  What was added with events_add_committed() and could not be made durable is taken back: it
 *       is not written later, when it is no longer true.
 *   V4  Kind, outcome and members of data are those of audit/event_table.h; others are a broken
 *       contract.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_EVENTS_H
#define SPOOLGUARD_SUPERVISOR_EVENTS_H

#include "audit/log.h"
#include "base/macros.h"
#include "base/problem.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <sys/types.h>

#define EVENTS_MEMORY_MAX 1024u
#define EVENTS_COMMIT_MS  1000u /* a record is durable after that */
#define EVENTS_BATCH_MAX  512u	/* of events_add_committed() */

struct events;

/* directory: the state directory, whose log is DIR/audit.  Until events_start() memory has all. */
must_check int events_new(const char *directory, struct events **ret_events);
/* What is in memory is written first, if it can be. */
void events_free(struct events *events);

struct events_source {
	/* Opens the log; tried again at growing intervals.  From one thread at a time. */
	int (*open)(void *context, struct audit_log **ret_log, struct problem *reterr_problem);
	/* Sets the log aside, so that open() begins a new one; it is not open.  May be NULL. */
	int (*set_aside)(void *context, struct problem *reterr_problem);
	/* The health is another; from the thread that writes.  May be NULL. */
	void (*changed)(void *context);
	void *context;
};
/* Tries once to open the log, and begins to write.  A log that cannot be opened is no error here
 * (V2). */
must_check int events_start(struct events *events, const struct events_source *source);
/* The log is closed and opened again, by its thread: its options changed. */
void events_reopen(struct events *events);
/* Closed, set aside, and a new one begun; waits for that. */
must_check int events_set_aside(struct events *events, struct problem *reterr_problem);

/* Strings and data are borrowed for the call; role NULL: the service. */
void events_add(struct events *events, const struct audit_event *event);
/*
 * Adds all, in this order with nothing in between but the log's own, and waits until they are
 * durable; ret_positions (may be NULL): where each stands.  < 0: none is to be relied on (V3); why,
 * as an errno; -ENOTCONN: events_start() has not been called, or the log is not open.
 */
must_check int events_add_committed(struct events *events, const struct audit_event *list,
	size_t count, struct audit_position *ret_positions);
/* The newest durable record: what is signed now is anchored there.  -ENOTCONN as above. */
must_check int events_position(struct events *events, struct audit_position *ret_position);

/* The shorter form, for the service's own: volume and format may be NULL. */
void events_note(struct events *events, const char *kind, const char *volume, const char *outcome,
	const char *format, ...) format_printf(5, 6);
/* "service-fault": part: "mounter", "ledger", ...; volume may be NULL. */
void events_note_fault(
	struct events *events, const char *part, const char *volume, const char *detail);
/* For struct audit_event's data: texts by their keys, a NULL key ends it; a NULL text is left out.
 * Gives an object to json_object_put(). */
struct json_object *events_data(const char *key, const char *text, ...);

struct events_health {
	int error;		      /* < 0: records cannot be written; why, as an errno */
	char why[PROBLEM_TEXT_BYTES]; /* of it; "": none */
	uint64_t waiting;	      /* records that memory has and the log has not */
	uint64_t lost;		      /* and those that nobody has any more */
	bool is_open;		      /* and log says how it is */
	struct audit_log_state log;
};
void events_get_health(struct events *events, struct events_health *ret_health);
bool events_has_failed(struct events *events);

/*
 * Records as they stand in the log, from that sequence number on, at most "most", oldest first;
 * behind them those that memory alone has ("pending": true, without "previous", numbered as they
 * may come to be).  ret_more (may be NULL): there are more.  Gives an array.
 */
struct json_object *events_since(
	struct events *events, uint64_t sequence, size_t most, bool *ret_more);

#endif
