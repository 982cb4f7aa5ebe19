/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_volumes.c - a volume is open, or not any more: who is told, and in which order
 */
#include "supervisor/supervisor_impl.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t supervisor_index_of(const struct supervisor *supervisor, const struct keeper *keeper)
{
	size_t i = 0;

	while (i < supervisor->keeper_count && supervisor->keepers[i] != keeper)
		i++;
	assert(i < supervisor->keeper_count);
	return i;
}

struct keeper *supervisor_find_keeper(struct supervisor *supervisor, const char *volume)
{
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		if (strcmp(keeper_volume(supervisor->keepers[i])->name, volume) == 0)
			return supervisor->keepers[i];
	}
	return NULL;
}

struct keeper *supervisor_find_uuid(struct supervisor *supervisor, const char *uuid)
{
	struct runtime_state runtime;

	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		if (keeper_runtime(supervisor->keepers[i], &runtime) >= 0 &&
			strcmp(runtime.uuid, uuid) == 0)
			return supervisor->keepers[i];
	}
	return NULL;
}

/* Whatever has a file open on the spool lets go of it. */
static void let_go(struct supervisor *supervisor, size_t index, bool lost)
{
	struct supervisor_impl *impl = supervisor->impl;

	pthread_mutex_lock(&impl->volumes_lock);
	if (impl->told_open[index])
		supervisor_close_jobs(supervisor, impl->told_uuid[index], lost);
	impl->told_open[index] = false;
	pthread_mutex_unlock(&impl->volumes_lock);
}

/* Between the question and the telling no keeper can take it away: it has to ask for the lock. */
static int tell(struct supervisor *supervisor, size_t index, struct problem *reterr_problem)
{
	struct supervisor_impl *impl = supervisor->impl;
	struct runtime_state *runtime = malloc(sizeof(*runtime));
	int r = 0;

	if (!runtime)
		return -ENOMEM;
	pthread_mutex_lock(&impl->volumes_lock);
	if (!impl->told_open[index] && keeper_runtime(supervisor->keepers[index], runtime) >= 0) {
		r = supervisor_open_jobs(supervisor, runtime, reterr_problem);
		if (r >= 0) {
			strcpy(impl->told_uuid[index], runtime->uuid);
			impl->told_open[index] = true;
		}
	}
	pthread_mutex_unlock(&impl->volumes_lock);
	free(runtime);
	return r;
}

void supervisor_take_volume(struct supervisor *supervisor, struct keeper *keeper)
{
	size_t index = supervisor_index_of(supervisor, keeper);
	const char *name = keeper_volume(keeper)->name;
	char key[CONFIG_NAME_BYTES + 8];
	struct problem problem = {""};
	int r;

	snprintf(key, sizeof(key), "jobs:%s", name);
	r = tell(supervisor, index, &problem);
	if (r < 0)
		state_raise(supervisor->state, STATE_ATTENTION, key,
			"volume %s is open, and jobs on it cannot be retired: %s; it is tried "
			"again",
			name, problem_text(&problem, r));
	else
		state_clear(supervisor->state, key);
	atomic_store(&supervisor->impl->take_again[index], r < 0);
}

void supervisor_take_again(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		if (atomic_load(&supervisor->impl->take_again[i]) &&
			keeper_state(supervisor->keepers[i]) == KEEPER_OPEN)
			supervisor_take_volume(supervisor, supervisor->keepers[i]);
	}
}

void supervisor_on_key(
	void *context, const char *uuid, enum device_key_state state, const char *reason)
{
	supervisor_note_key(context, uuid, state, reason);
}

/* From the keeper's thread. */
void supervisor_on_keeper(void *context, struct keeper *keeper)
{
	struct supervisor *supervisor = context;

	if (keeper_state(keeper) == KEEPER_OPEN)
		supervisor_ask_tester(supervisor, keeper);
	else
		let_go(supervisor, supervisor_index_of(supervisor, keeper),
			keeper_state(keeper) == KEEPER_LOST);
	supervisor_wake(supervisor);
}
