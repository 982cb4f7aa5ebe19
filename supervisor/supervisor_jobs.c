/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_jobs.c - the parts that jobs pass through: sources, retirer, and the service's socket
 *
 * All of them need the ledger: without it (state says why) callers are served, and no job is.
 */
#include "base/io.h"
#include "ipc/channel.h"
#include "supervisor/closing.h"
#include "supervisor/cups_source.h"
#include "supervisor/retirer.h"
#include "supervisor/service.h"
#include "supervisor/supervisor_impl.h"
#include "supervisor/watch_directory.h"
#include "supervisor/wiper.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCES_MAX 8

/* Of the keepers' volumes: the mount that a directory lies on is known by its device. */
static bool find_volume(void *context, const char *directory, char ret_uuid[static 40])
{
	struct supervisor *supervisor = context;
	_cleanup_free_ struct runtime_state *runtime = malloc(sizeof(*runtime));
	struct stat there, mount;

	if (!runtime || stat(directory, &there) < 0)
		return false;
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		if (keeper_runtime(supervisor->keepers[i], runtime) < 0 ||
			stat(runtime->mount, &mount) < 0 || mount.st_dev != there.st_dev)
			continue;
		strcpy(ret_uuid, runtime->uuid);
		return true;
	}
	return false;
}

static struct json_object *list_waiting(void *context)
{
	struct supervisor_impl *impl = ((struct supervisor *)context)->impl;
	struct json_object *array, *more;

	array = impl->watcher ? watch_directory_waiting(impl->watcher) : json_object_new_array();
	if (!impl->cups)
		return array;
	more = cups_source_waiting(impl->cups);
	for (size_t i = 0; i < json_object_array_length(more); i++)
		json_object_array_add(array, json_object_get(json_object_array_get_idx(more, i)));
	json_object_put(more);
	return array;
}

static int make_cups(struct supervisor *supervisor, struct problem *reterr_problem)
{
	const struct cups_source_options options = {
		.config = supervisor->config,
		.state = supervisor->state,
		.events = supervisor->events,
		.ledger = supervisor->ledger,
		.find_volume = find_volume,
		.context = supervisor,
	};

	if (!supervisor_follows_cups(supervisor->config))
		return 0;
	return cups_source_new(&options, &supervisor->impl->cups, reterr_problem);
}

/* Also without a [watch]: to see to what earlier ones left. */
static int make_watcher(struct supervisor *supervisor, struct problem *reterr_problem)
{
	const struct watch_directory_options options = {
		.config = supervisor->config,
		.state = supervisor->state,
		.ledger = supervisor->ledger,
		.find_volume = find_volume,
		.context = supervisor,
	};

	return watch_directory_new(&options, &supervisor->impl->watcher, reterr_problem);
}

static void add_sources(
	struct retirer_source *sources, size_t *count, const struct retirer_source *hooks, size_t n)
{
	memcpy(sources + *count, hooks, n * sizeof(*hooks));
	*count += n;
}

static struct device_keys *find_keys(void *context)
{
	return supervisor_keys(context);
}

static int make_retirer(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	const struct retirer_source *hooks;
	size_t n;
	struct retirer_source sources[SOURCES_MAX];
	struct retirer_options options = {
		.config = supervisor->config,
		.state = supervisor->state,
		.events = supervisor->events,
		.ledger = supervisor->ledger,
		.keys = find_keys,
		.keys_context = supervisor,
		.sources = sources,
	};

	if (impl->cups) {
		hooks = cups_source_hooks(impl->cups, &n);
		add_sources(sources, &options.source_count, hooks, n);
	}
	hooks = watch_directory_hooks(impl->watcher, &n);
	add_sources(sources, &options.source_count, hooks, n);
	return retirer_new(&options, &supervisor->retirer);
}

