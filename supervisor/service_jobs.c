/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_jobs.c - jobs that callers announce, and those who wait for them
 *
 * The desk is one thread that knows three things by their time: jobs that were begun on a
 * connection that has ended, callers who wait for a job no longer than they said, and callers who
 * wait and have gone away.  A caller who waits is answered by whoever takes him off the list: the
 * retirer's thread, or the desk's.
 */
#include "base/clock.h"
#include "supervisor/closing.h"
#include "supervisor/retirer.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S_MAX  86400u
#define NAME_BYTES_MAX 2048u /* of a user or a title */
#define JOBS_AT_ONCE   200u  /* in one answer; a job's line has at most 4 KiB, escapes and all */
#define NEVER	       UINT64_MAX
#define RETRY_NS       UINT64_C(5000000000) /* when the ledger could not be written */

/* Who waits for a job. */
struct waiter {
	struct waiter *next;
	struct service_desk *desk;
	struct service_call *call;
	uint64_t number;
	uint64_t until_ns;
	uint64_t serial; /* never used twice */
	bool armed;	 /* the retirer knows of him: the desk may take him off */
};

/* A job that was begun and not completed. */
struct begun {
	struct begun *next;
	uint64_t number;
	uint64_t connection; /* 0: it has ended */
	uint64_t due_ns;     /* then: when it is retired */
};

struct service_desk {
	struct service *service;
	struct pool_thread *thread;
	pthread_mutex_t lock;
	pthread_cond_t news; /* monotonic */
	struct waiter *waiters;
	struct begun *begun;
	uint64_t serial;
	bool stops;
};

/* --- answers --- */

static void reply_job(struct service_call *call, const struct ledger_job *job, bool receipt)
{
	struct json_object *out = json_object_new_object();

	json_object_object_add(out, "job", ledger_job_to_json(job, receipt));
	service_reply(call, out);
}

/* As the job stands now. */
static void reply_number(struct service_call *call, uint64_t number)
{
	struct problem problem = {""};
	struct ledger_job job;
	int r = ledger_get(call->service->supervisor->ledger, number, &job);

	if (r < 0) {
		problem_set(&problem, r, "the job is not known any more");
		service_fail(call, r, &problem);
		return;
	}
	reply_job(call, &job, true);
	ledger_job_done(&job);
}

static const char *job_object(const char *id, char buf[static 300])
{
	snprintf(buf, 300, SERVICE_SOURCE_CALL " %.280s", id);
	return buf;
}

/* --- who waits --- */

/* True: he is ours now, and nobody else will answer him. */
static bool take_waiter(struct service_desk *desk, struct waiter *waiter)
{
	struct waiter **at;

	for (at = &desk->waiters; *at; at = &(*at)->next) {
		if (*at == waiter) {
			*at = waiter->next;
			return true;
		}
	}
	return false;
}

static void free_waiter(struct waiter *waiter)
{
	service_call_free(waiter->call);
	free(waiter);
}

/* From the retirer's thread: the job is retired, failed or held. */
static void on_done(void *context, const struct ledger_job *job)
{
	struct waiter *waiter = context;
	struct service_desk *desk = waiter->desk;
	bool ours;

	pthread_mutex_lock(&desk->lock);
	ours = take_waiter(desk, waiter);
	pthread_mutex_unlock(&desk->lock);
	if (!ours)
		return;
	reply_job(waiter->call, job, true);
	free_waiter(waiter);
}

/* The call goes along, and is not the worker's any more. */
static struct waiter *new_waiter(struct service_call *call, uint64_t number)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	struct service_call *kept = malloc(sizeof(*kept));

	if (!waiter || !kept) {
		free(waiter);
		free(kept);
		return NULL;
	}
	*kept = *call;
	kept->text = NULL;
	kept->message = (struct message){.object = NULL};
	kept->parameters = NULL;
	call->call = NULL;
	*waiter = (struct waiter){
		.desk = call->service->desk,
		.call = kept,
		.number = number,
		.until_ns = NEVER,
	};
	return waiter;
}

/*
 * The retirer may have answered him already; only then may the desk take him off, or the retirer
 * would be told of somebody who is no more.
 */
static void arm_waiter(struct service_desk *desk, uint64_t serial, uint64_t until_ns)
{
	struct waiter *waiter;

	pthread_mutex_lock(&desk->lock);
	for (waiter = desk->waiters; waiter && waiter->serial != serial;)
		waiter = waiter->next;
	if (waiter) {
		waiter->armed = true;
		waiter->until_ns = until_ns;
		pthread_cond_signal(&desk->news);
	}
	pthread_mutex_unlock(&desk->lock);
}

