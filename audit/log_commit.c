/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_impl.h"
#include "crypto/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* --- audit-position --- */

/* The file as it will be written over from now on: made anew if it is not of that size. */
static int open_position(struct audit_log *log, const char text[static LOG_POSITION_BYTES])
{
	int r;

	io_closep(&log->position_fd);
	log->position_fd = -1;
	r = log_files_replace(
		log->state_fd, LOG_POSITION_NAME, log->options.readers, text, LOG_POSITION_BYTES);
	if (r < 0)
		return r;
	return log_files_open(
		log->state_fd, LOG_POSITION_NAME, O_RDWR, log->options.readers, &log->position_fd);
}

/*
 * B3: called when that record is durable.  A failure is no failure of the log: the file then says
 * less than it could, and the next commit tries again.
 */
static void put_position(struct audit_log *log, const struct audit_position *position)
{
	char text[LOG_POSITION_BYTES];
	int r;

	r = log_position_encode(position, text);
	if (r >= 0 && log->position_fd < 0)
		r = open_position(log, text);
	else if (r >= 0)
		r = log_files_write(log->position_fd, text, sizeof(text), 0);
	(void)r;
}

int log_flush_position(struct audit_log *log)
{
	return log->position_fd < 0 ? 0 : log_files_sync(log->position_fd);
}

/* --- from memory to the medium --- */

static int write_group(struct audit_log *log)
{
	struct log_segment *segment = &log->segment;
	int r = 0;

	if (!segment->has_room) {
		r = log_files_allocate(segment->fd, log->options.segment_bytes);
		segment->has_room = r >= 0;
	}
	if (r >= 0)
		r = log_files_write(
			segment->fd, log->writing.at, log->writing.bytes, segment->on_disk);
	if (r < 0) {
		/* Half a line may be there, and goes; the room behind it goes with it. */
		segment->has_room = false;
		return log_files_cut(segment->fd, segment->on_disk) < 0 ? -EIO : r;
	}
	r = log_files_sync(segment->fd);
	if (r < 0)
		return -EIO;
	return hash_update(segment->hash, log->writing.at, log->writing.bytes);
}

/* What could not be written comes before what was added since. */
static int take_back(struct audit_log *log)
{
	struct log_text adding = log->adding;
	int r;

	r = log_text_add(&log->writing, adding.at, adding.bytes);
	if (r < 0)
		return r;
	log->adding = log->writing;
	log->writing = adding;
	log->writing.bytes = 0;
	return 0;
}

static int finish_group(struct audit_log *log, const struct audit_position *newest, int r)
{
	if (r >= 0) {
		log->segment.on_disk += log->writing.bytes;
		log->writing.bytes = 0;
		log->durable = *newest;
		return 0;
	}
	/* After a failed fsync nobody knows what is there: only a new start finds out. */
	if (r == -EIO || r == -ENOMEM || take_back(log) < 0)
		return log_break(log, -EIO);
	return r;
}

/* may_unlock: others may add meanwhile. */
static int write_out(struct audit_log *log, bool may_unlock)
{
	const struct audit_position newest = log->added;
	const struct log_text writing = log->writing;
	int r;

	if (log->error < 0)
		return log->error;
	if (log->adding.bytes == 0)
		return 0;
	log->writing = log->adding;
	log->adding = writing;
	log->working = true;
	if (may_unlock)
		log_unlock(log);
	r = write_group(log);
	if (r >= 0)
		put_position(log, &newest);
	if (may_unlock)
		log_lock(log);
	log->working = false;
	log->trouble = r;
	r = finish_group(log, &newest, r);
	pthread_cond_broadcast(&log->changed);
	return r;
}

int log_write_out(struct audit_log *log)
{
	return write_out(log, false);
}

/* Who finds nobody working leads: it writes what all have added until then, and flushes once. */
int log_wait_for(struct audit_log *log, uint64_t sequence)
{
	int r;

	while (log->durable.sequence < sequence) {
		if (log->error < 0)
			return log->error;
		if (log->working) {
			pthread_cond_wait(&log->changed, &log->lock);
			continue;
		}
		r = write_out(log, true);
		if (r < 0)
			return r;
	}
	return 0;
}
