/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/supervisor.h"
#include "base/build_id.h"
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/ledger.h"
#include "supervisor/mounter.h"
#include "supervisor/policy.h"
#include "supervisor/service.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS		1000
#define EXTEND_MS	30000u /* what is asked for, each EXTEND_EVERY_MS */
#define EXTEND_EVERY_MS 10000u
#define SCHEDULE_MS	20000u
#define LINE_BYTES	400

/* --- the directories (X3) --- */

static int make_directory(const char *path, mode_t mode, struct problem *reterr_problem)
{
	if (mkdir(path, mode) == 0) /* whatever the umask is */
		return chmod(path, mode) < 0 ? -errno : 0;
	if (errno == EEXIST)
		return 0;
	return problem_set(reterr_problem, -errno, "%s cannot be made: %s", path, strerror(errno));
}

/* The directory itself is locked: that works on a disk that is full, or read-only, too. */
static int lock_directory(const char *path, int *ret_fd, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return problem_set(
			reterr_problem, -errno, "%s cannot be used: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return problem_set(reterr_problem, -EBUSY,
			"%s is in use by another spoolguardd; end that one first", path);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Made by a command before us, or by an older version. */
static void open_to_pass(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0700)
		(void)!fchmod(fd, 0711);
}

/* Callers reach the socket through it, and nobody but root sees what else is there. */
static int open_runtime_directory(struct supervisor_impl *impl, struct problem *reterr_problem)
{
	const char *path = runtime_directory();
	int r;

	r = make_directory(path, 0711, reterr_problem);
	if (r >= 0)
		r = lock_directory(path, &impl->runtime_lock, reterr_problem);
	if (r >= 0)
		open_to_pass(impl->runtime_lock);
	return r;
}

/* --- what changes --- */

void supervisor_wake(struct supervisor *supervisor)
{
	const uint64_t one = 1;

	(void)!write(supervisor->impl->wake_fd, &one, sizeof(one));
}

static void on_state(void *context)
{
	supervisor_wake(context);
}

static void note_state(struct supervisor *supervisor, enum state_name before, enum state_name now,
	const char *line)
{
	struct json_object *data =
		events_data("state", state_text(now), "before", state_text(before), NULL);
	const struct audit_event event = {
		.event = "state-changed",
		.uid = geteuid(),
		.outcome = "success",
		.detail = line,
		.data = data,
	};

	events_add(supervisor->events, &event);
	json_object_put(data);
}

static void tell_state(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	enum state_name now = state_get(supervisor->state), before = impl->told;
	char line[LINE_BYTES];

	state_line(supervisor->state, line, sizeof(line));
	notify_status(impl->notify, line);
	supervisor_tell_jobs(supervisor);
	if (now == impl->told)
		return;
	impl->told = now;
	supervisor_ask_survey(supervisor);
	note_state(supervisor, before, now, line);
}

/* Ready: tested, and every volume is open or known not to open now. */
static bool is_ready(struct supervisor *supervisor)
{
	bool tested, started;

	pthread_mutex_lock(&supervisor->impl->lock);
	tested = supervisor->impl->tested;
	started = supervisor->impl->keepers_started;
	pthread_mutex_unlock(&supervisor->impl->lock);
	for (size_t i = 0; tested && started && i < supervisor->keeper_count; i++) {
		if (keeper_state(supervisor->keepers[i]) == KEEPER_OPENING)
			return false;
	}
	return tested;
}

static void tell_ready(struct supervisor *supervisor)
{
	if (supervisor->impl->ready || !is_ready(supervisor))
		return;
	supervisor->impl->ready = true;
	notify_ready(supervisor->impl->notify);
	events_note(supervisor->events, "service-ready", NULL, "success", NULL);
}

/* --- the watchdog (pulse.h) --- */

static const char *find_dead(struct supervisor *supervisor)
{
	if (!pulse_is_alive(&supervisor->impl->tester_pulse))
		return "the tester";
	if (!pulse_is_alive(&supervisor->impl->survey_pulse))
		return "the surveyor";
	if (!supervisor_jobs_are_alive(supervisor))
		return "the server, or the follower of CUPS";
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		(void)keeper_state(supervisor->keepers[i]); /* its lock can be had */
		if (!keeper_is_alive(supervisor->keepers[i]))
			return keeper_volume(supervisor->keepers[i])->name;
	}
	return NULL;
}

