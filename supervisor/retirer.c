/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/retirer.h"
#include "base/clock.h"
#include "supervisor/ledger_key.h"
#include "supervisor/retirer_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES (256u << 10)

/* --- sources --- */

const struct retirer_source *retirer_find_source(const struct retirer *retirer, const char *name)
{
	for (size_t i = 0; i < retirer->options.source_count; i++) {
		const struct retirer_source *source = &retirer->sources[i];
		size_t length = strlen(source->name);

		if (strncmp(name, source->name, length) == 0 &&
			(name[length] == '\0' || name[length] == ':'))
			return source;
	}
	return NULL;
}

/* --- who waits --- */

void retirer_tell(struct retirer *retirer)
{
	(void)pthread_mutex_lock(&retirer->lock);
	retirer->news = true;
	(void)pthread_cond_broadcast(&retirer->changed);
	(void)pthread_mutex_unlock(&retirer->lock);
}

static bool is_over(enum ledger_state state)
{
	return state == LEDGER_RETIRED || state == LEDGER_FAILED || state == LEDGER_HELD;
}

/* The next whose job is over, taken off the list; the lock is held. */
static struct retirer_waiter *take_ready(struct retirer *retirer, struct ledger_job *ret_job)
{
	for (struct retirer_waiter **at = &retirer->waiters; *at; at = &(*at)->next) {
		struct retirer_waiter *waiter = *at;

		/* Forgotten since: there is nothing more to wait for. */
		if (ledger_get(retirer->options.ledger, waiter->number, ret_job) < 0)
			*ret_job = (struct ledger_job){
				.number = waiter->number, .state = LEDGER_RETIRED};
		if (is_over(ret_job->state)) {
			*at = waiter->next;
			return waiter;
		}
		ledger_job_done(ret_job);
	}
	return NULL;
}

static void tell_all(struct retirer *retirer)
{
	struct retirer_waiter *waiter;
	struct ledger_job job;

	while ((waiter = take_ready(retirer, &job))) {
		retirer->telling = waiter->context;
		(void)pthread_mutex_unlock(&retirer->lock);
		waiter->done(waiter->context, &job);
		ledger_job_done(&job);
		free(waiter);
		(void)pthread_mutex_lock(&retirer->lock);
		retirer->telling = NULL;
		(void)pthread_cond_broadcast(&retirer->changed);
	}
}

static void *run_teller(void *argument)
{
	struct retirer *retirer = argument;

	(void)pthread_mutex_lock(&retirer->lock);
	while (!retirer->stop) {
		if (!retirer->news) {
			(void)pthread_cond_wait(&retirer->changed, &retirer->lock);
			continue;
		}
		retirer->news = false;
		tell_all(retirer);
	}
	(void)pthread_mutex_unlock(&retirer->lock);
	return NULL;
}

int retirer_await(struct retirer *retirer, uint64_t number,
	void (*done)(void *context, const struct ledger_job *job), void *context)
{
	struct retirer_waiter *waiter = calloc(1, sizeof(*waiter));
	struct ledger_job job;
	int r;

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct retirer_waiter){.number = number, .done = done, .context = context};
	(void)pthread_mutex_lock(&retirer->lock);
	r = ledger_get(retirer->options.ledger, number, &job);
	if (r >= 0) {
		ledger_job_done(&job);
		waiter->next = retirer->waiters;
		retirer->waiters = waiter;
		retirer->news = true;
		(void)pthread_cond_broadcast(&retirer->changed);
	} else {
		free(waiter);
	}
	(void)pthread_mutex_unlock(&retirer->lock);
	return r;
}

void retirer_forget(struct retirer *retirer, void *context)
{
	struct retirer_waiter **at, *waiter;

	(void)pthread_mutex_lock(&retirer->lock);
	for (at = &retirer->waiters; (waiter = *at);) {
		if (waiter->context == context) {
			*at = waiter->next;
			free(waiter);
		} else {
			at = &waiter->next;
		}
	}
	while (retirer->telling == context && context)
		(void)pthread_cond_wait(&retirer->changed, &retirer->lock);
	(void)pthread_mutex_unlock(&retirer->lock);
}

/* --- volumes --- */

static struct retirer_volume *find_volume(struct retirer *retirer, const char *uuid)
{
	for (struct retirer_volume *volume = retirer->volumes; volume; volume = volume->next) {
		if (strcmp(volume->state.uuid, uuid) == 0)
			return volume;
	}
	return NULL;
}

/* Off the list at once, so that nobody else ends it too. */
static struct retirer_volume *take_volume(struct retirer *retirer, const char *uuid)
{
	struct retirer_volume **at, *volume = NULL;

	(void)pthread_mutex_lock(&retirer->lock);
	for (at = &retirer->volumes; *at; at = &(*at)->next) {
		if (uuid && strcmp((*at)->state.uuid, uuid) != 0)
			continue;
		volume = *at;
		*at = volume->next;
		volume->stop = true;
		(void)pthread_cond_broadcast(&retirer->changed);
		break;
	}
	(void)pthread_mutex_unlock(&retirer->lock);
	return volume;
}

static void end_volume(struct retirer_volume *volume)
{
	(void)pthread_join(volume->thread, NULL);
	retirer_volume_free(volume);
}

static int start_thread(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	int r;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = pthread_create(thread, &attributes, run, argument);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}

static int set_key(
	struct retirer *retirer, const struct runtime_state *volume, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = ledger_key_get(volume->mount, &key, reterr_problem);
	return r < 0 ? r : ledger_set_key(retirer->options.ledger, volume->uuid, key);
}

