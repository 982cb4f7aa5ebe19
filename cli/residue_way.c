/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_way.h"
#include "attached/retire_jobs.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "crypto/hash.h"
#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US	      100000u
#define DOCUMENT_TYPE "application/pdf"
#define FILE_PREFIX   "residue-check-"

/* --- the receipt --- */

static int note_receipt(struct residue_report *report, struct json_object *receipt)
{
	const char *text = json_object_to_json_string_ext(receipt, JSON_C_TO_STRING_PLAIN);
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(text, strlen(text), digest);

	if (r >= 0)
		hex_encode(digest, sizeof(digest), report->receipt_digest);
	return r;
}

/* Of a job as the service tells it; true: there is nothing to wait for. */
static bool note_job(struct residue_report *report, struct json_object *job)
{
	struct json_object *receipt = json_object_object_get(job, "receipt");

	snprintf(report->job_state, sizeof(report->job_state), "%s",
		service_client_text(job, "state"));
	report->is_retired = strcmp(report->job_state, "retired") == 0;
	if (report->is_retired && receipt && note_receipt(report, receipt) < 0)
		report->receipt_digest[0] = '\0';
	return report->is_retired || strcmp(report->job_state, "held") == 0;
}

/* --- through CUPS --- */

static int plant_in_cups(struct residue_route *route, const struct residue_canary *canary,
	const struct secret *document, struct residue_report *report,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *title = NULL, *user = NULL;
	struct cups_submission submission = {
		.queue = report->queue, .format = DOCUMENT_TYPE, .held = true};
	int r;

	r = residue_canary_reveal(canary, CANARY_TITLE, &title);
	if (r >= 0)
		r = residue_canary_reveal(canary, CANARY_USER, &user);
	if (r < 0)
		return r;
	submission.title = (const char *)secret_peek(title);
	submission.user = (const char *)secret_peek(user);
	r = cups_server_submit(route->cups, &submission, secret_peek(document),
		secret_size(document), &route->cups_job, reterr_problem);
	if (r < 0)
		return r;
	route->is_planted = true;
	snprintf(report->job_id, sizeof(report->job_id), "%d", route->cups_job);
	snprintf(route->file, sizeof(route->file), "%.4000s/d%05d-001", route->spool,
		route->cups_job);
	snprintf(route->control, sizeof(route->control), "%.4000s/c%05d", route->spool,
		route->cups_job);
	return 0;
}

static int end_in_cups(struct residue_route *route, struct problem *reterr_problem)
{
	return route->printed
		       ? cups_server_release_job(route->cups, route->cups_job, reterr_problem)
		       : cups_server_cancel_job(route->cups, route->cups_job, reterr_problem);
}

/* The service follows cupsd by itself: the job is there in a moment. */
static int show_job(struct residue_route *route, struct residue_report *report, bool *ret_over)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	struct problem problem = {""};
	int r;

	cli_add_string(parameters, "id", report->job_id);
	cli_add_string(parameters, "source", "cups");
	r = service_client_call(route->service, "JobShow", parameters, &answer, &problem);
	if (r == -ENOENT) {
		snprintf(report->job_state, sizeof(report->job_state), "not seen yet");
		return 0;
	}
	if (r < 0)
		return r;
	*ret_over = note_job(report, json_object_object_get(answer, "job"));
	json_object_put(answer);
	return 0;
}

static int wait_in_cups(
	struct residue_route *route, struct residue_scan *scan, struct residue_report *report)
{
	uint64_t end_ns = clock_monotonic_ns() + route->timeout_ms * 1000000u;
	bool is_over = false;
	int r = 0;

	while (r >= 0 && !is_over && clock_monotonic_ns() < end_ns) {
		r = show_job(route, report, &is_over);
		if (r >= 0)
			r = residue_scan_pace(scan, 0);
		if (r >= 0 && !is_over)
			usleep(LOOK_US);
	}
	return r;
}

/* --- a file of ours --- */

static int write_file(const struct residue_route *route, const struct secret *document)
{
	_cleanup_close_ int fd =
		open(route->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, secret_peek(document), secret_size(document));
	return r >= 0 && fsync(fd) < 0 ? -errno : r;
}

static struct json_object *describe(const struct residue_route *route, const char *id)
{
	struct json_object *parameters = json_object_new_object();
	struct json_object *files = json_object_new_array();

	cli_add_string(parameters, "id", id);
	json_object_array_add(files, json_object_new_string(route->file));
	json_object_object_add(parameters, "files", files);
	return parameters;
}

/* Announced first: whatever becomes of us, the service retires it. */
static int begin_call(const struct residue_route *route, struct residue_report *report,
	struct problem *reterr_problem)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	int r;

	cli_add_string(parameters, "id", report->job_id);
	cli_add_string(parameters, "volume", report->volume_name);
	r = service_client_call(route->service, "JobBegin", parameters, &answer, reterr_problem);
	if (r >= 0)
		json_object_put(answer);
	return r;
}

