/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cups_source.h"
#include "base/clock.h"
#include "base/io.h"
#include "pipeline/cups_cache.h"
#include "pipeline/cups_follow.h"
#include "pipeline/wake.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_MS	 1500u	/* after the last of several jobs */
#define SETTLE_MOST_MS	 60000u /* while jobs come without end */
#define SETTLE_TRIES	 40u
#define NO_NOTIFIER_MS	 2000u /* then the clock alone says when to look */
#define PURGE_TRIES	 20u
#define PURGE_WAIT_MS	 50u
#define BACK_OFF_MS	 1000u /* doubled for each round that fails, up to BACK_OFF_MOST_MS */
#define BACK_OFF_MOST_MS 30000u
#define ROUND_LIMIT_MS	 120000u /* the watchdog's patience with one round */
#define STACK_BYTES	 (512u << 10)

struct cups_source {
	struct cups_source_options options;
	struct retirer *retirer;
	struct retirer_source hooks[2];
	struct cups_server *server; /* the thread's own */
	struct cups_follow *follow;
	struct wake *wake;
	int poke_fd; /* eventfd */
	pthread_t thread;
	bool running;
	atomic_bool stopping;
	struct pulse pulse;

	/* The thread's own. */
	bool has_notifier;
	bool is_subscribed;
	unsigned int failures;
	uint64_t settle_due_ns;	   /* 0: nothing to settle */
	uint64_t settle_latest_ns; /* of that */
	unsigned int settle_tries;

	pthread_mutex_t lock; /* of what follows */
	struct cups_server *hook_server;
	bool settle_wanted; /* something was retired, or may have been before the service started */
	struct json_object *waiting;
};

/* --- the retirer's hooks --- */

static int job_number(const struct ledger_job *job)
{
	return (int)strtol(job->id, NULL, 10);
}

static int check_job(void *context, const struct ledger_job *job)
{
	struct cups_source *source = context;
	bool finished = false;
	int r;

	pthread_mutex_lock(&source->lock);
	r = cups_follow_is_finished(source->hook_server, job_number(job), &finished, NULL);
	pthread_mutex_unlock(&source->lock);
	return r < 0 || !finished ? -EAGAIN : 0;
}

/* Whatever it answers, it is asked whether it knows the job still (U6). */
static int purge_once(
	struct cups_server *server, int id, bool *ret_gone, struct problem *reterr_problem)
{
	enum cups_job_state state;
	int r = cups_server_purge_job(server, id, reterr_problem);

	if (r < 0)
		return r;
	r = cups_server_job_state(server, id, &state, reterr_problem);
	*ret_gone = r == -ESRCH;
	return r == -ESRCH ? 0 : r;
}

static int purge_job(void *context, const struct ledger_job *job, struct problem *reterr_problem)
{
	struct cups_source *source = context;
	bool gone = false;
	int r = 0;

	if (source->options.config->cups_keep_history)
		return 0;
	for (unsigned int i = 0; i < PURGE_TRIES && r >= 0 && !gone; i++) {
		if (i > 0)
			usleep(PURGE_WAIT_MS * 1000);
		pthread_mutex_lock(&source->lock);
		r = purge_once(source->hook_server, job_number(job), &gone, reterr_problem);
		pthread_mutex_unlock(&source->lock);
	}
	if (r >= 0 && !gone)
		return problem_set(reterr_problem, -EAGAIN,
			"CUPS says that it has forgotten the job, and has not; it is asked again");
	return r;
}

static void settle_later(void *context, const struct ledger_job *job)
{
	struct cups_source *source = context;

	(void)job;
	pthread_mutex_lock(&source->lock);
	source->settle_wanted = true;
	pthread_mutex_unlock(&source->lock);
	cups_source_wake(source);
}

const struct retirer_source *cups_source_hooks(struct cups_source *source, size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(source->hooks);
	return source->hooks;
}

/* --- a round --- */

struct round {
	struct cups_source *source;
	char uuid[40];
	dev_t device; /* of the volume's file system */
	bool has_news;
};

