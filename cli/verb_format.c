/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_format.c - "spoolguard format": a medium becomes an encrypted spool
 */
#include "attached/make_spool.h"
#include "base/bytes.h"
#include "blockdev/guard.h"
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KDF_MS_MAX 60000u

struct arguments {
	const char *path;
	const char *passphrase_file;
	struct volume_format_options options;
	bool no_filesystem;
	bool force;
	bool json;
};

static int read_option(int option, const char *text, struct arguments *arguments)
{
	struct volume_format_options *options = &arguments->options;
	uint64_t bytes = 0;
	char *end;

	switch (option) {
	case 's':
		return cli_parse_size(&cli_verb_format, "--size", text, &options->size_bytes)
			       ? 0
			       : CLI_USAGE;
	case 'm':
		return cli_parse_size(&cli_verb_format, "--max-size", text, &options->max_bytes)
			       ? 0
			       : CLI_USAGE;
	case 'k':
		if (!cli_parse_size(&cli_verb_format, "--kdf-memory", text, &bytes))
			return CLI_USAGE;
		if (bytes < 1024 || bytes >> 10 > UINT32_MAX)
			return cli_usage_error(
				&cli_verb_format, "--kdf-memory: %s is out of range", text);
		options->kdf_memory_kib = (uint32_t)(bytes >> 10);
		return 0;
	case 'K':
		options->kdf_iteration_ms = (uint32_t)strtoul(text, &end, 10);
		if (*end != '\0' || options->kdf_iteration_ms == 0 ||
			options->kdf_iteration_ms > KDF_MS_MAX)
			return cli_usage_error(&cli_verb_format,
				"--kdf-time: \"%s\" is no number of milliseconds up to %u", text,
				KDF_MS_MAX);
		return 0;
	case 'p':
		arguments->passphrase_file = text;
		return 0;
	case 'S':
		options->scheme = scheme_find(text);
		return options->scheme
			       ? 0
			       : cli_usage_error(&cli_verb_format,
					 "there is no scheme \"%s\" (\"spoolguard schemes\" "
					 "lists them)",
					 text);
	case 'P':
		return profile_from_name(text, &options->profile) >= 0
			       ? 0
			       : cli_usage_error(&cli_verb_format,
					 "there is no profile \"%s\" (standard, hcd-cpp)", text);
	case 'n':
		arguments->no_filesystem = true;
		return 0;
	case 'f':
		arguments->force = true;
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	default:
		return CLI_USAGE;
	}
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"size", required_argument, NULL, 's'},
		{"max-size", required_argument, NULL, 'm'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"scheme", required_argument, NULL, 'S'},
		{"profile", required_argument, NULL, 'P'},
		{"kdf-memory", required_argument, NULL, 'k'},
		{"kdf-time", required_argument, NULL, 'K'},
		{"no-filesystem", no_argument, NULL, 'n'},
		{"force", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option, r;

	*arguments = (struct arguments){.options = {.scheme = scheme_default()}};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return cli_usage_error(&cli_verb_format,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		r = read_option(option, optarg, arguments);
		if (r != 0)
			return r;
	}
	if (optind + 1 != argc)
		return cli_usage_error(&cli_verb_format, "name one image file or block device");
	arguments->path = argv[optind];
	return 0;
}

static void print(const struct arguments *arguments, const struct volume_format_report *report)
{
	char medium[32], data[32], most[32], owed[32];

	if (arguments->json) {
		struct json_object *object = cli_json("format");

		cli_add_string(object, "path", arguments->path);
		cli_add_u64(object, "medium_bytes", report->medium_bytes);
		cli_add_u64(object, "data_bytes", report->data_bytes);
		cli_add_u64(object, "max_data_bytes", report->max_data_bytes);
		cli_add_u64(object, "owed_bytes", report->owed_bytes);
		cli_add_string(object, "scheme", arguments->options.scheme->name);
		cli_add_string(object, "profile", profile_name(arguments->options.profile));
		cli_add_bool(object, "filesystem", !arguments->no_filesystem);
		cli_print_json(object);
		return;
	}
	printf("%s is an encrypted spool: %s for data on %s, room to grow to %s\n",
		cli_shown(arguments->path),
		bytes_format_size(report->data_bytes, data, sizeof(data)),
		bytes_format_size(report->medium_bytes, medium, sizeof(medium)),
		bytes_format_size(report->max_data_bytes, most, sizeof(most)));
	printf("  AES-256-XTS, 4096-byte sectors; freed blocks get: %s\n",
		arguments->options.scheme->name);
	if (report->owed_bytes > 0)
		printf("  it held something before: %s are owed every pass, and get them while "
		       "the volume is attached\n",
			bytes_format_size(report->owed_bytes, owed, sizeof(owed)));
	if (arguments->no_filesystem)
		printf("  no file system was made: what is written to it while it is not "
		       "attached here cannot be noticed\n");
}

/* May the path be destroyed, and does it hold something that would be lost? */
static int check_path(
	const struct arguments *arguments, struct guard_report *ret_report, struct problem *problem)
{
	const struct guard_options options = {.destroy = true, .may_create = true};
	int r;

	r = guard_check(arguments->path, &options, ret_report, problem);
	if (r < 0)
		return r;
	if (ret_report->holds[0] && !arguments->force)
		return problem_set(problem, -EEXIST,
			"%s holds %s, which would be lost; give --force to format it all the same",
			arguments->path, ret_report->holds);
	return 0;
}

static int run(int argc, char **argv)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	struct guard_report checked;
	struct volume_format_report report;
	struct problem problem = {""};
	struct arguments arguments;
	int r;

	r = parse(argc, argv, &arguments);
	if (r != 0)
		return r;
	r = check_path(&arguments, &checked, &problem);
	arguments.options.checked = &checked;
	if (r >= 0)
		r = profile_set(arguments.options.profile, &problem);
	if (r >= 0)
		r = cli_read_passphrase(
			arguments.passphrase_file, "New passphrase", true, &passphrase, &problem);
	if (r >= 0)
		r = make_spool(arguments.path, &arguments.options, !arguments.no_filesystem,
			passphrase, &report, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	print(&arguments, &report);
	return CLI_YES;
}

const struct cli_verb cli_verb_format = {
	.name = "format",
	.summary = "make an image file or a block device an encrypted spool",
	.usage =
		"usage: spoolguard format [OPTIONS] PATH\n\n"
		"Makes PATH (an image file, created if it does not exist, or a block device) a\n"
		"LUKS2 volume with a residue map and an ext4 file system.  What PATH held is\n"
		"lost: a path that holds something is refused without --force.\n\n"
		"  --size SIZE            size of a new image file (K, M, G, T)\n"
		"  --max-size SIZE        the map has room to grow to this\n"
		"  --passphrase-file F    \"-\" is standard input, fd:N a descriptor; else asked\n"
		"                         for at the terminal.  A key file is a passphrase file\n"
		"  --scheme NAME          what freed blocks get (\"spoolguard schemes\")\n"
		"  --profile NAME         standard, or hcd-cpp: only what HCD cPP v1.0e allows\n"
		"  --kdf-memory SIZE      memory of the key derivation (default 64M)\n"
		"  --kdf-time MS          time of one derivation on this machine (default 2000)\n"
		"  --no-filesystem        the encrypted block device alone\n"
		"  --force                also over a file system, LUKS header or partition table\n"
		"  --json                 one object on standard output\n",
	.run = run,
};
