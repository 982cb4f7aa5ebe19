/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMENT_BYTES 128
#define NAME_NEXT     "segment.next"
#define DROPS_MAX     8u /* at a time: their records have to fit into the new segment */

/* --- the head --- */

/* Once made it stays as it is: a second try signs and writes the same bytes. */
static int make_head(struct audit_log *log)
{
	struct log_segment *segment = &log->segment;
	struct log_head head = {
		.segment = segment->number,
		.first = segment->first,
		.last = log->durable.sequence,
		.records = segment->records,
		.bytes = segment->on_disk,
	};
	uint8_t digest[SHA256_BYTES];
	struct timespec now;
	int r;

	if (*log->closing.head)
		return 0;
	r = log->signer->log_next(log->signer->context, &log->closing.next_key);
	if (r >= 0)
		r = hash_finish(segment->hash, digest);
	if (r < 0)
		return r;
	hash_free(segment->hash);
	segment->hash = NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	head.wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	strcpy(head.log, log->log);
	(void)hex_encode(digest, sizeof(digest), head.sha256);
	strcpy(head.last_record, log->durable.sha256);
	strcpy(head.previous_head, log->previous_head);
	head.next_key = log->closing.next_key;
	(void)log_head_encode(&head, log->closing.head);
	return 0;
}

/*
 * The signature before the head: a head that is there has its signature, and a signature alone is
 * written over.
 */
static int write_head(struct audit_log *log)
{
	char comment[COMMENT_BYTES], head_name[LOG_NAME_BYTES], name[LOG_NAME_BYTES];
	_cleanup_free_ char *signature = NULL;
	const char *head = log->closing.head;
	const uint64_t number = log->segment.number;
	int r;

	snprintf(comment, sizeof(comment), LOG_HEAD_SCHEMA " %s %" PRIu64, log->log, number);
	r = log->signer->log_sign(log->signer->context, head, strlen(head), comment, &signature);
	if (r < 0)
		return r;
	(void)log_file_name(LOG_HEAD_FILE, number, head_name);
	(void)log_file_name(LOG_HEAD_SIGNATURE_FILE, number, name);
	r = log_files_replace(log->fd, name, log->options.readers, signature, strlen(signature));
	if (r >= 0)
		r = log_files_replace(log->fd, head_name, log->options.readers, head, strlen(head));
	log->closing.head_is_durable = r >= 0;
	return r;
}

/* A second try may find that the first one had come that far. */
static int advance_key(struct audit_log *log)
{
	struct minisign_key key;
	int r;

	r = log->signer->log_public(log->signer->context, &key);
	if (r < 0 || minisign_key_is_equal(&key, &log->closing.next_key))
		return r;
	return log->signer->log_advance(log->signer->context);
}

static int close_segment(struct audit_log *log)
{
	struct log_segment *segment = &log->segment;
	int r;

	r = make_head(log);
	if (r >= 0 && !log->closing.head_is_durable)
		r = write_head(log);
	if (r >= 0) /* B4 */
		r = advance_key(log);
	if (r >= 0)
		r = log_sha256(log->closing.head, strlen(log->closing.head), log->previous_head);
	if (r < 0)
		return r;
	/* The room behind its end; that it stays allocated would harm nobody. */
	r = log_files_cut(segment->fd, segment->on_disk);
	(void)r;
	io_closep(&segment->fd);
	log->closed_bytes += segment->on_disk;
	*segment = (struct log_segment){.number = segment->number + 1, .fd = -1};
	log->closing = (struct log_closing){.head_is_durable = false};
	return 0;
}

/* --- the next segment --- */

static int say_closed(struct audit_log *log)
{
	struct audit_event event = {.event = "log-segment-closed", .outcome = "success"};
	char detail[64];
	int r;

	if (log->segment.number == 1)
		return 0;
	snprintf(detail, sizeof(detail), "segment %" PRIu64, log->segment.number - 1);
	event.detail = detail;
	event.data = json_object_new_object();
	if (!event.data ||
		json_object_object_add(event.data, "segment",
			json_object_new_uint64(log->segment.number - 1)) < 0 ||
		json_object_object_add(
			event.data, "head", json_object_new_string(log->previous_head)) < 0)
		r = -ENOMEM;
	else
		r = log_append(log, &event);
	json_object_put(event.data);
	return r;
}

/* -EDQUOT: with another segment it would be larger than it may be. */
static int may_begin(struct audit_log *log)
{
	const uint64_t bytes = log->closed_bytes + log->segment.end + log->options.segment_bytes;

	if (log->segment.number >= LOG_SEGMENT_MAX)
		return -EOVERFLOW;
	if (log->options.when_full == LOG_STOP && bytes > log->options.size_bytes)
		return -EDQUOT;
	return 0;
}

/* B5: its room, under a name that is no segment's. */
static int prepare_next(struct audit_log *log)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (log->next_fd >= 0)
		return 0;
	r = log_files_open(
		log->fd, NAME_NEXT, O_RDWR | O_CREAT | O_TRUNC, log->options.readers, &fd);
	if (r >= 0)
		r = log_files_allocate(fd, log->options.segment_bytes);
	if (r < 0)
		return r;
	log->next_fd = fd;
	fd = -1;
	return 0;
}

