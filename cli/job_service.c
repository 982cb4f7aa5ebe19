/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_service.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/receipt_print.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call has 64 KiB at most (ipc/server.h); what is more is announced in portions. */
#define NAMES_BYTES_MAX 40000u
#define RETRY_US	200000u

/* --- printing --- */

static void print_line(struct json_object *job)
{
	const char *why = service_client_text(job, "why");
	uint64_t files = service_client_number(job, "files");

	printf("%6" PRIu64 "  %-8s %s %s  %" PRIu64 " file%s, since %s%s%s\n",
		service_client_number(job, "job"), service_client_text(job, "state"),
		service_client_text(job, "source"), cli_shown(service_client_text(job, "id")),
		files, files == 1 ? "" : "s", service_client_text(job, "seen"), why[0] ? ": " : "",
		cli_shown(why));
}

/* Takes the answer: {"job":...}. */
static void print_job(struct json_object *answer, bool json)
{
	struct json_object *job = json_object_object_get(answer, "job");
	struct json_object *receipt = json_object_object_get(job, "receipt");

	if (json) {
		cli_add_string(answer, "schema", "spoolguard.job-state/1");
		cli_print_json(answer);
		return;
	}
	print_line(job);
	if (receipt)
		receipt_print_object(json_object_get(receipt), false);
	json_object_put(answer);
}

/* --- paths --- */

/*
 * The service wants a path that is absolute and plain.  The file itself is not resolved: a symbolic
 * link is refused there.  Gives a string; NULL: no memory.
 */
static char *absolute_file(const char *path)
{
	_cleanup_free_ char *directory = NULL, *resolved = NULL;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *text = NULL;

	directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (directory)
		resolved = realpath(directory, NULL);
	if (!resolved)
		return strdup(path);
	if (asprintf(&text, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, name) < 0)
		return NULL;
	return text;
}

/* Slashes at its end mean something: "DIR/", "BEGINNING//". */
static char *absolute(const char *path)
{
	size_t length = strlen(path);
	_cleanup_free_ char *beginning = NULL, *resolved = NULL;
	char *text = NULL;

	if (length < 3 || strcmp(path + length - 2, "//") != 0)
		return absolute_file(path);
	beginning = strndup(path, length - 2);
	resolved = beginning ? absolute_file(beginning) : NULL;
	return resolved && asprintf(&text, "%s//", resolved) >= 0 ? text : NULL;
}

/* --- announcing --- */

static struct json_object *describe(
	const struct job_service *job, const char *id, struct json_object *names)
{
	struct json_object *parameters = json_object_new_object();

	cli_add_string(parameters, "id", id);
	if (names)
		json_object_object_add(parameters, "files", names);
	if (job->volume)
		cli_add_string(parameters, "volume", job->volume);
	return parameters;
}

static int call_begin(const struct job_service *job, const char *id, struct json_object *names,
	struct json_object **ret_answer, struct problem *problem)
{
	return service_client_call(
		job->client, "JobBegin", describe(job, id, names), ret_answer, problem);
}

/* Names of that job beyond a portion are announced at once; gives the rest. */
static int announce(const struct job_service *job, size_t number, struct json_object **ret_names,
	struct problem *problem)
{
	struct json_object *names = json_object_new_array(), *answer;
	size_t bytes = 0;
	int r = 0;

	for (size_t i = 0; i < job->list->count && r >= 0; i++) {
		const struct job_entry *entry = &job->list->entries[i];
		_cleanup_free_ char *path = NULL;

		if (entry->job != number)
			continue;
		path = absolute(entry->path);
		if (!path) {
			r = -ENOMEM;
			break;
		}
		if (bytes + strlen(path) > NAMES_BYTES_MAX) {
			r = call_begin(job, entry->id, names, &answer, problem);
			names = json_object_new_array();
			bytes = 0;
			if (r >= 0)
				json_object_put(answer);
		}
		json_object_array_add(names, json_object_new_string(path));
		bytes += strlen(path) + 8;
	}
	if (r < 0)
		json_object_put(names);
	else
		*ret_names = names;
	return r;
}

