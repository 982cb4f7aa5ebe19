/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_service.c - what "spoolguard decommission" asks of the service: a volume is closed
 * for good, its key is recorded as destroyed, each step stands in the audit log
 *
 * A run takes hours, and a service may be started anew meanwhile: one that went away is connected
 * to again.
 */
#include "base/clock.h"
#include "cli/decommission.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_WAIT_S    60u
#define BUSY_LOOK_S    1u
#define CONNECT_TRIES  4u
#define CONNECT_WAIT_S 1u
#define LOG_TRIES      8u /* the service takes a step more every other second */
#define LOG_WAIT_S     1u
#define NAMED_MAX      20u
#define DETAIL_SHOWN   80

/* --- calls --- */

static bool went_away(int error)
{
	return error == -ECONNRESET || error == -EPIPE;
}

static void drop(struct decommission_job *job)
{
	service_client_free(job->service);
	job->service = NULL;
}

static int connect_again(struct decommission_job *job, struct problem *reterr_problem)
{
	int r = job->service ? 0 : service_client_open(&job->service, reterr_problem);

	if (r == -ESRCH)
		return problem_set(reterr_problem, -EPIPE, "the service does not run any more");
	return r;
}

/* Takes parameters.  sink: for progress, or NULL. */
static int ask(struct decommission_job *job, const char *method, struct json_object *parameters,
	const struct progress_sink *sink, struct json_object **ret_answer,
	struct problem *reterr_problem)
{
	int r = -EPIPE;

	for (uint32_t i = 0; i < CONNECT_TRIES && went_away(r); i++) {
		if (i > 1)
			sleep(CONNECT_WAIT_S);
		r = connect_again(job, reterr_problem);
		if (r < 0)
			continue;
		if (sink)
			r = service_client_call_shown(job->service, method,
				json_object_get(parameters), sink, ret_answer, reterr_problem);
		else
			r = service_client_call(job->service, method, json_object_get(parameters),
				ret_answer, reterr_problem);
		/* Answers of what was interrupted would come yet. */
		if (went_away(r) || r == -ECANCELED)
			drop(job);
	}
	json_object_put(parameters);
	return r;
}

/* --- a volume is closed for good --- */

/* "*": more than are listed, and how many. */
static uint64_t count_entry(struct json_object *entry)
{
	const char *id = service_client_text(entry, "id");
	uint64_t count = 0;

	if (strcmp(id, "*") == 0)
		count = strtoull(service_client_text(entry, "why"), NULL, 10);
	return count ? count : 1;
}

/* Their numbers, and no more (record.h, J4), as far as there is room. */
static void add_named(struct record *record, struct json_object *entry)
{
	size_t length = strlen(record->jobs_detail);
	char text[DETAIL_SHOWN];
	int n = snprintf(text, sizeof(text), "%s %s", service_client_text(entry, "source"),
		service_client_text(entry, "id"));

	if (length == 0) {
		snprintf(record->jobs_detail, sizeof(record->jobs_detail),
			"not retired, and dead with the keys, without receipts: %s", text);
		return;
	}
	if (n >= (int)sizeof(text) || length + strlen(text) + 8 >= sizeof(record->jobs_detail)) {
		if (strcmp(record->jobs_detail + length - 3, "...") != 0)
			snprintf(record->jobs_detail + length, sizeof(record->jobs_detail) - length,
				", ...");
		return;
	}
	snprintf(record->jobs_detail + length, sizeof(record->jobs_detail) - length, ", %s", text);
}

static void take_result(struct decommission_job *job, struct record *record,
	struct json_object *result, struct decommission_jobs_count *count)
{
	struct json_object *list = json_object_object_get(result, "jobs_not_retired");
	size_t length =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	count->retired += service_client_number(result, "jobs_retired");
	for (size_t i = 0; i < length; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);

		count->not_retired += count_entry(entry);
		add_named(record, entry);
		if (i < NAMED_MAX)
			cli_warn("%s: job %s of %s is not retired, and dies with the key: %s",
				job->device, cli_shown(service_client_text(entry, "id")),
				cli_shown(service_client_text(entry, "source")),
				cli_shown(service_client_text(entry, "why")));
	}
	if (length > NAMED_MAX)
		cli_warn("%s: %zu more jobs are not retired; \"spoolguard jobs\" lists them",
			job->device, length - NAMED_MAX);
}

static int close_once(struct decommission_job *job, const char *uuid,
	struct json_object **ret_answer, struct problem *reterr_problem)
{
	struct json_object *parameters = json_object_new_object();

	cli_add_string(parameters, "volume", uuid);
	cli_add_string(parameters, "confirm", uuid);
	return ask(job, "CloseForDecommission", parameters, &job->sink, ret_answer, reterr_problem);
}

/* A wipe ends, a file is closed: it is asked again for a while, and that is said once. */
static int close_patiently(struct decommission_job *job, const char *uuid,
	struct json_object **ret_answer, struct problem *reterr_problem)
{
	const uint64_t end_ns = clock_monotonic_ns() + BUSY_WAIT_S * UINT64_C(1000000000);
	bool said = false;
	int r;

