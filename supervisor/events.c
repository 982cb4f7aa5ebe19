/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - what waits in memory, and the thread that writes it
 *
 * Events are numbered as they come: added >= written >= committed.  The place of event n is
 * n % EVENTS_MEMORY_MAX; it leaves it when it is committed.  When the log was opened again, what it
 * has not got of those that were written is written again.  The log is used by the thread alone,
 * outside of the lock, but for its first opening.
 */
#include "supervisor/events.h"
#include "audit/event_table.h"
#include "audit/log_reader.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "ipc/fields.h"
#include "supervisor/events_object.h"
#include "supervisor/pool.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS     UINT64_C(1000000)
#define LATE_MS	      1000u /* written so long after it happened, a record says when that was */
#define RETRY_MS      1000u /* doubled with each failure to open the log */
#define RETRY_MS_MAX  60000u
#define FLUSH_WAIT_MS 2000u /* who reads waits so long for what is on its way */
#define TICK_MS	      1000u

struct entry {
	uint64_t number;
	struct json_object *object;	  /* NULL: committed, or taken back */
	uint64_t since_ns;		  /* when it happened */
	struct audit_position position;	  /* written: where */
	struct audit_position *ret_place; /* of who waits for it */
};

struct events {
	char log_path[PATH_MAX];
	pthread_mutex_t lock;
	pthread_cond_t work;	/* for the thread; by the monotonic clock */
	pthread_cond_t changed; /* for those who wait; likewise */
	struct entry memory[EVENTS_MEMORY_MAX];
	uint64_t added, written, committed;
	uint64_t lost_last; /* the newest that memory let go */
	uint64_t lost_told, lost;
	unsigned int waiters;
	uint64_t failures; /* how often something could not be written */
	int error;
	struct problem problem;
	struct audit_position tip;
	struct audit_log_state log_state;
	bool has_tip, started, stop, reopen;
	bool set_aside; /* is asked for */
	int set_aside_result;
	struct problem set_aside_problem;

	/* The thread's. */
	struct events_source source;
	struct audit_log *log; /* NULL: not open */
	struct pool_thread *thread;
	uint64_t retry_ns, tick_ns, commit_ns;
	unsigned int retries;
};

/* --- time --- */

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	const struct timespec until = {
		(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};

	(void)pthread_cond_timedwait(condition, lock, &until);
}

/* --- memory --- */

static struct entry *place_of(struct events *events, uint64_t number)
{
	return &events->memory[number % EVENTS_MEMORY_MAX];
}

static void drop(struct entry *entry)
{
	json_object_put(entry->object);
	entry->object = NULL;
	entry->ret_place = NULL;
}

/* The oldest makes room, whether it was written or not. */
static void keep(struct events *events, struct json_object *object, struct audit_position *place)
{
	uint64_t number = ++events->added;
	struct entry *entry = place_of(events, number);

	if (entry->object && entry->number > events->written) {
		events->lost++;
		events->lost_last = entry->number;
	}
	drop(entry);
	*entry = (struct entry){.number = number,
		.object = object,
		.since_ns = clock_monotonic_ns(),
		.ret_place = place};
}

static void check(const struct audit_event *event)
{
	const struct audit_event_kind *kind = event->event ? audit_event_find(event->event) : NULL;

	assert(kind && event->outcome);
	if (!event->data)
		return;
	json_object_object_foreach(event->data, member, value)
	{
		(void)value;
		assert(audit_event_has_member(kind, member));
	}
}

/* stderr is the journal's, or a terminal; one that does not take it is nobody's loss. */
static void echo(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *line;

	if (asprintf(&line, "%s\n", text) < 0)
		return;
	if (io_write(STDERR_FILENO, line, strlen(line)) < 0)
		(void)0;
	free(line);
}