int job_service_begin(const struct job_service *job)
{
	struct json_object *names, *answer;
	struct problem problem = {""};
	int r;

	r = announce(job, 0, &names, &problem);
	if (r >= 0)
		r = call_begin(job, job->list->ids[0], names, &answer, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	print_job(answer, job->json);
	return CLI_YES;
}

/* --- complete --- */

/* Recorded, not retired: takes the answer. */
static void print_recorded(const char *id, struct json_object *answer, bool json)
{
	struct json_object *job = json_object_object_get(answer, "job"), *object;
	const char *state = service_client_text(job, "state");
	const char *why = service_client_text(job, "why");

	if (json) {
		object = cli_json("job");
		cli_add_string(object, "id", id);
		cli_add_string(object, "result", state);
		cli_add_string(object, "why", why);
		cli_add_u64(object, "job", service_client_number(job, "job"));
		cli_print_json(object);
	} else {
		printf("job %s is %s%s%s\n", cli_shown(id), state, why[0] ? ": " : "",
			cli_shown(why));
	}
	json_object_put(answer);
}

/* Takes the answer.  False: it is not what was asked for. */
static bool print_completed(
	const struct job_service *job, const char *id, struct json_object *answer)
{
	struct json_object *state = json_object_object_get(answer, "job");
	struct json_object *receipt = json_object_object_get(state, "receipt");
	bool retired = strcmp(service_client_text(state, "state"), "retired") == 0;
	bool well;

	if (!retired || !receipt) {
		well = retired ||
		       (!job->wait && strcmp(service_client_text(state, "state"), "failed") != 0);
		print_recorded(id, answer, job->json);
		return well;
	}
	well = strcmp(service_client_text(receipt, "result"), "retired") == 0;
	receipt_print_object(json_object_get(receipt), job->json);
	json_object_put(answer);
	return well;
}

static int call_complete(const struct job_service *job, size_t number, bool wait,
	uint64_t deadline_ns, struct json_object **ret_answer, struct problem *problem)
{
	const char *id = job->list->ids[number];
	struct json_object *names = NULL, *parameters;
	uint64_t now = clock_monotonic_ns();
	int r = 0;

	if (!wait) /* the second time its files are known */
		r = announce(job, number, &names, problem);
	if (r < 0)
		return r;
	parameters = describe(job, id, names);
	if (wait) {
		cli_add_bool(parameters, "wait", true);
		cli_add_u64(parameters, "timeout_s",
			deadline_ns > now ? (deadline_ns - now + 999999999u) / 1000000000u : 0);
	}
	return service_client_call(job->client, "JobComplete", parameters, ret_answer, problem);
}

static bool has_failed(struct json_object *answer)
{
	return strcmp(service_client_text(json_object_object_get(answer, "job"), "state"),
		       "failed") == 0;
}

/* What failed is tried again by itself (a file that is open elsewhere, soon): until then, or until
 * the time is up. */
static int wait_for(const struct job_service *job, size_t number, uint64_t deadline_ns,
	struct json_object **ret_answer, struct problem *problem)
{
	for (;;) {
		int r = call_complete(job, number, true, deadline_ns, ret_answer, problem);

		if (r < 0 || !has_failed(*ret_answer) || clock_monotonic_ns() >= deadline_ns)
			return r;
		json_object_put(*ret_answer);
		usleep(RETRY_US);
	}
}

/* All are announced before the first is waited for: the service retires them together. */
int job_service_complete(const struct job_service *job)
{
	uint64_t deadline_ns = clock_monotonic_ns() + job->timeout_ms * 1000000u;
	_cleanup_free_ struct json_object **answers =
		calloc(job->list->jobs, sizeof(struct json_object *));
	bool all = answers != NULL;

	for (size_t i = 0; i < job->list->jobs && answers; i++) {
		struct problem problem = {""};
		int r = call_complete(job, i, false, 0, &answers[i], &problem);

		if (r < 0) {
			answers[i] = NULL;
			all = false;
			cli_fail(&problem, r);
		}
	}
	for (size_t i = 0; i < job->list->jobs && answers; i++) {
		struct problem problem = {""};
		int r = 0;

		if (!answers[i])
			continue;
		if (job->wait) {
			json_object_put(answers[i]);
			r = wait_for(job, i, deadline_ns, &answers[i], &problem);
		}
		if (r < 0)
			all = cli_fail(&problem, r) == CLI_YES;
		else
			all &= print_completed(job, job->list->ids[i], answers[i]);
	}
	return all ? CLI_YES : CLI_NO;
}

/* --- list, show, hold, release --- */

static int list_portion(const struct job_service *job, uint64_t after,
	struct json_object **ret_answer, struct problem *problem)
{
	struct json_object *parameters = json_object_new_object();

	if (job->state)
		cli_add_string(parameters, "state", job->state);
	cli_add_u64(parameters, "after", after);
	return service_client_call(job->client, "JobList", parameters, ret_answer, problem);
}

/* Puts the jobs of an answer into all, or prints them; returns the last one's number. */
static uint64_t take_jobs(struct json_object *answer, struct json_object *all)
{
	struct json_object *jobs = json_object_object_get(answer, "jobs");
	uint64_t last = 0;

	for (size_t i = 0; jobs && i < json_object_array_length(jobs); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);

		last = service_client_number(job, "job");
		if (all)
			json_object_array_add(all, json_object_get(job));
		else
			print_line(job);
	}
	return last;
}

int job_service_list(const struct job_service *job)
{
	struct json_object *all = job->json ? json_object_new_array() : NULL, *answer, *object;
	struct problem problem = {""};
	uint64_t after = 0, last;
	bool more = true;

	while (more) {
		int r = list_portion(job, after, &answer, &problem);

		if (r < 0) {
			json_object_put(all);
			return cli_fail(&problem, r);
		}
		last = take_jobs(answer, all);
		more = service_client_flag(answer, "more") && last > after;
		after = last;
		json_object_put(answer);
	}
	if (job->json) {
		object = cli_json("jobs");
		json_object_object_add(object, "jobs", all);
		cli_print_json(object);
	}
	return CLI_YES;
}

static int call_on_job(const struct job_service *job, const char *method)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	struct problem problem = {""};
	int r;

	cli_add_string(parameters, "id", job->id);
	if (job->source)
		cli_add_string(parameters, "source", job->source);
	if (job->reason)
		cli_add_string(parameters, "reason", job->reason);
	r = service_client_call(job->client, method, parameters, &answer, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	print_job(answer, job->json);
	return CLI_YES;
}

int job_service_show(const struct job_service *job)
{
	return call_on_job(job, "JobShow");
}

int job_service_hold(const struct job_service *job)
{
	return call_on_job(job, "JobHold");
}

int job_service_release(const struct job_service *job)
{
	return call_on_job(job, "JobRelease");
}
