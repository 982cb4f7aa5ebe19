/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_selftest.c - "spoolguard selftest": is what every claim rests on right, here and now?
 */
#include "attached/selftest_port.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "cli/cli.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEDIA_MAX 64

struct arguments {
	bool json;
	bool list;
	const char *inject;
	const char *paths[MEDIA_MAX];
	size_t path_count; /* 0: what is attached */
};

/* What is tested, and what has to live as long. */
struct media {
	struct harness_volume volumes[MEDIA_MAX];
	struct runtime_state *states[MEDIA_MAX]; /* owned; NULL: not attached */
	size_t count;
};

static void media_done(struct media *media)
{
	for (size_t i = 0; i < media->count; i++) {
		client_free(media->volumes[i].context);
		free(media->states[i]);
	}
}

/* --- what is to be tested --- */

static bool parse(int argc, char **argv, struct arguments *arguments)
{
	bool options_end = false;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (!options_end && strcmp(word, "--") == 0)
			options_end = true;
		else if (!options_end && strcmp(word, "--json") == 0)
			arguments->json = true;
		else if (!options_end && strcmp(word, "--list") == 0)
			arguments->list = true;
		else if (!options_end && strcmp(word, "--inject") == 0 && i + 1 < argc)
			arguments->inject = argv[++i];
		else if ((!options_end && word[0] == '-') || arguments->path_count == MEDIA_MAX)
			return false;
		else
			arguments->paths[arguments->path_count++] = word;
	}
	return !arguments->list || (!arguments->inject && arguments->path_count == 0);
}

static int add_medium(struct media *media, const char *path, const struct runtime_state *state)
{
	struct harness_volume *volume = &media->volumes[media->count];
	struct client *client = NULL;

	*volume = (struct harness_volume){.name = path, .path = path};
	media->states[media->count] = NULL;
	if (state) {
		struct runtime_state *own = malloc(sizeof(*own));

		if (!own)
			return -ENOMEM;
		*own = *state;
		media->states[media->count] = own;
		if (client_connect(own->uuid, &client) < 0)
			client = NULL; /* its tests will say that it does not answer */
		volume->name = volume->path = own->path;
		volume->mount = own->mount[0] ? own->mount : NULL;
		volume->port = &selftest_port;
		volume->context = client;
	}
	media->count++;
	return 0;
}

static int add_attached(struct media *media, struct problem *problem)
{
	struct runtime_state state;
	int r = 0;

	for (size_t i = 0; r >= 0 && runtime_at(i, &state) >= 0; i++)
		r = media->count < MEDIA_MAX
			    ? add_medium(media, state.path, &state)
			    : problem_set(problem, -E2BIG,
				      "more than %d volumes are attached; name those to test",
				      MEDIA_MAX);
	return r;
}

static int add_named(struct media *media, const struct arguments *arguments)
{
	struct runtime_state state;
	int r = 0;

	for (size_t i = 0; i < arguments->path_count && r >= 0; i++) {
		bool attached = runtime_find(arguments->paths[i], &state) >= 0;

		r = add_medium(media, arguments->paths[i], attached ? &state : NULL);
	}
	return r;
}

/* --- the report --- */

static bool passed(const struct harness_result *result)
{
	return !harness_result_is_bad(result);
}

/* Of a run that may not be claimed on: has a test failed, or could some only not be made? */
static enum cli_exit exit_code(const struct harness_report *report)
{
	if (report->claims)
		return CLI_YES;
	for (size_t i = 0; i < report->count; i++) {
		if (report->results[i].weight == HARNESS_CLAIM &&
			report->results[i].verdict == HARNESS_FAILED)
			return CLI_NO;
	}
	return CLI_CANNOT_TELL;
}

static struct json_object *json_of_result(const struct harness_result *result)
{
	struct json_object *object = json_object_new_object();

	cli_add_string(object, "name", result->name);
	cli_add_string(object, "subject", result->subject);
	cli_add_bool(object, "ok", passed(result));
	cli_add_string(object, "result", harness_verdict_name(result->verdict));
	cli_add_string(object, "weight", harness_weight_name(result->weight));
	cli_add_string(object, "detail", result->detail);
	cli_add_string(object, "remedy", result->remedy);
	return object;
}

