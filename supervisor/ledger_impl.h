/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_impl.h - the inside of ledger.h, for its own files
 *
 *   ledger.c          what is asked and what is changed
 *   ledger_add.c      what is announced
 *   ledger_replay.c   from the file to the table
 *   ledger_rewrite.c  from the table to a new file
 *
 * Locked: whoever calls these holds ledger->lock.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_IMPL_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_IMPL_H

#include "supervisor/ledger.h"
#include "supervisor/ledger_file.h"
#include "supervisor/ledger_names.h"
#include "supervisor/ledger_record.h"
#include "supervisor/ledger_table.h"
#include <pthread.h>

#define LEDGER_KEYS_MAX 32u
/* Lines that take a job from here to its end: RETIRING, RETIRED with its signed receipt. */
#define LEDGER_JOB_RESERVE_BYTES  6144u
#define LEDGER_BASE_RESERVE_BYTES (64u << 10)
#define LEDGER_REWRITE_BYTES	  (1u << 20) /* smaller files are left alone */
/* Retired jobs beyond LEDGER_KEEP_DEFAULT before they are forgotten together. */
#define LEDGER_KEEP_SLACK 256u

struct ledger_key {
	char volume[LEDGER_VOLUME_BYTES]; /* "": free */
	struct secret *key;
	struct ledger_names *names;
};

struct ledger {
	pthread_mutex_t lock;
	struct ledger_file *file;
	struct ledger_table table;
	struct ledger_key keys[LEDGER_KEYS_MAX];
	uint64_t next;
	uint64_t retired_ever;
	uint64_t damaged_lines;
	uint64_t rewrite_at_bytes; /* the file is rewritten when it has become so long */
};

/* Lines that are appended together. */
struct ledger_lines {
	char *text; /* owned */
	size_t bytes, capacity;
};
void ledger_lines_done(struct ledger_lines *lines);
/* *ret_span: from the start of the lines. */
must_check int ledger_lines_add(struct ledger_lines *lines, const struct ledger_record *record,
	struct ledger_span *ret_span);

/* L6, before a change: what the kernel may have forgotten is written anew, from what is known. */
must_check int ledger_mend(struct ledger *ledger);
uint64_t ledger_open_jobs(const struct ledger *ledger);
/* Behind what is appended, for jobs jobs that are not RETIRED. */
uint64_t ledger_reserve(uint64_t jobs);
/* Durable, or an error; *ret_at: where the lines begin in the file. */
must_check int ledger_append(struct ledger *ledger, const struct ledger_lines *lines,
	uint64_t reserve_bytes, uint64_t *ret_at);
struct ledger_names *ledger_names_of(struct ledger *ledger, const char *volume);
/* A line of the file, decoded.  -EBADMSG. */
must_check int ledger_read_line(
	struct ledger *ledger, struct ledger_span span, struct ledger_record *ret_record);
must_check int ledger_read_names(struct ledger *ledger, const struct ledger_entry *entry,
	int (*add)(void *context, const char *name), void *context);

must_check int ledger_replay(struct ledger *ledger, struct problem *reterr_problem);
must_check int ledger_rewrite(struct ledger *ledger);
/* If the file is mostly history; a failure costs nothing but the room. */
void ledger_rewrite_if_due(struct ledger *ledger);

#endif
