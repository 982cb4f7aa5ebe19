/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event_table.h"
#include "audit/log_reader.h"
#include "base/clock.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "supervisor/events_impl.h"
#include "supervisor/events_object.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_WAIT_MS 2000u /* who reads waits so long for what is on its way */

/* --- time --- */

int64_t events_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void events_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	const struct timespec until = {
		(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};

	(void)pthread_cond_timedwait(condition, lock, &until);
}

/* --- memory --- */

struct entry *events_place(struct events *events, uint64_t number)
{
	return &events->memory[number % EVENTS_MEMORY_MAX];
}

void events_drop(struct entry *entry)
{
	json_object_put(entry->object);
	entry->object = NULL;
	entry->ret_place = NULL;
}

/* The oldest makes room, whether it was written or not. */
static void keep(struct events *events, struct json_object *object, struct audit_position *place)
{
	uint64_t number = ++events->added;
	struct entry *entry = events_place(events, number);

	if (entry->object && entry->number > events->written) {
		events->lost++;
		events->lost_last = entry->number;
	}
	events_drop(entry);
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
	struct json_object *object = events_object_new(event, events_wall_ms());

	if (!object) {
		events->lost++;
		return -ENOMEM;
	}
	echo(object);
	keep(events, object, place);
	return 0;
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
	events_open_log(events);
	r = pool_thread_start(events_write_out, events, &events->thread);
	events->started = r >= 0;
	if (r < 0 && events->log)
		events_close_log(events);
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
		events_drop(&events->memory[i]);
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
		struct entry *entry = events_place(events, number);

		if (entry->number == number)
			events_drop(entry);
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
	uint64_t added, deadline = clock_monotonic_ns() + FLUSH_WAIT_MS * EVENTS_NS_PER_MS;

	pthread_mutex_lock(&events->lock);
	added = events->added;
	events->waiters++;
	pthread_cond_signal(&events->work);
	while (events->started && events->error == 0 && !events->stop &&
		events->committed < added && clock_monotonic_ns() < deadline)
		events_wait_until(&events->changed, &events->lock, deadline);
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
		const struct entry *entry = events_place(events, number);
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