static void wait_for(struct service_call *call, uint64_t number, uint64_t timeout_s)
{
	struct service_desk *desk = call->service->desk;
	struct waiter *waiter = new_waiter(call, number);
	uint64_t serial, until_ns = NEVER;
	int r;

	if (!waiter) {
		service_fail(call, -ENOMEM, NULL);
		return;
	}
	if (timeout_s != NEVER)
		until_ns = clock_monotonic_ns() + timeout_s * 1000000000u;
	pthread_mutex_lock(&desk->lock);
	serial = waiter->serial = ++desk->serial;
	waiter->next = desk->waiters;
	desk->waiters = waiter;
	pthread_mutex_unlock(&desk->lock);
	r = retirer_await(call->service->supervisor->retirer, number, on_done, waiter);
	/* It cannot be waited for: it is told at once how it stands. */
	arm_waiter(desk, serial, r < 0 ? 0 : until_ns);
}

/* Those whose time is up, or who have gone, or everybody. */
static struct waiter *take_late(struct service_desk *desk, uint64_t now, bool all)
{
	struct waiter **at = &desk->waiters, *late = NULL, *waiter;

	while ((waiter = *at)) {
		if (!all && (!waiter->armed || (waiter->until_ns > now &&
						       !server_call_is_gone(waiter->call->call)))) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = late;
		late = waiter;
	}
	return late;
}

/* Without the lock: the retirer may be waiting for it with one of these. */
static void answer_late(struct service_desk *desk, struct waiter *late)
{
	struct waiter *next;

	for (; late; late = next) {
		next = late->next;
		retirer_forget(desk->service->supervisor->retirer, late);
		reply_number(late->call, late->number);
		free_waiter(late);
	}
}

/* --- jobs that were begun --- */

static void remember_begun(struct service_desk *desk, uint64_t number, uint64_t connection)
{
	struct begun *begun;

	pthread_mutex_lock(&desk->lock);
	for (begun = desk->begun; begun && begun->number != number;)
		begun = begun->next;
	if (!begun) {
		begun = calloc(1, sizeof(*begun));
		if (begun) {
			begun->next = desk->begun;
			desk->begun = begun;
		}
	}
	if (begun) { /* else it is found when the service is started again */
		begun->number = number;
		begun->connection = connection;
		begun->due_ns = NEVER;
	}
	pthread_mutex_unlock(&desk->lock);
}

static void forget_begun(struct service_desk *desk, uint64_t number)
{
	struct begun **at, *found;

	pthread_mutex_lock(&desk->lock);
	for (at = &desk->begun; *at && (*at)->number != number;)
		at = &(*at)->next;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&desk->lock);
	free(found);
}

static uint64_t abandoned_ns(struct service *service)
{
	uint64_t seconds;

	pthread_mutex_lock(&service->lock);
	seconds = service->job_abandoned_s;
	pthread_mutex_unlock(&service->lock);
	return seconds * 1000000000u;
}

void service_desk_gone(struct service_desk *desk, uint64_t connection)
{
	uint64_t due_ns = clock_monotonic_ns() + abandoned_ns(desk->service);

	pthread_mutex_lock(&desk->lock);
	for (struct begun *begun = desk->begun; begun; begun = begun->next) {
		if (begun->connection != connection)
			continue;
		begun->connection = 0;
		begun->due_ns = due_ns;
	}
	pthread_cond_signal(&desk->news);
	pthread_mutex_unlock(&desk->lock);
}

void service_desk_find_begun(struct service_desk *desk)
{
	struct ledger *ledger = desk->service->supervisor->ledger;
	uint64_t *numbers = calloc(LEDGER_OPEN_MAX, sizeof(*numbers));
	size_t count;

	if (!numbers || !ledger) {
		free(numbers);
		return;
	}
	count = ledger_list(ledger, LEDGER_BEGUN, NULL, numbers, LEDGER_OPEN_MAX);
	for (size_t i = 0; i < count; i++) {
		struct ledger_job job;

		if (ledger_get(ledger, numbers[i], &job) < 0)
			continue;
		if (strcmp(job.source, SERVICE_SOURCE_CALL) == 0)
			remember_begun(desk, numbers[i], 0);
		ledger_job_done(&job);
	}
	free(numbers);
	service_desk_gone(desk, 0);
}

