/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_status.c - GetStatus, Monitor: the state of everything, asked so that nobody hangs
 *
 *   the asker   asks every volume, one after another, and spoolers why their jobs wait; it may wait
 *               on a volume that does not answer
 *   the board   has a picture of what the asker found last, puts together what is asked for, and
 *               waits for a new picture no longer than PATIENCE; an old one is said to be old
 *
 * Both sleep while nobody asks.
 */
#include "base/build_id.h"
#include "base/clock.h"
#include "supervisor/service_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_NS    UINT64_C(300000000)	 /* a picture that is good enough */
#define PATIENCE_NS UINT64_C(2000000000) /* for a new one */
#define LOOK_NS	    UINT64_C(1000000000) /* between looks while somebody monitors, */
#define NEWS_NS	    UINT64_C(200000000)	 /* or, when there is news */
#define WAITING_MAX 100u		 /* jobs that are told one by one */

struct listener {
	struct listener *next;
	struct service_call *call;
	char *told; /* monitors: what they know */
};

struct service_status_board {
	struct service *service;
	struct pool_thread *asker, *board;
	pthread_mutex_t lock;
	pthread_cond_t news; /* to the board; monotonic */
	pthread_cond_t wish; /* to the asker */
	pthread_cond_t view; /* there is a new picture */
	struct listener *asks, *monitors;
	bool changed, wished, stops;

	struct json_object *volumes, *waiting; /* arrays */
	uint64_t picture_ns;		       /* when the asker began with it; 0: there is none */
};

/* --- the picture --- */

static struct json_object *ask_volumes(struct supervisor *supervisor)
{
	struct json_object *volumes = json_object_new_array();

	for (size_t i = 0; i < supervisor->keeper_count; i++)
		json_object_array_add(volumes, keeper_to_json(supervisor->keepers[i]));
	return volumes;
}

static struct json_object *ask_spoolers(const struct service_options *options)
{
	struct json_object *waiting = options->waiting ? options->waiting(options->context) : NULL;

	return waiting ? waiting : json_object_new_array();
}

static void *run_asker(void *argument)
{
	struct service_status_board *board = argument;
	struct service *service = board->service;

	pthread_mutex_lock(&board->lock);
	while (!board->stops) {
		struct json_object *volumes, *waiting;
		uint64_t began = clock_monotonic_ns();

		if (!board->wished) {
			pthread_cond_wait(&board->wish, &board->lock);
			continue;
		}
		board->wished = false;
		pthread_mutex_unlock(&board->lock);
		volumes = ask_volumes(service->supervisor);
		waiting = ask_spoolers(&service->options);
		pthread_mutex_lock(&board->lock);
		json_object_put(board->volumes);
		json_object_put(board->waiting);
		board->volumes = volumes;
		board->waiting = waiting;
		board->picture_ns = began;
		pthread_cond_broadcast(&board->view);
	}
	pthread_mutex_unlock(&board->lock);
	return NULL;
}

