/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_fixture.h - a service with real events, state and ledger, and two volumes that are
 * directories
 *
 * Keepers, retirer, self-tests and sweeps are played here: what was asked of them is counted, and
 * a gate holds each of them in mid-call.  Callers of other users are made by a thread that changes
 * its own uid and groups for the moment in which it connects, as the kernel looks then.
 */
#ifndef SPOOLGUARD_TESTS_SUPERVISOR_SERVICE_FIXTURE_H
#define SPOOLGUARD_TESTS_SUPERVISOR_SERVICE_FIXTURE_H

#include "attached/sweep_volume.h"
#include "base/clock.h"
#include "base/io.h"
#include "ipc/channel.h"
#include "ipc/server.h"
#include "supervisor/closure.h"
#include "supervisor/ledger.h"
#include "supervisor/retirer.h"
#include "supervisor/roles.h"
#include "supervisor/service.h"
#include "supervisor/supervisor.h"
#include "supervisor/wipe.h"
#include "tests/support/events_rig.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALICE  12001u /* pipeline */
#define BOB    12002u /* pipeline */
#define PREFIX "io.spoolguard."

static char directory[PATH_MAX], socket_path[PATH_MAX + 16];
static struct supervisor supervisor;
static struct config config;
static struct service *service;

static may_be_unused void wait_until(bool (*holds)(void))
{
	for (int i = 0; i < 20000 && !holds(); i++)
		usleep(1000);
	ck_assert(holds());
}

/* --- keepers --- */

struct keeper {
	enum keeper_state state;
	const struct config_volume *volume;
	struct runtime_state runtime;
	uint64_t owed_bytes;
};

static struct keeper keepers[2];
static atomic_bool volume_hangs;
static atomic_uint volume_hung;
static char passphrase[64]; /* that came by a descriptor */

enum keeper_state keeper_state(struct keeper *keeper)
{
	return keeper->state;
}

const char *keeper_state_text(enum keeper_state state)
{
	return state == KEEPER_OPEN ? "open" : state == KEEPER_LOCKED ? "locked" : "closed";
}

const struct config_volume *keeper_volume(const struct keeper *keeper)
{
	return keeper->volume;
}

int keeper_runtime(struct keeper *keeper, struct runtime_state *ret_state)
{
	if (keeper->state != KEEPER_OPEN)
		return -ENOTCONN;
	*ret_state = keeper->runtime;
	return 0;
}

struct json_object *keeper_to_json(struct keeper *keeper)
{
	struct json_object *out = json_object_new_object(), *volume;

	while (atomic_load(&volume_hangs)) {
		atomic_fetch_add(&volume_hung, 1);
		usleep(1000);
	}
	json_object_object_add(out, "name", json_object_new_string(keeper->volume->name));
	if (keeper->state == KEEPER_OPEN) {
		volume = json_object_new_object();
		json_object_object_add(
			volume, "owed_bytes", json_object_new_uint64(keeper->owed_bytes));
		json_object_object_add(
			volume, "residue", json_object_new_uint64(keeper->owed_bytes / 4096));
		json_object_object_add(volume, "oldest_owed_seconds",
			json_object_new_uint64(keeper->owed_bytes ? 7 : 0));
		json_object_object_add(out, "volume", volume);
	}
	return out;
}

struct keeper *supervisor_find_uuid(struct supervisor *all, const char *uuid)
{
	for (size_t i = 0; i < all->keeper_count; i++) {
		if (keepers[i].state == KEEPER_OPEN && strcmp(keepers[i].runtime.uuid, uuid) == 0)
			return &keepers[i];
	}
	return NULL;
}

const char *keeper_object(struct keeper *keeper, char buf[static KEEPER_OBJECT_BYTES])
{
	snprintf(buf, KEEPER_OBJECT_BYTES, "%s", keeper->runtime.uuid);
	return buf;
}

int keeper_attach(struct keeper *keeper, int passphrase_fd, struct problem *reterr_problem)
{
	passphrase[0] = '\0';
	if (passphrase_fd >= 0) {
		ssize_t n = read(passphrase_fd, passphrase, sizeof(passphrase) - 1);

		close(passphrase_fd);
		passphrase[n > 0 ? n : 0] = '\0';
		if (strcmp(passphrase, "right") != 0)
			return problem_set(
				reterr_problem, -EACCES, "that passphrase opens nothing");
	}
	keeper->state = KEEPER_OPEN;
	return 0;
}

