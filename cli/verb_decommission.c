/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_decommission.c - "spoolguard decommission": a drive's last day
 */
#include "cli/decommission.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct decommissioning {
	struct decommission_options options;
	struct decommission_texts texts;
	struct decommission_job *jobs; /* owned */
	size_t count;
};

int decommission_usage(const char *format, ...)
{
	char text[PROBLEM_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return cli_usage_error(&cli_verb_decommission, "%s", text);
}

/* --- the jobs --- */

/* The record outlives this process and its working directory. */
static int set_certificate(struct decommission_job *job, const char *path, struct problem *problem)
{
	char here[PATH_MAX] = "";
	int n;

	if (path[0] != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	n = snprintf(job->certificate, sizeof(job->certificate), "%s%s%s", here, here[0] ? "/" : "",
		path);
	return n < (int)sizeof(job->certificate)
		       ? 0
		       : problem_set(problem, -ENAMETOOLONG, "%s is too long a name", path);
}

static int make_jobs(
	struct decommissioning *all, char **devices, size_t count, struct problem *problem)
{
	struct decommission_options *options = &all->options;
	int r = 0;

	all->jobs = calloc(DECOMMISSION_DRIVES_MAX, sizeof(*all->jobs));
	if (!all->jobs)
		return -ENOMEM;
	for (size_t i = 0; i < DECOMMISSION_DRIVES_MAX; i++) {
		all->jobs[i].options = options;
		all->jobs[i].texts = &all->texts;
		all->jobs[i].lock = -1;
	}
	if (options->batch)
		return decommission_batch_read(options->batch, all->jobs, &all->count, problem);
	for (all->count = 0; all->count < count && r >= 0; all->count++) {
		struct decommission_job *job = &all->jobs[all->count];

		if (strlen(devices[all->count]) >= sizeof(job->device))
			return problem_set(problem, -ENAMETOOLONG,
				"%.40s...: no device has so long "
				"a name",
				devices[all->count]);
		snprintf(job->device, sizeof(job->device), "%s", devices[all->count]);
		if (options->certificate)
			r = set_certificate(job, options->certificate, problem);
	}
	return r;
}

/* What reaches further is allowed for what was named too (plan.h, P3). */
static void look_at_all(struct decommissioning *all)
{
	const char *named[DECOMMISSION_DRIVES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];

		if (job->error >= 0)
			job->error = target_look(job->device, NULL, &job->target, &job->problem);
		if (job->error >= 0)
			named[count++] = job->target->path;
	}
	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];

		if (job->error >= 0)
			job->error = decommission_look(job, named, count, &job->problem);
	}
}

static size_t count_failed(const struct decommissioning *all)
{
	size_t failed = 0;

	for (size_t i = 0; i < all->count; i++)
		failed += all->jobs[i].error < 0;
	return failed;
}

/* Each refusal is a line; the last is the job's problem. */
static void refuse_planned(struct decommissioning *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];
		size_t refusals = job->error < 0 ? 0 : job->plan.refusal_count;

		for (size_t k = 0; k < refusals; k++) {
			if (k + 1 < refusals)
				cli_warn("%s", job->plan.refusals[k]);
			else
				job->error = problem_set(&job->problem, -EPERM,
					"%s; nothing was done", job->plan.refusals[k]);
		}
	}
}

/* The same drive under two names would be done twice at once. */
static void refuse_doubles(struct decommissioning *all)
{
	for (size_t i = 0; i < all->count; i++) {
		for (size_t k = 0; k < i; k++) {
			struct decommission_job *job = &all->jobs[i];

			if (job->error >= 0 && all->jobs[k].error >= 0 &&
				job->target->device == all->jobs[k].target->device)
				job->error = problem_set(&job->problem, -EEXIST,
					"%s and %s are one drive: name it once; nothing was done "
					"with it",
					job->device, all->jobs[k].device);
		}
	}
}

/* --- rehearse --- */

static int rehearse(struct decommissioning *all)
{
	struct json_object *list = json_object_new_array(), *object;
	int code = CLI_YES;

	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];

		if (job->error < 0) {
			code = cli_fail(&job->problem, job->error);
			continue;
		}
		if (job->plan.refusal_count)
			code = CLI_NO;
		if (all->options.json)
			json_object_array_add(list, decommission_plan_json(job));
		else
			decommission_print_plan(job);
	}
	if (!all->options.json) {
		json_object_put(list);
		return code;
	}
	object = cli_json("decommission-plan");
	json_object_object_add(object, "drives", list);
	cli_print_json(object);
	return code;
}