static struct timespec at_ns(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

/* Waits for a picture that is not older than oldest_ns; false: it did not come in time. */
static bool look_locked(struct service_status_board *board, uint64_t oldest_ns)
{
	const struct timespec until = at_ns(clock_monotonic_ns() + PATIENCE_NS);

	while (board->picture_ns < oldest_ns) {
		if (board->stops)
			return board->picture_ns != 0;
		board->wished = true;
		pthread_cond_signal(&board->wish);
		if (pthread_cond_timedwait(&board->view, &board->lock, &until) == ETIMEDOUT)
			return board->picture_ns >= oldest_ns;
	}
	return true;
}

/* --- what is told --- */

static uint64_t age_s(int64_t since_wall_s)
{
	int64_t age = clock_wall_s() - since_wall_s;

	return since_wall_s == 0 || age < 0 ? 0 : (uint64_t)age;
}

static void add_counts(struct json_object *out, const struct ledger_counts *counts)
{
	struct json_object *jobs = json_object_new_object();

	for (enum ledger_state state = LEDGER_BEGUN; state <= LEDGER_FAILED; state++)
		fields_add_u64(jobs, ledger_state_text(state), counts->by_state[state]);
	fields_add_u64(jobs, "retired_ever", counts->retired_ever);
	fields_add_u64(jobs, "oldest_seconds", age_s(counts->oldest_open_wall_s));
	json_object_object_add(out, "jobs", jobs);
}

/* Of a volume's own words, which may not be there. */
static uint64_t of_volume(struct json_object *volumes, size_t index, const char *key)
{
	struct json_object *volume =
		json_object_object_get(json_object_array_get_idx(volumes, index), "volume");

	return volume ? json_object_get_uint64(json_object_object_get(volume, key)) : 0;
}

static void add_debt(
	struct json_object *out, struct json_object *volumes, const struct ledger_counts *counts)
{
	struct json_object *debt = json_object_new_object();
	uint64_t bytes = 0, blocks = 0, oldest = 0;

	for (size_t i = 0; i < json_object_array_length(volumes); i++) {
		uint64_t age = of_volume(volumes, i, "oldest_owed_seconds");

		bytes += of_volume(volumes, i, "owed_bytes");
		blocks += of_volume(volumes, i, "residue") + of_volume(volumes, i, "suspect");
		oldest = age > oldest ? age : oldest;
	}
	fields_add_u64(debt, "bytes", bytes);
	fields_add_u64(debt, "blocks", blocks);
	fields_add_u64(debt, "oldest_seconds", oldest);
	fields_add_u64(debt, "jobs_waiting",
		counts->by_state[LEDGER_SEEN] + counts->by_state[LEDGER_HELD] +
			counts->by_state[LEDGER_RETIRING] + counts->by_state[LEDGER_FAILED]);
	json_object_object_add(out, "debt", debt);
}

static void add_waiting_job(struct json_object *list, const struct ledger_job *job)
{
	struct json_object *waiting = json_object_new_object();
	char since[CLOCK_RFC3339_BYTES];

	fields_add_string(waiting, "source", job->source);
	fields_add_string(waiting, "id", job->id);
	fields_add_string(waiting, "why", job->why[0] ? job->why : ledger_state_text(job->state));
	fields_add_string(waiting, "since", clock_rfc3339(job->seen_wall_s, since));
	json_object_array_add(list, waiting);
}

/* Those of the ledger that stand still for a reason; the oldest first. */
static void add_ledgers_waiting(struct ledger *ledger, struct json_object *list)
{
	static const enum ledger_state states[] = {LEDGER_HELD, LEDGER_FAILED, LEDGER_SEEN};

	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		uint64_t numbers[WAITING_MAX];
		size_t count = ledger_list(ledger, states[s], NULL, numbers, WAITING_MAX);

		for (size_t i = 0; i < count; i++) {
			struct ledger_job job;

			if (json_object_array_length(list) >= WAITING_MAX ||
				ledger_get(ledger, numbers[i], &job) < 0)
				continue;
			if (job.state != LEDGER_SEEN || job.why[0])
				add_waiting_job(list, &job);
			ledger_job_done(&job);
		}
	}
}

static void add_selftest(struct json_object *out, struct supervisor *supervisor)
{
	struct harness_report *report = supervisor_last_report(supervisor);
	struct json_object *selftest;
	char time[CLOCK_RFC3339_BYTES];

	if (!report)
		return;
	selftest = json_object_new_object();
	fields_add_string(selftest, "id", report->id);
	fields_add_bool(selftest, "ok", report->claims);
	fields_add_string(selftest, "time", clock_rfc3339(report->began_wall_s, time));
	json_object_object_add(out, "selftest", selftest);
	harness_report_free(report);
}

