/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_wipe_spool.c - "spoolguard wipe-spool": on-demand overwrite, through the service
 *
 * Without --confirm what would die is shown, and nothing is touched.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/service_client.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JOBS_SHOWN 40

struct arguments {
	const char *volume; /* NULL: the only one */
	const char *mode;
	const char *confirm;
	const char *passphrase_file;
	bool dry_run;
	bool json;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"standard", no_argument, NULL, 's'},
		{"full", no_argument, NULL, 'f'},
		{"dry-run", no_argument, NULL, 'd'},
		{"confirm", required_argument, NULL, 'c'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option, modes = 0;

	*arguments = (struct arguments){.volume = NULL};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
		case 'f':
			modes++;
			arguments->mode = option == 's' ? "standard" : "full";
			break;
		case 'd':
			arguments->dry_run = true;
			break;
		case 'c':
			arguments->confirm = optarg;
			break;
		case 'p':
			arguments->passphrase_file = optarg;
			break;
		case 'j':
			arguments->json = true;
			break;
		default:
			return cli_usage_error(&cli_verb_wipe_spool,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		}
	}
	if (modes != 1)
		return cli_usage_error(&cli_verb_wipe_spool, "give --standard or --full");
	if (optind + 1 < argc)
		return cli_usage_error(&cli_verb_wipe_spool, "name one volume");
	if (arguments->passphrase_file && strcmp(arguments->mode, "full") != 0)
		return cli_usage_error(
			&cli_verb_wipe_spool, "a passphrase is for --full alone: the key stays");
	arguments->volume = optind < argc ? argv[optind] : arguments->confirm;
	return 0;
}

/* --- what is shown --- */

static const char *size_of(struct json_object *object, const char *key, char buf[static 32])
{
	return bytes_format_size(service_client_number(object, key), buf, 32);
}

static void print_lines(struct json_object *report, const char *key, const char *name)
{
	struct json_object *list = json_object_object_get(report, key);

	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		printf("  %s: %s\n", name,
			cli_shown(json_object_get_string(json_object_array_get_idx(list, i))));
}

static void print_jobs(struct json_object *report)
{
	struct json_object *list = json_object_object_get(report, "jobs");
	size_t count = list ? json_object_array_length(list) : 0;
	uint64_t all = service_client_number(report, "job_count");

	printf("  jobs that die: %" PRIu64 "\n", all);
	for (size_t i = 0; i < count && i < JOBS_SHOWN; i++) {
		struct json_object *job = json_object_array_get_idx(list, i);

		printf("    %s %s, %s\n", cli_shown(service_client_text(job, "source")),
			cli_shown(service_client_text(job, "id")),
			cli_shown(service_client_text(job, "state")));
	}
	if (all > JOBS_SHOWN)
		printf("    ... and %" PRIu64 " more\n", all - JOBS_SHOWN);
}

static void print_directories(struct json_object *report)
{
	struct json_object *list = json_object_object_get(report, "directories");
	char buf[32];

	printf("  files that die: %" PRIu64 ", %s\n", service_client_number(report, "files"),
		size_of(report, "bytes", buf));
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);

		printf("    %-24s %8" PRIu64 "  %s\n",
			cli_shown(service_client_text(entry, "directory")),
			service_client_number(entry, "files"), size_of(entry, "bytes", buf));
	}
	print_lines(report, "retained", "retained");
}

static void print_plan(struct json_object *report)
{
	struct json_object *sheet = json_object_object_get(report, "sheet");

	printf("volume %s: a %s wipe would take this; nothing was touched\n",
		cli_shown(service_client_text(report, "volume")),
		service_client_text(report, "mode"));
	print_jobs(report);
	print_directories(report);
	if (sheet)
		printf("  confirmation sheet: on %s\n",
			cli_shown(service_client_text(sheet, "queue")));
	print_lines(report, "notes", "note");
}

static void print_numbers(struct json_object *report)
{
	struct json_object *numbers = json_object_object_get(report, "numbers");

	printf("  blocks: %" PRIu64 " requested, %" PRIu64 " written, %" PRIu64 " durable, %" PRIu64
	       " read back right (%" PRIu64 " passes)\n",
		service_client_number(numbers, "requested_blocks"),
		service_client_number(numbers, "written_blocks"),
		service_client_number(numbers, "durable_blocks"),
		service_client_number(numbers, "verified_blocks"),
		service_client_number(numbers, "passes"));
	if (strcmp(service_client_text(report, "mode"), "full") == 0)
		printf("  key slots destroyed: %" PRIu64 "; the volume is %s now\n",
			service_client_number(numbers, "slots_destroyed"),
			cli_shown(service_client_text(report, "new_uuid")));
	else
		printf("  files: %" PRIu64 " overwritten in place, %" PRIu64
		       " cut while they were open; free blocks overwritten: %" PRIu64 "\n",
			service_client_number(numbers, "files"),
			service_client_number(numbers, "cut_files"),
			service_client_number(numbers, "freed_blocks"));
	printf("  owed now: %" PRIu64 " blocks\n", service_client_number(numbers, "owed_blocks"));
}

static void print_result(struct json_object *report)
{
	struct json_object *sheet = json_object_object_get(report, "sheet");

	printf("volume %s wiped (%s): %s; %" PRIu64 " jobs died\n",
		cli_shown(service_client_text(report, "volume")),
		service_client_text(report, "mode"), service_client_text(report, "result"),
		service_client_number(report, "job_count"));
	print_numbers(report);
	if (sheet)
		printf("  confirmation sheet: job %" PRIu64 " on %s, %s\n",
			service_client_number(sheet, "job"),
			cli_shown(service_client_text(sheet, "queue")),
			service_client_text(sheet, "state"));
	print_lines(report, "notes", "note");
}

