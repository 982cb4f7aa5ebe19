/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_control.c - what the control socket asks: retirements, barriers, growth, debt
 */
#include "volume/engine_impl.h"
#include "base/clock.h"
#include "blockdev/raw.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A job of which some blocks are not judged stays as it is. */
static int condemn_one(struct engine *engine, struct residue_watch *watch,
	uint64_t requested_blocks, struct retire_request *request)
{
	struct retirement *result = request->result;
	int r;

	*result = (struct retirement){
		.requested_blocks = requested_blocks,
		.unjudged_blocks = residue_watch_unjudged(engine->residue, watch),
	};
	if (result->unjudged_blocks > 0)
		return 0;
	r = residue_watch_condemn(engine->residue, watch, &request->owed, &result->lost_blocks);
	result->refused_blocks = residue_watch_refused(engine->residue, watch, &request->owed);
	result->not_owed_blocks = requested_blocks - result->lost_blocks - result->refused_blocks -
				  extent_list_blocks(&request->owed);
	return r;
}

/* Condemns each watch into a request of its own; the requests' lists are the caller's to free. */
static int condemn_all(struct engine *engine, struct residue_watch *const *watches,
	const uint64_t *requested_blocks, size_t count, struct retire_request *requests)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = condemn_one(engine, watches[i], requested_blocks[i], &requests[i]);
	return r;
}

/* Under lock: hands the requests to the eraser's thread. */
static void enter_requests(struct engine *engine, struct retire_request *requests, size_t count)
{
	struct retire_request **tail = &engine->retirements;

	while (*tail)
		tail = &(*tail)->next;
	for (size_t i = 0; i < count; i++) {
		requests[i].result->epoch = engine->epoch;
		requests[i].done = requests[i].owed.count == 0;
		if (requests[i].done)
			continue;
		*tail = &requests[i];
		tail = &requests[i].next;
	}
}

/* Condemning and entering are one step for the eraser's thread (engine_impl.h). */
static int submit_requests(struct engine *engine, struct residue_watch *const *watches,
	const uint64_t *requested_blocks, size_t count, struct retire_request *requests)
{
	int r;

	pthread_rwlock_rdlock(&engine->condemning);
	pthread_mutex_lock(&engine->lock);
	r = engine_check_serving(engine); /* before anything is condemned that nobody would erase */
	pthread_mutex_unlock(&engine->lock);
	if (r >= 0)
		r = condemn_all(engine, watches, requested_blocks, count, requests);
	pthread_mutex_lock(&engine->lock);
	if (r >= 0)
		r = engine_check_serving(engine);
	if (r >= 0)
		enter_requests(engine, requests, count);
	engine_note_freed(engine);
	pthread_mutex_unlock(&engine->lock);
	pthread_rwlock_unlock(&engine->condemning);
	return r;
}

/* Until every one of them is done, their memory is the eraser's too. */
static int wait_for_requests(struct engine *engine, struct retire_request *requests, size_t count)
{
	int r = 0;

	pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < count; i++) {
		while (!requests[i].done)
			pthread_cond_wait(&engine->progress, &engine->lock);
		if (requests[i].error < 0)
			r = requests[i].error;
	}
	pthread_mutex_unlock(&engine->lock);
	return r;
}

int engine_retire(struct engine *engine, struct residue_watch *const *watches,
	const uint64_t *requested_blocks, size_t count, struct retirement *ret_retirements)
{
	struct retire_request *requests;
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	requests = calloc(count ? count : 1, sizeof(*requests));
	if (!requests)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		requests[i].result = &ret_retirements[i];
	r = submit_requests(engine, watches, requested_blocks, count, requests);
	if (r >= 0)
		r = wait_for_requests(engine, requests, count);
	for (size_t i = 0; i < count; i++) {
		extent_list_done(&requests[i].owed);
		extent_list_done(&requests[i].piece);
	}
	free(requests);
	return r;
}

