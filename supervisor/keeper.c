/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/keeper.h"
#include "attached/volume_status.h"
#include "base/io.h"
#include "harness/host.h"
#include "ipc/fields.h"
#include "supervisor/keeper_impl.h"
#include "supervisor/unlock.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PULSE_MS 60000u

/* --- state --- */

const char *keeper_state_text(enum keeper_state state)
{
	static const char *const texts[] = {
		[KEEPER_ABSENT] = "absent",
		[KEEPER_LOCKED] = "locked",
		[KEEPER_OPENING] = "opening",
		[KEEPER_OPEN] = "open",
		[KEEPER_LOST] = "lost",
		[KEEPER_FAILED] = "failed",
		[KEEPER_CLOSED] = "closed",
		[KEEPER_DECOMMISSIONED] = "decommissioned",
	};

	assert((size_t)state < ARRAY_SIZE(texts));
	return texts[state];
}

const char *keeper_object(struct keeper *keeper, char buf[static KEEPER_OBJECT_BYTES])
{
	pthread_mutex_lock(&keeper->lock);
	snprintf(buf, KEEPER_OBJECT_BYTES, "%s",
		keeper->runtime.uuid[0] ? keeper->runtime.uuid : keeper->options.volume->name);
	pthread_mutex_unlock(&keeper->lock);
	return buf;
}

void keeper_note(struct keeper *keeper, const char *event, const char *outcome, const char *detail,
	struct json_object *data)
{
	char volume[KEEPER_OBJECT_BYTES];
	const struct audit_event what = {
		.event = event,
		.uid = geteuid(),
		.volume = keeper_object(keeper, volume),
		.outcome = outcome,
		.detail = detail[0] ? detail : NULL,
		.data = data,
	};

	fields_add_string(data, "name", keeper->options.volume->name);
	events_add(keeper->options.events, &what);
	json_object_put(data);
}

static void note(struct keeper *keeper, enum keeper_state state, const char *why)
{
	static const char *const events[] = {
		[KEEPER_ABSENT] = "volume-waits",
		[KEEPER_LOCKED] = "volume-waits",
		[KEEPER_OPENING] = NULL,
		[KEEPER_OPEN] = "volume-attached",
		[KEEPER_LOST] = "volume-failed",
		[KEEPER_FAILED] = "volume-failed",
		[KEEPER_CLOSED] = "volume-detached",
		[KEEPER_DECOMMISSIONED] = "volume-detached",
	};
	bool failed = state == KEEPER_LOST || state == KEEPER_FAILED;

	assert((size_t)state < ARRAY_SIZE(events));
	if (!events[state])
		return;
	keeper_note(keeper, events[state],
		failed		    ? "failure"
		: keeper->detaching ? "begun"
				    : "success",
		why,
		state == KEEPER_OPEN || state == KEEPER_CLOSED || state == KEEPER_DECOMMISSIONED
			? json_object_new_object()
			: events_data("state", keeper_state_text(state), NULL));
}

/* Why it is not open is a reason of the service; while it is open keeper_steps.c judges. */
static void raise_reason(struct keeper *keeper, enum keeper_state state, const char *why)
{
	const char *name = keeper->options.volume->name;

	if (state != KEEPER_OPEN)
		state_raise(keeper->options.state,
			state == KEEPER_DECOMMISSIONED ? STATE_ATTENTION : STATE_LOCKS,
			keeper->key_medium, "volume %s is %s%s%s", name, keeper_state_text(state),
			why[0] ? ": " : "", why);
}

void keeper_set(struct keeper *keeper, enum keeper_state state, const char *format, ...)
{
	char why[KEEPER_WHY_BYTES];
	enum keeper_state before;
	bool differs;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);

	pthread_mutex_lock(&keeper->lock);
	before = keeper->state;
	differs = before != state || strcmp(keeper->why, why) != 0;
	keeper->state = state;
	strcpy(keeper->why, why);
	pthread_mutex_unlock(&keeper->lock);
	if (!differs)
		return;
	raise_reason(keeper, state, why);
	note(keeper, state, why);
	if ((before == KEEPER_OPEN) != (state == KEEPER_OPEN) && keeper->options.changed)
		keeper->options.changed(keeper->options.context, keeper);
}

enum keeper_state keeper_state(struct keeper *keeper)
{
	enum keeper_state state;

	pthread_mutex_lock(&keeper->lock);
	state = keeper->state;
	pthread_mutex_unlock(&keeper->lock);
	return state;
}

bool keeper_is_alive(struct keeper *keeper)
{
	return pulse_is_alive(&keeper->pulse);
}

const struct config_volume *keeper_volume(const struct keeper *keeper)
{
	return keeper->options.volume;
}