int keeper_detach(struct keeper *keeper, struct problem *reterr_problem)
{
	if (keeper->state != KEEPER_OPEN)
		return problem_set(reterr_problem, -ENOTCONN, "it is not open");
	keeper->state = KEEPER_CLOSED;
	return 0;
}

struct keeper *supervisor_find_keeper(struct supervisor *all, const char *volume)
{
	for (size_t i = 0; i < all->keeper_count; i++) {
		if (strcmp(keepers[i].volume->name, volume) == 0)
			return &keepers[i];
	}
	return NULL;
}

static int close_error;		/* what keeper_close_for_good() says */
static char closed_as[40];	/* the UUID that it was told last */
static bool closed_when_closed; /* the record said so before */

int keeper_close_for_good(struct keeper *keeper, const char *uuid, struct problem *reterr_problem)
{
	if (close_error < 0)
		return problem_set(reterr_problem, close_error, "somebody has a file open");
	snprintf(closed_as, sizeof(closed_as), "%s", uuid);
	closed_when_closed =
		closure_state(config.state_directory, keeper->volume->name) == CLOSURE_CLOSED;
	keeper->state = KEEPER_DECOMMISSIONED;
	return 0;
}

/* --- retirer --- */

#define AWAITED_MAX 512

static struct {
	uint64_t number;
	void (*done)(void *context, const struct ledger_job *job);
	void *context;
} awaited[AWAITED_MAX];
static size_t awaited_count;
static pthread_mutex_t awaited_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint wakes;

void retirer_wake(struct retirer *retirer)
{
	(void)retirer;
	atomic_fetch_add(&wakes, 1);
}

static bool is_over(enum ledger_state state)
{
	return state == LEDGER_RETIRED || state == LEDGER_FAILED || state == LEDGER_HELD;
}

int retirer_await(struct retirer *retirer, uint64_t number,
	void (*done)(void *context, const struct ledger_job *job), void *context)
{
	struct ledger_job job;

	(void)retirer;
	ck_assert_int_eq(ledger_get(supervisor.ledger, number, &job), 0);
	if (is_over(job.state)) {
		done(context, &job);
	} else {
		pthread_mutex_lock(&awaited_lock);
		ck_assert_uint_lt(awaited_count, AWAITED_MAX);
		awaited[awaited_count].number = number;
		awaited[awaited_count].done = done;
		awaited[awaited_count++].context = context;
		pthread_mutex_unlock(&awaited_lock);
	}
	ledger_job_done(&job);
	return 0;
}

void retirer_forget(struct retirer *retirer, void *context)
{
	(void)retirer;
	pthread_mutex_lock(&awaited_lock);
	for (size_t i = 0; i < awaited_count;) {
		if (awaited[i].context == context)
			awaited[i] = awaited[--awaited_count];
		else
			i++;
	}
	pthread_mutex_unlock(&awaited_lock);
}

static may_be_unused size_t count_awaited(void)
{
	size_t count;

	pthread_mutex_lock(&awaited_lock);
	count = awaited_count;
	pthread_mutex_unlock(&awaited_lock);
	return count;
}

/* What the retirer's thread does when a job comes to its end. */
static may_be_unused void end_job(uint64_t number, enum ledger_state state, const char *why)
{
	struct json_object *receipt = NULL;
	struct ledger_job job;

	if (state == LEDGER_RETIRED) {
		receipt = json_object_new_object();
		json_object_object_add(receipt, "number", json_object_new_uint64(number));
		ck_assert_int_eq(
			ledger_set(supervisor.ledger, number, LEDGER_RETIRING, NULL, NULL), 0);
	}
	ck_assert_int_eq(ledger_set(supervisor.ledger, number, state, why, receipt), 0);
	ck_assert_int_eq(ledger_get(supervisor.ledger, number, &job), 0);
	pthread_mutex_lock(&awaited_lock);
	for (size_t i = 0; i < awaited_count;) {
		if (awaited[i].number == number) {
			awaited[i].done(awaited[i].context, &job);
			awaited[i] = awaited[--awaited_count];
		} else {
			i++;
		}
	}
	pthread_mutex_unlock(&awaited_lock);
	ledger_job_done(&job);
}

