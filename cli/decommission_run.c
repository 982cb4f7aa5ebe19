/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_run.c - one drive that was confirmed: its steps, and its certificate
 */
#include "base/clock.h"
#include "cli/decommission.h"
#include "cli/output_file.h"
#include "decommission/certificate.h"
#include "keystore/device_keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void leave_out(const struct plan *plan, struct run_request *request)
{
	for (size_t i = 0; i < plan->method_count; i++)
		request->leave_out[plan->methods[i].kind] = !plan->methods[i].taken;
}

static int perform(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct run_world world = decommission_world(job);
	const char *labels[RECORD_SEARCH_MAX];
	struct run_request request = {
		.own_methods = job->options->own_methods && !job->plan.keys_only,
		.overwrite = !job->plan.keys_only,
		.search = job->plan.keys_only || job->texts->count == 0 ? NULL : job->texts->search,
		.search_labels = labels,
		.sink = &job->sink,
	};

	for (size_t i = 0; i < job->texts->count; i++)
		labels[i] = job->texts->labels[i];
	leave_out(&job->plan, &request);
	return run_steps(job->record, &request, &world, reterr_problem);
}

void decommission_run(struct decommission_job *job)
{
	struct problem why = {""};
	int r = perform(job, &why);

	if (r == -ECANCELED)
		(void)problem_set(&job->problem, r,
			"%s: stopped where it can go on; the drive is NOT done: the same command "
			"takes it "
			"up there",
			job->device);
	else if (r < 0)
		(void)problem_set(&job->problem, r,
			"%s is NOT done: %.400s; the same command takes it up where it was",
			job->device, problem_text(&why, r));
	else
		r = decommission_certify(job, &job->problem);
	job->error = r;
}

/* --- the certificate --- */

static int sign(void *context, const void *message, size_t bytes, const char *trusted_comment,
	char **ret_signature)
{
	return device_keys_sign(context, message, bytes, trusted_comment, ret_signature);
}

static pthread_mutex_t keys_lock = PTHREAD_MUTEX_INITIALIZER;

static int open_keys(const char *directory, struct device_keys **ret_keys, struct problem *problem)
{
	bool created = false;
	int r;

	(void)pthread_mutex_lock(&keys_lock);
	r = device_keys_open(directory, true, ret_keys, &created, problem);
	(void)pthread_mutex_unlock(&keys_lock);
	if (r >= 0 && created)
		cli_warn("a signing key was made for this machine: \"spoolguard key public\", or "
			 "%s/keys/enrolment.pub, is what its certificates are verified with",
			directory);
	return r;
}

static int begin_certificate(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct run_world world = decommission_world(job);
	struct record *record = job->record;
	struct record_progress *step = &record->steps[RECORD_CERTIFICATE];
	int r;

	if (step->state == RECORD_BEGUN)
		return 0;
	step->state = RECORD_BEGUN;
	step->began_wall_s = record->ended_wall_s = clock_wall_s();
	world.tell(job, record, RECORD_CERTIFICATE, "begun", "");
	/* With the log's position: what is signed after a power cut is the same. */
	r = record_save(job->options->state_directory, record, reterr_problem);
	return r;
}

/* FILE.pdf, for people.  What is signed is FILE: without the page nothing is missing but paper. */
static void draw_page(struct decommission_job *job, struct json_object *certificate,
	const struct minisign_key *signer)
{
	char path[TARGET_PATH_BYTES + 5];
	struct problem problem = {""};
	char *page = NULL;
	size_t bytes = 0;
	int r;

	snprintf(path, sizeof(path), "%s.pdf", job->certificate);
	r = certificate_check(certificate, &problem);
	if (r >= 0)
		r = certificate_render(certificate, job->record->certificate_sha256, signer, &page,
			&bytes, &problem);
	if (r >= 0)
		r = output_file_write(path, page, bytes, &problem);
	free(page);
	if (r < 0)
		cli_warn("%s: the page could not be made (\"spoolguard certificate render\" makes "
			 "it from the certificate): %s",
			cli_shown(job->device), problem_text(&problem, r));
}

static int end_certificate(struct decommission_job *job, struct problem *reterr_problem)
{
	const struct run_world world = decommission_world(job);
	struct record_progress *step = &job->record->steps[RECORD_CERTIFICATE];
	int r;

	step->state = RECORD_DONE;
	step->ended_wall_s = clock_wall_s();
	world.tell(job, job->record, RECORD_CERTIFICATE, "success", "");
	r = record_save(job->options->state_directory, job->record, reterr_problem);
	return r < 0 ? r
		     : record_finish(job->options->state_directory, job->record, reterr_problem);
}

int decommission_certify(struct decommission_job *job, struct problem *reterr_problem)
{
	struct json_object *certificate = NULL;
	struct device_keys *keys = NULL;
	struct certificate_signer signer = {.sign = sign};
	int r = begin_certificate(job, reterr_problem);

	if (r < 0)
		return r;
	job->verdict = calloc(1, sizeof(*job->verdict));
	if (!job->verdict)
		return -ENOMEM;
	verdict_judge(job->record, job->verdict);
	r = open_keys(job->options->state_directory, &keys, reterr_problem);
	if (r < 0)
		return r;
	signer.public_key = device_keys_public(keys);
	signer.context = keys;
	r = certificate_make(job->record, job->verdict, &certificate);
	if (r >= 0)
		r = certificate_write(certificate, job->certificate, &signer,
			job->record->certificate_sha256, reterr_problem);
	else
		r = problem_set(reterr_problem, r, "%s: no certificate can be made: %s",
			job->device, strerror(-r));
	if (r >= 0)
		draw_page(job, certificate, signer.public_key);
	json_object_put(certificate);
	device_keys_free(keys);
	return r < 0 ? r : end_certificate(job, reterr_problem);
}