/* Of what is due: one number, or 0. */
static uint64_t take_abandoned(struct service_desk *desk, uint64_t now)
{
	for (struct begun *begun = desk->begun; begun; begun = begun->next) {
		if (begun->connection != 0 || begun->due_ns > now)
			continue;
		begun->due_ns = now + RETRY_NS; /* if this time it cannot be written */
		return begun->number;
	}
	return 0;
}

static void retire_abandoned(struct service_desk *desk, uint64_t number)
{
	struct supervisor *supervisor = desk->service->supervisor;
	struct ledger_job job;
	int r = ledger_get(supervisor->ledger, number, &job);

	if (r >= 0 && job.state == LEDGER_BEGUN) {
		r = ledger_set(
			supervisor->ledger, number, LEDGER_SEEN, "its caller went away", NULL);
		if (r >= 0)
			retirer_wake(supervisor->retirer);
	}
	if (r >= 0)
		ledger_job_done(&job);
	if (r >= 0 || r == -ENOENT)
		forget_begun(desk, number);
}

/* --- the desk's thread --- */

static uint64_t next_ns(const struct service_desk *desk)
{
	uint64_t next = NEVER;

	for (const struct waiter *waiter = desk->waiters; waiter; waiter = waiter->next)
		next = waiter->until_ns < next ? waiter->until_ns : next;
	for (const struct begun *begun = desk->begun; begun; begun = begun->next)
		next = begun->due_ns < next ? begun->due_ns : next;
	return next;
}

static void wait_until(struct service_desk *desk, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000u),
		.tv_nsec = (long)(until_ns % 1000000000u),
	};

	if (until_ns == NEVER)
		pthread_cond_wait(&desk->news, &desk->lock);
	else
		pthread_cond_timedwait(&desk->news, &desk->lock, &until);
}

static void *run_desk(void *argument)
{
	struct service_desk *desk = argument;

	pthread_mutex_lock(&desk->lock);
	while (!desk->stops) {
		uint64_t now = clock_monotonic_ns(), abandoned = take_abandoned(desk, now);
		struct waiter *late = take_late(desk, now, false);

		if (late || abandoned != 0) {
			pthread_mutex_unlock(&desk->lock);
			answer_late(desk, late);
			if (abandoned != 0)
				retire_abandoned(desk, abandoned);
			pthread_mutex_lock(&desk->lock);
		} else {
			wait_until(desk, next_ns(desk));
		}
	}
	pthread_mutex_unlock(&desk->lock);
	return NULL;
}

int service_desk_new(struct service *service, struct service_desk **ret_desk)
{
	struct service_desk *desk = calloc(1, sizeof(*desk));
	pthread_condattr_t attributes;
	int r;

	if (!desk)
		return -ENOMEM;
	desk->service = service;
	pthread_mutex_init(&desk->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&desk->news, &attributes);
	pthread_condattr_destroy(&attributes);
	r = pool_thread_start(run_desk, desk, &desk->thread);
	if (r < 0) {
		free(desk);
		return r;
	}
	*ret_desk = desk;
	return 0;
}

void service_desk_stop(struct service_desk *desk)
{
	struct waiter *late;

	pthread_mutex_lock(&desk->lock);
	desk->stops = true;
	pthread_cond_signal(&desk->news);
	pthread_mutex_unlock(&desk->lock);
	pool_thread_join(desk->thread);
	desk->thread = NULL;
	pthread_mutex_lock(&desk->lock);
	late = take_late(desk, 0, true);
	pthread_mutex_unlock(&desk->lock);
	answer_late(desk, late);
}

void service_desk_free(struct service_desk *desk)
{
	struct begun *begun, *next;

	if (!desk)
		return;
	for (begun = desk->begun; begun; begun = next) {
		next = begun->next;
		free(begun);
	}
	pthread_cond_destroy(&desk->news);
	pthread_mutex_destroy(&desk->lock);
	free(desk);
}

/* --- JobBegin, JobComplete --- */

/* What a caller said of a job. */
struct announced {
	const char *id;
	struct json_object *names;
	const char *volume;
	struct ledger_digests digests;
	uid_t uid;	 /* whose job it is, or will be */
	bool known;	 /* there is one with that id, */
	bool retired;	 /* and it is retired already, */
	uint64_t number; /* with this number */
};

/* A name that is told is not kept: without the key (nothing is claimed then) it is not known. */
static bool get_digest(
	struct service_call *call, const char *label, char ret_digest[static LEDGER_DIGEST_BYTES])
{
	struct device_keys *keys = supervisor_keys(call->service->supervisor);
	const char *name = NULL;

