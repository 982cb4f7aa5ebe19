/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/watch_directory.h"
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/watch_impl.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_MS	    30000u
#define YIELD_US    2000u /* for who waits for a lock that we take again and again */
#define STACK_BYTES (512u << 10)

/* --- the retirer's hook (D3) --- */

static int check_at(const struct config_volume *volume, const char *source, const char *id)
{
	const char *name = source + strlen(WATCH_SOURCE ":");
	_cleanup_close_ int mount = -1, pending = -1;
	struct stat st;
	int r = watch_place_open_mount(volume, &mount);

	if (r >= 0)
		r = watch_place_open_pending(mount, name, &pending, volume, NULL);
	if (r < 0)
		return -EAGAIN;
	if (fstatat(pending, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -EAGAIN; /* gone: the retirer will see */
	if (st.st_nlink > 1)
		return -EAGAIN;
	return watch_file_check_closed(pending, id) < 0 ? -EAGAIN : 0;
}

static int check_job(void *context, const struct ledger_job *job)
{
	struct watch_directory *watcher = context;
	const struct config *config = watcher->options.config;
	char uuid[LEDGER_VOLUME_BYTES];
	uint64_t key;

	if (strncmp(job->source, WATCH_SOURCE ":", strlen(WATCH_SOURCE ":")) != 0 ||
		!watch_file_parse(job->id, &key))
		return -EAGAIN;
	for (size_t i = 0; i < config->volume_count; i++) {
		if (watcher->options.find_volume(
			    watcher->options.context, config->volumes[i].mount, uuid) &&
			strcmp(uuid, job->volume) == 0)
			return check_at(&config->volumes[i], job->source, job->id);
	}
	return -EAGAIN;
}

const struct retirer_source *watch_directory_hooks(
	struct watch_directory *watcher, size_t *ret_count)
{
	*ret_count = 1;
	return &watcher->hook;
}

/* --- the thread --- */

static void tend_volumes(struct watch_directory *watcher)
{
	const struct config *config = watcher->options.config;

	for (size_t i = 0; i < config->volume_count; i++) {
		char uuid[LEDGER_VOLUME_BYTES], *tended = watcher->tended[i];

		if (!watcher->options.find_volume(
			    watcher->options.context, config->volumes[i].mount, uuid))
			tended[0] = '\0';
		else if (strcmp(tended, uuid) != 0 &&
			 watch_tend_leftovers(watcher, &config->volumes[i], uuid))
			strcpy(tended, uuid);
	}
}

static void look_around(struct watch_directory *watcher)
{
	pthread_mutex_lock(&watcher->round_lock);
	watch_take_events(watcher);
	tend_volumes(watcher);
	for (size_t i = 0; i < watcher->watch_count && !atomic_load(&watcher->stopping); i++) {
		pulse_beat(&watcher->pulse, WATCH_PULSE_MS);
		if (watcher->watches[i].due_ns <= clock_monotonic_ns())
			watch_look(watcher, &watcher->watches[i]);
		watch_take_events(watcher);
	}
	pthread_mutex_unlock(&watcher->round_lock);
	if (atomic_load(&watcher->hurry) > 0)
		(void)usleep(YIELD_US);
}

static int time_to_wait_ms(const struct watch_directory *watcher)
{
	uint64_t now_ns = clock_monotonic_ns(), due_ns = now_ns + IDLE_MS * UINT64_C(1000000);

	for (size_t i = 0; i < watcher->watch_count; i++) {
		if (watcher->watches[i].due_ns < due_ns)
			due_ns = watcher->watches[i].due_ns;
	}
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / 1000000u) + 1;
}

static void wait_for_news(struct watch_directory *watcher)
{
	struct pollfd fds[2] = {
		{.fd = watcher->poke_fd, .events = POLLIN},
		{.fd = watcher->inotify_fd, .events = POLLIN},
	};
	uint64_t count;

	if (poll(fds, ARRAY_SIZE(fds), time_to_wait_ms(watcher)) <= 0 || !fds[0].revents)
		return;
	if (read(watcher->poke_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	for (size_t i = 0; i < watcher->watch_count; i++)
		watcher->watches[i].due_ns = 0;
}

static void *run(void *argument)
{
	struct watch_directory *watcher = argument;

	while (!atomic_load(&watcher->stopping)) {
		pulse_beat(&watcher->pulse, WATCH_PULSE_MS);
		look_around(watcher);
		pulse_rest(&watcher->pulse);
		wait_for_news(watcher);
	}
	return NULL;
}

void watch_directory_wake(struct watch_directory *watcher)
{
	const uint64_t one = 1;

	if (write(watcher->poke_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

void watch_directory_let_go(struct watch_directory *watcher)
{
	atomic_fetch_add(&watcher->hurry, 1);
	pthread_mutex_lock(&watcher->round_lock);
	pthread_mutex_unlock(&watcher->round_lock);
	atomic_fetch_sub(&watcher->hurry, 1);
	watch_directory_wake(watcher);
}

struct pulse *watch_directory_pulse(struct watch_directory *watcher)
{
	return &watcher->pulse;
}

/* --- what waits --- */

static const char *why_text(enum watch_why why)
{
	switch (why) {
	case WATCH_NAMED:
		return "its spooler has not removed it";
	case WATCH_WRITTEN:
		return "a program has it open for writing";
	case WATCH_LINKED:
		return "it has other names (hard links); remove them";
	case WATCH_READY:
	case WATCH_SETTLING:
		break;
	}
	return "it has not settled";
}

static int compare_age(const void *a, const void *b)
{
	const struct watch_entry *const *left = a, *const *right = b;

	return ((*left)->mtime_wall_s > (*right)->mtime_wall_s) -
	       ((*left)->mtime_wall_s < (*right)->mtime_wall_s);
}

static void add_waiting(const struct watch_directory *watcher, const struct watch *watch,
	const struct watch_entry *entry, struct json_object *array)
{
	uint64_t limit_s = watcher->options.config->retention_limit_s;
	struct json_object *object = json_object_new_object();
	char id[WATCH_FILE_NAME_BYTES], time[CLOCK_RFC3339_BYTES];
	bool late = limit_s > 0 && clock_wall_s() - entry->mtime_wall_s > (int64_t)limit_s;

	json_object_object_add(object, "source", json_object_new_string(watch->source));
	json_object_object_add(
		object, "id", json_object_new_string(watch_file_name(entry->key, id)));
	json_object_object_add(object, "why", json_object_new_string(why_text(entry->why)));
	json_object_object_add(
		object, "since", json_object_new_string(clock_rfc3339(entry->mtime_wall_s, time)));
	json_object_object_add(object, "too_long", json_object_new_boolean(late));
	json_object_array_add(array, object);
}

static void add_rest(const struct watch *watch, size_t rest, struct json_object *array)
{
	struct json_object *object = json_object_new_object();
	char text[64];

	snprintf(text, sizeof(text), "%zu more files wait there", rest);
	json_object_object_add(object, "source", json_object_new_string(watch->source));
	json_object_object_add(object, "id", json_object_new_string("..."));
	json_object_object_add(object, "why", json_object_new_string(text));
	json_object_object_add(object, "since", json_object_new_string(""));
	json_object_object_add(object, "too_long", json_object_new_boolean(false));
	json_object_array_add(array, object);
}

/* Oldest first. */
static void list_waiting(
	const struct watch_directory *watcher, const struct watch *watch, struct json_object *array)
{
	const struct watch_entry **waiting = calloc(watch->entry_count + 1, sizeof(*waiting));
	size_t count = 0;

	for (size_t i = 0; i < watch->entry_count && waiting; i++) {
		if (watch_is_waiting(&watch->entries[i]))
			waiting[count++] = &watch->entries[i];
	}
	if (count > 0)
		qsort(waiting, count, sizeof(*waiting), compare_age);
	for (size_t i = 0; i < count && i < WATCH_WAITING_MAX; i++)
		add_waiting(watcher, watch, waiting[i], array);
	if (count > WATCH_WAITING_MAX)
		add_rest(watch, count - WATCH_WAITING_MAX, array);
	free(waiting);
}

struct json_object *watch_directory_waiting(struct watch_directory *watcher)
{
	struct json_object *array = json_object_new_array();

	pthread_mutex_lock(&watcher->lock);
	for (size_t i = 0; i < watcher->watch_count; i++)
		list_waiting(watcher, &watcher->watches[i], array);
	pthread_mutex_unlock(&watcher->lock);
	return array;
}

/* --- its life --- */

static void make_watch(struct watch_directory *watcher, size_t index)
{
	const struct config *config = watcher->options.config;
	struct watch *watch = &watcher->watches[index];

	watch->config = &config->watches[index];
	snprintf(watch->source, sizeof(watch->source), WATCH_SOURCE ":%s", watch->config->name);
	snprintf(watch->state_key, sizeof(watch->state_key), "watch:%s", watch->config->name);
	snprintf(watch->late_key, sizeof(watch->late_key), "watch-late:%s", watch->config->name);
	watch_place_find(config, watch->config->directory, &watch->place);
	for (size_t i = 0; i < ARRAY_SIZE(watcher->foreign); i++)
		watch->is_foreign |= watch_place_is_same(&watcher->foreign[i], &watch->place);
	for (size_t i = 0; i < index; i++) /* one place may have two names (a bind) */
		watch->is_foreign |=
			watch_place_is_same(&watcher->watches[i].place, &watch->place) &&
			strcmp(config->watches[i].pattern, watch->config->pattern) == 0;
}

static void make_watches(struct watch_directory *watcher)
{
	const struct config *config = watcher->options.config;
	const char *const foreign[] = {config->cups_spool, config->cups_temp, config->cups_cache};

	assert(config->watch_count <= ARRAY_SIZE(watcher->watches));
	for (size_t i = 0; i < ARRAY_SIZE(foreign) && config->cups; i++)
		watch_place_find(config, foreign[i], &watcher->foreign[i]);
	for (size_t i = 0; i < config->watch_count; i++)
		make_watch(watcher, i);
	watcher->watch_count = config->watch_count;
}

int watch_directory_new(const struct watch_directory_options *options,
	struct watch_directory **ret_watcher, struct problem *reterr_problem)
{
	struct watch_directory *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return -ENOMEM;
	watcher->options = *options;
	pthread_mutex_init(&watcher->lock, NULL);
	pthread_mutex_init(&watcher->round_lock, NULL);
	watcher->hook = (struct retirer_source){
		.name = WATCH_SOURCE, .check = check_job, .context = watcher};
	make_watches(watcher);
	/* Without it the clock says when to look, and the state tells so. */
	watcher->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watcher->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watcher->poke_fd < 0) {
		int r = problem_set(reterr_problem, -errno,
			"watched directories: no descriptor is left: %s", strerror(errno));

		watch_directory_free(watcher);
		return r;
	}
	(void)signal(SIGIO, SIG_IGN);
	*ret_watcher = watcher;
	return 0;
}

int watch_directory_start(struct watch_directory *watcher, struct retirer *retirer)
{
	pthread_attr_t attributes;
	int r;

	watcher->retirer = retirer;
	atomic_store(&watcher->stopping, false);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = -pthread_create(&watcher->thread, &attributes, run, watcher);
	pthread_attr_destroy(&attributes);
	watcher->running = r == 0;
	return r;
}

void watch_directory_stop(struct watch_directory *watcher)
{
	if (!watcher->running)
		return;
	atomic_store(&watcher->stopping, true);
	watch_directory_wake(watcher);
	pthread_join(watcher->thread, NULL);
	watcher->running = false;
}

void watch_directory_free(struct watch_directory *watcher)
{
	if (!watcher)
		return;
	watch_directory_stop(watcher);
	for (size_t i = 0; i < watcher->watch_count; i++)
		watch_done(watcher, &watcher->watches[i]);
	io_closep(&watcher->inotify_fd);
	io_closep(&watcher->poke_fd);
	pthread_mutex_destroy(&watcher->lock);
	pthread_mutex_destroy(&watcher->round_lock);
	free(watcher);
}