static enum cli_exit tell(struct json_object *report, bool json)
{
	struct json_object *faults = json_object_object_get(report, "faults");
	bool dry_run = service_client_flag(report, "dry_run");
	bool failed = strcmp(service_client_text(report, "result"), "failed") == 0;

	for (size_t i = 0; failed && faults && i < json_object_array_length(faults); i++)
		cli_warn("%s", json_object_get_string(json_object_array_get_idx(faults, i)));
	if (json)
		cli_print_json(json_object_get(report));
	else if (dry_run)
		print_plan(report);
	else
		print_result(report);
	return failed ? CLI_NO : CLI_YES;
}

/* --- asking the service --- */

static int find_volume(struct service_client *client, const char *named, char name[static 64],
	struct problem *problem)
{
	struct json_object *status = NULL, *volumes, *volume = NULL;
	int r;

	if (named) {
		r = service_client_find_volume(client, named, &volume, problem);
		if (r == -ENODEV)
			return problem_set(problem, -ENOENT,
				"the service has no volume \"%s\"; \"spoolguard status\" lists "
				"them",
				named);
		if (r >= 0)
			snprintf(name, 64, "%s", service_client_text(volume, "name"));
		return r;
	}
	r = service_client_call(client, "GetStatus", NULL, &status, problem);
	if (r < 0)
		return r;
	volumes = json_object_object_get(status, "volumes");
	if (volumes && json_object_array_length(volumes) == 1)
		snprintf(name, 64, "%s",
			service_client_text(json_object_array_get_idx(volumes, 0), "name"));
	else
		r = problem_set(problem, -EINVAL,
			"the service has more than one volume, or none: name the one that is to be "
			"wiped");
	json_object_put(status);
	return r;
}

static int ask(struct service_client *client, const struct arguments *arguments, const char *volume,
	bool dry_run, struct json_object **ret_report, struct problem *problem)
{
	struct json_object *parameters = json_object_new_object(), *answer;
	_cleanup_close_ int fd = -1;
	int r = 0;

	cli_add_string(parameters, "volume", volume);
	cli_add_string(parameters, "mode", arguments->mode);
	cli_add_bool(parameters, "dry_run", dry_run);
	if (!dry_run)
		cli_add_string(parameters, "confirm", arguments->confirm);
	if (arguments->passphrase_file)
		r = cli_open_passphrase_file(arguments->passphrase_file, &fd, problem);
	if (r < 0) {
		json_object_put(parameters);
		return r;
	}
	r = service_client_call_long(client, "WipeSpool", parameters, fd, &answer, problem);
	if (r == -ECANCELED)
		return problem_set(problem, r,
			"the wipe of volume %s goes on in the service; \"spoolguard status\" shows "
			"it",
			volume);
	if (r < 0)
		return r;
	*ret_report = json_object_get(json_object_object_get(answer, "result"));
	json_object_put(answer);
	return *ret_report ? 0 : problem_set(problem, -EBADMSG, "the service told no result");
}

static int wipe(const struct arguments *arguments, struct problem *problem)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	bool dry_run = arguments->dry_run || !arguments->confirm;
	struct json_object *report = NULL;
	char volume[64];
	int code, r;

	r = service_client_open(&client, problem);
	if (r == -ESRCH)
		return problem_set(problem, r,
			"the service does not run, and nothing was touched: a wipe holds new jobs "
			"and cancels the others through it; start spoolguardd");
	if (r >= 0)
		r = find_volume(client, arguments->volume, volume, problem);
	if (r >= 0)
		r = ask(client, arguments, volume, dry_run, &report, problem);
	if (r < 0)
		return r;
	code = tell(report, arguments->json);
	json_object_put(report);
	if (dry_run && !arguments->dry_run)
		return problem_set(problem, -EINVAL,
			"nothing was touched; to wipe it, confirm: --confirm %s", volume);
	return code;
}

static int run(int argc, char **argv)
{
	struct arguments arguments;
	struct problem problem = {""};
	int r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	r = wipe(&arguments, &problem);
	return r < 0 ? cli_fail(&problem, r) : r;
}

const struct cli_verb cli_verb_wipe_spool = {
	.name = "wipe-spool",
	.summary = "on-demand overwrite: all jobs are cancelled, everything on the spool dies",
	.usage =
		"usage: spoolguard wipe-spool --standard|--full [--dry-run] [--confirm VOLUME]\n"
		"                             [--passphrase-file F] [--json] [VOLUME]\n\n"
		"New jobs are held, and not rejected; all others are cancelled and forgotten, and\n"
		"their files die with every other file on the volume.  Once it is confirmed it "
		"comes\n"
		"to its end, also through a power cut, and whoever asked may leave.  It needs the\n"
		"service (spoolguardd), and the role operator there.\n\n"
		"  --standard           every file but those in the directories that the\n"
		"                       configuration retains is overwritten in place, read back "
		"and\n"
		"                       removed; then everything that is owed is paid.  Same key, "
		"same\n"
		"                       directories.\n"
		"  --full               every key slot is destroyed, then a new key and a new "
		"file\n"
		"                       system, and the whole medium overwritten.  Nothing is "
		"retained.\n"
		"  --dry-run            what would die: jobs, files, directories; touches nothing\n"
		"  --confirm VOLUME     the volume's name, as in \"spoolguard status\"; without it "
		"what\n"
		"                       would die is shown\n"
		"  --passphrase-file F  with --full, of a volume that only an administrator opens: "
		"its\n"
		"                       passphrase, which stays its own; a file, \"-\" or fd:N\n\n"
		"A confirmation sheet is printed if the configuration names a queue for it.\n\n"
		"Exit code: 0 successful, 1 not all of it, or refused.\n",
	.run = run,
};