	if (!service_may_get_string(call, label, &name))
		return false;
	ret_digest[0] = '\0';
	if (!name || !name[0] || !keys)
		return true;
	if (strlen(name) > NAME_BYTES_MAX) {
		service_error(
			call, "Refused", "a job's %s has at most %u bytes", label, NAME_BYTES_MAX);
		return false;
	}
	if (device_keys_name_digest(keys, label, name, ret_digest) < 0)
		ret_digest[0] = '\0';
	return true;
}

static bool get_announced(struct service_call *call, struct announced *ret_announced)
{
	struct announced announced = {.uid = service_uid(call)};

	if (!service_has_ledger(call) || !service_get_string(call, "id", &announced.id) ||
		!service_may_get_string(call, "volume", &announced.volume) ||
		!get_digest(call, "user", announced.digests.user) ||
		!get_digest(call, "title", announced.digests.title))
		return false;
	announced.names = json_object_object_get(call->parameters, "files");
	if (announced.names && !json_object_is_type(announced.names, json_type_array)) {
		service_bad_parameter(call, "files");
		return false;
	}
	if (announced.id[0] == '\0' || strlen(announced.id) >= LEDGER_ID_BYTES) {
		service_error(call, "Refused", "a job's id is 1 to %u bytes", LEDGER_ID_BYTES - 1u);
		return false;
	}
	*ret_announced = announced;
	return true;
}

/* Y4.  A retired job stands in nobody's way, but its receipt is its owner's.  begins: a new job, if
 * that one is retired. */
static bool find_known(struct service_call *call, bool begins, struct announced *announced)
{
	struct ledger_job job;
	char object[300], text[400];

	if (ledger_find(call->service->supervisor->ledger, SERVICE_SOURCE_CALL, announced->id,
		    &job) < 0)
		return true;
	ledger_job_done(&job);
	announced->known = true;
	announced->retired = job.state == LEDGER_RETIRED;
	announced->number = job.number;
	if (job.uid == announced->uid)
		return true;
	if (call->administrator) {
		announced->uid = job.uid;
		return true;
	}
	if (announced->retired &&
		(begins || (announced->names && json_object_array_length(announced->names) > 0))) {
		announced->known = false; /* a new job with an old id */
		return true;
	}
	snprintf(text, sizeof(text), "job %.280s is another user's", announced->id);
	service_deny(call, job_object(announced->id, object), "another user's job", text);
	return false;
}

static bool check_files(
	struct service_call *call, const struct announced *announced, struct service_files *files)
{
	struct problem problem = {""};
	char object[300];
	int r = service_files_check(
		call->service, service_uid(call), announced->names, files, &problem);

	if (r == -EACCES)
		service_deny(call, job_object(announced->id, object),
			"a file that the caller may not hand over", problem_text(&problem, r));
	else if (r < 0)
		service_fail(call, r, &problem);
	return r >= 0;
}

/* Of a job without files: the volume that was named, or the only one. */
static bool choose_volume(
	struct service_call *call, const struct announced *announced, struct service_files *files)
{
	struct supervisor *supervisor = call->service->supervisor;
	struct runtime_state runtime;
	struct keeper *keeper = supervisor->keeper_count == 1 ? supervisor->keepers[0] : NULL;

	if (announced->volume) {
		keeper = service_find_volume(call, announced->volume);
		if (!keeper)
			return false;
	}
	if (files->count == 0 && keeper && keeper_runtime(keeper, &runtime) >= 0)
		strcpy(files->volume_uuid, runtime.uuid);
	return true;
}

static bool add_job(struct service_call *call, const struct announced *announced,
	const struct service_files *files, enum ledger_state state, uint64_t *ret_number)
{
	struct supervisor *supervisor = call->service->supervisor;
	const struct ledger_news news = {
		.source = SERVICE_SOURCE_CALL,
		.id = announced->id,
		.volume_uuid = files->volume_uuid[0] ? files->volume_uuid : NULL,
		.uid = announced->uid,
		.state = state,
		.files = (const char *const *)files->paths,
		.file_count = files->count,
		.digests = announced->digests,
	};
	struct problem problem = {""};
	char object[300];
	bool known;
	int r = ledger_add(supervisor->ledger, &news, ret_number, &known, &problem);

	if (r == -EPERM) /* announced by another since we looked */
		service_deny(call, job_object(announced->id, object), "another user's job",
			problem_text(&problem, r));
	else if (r < 0)
		service_fail(call, r, &problem);
	return r >= 0;
}

