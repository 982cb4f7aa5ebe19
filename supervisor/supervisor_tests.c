/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor_tests.c - the tester: a thread that runs the self-tests, and what follows from them
 *
 *   the first run (all but media) -> keepers start, if every algorithm passed (X1)
 *   a volume opens -> its medium -> jobs on it begin
 *   on schedule -> all of it again
 *
 * A failure of weight CLAIM stops claims until a run of that very test passes (E2); of weight
 * HOST it is a reason to be DEGRADED.  A run of some tests says nothing of the others.
 */
#include "attached/selftest_port.h"
#include "base/clock.h"
#include "ipc/fields.h"
#include "supervisor/mounter_client.h"
#include "supervisor/retirer.h"
#include "supervisor/supervisor_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PULSE_MS	60000u
#define MOUNTER_WAIT_MS 15000u /* for a mounter to be there, before keepers begin all the same */
#define STEP_US		100000
#define KEY_FILES	"host/key-files"
#define ALGORITHM	"algorithm/"

/* --- the parts of a run --- */

/* What harness_run() is given of volumes; the clients live as long. */
struct subjects {
	struct harness_volume volumes[CONFIG_VOLUMES_MAX];
	struct client *clients[CONFIG_VOLUMES_MAX];
	char *mounts[CONFIG_VOLUMES_MAX]; /* or NULL */
	size_t count;
	const char *key_files[CONFIG_VOLUMES_MAX + 1];
};

static void add_subject(struct subjects *subjects, struct keeper *keeper)
{
	const struct config_volume *volume = keeper_volume(keeper);
	struct harness_volume *subject = &subjects->volumes[subjects->count];
	struct runtime_state runtime;
	struct client *client = NULL;
	char *mount = NULL;

	*subject = (struct harness_volume){.name = volume->name, .path = volume->medium};
	if (keeper_runtime(keeper, &runtime) >= 0) {
		if (client_connect(runtime.uuid, &client) < 0)
			client = NULL; /* it is gone: the port says so */
		subject->port = &selftest_port;
		subject->context = client;
		mount = runtime.mount[0] ? strdup(runtime.mount) : NULL;
		subject->mount = mount;
	} else if (access(volume->medium, F_OK) < 0) {
		return; /* absent: there is nothing to test */
	}
	subjects->mounts[subjects->count] = mount;
	subjects->clients[subjects->count++] = client;
}

/* only: NULL: all volumes. */
static void list_subjects(
	struct supervisor *supervisor, struct keeper *only, struct subjects *subjects)
{
	size_t files = 0;

	*subjects = (struct subjects){.count = 0};
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		const struct config_volume *volume = keeper_volume(supervisor->keepers[i]);

		if (!only || only == supervisor->keepers[i])
			add_subject(subjects, supervisor->keepers[i]);
		if (volume->unlock == CONFIG_UNLOCK_KEY_FILE)
			subjects->key_files[files++] = volume->key_file;
	}
}

static void drop_subjects(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++) {
		client_free(subjects->clients[i]);
		free(subjects->mounts[i]);
	}
}

static bool is_any_attached(void)
{
	struct runtime_state ignored;

	return runtime_at(0, &ignored) != -ENOENT;
}

/* --- what follows --- */

static void describe(const struct harness_result *result, char *key, char *text, size_t text_bytes)
{
	snprintf(key, HARNESS_NAME_BYTES + HARNESS_SUBJECT_BYTES + 16, "selftest:%s%s%s",
		result->name, result->subject[0] ? ":" : "", result->subject);
	snprintf(text, text_bytes, "self-test %s%s%s %s: %.200s%s%.200s", result->name,
		result->subject[0] ? " of " : "", result->subject,
		result->verdict == HARNESS_FAILED ? "failed" : "could not be made", result->detail,
		result->remedy[0] ? "; " : "", result->remedy);
}

