/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_cups.c - "spoolguard cups": the configuration of CUPS looked at, changed, changed back, and
 * a spool moved onto a volume
 */
#include "cli/cli.h"
#include "cli/cups_verb.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_S_DEFAULT 60
#define WAIT_S_MOST    3600

static const struct {
	const char *name;
	int (*run)(const struct cups_options *options);
	const char *options; /* letters of those that mean something here */
} actions[] = {
	{"check", cups_check, "cfrjw"},
	{"apply", cups_apply, "cfrjwnNRWdt"},
	{"revert", cups_revert, "cfrjwnNRWdt"},
	{"migrate", cups_migrate, "cfrjwnWPSmD"},
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"files-config", required_argument, NULL, 'f'},
	{"root", required_argument, NULL, 'r'},
	{"json", no_argument, NULL, 'j'},
	{"without", required_argument, NULL, 'w'},
	{"dry-run", no_argument, NULL, 'n'},
	{"no-reload", no_argument, NULL, 'N'},
	{"reload-command", required_argument, NULL, 'R'},
	{"stop-command", required_argument, NULL, 'P'},
	{"start-command", required_argument, NULL, 'S'},
	{"wait", required_argument, NULL, 'W'},
	{"cupsd", required_argument, NULL, 'd'},
	{"templates", required_argument, NULL, 't'},
	{"volume-mount", required_argument, NULL, 'm'},
	{"directory", required_argument, NULL, 'D'},
	{NULL, 0, NULL, 0},
};

static int usage_failure(const char *text)
{
	return cli_usage_error(&cli_verb_cups, "%s", text);
}

static int parse_without(const char *id, struct cups_options *options)
{
	if (!cups_residue_find(id) && strcmp(id, "systemd") != 0)
		return cli_usage_error(&cli_verb_cups,
			"--without %s: there is no such id (\"spoolguard cups check\" shows them "
			"in brackets)",
			id);
	if (options->without_count == CUPS_WITHOUT_MAX)
		return usage_failure("--without is there too often");
	options->without[options->without_count++] = id;
	return CLI_YES;
}

/* One name, and none that the cache, the logs or the volume itself have. */
static int parse_directory(const char *name, struct cups_options *options)
{
	static const char *const taken[] = {"cache", "log", "lost+found"};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (strcmp(taken[i], name) == 0)
			return cli_usage_error(
				&cli_verb_cups, "--directory %s: that name is taken", name);
	}
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') || strlen(name) > 32)
		return cli_usage_error(&cli_verb_cups,
			"--directory %s: give one name, without \"/\" and no dot before", name);
	options->directory = name;
	return CLI_YES;
}

static int parse_wait(const char *text, struct cups_options *options)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (end == text || *end || seconds < 1 || seconds > WAIT_S_MOST)
		return cli_usage_error(
			&cli_verb_cups, "--wait %s: give seconds from 1 to %d", text, WAIT_S_MOST);
	options->wait_s = (unsigned int)seconds;
	return CLI_YES;
}

static int parse_option(int option, struct cups_options *options)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return CLI_YES;
	case 'f':
		options->files_config = optarg;
		return CLI_YES;
	case 'r':
		options->root = strcmp(optarg, "/") == 0 ? "" : optarg;
		return CLI_YES;
	case 'j':
		options->json = true;
		return CLI_YES;
	case 'n':
		options->dry_run = true;
		return CLI_YES;
	case 'N':
		options->no_reload = true;
		return CLI_YES;
	case 'D':
		return parse_directory(optarg, options);
	case 'R':
		options->reload_command = optarg;
		return CLI_YES;
	case 'P':
		options->stop_command = optarg;
		return CLI_YES;
	case 'S':
		options->start_command = optarg;
		return CLI_YES;
	case 'd':
		options->cupsd = optarg;
		return CLI_YES;
	case 't':
		options->templates = optarg;
		return CLI_YES;
	case 'm':
		options->volume_mount = optarg;
		return CLI_YES;
	case 'w':
		return parse_without(optarg, options);
	case 'W':
		return parse_wait(optarg, options);
	default:
		return usage_failure("an option is unknown or lacks its value");
	}
}

