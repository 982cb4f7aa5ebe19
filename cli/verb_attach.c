/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_attach.c - "spoolguard attach": the volume becomes a block device, and is mounted
 */
#include "attached/bring_up_volume.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
	const char *path;
	const char *passphrase_file;
	const char *mount;
	struct attach_options options;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"passphrase-file", required_argument, NULL, 'p'},
		{"mount", required_argument, NULL, 'm'},
		{"read-only", no_argument, NULL, 'r'},
		{"scheme", required_argument, NULL, 'S'},
		{"verify", required_argument, NULL, 'v'},
		{"profile", required_argument, NULL, 'P'},
		{"repair-token", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	enum profile profile;
	int option;

	*arguments = (struct arguments){.path = NULL};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			arguments->passphrase_file = optarg;
			break;
		case 'm':
			arguments->mount = optarg;
			break;
		case 'r':
			arguments->options.read_only = true;
			break;
		case 'S':
			if (!scheme_find(optarg))
				return cli_usage_error(&cli_verb_attach,
					"there is no scheme \"%s\" (\"spoolguard schemes\" lists "
					"them)",
					optarg);
			arguments->options.scheme = optarg;
			break;
		case 'v':
			if (strcmp(optarg, "full") != 0 && strcmp(optarg, "sample") != 0 &&
				strcmp(optarg, "none") != 0)
				return cli_usage_error(&cli_verb_attach,
					"--verify is full, sample or none, not \"%s\"", optarg);
			arguments->options.verify = optarg;
			break;
		case 'P':
			if (profile_from_name(optarg, &profile) < 0)
				return cli_usage_error(&cli_verb_attach,
					"there is no profile \"%s\" (standard, hcd-cpp)", optarg);
			arguments->options.profile = optarg;
			break;
		case 't':
			arguments->options.repair_token = true;
			break;
		case 'j':
			arguments->json = true;
			break;
		default:
			return cli_usage_error(&cli_verb_attach,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return cli_usage_error(&cli_verb_attach, "name one volume");
	arguments->path = argv[optind];
	return 0;
}

static void print(const struct arguments *arguments, const struct runtime_state *state,
	const struct bring_up_options *options, const struct bring_up_report *report)
{
	if (arguments->json) {
		struct json_object *object = cli_json("attach");

		cli_add_string(object, "path", state->path);
		cli_add_string(object, "uuid", state->uuid);
		cli_add_string(object, "device", state->device);
		cli_add_string(object, "mount", state->mount);
		cli_add_bool(object, "read_only", state->read_only);
		cli_add_bool(object, "managed", options->managed);
		cli_add_bool(object, "was_unclean", options->was_unclean);
		cli_add_u64(object, "damaged_pages", options->damaged_pages);
		cli_add_bool(object, "foreign_writes", report->foreign_writes);
		cli_add_bool(object, "swept", report->swept);
		cli_add_bool(object, "sweep_owed", report->sweep_owed);
		cli_print_json(object);
		return;
	}
	printf("device %s\n", state->device);
	if (state->mount[0])
		printf("mount  %s\n", cli_shown(state->mount));
	if (!options->managed)
		printf("This volume has no residue map: it is served as encryption only, nothing "
		       "that is freed is overwritten.\n");
	if (options->was_unclean && !state->read_only && options->managed)
		printf("It was not detached in order: what is owed was recorded before it "
		       "opened.\n");
	if (options->damaged_pages > 0)
		printf("%" PRIu64 " damaged map pages were judged anew.\n", options->damaged_pages);
	if (options->was_unclean && state->read_only && options->managed)
		printf("It was not detached in order: what its journal holds is not applied "
		       "read-only.\n");
	if (report->foreign_writes && options->was_unclean)
		printf("Whether something else wrote to it cannot be told: every block was judged "
		       "anew.\n");
	else if (report->foreign_writes)
		printf("Something else wrote to it since: every block was judged anew.\n");
	if (report->sweep_owed && options->managed && !state->read_only)
		printf("A sweep is owed: attach it with --mount.\n");
}

static void warn(const struct arguments *arguments, const struct runtime_state *state,
	struct client *client, const struct bring_up_report *report, const struct mount_seal *seal)
{
	enum medium_promise promise = MEDIUM_NOT_ASSESSED;
	char medium[MEDIUM_TEXT_BYTES];
	struct json_object *status;

	if (client_status(client, &status) >= 0) {
		volumes_assess_medium(state, status, medium, &promise);
		json_object_put(status);
	}
	if (promise != MEDIUM_NOT_ASSESSED)
		cli_warn("%s: %s", state->path, medium);
	if (arguments->mount && !seal->sealed)
		cli_warn("%s lies on a file system without the immutable flag: when the volume is "
			 "away, root can write to the bare directory",
			arguments->mount);
	if (report->warning.text[0])
		cli_warn("%s", report->warning.text);
}

/* One line says both what failed and, if so, that it could not be undone. */
static void undo(const struct runtime_state *state, struct problem *problem, int error)
{
	struct problem first = *problem, second = {""};
	int r = attach_undo(state, &second);

	if (r < 0)
		problem_set(problem, error, "%.300s; what was set up could not be undone: %.300s",
			problem_text(&first, error), problem_text(&second, r));
}

static int run(int argc, char **argv)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	_cleanup_(client_freep) struct client *client = NULL;
	struct bring_up_options options = {.device = NULL};
	struct bring_up_report report = {.has_filesystem = false};
	struct mount_seal seal;
	struct problem problem = {""};
	struct arguments arguments;
	struct runtime_state state;
	int lock = -1, r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	r = cli_read_passphrase(
		arguments.passphrase_file, "Passphrase", false, &passphrase, &problem);
	if (r >= 0)
		r = attach_volume(arguments.path, &arguments.options, passphrase, &state, &client,
			&lock, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = bring_up_volume(client, arguments.mount, &state, &options, &report, &seal, &problem);
	if (r < 0) {
		client_free(client);
		client = NULL;
		undo(&state, &problem, r);
		close(lock);
		return cli_fail(&problem, r);
	}
	close(lock);
	print(&arguments, &state, &options, &report);
	warn(&arguments, &state, client, &report, &seal);
	return CLI_YES;
}

const struct cli_verb cli_verb_attach = {
	.name = "attach",
	.summary = "open a volume: a block device, and with --mount a spool",
	.usage =
		"usage: spoolguard attach [OPTIONS] PATH\n\n"
		"Opens the volume and prints its block device and mount point.  After a crash,\n"
		"or when something else wrote to it, what is owed is recorded before it opens.\n\n"
		"  --passphrase-file F    \"-\" is standard input, fd:N a descriptor; else asked "
		"for\n"
		"  --mount DIR            mount its ext4 there (DIR is made if needed, and "
		"sealed:\n"
		"                         mode 0000 and immutable while nothing is mounted on it)\n"
		"  --read-only            nothing at all is written\n"
		"  --scheme NAME          for this attach (default: the volume's own)\n"
		"  --verify full|sample|none   read-back after the passes (default full)\n"
		"  --profile NAME         standard or hcd-cpp (default: the volume's own)\n"
		"  --repair-token         put a removed spoolguard token back into the header\n"
		"  --json                 one object on standard output\n",
	.run = run,
};
