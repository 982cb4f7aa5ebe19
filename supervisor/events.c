/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - DIR/events, its predecessor DIR/events.1, and the newest lines in memory
 *
 * A line is written whole or cut off again, so that a full disk leaves no half of one.  Lines that
 * found no room are written, in order, with the first that does; those that memory let go
 * meanwhile are lost to the file, and a line says how many.  Sequence numbers go on over a
 * restart: from the last line of the file.  Nothing is flushed: what a power cut must not take
 * is the ledger's.
 */
#include "supervisor/events.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX	 4096u
#define DETAIL_BYTES_MAX 1024u

struct line {
	uint64_t sequence;
	char *text; /* with its newline */
};

struct events {
	pthread_mutex_t lock;
	char path[PATH_MAX], older_path[PATH_MAX];
	int fd;		/* -1: it could not be opened */
	uint64_t bytes; /* of the file */
	uint64_t sequence;
	uint64_t written; /* up to this sequence number the file has, or has lost, every line */
	bool failed;
	struct line ring[EVENTS_MEMORY_MAX]; /* sequence n is at n % EVENTS_MEMORY_MAX */
};

/* --- the file --- */

/* The number in the last whole line; 0 if there is none. */
static uint64_t last_sequence(int fd, uint64_t bytes)
{
	char tail[LINE_BYTES_MAX + 1], *at, *end;
	uint64_t from = bytes > LINE_BYTES_MAX ? bytes - LINE_BYTES_MAX : 0;
	struct json_object *object, *number;
	uint64_t sequence = 0;

	if (io_pread(fd, tail, (size_t)(bytes - from), from) < 0)
		return 0;
	tail[bytes - from] = '\0';
	end = strrchr(tail, '\n');
	if (!end)
		return 0;
	*end = '\0';
	at = strrchr(tail, '\n');
	object = json_tokener_parse(at ? at + 1 : tail);
	if (json_object_object_get_ex(object, "sequence", &number))
		sequence = json_object_get_uint64(number);
	json_object_put(object);
	return sequence;
}

