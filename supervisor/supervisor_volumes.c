/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_volumes.c - a volume is open, or not any more: who is told, and in which order
 */
#include "supervisor/supervisor_impl.h"
#include <assert.h>
#include <stdio.h>
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

void supervisor_take_volume(struct supervisor *supervisor, struct keeper *keeper)
{
	size_t index = supervisor_index_of(supervisor, keeper);
	struct supervisor_impl *impl = supervisor->impl;
	struct runtime_state runtime;

	pthread_mutex_lock(&impl->volumes_lock);
	if (!impl->told_open[index] && keeper_runtime(keeper, &runtime) >= 0) {
		snprintf(
			impl->told_uuid[index], sizeof(impl->told_uuid[index]), "%s", runtime.uuid);
		impl->told_open[index] = true;
		supervisor_open_jobs(supervisor, &runtime);
	}
	pthread_mutex_unlock(&impl->volumes_lock);
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
