/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_writer.c - the thread that opens the log, and writes what waits in memory
 */
#include "audit/log_reader.h"
#include "base/clock.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "ipc/fields.h"
#include "supervisor/events_impl.h"
#include "supervisor/events_object.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LATE_MS	     1000u /* written so long after it happened, a record says when that was */
#define RETRY_MS     1000u /* doubled with each failure to open the log */
#define RETRY_MS_MAX 60000u
#define TICK_MS	     1000u

/* --- opening --- */

static void say(struct events *events, int error, const struct problem *problem)
{
	bool differs = events->error != error;

	if (error < 0) {
		events->failures++;
		events->problem = *problem;
	}
	events->error = error;
	pthread_cond_broadcast(&events->changed);
	if (!differs || !events->source.changed)
		return;
	pthread_mutex_unlock(&events->lock);
	events->source.changed(events->source.context);
	pthread_mutex_lock(&events->lock);
}

static void plan_retry(struct events *events)
{
	uint64_t ms = (uint64_t)RETRY_MS << (events->retries < 6 ? events->retries : 6);

	events->retries++;
	events->retry_ns =
		clock_monotonic_ns() + (ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX) * EVENTS_NS_PER_MS;
}

void events_close_log(struct events *events)
{
	struct audit_log *log = events->log;

	events->log = NULL;
	pthread_mutex_unlock(&events->lock);
	audit_log_close(log);
	pthread_mutex_lock(&events->lock);
}

/* Full, or no room: it may go on as it is once there is some.  All else is looked at anew. */
static void fail(struct events *events, int error, const char *what)
{
	struct problem problem = {""};

	problem_set(&problem, error, "%s: %s", what, strerror(-error));
	if (error != -EDQUOT && error != -ENOSPC && events->log)
		events_close_log(events);
	plan_retry(events);
	say(events, error, &problem);
}

static void look_at_log(struct events *events)
{
	audit_log_tip(events->log, &events->tip);
	events->has_tip = true;
	audit_log_get_state(events->log, &events->log_state);
}

/* Is the record in the log that was just opened? */
static bool is_in_log(const struct events *events, const struct audit_position *position)
{
	struct log_reader *reader = NULL;
	struct audit_record record = {.object = NULL};
	char hex[AUDIT_HEX_BYTES] = "";
	uint8_t digest[SHA256_BYTES];
	struct hash *hash = NULL;
	const char *line;
	size_t bytes;

	if (log_reader_open(events->log_path, position->sequence, &reader, NULL) < 0)
		return false;
	if (log_reader_next(reader, &record) > 0 && hash_new(&hash) >= 0) {
		line = log_reader_line(reader, &bytes);
		if (hash_update(hash, line, bytes) >= 0 && hash_update(hash, "\n", 1) >= 0 &&
			hash_finish(hash, digest) >= 0)
			hex_encode(digest, sizeof(digest), hex);
		audit_record_done(&record);
	}
	hash_free(hash);
	log_reader_free(reader);
	return strcmp(hex, position->sha256) == 0;
}

/* What was written and not committed may have gone; then all after it did. */
static void find_written(struct events *events)
{
	for (uint64_t number = events->committed + 1; number <= events->written; number++) {
		const struct entry *entry = events_place(events, number);

		if (entry->number == number && entry->object && entry->position.sequence > 0 &&
			!is_in_log(events, &entry->position))
			events->written = number - 1;
	}
}

void events_open_log(struct events *events)
{
	struct problem problem = {""};
	struct audit_log *log = NULL;
	int r;

	pthread_mutex_unlock(&events->lock);
	r = events->source.open(events->source.context, &log, &problem);
	pthread_mutex_lock(&events->lock);
	if (r < 0) {
		plan_retry(events);
		say(events, r, &problem);
		return;
	}
	events->log = log;
	find_written(events);
	look_at_log(events);
	say(events, 0, NULL);
}

/* --- writing --- */

static int write_record(
	struct events *events, struct json_object *object, struct audit_position *ret_position)
{
	struct audit_event event;
	int r;

	events_object_get(object, &event);
	pthread_mutex_unlock(&events->lock);
	r = audit_log_add(events->log, &event, ret_position);
	if (r == -E2BIG || r == -EINVAL) { /* better without than not at all */
		event.data = NULL;
		r = audit_log_add(events->log, &event, ret_position);
	}
	pthread_mutex_lock(&events->lock);
	return r;
}

static int write_lost(struct events *events)
{
	struct audit_position ignored;
	struct json_object *data, *object;
	struct audit_event event = {.event = "log-lost", .uid = geteuid(), .outcome = "failure"};
	char detail[96];
	uint64_t lost = events->lost;
	int r = -ENOMEM;

	if (lost == events->lost_told)
		return 0;
	snprintf(detail, sizeof(detail), "%llu events could not be written and were let go",
		(unsigned long long)(lost - events->lost_told));
	data = json_object_new_object();
	fields_add_u64(data, "count", lost - events->lost_told);
	event.detail = detail;
	event.data = data;
	object = events_object_new(&event, events_wall_ms());
	json_object_put(data);
	if (object)
		r = write_record(events, object, &ignored);
	json_object_put(object);
	if (r >= 0)
		events->lost_told = lost;
	return r;
}