static void note_failed(struct supervisor *supervisor, const struct harness_result *result,
	const char *test, const char *text)
{
	struct json_object *data = events_data(
		"test", test, "weight", result->weight == HARNESS_CLAIM ? "claim" : "host", NULL);
	const struct audit_event event = {
		.event = "selftest-failed",
		.uid = geteuid(),
		.outcome = "failure",
		.detail = text,
		.data = data,
	};

	events_add(supervisor->events, &event);
	json_object_put(data);
}

static void apply_result(struct supervisor *supervisor, const struct harness_result *result)
{
	char key[HARNESS_NAME_BYTES + HARNESS_SUBJECT_BYTES + 16];
	char text[2 * HARNESS_DETAIL_BYTES];

	describe(result, key, text, sizeof(text));
	if (!harness_result_is_bad(result)) {
		state_clear(supervisor->state, key);
		return;
	}
	if (strcmp(result->name, KEY_FILES) == 0)
		return; /* each volume's keeper says it of its own, and takes it back */
	state_raise(supervisor->state,
		result->weight == HARNESS_CLAIM ? STATE_STOPS_CLAIMS : STATE_ATTENTION, key, "%s",
		text);
	note_failed(supervisor, result, key + strlen("selftest:"), text);
}

static void keep_report(struct supervisor *supervisor, struct harness_report *report)
{
	struct harness_report *before;

	pthread_mutex_lock(&supervisor->impl->lock);
	before = supervisor->impl->last;
	supervisor->impl->last = report;
	supervisor->impl->tested_wall_s = clock_wall_s();
	pthread_mutex_unlock(&supervisor->impl->lock);
	harness_report_free(before);
	if (supervisor->retirer && report->claims)
		retirer_set_selftest(supervisor->retirer, report->id);
}

static struct harness_report *copy_report(const struct harness_report *report)
{
	struct harness_report *copy = report ? malloc(sizeof(*copy)) : NULL;

	if (!copy)
		return NULL;
	*copy = *report;
	copy->results = malloc((report->count ? report->count : 1) * sizeof(*copy->results));
	if (!copy->results) {
		free(copy);
		return NULL;
	}
	if (report->count > 0)
		memcpy(copy->results, report->results, report->count * sizeof(*copy->results));
	return copy;
}

struct harness_report *supervisor_last_report(struct supervisor *supervisor)
{
	struct harness_report *copy;

	pthread_mutex_lock(&supervisor->impl->lock);
	copy = copy_report(supervisor->impl->last);
	pthread_mutex_unlock(&supervisor->impl->lock);
	return copy;
}

static void note_run(struct supervisor *supervisor, const struct harness_report *report, size_t bad)
{
	struct json_object *data = events_data("id", report->id, NULL);
	const struct audit_event event = {
		.event = "selftest",
		.uid = geteuid(),
		.outcome = report->claims ? "success" : "failure",
		.data = data,
	};

	fields_add_u64(data, "tests", report->count);
	fields_add_u64(data, "bad", bad);
	fields_add_u64(data, "took_ms", report->took_ms);
	events_add(supervisor->events, &event);
	json_object_put(data);
}

static void apply(struct supervisor *supervisor, const struct harness_report *report)
{
	size_t bad = 0;

	if (report->injected)
		return;
	for (size_t i = 0; i < report->count; i++) {
		bad += harness_result_is_bad(&report->results[i]);
		apply_result(supervisor, &report->results[i]);
	}
	state_clear(supervisor->state, "selftest");
	note_run(supervisor, report, bad);
}

static bool has_algorithms_passed(const struct harness_report *report)
{
	size_t count = 0;

	for (size_t i = 0; i < report->count; i++) {
		if (strncmp(report->results[i].name, ALGORITHM, strlen(ALGORITHM)) != 0)
			continue;
		if (harness_result_is_bad(&report->results[i]))
			return false;
		count++;
	}
	return count > 0;
}

