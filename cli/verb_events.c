/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_events.c - "spoolguard events": records of the audit log, asked of the service
 */
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
	uint64_t since;
	bool json;
};

static bool parse(int argc, char **argv, struct arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		char *end = NULL;

		if (strcmp(argv[i], "--json") == 0)
			arguments->json = true;
		else if (strcmp(argv[i], "--since") == 0 && i + 1 < argc && argv[i + 1][0] >= '0' &&
			 argv[i + 1][0] <= '9')
			arguments->since = strtoull(argv[++i], &end, 10);
		else
			return false;
		if (end && *end != '\0')
			return false;
	}
	return true;
}

static void print_field(struct json_object *object, const char *before, const char *key)
{
	const char *text = object ? service_client_text(object, key) : "";

	if (text[0])
		printf("%s%s", before, cli_shown(text));
}

static void print_event(struct json_object *event)
{
	struct json_object *subject = json_object_object_get(event, "subject");
	struct json_object *object = json_object_object_get(event, "object");
	struct json_object *data = json_object_object_get(event, "data");

	printf("%" PRIu64, service_client_number(event, "sequence"));
	if (service_client_flag(event, "pending"))
		printf(" (not in the log yet)");
	print_field(event, " ", "time");
	print_field(event, " ", "event");
	print_field(object, " job ", "job");
	print_field(object, " volume ", "volume");
	print_field(object, " drive ", "drive");
	print_field(event, ": ", "outcome");
	print_field(event, ", ", "detail");
	if (data)
		printf(" %s", cli_shown(json_object_to_json_string_ext(data,
				      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	print_field(subject, " (", "role");
	printf(", uid %" PRIu64, service_client_number(subject, "uid"));
	print_field(subject, ", from ", "origin");
	printf(")\n");
}

/* Into all, or printed; returns where to go on. */
static uint64_t take_events(struct json_object *answer, struct json_object *all, uint64_t since)
{
	struct json_object *events = json_object_object_get(answer, "events");

	for (size_t i = 0; events && i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i);

		since = service_client_number(event, "sequence") + 1;
		if (all)
			json_object_array_add(all, json_object_get(event));
		else
			print_event(event);
	}
	return since;
}

static int tell(struct service_client *client, const struct arguments *arguments)
{
	struct json_object *all = arguments->json ? json_object_new_array() : NULL, *object;
	struct problem problem = {""};
	uint64_t since = arguments->since, next;
	bool more = true;

	while (more) {
		struct json_object *parameters = json_object_new_object(), *answer;
		int r;

		cli_add_u64(parameters, "since", since);
		r = service_client_call(client, "Events", parameters, &answer, &problem);
		if (r < 0) {
			json_object_put(all);
			return cli_fail(&problem, r);
		}
		next = take_events(answer, all, since);
		more = service_client_flag(answer, "more") && next > since;
		since = next;
		json_object_put(answer);
	}
	if (all) {
		object = cli_json("events");
		json_object_object_add(object, "events", all);
		cli_print_json(object);
	}
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct arguments arguments = {.since = 0};
	struct problem problem = {""};
	int r;

	if (!parse(argc, argv, &arguments))
		return cli_usage_error(
			&cli_verb_events, "there is --json, and --since with a number");
	r = service_client_open(&client, &problem);
	if (r == -ESRCH)
		problem_set(&problem, r,
			"no service answers; start spoolguardd, or read the log where it lies: "
			"\"spoolguard audit show\"");
	return r < 0 ? cli_fail(&problem, r) : tell(client, &arguments);
}

const struct cli_verb cli_verb_events = {
	.name = "events",
	.summary = "what happened: the audit log, asked of the service",
	.usage = "usage: spoolguard events [--since NUMBER] [--json]\n\n"
		 "What the service did, was asked for and refused, oldest first: number, time, "
		 "event,\n"
		 "what it was about, how it went, and who asked in which role.  They are the "
		 "records\n"
		 "of the audit log; \"spoolguard audit\" shows and verifies it without the "
		 "service.\n\n"
		 "  --since NUMBER  from that number on\n\n"
		 "Exit code: 0 shown, 1 not (it needs the role auditor or administrator).\n",
	.run = run,
};