static struct json_object *compose(struct service_status_board *board, bool fresh)
{
	struct supervisor *supervisor = board->service->supervisor;
	struct json_object *out = state_to_json(supervisor->state);
	struct json_object *volumes = NULL, *waiting = NULL;
	struct ledger_counts counts = {.retired_ever = 0};
	char build[BUILD_ID_BYTES];
	uint64_t age_ns;

	pthread_mutex_lock(&board->lock);
	(void)json_object_deep_copy(board->volumes, &volumes, NULL);
	(void)json_object_deep_copy(board->waiting, &waiting, NULL);
	age_ns = clock_monotonic_ns() - board->picture_ns;
	pthread_mutex_unlock(&board->lock);
	if (!volumes)
		volumes = json_object_new_array();
	if (!waiting)
		waiting = json_object_new_array();

	if (supervisor->ledger) {
		ledger_count(supervisor->ledger, &counts);
		add_ledgers_waiting(supervisor->ledger, waiting);
	}
	add_counts(out, &counts);
	add_debt(out, volumes, &counts);
	json_object_object_add(out, "volumes", volumes);
	json_object_object_add(out, "waiting", waiting);
	add_selftest(out, supervisor);
	fields_add_string(out, "version", SPOOLGUARD_VERSION);
	fields_add_string(out, "build", build_id(build));
	if (!fresh)
		fields_add_u64(out, "stale_seconds", age_ns / 1000000000u);
	return out;
}

struct json_object *service_board_get(struct service_status_board *board)
{
	uint64_t now = clock_monotonic_ns();
	bool fresh;

	pthread_mutex_lock(&board->lock);
	fresh = look_locked(board, now > FRESH_NS ? now - FRESH_NS : 1);
	pthread_mutex_unlock(&board->lock);
	return compose(board, fresh);
}

/* --- who listens --- */

static void free_listener(struct listener *listener)
{
	service_call_free(listener->call);
	free(listener->told);
	free(listener);
}

static struct listener *reversed(struct listener *list)
{
	struct listener *out = NULL, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = out;
		out = list;
	}
	return out;
}

static void answer(struct listener *list, struct json_object *status)
{
	struct listener *next;

	for (list = reversed(list); list; list = next) {
		next = list->next;
		service_reply(list->call, json_object_get(status));
		free_listener(list);
	}
}

/* False: it is gone, or does not read. */
static bool tell(struct listener *monitor, struct json_object *status, const char *text)
{
	if (server_call_is_gone(monitor->call->call))
		return false;
	if (monitor->told && strcmp(monitor->told, text) == 0)
		return true;
	free(monitor->told);
	monitor->told = strdup(text);
	return server_reply(monitor->call->call, json_object_get(status), true) >= 0;
}

/* Gives those who go on. */
static struct listener *tell_all(struct listener *monitors, struct json_object *status, bool last)
{
	const char *text = json_object_to_json_string(status);
	struct listener *kept = NULL, *next;

	for (; monitors; monitors = next) {
		next = monitors->next;
		if (!last && tell(monitors, status, text)) {
			monitors->next = kept;
			kept = monitors;
			continue;
		}
		service_reply(monitors->call, json_object_get(status));
		free_listener(monitors);
	}
	return kept;
}

static void join(struct listener **list, struct listener *more)
{
	while (*list)
		list = &(*list)->next;
	*list = more;
}

/* --- the board's thread --- */

/* When those who monitor are told next. */
static uint64_t next_look_ns(const struct service_status_board *board, uint64_t last_ns)
{
	return last_ns + (board->changed ? NEWS_NS : LOOK_NS);
}

static void wait_locked(struct service_status_board *board, uint64_t last_ns)
{
	const struct timespec until = at_ns(next_look_ns(board, last_ns));

	if (board->monitors)
		(void)pthread_cond_timedwait(&board->news, &board->lock, &until);
	else
		pthread_cond_wait(&board->news, &board->lock);
}

static bool has_work(const struct service_status_board *board, uint64_t last_ns)
{
	return board->asks ||
	       (board->monitors && clock_monotonic_ns() >= next_look_ns(board, last_ns));
}

