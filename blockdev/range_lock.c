/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/range_lock.h"
#include <assert.h>

void range_lock_init(struct range_lock *lock)
{
	*lock = (struct range_lock){.first = NULL};
	pthread_mutex_init(&lock->mutex, NULL);
	pthread_cond_init(&lock->left, NULL);
}

void range_lock_done(struct range_lock *lock)
{
	assert(!lock->first);
	pthread_cond_destroy(&lock->left);
	pthread_mutex_destroy(&lock->mutex);
}

static bool must_wait(const struct range_holder *holder)
{
	for (const struct range_holder *h = holder->previous; h; h = h->previous) {
		if ((h->exclusive || holder->exclusive) && extent_overlaps(h->run, holder->run))
			return true;
	}
	return false;
}

static void take(
	struct range_lock *lock, struct extent run, bool exclusive, struct range_holder *holder)
{
	*holder = (struct range_holder){.run = run, .exclusive = exclusive};

	pthread_mutex_lock(&lock->mutex);
	holder->previous = lock->last;
	if (lock->last)
		lock->last->next = holder;
	else
		lock->first = holder;
	lock->last = holder;
	while (must_wait(holder)) {
		lock->waiting++;
		pthread_cond_wait(&lock->left, &lock->mutex);
		lock->waiting--;
	}
	pthread_mutex_unlock(&lock->mutex);
}

void range_lock_shared(struct range_lock *lock, struct extent run, struct range_holder *holder)
{
	take(lock, run, false, holder);
}

void range_lock_exclusive(struct range_lock *lock, struct extent run, struct range_holder *holder)
{
	take(lock, run, true, holder);
}

void range_lock_release(struct range_lock *lock, struct range_holder *holder)
{
	pthread_mutex_lock(&lock->mutex);
	if (holder->previous)
		holder->previous->next = holder->next;
	else
		lock->first = holder->next;
	if (holder->next)
		holder->next->previous = holder->previous;
	else
		lock->last = holder->previous;
	if (lock->waiting > 0)
		pthread_cond_broadcast(&lock->left);
	pthread_mutex_unlock(&lock->mutex);
}