static int wait_for_scan(
	struct engine *engine, uint64_t *wanted, const uint64_t *covered, uint64_t *ret_epoch)
{
	uint64_t mine;
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&engine->lock);
	r = engine_check_serving(engine);
	if (r >= 0) {
		mine = ++*wanted;
		pthread_cond_signal(&engine->work);
		while (*covered < mine && !engine->failed && !engine->stopping)
			pthread_cond_wait(&engine->progress, &engine->lock);
		r = *covered >= mine ? 0 : -EIO;
		*ret_epoch = engine->epoch;
	}
	pthread_mutex_unlock(&engine->lock);
	return r;
}

int engine_barrier(struct engine *engine, uint64_t *ret_epoch)
{
	return wait_for_scan(engine, &engine->scan_wanted, &engine->scan_covered, ret_epoch);
}

int engine_barrier_all(struct engine *engine, uint64_t *ret_epoch)
{
	return wait_for_scan(engine, &engine->full_wanted, &engine->full_covered, ret_epoch);
}

static int grow(struct engine *engine, uint64_t *ret_blocks)
{
	struct stat st;
	uint64_t blocks;
	int r;

	r = raw_refresh_size(engine->device);
	if (r < 0)
		return r;
	if (fstat(raw_fd(engine->device), &st) < 0)
		return -errno;
	blocks = blockdev_blocks(engine->device) - engine->layout.data_first;
	if (blocks > residue_blocks(engine->residue))
		r = residue_grow(engine->residue, blocks, S_ISBLK(st.st_mode));
	if (r >= 0)
		*ret_blocks = residue_blocks(engine->residue);
	return r;
}

int engine_grow(struct engine *engine, uint64_t *ret_blocks)
{
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	if (engine->info.read_only)
		return -EROFS;
	pthread_mutex_lock(&engine->growing);
	r = grow(engine, ret_blocks);
	pthread_mutex_unlock(&engine->growing);
	if (r < 0)
		return r;
	pthread_mutex_lock(&engine->lock);
	if (engine->backlog_since_ns == 0) /* a device's new blocks may hold anything */
		engine->backlog_since_ns = clock_monotonic_ns();
	engine_note_freed(engine);
	pthread_mutex_unlock(&engine->lock);
	return 0;
}

void engine_trust(struct engine *engine)
{
	residue_trust(engine->residue);
	pthread_mutex_lock(&engine->lock);
	pthread_cond_signal(&engine->work);
	pthread_mutex_unlock(&engine->lock);
}

bool engine_barrier_enter(struct engine *engine)
{
	uint64_t needed;
	bool lead;

	pthread_mutex_lock(&engine->lock);
	needed = engine->leads_started + 1; /* a lead that starts from now on */
	while (engine->leader && engine->leads_done < needed && !engine->stopping)
		pthread_cond_wait(&engine->progress, &engine->lock);
	lead = engine->leads_done < needed;
	if (lead) {
		engine->leader = true;
		engine->leads_started++;
	}
	pthread_mutex_unlock(&engine->lock);
	return lead;
}

void engine_barrier_leave(struct engine *engine, bool done)
{
	pthread_mutex_lock(&engine->lock);
	if (done)
		engine->leads_done = engine->leads_started;
	engine->leader = false;
	pthread_cond_broadcast(&engine->progress);
	pthread_mutex_unlock(&engine->lock);
}

void engine_get_debt(struct engine *engine, struct engine_debt *ret_debt)
{
	uint64_t now = clock_monotonic_ns(), since;

	pthread_mutex_lock(&engine->lock);
	since = engine->fresh_since_ns;
	if (engine->backlog_since_ns != 0 && (since == 0 || engine->backlog_since_ns < since))
		since = engine->backlog_since_ns;
	*ret_debt = (struct engine_debt){
		.parked_writes = engine->parked_count,
		.oldest_owed_s = since ? (now - since) / 1000000000u : 0,
		.from_before = engine->backlog_since_ns != 0,
		.erased_blocks = engine->erased_blocks,
		.eraser_failed = engine->failed,
	};
	pthread_mutex_unlock(&engine->lock);
}