/* Announces what one job, or one loose file, consists of. */
static int announce(struct round *round, const char *kind, const char *id, const char *const *files,
	size_t count, bool *ret_known)
{
	const struct ledger_news news = {
		.source = kind,
		.id = id,
		.volume_uuid = round->uuid,
		.state = LEDGER_SEEN,
		.files = files,
		.file_count = count,
	};
	struct problem problem = {""};
	uint64_t number;
	int r;

	r = ledger_add(round->source->options.ledger, &news, &number, ret_known, &problem);
	if (r < 0 && r != -ENOKEY) /* the volume is not opened to the ledger yet: next round */
		state_raise(round->source->options.state, STATE_ATTENTION, "cups:ledger",
			"a finished job of CUPS cannot be recorded and waits: %.300s",
			problem_text(&problem, r));
	if (r >= 0) {
		state_clear(round->source->options.state, "cups:ledger");
		round->has_news |= !*ret_known;
	}
	return r;
}

/* What cupsd has to read before it can purge the job (U6). */
static bool is_needed_for_purge(
	const struct cups_finished_job *finished, const struct cups_file *file)
{
	const char *slash = strrchr(file->path, '/');

	return !finished->is_orphan && file->kind == CUPS_FILE_CONTROL &&
	       !strchr(slash ? slash : file->path, '.');
}

static int announce_job(struct round *round, const struct cups_finished_job *finished)
{
	const char **files = calloc(finished->file_count + 1, sizeof(*files));
	bool known = false;
	size_t count = 0;
	char id[16];
	int r;

	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < finished->file_count; i++) {
		if (!is_needed_for_purge(finished, &finished->files[i]))
			files[count++] = finished->files[i].path;
	}
	snprintf(id, sizeof(id), "%d", finished->job.id);
	r = announce(round, CUPS_SOURCE_JOB, id, files, count, &known);
	free(files);
	if (r >= 0 && known && !finished->is_orphan &&
		!round->source->options.config->cups_keep_history) /* U3 */
		r = cups_server_purge_job(round->source->server, finished->job.id, NULL);
	return r;
}

static int announce_file(struct round *round, const struct cups_file *file)
{
	const char *slash = strrchr(file->path, '/');
	const char *files[] = {file->path};
	bool known;

	if (file->device != round->device)
		return 0; /* not on the volume: "spoolguard cups check" says so */
	return announce(round, CUPS_SOURCE_FILE, slash ? slash + 1 : file->path, files, 1, &known);
}

/* What is not overwritten yet, and why: for status; and whether it has been so for too long. */
static void tell_waiting(struct cups_source *source, const struct cups_follow_list *list)
{
	uint64_t limit_s = source->options.config->retention_limit_s;
	struct json_object *array = json_object_new_array(), *before;
	char why[CUPS_WHY_BYTES], time[CLOCK_RFC3339_BYTES];
	size_t too_long = 0;

	for (size_t i = 0; i < list->waiting_count; i++) {
		const struct cups_job *job = &list->waiting[i];
		struct json_object *object = json_object_new_object();
		bool late = limit_s > 0 && clock_wall_s() - job->created_s > (int64_t)limit_s;

		too_long += late;
		json_object_object_add(object, "source", json_object_new_string(CUPS_SOURCE_JOB));
		json_object_object_add(object, "id", json_object_new_int(job->id));
		json_object_object_add(
			object, "why", json_object_new_string(cups_follow_why(job, why)));
		json_object_object_add(object, "since",
			json_object_new_string(clock_rfc3339(job->created_s, time)));
		json_object_object_add(object, "too_long", json_object_new_boolean(late));
		json_object_array_add(array, object);
	}
	pthread_mutex_lock(&source->lock);
	before = source->waiting;
	source->waiting = array;
	pthread_mutex_unlock(&source->lock);
	json_object_put(before);
	if (too_long > 0)
		state_raise(source->options.state, STATE_ATTENTION, "cups:retention",
			"%zu jobs wait in CUPS for longer than the retention limit and are not "
			"overwritten; release or cancel them (\"spoolguard status\" lists them)",
			too_long);
	else
		state_clear(source->options.state, "cups:retention");
}

static int ask_forgotten(void *context, int job_id, bool *ret_forgotten)
{
	struct cups_source *source = context;
	enum cups_job_state state;
	int r = cups_server_job_state(source->server, job_id, &state, NULL);

	*ret_forgotten = r == -ESRCH;
	return r == -ESRCH ? 0 : r;
}

static bool take_settle_wanted(struct cups_source *source)
{
	bool wanted;

	pthread_mutex_lock(&source->lock);
	wanted = source->settle_wanted;
	source->settle_wanted = false;
	pthread_mutex_unlock(&source->lock);
	return wanted;
}

static void settle_again(struct cups_source *source)
{
	source->settle_due_ns = clock_monotonic_ns() + SETTLE_MS * 1000000ull;
}