static void start_keepers(struct supervisor *supervisor)
{
	bool first;

	pthread_mutex_lock(&supervisor->impl->lock);
	first = !supervisor->impl->keepers_started && !supervisor->impl->stop;
	supervisor->impl->keepers_started |= first;
	pthread_mutex_unlock(&supervisor->impl->lock);
	for (size_t i = 0; first && i < supervisor->keeper_count; i++) {
		if (keeper_start(supervisor->keepers[i]) < 0)
			events_note_fault(supervisor->events, "keeper",
				keeper_volume(supervisor->keepers[i])->name,
				"no thread could be started for it; restart the service");
	}
}

/* --- a run --- */

static int run(struct supervisor *supervisor, unsigned int groups, struct keeper *only,
	const char *inject, struct harness_report **ret_report, struct problem *reterr_problem)
{
	struct harness_options options = {.groups = groups, .inject = inject};
	struct subjects subjects;
	int r;

	pthread_mutex_lock(&supervisor->impl->run_lock);
	list_subjects(supervisor, only, &subjects);
	options.volumes = subjects.volumes;
	options.volume_count = subjects.count;
	options.key_files = subjects.key_files;
	options.allow_inject = inject && !is_any_attached();
	r = harness_run(&options, ret_report, reterr_problem);
	drop_subjects(&subjects);
	pthread_mutex_unlock(&supervisor->impl->run_lock);
	if (r >= 0)
		apply(supervisor, *ret_report);
	return r;
}

int supervisor_test(struct supervisor *supervisor, unsigned int groups, const char *inject,
	struct harness_report **ret_report, struct problem *reterr_problem)
{
	int r = run(supervisor, groups, NULL, inject, ret_report, reterr_problem);
	struct harness_report *copy;

	if (r < 0 || (*ret_report)->injected)
		return r;
	copy = copy_report(*ret_report);
	if (copy)
		keep_report(supervisor, copy);
	if (has_algorithms_passed(*ret_report))
		start_keepers(supervisor);
	return 0;
}

/* --- the thread --- */

static bool must_stop(struct supervisor *supervisor)
{
	bool stop;

	pthread_mutex_lock(&supervisor->impl->lock);
	stop = supervisor->impl->stop;
	pthread_mutex_unlock(&supervisor->impl->lock);
	return stop;
}

/* It may run since before we were started, and know an older configuration. */
static void meet_mounter(struct supervisor *supervisor)
{
	uint64_t deadline = clock_monotonic_ns() + MOUNTER_WAIT_MS * UINT64_C(1000000);
	struct mounter_client *client;
	struct problem problem = {""};
	int r;

	while (!atomic_load(&supervisor->impl->mounter_is_there) &&
		clock_monotonic_ns() < deadline && !must_stop(supervisor))
		usleep(STEP_US);
	if (mounter_client_new(supervisor->impl->mounter_socket, &client) < 0)
		return;
	r = mounter_client_reload(client, &problem);
	if (r < 0)
		events_note_fault(supervisor->events, "mounter", NULL, problem_text(&problem, r));
	mounter_client_free(client);
}

static void run_first(struct supervisor *supervisor)
{
	struct harness_report *report = NULL;
	struct problem problem = {""};
	bool passed = false;
	int r;

	r = run(supervisor, HARNESS_ALL & ~HARNESS_MEDIA, NULL, NULL, &report, &problem);
	if (r < 0) {
		state_raise(supervisor->state, STATE_STOPS_CLAIMS, "selftest",
			"the self-tests could not be run: %s; try \"spoolguard selftest\"",
			problem_text(&problem, r));
	} else {
		passed = has_algorithms_passed(report);
		keep_report(supervisor, report);
	}
	if (!passed)
		events_note_fault(supervisor->events, "volumes", NULL,
			"no volume is opened before the self-tests of the algorithms pass");
	state_set_testing(supervisor->state, false);
	if (passed && supervisor->keeper_count > 0)
		meet_mounter(supervisor);
	if (passed)
		start_keepers(supervisor);
	pthread_mutex_lock(&supervisor->impl->lock);
	supervisor->impl->tested = true;
	pthread_mutex_unlock(&supervisor->impl->lock);
	supervisor_wake(supervisor);
}