static void feed_watchdog(struct supervisor *supervisor)
{
	const char *dead = find_dead(supervisor);

	if (!dead)
		notify_watchdog(supervisor->impl->notify);
	else if (!supervisor->impl->said_dead)
		events_note_fault(supervisor->events, dead, NULL,
			"it stands still; the watchdog is not fed any more");
	supervisor->impl->said_dead = dead != NULL;
}

/* --- reload --- */

static void add_kept(char *kept, size_t bytes, const char *what)
{
	size_t used = strlen(kept);

	snprintf(kept + used, bytes - used, "%s%s", used ? ", " : "", what);
}

static void list_kept(const struct config *now, const struct config *next, char *kept, size_t bytes)
{
	kept[0] = '\0';
	if (strcmp(now->socket, next->socket) != 0)
		add_kept(kept, bytes, "socket");
	if (strcmp(now->state_directory, next->state_directory) != 0)
		add_kept(kept, bytes, "state_directory");
	if (now->volume_count != next->volume_count ||
		memcmp(now->volumes, next->volumes, sizeof(now->volumes)) != 0)
		add_kept(kept, bytes, "volumes");
	if (now->watch_count != next->watch_count ||
		memcmp(now->watches, next->watches, sizeof(now->watches)) != 0)
		add_kept(kept, bytes, "watches");
	if (now->cups != next->cups || strcmp(now->cups_server, next->cups_server) != 0 ||
		strcmp(now->cups_spool, next->cups_spool) != 0 ||
		strcmp(now->cups_temp, next->cups_temp) != 0 ||
		strcmp(now->cups_cache, next->cups_cache) != 0 ||
		strcmp(now->cups_wake, next->cups_wake) != 0 ||
		now->cups_poll_ms != next->cups_poll_ms ||
		now->cups_orphan_s != next->cups_orphan_s ||
		now->cups_keep_history != next->cups_keep_history ||
		strcmp(now->cups_restart, next->cups_restart) != 0)
		add_kept(kept, bytes, "[cups]");
	if (now->audit_journal != next->audit_journal ||
		strcmp(now->audit_journal_socket, next->audit_journal_socket) != 0 ||
		now->audit_syslog != next->audit_syslog ||
		strcmp(now->audit_syslog_socket, next->audit_syslog_socket) != 0 ||
		strcmp(now->audit_sqlite, next->audit_sqlite) != 0 ||
		now->audit_enterprise != next->audit_enterprise ||
		strcmp(now->audit_device_uuid, next->audit_device_uuid) != 0)
		add_kept(kept, bytes, "[audit] journal, syslog, sqlite");
}

/* Field by field: others read the rest meanwhile. */
static void take(struct config *now, const struct config *next)
{
	now->on_failure = next->on_failure;
	now->debt_limit_bytes = next->debt_limit_bytes;
	now->debt_limit_age_s = next->debt_limit_age_s;
	now->retention_limit_s = next->retention_limit_s;
	now->job_abandoned_s = next->job_abandoned_s;
	now->selftest = next->selftest;
	now->cups_state_reason = next->cups_state_reason;
	now->wipe = next->wipe;
	now->wipe_full = next->wipe_full;
	now->confirmation_timeout_s = next->confirmation_timeout_s;
	now->audit_size_bytes = next->audit_size_bytes;
	now->audit_segment_bytes = next->audit_segment_bytes;
	now->audit_segment_age_s = next->audit_segment_age_s;
	now->audit_when_full = next->audit_when_full;
	if (strcmp(now->confirmation_queue, next->confirmation_queue) != 0)
		strcpy(now->confirmation_queue, next->confirmation_queue);
	if (strcmp(now->metrics_file, next->metrics_file) != 0)
		strcpy(now->metrics_file, next->metrics_file);
	if (memcmp(now->groups, next->groups, sizeof(now->groups)) != 0)
		memcpy(now->groups, next->groups, sizeof(now->groups));
	memcpy(now->group_counts, next->group_counts, sizeof(now->group_counts));
}