int retirer_open_volume(
	struct retirer *retirer, const struct runtime_state *state, struct problem *reterr_problem)
{
	struct retirer_volume *volume;
	int r;

	retirer_close_volume(retirer, state->uuid, true);
	r = set_key(retirer, state, reterr_problem);
	if (r >= 0)
		r = retirer_volume_new(retirer, state, &volume);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&retirer->lock);
	volume->woken = true;
	r = start_thread(&volume->thread, retirer_volume_run, volume);
	if (r >= 0) {
		volume->next = retirer->volumes;
		retirer->volumes = volume;
	}
	(void)pthread_mutex_unlock(&retirer->lock);
	if (r < 0) {
		retirer_volume_free(volume);
		return problem_set(reterr_problem, r,
			"no thread could be started for the jobs of a volume: %s", strerror(-r));
	}
	return 0;
}

void retirer_close_volume(struct retirer *retirer, const char *uuid, bool lost)
{
	struct retirer_volume *volume = take_volume(retirer, uuid);

	if (volume)
		end_volume(volume);
	if (!lost)
		ledger_drop_key(retirer->options.ledger, uuid);
}

void retirer_wake(struct retirer *retirer)
{
	(void)pthread_mutex_lock(&retirer->lock);
	for (struct retirer_volume *volume = retirer->volumes; volume; volume = volume->next)
		volume->woken = true;
	retirer->news = true; /* a job may have been held, or released */
	(void)pthread_cond_broadcast(&retirer->changed);
	(void)pthread_mutex_unlock(&retirer->lock);
}

void retirer_retry(struct retirer *retirer, uint64_t number)
{
	(void)pthread_mutex_lock(&retirer->lock);
	for (struct retirer_volume *volume = retirer->volumes; volume; volume = volume->next) {
		volume->retry_number = number;
		volume->woken = true;
	}
	(void)pthread_cond_broadcast(&retirer->changed);
	(void)pthread_mutex_unlock(&retirer->lock);
}

int retirer_barrier(struct retirer *retirer, const char *uuid)
{
	_cleanup_(retire_session_closep) struct retire_session *session = NULL;
	const struct retire_options options = {.wait_ms = 0};
	struct retire_result result;
	struct job_list none = {.count = 0};
	struct runtime_state state;
	struct retirer_volume *volume;
	int r;

	(void)pthread_mutex_lock(&retirer->lock);
	volume = find_volume(retirer, uuid);
	if (volume)
		state = volume->state;
	(void)pthread_mutex_unlock(&retirer->lock);
	if (!volume)
		return -ENOTCONN;
	r = retire_session_open(&state, &session, NULL);
	if (r >= 0)
		r = retire_session_run(session, &none, &options, &result, NULL);
	if (r < 0)
		return r;
	r = result.barrier_error;
	retire_result_done(&result);
	return r;
}

/* --- pauses --- */

void retirer_pause(struct retirer *retirer)
{
	(void)pthread_mutex_lock(&retirer->lock);
	retirer->pauses++;
	while (retirer->busy > 0)
		(void)pthread_cond_wait(&retirer->changed, &retirer->lock);
	(void)pthread_mutex_unlock(&retirer->lock);
}

void retirer_resume(struct retirer *retirer)
{
	(void)pthread_mutex_lock(&retirer->lock);
	assert(retirer->pauses > 0);
	retirer->pauses--;
	(void)pthread_cond_broadcast(&retirer->changed);
	(void)pthread_mutex_unlock(&retirer->lock);
}

/* --- its life --- */

void retirer_set_selftest(struct retirer *retirer, const char *harness_id)
{
	(void)pthread_mutex_lock(&retirer->lock);
	strncpy(retirer->selftest, harness_id, sizeof(retirer->selftest) - 1);
	(void)pthread_mutex_unlock(&retirer->lock);
}

static int copy_sources(struct retirer *retirer)
{
	size_t count = retirer->options.source_count;

	retirer->sources = calloc(count + 1, sizeof(*retirer->sources));
	if (!retirer->sources)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		retirer->sources[i] = retirer->options.sources[i];
	return 0;
}

int retirer_new(const struct retirer_options *options, struct retirer **ret_retirer)
{
	struct retirer *retirer = calloc(1, sizeof(*retirer));
	pthread_condattr_t attributes;
	int r;

	if (!retirer)
		return -ENOMEM;
	retirer->options = *options;
	(void)pthread_mutex_init(&retirer->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&retirer->changed, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	r = copy_sources(retirer);
	if (r >= 0)
		r = start_thread(&retirer->teller, run_teller, retirer);
	retirer->teller_started = r >= 0;
	if (r < 0) {
		retirer_free(retirer);
		return r;
	}
	*ret_retirer = retirer;
	return 0;
}

static void free_waiters(struct retirer *retirer)
{
	struct retirer_waiter *next;

	for (struct retirer_waiter *waiter = retirer->waiters; waiter; waiter = next) {
		next = waiter->next;
		free(waiter);
	}
}

void retirer_free(struct retirer *retirer)
{
	struct retirer_volume *volume;

	if (!retirer)
		return;
	while ((volume = take_volume(retirer, NULL)))
		end_volume(volume);
	(void)pthread_mutex_lock(&retirer->lock);
	retirer->stop = true;
	(void)pthread_cond_broadcast(&retirer->changed);
	(void)pthread_mutex_unlock(&retirer->lock);
	if (retirer->teller_started)
		(void)pthread_join(retirer->teller, NULL);
	free_waiters(retirer);
	free(retirer->sources);
	(void)pthread_cond_destroy(&retirer->changed);
	(void)pthread_mutex_destroy(&retirer->lock);
	free(retirer);
}
