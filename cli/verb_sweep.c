/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_sweep.c - "spoolguard sweep": free space and journal; everything owed is paid
 */
#include "attached/sweep_volume.h"
#include "attached/volumes.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_text(struct json_object *report)
{
	const char *fault = service_client_text(report, "fault");
	char trimmed[32];

	printf("%s swept in %" PRIu64 " ms%s\n", cli_shown(service_client_text(report, "path")),
		service_client_number(report, "took_ms"),
		fault[0] ? "" : ": what was owed when it began is paid");
	if (service_client_flag(report, "file_system_swept"))
		printf("  file system: %s free handed back, journal %s, %" PRIu64
		       " free blocks held back\n",
			bytes_format_size(service_client_number(report, "trimmed_bytes"), trimmed,
				sizeof(trimmed)),
			service_client_flag(report, "journal_discarded") ? "discarded"
									 : "NOT discarded",
			service_client_number(report, "unreached_free_blocks"));
	printf("  owed now: %" PRIu64 " blocks\n", service_client_number(report, "owed_blocks"));
}

/* Prints what was done, and one line on stderr if that is not all; takes the report. */
static enum cli_exit tell(struct json_object *report, bool json)
{
	const char *verdict = service_client_text(report, "verdict");
	const char *fault = service_client_text(report, "fault");
	struct problem problem = {""};
	enum cli_exit code = strcmp(verdict, sweep_verdict_name(SWEEP_WHOLE)) == 0 ? CLI_YES
			     : strcmp(verdict, sweep_verdict_name(SWEEP_NOT_WHOLE)) == 0
				     ? CLI_NO
				     : CLI_CANNOT_TELL;

	if (fault[0])
		problem_set(&problem, -EIO, "%s: %s", service_client_text(report, "path"), fault);
	if (json)
		cli_print_json(json_object_get(report));
	else
		print_text(report);
	if (fault[0])
		cli_fail(&problem, -EIO);
	json_object_put(report);
	return code;
}

static int sweep_alone(const char *path, struct json_object **ret_report, struct problem *problem)
{
	struct sweep_report report;
	struct runtime_state state;
	int r;

	r = volumes_find_by_medium(path, &state, problem);
	if (r >= 0)
		r = sweep_volume(
			&state, isatty(STDERR_FILENO) ? cli_progress() : NULL, &report, problem);
	if (r < 0)
		return r;
	*ret_report = sweep_report_to_json(&state, &report);
	sweep_report_done(&report);
	return 0;
}

/* -ESRCH: no service runs; -ENODEV: it is none of its volumes. */
static int sweep_by_service(
	const char *path, struct json_object **ret_report, struct problem *problem)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *volume, *parameters, *answer;
	int r;

	r = service_client_open(&client, problem);
	if (r >= 0)
		r = service_client_find_volume(client, path, &volume, problem);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	cli_add_string(parameters, "volume", service_client_text(volume, "name"));
	r = service_client_call_long(client, "Sweep", parameters, -1, &answer, problem);
	if (r < 0)
		return r;
	*ret_report = json_object_get(json_object_object_get(answer, "result"));
	json_object_put(answer);
	return *ret_report ? 0 : problem_set(problem, -EBADMSG, "the service told no result");
}

static int run(int argc, char **argv)
{
	struct problem problem = {""};
	struct json_object *report;
	const char *path = NULL;
	bool json = false, alone = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--no-service") == 0)
			alone = true;
		else if (argv[i][0] == '-' || path)
			return cli_usage_error(&cli_verb_sweep, "name one attached volume");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error(&cli_verb_sweep, "name one attached volume");
	r = alone ? -ESRCH : sweep_by_service(path, &report, &problem);
	if (r == -ESRCH || r == -ENODEV)
		r = sweep_alone(path, &report, &problem);
	if (r == -ECANCELED)
		return CLI_NO;
	return r < 0 ? cli_fail(&problem, r) : (int)tell(report, json);
}

const struct cli_verb cli_verb_sweep = {
	.name = "sweep",
	.summary = "free space and journal: everything owed is paid",
	.usage = "usage: spoolguard sweep [--json] [--no-service] PATH|NAME\n\n"
		 "PATH is an attached volume, NAME one of the service's configuration.  Its file\n"
		 "system hands back what it has freed, its journal is emptied, and the command\n"
		 "returns when everything that was owed when it began, backlog included, has had\n"
		 "every pass.  Interrupted, the work goes on.\n\n"
		 "  --no-service   does it itself, which only root can\n\n"
		 "Exit code: 0 swept, 1 not all of it could be, 3 nothing is mounted: what its "
		 "file\n"
		 "system has freed is not known.\n",
	.run = run,
};