/* Under the lock, so that stderr has them in their order. */
static int add(struct events *events, const struct audit_event *event, struct audit_position *place)
{
	struct json_object *object = events_object_new(event, wall_ms());

	if (!object) {
		events->lost++;
		return -ENOMEM;
	}
	echo(object);
	keep(events, object, place);
	return 0;
}

/* --- the thread: opening --- */

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
		clock_monotonic_ns() + (ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX) * NS_PER_MS;
}

static void close_log(struct events *events)
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
		close_log(events);
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
		const struct entry *entry = place_of(events, number);

		if (entry->number == number && entry->object && entry->position.sequence > 0 &&
			!is_in_log(events, &entry->position))
			events->written = number - 1;
	}
}

static void open_log(struct events *events)
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

/* --- the thread: writing --- */

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
	object = events_object_new(&event, wall_ms());
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
	struct entry *entry = place_of(events, events->written + 1);
	uint64_t number = events->written + 1;
	struct audit_position position = {.sequence = 0};
	struct json_object *object;
	int r;

	if (entry->number != number || !entry->object) {
		events->written++;
		return 0;
	}
	object = json_object_get(entry->object);
	if (clock_monotonic_ns() - entry->since_ns > LATE_MS * NS_PER_MS)
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
		if (place_of(events, number)->number == number)
			drop(place_of(events, number));
	}
	events->committed = written;
	look_at_log(events);
	pthread_cond_broadcast(&events->changed);
}

static void tick(struct events *events)
{
	int r;

	events->tick_ns = clock_monotonic_ns() + TICK_MS * NS_PER_MS;
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
		       clock_monotonic_ns() - events->commit_ns >= EVENTS_COMMIT_MS * NS_PER_MS);
}

