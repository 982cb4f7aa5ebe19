/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_attach.c - "spoolguard attach": the volume becomes a block device, and is mounted
 */
#include "attached/attach_spool.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct arguments {
	const char *passphrase_file;
	struct attach_spool_options options;
	struct bind_wanted binds[RUNTIME_BINDS_MAX];
	char directories[RUNTIME_BINDS_MAX][RUNTIME_BIND_DIRECTORY_BYTES];
	bool json;
	bool alone; /* without the service */
};

/* DIR:AT.  A directory's name has no colon here; a place may. */
static int add_bind(struct arguments *arguments, const char *text)
{
	size_t length = strcspn(text, ":"), count = arguments->options.bind_count;

	if (count == RUNTIME_BINDS_MAX)
		return cli_usage_error(
			&cli_verb_attach, "--bind: a volume has at most %u", RUNTIME_BINDS_MAX);
	if (text[length] != ':' || text[length + 1] == '\0' ||
		length >= sizeof(arguments->directories[0]))
		return cli_usage_error(&cli_verb_attach, "--bind is DIR:AT, not \"%s\"", text);
	*stpncpy(arguments->directories[count], text, length) = '\0';
	if (!bind_is_directory(arguments->directories[count]))
		return cli_usage_error(&cli_verb_attach,
			"--bind: \"%s\" is no directory of the volume: a path from its root, "
			"without \".\" or \"..\"",
			arguments->directories[count]);
	arguments->binds[count] = (struct bind_wanted){
		.directory = arguments->directories[count],
		.at = text + length + 1,
	};
	arguments->options.bind_count++;
	return 0;
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"passphrase-file", required_argument, NULL, 'p'},
		{"mount", required_argument, NULL, 'm'},
		{"nbd", required_argument, NULL, 'N'},
		{"bind", required_argument, NULL, 'b'},
		{"read-only", no_argument, NULL, 'r'},
		{"scheme", required_argument, NULL, 'S'},
		{"verify", required_argument, NULL, 'v'},
		{"profile", required_argument, NULL, 'P'},
		{"repair-token", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"no-service", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	enum profile profile;
	int option, r;

	*arguments = (struct arguments){.json = false};
	arguments->options.binds = arguments->binds;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			arguments->passphrase_file = optarg;
			break;
		case 'm':
			arguments->options.mount = optarg;
			break;
		case 'N':
			arguments->options.attach.nbd = optarg;
			break;
		case 'b':
			r = add_bind(arguments, optarg);
			if (r != 0)
				return r;
			break;
		case 'r':
			arguments->options.attach.read_only = true;
			break;
		case 'S':
			if (!scheme_find(optarg))
				return cli_usage_error(&cli_verb_attach,
					"there is no scheme \"%s\" (\"spoolguard schemes\" lists "
					"them)",
					optarg);
			arguments->options.attach.scheme = optarg;
			break;
		case 'v':
			if (strcmp(optarg, "full") != 0 && strcmp(optarg, "sample") != 0 &&
				strcmp(optarg, "none") != 0)
				return cli_usage_error(&cli_verb_attach,
					"--verify is full, sample or none, not \"%s\"", optarg);
			arguments->options.attach.verify = optarg;
			break;
		case 'P':
			if (profile_from_name(optarg, &profile) < 0)
				return cli_usage_error(&cli_verb_attach,
					"there is no profile \"%s\" (standard, hcd-cpp)", optarg);
			arguments->options.attach.profile = optarg;
			break;
		case 't':
			arguments->options.attach.repair_token = true;
			break;
		case 'j':
			arguments->json = true;
			break;
		case 'n':
			arguments->alone = true;
			break;
		default:
			return cli_usage_error(&cli_verb_attach,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return cli_usage_error(&cli_verb_attach, "name one volume");
	if (arguments->options.bind_count > 0 && !arguments->options.mount)
		return cli_usage_error(&cli_verb_attach, "--bind needs --mount");
	if (arguments->options.attach.nbd && arguments->options.mount)
		return cli_usage_error(&cli_verb_attach, "--nbd and --mount exclude each other: "
							 "what is served through NBD is mounted "
							 "by its client");
	arguments->options.path = argv[optind];
	return 0;
}

static void print_json(const struct attach_spool_report *report)
{
	const struct runtime_state *state = &report->state;
	struct json_object *object = cli_json("attach"), *binds;

	cli_add_string(object, "path", state->path);
	cli_add_string(object, "uuid", state->uuid);
	cli_add_string(object, "device", state->device);
	cli_add_string(object, "nbd", state->nbd);
	cli_add_string(object, "mount", state->mount);
	cli_add_bool(object, "read_only", state->read_only);
	cli_add_bool(object, "managed", report->found.managed);
	cli_add_bool(object, "was_unclean", report->found.was_unclean);
	cli_add_u64(object, "damaged_pages", report->found.damaged_pages);
	cli_add_bool(object, "foreign_writes", report->brought_up.foreign_writes);
	cli_add_bool(object, "swept", report->brought_up.swept);
	cli_add_bool(object, "sweep_owed", report->brought_up.sweep_owed);
	binds = json_object_new_array();
	for (size_t i = 0; i < state->bind_count; i++) {
		struct json_object *bind = json_object_new_object();

		cli_add_string(bind, "directory", state->binds[i].directory);
		cli_add_string(bind, "at", state->binds[i].at);
		json_object_array_add(binds, bind);
	}
	json_object_object_add(object, "binds", binds);
	cli_print_json(object);
}

static void print_text(const struct attach_spool_report *report)
{
	const struct runtime_state *state = &report->state;
	const struct bring_up_options *found = &report->found;

	if (state->nbd[0])
		printf("nbd    %s\n", cli_shown(state->nbd));
	else
		printf("device %s\n", state->device);
	if (state->mount[0])
		printf("mount  %s\n", cli_shown(state->mount));
	for (size_t i = 0; i < state->bind_count; i++)
		printf("bind   %s at %s\n", cli_shown(state->binds[i].directory),
			cli_shown(state->binds[i].at));
	if (!found->managed)
		printf("This volume has no residue map: it is served as encryption only, nothing "
		       "that is freed is overwritten.\n");
	if (found->was_unclean && !state->read_only && found->managed)
		printf("It was not detached in order: what is owed was recorded before it "
		       "opened.\n");
	if (found->damaged_pages > 0)
		printf("%" PRIu64 " damaged map pages were judged anew.\n", found->damaged_pages);
	if (found->was_unclean && state->read_only && found->managed)
		printf("It was not detached in order: what its journal holds is not applied "
		       "read-only.\n");
	if (report->brought_up.foreign_writes && state->nbd[0])
		printf("Something else wrote to it since, or that cannot be excluded: what it "
		       "holds "
		       "now is not overwritten when it is freed, before a sweep has judged it.\n");
	else if (report->brought_up.foreign_writes && found->was_unclean)
		printf("Whether something else wrote to it cannot be told: every block was judged "
		       "anew.\n");
	else if (report->brought_up.foreign_writes)
		printf("Something else wrote to it since: every block was judged anew.\n");
	if (report->brought_up.sweep_owed && found->managed && !state->read_only)
		printf("A sweep is owed: attach it with --mount.\n");
}

static void warn(const struct arguments *arguments, const struct attach_spool_report *report)
{
	if (report->promise != MEDIUM_NOT_ASSESSED)
		cli_warn("%s: %s", report->state.path, report->medium);
	if (!report->sealed)
		cli_warn("%s lies on a file system without the immutable flag: when the volume is "
			 "away, root can write to the bare directory",
			arguments->options.mount);
	if (!report->binds_sealed)
		cli_warn("a place of --bind lies on a file system without the immutable flag: when "
			 "the volume is away, other programs can write to the bare directory");
	if (report->brought_up.warning.text[0])
		cli_warn("%s", report->brought_up.warning.text);
}

/* --- through the service --- */

/* The configuration says all of this; the same place, said again, does no harm. */
static bool has_own_options(const struct arguments *arguments, struct json_object *volume)
{
	const struct attach_options *attach = &arguments->options.attach;
	const char *mount = arguments->options.mount;

	return (mount && strcmp(mount, service_client_text(volume, "configured_mount")) != 0) ||
	       arguments->options.bind_count > 0 || attach->read_only || attach->scheme ||
	       attach->verify || attach->profile || attach->repair_token || attach->nbd;
}

/* The end of a pipe that a passphrase is read from: it is asked for here, and goes no other way. */
static int pipe_of_passphrase(int *ret_fd, struct problem *problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	_cleanup_close_ int to = -1;
	int fds[2], r;

	r = cli_read_passphrase(NULL, "Passphrase", false, &passphrase, problem);
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	to = fds[1];
	/* A pipe holds 64 KiB, a passphrase from a terminal is shorter. */
	r = io_write(to, secret_peek(passphrase), secret_size(passphrase));
	if (r < 0)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return r;
}

/* -1: the service has it from where its configuration says. */
static int open_passphrase(const struct arguments *arguments, struct json_object *volume,
	int *ret_fd, struct problem *problem)
{
	struct json_object *key = json_object_object_get(volume, "key");

	*ret_fd = -1;
	if (arguments->passphrase_file)
		return cli_open_passphrase_file(arguments->passphrase_file, ret_fd, problem);
	if (strcmp(service_client_text(key, "source"), "ask") == 0)
		return pipe_of_passphrase(ret_fd, problem);
	return 0;
}

static void print_kept(struct json_object *volume, bool json)
{
	struct json_object *status = json_object_object_get(volume, "volume");
	struct json_object *object;

	if (!json) {
		printf("device %s\n", service_client_text(status, "device"));
		printf("mount  %s\n", cli_shown(service_client_text(volume, "mount")));
		return;
	}
	object = cli_json("attach");
	cli_add_string(object, "name", service_client_text(volume, "name"));
	cli_add_string(object, "path", service_client_text(volume, "medium"));
	cli_add_string(object, "uuid", service_client_text(volume, "uuid"));
	cli_add_string(object, "device", service_client_text(status, "device"));
	cli_add_string(object, "mount", service_client_text(volume, "mount"));
	cli_add_bool(object, "read_only", service_client_flag(status, "read_only"));
	cli_add_bool(object, "managed", service_client_flag(status, "managed"));
	cli_print_json(object);
}

static int attach_kept(const struct arguments *arguments, struct service_client *client,
	struct json_object *volume, struct problem *problem)
{
	struct json_object *parameters, *answer;
	_cleanup_close_ int fd = -1;
	int r;

	if (has_own_options(arguments, volume))
		return problem_set(problem, -EINVAL,
			"%s is volume %s of the service, which attaches it as configured: leave "
			"out "
			"what is not so there, or do it yourself with --no-service",
			arguments->options.path, service_client_text(volume, "name"));
	r = open_passphrase(arguments, volume, &fd, problem);
	if (r < 0)
		return r;
	parameters = json_object_new_object();
	cli_add_string(parameters, "volume", service_client_text(volume, "name"));
	r = service_client_call_long(client, "Attach", parameters, fd, &answer, problem);
	if (r < 0)
		return r;
	print_kept(json_object_object_get(answer, "volume"), arguments->json);
	json_object_put(answer);
	return 0;
}

/* -ESRCH: no service runs; -ENODEV: it is none of its volumes. */
static int attach_by_service(const struct arguments *arguments, struct problem *problem)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct json_object *volume;
	int r;

	r = service_client_open(&client, problem);
	if (r >= 0)
		r = service_client_find_volume(client, arguments->options.path, &volume, problem);
	return r < 0 ? r : attach_kept(arguments, client, volume, problem);
}