/* --- self-tests, reload, sweeps --- */

static atomic_bool long_work_waits;
static atomic_uint long_work_runs;

static struct harness_report *make_report(void)
{
	struct harness_report *report = calloc(1, sizeof(*report));

	report->results = calloc(2, sizeof(*report->results));
	report->count = 2;
	strcpy(report->id, "00112233445566778899aabbccddeeff");
	strcpy(report->results[0].name, "aes/xts");
	strcpy(report->results[1].name, "host/swap");
	report->results[1].verdict = HARNESS_FAILED;
	report->results[1].weight = HARNESS_HOST;
	strcpy(report->results[1].remedy, "swapoff -a");
	report->claims = true;
	report->degraded = true;
	return report;
}

int supervisor_test(struct supervisor *all, unsigned int groups, const char *inject,
	struct harness_report **ret_report, struct problem *reterr_problem)
{
	(void)all;
	(void)groups;
	if (inject)
		return problem_set(reterr_problem, -EPERM, "a volume is open");
	*ret_report = make_report();
	return 0;
}

struct harness_report *supervisor_last_report(struct supervisor *all)
{
	(void)all;
	return make_report();
}

int supervisor_reload(
	struct supervisor *all, char *ret_kept, size_t kept_bytes, struct problem *reterr_problem)
{
	(void)all;
	(void)reterr_problem;
	snprintf(ret_kept, kept_bytes, "service/socket");
	return 0;
}

/* --- wipes --- */

static struct wipe_request wiped; /* the last one asked for */
static char wiped_as[64];
static atomic_uint wipes_done;

int wipe_run(struct supervisor *all, const struct wipe_request *request,
	const struct progress_sink *sink, struct json_object **ret_report,
	struct problem *reterr_problem)
{
	struct progress progress = {.what = "files", .done_bytes = 1, .total_bytes = 3};

	(void)all;
	wiped = *request;
	snprintf(wiped_as, sizeof(wiped_as), "%s %u %s", request->role, request->uid,
		request->volume);
	if (request->passphrase_fd >= 0)
		close(request->passphrase_fd);
	if (!request->dry_run && !request->confirm)
		return problem_set(reterr_problem, -EINVAL, "confirm with the volume's name");
	do {
		ck_assert(!progress_report(sink, &progress)); /* nobody stops it */
		usleep(1000);
	} while (atomic_load(&long_work_waits));
	*ret_report = json_object_new_object();
	json_object_object_add(*ret_report, "result", json_object_new_string("successful"));
	atomic_fetch_add(&wipes_done, 1);
	return 0;
}

static bool wipe_under_way;

int wipe_exclude(struct supervisor *all, struct problem *reterr_problem)
{
	(void)all;
	return wipe_under_way ? problem_set(reterr_problem, -EBUSY, "a wipe is under way") : 0;
}

void wipe_allow(void)
{
}

int sweep_volume(const struct runtime_state *state, const struct progress_sink *sink,
	struct sweep_report *ret_report, struct problem *reterr_problem)
{
	struct progress progress = {.what = "overwriting", .done_bytes = 1, .total_bytes = 3};

	(void)state;
	if (progress_report(sink, &progress))
		return problem_set(reterr_problem, -ECANCELED, "cancelled");
	atomic_fetch_add(&long_work_runs, 1);
	while (atomic_load(&long_work_waits)) {
		if (progress_report(sink, &progress)) {
			atomic_fetch_sub(&long_work_runs, 1);
			return problem_set(reterr_problem, -ECANCELED, "cancelled");
		}
		usleep(1000);
	}
	atomic_fetch_sub(&long_work_runs, 1);
	*ret_report = (struct sweep_report){.took_ms = 5};
	return 0;
}

void sweep_report_done(struct sweep_report *report)
{
	(void)report;
}

const char *sweep_verdict_name(enum sweep_verdict verdict)
{
	return verdict == SWEEP_WHOLE ? "whole" : "not whole";
}