/* For everybody: who may do what is decided by who he is (X4). */
static int listen_for_callers(struct supervisor *supervisor, struct problem *reterr_problem)
{
	const char *path = supervisor->config->socket;
	struct service_options options = {
		.supervisor = supervisor,
		.waiting = list_waiting,
		.context = supervisor,
	};
	int r = channel_listen(path, &options.listen_fd);

	if (r >= 0 && chmod(path, 0666) < 0) {
		r = -errno;
		close(options.listen_fd);
	}
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the service cannot listen at %s: %s; see \"socket\" in %s", path,
			strerror(-r), supervisor->config->file);
	return service_new(&options, &supervisor->impl->service);
}

int supervisor_make_jobs(struct supervisor *supervisor, struct problem *reterr_problem)
{
	int r = 0;

	if (supervisor->ledger) {
		r = make_cups(supervisor, reterr_problem);
		if (r >= 0)
			r = make_watcher(supervisor, reterr_problem);
		if (r >= 0)
			r = make_retirer(supervisor);
	}
	closing_judge_intake(supervisor);
	if (r >= 0)
		r = wiper_new(supervisor, &supervisor->impl->wiper);
	return r < 0 ? r : listen_for_callers(supervisor, reterr_problem);
}

int supervisor_start_jobs(struct supervisor *supervisor)
{
	int r = service_start(supervisor->impl->service);

	if (r >= 0 && supervisor->impl->cups)
		r = cups_source_start(supervisor->impl->cups, supervisor->retirer);
	if (r >= 0 && supervisor->impl->watcher)
		r = watch_directory_start(supervisor->impl->watcher, supervisor->retirer);
	return r < 0 ? r : wiper_start(supervisor->impl->wiper);
}

void supervisor_stop_jobs(struct supervisor *supervisor)
{
	if (supervisor->impl->wiper)
		wiper_stop(supervisor->impl->wiper);
	if (supervisor->impl->service)
		service_stop(supervisor->impl->service);
	if (supervisor->impl->cups)
		cups_source_stop(supervisor->impl->cups);
	if (supervisor->impl->watcher)
		watch_directory_stop(supervisor->impl->watcher);
}

void supervisor_free_jobs(struct supervisor *supervisor)
{
	wiper_free(supervisor->impl->wiper);
	supervisor->impl->wiper = NULL;
	service_free(supervisor->impl->service);
	supervisor->impl->service = NULL;
	retirer_free(supervisor->retirer);
	supervisor->retirer = NULL;
	cups_source_free(supervisor->impl->cups);
	supervisor->impl->cups = NULL;
	watch_directory_free(supervisor->impl->watcher);
	supervisor->impl->watcher = NULL;
}

int supervisor_open_jobs(struct supervisor *supervisor, const struct runtime_state *volume,
	struct problem *reterr_problem)
{
	int r;

	if (!supervisor->retirer)
		return 0; /* the reason "ledger" stands */
	if (volume->mount[0] == '\0')
		return problem_set(reterr_problem, -ENOTCONN, "it is not mounted");
	r = retirer_open_volume(supervisor->retirer, volume, reterr_problem);
	if (r >= 0 && supervisor->impl->cups)
		cups_source_wake(supervisor->impl->cups);
	if (r >= 0)
		watch_directory_wake(supervisor->impl->watcher);
	wiper_wake(supervisor->impl->wiper);
	return r;
}

void supervisor_close_jobs(struct supervisor *supervisor, const char *uuid, bool lost)
{
	if (!supervisor->retirer)
		return;
	watch_directory_let_go(supervisor->impl->watcher);
	retirer_close_volume(supervisor->retirer, uuid, lost);
}

/* The state, a keeper or a job is another than it was. */
void supervisor_tell_jobs(struct supervisor *supervisor)
{
	if (supervisor->retirer)
		retirer_wake(supervisor->retirer);
	if (supervisor->impl->service)
		service_changed(supervisor->impl->service);
}

bool supervisor_jobs_are_alive(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;

	return service_is_alive(impl->service) &&
	       (!impl->cups || pulse_is_alive(cups_source_pulse(impl->cups))) &&
	       (!impl->watcher || pulse_is_alive(watch_directory_pulse(impl->watcher)));
}