static int attach_alone(const struct arguments *arguments, struct problem *problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	struct attach_spool_report report;
	int r;

	r = cli_read_passphrase(
		arguments->passphrase_file, "Passphrase", false, &passphrase, problem);
	if (r >= 0)
		r = attach_spool(&arguments->options, passphrase, &report, problem);
	if (r < 0)
		return r;
	if (arguments->json)
		print_json(&report);
	else
		print_text(&report);
	warn(arguments, &report);
	return 0;
}

static int run(int argc, char **argv)
{
	struct problem problem = {""};
	struct arguments arguments;
	int r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	r = arguments.alone ? -ESRCH : attach_by_service(&arguments, &problem);
	if (r == -ESRCH || r == -ENODEV)
		r = attach_alone(&arguments, &problem);
	if (r == -ECANCELED)
		return CLI_NO;
	return r < 0 ? cli_fail(&problem, r) : CLI_YES;
}

const struct cli_verb cli_verb_attach = {
	.name = "attach",
	.summary = "open a volume: a block device, and with --mount a spool",
	.usage =
		"usage: spoolguard attach [OPTIONS] PATH|NAME\n\n"
		"Opens the volume and prints its block device and mount point.  After a crash,\n"
		"or when something else wrote to it, what is owed is recorded before it opens.\n"
		"A volume of the service's configuration (NAME, or the PATH of its medium) is\n"
		"attached by the service, as configured; the passphrase is handed over unread.\n\n"
		"  --passphrase-file F    \"-\" is standard input, fd:N a descriptor; else asked "
		"for\n"
		"  --mount DIR            mount its ext4 there (DIR is made if needed, and "
		"sealed:\n"
		"                         mode 0000 and immutable while nothing is mounted on it)\n"
		"  --bind DIR:AT          show the volume's directory DIR at AT too (needs "
		"--mount; "
		"up\n"
		"                         to 8 times).  DIR is made if needed, with AT's owner "
		"and\n"
		"                         mode; AT is an empty directory, and is sealed: "
		"immutable\n"
		"  --nbd SOCKET           serve it through NBD at a Unix socket (mode 0600), by\n"
		"                         nbdkit, in place of a block device\n"
		"  --read-only            nothing at all is written\n"
		"  --scheme NAME          for this attach (default: the volume's own)\n"
		"  --verify full|sample|none   read-back after the passes (default full)\n"
		"  --profile NAME         standard or hcd-cpp (default: the volume's own)\n"
		"  --repair-token         put a removed spoolguard token back into the header\n"
		"  --no-service           do it here, though the service runs\n"
		"  --json                 one object on standard output\n",
	.run = run,
};