struct json_object *sweep_report_to_json(
	const struct runtime_state *state, const struct sweep_report *report)
{
	struct json_object *out = json_object_new_object();

	(void)state;
	json_object_object_add(out, "took_ms", json_object_new_uint64(report->took_ms));
	return out;
}

/* --- the whole --- */

static void give(enum config_role role, const char *group)
{
	strcpy(config.groups[role][config.group_counts[role]++], group);
}

static void make_volume(size_t index, const char *name)
{
	struct config_volume *volume = &config.volumes[index];
	struct keeper *keeper = &keepers[index];
	_cleanup_secret_ struct secret *key = NULL;

	snprintf(volume->name, sizeof(volume->name), "%s", name);
	snprintf(volume->medium, sizeof(volume->medium), "%.4000s/%s.img", directory, name);
	snprintf(volume->mount, sizeof(volume->mount), "%.4000s/%s", directory, name);
	ck_assert_int_eq(mkdir(volume->mount, 0777), 0);
	ck_assert_int_eq(chmod(volume->mount, 0777), 0);
	*keeper = (struct keeper){.state = KEEPER_OPEN, .volume = volume};
	snprintf(keeper->runtime.uuid, sizeof(keeper->runtime.uuid),
		"00000000-0000-4000-8000-00000000000%zu", index);
	snprintf(keeper->runtime.path, sizeof(keeper->runtime.path), "%s", volume->medium);
	snprintf(keeper->runtime.mount, sizeof(keeper->runtime.mount), "%s", volume->mount);
	supervisor.keepers[index] = keeper;
	supervisor.keeper_count = index + 1;
	ck_assert_int_eq(secret_new_random(32, &key), 0);
	ck_assert_int_eq(ledger_set_key(supervisor.ledger, keeper->runtime.uuid, key), 0);
}

static void start_service(void)
{
	struct service_options options = {.supervisor = &supervisor};

	ck_assert_int_eq(channel_listen(socket_path, &options.listen_fd), 0);
	ck_assert_int_eq(chmod(socket_path, 0666), 0);
	ck_assert_int_eq(service_new(&options, &service), 0);
	ck_assert_int_eq(service_start(service), 0);
}

static void on_state_changed(void *context)
{
	(void)context;
	if (service)
		service_changed(service);
}

static void setup(void)
{
	static int number;
	struct problem problem = {""};
	int null = open("/dev/null", O_WRONLY);

	ck_assert_int_eq(chmod(scratch_path(), 0755), 0);
	snprintf(directory, sizeof(directory), "%s/service-%d-%d", scratch_path(), getpid(),
		number++);
	ck_assert_int_eq(mkdir(directory, 0755), 0);
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	dup2(null, STDERR_FILENO); /* each event is echoed there */
	close(null);
	give(CONFIG_PIPELINE, "lp");
	give(CONFIG_OPERATOR, "tty");
	give(CONFIG_TECHNICIAN, "disk");
	give(CONFIG_ADMINISTRATOR, "staff");
	give(CONFIG_AUDITOR, "adm");
	snprintf(config.state_directory, sizeof(config.state_directory), "%s", directory);
	supervisor.config = &config;
	ck_assert_int_eq(state_new(on_state_changed, NULL, &supervisor.state), 0);
	supervisor.events = events_rig_open(directory);
	supervisor.keys = events_rig_keys();
	ck_assert_int_eq(ledger_open(directory, &supervisor.ledger, &problem), 0);
	make_volume(0, "spool");
	start_service();
}

static may_be_unused void stop_service(void)
{
	service_free(service);
	service = NULL;
	unlink(socket_path);
}

static void teardown(void)
{
	atomic_store(&long_work_waits, false);
	atomic_store(&volume_hangs, false);
	stop_service();
	ledger_close(supervisor.ledger);
	events_rig_close(supervisor.events);
	state_free(supervisor.state);
}

/* --- callers --- */

static gid_t group_of(enum config_role role)
{
	static const char *const names[] = {
		[CONFIG_PIPELINE] = "lp",
		[CONFIG_OPERATOR] = "tty",
		[CONFIG_TECHNICIAN] = "disk",
		[CONFIG_ADMINISTRATOR] = "staff",
		[CONFIG_AUDITOR] = "adm",
	};
	struct group *group = getgrnam(names[role]);

	ck_assert_ptr_nonnull(group);
	return group->gr_gid;
}