/* --- for real --- */

/* P7: nothing is claimed by a program that is not right. */
static int run_selftests(struct decommission_options *options, struct problem *problem)
{
	const struct harness_options wanted = {.groups = HARNESS_ALGORITHMS | HARNESS_RANDOM |
							 HARNESS_PATTERNS | HARNESS_MEMORY |
							 HARNESS_PROGRAMS};
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	int r = harness_run(&wanted, &report, problem);

	if (r < 0)
		return r;
	snprintf(options->selftest_id, sizeof(options->selftest_id), "%s", report->id);
	options->selftest_ok = report->claims;
	if (report->claims)
		return 0;
	return problem_set(problem, -EIO,
		"the self-test failed, and nothing was done: \"spoolguard selftest\" says what it "
		"found");
}

static void *run_one(void *context)
{
	decommission_run(context);
	return NULL;
}

static void run_all(struct decommissioning *all)
{
	decommission_progress_begin(all->jobs, all->count);
	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];

		if (job->error < 0)
			continue;
		job->has_thread = pthread_create(&job->thread, NULL, run_one, job) == 0;
		if (!job->has_thread)
			job->error = problem_set(&job->problem, -EAGAIN,
				"%s: no thread could be started for it; nothing was done with it",
				job->device);
	}
	for (size_t i = 0; i < all->count; i++) {
		if (all->jobs[i].has_thread)
			(void)pthread_join(all->jobs[i].thread, NULL);
	}
	decommission_progress_end();
}

/* The worst of them; "cannot tell" if one ended well and promises nothing. */
static int answer(struct decommissioning *all)
{
	struct json_object *list = json_object_new_array(), *object;
	int code = CLI_YES;

	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];
		int one = decommission_exit(job);

		if (job->error < 0)
			(void)cli_fail(&job->problem, job->error);
		if (all->options.json)
			json_object_array_add(list, decommission_result_json(job));
		else
			decommission_print_result(job);
		if (one == CLI_NO || (one == CLI_CANNOT_TELL && code == CLI_YES))
			code = one;
	}
	if (!all->options.json) {
		json_object_put(list);
		return code;
	}
	object = cli_json("decommission");
	json_object_object_add(object, "drives", list);
	cli_print_json(object);
	return code;
}

static void tell_resumed(const struct decommission_job *job)
{
	for (int i = 0; i < RECORD_STEPS; i++) {
		if (job->record->steps[i].state != RECORD_BEGUN &&
			job->record->steps[i].state != RECORD_PENDING)
			continue;
		if (job->record->began_wall_s)
			cli_warn("%s: taken up at the step \"%s\"", job->device,
				record_step_name((enum record_step)i));
		return;
	}
}

static int do_all(struct decommissioning *all, struct problem *problem)
{
	int r;

	refuse_planned(all);
	refuse_doubles(all);
	if (count_failed(all) && !all->options.batch)
		return answer(all);
	r = run_selftests(&all->options, problem);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all->count; i++) {
		struct decommission_job *job = &all->jobs[i];

		if (job->error >= 0)
			job->error = decommission_prepare(job, &job->problem);
		if (job->error >= 0 && job->resumes)
			tell_resumed(job);
	}
	/* N2 */
	if (!count_failed(all) || all->options.batch)
		run_all(all);
	return answer(all);
}

static int perform(struct decommissioning *all, char **devices, size_t count)
{
	struct problem problem = {""};
	int r = 0;

	if (all->options.form)
		r = decommission_form_read(all->options.form, &all->options, &problem);
	decommission_config_fields(&all->options);
	if (r >= 0)
		r = decommission_texts_make(&all->options, &all->texts, &problem);
	if (r >= 0)
		r = make_jobs(all, devices, count, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	look_at_all(all);
	if (all->options.dry_run)
		return rehearse(all);
	r = do_all(all, &problem);
	return r < 0 ? cli_fail(&problem, r) : r;
}

static int run(int argc, char **argv)
{
	struct decommissioning all = {.count = 0};
	int code;

	if (argc > 1 && strcmp(argv[1], "approve") == 0)
		return decommission_approve(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "status") == 0)
		return decommission_status(argc - 1, argv + 1);
	code = decommission_parse(argc, argv, &all.options);
	if (code != 0)
		return code;
	code = perform(&all, argv + optind, (size_t)(argc - optind));
	for (size_t i = 0; i < all.count; i++)
		decommission_job_done(&all.jobs[i]);
	free(all.jobs);
	decommission_texts_done(&all.texts);
	return code;
}