static bool opens_otherwise(const struct config *now, const struct config *next)
{
	return now->audit_size_bytes != next->audit_size_bytes ||
	       now->audit_segment_bytes != next->audit_segment_bytes ||
	       now->audit_segment_age_s != next->audit_segment_age_s ||
	       now->audit_when_full != next->audit_when_full ||
	       now->group_counts[CONFIG_AUDITOR] != next->group_counts[CONFIG_AUDITOR] ||
	       strcmp(now->groups[CONFIG_AUDITOR][0], next->groups[CONFIG_AUDITOR][0]) != 0;
}

static bool differs_in_role(
	const struct config *now, const struct config *next, enum config_role role)
{
	if (now->group_counts[role] != next->group_counts[role])
		return true;
	for (size_t i = 0; i < now->group_counts[role]; i++) {
		if (strcmp(now->groups[role][i], next->groups[role][i]) != 0)
			return true;
	}
	return false;
}

static void note_role(
	struct supervisor *supervisor, const struct config *next, enum config_role role)
{
	char groups[CONFIG_GROUPS_MAX * 34] = "";
	struct json_object *data;
	struct audit_event event = {
		.event = "role-changed", .uid = geteuid(), .outcome = "success"};

	for (size_t i = 0; i < next->group_counts[role]; i++)
		add_kept(groups, sizeof(groups), next->groups[role][i]);
	data = events_data("role", config_role_name(role), "groups", groups, NULL);
	event.data = data;
	events_add(supervisor->events, &event);
	json_object_put(data);
}

/* Which groups have a role; who is in a group is the host's to report. */
static void note_roles(struct supervisor *supervisor, const struct config *next)
{
	for (enum config_role role = 0; role < CONFIG_ROLES; role++) {
		if (differs_in_role(supervisor->config, next, role))
			note_role(supervisor, next, role);
	}
}

int supervisor_reload(struct supervisor *supervisor, char *ret_kept, size_t kept_bytes,
	struct problem *reterr_problem)
{
	_cleanup_free_ struct config *next = malloc(sizeof(*next));
	bool reopens;
	int r;

	if (!next)
		return -ENOMEM;
	r = config_read(supervisor->impl->config_path, next, reterr_problem);
	if (r < 0)
		return r;
	list_kept(supervisor->config, next, ret_kept, kept_bytes);
	reopens = opens_otherwise(supervisor->config, next);
	note_roles(supervisor, next);
	pthread_mutex_lock(&supervisor->impl->config_lock);
	take(supervisor->config, next);
	pthread_mutex_unlock(&supervisor->impl->config_lock);
	if (reopens)
		events_reopen(supervisor->events);
	supervisor_ask_survey(supervisor);
	if (supervisor->impl->service)
		service_reload(supervisor->impl->service);
	return 0;
}

/* By a signal: of whom, the service does not know. */
static void note_reload(struct supervisor *supervisor, int r, const char *why, const char *kept)
{
	struct json_object *data = events_data("kept", kept[0] ? kept : NULL, NULL);
	const struct audit_event event = {
		.event = "configuration-changed",
		.uid = geteuid(),
		.outcome = r < 0 ? "failure" : "success",
		.detail = why,
		.data = data,
	};

	events_add(supervisor->events, &event);
	json_object_put(data);
}

static void on_hangup(struct supervisor *supervisor)
{
	struct problem problem = {""};
	char kept[200] = "";
	int r;

	notify_reloading(supervisor->impl->notify);
	r = supervisor_reload(supervisor, kept, sizeof(kept), &problem);
	note_reload(supervisor, r, r < 0 ? problem_text(&problem, r) : NULL, kept);
	if (r >= 0)
		service_reload(supervisor->impl->service);
	if (supervisor->impl->ready)
		notify_ready(supervisor->impl->notify);
}

/* --- the main loop --- */

/* True: to end. */
static bool take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;
	bool end = false;

	while (read(supervisor->impl->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			on_hangup(supervisor);
		else
			end = true;
	}
	return end;
}

static void take_wakes(struct supervisor *supervisor)
{
	uint64_t ignored;

	if (read(supervisor->impl->wake_fd, &ignored, sizeof(ignored)) < 0)
		return;
	tell_state(supervisor);
}

static void tend_mounter(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;

	if (supervisor->keeper_count > 0)
		atomic_store(&impl->mounter_is_there, mounter_child_tend(impl->mounter));
}

static bool is_past(uint64_t *deadline_ns, uint64_t every_ms)
{
	uint64_t now = clock_monotonic_ns();

	if (now < *deadline_ns)
		return false;
	*deadline_ns = now + every_ms * 1000000u;
	return true;
}