/* Once for all jobs that follow one another closely. */
static void settle_later_still(struct cups_source *source)
{
	uint64_t now = clock_monotonic_ns();

	if (source->settle_due_ns == 0)
		source->settle_latest_ns = now + SETTLE_MOST_MS * 1000000ull;
	source->settle_tries = 0;
	settle_again(source);
	if (source->settle_due_ns > source->settle_latest_ns)
		source->settle_due_ns = source->settle_latest_ns;
}

/* U5: what cupsd wrote anew since jobs were purged, and what it did not. */
static void settle(struct round *round, const struct cups_follow_list *list)
{
	struct cups_source *source = round->source;
	const struct config *config = source->options.config;
	struct problem problem = {""};
	size_t cleared;

	if (take_settle_wanted(source))
		settle_later_still(source);
	if (source->settle_due_ns == 0 || clock_monotonic_ns() < source->settle_due_ns)
		return;
	source->settle_due_ns = 0;
	if (!config->cups_keep_history && cups_cache_clear(config->cups_cache, ask_forgotten,
						  source, &cleared, &problem) < 0) {
		if (source->settle_tries++ < SETTLE_TRIES)
			settle_again(source);
		else
			state_raise(source->options.state, STATE_ATTENTION, "cups:cache", "%s",
				problem.text);
	} else {
		state_clear(source->options.state, "cups:cache");
	}
	for (size_t i = 0; i < list->settle_count; i++)
		(void)announce_file(round, list->settle[i]);
	if (list->settle_count == 0 && retirer_barrier(source->retirer, round->uuid) < 0)
		settle_again(source);
}

/* The pull subscription is the notifier's stand-in where its program is not installed. */
static void subscribe(struct cups_source *source)
{
	char uri[WAKE_URI_BYTES];

	if (source->is_subscribed)
		return;
	source->has_notifier = source->wake &&
			       wake_uri(source->options.config->cups_wake, uri) >= 0 &&
			       cups_server_subscribe_notifier(source->server, uri, NULL) >= 0;
	source->is_subscribed = true;
}

static int look(struct round *round, struct problem *problem)
{
	struct cups_source *source = round->source;
	struct cups_follow_list list = {.finished = NULL};
	struct stat st;
	int r;

	if (stat(source->options.config->cups_spool, &st) < 0)
		return -errno;
	round->device = st.st_dev;
	r = cups_server_ping(source->server, problem);
	if (r < 0)
		return r;
	subscribe(source);
	r = cups_follow_round(source->follow, &list, problem);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.finished_count; i++)
		(void)announce_job(round, &list.finished[i]);
	for (size_t i = 0; i < list.loose_count; i++)
		(void)announce_file(round, list.loose[i]);
	settle(round, &list);
	tell_waiting(source, &list);
	cups_follow_list_done(&list);
	return 0;
}

/* Where CUPS has not run yet there is no place for the socket: then the clock wakes. */
static void renew_wake(struct cups_source *source)
{
	const char *path = source->options.config->cups_wake;

	if (source->wake && wake_renew(source->wake, NULL) < 0) {
		wake_close(source->wake);
		source->wake = NULL;
	}
	if (source->wake)
		return;
	if (wake_open(path, (gid_t)-1, &source->wake, NULL) < 0)
		source->wake = NULL;
	else
		source->is_subscribed = false;
}

/* Returns when to look again, in milliseconds. */
static uint64_t make_round(struct cups_source *source)
{
	const struct config *config = source->options.config;
	struct round round = {.source = source};
	struct problem problem = {""};
	uint64_t wait_ms;
	int r;

	renew_wake(source);
	if (!source->options.find_volume(source->options.context, config->cups_spool, round.uuid))
		return config->cups_poll_ms; /* it is not open, and its keeper says so */
	pulse_beat(&source->pulse, ROUND_LIMIT_MS);
	r = look(&round, &problem);
	pulse_rest(&source->pulse);
	if (r < 0) { /* U4 */
		source->is_subscribed = false;
		wait_ms = BACK_OFF_MS << (source->failures < 5 ? source->failures : 5);
		if (source->failures++ > 0) /* a restart is nothing to talk about */
			state_raise(source->options.state, STATE_ATTENTION, "cups",
				"CUPS cannot be asked, finished jobs wait: %.400s",
				problem_text(&problem, r));
		return wait_ms < BACK_OFF_MOST_MS ? wait_ms : BACK_OFF_MOST_MS;
	}
	source->failures = 0;
	state_clear(source->options.state, "cups");
	if (round.has_news)
		retirer_wake(source->retirer);
	if (!source->has_notifier && config->cups_poll_ms > NO_NOTIFIER_MS)
		return NO_NOTIFIER_MS;
	return config->cups_poll_ms;
}