static int open_file(struct events *events)
{
	struct stat st;

	events->fd = open(events->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (events->fd < 0)
		return -errno;
	if (fstat(events->fd, &st) < 0)
		return -errno;
	events->bytes = (uint64_t)st.st_size;
	return 0;
}

/* E.g. cut short by a crash: it would swallow the line after it. */
static int end_last_line(struct events *events)
{
	char last;
	int r;

	if (events->bytes == 0)
		return 0;
	r = io_pread(events->fd, &last, 1, events->bytes - 1);
	if (r < 0 || last == '\n')
		return r;
	r = io_write(events->fd, "\n", 1);
	if (r >= 0)
		events->bytes++;
	return r;
}

static int rotate(struct events *events)
{
	if (rename(events->path, events->older_path) < 0)
		return -errno;
	io_closep(&events->fd);
	return open_file(events);
}

static int write_line(struct events *events, const char *text)
{
	size_t bytes = strlen(text);
	int r = 0;

	if (events->fd < 0)
		r = open_file(events);
	if (r >= 0 && events->bytes > 0 && events->bytes + bytes > EVENTS_FILE_BYTES)
		r = rotate(events);
	if (r >= 0)
		r = io_write(events->fd, text, bytes);
	if (r >= 0) {
		events->bytes += bytes;
		return 0;
	}
	if (events->fd >= 0 && ftruncate(events->fd, (off_t)events->bytes) < 0)
		io_closep(&events->fd); /* looked at anew the next time */
	return r;
}

/* --- lines --- */

static void add_text(struct json_object *object, const char *key, const char *text)
{
	char shown[DETAIL_BYTES_MAX];

	if (text)
		json_object_object_add(object, key,
			json_object_new_string(
				utf8_printable(text, strlen(text), shown, sizeof(shown))));
}

static char *make_line(const struct event *event, uint64_t sequence)
{
	struct json_object *object = json_object_new_object();
	char time[CLOCK_RFC3339_BYTES];
	const char *text;
	char *line;

	add_text(object, "time", clock_rfc3339(clock_wall_s(), time));
	json_object_object_add(object, "sequence", json_object_new_uint64(sequence));
	add_text(object, "event", event->event);
	if (event->role)
		add_text(object, "role", event->role);
	json_object_object_add(object, "uid", json_object_new_uint64(event->uid));
	add_text(object, "object", event->object);
	add_text(object, "outcome", event->outcome);
	add_text(object, "detail", event->detail);
	text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	json_object_put(object);
	return line;
}

static void keep(struct events *events, char *text, uint64_t sequence)
{
	struct line *line = &events->ring[sequence % EVENTS_MEMORY_MAX];

	free(line->text);
	*line = (struct line){sequence, text};
}

static uint64_t oldest_in_memory(const struct events *events)
{
	return events->sequence >= EVENTS_MEMORY_MAX ? events->sequence - EVENTS_MEMORY_MAX + 1 : 1;
}

/* What memory let go before the file took it is told of, once. */
static int write_lost(struct events *events)
{
	uint64_t oldest = oldest_in_memory(events), lost;
	struct event event = {.event = "events-lost", .outcome = "failed"};
	char detail[128];
	char *text;
	int r;

	if (events->written + 1 >= oldest)
		return 0;
	lost = oldest - events->written - 1;
	snprintf(detail, sizeof(detail), "%llu events could not be written and were let go",
		(unsigned long long)lost);
	event.detail = detail;
	text = make_line(&event, oldest - 1); /* the number of the last that is lost */
	r = text ? write_line(events, text) : -ENOMEM;
	free(text);
	if (r >= 0)
		events->written = oldest - 1;
	return r;
}

static void write_pending(struct events *events)
{
	int r = events->fd < 0 ? open_file(events) : 0;

	if (r >= 0)
		r = write_lost(events);
	while (r >= 0 && events->written < events->sequence) {
		const struct line *line = &events->ring[(events->written + 1) % EVENTS_MEMORY_MAX];

		r = line->text && line->sequence == events->written + 1
			    ? write_line(events, line->text)
			    : 0;
		if (r >= 0)
			events->written++;
	}
	events->failed = r < 0;
}

/* stderr is the journal's, or a terminal; one that does not take it is nobody's loss. */
static void echo(const char *text)
{
	if (io_write(STDERR_FILENO, text, strlen(text)) < 0)
		(void)0;
}

/* --- what others call --- */

int events_new(const char *directory, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	int n, m, r;

	if (!events)
		return -ENOMEM;
	events->fd = -1;
	n = snprintf(events->path, sizeof(events->path), "%s/events", directory);
	m = snprintf(events->older_path, sizeof(events->older_path), "%s/events.1", directory);
	if (n < 0 || m < 0 || m >= (int)sizeof(events->older_path)) {
		free(events);
		return -ENAMETOOLONG;
	}
	pthread_mutex_init(&events->lock, NULL);
	r = open_file(events);
	if (r >= 0) {
		events->sequence = last_sequence(events->fd, events->bytes);
		r = end_last_line(events);
	}
	events->written = events->sequence;
	events->failed = r < 0; /* V2: it goes on without the file */
	*ret_events = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(events->ring); i++)
		free(events->ring[i].text);
	io_closep(&events->fd);
	pthread_mutex_destroy(&events->lock);
	free(events);
}

void events_add(struct events *events, const struct event *event)
{
	char *text;

	assert(event->event && event->outcome);
	pthread_mutex_lock(&events->lock);
	text = make_line(event, events->sequence + 1);
	if (text) {
		echo(text);
		keep(events, text, ++events->sequence);
		write_pending(events);
	} else {
		events->failed = true;
	}
	pthread_mutex_unlock(&events->lock);
}

void events_note(struct events *events, const char *event, const char *object, const char *outcome,
	const char *format, ...)
{
	char detail[DETAIL_BYTES_MAX];
	struct event note = {
		.event = event,
		.uid = geteuid(),
		.object = object,
		.outcome = outcome,
		.detail = format ? detail : NULL,
	};
	va_list arguments;

	if (format) {
		va_start(arguments, format);
		vsnprintf(detail, sizeof(detail), format, arguments);
		va_end(arguments);
	}
	events_add(events, &note);
}

bool events_has_failed(struct events *events)
{
	bool failed;

	pthread_mutex_lock(&events->lock);
	if (events->failed) /* perhaps there is room by now */
		write_pending(events);
	failed = events->failed;
	pthread_mutex_unlock(&events->lock);
	return failed;
}

struct json_object *events_since(struct events *events, uint64_t sequence)
{
	struct json_object *list = json_object_new_array(), *object;

	pthread_mutex_lock(&events->lock);
	if (sequence < oldest_in_memory(events))
		sequence = oldest_in_memory(events);
	for (; sequence <= events->sequence; sequence++) {
		const struct line *line = &events->ring[sequence % EVENTS_MEMORY_MAX];

		object = line->text && line->sequence == sequence ? json_tokener_parse(line->text)
								  : NULL;
		if (object)
			json_object_array_add(list, object);
	}
	pthread_mutex_unlock(&events->lock);
	return list;
}