static void loop(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	uint64_t watchdog_ms = notify_watchdog_ms(impl->notify);
	uint64_t watchdog_ns = 0, extend_ns = 0, schedule_ns = 0;
	int tick_ms = watchdog_ms > 0 && watchdog_ms < TICK_MS ? (int)watchdog_ms : TICK_MS;

	while (!take_signals(supervisor)) {
		struct pollfd fds[] = {
			{.fd = impl->signal_fd, .events = POLLIN},
			{.fd = impl->wake_fd, .events = POLLIN},
			{.fd = mounter_child_fd(impl->mounter), .events = POLLIN},
			{.fd = impl->clock.fd, .events = POLLIN},
		};

		tend_mounter(supervisor);
		take_wakes(supervisor);
		supervisor_clock_tend(supervisor);
		tell_ready(supervisor);
		if (watchdog_ms > 0 && is_past(&watchdog_ns, watchdog_ms))
			feed_watchdog(supervisor);
		if (!impl->ready && is_past(&extend_ns, EXTEND_EVERY_MS))
			notify_extend(impl->notify, EXTEND_MS);
		if (is_past(&schedule_ns, SCHEDULE_MS))
			supervisor_check_schedule(supervisor);
		(void)poll(fds, ARRAY_SIZE(fds), tick_ms);
	}
}

/* --- stop --- */

/* Stopping may last as long as the batch under way; systemd is told that it goes on. */
static void *extend(void *argument)
{
	struct supervisor_impl *impl = argument;
	struct timespec until;

	pthread_mutex_lock(&impl->lock);
	while (impl->stopping) {
		notify_extend(impl->notify, EXTEND_MS);
		notify_watchdog(impl->notify);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += EXTEND_EVERY_MS / 1000;
		(void)pthread_cond_timedwait(&impl->news, &impl->lock, &until);
	}
	pthread_mutex_unlock(&impl->lock);
	return NULL;
}

static bool keeps_boot_keys(const struct config *config)
{
	for (size_t i = 0; i < config->volume_count; i++) {
		if (config->volumes[i].unlock == CONFIG_UNLOCK_BOOT_KEY)
			return true;
	}
	return false;
}

/*
 * Who waits for a keeper is let go first, so that the calls under way end.  Keepers tell the
 * retirer of their volumes to their end; its batch comes to its own after that.
 */
static void stop_parts(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->keeper_count; i++)
		keeper_stop(supervisor->keepers[i]);
	supervisor_stop_jobs(supervisor);
	supervisor_stop_survey(supervisor);
	supervisor_stop_tester(supervisor);
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		keeper_free(supervisor->keepers[i]);
		supervisor->keepers[i] = NULL;
	}
	supervisor->keeper_count = 0;
	supervisor_free_jobs(supervisor);
	/* The keys of this boot are in its memory and nowhere else. */
	if (!keeps_boot_keys(supervisor->config))
		mounter_child_release(supervisor->impl->mounter);
}

/* Durable, so that it is handed on before we end. */
static void note_stopped(struct supervisor *supervisor)
{
	const struct audit_event event = {
		.event = "service-stopped", .uid = geteuid(), .outcome = "success"};

	if (events_add_committed(supervisor->events, &event, 1, NULL) < 0)
		events_note(supervisor->events, "service-stopped", NULL, "success", NULL);
}

static void stop(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	pthread_t extender;
	bool extends;

	notify_stopping(impl->notify);
	state_set_stopped(supervisor->state);
	tell_state(supervisor);
	impl->stopping = true;
	extends = pthread_create(&extender, NULL, extend, impl) == 0;
	stop_parts(supervisor);
	pthread_mutex_lock(&impl->lock);
	impl->stopping = false;
	pthread_cond_broadcast(&impl->news);
	pthread_mutex_unlock(&impl->lock);
	if (extends)
		pthread_join(extender, NULL);
	note_stopped(supervisor);
	supervisor_stop_export(supervisor);
}

/* --- its life --- */

static int catch_signals(struct supervisor_impl *impl)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* In every thread: they are read here. */
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -EINVAL;
	(void)signal(SIGPIPE, SIG_IGN);
	impl->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (impl->signal_fd < 0)
		return -errno;
	impl->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return impl->wake_fd < 0 ? -errno : supervisor_clock_open(&impl->clock);
}

