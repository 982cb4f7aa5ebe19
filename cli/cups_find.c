/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_find.c - all that "spoolguard cups check" looks at
 */
#include "blockdev/guard.h"
#include "cli/cups_process.h"
#include "cli/cups_verb.h"
#include "harness/harness.h"
#include "pipeline/cups_logs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- other files of configuration --- */

static int judge_queues(const struct cups_context *context, struct cups_findings *findings)
{
	struct cups_finding_source source = {context->queues_path, 0, ""};
	int r;

	if (context->queues_error < 0)
		return cups_findings_doubt(findings, "queue-device", &source,
			"the queues cannot be looked at (%s); run it as root",
			strerror(-context->queues_error));
	r = cups_judge_queues(&context->queues, context->queues_path, findings);
	return r;
}

typedef int judge_function(
	const struct cups_conf *conf, const char *name, struct cups_findings *findings);

/* A file that may be missing; what cannot be read of it is a doubt. */
static int judge_file(
	const char *path, const char *id, judge_function *judge, struct cups_findings *findings)
{
	struct cups_finding_source source = {path, 0, ""};
	struct problem problem = {""};
	struct cups_conf conf;
	struct cups_text text;
	int r;

	r = cups_read_text(path, true, &text, &problem);
	if (r >= 0) {
		r = cups_conf_parse(path, text.bytes, text.count, &conf, &problem);
		cups_text_done(&text);
	}
	if (r < 0)
		return r == -ENOMEM ? r
				    : cups_findings_doubt(findings, id, &source, "%s",
					      problem_text(&problem, r));
	r = judge(&conf, path, findings);
	cups_conf_done(&conf);
	return r;
}

static int judge_browsed(
	const struct cups_conf *conf, const char *name, struct cups_findings *findings)
{
	return cups_judge_settings(conf, CUPS_CONF_OTHER, name, findings);
}

/* "debug: 1", as foomatic-rip has it; cupsd's reader takes "debug:" for the name. */
static int judge_foomatic(
	const struct cups_conf *conf, const char *name, struct cups_findings *findings)
{
	const struct cups_directive *set = cups_conf_find(conf, "debug:", NULL);
	struct cups_finding_source source = {name, set ? set->line : 0, "debug: 1"};

	if (!set || atoi(cups_directive_value(set)) == 0)
		return 0;
	return cups_findings_add(findings, "filter-debug", &source, "%s", "");
}

static int join(const struct cups_context *context, enum cups_path_name directory, const char *name,
	char ret_path[static PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s/%s", context->paths.items[directory].path, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int judge_others(const struct cups_context *context, struct cups_findings *findings)
{
	char path[PATH_MAX];
	int r;

	r = join(context, CUPS_SERVER_ROOT, "subscriptions.conf", path);
	if (r >= 0)
		r = judge_file(path, "subscriptions", cups_judge_subscriptions, findings);
	if (r >= 0)
		r = join(context, CUPS_SERVER_ROOT, "cups-browsed.conf", path);
	if (r >= 0)
		r = judge_file(path, "browsed-log", judge_browsed, findings);
	if (r >= 0)
		r = cups_context_path(context, "/etc/foomatic/filter.conf", path, NULL);
	/* Without a root of its own a confined run has no business there. */
	if (r >= 0 && guard_check_confined(path, NULL) >= 0)
		r = judge_file(path, "filter-debug", judge_foomatic, findings);
	return r;
}

/* --- logs --- */

static int judge_logs(const struct cups_context *context, struct cups_findings *findings)
{
	static const struct {
		enum cups_path_name name;
		enum cups_log log;
	} logs[] = {
		{CUPS_ERROR_LOG, CUPS_LOG_ERROR},
		{CUPS_ACCESS_LOG, CUPS_LOG_ACCESS},
		{CUPS_PAGE_LOG, CUPS_LOG_PAGE},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(logs) && r >= 0; i++) {
		const struct cups_path *path = &context->paths.items[logs[i].name];
		struct cups_finding_source source = {path->path, 0, ""};
		struct problem problem = {""};

		if (!cups_path_is_file(path))
			continue;
		if (guard_check_confined(path->path, &problem) < 0)
			r = cups_findings_doubt(
				findings, "log-content", &source, "%s", problem.text);
		else
			r = cups_judge_log(logs[i].log, path->path, findings);
	}
	return r;
}

/* --- the running cupsd --- */

static int judge_process(const struct cups_context *context, struct cups_findings *findings)
{
	struct cups_finding_source source = {"cups.service", 0, "LimitCORE"};
	struct cups_process process;
	uint64_t bytes;
	int r;

	if (cups_process_find(context->config, &process) < 0)
		return cups_findings_doubt(findings, "core-dumps", &source,
			"no cupsd runs with this configuration; start it, then check again");
	r = cups_process_core_limit(&process, &bytes);
	if (r < 0)
		return cups_findings_doubt(findings, "core-dumps", &source, "%s", strerror(-r));
	if (bytes == 0)
		return 0;
	return cups_findings_add(findings, "core-dumps", &source,
		"the cupsd that runs now (process %d) may leave core files", (int)process.pid);
}

/* --- the machine --- */

/* What of the host's conditions reaches a disk; core files of cupsd are asked of cupsd itself. */
static int judge_condition(const struct harness_result *result, struct cups_findings *findings)
{
	static const char *const concerned[] = {"host/swap", "host/hibernation"};
	struct cups_finding_source source = {"this machine", 0, result->name};

	for (size_t i = 0; i < ARRAY_SIZE(concerned); i++) {
		if (strcmp(concerned[i], result->name) != 0 || !harness_result_is_bad(result))
			continue;
		if (result->verdict == HARNESS_CANNOT_TELL)
			return cups_findings_doubt(findings, "host", &source, "%s", result->detail);
		return cups_findings_add(
			findings, "host", &source, "%s; %s", result->detail, result->remedy);
	}
	return 0;
}

static int judge_host(const struct cups_context *context, struct cups_findings *findings)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct harness_options options = {.groups = HARNESS_CONDITIONS};
	char proc[PATH_MAX];
	int r;

	if (context->options->root[0] && cups_context_path(context, "/proc", proc, NULL) >= 0 &&
		access(proc, F_OK) == 0)
		options.host_root = context->options->root;
	r = harness_run(&options, &report, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < report->count && r >= 0; i++)
		r = judge_condition(&report->results[i], findings);
	return r;
}

int cups_find_residue(const struct cups_context *context, struct cups_findings *ret_findings)
{
	const struct cups_places places = {cups_context_place, NULL};
	struct cups_findings findings = {.items = NULL};
	const struct cups_conf *queues = context->queues_error < 0 ? NULL : &context->queues;
	int r;

	r = cups_judge_settings(&context->conf, CUPS_CONF_CUPSD, context->config, &findings);
	if (r >= 0)
		r = cups_judge_policies(&context->conf, queues, context->config, &findings);
	if (r >= 0)
		r = cups_judge_settings(
			&context->files, CUPS_CONF_FILES, context->files_config, &findings);
	if (r >= 0)
		r = cups_judge_places(&context->paths, context->files_config, &places, &findings);
	if (r >= 0)
		r = judge_queues(context, &findings);
	if (r >= 0)
		r = judge_others(context, &findings);
	if (r >= 0)
		r = judge_logs(context, &findings);
	if (r >= 0)
		r = judge_process(context, &findings);
	if (r >= 0)
		r = judge_host(context, &findings);
	if (r < 0) {
		cups_findings_done(&findings);
		return r;
	}
	*ret_findings = findings;
	return 0;
}