/* The next one; it may be let go by memory while it is written. */
static int write_next(struct events *events)
{
	struct entry *entry = events_place(events, events->written + 1);
	uint64_t number = events->written + 1;
	struct audit_position position = {.sequence = 0};
	struct json_object *object;
	int r;

	if (entry->number != number || !entry->object) {
		events->written++;
		return 0;
	}
	object = json_object_get(entry->object);
	if (clock_monotonic_ns() - entry->since_ns > LATE_MS * EVENTS_NS_PER_MS)
		events_object_set_happened(object);
	r = write_record(events, object, &position);
	json_object_put(object);
	if (r == -EINVAL || r == -E2BIG) { /* no record can be made of it */
		events->lost++;
		r = 0;
	} else if (r >= 0 && entry->number == number && entry->ret_place) {
		*entry->ret_place = position;
	}
	if (r < 0)
		return r;
	if (entry->number == number)
		entry->position = position;
	events->written = number;
	return 0;
}

static void write_pending(struct events *events)
{
	int r = write_lost(events);

	while (r >= 0 && events->written < events->added)
		r = write_next(events);
	if (r < 0) {
		fail(events, r, "a record cannot be added");
		return;
	}
	events->retries = 0;
	say(events, 0, NULL);
}

static void commit(struct events *events)
{
	uint64_t written = events->written;
	int r;

	pthread_mutex_unlock(&events->lock);
	r = audit_log_commit(events->log, 0);
	pthread_mutex_lock(&events->lock);
	events->commit_ns = clock_monotonic_ns();
	if (r < 0) {
		fail(events, r, "the log cannot be made durable");
		return;
	}
	for (uint64_t number = events->committed + 1; number <= written; number++) {
		if (events_place(events, number)->number == number)
			events_drop(events_place(events, number));
	}
	events->committed = written;
	look_at_log(events);
	pthread_cond_broadcast(&events->changed);
}

static void tick(struct events *events)
{
	int r;

	events->tick_ns = clock_monotonic_ns() + TICK_MS * EVENTS_NS_PER_MS;
	pthread_mutex_unlock(&events->lock);
	r = audit_log_tick(events->log);
	pthread_mutex_lock(&events->lock);
	if (r < 0)
		fail(events, r, "the segment cannot be closed");
	else
		look_at_log(events);
}

static bool may_try(const struct events *events)
{
	return events->error == 0 || events->stop || clock_monotonic_ns() >= events->retry_ns;
}

static bool must_commit(const struct events *events)
{
	return events->committed < events->written &&
	       (events->waiters > 0 || events->stop ||
		       clock_monotonic_ns() - events->commit_ns >=
			       EVENTS_COMMIT_MS * EVENTS_NS_PER_MS);
}

static void set_aside(struct events *events)
{
	struct problem problem = {""};
	int r = -EOPNOTSUPP;

	if (events->log)
		commit(events);
	if (events->log)
		events_close_log(events);
	pthread_mutex_unlock(&events->lock);
	if (events->source.set_aside)
		r = events->source.set_aside(events->source.context, &problem);
	pthread_mutex_lock(&events->lock);
	events_open_log(events);
	events->set_aside_result = r;
	events->set_aside_problem = problem;
	events->set_aside = false;
	pthread_cond_broadcast(&events->changed);
}

/* Once round: what is to be done now is done. */
static void turn(struct events *events)
{
	if (events->set_aside)
		set_aside(events);
	if (events->reopen && events->log)
		events_close_log(events);
	if (events->reopen)
		events->retry_ns = 0;
	events->reopen = false;
	if (!may_try(events))
		return;
	if (!events->log)
		events_open_log(events);
	if (events->log)
		write_pending(events);
	if (events->log && events->error == 0 && must_commit(events))
		commit(events);
	if (events->log && events->error == 0 && clock_monotonic_ns() >= events->tick_ns)
		tick(events);
}

/* Nothing more to do at the end, or nothing more can be done. */
static bool is_over(const struct events *events)
{
	return events->stop && (events->error < 0 || (events->written == events->added &&
							     events->committed == events->written));
}

static bool has_work(const struct events *events)
{
	return events->stop || events->reopen || events->set_aside ||
	       (may_try(events) && (events->written < events->added || must_commit(events) ||
					   events->error < 0));
}

void *events_write_out(void *argument)
{
	struct events *events = argument;

	pthread_mutex_lock(&events->lock);
	do {
		if (!has_work(events))
			events_wait_until(&events->work, &events->lock,
				clock_monotonic_ns() + EVENTS_COMMIT_MS / 2 * EVENTS_NS_PER_MS);
		turn(events);
	} while (!is_over(events));
	if (events->log)
		events_close_log(events);
	pthread_mutex_unlock(&events->lock);
	return NULL;
}