static int make_keepers(struct supervisor *supervisor)
{
	struct keeper_options options = {
		.mounter_path = supervisor->impl->mounter_socket,
		.state_directory = supervisor->config->state_directory,
		.state = supervisor->state,
		.events = supervisor->events,
		.changed = supervisor_on_keeper,
		.key = supervisor_on_key,
		.context = supervisor,
	};
	int r = 0;

	for (size_t i = 0; i < supervisor->config->volume_count && r >= 0; i++) {
		options.volume = &supervisor->config->volumes[i];
		r = keeper_new(&options, &supervisor->keepers[i]);
		supervisor->keeper_count += r >= 0;
	}
	return r;
}

static int open_directories(struct supervisor *supervisor, struct problem *reterr_problem)
{
	const char *directory = supervisor->config->state_directory;
	int r;

	/* Auditors read the log below it, everybody the device's public key. */
	r = make_directory(directory, 0711, reterr_problem);
	if (r >= 0)
		r = lock_directory(directory, &supervisor->impl->state_lock, reterr_problem);
	if (r >= 0)
		open_to_pass(supervisor->impl->state_lock);
	if (r >= 0)
		r = open_runtime_directory(supervisor->impl, reterr_problem);
	return r;
}

bool supervisor_follows_cups(const struct config *config)
{
	bool has = false;

	for (size_t i = 0; i < config->volume_count; i++)
		has = has || config_has_cups_spool(config, &config->volumes[i]);
	return has;
}

/*
 * A ledger that cannot be opened keeps nobody from opening volumes, or from being told why: no
 * claim is made without it.
 */
static void open_ledger(struct supervisor *supervisor)
{
	struct problem problem = {""};
	int r = ledger_open(supervisor->config->state_directory, &supervisor->ledger, &problem);

	if (r < 0) {
		supervisor->ledger = NULL;
		state_raise(supervisor->state, STATE_STOPS_CLAIMS, "ledger",
			"the ledger of jobs cannot be opened: %s; see to it, then restart the "
			"service",
			problem_text(&problem, r));
		events_note_fault(supervisor->events, "ledger", NULL, problem_text(&problem, r));
	} else if (ledger_damaged_lines(supervisor->ledger) > 0) {
		state_raise(supervisor->state, STATE_ATTENTION, "ledger",
			"%llu lines of the ledger of jobs were damaged; the file as it was is kept "
			"as %.200s/ledger.damaged",
			(unsigned long long)ledger_damaged_lines(supervisor->ledger),
			supervisor->config->state_directory);
		events_note_fault(supervisor->events, "ledger", NULL,
			"lines of it were damaged; it is kept as ledger.damaged");
	}
}

static int make_policy(struct supervisor *supervisor, struct problem *reterr_problem)
{
	struct policy_intake intake;
	struct policy_options options = {
		.config = supervisor->config,
		.state = supervisor->state,
		.events = supervisor->events,
	};
	int r;

	if (supervisor_follows_cups(supervisor->config)) {
		r = policy_cups_new(supervisor->config->cups_server, &intake, reterr_problem);
		if (r < 0)
			return r;
		options.intake = &intake;
	}
	return policy_new(&options, &supervisor->policy);
}

/* Started by it, and not merely below something that it started. */
static bool is_under_systemd(const struct supervisor_impl *impl)
{
	return getenv("INVOCATION_ID") && notify_has_listener(impl->notify);
}

static int make_parts(struct supervisor *supervisor, struct problem *reterr_problem)
{
	struct supervisor_impl *impl = supervisor->impl;
	int r;

	r = open_directories(supervisor, reterr_problem);
	if (r >= 0)
		r = state_new(on_state, supervisor, &supervisor->state);
	if (r >= 0)
		r = events_new(supervisor->config->state_directory, &supervisor->events);
	if (r >= 0)
		r = supervisor_start_log(supervisor);
	if (r >= 0) {
		open_ledger(supervisor);
		r = make_policy(supervisor, reterr_problem);
	}
	if (r >= 0)
		r = mounter_socket(impl->mounter_socket);
	if (r >= 0)
		r = mounter_child_new(impl->config_path, impl->mounter_socket,
			is_under_systemd(impl), supervisor->events, &impl->mounter);
	if (r >= 0)
		r = make_keepers(supervisor);
	if (r >= 0)
		r = supervisor_make_jobs(supervisor, reterr_problem);
	return r;
}