uint64_t keeper_restarts(struct keeper *keeper)
{
	uint64_t restarts;

	pthread_mutex_lock(&keeper->lock);
	restarts = keeper->restarts;
	pthread_mutex_unlock(&keeper->lock);
	return restarts;
}

int keeper_runtime(struct keeper *keeper, struct runtime_state *ret_state)
{
	bool open;

	pthread_mutex_lock(&keeper->lock);
	open = keeper->state == KEEPER_OPEN;
	if (open)
		*ret_state = keeper->runtime;
	pthread_mutex_unlock(&keeper->lock);
	return open ? 0 : -ENOTCONN;
}

static struct json_object *key_to_json(const struct config_volume *volume)
{
	struct json_object *key = json_object_new_object();
	char text[HOST_TEXT_BYTES];
	enum host_place place;

	fields_add_string(key, "source", unlock_text(volume->unlock));
	if (volume->unlock != CONFIG_UNLOCK_KEY_FILE)
		return key;
	fields_add_string(key, "file", volume->key_file);
	if (host_find_place(volume->key_file, &place, text) >= 0) {
		fields_add_string(key, "place", text);
		fields_add_bool(key, "beside", unlock_is_beside(volume, NULL));
	}
	return key;
}

struct json_object *keeper_to_json(struct keeper *keeper)
{
	const struct config_volume *volume = keeper->options.volume;
	struct json_object *object = json_object_new_object(), *status = NULL, *warnings = NULL;
	struct runtime_state runtime;
	bool open;

	fields_add_string(object, "name", volume->name);
	fields_add_string(object, "medium", volume->medium);
	pthread_mutex_lock(&keeper->lock);
	open = keeper->state == KEEPER_OPEN;
	fields_add_string(object, "state", keeper_state_text(keeper->state));
	fields_add_string(object, "why", keeper->why);
	fields_add_string(object, "uuid", open ? keeper->runtime.uuid : "");
	fields_add_string(object, "mount", open ? keeper->runtime.mount : "");
	fields_add_string(object, "configured_mount", volume->mount);
	fields_add_u64(object, "restarts", keeper->restarts);
	/* A copy: objects of json-c are one thread's. */
	if (keeper->warnings)
		(void)json_object_deep_copy(keeper->warnings, &warnings, NULL);
	json_object_object_add(object, "warnings", warnings ? warnings : json_object_new_array());
	if (open)
		runtime = keeper->runtime;
	pthread_mutex_unlock(&keeper->lock);
	json_object_object_add(object, "key", key_to_json(volume));
	if (open && volume_status_get(&runtime, &status, NULL) >= 0)
		json_object_object_add(object, "volume", status);
	return object;
}

/* --- its thread --- */

static void wake(struct keeper *keeper)
{
	const uint64_t one = 1;

	(void)!write(keeper->wake_fd, &one, sizeof(one));
}

static void answer(struct keeper *keeper, int result, const struct problem *problem)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->request_result = result;
	keeper->request_problem = *problem;
	keeper->request_done = true;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
}

static void obey(struct keeper *keeper)
{
	struct problem problem = {""};
	struct keeper_renewal how;
	struct json_object *report = NULL;
	enum keeper_request request;
	char uuid[RUNTIME_UUID_BYTES];
	int r = 0;

	pthread_mutex_lock(&keeper->lock);
	strcpy(uuid, keeper->request_uuid);
	request = keeper->request_done ? REQUEST_NONE : keeper->request;
	how = keeper->request_how;
	keeper->request_how.passphrase_fd = -1;
	pthread_mutex_unlock(&keeper->lock);
	switch (request) {
	case REQUEST_NONE:
		return;
	case REQUEST_ATTACH:
		r = keeper_do_attach(keeper, how.passphrase_fd, &problem);
		break;
	case REQUEST_DETACH:
		r = keeper_do_detach(keeper, &problem);
		break;
	case REQUEST_CLOSE:
		r = keeper_do_close(keeper, uuid, &problem);
		break;
	case REQUEST_RENEW:
		r = keeper_do_renew(keeper, &how, &report, &problem);
		break;
	}
	pthread_mutex_lock(&keeper->lock);
	keeper->request_report = report;
	pthread_mutex_unlock(&keeper->lock);
	answer(keeper, r, &problem);
}

static void wait_for_news(struct keeper *keeper, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = keeper->wake_fd, .events = POLLIN},
		{.fd = keeper->process_fd, .events = POLLIN},
	};
	uint64_t ignored;

	if (poll(fds, ARRAY_SIZE(fds), timeout_ms) > 0 && (fds[0].revents & POLLIN))
		(void)!read(keeper->wake_fd, &ignored, sizeof(ignored));
}