static int run(int argc, char **argv)
{
	struct cups_options options = {.root = "", .cupsd = "cupsd", .wait_s = WAIT_S_DEFAULT};
	size_t action = 0;
	int option, r;

	if (argc < 2)
		return usage_failure("say what: check, apply, revert or migrate");
	while (action < ARRAY_SIZE(actions) && strcmp(actions[action].name, argv[1]) != 0)
		action++;
	if (action == ARRAY_SIZE(actions))
		return cli_usage_error(&cli_verb_cups, "there is no \"cups %s\"", argv[1]);
	argc--;
	argv++;
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option != '?' && !strchr(actions[action].options, option))
			return cli_usage_error(&cli_verb_cups, "%s means nothing to \"cups %s\"",
				cli_typed_option(argv), actions[action].name);
		r = parse_option(option, &options);
		if (r != CLI_YES)
			return r;
	}
	if (optind != argc)
		return cli_usage_error(&cli_verb_cups, "\"%s\" is no option", argv[optind]);
	return actions[action].run(&options);
}

const struct cli_verb cli_verb_cups = {
	.name = "cups",
	.summary = "what CUPS's configuration leaves behind, and how that is mended",
	.usage = "usage: spoolguard cups check   [OPTIONS]\n"
		 "       spoolguard cups apply   [--dry-run] [--without ID]... [OPTIONS]\n"
		 "       spoolguard cups revert  [--dry-run] [OPTIONS]\n"
		 "       spoolguard cups migrate [--dry-run] [--volume-mount DIR] [OPTIONS]\n\n"
		 "check says line by line what in cupsd.conf, cups-files.conf and around them "
		 "leaves\n"
		 "something of jobs behind: what, where, and what mends it.\n"
		 "\n"
		 "apply changes what can be changed there, and says of each change what users "
		 "lose.  Lines\n"
		 "that change stay as comments; cupsd -t has to be content; what was is kept "
		 "beside the\n"
		 "file; if cupsd does not come up, it is put back.  Once the spool lies on a "
		 "volume, it ties\n"
		 "cups.service to the spool's mount.\n"
		 "\n"
		 "revert takes out what apply wrote, and leaves what was edited since.\n"
		 "\n"
		 "migrate stops cupsd, moves its spool, cache and logs onto an attached volume, "
		 "mounts that\n"
		 "in their places, starts cupsd, and when it knows its jobs again overwrites the "
		 "old files.\n"
		 "Killed at any time, the same command goes on.\n"
		 "\n"
		 "  --dry-run            show it, change nothing\n"
		 "  --without ID         leave that out (check and apply show ids in brackets; "
		 "\"systemd\"\n"
		 "                       are the units); may be repeated\n"
		 "  --config FILE        default /etc/cups/cupsd.conf\n"
		 "  --files-config FILE  default cups-files.conf beside it\n"
		 "  --root DIR           look for etc/ and usr/ there\n"
		 "  --reload-command C   instead of systemctl, or SIGHUP where systemd does not "
		 "run\n"
		 "  --no-reload          cupsd reads it when it is started again\n"
		 "  --stop-command C     migrate: instead of systemctl, or SIGTERM\n"
		 "  --start-command C    migrate: instead of systemctl; needed where systemd does "
		 "not "
		 "run\n"
		 "  --volume-mount DIR   migrate: where the volume is mounted, if there are "
		 "several\n"
		 "  --directory NAME     migrate: into that directory of the volume, which stays "
		 "mounted\n"
		 "                       where it is; else the volume itself is mounted where the "
		 "spool is\n"
		 "  --wait SECONDS       for cupsd to come up (60)\n"
		 "  --cupsd PROGRAM      whose -t is asked\n"
		 "  --templates DIR      of the units, default /usr/share/spoolguard\n"
		 "  --json               one object, schema spoolguard.cups-check/1 (-apply, "
		 "-revert)\n\n"
		 "Exit code: 0 yes or done, 1 residue was found, or it failed, 3 something could "
		 "not be\n"
		 "looked at.\n",
	.run = run,
};
