/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "overwrite/scheme.h"
#include <stdio.h>
#include <string.h>

static void format_passes(const struct scheme *scheme, char *text, size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < scheme->pass_count && used < bytes; i++) {
		const char *comma = i ? ", " : "";
		int n;

		if (scheme->passes[i].kind == PASS_RANDOM)
			n = snprintf(text + used, bytes - used, "%srandom", comma);
		else
			n = snprintf(text + used, bytes - used, "%s0x%02x", comma,
				scheme->passes[i].byte);
		used += n > 0 ? (size_t)n : 0;
	}
}

static struct json_object *describe(const struct scheme *scheme)
{
	struct json_object *object = json_object_new_object();
	struct json_object *passes = json_object_new_array();

	for (unsigned int i = 0; i < scheme->pass_count; i++) {
		char text[8] = "random";

		if (scheme->passes[i].kind == PASS_BYTE)
			snprintf(text, sizeof(text), "0x%02x", scheme->passes[i].byte);
		json_object_array_add(passes, json_object_new_string(text));
	}
	json_object_object_add(object, "name", json_object_new_string(scheme->name));
	json_object_object_add(
		object, "default", json_object_new_boolean(scheme == scheme_default()));
	json_object_object_add(object, "passes", passes);
	json_object_object_add(object, "origin", json_object_new_string(scheme->origin));
	return object;
}

static int print_json(void)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; scheme_at(i); i++)
		json_object_array_add(list, describe(scheme_at(i)));
	json_object_object_add(object, "schema", json_object_new_string("spoolguard.schemes/1"));
	json_object_object_add(object, "schemes", list);
	cli_print_json(object);
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	char passes[160];

	if (argc == 2 && strcmp(argv[1], "--json") == 0)
		return print_json();
	if (argc > 1)
		return cli_usage_error(
			&cli_verb_schemes, "\"%s\" is not an option of this verb", argv[1]);
	for (size_t i = 0; scheme_at(i); i++) {
		const struct scheme *scheme = scheme_at(i);

		format_passes(scheme, passes, sizeof(passes));
		printf("%-14s %s%s\n%-14s %s\n", scheme->name, passes,
			scheme == scheme_default() ? "  (default)" : "", "", scheme->origin);
	}
	return CLI_YES;
}

const struct cli_verb cli_verb_schemes = {
	.name = "schemes",
	.summary = "list the overwrite schemes",
	.usage = "usage: spoolguard schemes [--json]\n\n"
		 "Lists the overwrite schemes: passes, and whose they are.  More passes are what\n"
		 "contracts and older rules ask for; no current standard calls them stronger than\n"
		 "one (NIST SP 800-88).\n",
	.run = run,
};
