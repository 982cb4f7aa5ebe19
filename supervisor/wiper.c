/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wiper.h"
#include "base/clock.h"
#include "ipc/message.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/wipe.h"
#include "supervisor/wipe_record.h"
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS		 5000u
#define REFUSED_QUIET_MS 120000u
#define REFUSED_AGAIN_MS 600000u /* a scheduled wipe that could not begin */

struct wiper {
	struct supervisor *supervisor;
	struct pool_thread *thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool woken, stop;
	/* The thread's own. */
	uint64_t next_tick_ns;
	uint64_t refused_ns;	       /* since when what is due cannot begin; 0: it could */
	char said[PROBLEM_TEXT_BYTES]; /* why the last could not begin */
};

/* --- what is left of earlier ones --- */

static void recall(struct supervisor *supervisor, const char *volume)
{
	struct json_object *report = NULL;
	const char *result;
	int64_t began;
	char key[64];

	if (wipe_record_load_last(supervisor->config->state_directory, volume, &began, &report) <
			0 ||
		!report)
		return;
	if (message_get_string(report, "result", &result) && strcmp(result, "failed") == 0) {
		snprintf(key, sizeof(key), "wiped:%s", volume);
		state_raise(supervisor->state, STATE_ATTENTION, key,
			"the last wipe of volume %s failed (see the events); wipe it again",
			volume);
	}
	json_object_put(report);
}

/* --- its thread --- */

static void resume(struct wiper *wiper)
{
	struct problem problem = {""};

	/* What keeps it from its end is said by the wipe itself, and looked at again soon. */
	if (wipe_is_pending(wiper->supervisor, NULL) &&
		wipe_resume(wiper->supervisor, NULL, &problem) < 0)
		return;
}

/* At start the tests have not run, and the volume is not open: that is nothing to speak of yet. */
static void say_refused(struct wiper *wiper, const char *text, uint64_t now)
{
	if (wiper->refused_ns == 0)
		wiper->refused_ns = now;
	if (now - wiper->refused_ns < REFUSED_QUIET_MS * UINT64_C(1000000))
		return;
	wiper->next_tick_ns = now + REFUSED_AGAIN_MS * UINT64_C(1000000);
	if (strcmp(wiper->said, text) == 0)
		return;
	snprintf(wiper->said, sizeof(wiper->said), "%s", text);
	events_note(wiper->supervisor->events, "wipe", NULL, "failure",
		"it is due by the schedule, and cannot begin: %s", wiper->said);
}

static void tick(struct wiper *wiper)
{
	struct problem problem = {""};
	uint64_t now = clock_monotonic_ns();
	int r;

	if (now < wiper->next_tick_ns)
		return;
	r = wipe_tick(wiper->supervisor, &problem);
	if (r < 0) {
		say_refused(wiper, problem_text(&problem, r), now);
		return;
	}
	wiper->refused_ns = 0;
	wiper->said[0] = '\0';
}

static bool wait_for_news(struct wiper *wiper)
{
	struct timespec until;
	bool stop;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_MS / 1000;
	pthread_mutex_lock(&wiper->lock);
	while (!wiper->woken && !wiper->stop && r == 0)
		r = pthread_cond_timedwait(&wiper->news, &wiper->lock, &until);
	wiper->woken = false;
	stop = wiper->stop;
	pthread_mutex_unlock(&wiper->lock);
	return !stop;
}

static void *run(void *argument)
{
	struct wiper *wiper = argument;

	do {
		resume(wiper);
		tick(wiper);
	} while (wait_for_news(wiper));
	return NULL;
}

/* --- its life --- */

int wiper_new(struct supervisor *supervisor, struct wiper **ret_wiper)
{
	struct wiper *wiper = calloc(1, sizeof(*wiper));
	pthread_condattr_t attributes;

	if (!wiper)
		return -ENOMEM;
	wiper->supervisor = supervisor;
	pthread_mutex_init(&wiper->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&wiper->news, &attributes);
	pthread_condattr_destroy(&attributes);
	for (size_t i = 0; i < supervisor->config->volume_count; i++)
		recall(supervisor, supervisor->config->volumes[i].name);
	wipe_stand_still(supervisor);
	*ret_wiper = wiper;
	return 0;
}

int wiper_start(struct wiper *wiper)
{
	return pool_thread_start(run, wiper, &wiper->thread);
}

void wiper_wake(struct wiper *wiper)
{
	pthread_mutex_lock(&wiper->lock);
	wiper->woken = true;
	pthread_cond_signal(&wiper->news);
	pthread_mutex_unlock(&wiper->lock);
}

void wiper_stop(struct wiper *wiper)
{
	pthread_mutex_lock(&wiper->lock);
	wiper->stop = true;
	pthread_cond_signal(&wiper->news);
	pthread_mutex_unlock(&wiper->lock);
	pool_thread_join(wiper->thread);
	wiper->thread = NULL;
}

void wiper_free(struct wiper *wiper)
{
	if (!wiper)
		return;
	wiper_stop(wiper);
	pthread_cond_destroy(&wiper->news);
	pthread_mutex_destroy(&wiper->lock);
	free(wiper);
}