static int make_impl(const char *config_path, struct supervisor *supervisor)
{
	struct supervisor_impl *impl = calloc(1, sizeof(*impl));
	pthread_condattr_t attributes;
	int r;

	if (!impl)
		return -ENOMEM;
	supervisor->impl = impl;
	impl->state_lock = impl->runtime_lock = impl->signal_fd = impl->wake_fd = -1;
	impl->clock.fd = -1;
	impl->told = STATE_SELF_TEST;
	pthread_mutex_init(&impl->lock, NULL);
	pthread_mutex_init(&impl->run_lock, NULL);
	pthread_mutex_init(&impl->volumes_lock, NULL);
	pthread_mutex_init(&impl->config_lock, NULL);
	pthread_cond_init(&impl->news, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&impl->survey_news, &attributes);
	pthread_condattr_destroy(&attributes);
	if (!realpath(config_path, impl->config_path)) /* the default, and not there */
		snprintf(impl->config_path, sizeof(impl->config_path), "%s", config_path);
	r = notify_new(&impl->notify);
	return r < 0 ? r : catch_signals(impl);
}

int supervisor_new(
	const char *config_path, struct supervisor **ret_supervisor, struct problem *reterr_problem)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r = -ENOMEM;

	if (supervisor)
		supervisor->config = malloc(sizeof(*supervisor->config));
	if (supervisor && supervisor->config)
		r = config_read(config_path, supervisor->config, reterr_problem);
	if (r >= 0)
		r = make_impl(config_path, supervisor);
	if (r >= 0)
		r = make_parts(supervisor, reterr_problem);
	if (r < 0) {
		supervisor_free(supervisor);
		return r;
	}
	*ret_supervisor = supervisor;
	return 0;
}

static void note_start(struct supervisor *supervisor)
{
	char build[BUILD_ID_BYTES];
	struct json_object *data =
		events_data("version", SPOOLGUARD_VERSION, "build", build_id(build), NULL);
	const struct audit_event event = {
		.event = "service-started",
		.uid = geteuid(),
		.outcome = "success",
		.data = data,
	};

	events_add(supervisor->events, &event);
	json_object_put(data);
}

int supervisor_run(struct supervisor *supervisor, struct problem *reterr_problem)
{
	int r;

	note_start(supervisor);
	tend_mounter(supervisor);
	supervisor_start_export(supervisor);
	r = supervisor_start_jobs(supervisor);
	if (r >= 0)
		r = supervisor_start_tester(supervisor);
	if (r >= 0)
		r = supervisor_start_survey(supervisor);
	if (r >= 0)
		loop(supervisor);
	else
		problem_set(reterr_problem, r, "no thread could be started: %s", strerror(-r));
	stop(supervisor);
	return r;
}

static void free_impl(struct supervisor_impl *impl)
{
	if (!impl)
		return;
	mounter_child_free(impl->mounter);
	notify_free(impl->notify);
	harness_report_free(impl->last);
	io_closep(&impl->signal_fd);
	io_closep(&impl->wake_fd);
	io_closep(&impl->clock.fd);
	io_closep(&impl->state_lock);
	io_closep(&impl->runtime_lock);
	free(impl->metrics);
	pthread_cond_destroy(&impl->survey_news);
	pthread_cond_destroy(&impl->news);
	pthread_mutex_destroy(&impl->config_lock);
	pthread_mutex_destroy(&impl->volumes_lock);
	pthread_mutex_destroy(&impl->run_lock);
	pthread_mutex_destroy(&impl->lock);
	free(impl);
}

void supervisor_free(struct supervisor *supervisor)
{
	if (!supervisor)
		return;
	if (supervisor->impl)
		supervisor_free_jobs(supervisor);
	for (size_t i = 0; i < supervisor->keeper_count; i++)
		keeper_free(supervisor->keepers[i]);
	policy_free(supervisor->policy);
	ledger_close(supervisor->ledger);
	events_free(supervisor->events);
	device_keys_free(supervisor_keys(supervisor));
	state_free(supervisor->state);
	free_impl(supervisor->impl);
	free(supervisor->config);
	free(supervisor);
}
