/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_impl.h - what the parts of audit/log*.c share
 *
 *   log.c         add, tick, what is asked from outside
 *   log_open.c    open, close, and what the log then says of itself
 *   log_commit.c  from memory to the medium, in groups
 *   log_turn.c    closing a segment, beginning the next, dropping the oldest
 *   log_load.c    what lies in the directory, held against itself, the keys and audit-position
 *   log_begin.c   a new log; one that is set aside
 *
 * Threads: "lock" guards everything here but "view", which "view_lock" guards, so that who asks
 * for the state never waits for a medium.  While "working" is set, the thread that set it may do
 * I/O on the open segment with the lock dropped, and nobody else touches "segment" (its end
 * excepted) and "writing".  A segment is turned with the lock held.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_IMPL_H
#define SPOOLGUARD_AUDIT_LOG_IMPL_H

#include "audit/log.h"
#include "audit/log_files.h"
#include "audit/log_format.h"
#include "base/io.h"
#include <pthread.h>

#define LOG_DIRECTORY	"audit"
#define LOG_ASIDE_BYTES 64 /* name of a directory that was set aside */

struct log_text {
	char *at; /* owned */
	size_t bytes, room;
};
must_check int log_text_add(struct log_text *text, const char *at, size_t bytes);

/* The newest segment. */
struct log_segment {
	uint64_t number;
	int fd;		   /* < 0: it is not begun */
	uint64_t end;	   /* bytes, with what is in memory */
	uint64_t on_disk;  /* bytes that are durable */
	uint64_t first;	   /* number of its first record */
	uint64_t records;  /* with what is in memory */
	uint64_t others;   /* those that are not the log's own about its segments */
	struct hash *hash; /* owned; of what is durable */
	bool has_room;	   /* B5 */
	struct audit_stamp begun;
};

/* How far the closing of a segment is, should it fail on the way and be tried again. */
struct log_closing {
	char head[LOG_HEAD_BYTES_MAX]; /* "": not made */
	struct minisign_key next_key;
	bool head_is_durable;
};

struct audit_log {
	int state_fd, fd, position_fd;
	int next_fd; /* >= 0: the next segment has its room */
	const struct log_signer *signer;
	struct audit_log_options options;
	char log[AUDIT_BOOT_BYTES], boot[AUDIT_BOOT_BYTES];

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool working;
	int error;   /* for ever */
	int trouble; /* of the last try to write or to begin a segment; 0: it went well */
	bool is_stopped, nearly_full_told;
	bool turn_is_owed; /* the segment is full, or there is none: no record can be added */

	struct log_segment segment;
	struct log_closing closing;
	char previous_head[AUDIT_HEX_BYTES];
	uint64_t oldest, closed_bytes; /* of the closed segments that are there */
	struct log_text adding, writing;
	struct audit_position added, durable; /* the newest of each; sequence 0: none */
	char root_sha256[AUDIT_HEX_BYTES];    /* "previous" of the first record of all */

	pthread_mutex_t view_lock;
	struct audit_log_state view;
	struct audit_position view_durable;
};

static inline void log_lock(struct audit_log *log)
{
	pthread_mutex_lock(&log->lock);
}

static inline void log_unlock(struct audit_log *log)
{
	pthread_mutex_unlock(&log->lock);
}

/* --- log.c --- */

/* A record in memory, in a new segment if it does not fit.  Lock held. */
must_check int log_add_or_turn(struct audit_log *log, const struct audit_event *event);
/* The view for those who ask; lock held. */
void log_show(struct audit_log *log);
bool log_is_nearly_full(const struct audit_log *log);
/* A record in memory; it fits, or -EMSGSIZE.  Lock held. */
must_check int log_append(struct audit_log *log, const struct audit_event *event);
/* "log-segment-closed" and the like: they alone make no segment worth closing. */
bool log_is_own_event(const char *event);
/* -EIO: the log is broken for ever. */
int log_break(struct audit_log *log, int error);
must_check int log_sha256(const void *data, size_t bytes, char ret_hex[static AUDIT_HEX_BYTES]);

/* --- log_commit.c --- */

/* What is in memory, onto the medium.  Lock held; nobody is working. */
must_check int log_write_out(struct audit_log *log);
/* Waits until that record is durable.  Lock held, and dropped meanwhile. */
must_check int log_wait_for(struct audit_log *log, uint64_t sequence);
/* audit-position as the medium has it. */
must_check int log_flush_position(struct audit_log *log);

/* --- log_turn.c; lock held, nobody working --- */

/*
 * Closes the segment that is begun, if one is, and begins the next.  May be called again after an
 * error.  -EDQUOT: the log may not grow; the segment is closed all the same if it is full.
 */
must_check int log_turn(struct audit_log *log, bool is_full);
/* B6: drops what has to make room for the segment after the open one. */
must_check int log_make_room(struct audit_log *log);

/* --- log_load.c, log_begin.c --- */

/* How the log was found. */
struct log_found {
	bool position_is_unreadable;
	char aside[LOG_ASIDE_BYTES];	 /* the log before this one; "": there was none */
	char last_event[LOG_NAME_BYTES]; /* of the newest record; "": there is none */
	uint64_t torn_bytes;
	char torn_sha256[AUDIT_HEX_BYTES];
	struct audit_position lost; /* sequence > 0: audit-position knows it, the log does not */
};

/* log.json is there: what lies beside it.  -EUCLEAN. */
must_check int log_load(struct audit_log *log, const struct audit_position *position,
	struct log_found *found, struct problem *problem);
/* Without log.json there may be no segment and no head. */
must_check int log_refuse_leftovers(struct audit_log *log, struct problem *problem);
/* It is not: a new log.  had_one_before: its first key is a new one, too. */
must_check int log_begin(struct audit_log *log, bool had_one_before, struct problem *problem);
/* The directory that was set aside with that log in it, else the one with the last name; "": there
 * is none. */
must_check int log_find_set_aside(
	int state_fd, const char *log, char ret_name[static LOG_ASIDE_BYTES], bool *ret_is_that);
/* What "sha256sum * | sha256sum" prints there. */
must_check int log_set_aside_digest(
	int state_fd, const char *name, char ret_hex[static AUDIT_HEX_BYTES]);

#endif
