/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEARLY_FULL_OF 5u
#define NEARLY_FULL    4u /* of five: 80 % */

/* --- small parts --- */

int log_text_add(struct log_text *text, const char *at, size_t bytes)
{
	size_t needed = text->bytes + bytes;

	if (needed > text->room) {
		size_t room = 2 * needed;
		char *more = realloc(text->at, room);

		if (!more)
			return -ENOMEM;
		text->at = more;
		text->room = room;
	}
	memcpy(text->at + text->bytes, at, bytes);
	text->bytes += bytes;
	return 0;
}

int log_sha256(const void *data, size_t bytes, char ret_hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(data, bytes, digest);

	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

int log_break(struct audit_log *log, int error)
{
	log->error = error;
	return error;
}

bool log_is_own_event(const char *event)
{
	return strcmp(event, "log-segment-closed") == 0 || strcmp(event, "log-dropped") == 0 ||
	       strcmp(event, "log-nearly-full") == 0;
}

static uint64_t used(const struct audit_log *log)
{
	return log->closed_bytes + log->segment.end;
}

bool log_is_nearly_full(const struct audit_log *log)
{
	return used(log) / NEARLY_FULL >= log->options.size_bytes / NEARLY_FULL_OF;
}

void log_show(struct audit_log *log)
{
	pthread_mutex_lock(&log->view_lock);
	log->view = (struct audit_log_state){
		.bytes = used(log),
		.size_bytes = log->options.size_bytes,
		.segments = log->segment.number - log->oldest + (log->segment.fd >= 0),
		.dropped_segments = log->oldest - 1,
		.nearly_full = log_is_nearly_full(log),
		.stopped = log->is_stopped,
		.error = log->error < 0 ? log->error : log->trouble,
	};
	log->view_durable = log->durable;
	pthread_mutex_unlock(&log->view_lock);
}

/* --- add --- */

static void stamp_now(const struct audit_log *log, struct audit_stamp *stamp)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	stamp->sequence = log->added.sequence + 1;
	stamp->wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
	stamp->monotonic_ms = (uint64_t)boot.tv_sec * 1000 + (uint64_t)boot.tv_nsec / 1000000;
	strcpy(stamp->boot, log->boot);
	strcpy(stamp->previous, log->added.sha256);
}

static int append_line(struct audit_log *log, const struct audit_event *event,
	const struct audit_stamp *stamp, const char *line)
{
	struct log_segment *segment = &log->segment;
	struct audit_position added = {.segment = segment->number, .sequence = stamp->sequence};
	const size_t bytes = strlen(line);
	int r;

	r = log_sha256(line, bytes, added.sha256);
	if (r >= 0)
		r = log_text_add(&log->adding, line, bytes);
	if (r < 0)
		return r;
	strcpy(added.log, log->log);
	log->added = added;
	segment->end += bytes;
	if (segment->records++ == 0)
		segment->begun = *stamp;
	segment->others += !log_is_own_event(event->event);
	return 0;
}

int log_append(struct audit_log *log, const struct audit_event *event)
{
	struct audit_stamp stamp;
	char *line;
	int r;

	stamp_now(log, &stamp);
	r = audit_record_encode(event, &stamp, &line);
	if (r < 0)
		return r;
	/* Behind a head that was made, nothing is added to its segment. */
	if (log->segment.fd < 0 || *log->closing.head ||
		log->segment.end + strlen(line) > log->options.segment_bytes)
		r = -EMSGSIZE;
	else
		r = append_line(log, event, &stamp, line);
	free(line);
	return r;
}

int log_add_or_turn(struct audit_log *log, const struct audit_event *event)
{
	for (;;) {
		int r = log->error < 0 ? log->error : log_append(log, event);

		if (r != -EMSGSIZE)
			return r;
		if (log->working) {
			pthread_cond_wait(&log->changed, &log->lock);
			continue;
		}
		r = log_turn(log, true);
		if (r < 0)
			return r;
	}
}

static void warn_if_nearly_full(struct audit_log *log)
{
	const struct audit_event event = {.event = "log-nearly-full",
		.outcome = "success",
		.detail = "80 % of the audit log's size is used"};

	if (!log_is_nearly_full(log))
		log->nearly_full_told = false;
	else if (!log->nearly_full_told)
		log->nearly_full_told = log_add_or_turn(log, &event) >= 0;
}

int audit_log_add(
	struct audit_log *log, const struct audit_event *event, struct audit_position *ret_position)
{
	int r;

	log_lock(log);
	r = log_add_or_turn(log, event);
	if (r >= 0 && ret_position)
		*ret_position = log->added;
	if (r >= 0)
		warn_if_nearly_full(log);
	log_show(log);
	log_unlock(log);
	return r;
}

/* --- commit, and what is asked from outside --- */

int audit_log_commit(struct audit_log *log, uint64_t sequence)
{
	int r = -EINVAL;

	log_lock(log);
	if (sequence == 0)
		sequence = log->added.sequence;
	if (sequence <= log->added.sequence)
		r = log_wait_for(log, sequence);
	log_show(log);
	log_unlock(log);
	return r;
}

void audit_log_tip(struct audit_log *log, struct audit_position *ret_position)
{
	pthread_mutex_lock(&log->view_lock);
	*ret_position = log->view_durable;
	pthread_mutex_unlock(&log->view_lock);
}

void audit_log_get_state(struct audit_log *log, struct audit_log_state *ret_state)
{
	pthread_mutex_lock(&log->view_lock);
	*ret_state = log->view;
	pthread_mutex_unlock(&log->view_lock);
}

static void wait_until_nobody_works(struct audit_log *log)
{
	while (log->working)
		pthread_cond_wait(&log->changed, &log->lock);
}

static int close_if(struct audit_log *log, bool (*is_due)(const struct audit_log *log))
{
	int r = log_write_out(log);

	if (r >= 0 && log->segment.fd >= 0 && log->segment.others > 0 && is_due(log))
		r = log_turn(log, false);
	if (r >= 0)
		r = log_write_out(log);
	return r;
}

static bool is_always_due(const struct audit_log *log)
{
	(void)log;
	return true;
}

/*
 * By the monotonic clock.  What was begun in an earlier boot has the wall clock alone: a wrong one
 * costs a short segment, and no record.
 */
static bool is_old(const struct audit_log *log)
{
	const struct audit_stamp *begun = &log->segment.begun;
	struct audit_stamp now;
	int64_t age_ms;

	stamp_now(log, &now);
	if (strcmp(now.boot, begun->boot) == 0)
		age_ms = (int64_t)(now.monotonic_ms - begun->monotonic_ms);
	else
		age_ms = now.wall_ms - begun->wall_ms;
	return age_ms >= 0 && (uint64_t)age_ms / 1000 >= log->options.segment_age_s;
}

int audit_log_close_segment(struct audit_log *log)
{
	int r;

	log_lock(log);
	wait_until_nobody_works(log);
	r = close_if(log, is_always_due);
	log_show(log);
	log_unlock(log);
	return r;
}

int audit_log_tick(struct audit_log *log)
{
	int r;

	log_lock(log);
	wait_until_nobody_works(log);
	r = log->turn_is_owed ? log_turn(log, true) : 0;
	if (r >= 0)
		r = close_if(log, is_old);
	if (r == -EDQUOT && !log->is_stopped)
		r = 0; /* it stays open until it is full */
	if (r >= 0)
		r = log_make_room(log);
	if (r >= 0)
		r = log_flush_position(log);
	log_show(log);
	log_unlock(log);
	return r;
}