	for (;;) {
		r = close_once(job, uuid, ret_answer, reterr_problem);
		if (r != -EBUSY || clock_monotonic_ns() >= end_ns)
			return r;
		if (!said)
			cli_warn("%s: %s (it is asked again for up to %u s)", job->device,
				cli_shown(problem_text(reterr_problem, r)), BUSY_WAIT_S);
		said = true;
		for (uint32_t i = 0; i < BUSY_LOOK_S * 10; i++) {
			if (decommission_interrupted())
				return -ECANCELED;
			usleep(100000);
		}
	}
}

int decommission_service_close(struct decommission_job *job, struct record *record,
	const char *uuid, struct decommission_jobs_count *count, struct problem *reterr_problem)
{
	struct json_object *answer = NULL, *result;
	struct problem why = {""};
	int r = close_patiently(job, uuid, &answer, &why);

	if (r == -ENOENT)
		return r;
	if (r == -ECANCELED)
		return problem_set(reterr_problem, r, "interrupted");
	if (r < 0)
		return problem_set(reterr_problem, r,
			"the service does not let volume %s go, so nothing of it was destroyed: "
			"%.300s",
			uuid, problem_text(&why, r));
	result = json_object_object_get(answer, "result");
	if (!service_client_flag(result, "detached"))
		r = problem_set(reterr_problem, -EBUSY,
			"the service does not say that volume %s is detached, so nothing of it was "
			"destroyed",
			uuid);
	else
		take_result(job, record, result, count);
	json_object_put(answer);
	return r;
}

/* --- its key is destroyed --- */

void decommission_service_destroyed(
	struct decommission_job *job, const struct record_volume *volume)
{
	struct json_object *parameters, *answer;
	struct problem problem = {""};
	int r;

	if (!job->with_service || !volume->proven_closed)
		return;
	parameters = json_object_new_object();
	cli_add_string(parameters, "volume", volume->uuid);
	cli_add_string(parameters, "act", "destroy");
	cli_add_u64(parameters, "header_backups",
		volume->backups > volume->backups_destroyed
			? volume->backups - volume->backups_destroyed
			: 0);
	r = ask(job, "RecordKeyChange", parameters, NULL, &answer, &problem);
	if (r >= 0)
		json_object_put(answer);
	else
		cli_warn("%s: the service does not record that the keys of volume %s were "
			 "destroyed: %s",
			job->device, volume->uuid, cli_shown(problem_text(&problem, r)));
}

/* --- the audit log --- */

static void note_position(struct record_log *log, struct json_object *answer)
{
	snprintf(log->id, sizeof(log->id), "%s", service_client_text(answer, "id"));
	log->sequence = service_client_number(answer, "sequence");
	snprintf(log->sha256, sizeof(log->sha256), "%s", service_client_text(answer, "sha256"));
}

/* As the service takes it: a printable line of ASCII. */
static void add_drive(struct json_object *parameters, const struct record *record)
{
	char serial[IDENTITY_SERIAL_BYTES];

	snprintf(serial, sizeof(serial), "%s",
		record->identity.serial[0] ? record->identity.serial : "-");
	for (char *at = serial; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
	cli_add_string(parameters, "drive", serial);
}

static struct json_object *report_of(const struct decommission_job *job,
	const struct record *record, enum record_step step, const char *outcome, const char *detail)
{
	struct json_object *parameters = json_object_new_object();
	bool of_volume = step == RECORD_INTAKE || step == RECORD_KEYS;

	add_drive(parameters, record);
	cli_add_string(parameters, "id", record->id);
	cli_add_string(parameters, "step", record_step_name(step));
	cli_add_string(parameters, "outcome", outcome);
	if (detail && detail[0])
		cli_add_string(parameters, "detail", detail);
	if (step == RECORD_SANITIZE && record->method_count > 0 && strcmp(outcome, "begun") != 0)
		cli_add_string(parameters, "method",
			method_name(record->methods[record->method_count - 1].kind));
	if (of_volume && record->volume_count == 1) {
		char uuid[TARGET_UUID_BYTES];

		snprintf(uuid, sizeof(uuid), "%s", record->volumes[0].uuid);
		for (char *at = uuid; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		if (strlen(uuid) == 36)
			cli_add_string(parameters, "volume", uuid);
	}
	if (step == RECORD_CERTIFICATE && record->certificate_sha256[0]) {
		cli_add_string(parameters, "certificate", job->certificate);
		cli_add_string(parameters, "certificate_sha256", record->certificate_sha256);
	}
	return parameters;
}

void decommission_service_tell(struct decommission_job *job, enum record_step step,
	const char *outcome, const char *detail)
{
	struct record *record = job->record;
	struct json_object *parameters, *answer;
	struct problem problem = {""};
	int r = -EBUSY;

	if (!job->with_service)
		return;
	parameters = report_of(job, record, step, outcome, detail);
	for (uint32_t i = 0; i < LOG_TRIES && r == -EBUSY; i++) {
		if (i > 0)
			sleep(LOG_WAIT_S);
		r = ask(job, "RecordDecommission", json_object_get(parameters), NULL, &answer,
			&problem);
	}
	json_object_put(parameters);
	if (r < 0) {
		cli_warn("%s: the audit log does not have the step \"%s\" (%s): %s", job->device,
			record_step_name(step), outcome, cli_shown(problem_text(&problem, r)));
		return;
	}
	if (record->log_before.sequence == 0)
		note_position(&record->log_before, answer);
	note_position(&record->log_after, answer);
	json_object_put(answer);
}
