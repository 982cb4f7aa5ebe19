/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - a few threads that take work from a queue with an end
 *
 * What was taken is run: pool_free() runs what still waits, so work that is to be dropped at the
 * end has to look for itself.  Threads: pool_add() from any; pool_new() and pool_free() in one.
 */
#ifndef SPOOLGUARD_SUPERVISOR_POOL_H
#define SPOOLGUARD_SUPERVISOR_POOL_H

#include "base/macros.h"
#include <stddef.h>

#define POOL_STACK_BYTES (512u << 10)

struct pool;

must_check int pool_new(size_t threads, size_t waiting_max, struct pool **ret_pool);
/* -EBUSY: as much as may wait does already; -ENOMEM. */
must_check int pool_add(struct pool *pool, void (*run)(void *work), void *work);
void pool_free(struct pool *pool);

/* A thread with such a stack. */
struct pool_thread;
must_check int pool_thread_start(
	void *(*run)(void *argument), void *argument, struct pool_thread **ret_thread);
void pool_thread_join(struct pool_thread *thread); /* NULL is taken */

#endif