static int plant_file(struct residue_route *route, const struct residue_canary *canary,
	const struct secret *document, struct residue_report *report,
	struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *title = NULL;
	int r;

	snprintf(report->job_id, sizeof(report->job_id), FILE_PREFIX "%s", report->id);
	r = residue_canary_reveal(canary, CANARY_TITLE, &title);
	if (r < 0)
		return r;
	snprintf(route->file, sizeof(route->file), "%.4000s/%s", route->volume->state.mount,
		(const char *)secret_peek(title));
	if (route->service)
		r = begin_call(route, report, reterr_problem);
	if (r < 0)
		return r;
	route->is_planted = true;
	r = write_file(route, document);
	return r < 0 ? problem_set(reterr_problem, r, "the canary cannot be written to %.200s: %s",
			       route->volume->state.mount, strerror(-r))
		     : 0;
}

static int complete_call(struct residue_route *route, bool wait, struct residue_report *report,
	struct problem *reterr_problem)
{
	struct json_object *parameters = describe(route, report->job_id), *answer;
	int r;

	if (wait) {
		cli_add_bool(parameters, "wait", true);
		cli_add_u64(parameters, "timeout_s", 1);
	}
	r = service_client_call(route->service, "JobComplete", parameters, &answer, reterr_problem);
	if (r < 0)
		return r;
	route->is_over = note_job(report, json_object_object_get(answer, "job"));
	json_object_put(answer);
	return 0;
}

static int wait_for_call(struct residue_route *route, struct residue_scan *scan,
	struct residue_report *report, struct problem *reterr_problem)
{
	uint64_t end_ns = clock_monotonic_ns() + route->timeout_ms * 1000000u;
	int r;

	do {
		r = complete_call(route, true, report, reterr_problem);
		if (r >= 0)
			r = residue_scan_pace(scan, 0);
	} while (r >= 0 && !route->is_over && clock_monotonic_ns() < end_ns);
	return r;
}

static int retire_direct(
	struct residue_route *route, struct residue_report *report, struct problem *reterr_problem)
{
	_cleanup_(retire_session_closep) struct retire_session *session = NULL;
	const struct retire_options options = {.wait_ms = route->timeout_ms, .may_be_gone = true};
	struct job_list list = {0};
	struct retire_result result;
	struct json_object *receipt;
	int r;

	r = job_list_add(&list, report->job_id, route->file);
	if (r >= 0)
		r = retire_session_open(&route->volume->state, &session, reterr_problem);
	if (r >= 0)
		r = retire_session_run(session, &list, &options, &result, reterr_problem);
	if (r >= 0) {
		report->is_retired = result.receipts[0].retired;
		snprintf(report->job_state, sizeof(report->job_state), "failed");
		receipt = job_receipt_to_json(&result.receipts[0]);
		r = note_receipt(report, receipt);
		json_object_put(receipt);
		retire_result_done(&result);
	}
	job_list_done(&list);
	return r;
}

/* --- all of them --- */

int residue_way_plant(struct residue_route *route, const struct residue_canary *canary,
	struct residue_report *report, struct problem *reterr_problem)
{
	_cleanup_secret_ struct secret *document = NULL;
	int r = residue_canary_document(canary, &document);

	if (r < 0)
		return r;
	r = route->cups ? plant_in_cups(route, canary, document, report, reterr_problem)
			: plant_file(route, canary, document, report, reterr_problem);
	report->is_planted = route->is_planted;
	return r;
}

int residue_way_finish(struct residue_route *route, struct residue_scan *scan,
	struct residue_report *report, struct problem *reterr_problem)
{
	int r;

	residue_scan_begin(scan, "waiting for the receipt", 0);
	if (route->cups) {
		r = end_in_cups(route, reterr_problem);
		route->is_over = r >= 0;
		if (r >= 0)
			r = wait_in_cups(route, scan, report);
	} else if (route->service) {
		r = wait_for_call(route, scan, report, reterr_problem);
	} else {
		r = retire_direct(route, report, reterr_problem);
		route->is_over = r >= 0;
	}
	if (report->is_retired)
		secret_wipe(route->file, sizeof(route->file));
	return r;
}

int residue_way_abandon(
	struct residue_route *route, struct residue_report *report, struct problem *reterr_problem)
{
	int r = 0;

	/* One that was to be printed, and is not in time, prints no more. */
	if (route->is_planted && route->cups && (!route->is_over || !report->is_retired))
		r = cups_server_cancel_job(route->cups, route->cups_job, reterr_problem);
	else if (route->is_planted && !route->is_over)
		r = route->service ? complete_call(route, false, report, reterr_problem)
				   : retire_direct(route, report, reterr_problem);
	secret_wipe(route->file, sizeof(route->file));
	return r;
}