/* What is begun now would not be printed any more (closing.h, L4). */
static bool check_not_closing(struct service_call *call, const struct service_files *files)
{
	if (!files->volume_uuid[0] ||
		!closing_is_under_way(call->service->supervisor, files->volume_uuid))
		return true;
	service_error(call, "Refused",
		"the volume is being decommissioned: no new job is taken on it; \"spoolguard "
		"status\" names it");
	return false;
}

void service_job_begin(struct service_call *call)
{
	struct service_files files = {.paths = NULL};
	struct announced announced;
	uint64_t number;

	if (!get_announced(call, &announced) || !find_known(call, true, &announced) ||
		!check_files(call, &announced, &files))
		return;
	if (choose_volume(call, &announced, &files) && check_not_closing(call, &files) &&
		add_job(call, &announced, &files, LEDGER_BEGUN, &number)) {
		remember_begun(
			call->service->desk, number, server_call_peer(call->call)->connection);
		/* Its connection may have ended meanwhile, before anybody knew. */
		if (server_call_is_gone(call->call))
			service_desk_gone(
				call->service->desk, server_call_peer(call->call)->connection);
		reply_number(call, number);
	}
	service_files_done(&files);
}

/* Y5: nothing is answered before the ledger has it. */
static bool complete(
	struct service_call *call, const struct announced *announced, uint64_t *ret_number)
{
	struct service_files files = {.paths = NULL};
	bool done = false;

	if (!check_files(call, announced, &files))
		return false;
	if (files.count == 0 && announced->known && announced->retired) {
		*ret_number = announced->number; /* the same completion again */
		done = true;
	} else if (files.count == 0 && !announced->known && files.absent > 0) {
		service_error(call, "NotFound",
			"none of the files of job %s is there; was it retired already?",
			announced->id);
	} else if (choose_volume(call, announced, &files) &&
		   add_job(call, announced, &files, LEDGER_SEEN, ret_number)) {
		forget_begun(call->service->desk, *ret_number);
		retirer_wake(call->service->supervisor->retirer);
		service_changed(call->service);
		done = true;
	}
	service_files_done(&files);
	return done;
}

void service_job_complete(struct service_call *call)
{
	uint64_t timeout_s = NEVER, number;
	struct announced announced;
	bool wait = false;

	if (!get_announced(call, &announced) || !service_may_get_bool(call, "wait", &wait) ||
		!service_may_get_u64(call, "timeout_s", &timeout_s))
		return;
	if (timeout_s != NEVER && timeout_s > TIMEOUT_S_MAX) {
		service_bad_parameter(call, "timeout_s");
		return;
	}
	if (!find_known(call, false, &announced) || !complete(call, &announced, &number))
		return;
	if (wait)
		wait_for(call, number, timeout_s);
	else
		reply_number(call, number);
}

/* --- JobList, JobShow --- */

static bool find_state(const char *text, enum ledger_state *ret_state)
{
	for (enum ledger_state state = LEDGER_BEGUN; state <= LEDGER_FAILED; state++) {
		if (strcmp(ledger_state_text(state), text) == 0) {
			*ret_state = state;
			return true;
		}
	}
	return false;
}

