/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include "cli/cli.h"
#include "cli/inspect_print.h"
#include "spool/inspect.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_FILE_BYTES_MAX ((size_t)SEARCH_COUNT_MAX * (SEARCH_BYTES_MAX + 2))

struct options {
	const char *path;
	const char *passphrase_file;
	bool json;
	struct search *search;
};

static int explain_search(int error, const char *where)
{
	switch (error) {
	case -EINVAL:
		return cli_usage_error(&cli_verb_inspect,
			"%s: strings have %u bytes at least; ciphertext shows shorter ones by "
			"chance",
			where, SEARCH_BYTES_MIN);
	case -EFBIG:
		return cli_usage_error(&cli_verb_inspect, "%s: strings have at most %u bytes",
			where, SEARCH_BYTES_MAX);
	case -E2BIG:
		return cli_usage_error(
			&cli_verb_inspect, "%s: at most %u strings", where, SEARCH_COUNT_MAX);
	default:
		return cli_usage_error(&cli_verb_inspect, "%s: %s", where, strerror(-error));
	}
}

/* One string a line; empty lines are passed over. */
static int add_lines(struct search *search, const char *file, const char *text, size_t bytes)
{
	const char *end = text + bytes;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		int r = length > 0 ? search_add(search, text, length) : 0;

		if (r < 0)
			return explain_search(r, file);
		text += length + 1;
	}
	return CLI_YES;
}

static int add_file(struct search *search, const char *file)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ void *text = NULL;
	size_t bytes;
	int r;

	if (strcmp(file, "-") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return explain_search(-errno, file);
	r = io_alloc(SEARCH_FILE_BYTES_MAX, &text);
	if (r >= 0)
		r = io_read_to_end(fd, text, SEARCH_FILE_BYTES_MAX, &bytes);
	if (r < 0)
		return explain_search(r == -EFBIG ? -E2BIG : r, file);
	return add_lines(search, file, text, bytes);
}

static int parse(int argc, char **argv, struct options *options)
{
	enum { JSON = 256, SEARCH, SEARCH_FILE, PASSPHRASE_FILE };
	static const struct option known[] = {
		{"json", no_argument, NULL, JSON},
		{"search", required_argument, NULL, SEARCH},
		{"search-file", required_argument, NULL, SEARCH_FILE},
		{"passphrase-file", required_argument, NULL, PASSPHRASE_FILE},
		{NULL, 0, NULL, 0},
	};
	int option, r;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", known, NULL)) != -1) {
		r = CLI_YES;
		switch (option) {
		case JSON:
			options->json = true;
			break;
		case SEARCH:
			r = search_add(options->search, optarg, strlen(optarg));
			r = r < 0 ? explain_search(r, "--search") : CLI_YES;
			break;
		case SEARCH_FILE:
			r = add_file(options->search, optarg);
			break;
		case PASSPHRASE_FILE:
			options->passphrase_file = optarg;
			break;
		case ':':
			return cli_usage_error(
				&cli_verb_inspect, "\"%s\" wants a value", argv[optind - 1]);
		default:
			return cli_usage_error(&cli_verb_inspect,
				"\"%s\" is not an option of this verb", argv[optind - 1]);
		}
		if (r != CLI_YES)
			return r;
	}
	if (argc - optind != 1)
		return cli_usage_error(&cli_verb_inspect,
			argc == optind ? "PATH is missing" : "one PATH at a time");
	options->path = argv[optind];
	return CLI_YES;
}

static int inspect(const struct options *options)
{
	static const int exits[] = {
		[INSPECT_NOTHING_FOUND] = CLI_YES,
		[INSPECT_FOUND] = CLI_NO,
		[INSPECT_CANNOT_TELL] = CLI_CANNOT_TELL,
	};
	_cleanup_(inspect_report_freep) struct inspect_report *report = NULL;
	_cleanup_secret_ struct secret *passphrase = NULL;
	struct problem problem = {""};
	int r;

	r = cli_read_passphrase(
		options->passphrase_file, "Passphrase", false, &passphrase, &problem);
	if (r >= 0)
		r = inspect_volume(options->path, passphrase, options->search, cli_progress(),
			&report, &problem);
	if (r < 0) {
		cli_fail(&problem, r);
		return CLI_CANNOT_TELL; /* 1 would mean that something was found */
	}
	if (options->json)
		cli_print_json(inspect_to_json(options->path, report, options->search));
	else
		inspect_print_text(options->path, report, options->search);
	return exits[inspect_verdict_of(report)];
}

static int run(int argc, char **argv)
{
	_cleanup_(search_freep) struct search *search = NULL;
	struct options options = {.path = NULL};
	int r;

	r = search_new(&search);
	if (r < 0)
		return cli_fail(NULL, r);
	options.search = search;
	r = parse(argc, argv, &options);
	return r == CLI_YES ? inspect(&options) : r;
}

const struct cli_verb cli_verb_inspect = {
	.name = "inspect",
	.summary =
		"look into a detached volume: header, map, file system, medium; search all of it",
	.usage =
		"usage: spoolguard inspect [--json] [--search STRING | --search-file F]...\n"
		"                          [--passphrase-file F] PATH\n\n"
		"Reads the whole medium of a volume that is not attached, and changes nothing:\n"
		"LUKS2 header, superblock, residue map, and every block: what the file system "
		"says\n"
		"of it, what the map says, and what the medium shows.  A free block is to be "
		"CLEAN\n"
		"in the map, or owed passes; a CLEAN block is to show a pattern or zeros.\n\n"
		"  --search STRING       look for STRING, as given and as UTF-16, on the medium as "
		"it\n"
		"                        lies and in every block decrypted, whatever its state\n"
		"  --search-file F       the same for each line of F (\"-\": standard input)\n"
		"  --passphrase-file F   the passphrase (\"-\": standard input, fd:N)\n"
		"  --json                one JSON object\n\n"
		"Matches are found across blocks that adjoin, and across the extents of a live "
		"file;\n"
		"what was left of a deleted, fragmented file is searched block run by block "
		"run.\n\n"
		"Exit codes: 0 nothing found, and all that was compared agrees; 1 a string was "
		"found\n"
		"anywhere (in a live file, too: the words say where) or map, file system and "
		"medium\n"
		"do not agree; 2 usage; 3 cannot tell: the volume is attached or cannot be opened\n"
		"(also: wrong passphrase), its map is lost or UNKNOWN in places, its file system\n"
		"needs recovery, or a block cannot be read.\n",
	.run = run,
};
