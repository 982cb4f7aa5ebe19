/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_selftest.c - "spoolguard selftest": is what every claim rests on right, here and now?
 */
#include "attached/selftest_port.h"
#include "attached/selftest_report.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEDIA_MAX 64

struct arguments {
	bool json;
	bool list;
	bool alone; /* without the service */
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
		else if (!options_end && strcmp(word, "--no-service") == 0)
			arguments->alone = true;
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

static const char *text_of(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	return text ? text : "";
}

static bool is_set(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

static void print_test(struct json_object *test)
{
	printf("%-11s %s%s%s: %s\n", text_of(test, "result"), text_of(test, "name"),
		text_of(test, "subject")[0] ? " " : "", cli_shown(text_of(test, "subject")),
		cli_shown(text_of(test, "detail")));
	if (text_of(test, "remedy")[0])
		printf("            %s: %s\n",
			strcmp(text_of(test, "weight"), "claim") == 0
				? "nothing may be claimed until"
				: "to end it",
			cli_shown(text_of(test, "remedy")));
}

static void print_text(struct json_object *report)
{
	struct json_object *tests = json_object_object_get(report, "tests");
	size_t count = json_object_array_length(tests), bad = 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *test = json_object_array_get_idx(tests, i);

		bad += !is_set(test, "ok");
		print_test(test);
	}
	printf("self-test %s: %zu tests in %" PRIu64 " ms, %zu of them not passed%s%s\n",
		text_of(report, "id"), count,
		json_object_get_uint64(json_object_object_get(report, "took_ms")), bad,
		is_set(report, "degraded") ? "; the host is not as it should be" : "",
		text_of(report, "injected")[0] ? "; a fault was injected" : "");
}

/* Of a run that may not be claimed on: has a test failed, or could some only not be made? */
static enum cli_exit exit_code(struct json_object *report)
{
	struct json_object *tests = json_object_object_get(report, "tests");

	if (is_set(report, "ok"))
		return CLI_YES;
	for (size_t i = 0; i < json_object_array_length(tests); i++) {
		struct json_object *test = json_object_array_get_idx(tests, i);

		if (strcmp(text_of(test, "weight"), "claim") == 0 &&
			strcmp(text_of(test, "result"), "failed") == 0)
			return CLI_NO;
	}
	return CLI_CANNOT_TELL;
}

/* Takes the report. */
static enum cli_exit tell(struct json_object *report, bool json)
{
	enum cli_exit code = exit_code(report);

	if (json) {
		cli_print_json(report);
		return code;
	}
	print_text(report);
	json_object_put(report);
	return code;
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

static int test_alone(
	const struct arguments *arguments, struct json_object **ret_report, struct problem *problem)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	int r = test(arguments, &report, problem);

	if (r >= 0)
		*ret_report = selftest_report_to_json(report, arguments->inject);
	return r;
}

/* -ESRCH: no service runs. */
static int test_by_service(
	const struct arguments *arguments, struct json_object **ret_report, struct problem *problem)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *parameters;
	int r = service_client_open(&client, problem);

	if (r < 0)
		return r;
	parameters = json_object_new_object();
	if (arguments->inject)
		cli_add_string(parameters, "inject", arguments->inject);
	return service_client_call_long(client, "SelfTest", parameters, -1, ret_report, problem);
}

static int run(int argc, char **argv)
{
	struct json_object *report;
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
	r = -ESRCH;
	if (!arguments.alone && arguments.path_count == 0)
		r = test_by_service(&arguments, &report, &problem);
	if (r == -ESRCH)
		r = test_alone(&arguments, &report, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return r == -EPERM || r == -EACCES || r == -EINVAL ? CLI_NO : CLI_CANNOT_TELL;
	}
	return tell(report, arguments.json);
}

const struct cli_verb cli_verb_selftest = {
	.name = "selftest",
	.summary = "is what every claim rests on right, on this machine, now?",
	.usage = "usage: spoolguard selftest [--json] [--inject NAME] [--no-service] [PATH...]\n"
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
		 "When the service runs and no PATH is named, it tests itself and what it keeps "
		 "open.\n\n"
		 "  --list         the tests' names\n"
		 "  --inject NAME  breaks what this test tests, to see it fail; refused while any "
		 "volume is attached\n"
		 "  --no-service   tests from this process alone\n\n"
		 "Exit code: 0 all passed (the host's condition may be degraded: it is told), 1 a "
		 "test\n"
		 "failed: nothing may be claimed, 3 a test could not be made.\n",
	.run = run,
};
