/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/exporter_impl.h"
#include "base/clock.h"
#include "base/durable.h"
#include "ipc/message.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#define NO_ROOM_MS    20u
#define END_MS	      2000u
#define BATCH_RECORDS 64u   /* then what was sent is waited for, and the place is written */
#define FRESH_MS      60000 /* for so long a record's clock is as it is now */
#define PLACE_BYTES   256u

/* --- waiting --- */

bool exporter_pause(struct exporter *exporter, uint64_t ms, bool for_news)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&exporter->lock);
	while (!exporter->stop && !(for_news && exporter->woken) &&
		pthread_cond_timedwait(&exporter->news, &exporter->lock, &until) == 0)
		;
	if (for_news)
		exporter->woken = false;
	stop = exporter->stop;
	pthread_mutex_unlock(&exporter->lock);
	return stop;
}

static bool is_stopping(struct exporter *exporter)
{
	bool stop;

	pthread_mutex_lock(&exporter->lock);
	stop = exporter->stop;
	pthread_mutex_unlock(&exporter->lock);
	return stop;
}

/* --- the place --- */

void exporter_read_place(struct exporter *exporter)
{
	struct json_object *object;
	char text[PLACE_BYTES];
	const char *log;

	exporter->confirmed = 0;
	strcpy(exporter->place_log, exporter->log);
	if (durable_read(exporter->place_path, text, sizeof(text)) < 0)
		return;
	object = json_tokener_parse(text);
	if (json_object_is_type(object, json_type_object) &&
		message_get_string(object, "log", &log) && strcmp(log, exporter->log) == 0 &&
		!message_get_u64(object, "sequence", &exporter->confirmed))
		exporter->confirmed = 0;
	json_object_put(object);
}

/*
 * A mirror has it in itself.  Where it cannot be written (a full disk) it goes on all the same:
 * after a restart, records come again.
 */
static void write_place(struct exporter *exporter)
{
	struct problem problem = {""};
	char text[PLACE_BYTES];
	int r;

	if (exporter->sink->ops->last)
		return;
	snprintf(text, sizeof(text), "{\"log\":\"%s\",\"sequence\":%" PRIu64 "}\n", exporter->log,
		exporter->sent);
	r = durable_write(exporter->place_path, text);
	if (r < 0)
		problem_set(&problem, r,
			"how far it has come cannot be written to %.200s: %s; after a restart "
			"records would come again",
			exporter->place_path, strerror(-r));
	exporter_tell_away(exporter, &problem);
}

/* --- what others see --- */

void exporter_tell_place(struct exporter *exporter)
{
	uint64_t newest = exporter->newest(exporter->context);

	pthread_mutex_lock(&exporter->lock);
	if (exporter->confirmed != exporter->status.confirmed || exporter->confirmed >= newest)
		exporter->since_ns = 0;
	if (exporter->confirmed < newest && exporter->since_ns == 0)
		exporter->since_ns = clock_monotonic_ns();
	exporter->status.confirmed = exporter->confirmed;
	exporter->status.newest = newest;
	pthread_mutex_unlock(&exporter->lock);
}

static void tell_skipped(struct exporter *exporter, uint64_t records)
{
	pthread_mutex_lock(&exporter->lock);
	exporter->status.skipped += records;
	pthread_mutex_unlock(&exporter->lock);
}

/* --- records --- */

void exporter_drop_record(struct exporter *exporter)
{
	if (exporter->has_record)
		audit_record_done(&exporter->record);
	exporter->has_record = false;
}

/* R3 of export_rfc5424.h: of an old record it is not known. */
static enum export_clock clock_of(const struct audit_record *record)
{
	struct timex timex = {.modes = 0};
	struct timespec now;
	int64_t age_ms;
	int state;

	clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - record->stamp.wall_ms;
	state = age_ms >= 0 && age_ms < FRESH_MS ? adjtimex(&timex) : -1;
	if (state < 0)
		return EXPORT_CLOCK_UNKNOWN;
	return state == TIME_ERROR || timex.status & STA_UNSYNC ? EXPORT_CLOCK_FREE
								: EXPORT_CLOCK_SYNCED;
}

/* 1: there is a record to send; 0: none that is durable. */
static int next_record(struct exporter *exporter)
{
	int r = 1;

	while (!exporter->has_record) {
		r = log_reader_next(exporter->reader, &exporter->record);
		if (r == -EBADMSG)
			continue; /* "audit verify" says where */
		if (r <= 0)
			return r;
		exporter->has_record = true;
	}
	return exporter->record.stamp.sequence <= exporter->newest(exporter->context); /* E2 */
}

static int send_record(struct exporter *exporter)
{
	const struct audit_record *record = &exporter->record;
	size_t bytes;
	const char *line = log_reader_line(exporter->reader, &bytes);
	int r;

	exporter->source.clock = clock_of(record);
	r = exporter->sink->ops->send(exporter->sink, record, &exporter->source, line, bytes);
	if (r < 0)
		return r;
	if (exporter->sent > 0 && record->stamp.sequence > exporter->sent + 1)
		tell_skipped(exporter, record->stamp.sequence - exporter->sent - 1);
	exporter->sent = record->stamp.sequence;
	exporter->unconfirmed++;
	exporter_drop_record(exporter);
	return 0;
}

/* Asked to stop, it still waits for what was sent; -ECANCELED: not for longer. */
static int wait_for_room(struct exporter *exporter)
{
	uint64_t stop_ns;

	if (!exporter_pause(exporter, NO_ROOM_MS, false))
		return 0;
	pthread_mutex_lock(&exporter->lock);
	stop_ns = exporter->stop_ns;
	pthread_mutex_unlock(&exporter->lock);
	if (clock_monotonic_ns() > stop_ns + END_MS * UINT64_C(1000000))
		return -ECANCELED;
	(void)usleep(NO_ROOM_MS * 1000);
	return 0;
}

static int confirm(struct exporter *exporter)
{
	int r = 0;

	if (exporter->unconfirmed == 0)
		return 0;
	for (;;) {
		r = exporter->sink->ops->confirm(exporter->sink);
		if (r != -EAGAIN)
			break;
		exporter_tell_place(exporter);
		r = wait_for_room(exporter);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	write_place(exporter);
	exporter->confirmed = exporter->sent;
	exporter->unconfirmed = 0;
	return 0;
}

int exporter_send_all(struct exporter *exporter)
{
	int r;

	for (;;) {
		r = is_stopping(exporter) ? 0 : next_record(exporter);
		if (r < 0)
			return r;
		if (r == 0)
			return confirm(exporter);
		r = send_record(exporter);
		if (r == -EAGAIN && exporter_pause(exporter, NO_ROOM_MS, false))
			continue; /* to stop */
		if (r < 0 && r != -EAGAIN)
			return r;
		if (exporter->unconfirmed >= BATCH_RECORDS)
			r = confirm(exporter);
		if (r < 0 && r != -EAGAIN)
			return r;
		exporter_tell_place(exporter);
	}
}
