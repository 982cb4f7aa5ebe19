/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_record.c - "spoolguard audit record": the host reports an event; and "audit set-aside"
 */
#include "audit/log.h"
#include "cli/service_client.h"
#include "cli/verb_audit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
	const char *event, *outcome, *user, *origin, *detail;
	bool pam;
};

static bool parse(int argc, char **argv, struct report *report)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = {
		{"--outcome", &report->outcome},
		{"--user", &report->user},
		{"--origin", &report->origin},
		{"--detail", &report->detail},
	};
	size_t o;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--pam") == 0) {
			report->pam = true;
			continue;
		}
		for (o = 0; o < ARRAY_SIZE(options) && strcmp(argv[i], options[o].name) != 0; o++)
			;
		if (o < ARRAY_SIZE(options) && i + 1 < argc)
			*options[o].value = argv[++i];
		else if (o < ARRAY_SIZE(options) || argv[i][0] == '-' || report->event)
			return false;
		else
			report->event = argv[i];
	}
	return report->event != NULL;
}

/* pam_exec(8): PAM_RHOST of a network login, PAM_TTY of a local one. */
static char *take_pam(struct report *report)
{
	const char *rhost = getenv("PAM_RHOST"), *tty = getenv("PAM_TTY");
	const char *service = getenv("PAM_SERVICE");
	char *detail = NULL;

	if (!report->user)
		report->user = getenv("PAM_USER");
	if (!report->origin)
		report->origin = rhost && rhost[0] ? rhost : tty;
	if (!report->detail && service && asprintf(&detail, "PAM service %s", service) >= 0)
		report->detail = detail;
	return detail;
}

static void add(struct json_object *parameters, const char *key, const char *value)
{
	if (value && value[0])
		cli_add_string(parameters, key, value);
}

static int tell(const struct report *report)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *parameters, *answer = NULL;
	struct problem problem = {""};
	int r = service_client_open(&client, &problem);

	if (r == -ESRCH)
		problem_set(&problem, r,
			"the event was not recorded: the service writes the log, and none answers; "
			"start spoolguardd");
	if (r < 0)
		return cli_fail(&problem, r);
	parameters = json_object_new_object();
	add(parameters, "event", report->event);
	add(parameters, "outcome", report->outcome);
	add(parameters, "user", report->user);
	add(parameters, "origin", report->origin);
	add(parameters, "detail", report->detail);
	r = service_client_call(client, "RecordHostEvent", parameters, &answer, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	json_object_put(answer);
	return CLI_YES;
}

int audit_record(int argc, char **argv)
{
	struct report report = {.event = NULL};
	char *made = NULL;
	int code;

	if (!parse(argc, argv, &report))
		return audit_usage("record takes the name of one event, --outcome, --user, "
				   "--origin and --detail with a value each, and --pam");
	if (report.pam)
		made = take_pam(&report);
	code = tell(&report);
	free(made);
	return code;
}

/* --- set-aside --- */

static int set_aside_alone(void)
{
	struct problem problem = {""};
	char *directory = NULL;
	int r = audit_state_directory(&directory, &problem);

	if (r >= 0)
		r = audit_log_set_aside(directory, &problem);
	free(directory);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

int audit_set_aside(int argc, char **argv)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *answer = NULL;
	struct problem problem = {""};
	int r;

	(void)argv;
	if (argc > 1)
		return audit_usage("set-aside takes nothing more");
	r = service_client_open(&client, &problem);
	if (r == -ESRCH)
		return set_aside_alone();
	if (r >= 0)
		r = service_client_call(
			client, "SetLogAside", json_object_new_object(), &answer, &problem);
	json_object_put(answer);
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}