static int begin_segment(struct audit_log *log)
{
	struct log_segment *segment = &log->segment;
	char name[LOG_NAME_BYTES];
	int r;

	assert(segment->fd < 0 && log->adding.bytes == 0);
	r = segment->hash ? 0 : hash_new(&segment->hash);
	if (r >= 0)
		r = log_files_rename(
			log->fd, NAME_NEXT, log_file_name(LOG_SEGMENT_FILE, segment->number, name));
	if (r < 0)
		return r;
	segment->fd = log->next_fd;
	log->next_fd = -1;
	segment->has_room = true;
	segment->first = log->added.sequence + 1;
	/* A name that may be gone after a crash, with all that was written under it. */
	if (log_files_sync_directory(log->fd) < 0)
		return log_break(log, -EIO);
	return say_closed(log);
}

/* --- B6 --- */

static int say_dropped(struct audit_log *log, uint64_t number)
{
	struct audit_event event = {.event = "log-dropped", .outcome = "success"};
	char name[LOG_NAME_BYTES], text[LOG_HEAD_BYTES_MAX], digest[AUDIT_HEX_BYTES], detail[128];
	struct log_head head;
	size_t bytes;
	int r;

	r = log_files_read(
		log->fd, log_file_name(LOG_HEAD_FILE, number, name), text, sizeof(text), &bytes);
	if (r >= 0)
		r = log_head_decode(text, bytes, &head);
	if (r >= 0)
		r = log_sha256(text, bytes, digest);
	if (r < 0)
		return r;
	snprintf(detail, sizeof(detail), "segment %" PRIu64 ", records %" PRIu64 " to %" PRIu64,
		number, head.first, head.last);
	event.detail = detail;
	event.data = json_object_new_object();
	if (!event.data ||
		json_object_object_add(event.data, "segment", json_object_new_uint64(number)) < 0 ||
		json_object_object_add(event.data, "first", json_object_new_uint64(head.first)) <
			0 ||
		json_object_object_add(event.data, "last", json_object_new_uint64(head.last)) < 0 ||
		json_object_object_add(event.data, "sha256", json_object_new_string(head.sha256)) <
			0 ||
		json_object_object_add(event.data, "head", json_object_new_string(digest)) < 0)
		r = -ENOMEM;
	else
		r = log_append(log, &event);
	json_object_put(event.data);
	return r;
}

static int size_of(struct audit_log *log, uint64_t number, uint64_t *ret_bytes)
{
	char name[LOG_NAME_BYTES];
	struct stat st;

	if (fstatat(log->fd, log_file_name(LOG_SEGMENT_FILE, number, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static int remove_segments(struct audit_log *log, uint64_t end)
{
	char name[LOG_NAME_BYTES];
	uint64_t bytes = 0;
	int r = 0;

	while (r >= 0 && log->oldest < end) {
		r = size_of(log, log->oldest, &bytes);
		if (r >= 0)
			r = log_files_remove(
				log->fd, log_file_name(LOG_SEGMENT_FILE, log->oldest, name));
		if (r >= 0) {
			log->closed_bytes -= bytes;
			log->oldest++;
		}
	}
	return r < 0 ? r : log_files_sync_directory(log->fd);
}

/*
 * The records are durable before what they name is gone; after a crash in between they are written
 * a second time.  Room is made for the segment after the open one, so that the log is never
 * larger than it may be.
 */
int log_make_room(struct audit_log *log)
{
	const uint64_t wanted = 2 * log->options.segment_bytes;
	uint64_t left = log->closed_bytes, end = log->oldest, bytes = 0;
	int r = 0;

	if (log->options.when_full != LOG_ROTATE || log->segment.fd < 0)
		return 0;
	while (r >= 0 && left + wanted > log->options.size_bytes && end < log->segment.number &&
		end - log->oldest < DROPS_MAX) {
		r = size_of(log, end, &bytes);
		if (r >= 0)
			r = say_dropped(log, end);
		if (r >= 0) {
			left -= bytes;
			end++;
		}
	}
	if (end == log->oldest)
		return r == -EMSGSIZE ? 0 : r;
	r = log_write_out(log);
	return r < 0 ? r : remove_segments(log, end);
}

static int turn(struct audit_log *log, bool is_full)
{
	const int may = may_begin(log);
	int r = may;

	log->is_stopped = may == -EDQUOT && (is_full || log->segment.fd < 0);
	if (may < 0 && !log->is_stopped)
		return may;
	if (may >= 0)
		r = prepare_next(log);
	if (log->segment.fd >= 0 && (r >= 0 || log->is_stopped)) {
		r = log_write_out(log);
		if (r >= 0)
			r = close_segment(log);
	}
	if (r >= 0)
		r = may < 0 ? may : begin_segment(log);
	if (r < 0)
		return r;
	/* What could not be dropped is dropped another time; the segment that was begun is good. */
	r = log_make_room(log);
	return log->error < 0 ? log->error : 0;
}

int log_turn(struct audit_log *log, bool is_full)
{
	int r = turn(log, is_full);

	log->turn_is_owed = r < 0 && (is_full || log->segment.fd < 0 || *log->closing.head != '\0');
	log->trouble = r == -EDQUOT && !log->is_stopped ? 0 : r;
	return r;
}
