/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguard_main.c - the command "spoolguard": finds the verb and runs it
 */
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

static const struct cli_verb *const verbs[] = {
	&cli_verb_format,
	&cli_verb_attach,
	&cli_verb_detach,
	&cli_verb_job,
	&cli_verb_sweep,
	&cli_verb_wipe_spool,
	&cli_verb_status,
	&cli_verb_check,
	&cli_verb_events,
	&cli_verb_audit,
	&cli_verb_receipt,
	&cli_verb_certificate,
	&cli_verb_devices,
	&cli_verb_overwrite,
	&cli_verb_decommission,
	&cli_verb_cups,
	&cli_verb_config,
	&cli_verb_resize,
	&cli_verb_key,
	&cli_verb_inspect,
	&cli_verb_selftest,
	&cli_verb_volatility,
	&cli_verb_schemes,
	&cli_verb_put,
	&cli_verb_get,
	&cli_verb_ls,
};

static const struct cli_verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	return NULL;
}

static void print_help(FILE *to)
{
	fprintf(to, "usage: spoolguard VERB [OPTIONS] ...\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
	fprintf(to, "\n\"spoolguard VERB --help\" shows a verb's options.\n"
		    "Exit codes: 0 yes or done, 1 no or failed, 2 usage, 3 cannot tell.\n");
}

static int no_such_verb(const char *name)
{
	fprintf(stderr, "spoolguard: there is no verb \"%s\"; \"spoolguard help\" lists them\n",
		cli_shown(name));
	return CLI_USAGE;
}

static int help(int argc, char **argv)
{
	const struct cli_verb *verb;

	if (argc < 2) {
		print_help(stdout);
		return CLI_YES;
	}
	verb = find(argv[1]);
	if (!verb)
		return no_such_verb(argv[1]);
	fputs(verb->usage, stdout);
	return CLI_YES;
}

int main(int argc, char **argv)
{
	const struct cli_verb *verb;

	if (argc < 2) {
		print_help(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
		strcmp(argv[1], "-h") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
		printf("spoolguard %s\n", SPOOLGUARD_VERSION);
		return CLI_YES;
	}

	verb = find(argv[1]);
	if (!verb)
		return no_such_verb(argv[1]);
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(verb->usage, stdout);
			return CLI_YES;
		}
	}
	return verb->run(argc - 1, argv + 1);
}