/* One round: a picture, and everybody who is there by then. */
static void serve_locked(struct service_status_board *board)
{
	struct listener *asks, *monitors;
	struct json_object *status;
	uint64_t now = clock_monotonic_ns();
	bool fresh, last = board->stops;

	fresh = look_locked(board, board->changed || now <= FRESH_NS ? now : now - FRESH_NS);
	asks = board->asks;
	monitors = board->monitors;
	board->asks = board->monitors = NULL;
	board->changed = false;
	pthread_mutex_unlock(&board->lock);
	status = compose(board, fresh);
	answer(asks, status);
	monitors = tell_all(monitors, status, last);
	json_object_put(status);
	pthread_mutex_lock(&board->lock);
	join(&board->monitors, monitors);
}

static void *run_board(void *argument)
{
	struct service_status_board *board = argument;
	uint64_t last_ns = 0;

	pthread_mutex_lock(&board->lock);
	while (!board->stops) {
		if (!has_work(board, last_ns)) {
			wait_locked(board, last_ns);
			continue;
		}
		serve_locked(board);
		last_ns = clock_monotonic_ns();
	}
	if (board->asks || board->monitors)
		serve_locked(board);
	pthread_mutex_unlock(&board->lock);
	return NULL;
}

void service_board_ask(struct service_status_board *board, struct service_call *call)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	bool monitors =
		strcmp(call->method->name, "Monitor") == 0 && server_call_wants_more(call->call);
	bool stops;

	if (!listener) {
		service_error(call, "Busy", "there is no memory for it");
		service_call_free(call);
		return;
	}
	listener->call = call;
	pthread_mutex_lock(&board->lock);
	stops = board->stops;
	if (!stops && monitors) {
		listener->next = board->monitors;
		board->monitors = listener;
		board->changed = true;
	} else if (!stops) {
		listener->next = board->asks;
		board->asks = listener;
	}
	pthread_cond_signal(&board->news);
	pthread_mutex_unlock(&board->lock);
	if (stops) {
		service_error(call, "Busy", "the service is stopping");
		free_listener(listener);
	}
}

void service_board_changed(struct service_status_board *board)
{
	pthread_mutex_lock(&board->lock);
	board->changed = true;
	if (board->monitors)
		pthread_cond_signal(&board->news);
	pthread_mutex_unlock(&board->lock);
}

/* --- its life --- */

int service_board_new(struct service *service, struct service_status_board **ret_board)
{
	struct service_status_board *board = calloc(1, sizeof(*board));
	pthread_condattr_t attributes;
	int r;

	if (!board)
		return -ENOMEM;
	board->service = service;
	pthread_mutex_init(&board->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&board->news, &attributes);
	pthread_cond_init(&board->view, &attributes);
	pthread_cond_init(&board->wish, NULL);
	pthread_condattr_destroy(&attributes);
	r = pool_thread_start(run_asker, board, &board->asker);
	if (r >= 0)
		r = pool_thread_start(run_board, board, &board->board);
	if (r < 0) {
		service_board_stop(board);
		service_board_free(board);
		return r;
	}
	*ret_board = board;
	return 0;
}

void service_board_stop(struct service_status_board *board)
{
	pthread_mutex_lock(&board->lock);
	board->stops = true;
	pthread_cond_broadcast(&board->news);
	pthread_cond_broadcast(&board->wish);
	pthread_cond_broadcast(&board->view);
	pthread_mutex_unlock(&board->lock);
	pool_thread_join(board->board);
	pool_thread_join(board->asker);
	board->board = board->asker = NULL;
}

void service_board_free(struct service_status_board *board)
{
	if (!board)
		return;
	json_object_put(board->volumes);
	json_object_put(board->waiting);
	pthread_cond_destroy(&board->news);
	pthread_cond_destroy(&board->wish);
	pthread_cond_destroy(&board->view);
	pthread_mutex_destroy(&board->lock);
	free(board);
}