static void *run(void *argument)
{
	struct keeper *keeper = argument;

	keeper_begin(keeper);
	while (!atomic_load(&keeper->stop)) {
		pulse_beat(&keeper->pulse, PULSE_MS);
		obey(keeper);
		if (!atomic_load(&keeper->stop))
			wait_for_news(keeper, keeper_step(keeper));
	}
	pulse_rest(&keeper->pulse);
	answer(keeper, -ESHUTDOWN, &(struct problem){"the service is stopping"});
	return NULL;
}

/* --- what others ask --- */

/* Takes the descriptor.  One at a time: others wait until it has been answered. */
static int ask(struct keeper *keeper, enum keeper_request request, struct keeper_renewal how,
	const char *uuid, struct json_object **ret_report, struct problem *reterr_problem)
{
	int r;

	pthread_mutex_lock(&keeper->lock);
	while (keeper->request != REQUEST_NONE)
		pthread_cond_wait(&keeper->changed, &keeper->lock);
	if (!keeper->started || atomic_load(&keeper->stop)) {
		pthread_mutex_unlock(&keeper->lock);
		io_closep(&how.passphrase_fd);
		return problem_set(reterr_problem, -ESHUTDOWN, "the service is %s",
			keeper->started ? "stopping" : "not ready yet");
	}
	keeper->request = request;
	keeper->request_how = how;
	snprintf(keeper->request_uuid, sizeof(keeper->request_uuid), "%s", uuid);
	keeper->request_done = false;
	wake(keeper);
	while (!keeper->request_done)
		pthread_cond_wait(&keeper->changed, &keeper->lock);
	r = keeper->request_result;
	if (r < 0 && reterr_problem)
		*reterr_problem = keeper->request_problem;
	if (r >= 0 && ret_report)
		*ret_report = keeper->request_report;
	else
		json_object_put(keeper->request_report);
	keeper->request_report = NULL;
	io_closep(&keeper->request_how.passphrase_fd);
	keeper->request = REQUEST_NONE;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
	return r;
}

int keeper_attach(struct keeper *keeper, int passphrase_fd, struct problem *reterr_problem)
{
	return ask(keeper, REQUEST_ATTACH, (struct keeper_renewal){.passphrase_fd = passphrase_fd},
		"", NULL, reterr_problem);
}

int keeper_detach(struct keeper *keeper, struct problem *reterr_problem)
{
	return ask(keeper, REQUEST_DETACH, (struct keeper_renewal){.passphrase_fd = -1}, "", NULL,
		reterr_problem);
}

int keeper_close_for_good(struct keeper *keeper, const char *uuid, struct problem *reterr_problem)
{
	return ask(keeper, REQUEST_CLOSE, (struct keeper_renewal){.passphrase_fd = -1}, uuid, NULL,
		reterr_problem);
}

int keeper_renew(struct keeper *keeper, const struct keeper_renewal *how,
	struct json_object **ret_report, struct problem *reterr_problem)
{
	return ask(keeper, REQUEST_RENEW, *how, "", ret_report, reterr_problem);
}

/* --- its life --- */

int keeper_new(const struct keeper_options *options, struct keeper **ret_keeper)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int r;

	if (!keeper)
		return -ENOMEM;
	keeper->options = *options;
	keeper->request_how.passphrase_fd = keeper->process_fd = -1;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->changed, NULL);
	snprintf(
		keeper->key_medium, sizeof(keeper->key_medium), "volume:%s", options->volume->name);
	snprintf(keeper->key_key, sizeof(keeper->key_key), "key:%s", options->volume->name);
	keeper->state = KEEPER_OPENING;
	strcpy(keeper->why, "the self-tests come first");
	raise_reason(keeper, keeper->state, keeper->why);
	keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = keeper->wake_fd < 0 ? -errno
				: mounter_client_new(options->mounter_path, &keeper->mounter);
	if (r < 0) {
		keeper_free(keeper);
		return r;
	}
	*ret_keeper = keeper;
	return 0;
}

int keeper_start(struct keeper *keeper)
{
	int r;

	pthread_mutex_lock(&keeper->lock);
	r = -pthread_create(&keeper->thread, NULL, run, keeper);
	keeper->started = r == 0;
	pthread_mutex_unlock(&keeper->lock);
	return r;
}

void keeper_stop(struct keeper *keeper)
{
	atomic_store(&keeper->stop, true);
	mounter_client_cancel(keeper->mounter);
	wake(keeper);
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	if (keeper->started) {
		keeper_stop(keeper);
		pthread_join(keeper->thread, NULL);
	}
	mounter_client_free(keeper->mounter);
	json_object_put(keeper->warnings);
	io_closep(&keeper->process_fd);
	io_closep(&keeper->wake_fd);
	pthread_cond_destroy(&keeper->changed);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}