static void set_aside(struct events *events)
{
	struct problem problem = {""};
	int r = -EOPNOTSUPP;

	if (events->log)
		commit(events);
	if (events->log)
		close_log(events);
	pthread_mutex_unlock(&events->lock);
	if (events->source.set_aside)
		r = events->source.set_aside(events->source.context, &problem);
	pthread_mutex_lock(&events->lock);
	open_log(events);
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
		close_log(events);
	if (events->reopen)
		events->retry_ns = 0;
	events->reopen = false;
	if (!may_try(events))
		return;
	if (!events->log)
		open_log(events);
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

static void *run(void *argument)
{
	struct events *events = argument;

	pthread_mutex_lock(&events->lock);
	do {
		if (!has_work(events))
			wait_until(&events->work, &events->lock,
				clock_monotonic_ns() + EVENTS_COMMIT_MS / 2 * NS_PER_MS);
		turn(events);
	} while (!is_over(events));
	if (events->log)
		close_log(events);
	pthread_mutex_unlock(&events->lock);
	return NULL;
}

/* --- its life --- */

int events_new(const char *directory, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	pthread_condattr_t attributes;
	int n;

	if (!events)
		return -ENOMEM;
	n = snprintf(events->log_path, sizeof(events->log_path), "%s/audit", directory);
	if (n < 0 || n >= (int)sizeof(events->log_path)) {
		free(events);
		return -ENAMETOOLONG;
	}
	pthread_mutex_init(&events->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&events->work, &attributes);
	pthread_cond_init(&events->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	*ret_events = events;
	return 0;
}

int events_start(struct events *events, const struct events_source *source)
{
	int r;

	pthread_mutex_lock(&events->lock);
	assert(!events->started);
	events->source = *source;
	open_log(events);
	r = pool_thread_start(run, events, &events->thread);
	events->started = r >= 0;
	if (r < 0 && events->log)
		close_log(events);
	pthread_mutex_unlock(&events->lock);
	return r;
}

void events_reopen(struct events *events)
{
	pthread_mutex_lock(&events->lock);
	events->reopen = true;
	pthread_cond_signal(&events->work);
	pthread_mutex_unlock(&events->lock);
}

int events_set_aside(struct events *events, struct problem *reterr_problem)
{
	int r = -ENOTCONN;

	pthread_mutex_lock(&events->lock);
	if (events->started && !events->stop) {
		events->set_aside = true;
		pthread_cond_signal(&events->work);
		while (events->set_aside && !events->stop)
			pthread_cond_wait(&events->changed, &events->lock);
		r = events->set_aside ? -ESHUTDOWN : events->set_aside_result;
	}
	if (r < 0)
		problem_set(reterr_problem, r, "%s", problem_text(&events->set_aside_problem, r));
	pthread_mutex_unlock(&events->lock);
	return r;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	pthread_mutex_lock(&events->lock);
	events->stop = true;
	pthread_cond_signal(&events->work);
	pthread_cond_broadcast(&events->changed);
	pthread_mutex_unlock(&events->lock);
	pool_thread_join(events->thread);
	for (size_t i = 0; i < EVENTS_MEMORY_MAX; i++)
		drop(&events->memory[i]);
	pthread_cond_destroy(&events->changed);
	pthread_cond_destroy(&events->work);
	pthread_mutex_destroy(&events->lock);
	free(events);
}

/* --- what others add --- */

void events_add(struct events *events, const struct audit_event *event)
{
	check(event);
	pthread_mutex_lock(&events->lock);
	(void)add(events, event, NULL);
	pthread_cond_signal(&events->work);
	pthread_mutex_unlock(&events->lock);
}

/* V3.  What the log has already is not to be had back. */
static void take_back(struct events *events, uint64_t first, uint64_t last)
{
	for (uint64_t number = first; number <= last; number++) {
		struct entry *entry = place_of(events, number);

		if (entry->number == number)
			drop(entry);
	}
}

static int wait_for(struct events *events, uint64_t first, uint64_t last)
{
	uint64_t failures = events->failures;

	events->waiters++;
	pthread_cond_signal(&events->work);
	while (events->committed < last && events->failures == failures && !events->stop)
		pthread_cond_wait(&events->changed, &events->lock);
	events->waiters--;
	if (events->committed < last) {
		take_back(events, first, last);
		return events->error < 0 ? events->error : -EIO;
	}
	return events->lost_last >= first ? -ENOBUFS : 0;
}

int events_add_committed(struct events *events, const struct audit_event *list, size_t count,
	struct audit_position *ret_positions)
{
	uint64_t first;
	int r = 0;

	assert(count <= EVENTS_BATCH_MAX);
	for (size_t i = 0; i < count; i++)
		check(&list[i]);
	pthread_mutex_lock(&events->lock);
	if (!events->started || events->stop || events->error < 0)
		r = events->error < 0 ? events->error : -ENOTCONN;
	first = events->added + 1;
	for (size_t i = 0; i < count && r >= 0; i++)
		r = add(events, &list[i], ret_positions ? &ret_positions[i] : NULL);
	if (r >= 0 && count > 0)
		r = wait_for(events, first, first + count - 1);
	else if (r < 0)
		take_back(events, first, events->added);
	pthread_mutex_unlock(&events->lock);
	return r;
}

int events_position(struct events *events, struct audit_position *ret_position)
{
	int r = -ENOTCONN;

	pthread_mutex_lock(&events->lock);
	if (events->error < 0) {
		r = events->error;
	} else if (events->has_tip) {
		*ret_position = events->tip;
		r = 0;
	}
	pthread_mutex_unlock(&events->lock);
	return r;
}

void events_note(struct events *events, const char *kind, const char *volume, const char *outcome,
	const char *format, ...)
{
	char detail[AUDIT_DETAIL_MAX];
	const struct audit_event event = {
		.event = kind,
		.uid = geteuid(),
		.volume = volume,
		.outcome = outcome,
		.detail = format ? detail : NULL,
	};
	va_list arguments;

	if (format) {
		va_start(arguments, format);
		vsnprintf(detail, sizeof(detail), format, arguments);
		va_end(arguments);
	}
	events_add(events, &event);
}

void events_note_fault(
	struct events *events, const char *part, const char *volume, const char *detail)
{
	struct json_object *data = events_data("part", part, NULL);
	const struct audit_event event = {
		.event = "service-fault",
		.uid = geteuid(),
		.volume = volume,
		.outcome = "failure",
		.detail = detail,
		.data = data,
	};

	events_add(events, &event);
	json_object_put(data);
}

struct json_object *events_data(const char *key, const char *text, ...)
{
	struct json_object *data = json_object_new_object();
	va_list arguments;

	va_start(arguments, text);
	while (key) {
		if (text)
			fields_add_string(data, key, text);
		key = va_arg(arguments, const char *);
		text = key ? va_arg(arguments, const char *) : NULL;
	}
	va_end(arguments);
	return data;
}

/* --- what others ask --- */

void events_get_health(struct events *events, struct events_health *ret_health)
{
	pthread_mutex_lock(&events->lock);
	*ret_health = (struct events_health){
		.error = events->error,
		.waiting = events->added - events->written,
		.lost = events->lost,
		.is_open = events->log != NULL,
		.log = events->log_state,
	};
	if (events->error < 0)
		snprintf(ret_health->why, sizeof(ret_health->why), "%s",
			problem_text(&events->problem, events->error));
	pthread_mutex_unlock(&events->lock);
}

bool events_has_failed(struct events *events)
{
	struct events_health health;

	events_get_health(events, &health);
	return health.error < 0;
}

/* What is on its way comes to the log first. */
static void flush(struct events *events)
{
	uint64_t added, deadline = clock_monotonic_ns() + FLUSH_WAIT_MS * NS_PER_MS;

	pthread_mutex_lock(&events->lock);
	added = events->added;
	events->waiters++;
	pthread_cond_signal(&events->work);
	while (events->started && events->error == 0 && !events->stop &&
		events->committed < added && clock_monotonic_ns() < deadline)
		wait_until(&events->changed, &events->lock, deadline);
	events->waiters--;
	pthread_mutex_unlock(&events->lock);
}

/* Returns whether there are more. */
static bool read_log(
	struct events *events, uint64_t sequence, size_t most, struct json_object *list)
{
	struct log_reader *reader = NULL;
	struct audit_record record;
	bool more = false;
	int r;

	if (log_reader_open(events->log_path, sequence, &reader, NULL) < 0)
		return false;
	while (!more && ((r = log_reader_next(reader, &record)) > 0 || r == -EBADMSG)) {
		if (r == -EBADMSG)
			continue;
		more = json_object_array_length(list) >= most;
		if (!more)
			json_object_array_add(list, json_object_get(record.object));
		audit_record_done(&record);
	}
	log_reader_free(reader);
	return more;
}

static bool read_memory(
	struct events *events, uint64_t sequence, size_t most, struct json_object *list)
{
	uint64_t tip;
	bool more = false;

	pthread_mutex_lock(&events->lock);
	tip = events->has_tip ? events->tip.sequence : 0;
	for (uint64_t number = events->written + 1; number <= events->added && !more; number++) {
		const struct entry *entry = place_of(events, number);
		uint64_t at = tip + number - events->written;
		struct json_object *copy = NULL;

		if (entry->number != number || !entry->object || at < sequence)
			continue;
		more = json_object_array_length(list) >= most;
		if (more || json_object_deep_copy(entry->object, &copy, NULL) < 0)
			continue;
		fields_add_u64(copy, "sequence", at);
		fields_add_bool(copy, "pending", true);
		json_object_array_add(list, copy);
	}
	pthread_mutex_unlock(&events->lock);
	return more;
}

struct json_object *events_since(
	struct events *events, uint64_t sequence, size_t most, bool *ret_more)
{
	struct json_object *list = json_object_new_array();
	bool more;

	flush(events);
	more = read_log(events, sequence, most, list) || read_memory(events, sequence, most, list);
	if (ret_more)
		*ret_more = more;
	return list;
}
