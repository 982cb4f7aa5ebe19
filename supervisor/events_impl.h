/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_impl.h - what events.c (memory, what others call) and events_writer.c (the thread) share
 *
 * Events are numbered as they come: added >= written >= committed.  The place of event n is
 * n % EVENTS_MEMORY_MAX; it leaves it when it is committed.  When the log was opened again, what it
 * has not got of those that were written is written again.  The log is used by the thread alone,
 * outside of the lock, but for its first opening.
 */
#ifndef SPOOLGUARD_SUPERVISOR_EVENTS_IMPL_H
#define SPOOLGUARD_SUPERVISOR_EVENTS_IMPL_H

#include "supervisor/events.h"
#include "supervisor/pool.h"
#include <limits.h>
#include <pthread.h>

#define EVENTS_NS_PER_MS UINT64_C(1000000)

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

int64_t events_wall_ms(void);
/* Of a condition by the monotonic clock. */
void events_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_ns);
struct entry *events_place(struct events *events, uint64_t number);
void events_drop(struct entry *entry);

/* events_writer.c; with the lock held, which they let go meanwhile. */
void events_open_log(struct events *events);
void events_close_log(struct events *events);
/* The thread. */
void *events_write_out(void *events);

#endif