static int by_number(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Of one state, or of all of them; gives the numbers. */
static uint64_t *list_numbers(
	struct ledger *ledger, const enum ledger_state *state, size_t *ret_count)
{
	const size_t max = LEDGER_OPEN_MAX + LEDGER_KEEP_DEFAULT;
	uint64_t *numbers = calloc(max, sizeof(*numbers));
	size_t count = 0;

	if (!numbers)
		return NULL;
	for (enum ledger_state each = LEDGER_BEGUN; each <= LEDGER_FAILED; each++) {
		if (!state || *state == each)
			count += ledger_list(ledger, each, NULL, numbers + count, max - count);
	}
	qsort(numbers, count, sizeof(*numbers), by_number);
	*ret_count = count;
	return numbers;
}

static bool may_see(const struct service_call *call, const struct ledger_job *job)
{
	return !call->verdict.own || job->uid == service_uid(call);
}

static bool list_job(struct service_call *call, uint64_t number, struct json_object *list)
{
	struct ledger_job job;
	bool sees;

	if (ledger_get(call->service->supervisor->ledger, number, &job) < 0)
		return false;
	sees = may_see(call, &job);
	if (sees)
		json_object_array_add(list, ledger_job_to_json(&job, false));
	ledger_job_done(&job);
	return sees;
}

void service_job_list(struct service_call *call)
{
	struct json_object *out, *list;
	const char *text = NULL;
	enum ledger_state state = LEDGER_BEGUN;
	size_t count, at = 0, listed = 0;
	uint64_t after = 0, *numbers;

	if (!service_has_ledger(call) || !service_may_get_string(call, "state", &text) ||
		!service_may_get_u64(call, "after", &after))
		return;
	if (text && !find_state(text, &state)) {
		service_bad_parameter(call, "state");
		return;
	}
	numbers = list_numbers(call->service->supervisor->ledger, text ? &state : NULL, &count);
	if (!numbers) {
		service_fail(call, -ENOMEM, NULL);
		return;
	}
	out = json_object_new_object();
	list = json_object_new_array();
	while (at < count && numbers[at] <= after)
		at++;
	for (; at < count && listed < JOBS_AT_ONCE; at++)
		listed += list_job(call, numbers[at], list);
	json_object_object_add(out, "jobs", list);
	fields_add_bool(out, "more", at < count);
	free(numbers);
	service_reply(call, out);
}

/* The newest with the id that the call names; false: it was answered. */
static bool find_job(struct service_call *call, struct ledger_job *ret_job)
{
	const char *id, *source = NULL;
	struct ledger_job job;
	bool found;

	if (!service_has_ledger(call) || !service_get_string(call, "id", &id) ||
		!service_may_get_string(call, "source", &source))
		return false;
	found = ledger_find(call->service->supervisor->ledger, source, id, &job) >= 0;
	if (found && !may_see(call, &job)) { /* not even that there is one */
		ledger_job_done(&job);
		found = false;
	}
	if (found)
		*ret_job = job;
	else
		service_error(call, "NotFound",
			"no job \"%s\" is known; \"spoolguard job list\" lists them", id);
	return found;
}

void service_job_show(struct service_call *call)
{
	struct ledger_job job;

	if (!find_job(call, &job))
		return;
	reply_job(call, &job, true);
	ledger_job_done(&job);
}

/* --- JobHold, JobRelease --- */

static void note_change(
	struct service_call *call, const struct ledger_job *job, const char *event, int r)
{
	struct json_object *data = events_data("source", job->source, NULL);
	char object[LEDGER_SOURCE_BYTES + LEDGER_ID_BYTES];

	fields_add_u64(data, "number", job->number);
	snprintf(object, sizeof(object), "%s %s", job->source, job->id);
	service_note(call, (struct audit_event){
				   .event = event,
				   .job = object,
				   .volume = job->volume[0] ? job->volume : NULL,
				   .outcome = r < 0 ? "failure" : "success",
				   .detail = r < 0 ? strerror(-r) : NULL,
				   .data = data,
			   });
	json_object_put(data);
}

static void change(struct service_call *call, const struct ledger_job *job, enum ledger_state state,
	const char *why)
{
	struct supervisor *supervisor = call->service->supervisor;
	struct problem problem = {""};
	int r = ledger_set(supervisor->ledger, job->number, state, why, NULL);

	note_change(call, job, state == LEDGER_HELD ? "job-held" : "job-released", r);
	if (r < 0) {
		problem_set(&problem, r, "job %s: the ledger cannot be written: %s", job->id,
			strerror(-r));
		service_fail(call, r, &problem);
		return;
	}
	retirer_wake(supervisor->retirer);
	service_changed(call->service);
	reply_number(call, job->number);
}

void service_job_hold(struct service_call *call)
{
	struct ledger_job job;
	const char *reason;

	if (!service_get_string(call, "reason", &reason) || !find_job(call, &job))
		return;
	if (job.state == LEDGER_RETIRED || job.state == LEDGER_RETIRING)
		service_error(call, "Refused", "job %s is %s: it cannot be held any more", job.id,
			job.state == LEDGER_RETIRED ? "retired" : "being overwritten");
	else
		change(call, &job, LEDGER_HELD, reason);
	ledger_job_done(&job);
}

void service_job_release(struct service_call *call)
{
	struct ledger_job job;

	if (!find_job(call, &job))
		return;
	if (job.state != LEDGER_HELD)
		service_error(call, "Refused", "job %s is not held (%s)", job.id,
			ledger_state_text(job.state));
	else
		change(call, &job, LEDGER_SEEN, "released");
	ledger_job_done(&job);
}
