/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "supervisor/retirer_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELD_MS		1000u /* while nothing may be claimed, the state is asked so often */
#define TROUBLE_MS	500u  /* doubled each time, up to TROUBLE_MOST_MS */
#define TROUBLE_MOST_MS 16000u
/* A job that is tried again so seldom is told to people. */
#define LONG_DELAY_MS 8000u

int retirer_volume_new(struct retirer *retirer, const struct runtime_state *state,
	struct retirer_volume **ret_volume)
{
	struct retirer_volume *volume = calloc(1, sizeof(*volume));

	if (!volume)
		return -ENOMEM;
	volume->retirer = retirer;
	volume->state = *state;
	snprintf(volume->reason_key, sizeof(volume->reason_key), "jobs:%s", state->uuid);
	volume->numbers = calloc(LEDGER_OPEN_MAX, sizeof(*volume->numbers));
	if (!volume->numbers) {
		retirer_volume_free(volume);
		return -ENOMEM;
	}
	*ret_volume = volume;
	return 0;
}

void retirer_volume_free(struct retirer_volume *volume)
{
	if (!volume)
		return;
	retire_session_close(volume->session);
	retirer_tracks_done(&volume->tracks);
	free(volume->numbers);
	free(volume);
}

/* --- which jobs are due --- */

struct picked {
	struct ledger_job *jobs; /* RETIRER_BATCH_JOBS */
	size_t count;
	uint64_t next_ns; /* when another is due */
};

static void pick_state(
	struct retirer_volume *volume, enum ledger_state state, uint64_t now, struct picked *picked)
{
	struct ledger *ledger = volume->retirer->options.ledger;
	/* Those that are not due yet are tracked: of so many, a batch is due if there is one. */
	size_t most = RETIRER_BATCH_JOBS + volume->tracks.count, count;

	if (most > LEDGER_OPEN_MAX)
		most = LEDGER_OPEN_MAX;
	count = ledger_list(ledger, state, volume->state.uuid, volume->numbers, most);
	for (size_t i = 0; i < count; i++) {
		const struct retirer_track *track =
			retirer_tracks_find(&volume->tracks, volume->numbers[i]);

		if (track && track->due_ns > now) {
			if (track->due_ns < picked->next_ns)
				picked->next_ns = track->due_ns;
			continue;
		}
		if (picked->count == RETIRER_BATCH_JOBS) {
			picked->next_ns = 0;
			return;
		}
		if (ledger_get(ledger, volume->numbers[i], &picked->jobs[picked->count]) >= 0)
			picked->count++;
	}
}

/* T2: those first that a crash left in mid-course. */
static void pick(struct retirer_volume *volume, struct picked *picked)
{
	uint64_t now = clock_monotonic_ns();

	pick_state(volume, LEDGER_RETIRING, now, picked);
	pick_state(volume, LEDGER_FAILED, now, picked);
	pick_state(volume, LEDGER_SEEN, now, picked);
}

static void put_back(struct picked *picked)
{
	for (size_t i = 0; i < picked->count; i++)
		ledger_job_done(&picked->jobs[i]);
}

/* --- T4 --- */

static bool is_held(const struct retirer *retirer)
{
	return retirer->options.config->on_failure == CONFIG_HOLD &&
	       !state_may_claim(retirer->options.state);
}

static void say_held(struct retirer_volume *volume)
{
	static const enum ledger_state states[] = {LEDGER_RETIRING, LEDGER_FAILED, LEDGER_SEEN};
	struct ledger *ledger = volume->retirer->options.ledger;
	char line[160], why[LEDGER_WHY_BYTES];

	snprintf(why, sizeof(why), "waits: nothing may be claimed now (%s)",
		state_line(volume->retirer->options.state, line, sizeof(line)));
	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		size_t count = ledger_list(
			ledger, states[s], volume->state.uuid, volume->numbers, LEDGER_OPEN_MAX);

		for (size_t i = 0; i < count; i++)
			ledger_note(ledger, volume->numbers[i], why);
	}
}