static void run_volume(struct supervisor *supervisor, struct keeper *keeper)
{
	struct harness_report *report = NULL;
	struct problem problem = {""};
	int r;

	r = run(supervisor, HARNESS_MEDIA, keeper, NULL, &report, &problem);
	if (r < 0)
		state_raise(supervisor->state, STATE_STOPS_CLAIMS, "selftest",
			"the medium of volume %s could not be tested: %s; try \"spoolguard "
			"selftest\"",
			keeper_volume(keeper)->name, problem_text(&problem, r));
	harness_report_free(report);
	supervisor_take_volume(supervisor, keeper);
}

static void run_all(struct supervisor *supervisor)
{
	struct harness_report *report = NULL;
	struct problem problem = {""};
	int r = supervisor_test(supervisor, HARNESS_ALL, NULL, &report, &problem);

	if (r < 0)
		state_raise(supervisor->state, STATE_STOPS_CLAIMS, "selftest",
			"the self-tests could not be run: %s; try \"spoolguard selftest\"",
			problem_text(&problem, r));
	harness_report_free(report);
}

/* The next thing to do: a volume's index, keeper_count for all, or -1 to end. */
static int wait_for_work(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	int found = -2;

	pulse_rest(&impl->tester_pulse);
	pthread_mutex_lock(&impl->lock);
	while (found == -2) {
		if (impl->stop)
			found = -1;
		for (size_t i = 0; found == -2 && i < supervisor->keeper_count; i++) {
			if (impl->volume_due[i])
				found = (int)i;
		}
		if (found == -2 && impl->all_due)
			found = (int)supervisor->keeper_count;
		if (found == -2)
			pthread_cond_wait(&impl->news, &impl->lock);
	}
	if (found == (int)supervisor->keeper_count)
		impl->all_due = false;
	else if (found >= 0)
		impl->volume_due[found] = false;
	pthread_mutex_unlock(&impl->lock);
	return found;
}

static void *test(void *argument)
{
	struct supervisor *supervisor = argument;
	int work;

	run_first(supervisor);
	while ((work = wait_for_work(supervisor)) >= 0) {
		if (work == (int)supervisor->keeper_count)
			run_all(supervisor);
		else
			run_volume(supervisor, supervisor->keepers[work]);
		supervisor_wake(supervisor);
	}
	return NULL;
}

/* --- what the others ask of it --- */

int supervisor_start_tester(struct supervisor *supervisor)
{
	int r = -pthread_create(&supervisor->impl->tester, NULL, test, supervisor);

	supervisor->impl->tester_started = r == 0;
	return r;
}

void supervisor_stop_tester(struct supervisor *supervisor)
{
	if (!supervisor->impl->tester_started)
		return;
	pthread_mutex_lock(&supervisor->impl->lock);
	supervisor->impl->stop = true;
	pthread_cond_broadcast(&supervisor->impl->news);
	pthread_mutex_unlock(&supervisor->impl->lock);
	pthread_join(supervisor->impl->tester, NULL);
	supervisor->impl->tester_started = false;
}

void supervisor_ask_tester(struct supervisor *supervisor, struct keeper *keeper)
{
	pthread_mutex_lock(&supervisor->impl->lock);
	supervisor->impl->volume_due[supervisor_index_of(supervisor, keeper)] = true;
	pthread_cond_broadcast(&supervisor->impl->news);
	pthread_mutex_unlock(&supervisor->impl->lock);
}

void supervisor_check_schedule(struct supervisor *supervisor)
{
	struct supervisor_impl *impl = supervisor->impl;
	int64_t now = clock_wall_s();

	pthread_mutex_lock(&impl->lock);
	if (impl->tested_wall_s > now) /* the clock was set back: from now on, not from then */
		impl->tested_wall_s = now;
	if (impl->tested &&
		schedule_is_due(&supervisor->config->selftest, impl->tested_wall_s, now)) {
		impl->tested_wall_s = now;
		impl->all_due = true;
		pthread_cond_broadcast(&impl->news);
	}
	pthread_mutex_unlock(&impl->lock);
}