static void print_json(const struct harness_report *report, const struct arguments *arguments)
{
	struct json_object *object = cli_json("selftest"), *tests = json_object_new_array();
	char began[CLOCK_RFC3339_BYTES];

	cli_add_bool(object, "ok", report->claims);
	cli_add_bool(object, "degraded", report->degraded);
	cli_add_string(object, "id", report->id);
	cli_add_string(object, "version", SPOOLGUARD_VERSION);
	cli_add_string(object, "began", clock_rfc3339(report->began_wall_s, began));
	cli_add_u64(object, "took_ms", report->took_ms);
	if (arguments->inject)
		cli_add_string(object, "injected", arguments->inject);
	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(tests, json_of_result(&report->results[i]));
	json_object_object_add(object, "tests", tests);
	cli_print_json(object);
}

static void print_text(const struct harness_report *report)
{
	size_t bad = 0;

	for (size_t i = 0; i < report->count; i++) {
		const struct harness_result *result = &report->results[i];

		bad += !passed(result);
		printf("%-11s %s%s%s: %s\n", harness_verdict_name(result->verdict), result->name,
			result->subject[0] ? " " : "", cli_shown(result->subject),
			cli_shown(result->detail));
		if (result->remedy[0])
			printf("            %s: %s\n",
				result->weight == HARNESS_CLAIM ? "nothing may be claimed until"
								: "to end it",
				result->remedy);
	}
	printf("self-test %s: %zu tests in %" PRIu64 " ms, %zu of them not passed%s%s\n",
		report->id, report->count, report->took_ms, bad,
		report->degraded ? "; the host is not as it should be" : "",
		report->injected ? "; a fault was injected" : "");
}

/* --- the verb --- */

static int list_tests(bool json)
{
	struct json_object *object, *names;
	const char *name;

	if (!json) {
		for (size_t i = 0; (name = harness_injection(i)); i++)
			printf("%s\n", name);
		return CLI_YES;
	}
	object = cli_json("selftest-list");
	names = json_object_new_array();
	for (size_t i = 0; (name = harness_injection(i)); i++)
		json_object_array_add(names, json_object_new_string(name));
	json_object_object_add(object, "tests", names);
	cli_print_json(object);
	return CLI_YES;
}

static bool is_known_test(const char *wanted)
{
	const char *name;

	for (size_t i = 0; (name = harness_injection(i)); i++) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

static int test(const struct arguments *arguments, struct harness_report **ret_report,
	struct problem *problem)
{
	_cleanup_(media_done) struct media media = {.count = 0};
	struct harness_options options = {.inject = arguments->inject, .volumes = media.volumes};
	struct runtime_state ignored;
	int r;

	r = volumes_check_allowed(problem);
	if (r >= 0)
		r = arguments->path_count > 0 ? add_named(&media, arguments)
					      : add_attached(&media, problem);
	if (r < 0)
		return r;
	options.allow_inject = runtime_at(0, &ignored) == -ENOENT;
	options.volume_count = media.count;
	return harness_run(&options, ret_report, problem);
}

static int run(int argc, char **argv)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct arguments arguments = {.json = false};
	struct problem problem = {""};
	int r;

	if (!parse(argc, argv, &arguments))
		return cli_usage_error(&cli_verb_selftest, "name media, or nothing");
	if (arguments.list)
		return list_tests(arguments.json);
	if (arguments.inject && !is_known_test(arguments.inject))
		return cli_usage_error(&cli_verb_selftest,
			"there is no test \"%s\" to break; --list names them",
			cli_shown(arguments.inject));
	r = test(&arguments, &report, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return r == -EPERM ? CLI_NO : CLI_CANNOT_TELL;
	}
	if (arguments.json)
		print_json(report, &arguments);
	else
		print_text(report);
	return exit_code(report);
}

const struct cli_verb cli_verb_selftest = {
	.name = "selftest",
	.summary = "is what every claim rests on right, on this machine, now?",
	.usage = "usage: spoolguard selftest [--json] [--inject NAME] [PATH...]\n"
		 "       spoolguard selftest --list [--json]\n\n"
		 "Known answers of every algorithm, random sources, pattern generators, the memory "
		 "of\n"
		 "secrets, our programs against their build manifest, the host's condition; and of "
		 "each\n"
		 "medium (PATH, or else every attached volume) its header and map, and every pass "
		 "of "
		 "its\n"
		 "scheme on the scratch area.  A volume that is not attached is opened for a "
		 "moment.\n\n"
		 "  --list         the tests' names\n"
		 "  --inject NAME  breaks what this test tests, to see it fail; refused while any "
		 "volume is attached\n\n"
		 "Exit code: 0 all passed (the host's condition may be degraded: it is told), 1 a "
		 "test\n"
		 "failed: nothing may be claimed, 3 a test could not be made.\n",
	.run = run,
};