const struct cli_verb cli_verb_decommission = {
	.name = "decommission",
	.summary = "a drive's last day: keys, the drive's own erase, overwrite, certificate",
	.usage =
		"usage: spoolguard decommission [--dry-run] [--confirm SERIAL] [--scheme NAME]\n"
		"           [--verify full|stratified|hcd|none] [--certificate FILE] [OPTIONS] "
		"DEVICE...\n"
		"       spoolguard decommission --batch FILE [OPTIONS]\n"
		"       spoolguard decommission approve ID --sign KEY [--passphrase-file F]\n"
		"       spoolguard decommission approve ID --signature FILE\n"
		"       spoolguard decommission status [--json]\n"
		"\n"
		"Stops intake and detaches the volumes on the drive, destroys every key slot and\n"
		"shows that they are gone, has the drive erase itself by the best method that it\n"
		"offers, overwrites every addressable sector, reads it back, searches it for what "
		"is\n"
		"known of this machine, and signs a certificate.  Each step is recorded first: "
		"after\n"
		"a power cut or Ctrl-C the same command goes on.  \"spoolguard devices\" lists "
		"the\n"
		"drives.\n"
		"\n"
		"  --dry-run           show exactly what would die, how, in which time, and what "
		"could\n"
		"                      be claimed; change nothing\n"
		"  --confirm SERIAL    the drive's serial, or the stand-in that --dry-run shows; "
		"once\n"
		"                      for each drive.  At a terminal it is asked for\n"
		"  --scheme NAME       default three-pass (0x35, 0xca, 0x97)\n"
		"  --verify HOW        read-back: full (default), stratified (SP 800-88r1), hcd "
		"(the\n"
		"                      HCD cPP's sectors), none\n"
		"  --certificate FILE  default STATE/certificates/SERIAL-ID.json; beside it "
		"FILE.minisig\n"
		"  --no-sanitize       none of the drive's own methods\n"
		"  --this-machine      the disk that this system runs from: its keys die; the "
		"serial\n"
		"                      has to be typed at a terminal\n"
		"  --standalone        on a workbench: without the service\n"
		"  --state DIR         default SPOOLGUARD_STATE_DIR, or the configuration's "
		"state_directory;\n"
		"                      on another medium than the drive\n"
		"  --config FILE       default /etc/spoolguard/spoolguard.conf: its [decommission] "
		"has the\n"
		"                      defaults of scheme, read-back, approvals and fields\n"
		"  --batch FILE        a line for each drive: DEVICE or SERIAL, the serial to "
		"confirm,\n"
		"                      and if wanted the asset number and the certificate's file; "
		"\"-\"\n"
		"                      for nothing\n"
		"  --backup FILE       a header backup whose keys are to die too; may be repeated\n"
		"  --search TEXT, --search-file FILE\n"
		"                      search the medium for it too (a job's text, a canary)\n"
		"  --form FILE         the fields below, as \"field = value\" or JSON\n"
		"  --operator, --title, --organization, --location, --contact: who performs it\n"
		"  --asset, --machine-serial, --source, --category-before, --category-after,\n"
		"  --destination, --backed-up, --backup-location, --notes: of the medium\n"
		"  --approvers FILE, --approvals N\n"
		"                      dual control: minisign public keys of those who may "
		"approve.\n"
		"                      /etc/spoolguard/approvers, where it is there, and what "
		"the\n"
		"                      configuration asks for always count: never fewer\n"
		"  --json              one object\n"
		"\n"
		"A drive that anything but spoolguard uses, and what is only a part of one "
		"(partition,\n"
		"RAID, LVM, multipath), is refused.\n"
		"\n"
		"Exit code: 0 done, and Clear or Purge; 3 done, but the medium promises neither;\n"
		"1 failed, refused, or it waits for an approval; 2 usage.\n",
	.run = run,
};
