/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_lock.h - transfers share a run of blocks, a change of state has it alone (M1)
 *
 *   L1  An exclusive holder has waited for every shared one that overlaps.
 *   L2  Who came first goes first: a shared request waits for an exclusive one
 *       that overlaps and came before, so that none starves.
 *
 * The holder's memory is the caller's (its stack) while it holds.
 */
#ifndef SPOOLGUARD_BLOCKDEV_RANGE_LOCK_H
#define SPOOLGUARD_BLOCKDEV_RANGE_LOCK_H

#include "base/extent.h"
#include <pthread.h>
#include <stdbool.h>

struct range_holder {
	struct extent run;
	bool exclusive;
	struct range_holder *previous; /* came before */
	struct range_holder *next;
};

struct range_lock {
	pthread_mutex_t mutex;
	pthread_cond_t left;
	unsigned int waiting;
	struct range_holder *first;
	struct range_holder *last;
};

void range_lock_init(struct range_lock *lock);
void range_lock_done(struct range_lock *lock);

void range_lock_shared(struct range_lock *lock, struct extent run, struct range_holder *holder);
void range_lock_exclusive(struct range_lock *lock, struct extent run, struct range_holder *holder);
void range_lock_release(struct range_lock *lock, struct range_holder *holder);

#endif