/* Until somebody has news, or the time has come. */
static void wait_for_news(struct cups_source *source, uint64_t wait_ms)
{
	struct pollfd fds[2] = {
		{.fd = source->poke_fd, .events = POLLIN},
		{.fd = source->wake ? wake_fd(source->wake) : -1, .events = POLLIN},
	};
	int ids[WAKE_DRAIN_MAX];
	uint64_t now = clock_monotonic_ns(), count;
	size_t id_count;
	bool woken;

	if (source->settle_due_ns > 0) {
		uint64_t settle_ms = source->settle_due_ns > now
					     ? (source->settle_due_ns - now) / 1000000u + 1
					     : 0;

		wait_ms = settle_ms < wait_ms ? settle_ms : wait_ms;
	}
	if (poll(fds, ARRAY_SIZE(fds), (int)wait_ms) <= 0)
		return;
	if (fds[0].revents && read(source->poke_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (fds[1].revents && wake_drain(source->wake, ids, &id_count, &woken) < 0)
		source->has_notifier = false; /* the clock is enough */
}

static void *run(void *argument)
{
	struct cups_source *source = argument;

	while (!atomic_load(&source->stopping))
		wait_for_news(source, make_round(source));
	return NULL;
}

/* --- its life --- */

void cups_source_wake(struct cups_source *source)
{
	const uint64_t one = 1;

	if (write(source->poke_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

struct json_object *cups_source_waiting(struct cups_source *source)
{
	struct json_object *copy = NULL;

	pthread_mutex_lock(&source->lock);
	if (!source->waiting || json_object_deep_copy(source->waiting, &copy, NULL) < 0)
		copy = json_object_new_array();
	pthread_mutex_unlock(&source->lock);
	return copy;
}

struct pulse *cups_source_pulse(struct cups_source *source)
{
	return &source->pulse;
}

static int open_parts(struct cups_source *source, struct problem *problem)
{
	const struct config *config = source->options.config;
	struct cups_follow_options follow = {
		.spool = {config->cups_spool, config->cups_temp, config->cups_cache},
		.orphan_s = config->cups_orphan_s,
		.keep_history = config->cups_keep_history,
	};
	int r;

	source->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->poke_fd < 0)
		return -errno;
	r = cups_server_new(config->cups_server, CUPS_SERVER_TIMEOUT_MS, &source->server, problem);
	if (r >= 0)
		r = cups_server_new(
			config->cups_server, CUPS_SERVER_TIMEOUT_MS, &source->hook_server, problem);
	if (r < 0)
		return r;
	follow.server = source->server;
	return cups_follow_new(&follow, &source->follow);
}

int cups_source_new(const struct cups_source_options *options, struct cups_source **ret_source,
	struct problem *reterr_problem)
{
	struct cups_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->options = *options;
	source->poke_fd = -1;
	source->settle_wanted = true;
	pthread_mutex_init(&source->lock, NULL);
	source->hooks[0] = (struct retirer_source){
		.name = CUPS_SOURCE_JOB,
		.check = check_job,
		.purge = purge_job,
		.retired = settle_later,
		.context = source,
	};
	source->hooks[1] = (struct retirer_source){.name = CUPS_SOURCE_FILE, .context = source};
	r = open_parts(source, reterr_problem);
	if (r < 0) {
		cups_source_free(source);
		return r;
	}
	*ret_source = source;
	return 0;
}

int cups_source_start(struct cups_source *source, struct retirer *retirer)
{
	pthread_attr_t attributes;
	int r;

	source->retirer = retirer;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	r = -pthread_create(&source->thread, &attributes, run, source);
	pthread_attr_destroy(&attributes);
	source->running = r == 0;
	return r;
}

void cups_source_stop(struct cups_source *source)
{
	if (!source->running)
		return;
	atomic_store(&source->stopping, true);
	cups_source_wake(source);
	pthread_join(source->thread, NULL);
	source->running = false;
}

void cups_source_free(struct cups_source *source)
{
	if (!source)
		return;
	cups_source_stop(source);
	wake_close(source->wake);
	cups_follow_free(source->follow);
	cups_server_free(source->server);
	cups_server_free(source->hook_server);
	json_object_put(source->waiting);
	io_closep(&source->poke_fd);
	pthread_mutex_destroy(&source->lock);
	free(source);
}