static struct channel *dial(void)
{
	struct channel *channel;

	ck_assert_int_eq(channel_connect(socket_path, &channel), 0);
	return channel;
}

/* The calling thread alone is that user for a moment: the C library's own would change all. */
static may_be_unused struct channel *dial_as(uid_t uid, int role)
{
	gid_t group = role >= 0 ? group_of((enum config_role)role) : 0;
	struct channel *channel;

	ck_assert_int_eq(syscall(SYS_setgroups, role >= 0 ? 1 : 0, &group), 0);
	ck_assert_int_eq(syscall(SYS_setresgid, 12345, 12345, 0), 0);
	ck_assert_int_eq(syscall(SYS_setresuid, uid, uid, 0), 0);
	channel = dial();
	ck_assert_int_eq(syscall(SYS_setresuid, 0, 0, 0), 0);
	ck_assert_int_eq(syscall(SYS_setresgid, 0, 0, 0), 0);
	return channel;
}

static struct json_object *parse(const char *format, ...) format_printf(1, 2);

static may_be_unused struct json_object *parse(const char *format, ...)
{
	struct json_object *object;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	ck_assert_int_ge(vasprintf(&text, format, arguments), 0);
	va_end(arguments);
	object = json_tokener_parse(text);
	ck_assert_msg(object != NULL, "%s", text);
	free(text);
	return object;
}

/* Takes parameters; the answer, or the error, must come within ten seconds. */
static struct message call(struct channel *channel, const char *method, struct json_object *in)
{
	_cleanup_free_ char *text = NULL;
	struct message answer;
	char name[64];
	int r;

	snprintf(name, sizeof(name), PREFIX "%s", method);
	ck_assert_int_eq(message_encode_call(name, in, &text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	r = channel_receive(channel, 10000, &answer);
	ck_assert_msg(r == 0, "%s: %s", method, strerror(-r));
	return answer;
}

static const char *text_of(const struct message *answer)
{
	const char *text = "";

	(void)message_get_string(answer->parameters, "text", &text);
	return text;
}

static may_be_unused void assert_done(struct message answer)
{
	ck_assert_msg(!answer.error, "%s: %s", answer.error, text_of(&answer));
	message_done(&answer);
}

/* The error, and words in its text (NULL: any). */
static void assert_error(struct message answer, const char *error, const char *words)
{
	ck_assert_msg(answer.error != NULL, "no error, but %s",
		json_object_to_json_string(answer.parameters));
	ck_assert_msg(strcmp(answer.error, error) == 0, "%s: %s", answer.error, text_of(&answer));
	if (words)
		ck_assert_msg(strstr(text_of(&answer), words) != NULL, "%s", text_of(&answer));
	message_done(&answer);
}

#define assert_refused(answer, words)	assert_error(answer, PREFIX "Refused", words)
#define assert_forbidden(answer, words) assert_error(answer, PREFIX "PermissionDenied", words)

/* {"job":{...}}: its state, and its number. */
static may_be_unused uint64_t assert_job(struct message answer, const char *state)
{
	struct json_object *job;
	const char *text = "";
	uint64_t number = 0;

	ck_assert_msg(!answer.error, "%s: %s", answer.error, text_of(&answer));
	job = json_object_object_get(answer.parameters, "job");
	ck_assert(message_get_string(job, "state", &text));
	ck_assert_str_eq(text, state);
	ck_assert(message_get_u64(job, "job", &number));
	message_done(&answer);
	return number;
}

static may_be_unused void make_file(char path[static PATH_MAX], const char *name, uid_t uid)
{
	int fd;

	snprintf(path, PATH_MAX, "%.2000s/%.1000s", config.volumes[0].mount, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, "job", 3), 0);
	ck_assert_int_eq(fchown(fd, uid, 12345), 0);
	close(fd);
}

static may_be_unused size_t count_events(const char *name)
{
	return events_rig_count(supervisor.events, name);
}

/* What a test program's main() does. */
static int run_suite(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create("callers");
	SRunner *runner;
	int failed;

	if (getuid() != 0) {
		printf("skipped: it calls as other users, which only root can\n");
		return 77;
	}
	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