/* --- what people have to know --- */

static void say_late(struct retirer_volume *volume)
{
	const struct retirer_track *worst = NULL;
	struct state *state = volume->retirer->options.state;
	size_t late = 0;

	for (size_t i = 0; i < volume->tracks.count; i++) {
		const struct retirer_track *track = volume->tracks.items[i];

		if (track->delay_ms < LONG_DELAY_MS || !track->told)
			continue;
		late++;
		if (!worst || track->delay_ms > worst->delay_ms)
			worst = track;
	}
	if (late > 0)
		state_raise(state, STATE_ATTENTION, volume->reason_key,
			"%zu job%s cannot be retired so far, and %s tried again (job %llu: %s)",
			late, late == 1 ? "" : "s", late == 1 ? "is" : "are",
			(unsigned long long)worst->number, worst->why);
	else
		state_clear(state, volume->reason_key);
}

/* --- the thread --- */

/* One look at what is due.  Returns when to look again. */
static uint64_t turn(struct retirer_volume *volume)
{
	struct picked picked = {.next_ns = RETIRER_NEVER_NS};
	uint64_t trouble_ms;
	bool well;

	picked.jobs = calloc(RETIRER_BATCH_JOBS, sizeof(*picked.jobs));
	if (!picked.jobs)
		return clock_monotonic_ns() + HELD_MS * 1000000u;
	pick(volume, &picked);
	if (picked.count > 0 && is_held(volume->retirer)) {
		say_held(volume);
		put_back(&picked);
		free(picked.jobs);
		return clock_monotonic_ns() + HELD_MS * 1000000u;
	}
	well = picked.count == 0 || retirer_batch(volume, picked.jobs, picked.count);
	put_back(&picked);
	free(picked.jobs);
	say_late(volume);
	if (well) {
		volume->session_failures = 0;
		/* What the batch gave back has due times of its own. */
		return picked.count > 0 ? 0 : picked.next_ns;
	}
	trouble_ms = TROUBLE_MS << (volume->session_failures < 5 ? volume->session_failures : 5);
	volume->session_failures++;
	if (trouble_ms > TROUBLE_MOST_MS)
		trouble_ms = TROUBLE_MOST_MS;
	return clock_monotonic_ns() + trouble_ms * 1000000u;
}

static void wait_until(struct retirer *retirer, uint64_t due_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(due_ns / 1000000000u),
		.tv_nsec = (long)(due_ns % 1000000000u),
	};

	if (due_ns == RETIRER_NEVER_NS)
		(void)pthread_cond_wait(&retirer->changed, &retirer->lock);
	else
		(void)pthread_cond_timedwait(&retirer->changed, &retirer->lock, &until);
}

static void take_retry(struct retirer_volume *volume)
{
	struct retirer_track *track = retirer_tracks_find(&volume->tracks, volume->retry_number);

	if (volume->retry_number && track)
		track->due_ns = track->delay_ms = 0;
	volume->retry_number = 0;
}

void *retirer_volume_run(void *argument)
{
	struct retirer_volume *volume = argument;
	struct retirer *retirer = volume->retirer;
	uint64_t due_ns = 0;

	(void)pthread_mutex_lock(&retirer->lock);
	while (!volume->stop) {
		if (retirer->pauses > 0) {
			wait_until(retirer, RETIRER_NEVER_NS);
			continue;
		}
		if (!volume->woken && clock_monotonic_ns() < due_ns) {
			wait_until(retirer, due_ns);
			continue;
		}
		volume->woken = false;
		take_retry(volume);
		retirer->busy++;
		(void)pthread_mutex_unlock(&retirer->lock);
		due_ns = turn(volume);
		(void)pthread_mutex_lock(&retirer->lock);
		retirer->busy--;
		(void)pthread_cond_broadcast(&retirer->changed);
	}
	(void)pthread_mutex_unlock(&retirer->lock);
	return NULL;
}
