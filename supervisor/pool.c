/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/pool.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct item {
	struct item *next;
	void (*run)(void *work);
	void *work;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct item *first, **last;
	size_t waiting, waiting_max;
	bool ends;
	size_t thread_count;
	struct pool_thread *threads[];
};

struct pool_thread {
	pthread_t id;
};

int pool_thread_start(void *(*run)(void *argument), void *argument, struct pool_thread **ret_thread)
{
	struct pool_thread *thread = calloc(1, sizeof(*thread));
	pthread_attr_t attributes;
	int r;

	if (!thread)
		return -ENOMEM;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, POOL_STACK_BYTES);
	r = -pthread_create(&thread->id, &attributes, run, argument);
	pthread_attr_destroy(&attributes);
	if (r < 0) {
		free(thread);
		return r;
	}
	*ret_thread = thread;
	return 0;
}

void pool_thread_join(struct pool_thread *thread)
{
	if (thread)
		pthread_join(thread->id, NULL);
	free(thread);
}

/* NULL: the end has come, and nothing is left. */
static struct item *take(struct pool *pool)
{
	struct item *item;

	pthread_mutex_lock(&pool->lock);
	while (!pool->first && !pool->ends)
		pthread_cond_wait(&pool->news, &pool->lock);
	item = pool->first;
	if (item) {
		pool->first = item->next;
		if (!pool->first)
			pool->last = &pool->first;
		pool->waiting--;
	}
	pthread_mutex_unlock(&pool->lock);
	return item;
}

static void *work(void *argument)
{
	struct pool *pool = argument;
	struct item *item;

	while ((item = take(pool))) {
		item->run(item->work);
		free(item);
	}
	return NULL;
}

int pool_add(struct pool *pool, void (*run)(void *work), void *work)
{
	struct item *item = malloc(sizeof(*item));
	bool full;

	if (!item)
		return -ENOMEM;
	*item = (struct item){.run = run, .work = work};
	pthread_mutex_lock(&pool->lock);
	full = pool->waiting == pool->waiting_max;
	if (!full) {
		*pool->last = item;
		pool->last = &item->next;
		pool->waiting++;
		pthread_cond_signal(&pool->news);
	}
	pthread_mutex_unlock(&pool->lock);
	if (full)
		free(item);
	return full ? -EBUSY : 0;
}

int pool_new(size_t threads, size_t waiting_max, struct pool **ret_pool)
{
	struct pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
	int r = 0;

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->news, NULL);
	pool->last = &pool->first;
	pool->waiting_max = waiting_max;
	while (pool->thread_count < threads && r >= 0) {
		r = pool_thread_start(work, pool, &pool->threads[pool->thread_count]);
		pool->thread_count += r >= 0;
	}
	if (r < 0) {
		pool_free(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ends = true;
	pthread_cond_broadcast(&pool->news);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->thread_count; i++)
		pool_thread_join(pool->threads[i]);
	pthread_cond_destroy(&pool->news);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
