/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_job.c - "spoolguard job complete": files of printed jobs are overwritten in place and
 * removed, free space and journal are swept, and a receipt says what was done
 */
#include "attached/job_list.h"
#include "attached/retire_jobs.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include "cli/job_inprocess.h"
#include "cli/receipt_print.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS_DEFAULT 60000u
#define TIMEOUT_S_MAX	1000000u

struct arguments {
	const char *id;
	const char *jobs_file;
	const char *image; /* the files lie on it, and it is not mounted */
	const char *passphrase_file;
	uint64_t wait_ms; /* 0: not */
	bool json;
	struct job_list list;
};

static int parse(int argc, char **argv, struct arguments *arguments, struct problem *problem)
{
	static const struct option options[] = {
		{"id", required_argument, NULL, 'i'},
		{"jobs", required_argument, NULL, 'J'},
		{"wait", no_argument, NULL, 'w'},
		{"timeout", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"image", required_argument, NULL, 'I'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	uint64_t timeout_ms = WAIT_MS_DEFAULT;
	int option, r = 0;
	char *end;

	if (argc < 2 || strcmp(argv[1], "complete") != 0)
		return cli_usage_error(&cli_verb_job, "the one action is \"complete\"");
	argc--;
	argv++;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			arguments->id = optarg;
			break;
		case 'J':
			arguments->jobs_file = optarg;
			break;
		case 'w':
			arguments->wait_ms = 1;
			break;
		case 't':
			timeout_ms = strtoull(optarg, &end, 10) * 1000;
			if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0' ||
				timeout_ms / 1000 > TIMEOUT_S_MAX)
				return cli_usage_error(&cli_verb_job,
					"--timeout: \"%s\" is no number of seconds up to %u",
					optarg, TIMEOUT_S_MAX);
			break;
		case 'j':
			arguments->json = true;
			break;
		case 'I':
			arguments->image = optarg;
			break;
		case 'p':
			arguments->passphrase_file = optarg;
			break;
		default:
			return cli_usage_error(&cli_verb_job,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		}
	}
	if (arguments->wait_ms)
		arguments->wait_ms = timeout_ms;
	if (!!arguments->id + !!arguments->jobs_file != 1)
		return cli_usage_error(&cli_verb_job, "give --id ID and files, or --jobs FILE");
	if (arguments->passphrase_file && !arguments->image)
		return cli_usage_error(&cli_verb_job, "a passphrase is for --image alone");
	if (arguments->jobs_file && optind != argc)
		return cli_usage_error(&cli_verb_job, "with --jobs the files stand in its list");
	if (arguments->id && optind == argc)
		return cli_usage_error(&cli_verb_job, "name the files of job %s", arguments->id);
	if (arguments->jobs_file)
		r = job_list_read(&arguments->list, arguments->jobs_file, problem);
	for (int i = optind; i < argc && r >= 0; i++)
		r = job_list_add(&arguments->list, arguments->id, argv[i]);
	if (r < 0 && arguments->id)
		return cli_usage_error(&cli_verb_job,
			"a job's id is 1 to %u bytes, a job has at most %u files", JOB_ID_BYTES_MAX,
			JOB_LIST_FILES_MAX);
	if (r < 0)
		return cli_fail(problem, r);
	if (arguments->list.count == 0)
		return cli_usage_error(&cli_verb_job, "the list names no file");
	return 0;
}

/* The files' own lines, then the receipt of each job in order. */
static int report(const struct job_list *list, const struct retire_result *result, bool json)
{
	bool all = true;

	if (result->barrier_error < 0)
		cli_fail(&result->barrier_problem, result->barrier_error);
	for (size_t i = 0; i < list->count; i++) {
		if (result->files[i].error != 0)
			cli_fail(&result->files[i].problem, result->files[i].error);
	}
	for (size_t job = 0; job < list->jobs; job++) {
		all &= result->receipts[job].retired;
		receipt_print(&result->receipts[job], json);
	}
	return all ? CLI_YES : CLI_NO;
}

static int complete(const struct arguments *arguments)
{
	_cleanup_(retire_session_closep) struct retire_session *session = NULL;
	const struct retire_options options = {.wait_ms = arguments->wait_ms};
	struct retire_result result;
	struct runtime_state state;
	struct problem problem = {""};
	int code, r;

	r = volumes_find_by_file(arguments->list.entries[0].path, &state, &problem);
	if (r >= 0)
		r = retire_session_open(&state, &session, &problem);
	if (r >= 0)
		r = retire_session_run(session, &arguments->list, &options, &result, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	code = report(&arguments->list, &result, arguments->json);
	retire_result_done(&result);
	return code;
}

static int complete_inprocess(const struct arguments *arguments)
{
	const struct job_inprocess job = {
		.image = arguments->image,
		.passphrase_file = arguments->passphrase_file,
		.json = arguments->json,
	};

	return cli_job_complete_inprocess(&job, &arguments->list);
}

static int run(int argc, char **argv)
{
	struct arguments arguments = {.id = NULL};
	struct problem problem = {""};
	int code;

	code = parse(argc, argv, &arguments, &problem);
	if (code == 0 && arguments.image)
		code = complete_inprocess(&arguments);
	else if (code == 0)
		code = complete(&arguments);
	job_list_done(&arguments.list);
	return code;
}

const struct cli_verb cli_verb_job = {
	.name = "job",
	.summary = "retire a printed job: overwrite its files, sweep, print the receipt",
	.usage =
		"usage: spoolguard job complete --id ID [--wait] [--json] FILE...\n"
		"       spoolguard job complete --jobs LIST [--wait] [--json]\n"
		"       spoolguard job complete --image IMAGE [--passphrase-file F] [--json]\n"
		"                               (--id ID NAME... | --jobs LIST)\n\n"
		"Overwrites the job's files in place with every pass of the volume's scheme,\n"
		"reads them back, removes them, sweeps free space and journal, and returns when\n"
		"that is true, with a receipt.  A file that is open elsewhere, has several names,\n"
		"or is no regular file on the volume is refused in words and left as it is.\n"
		"Without --image it needs root: emptying free space and journal is root's "
		"alone.\n\n"
		"  --id ID            the print job's id, for the receipt\n"
		"  --jobs LIST        many jobs at once: lines of \"ID<TAB>PATH\" (\"-\": "
		"standard\n"
		"                     input); one receipt for each job\n"
		"  --wait             wait until files that are open elsewhere are closed\n"
		"  --timeout SECONDS  ... this long at most (default 60)\n"
		"  --image IMAGE      the files lie on this image, which is not mounted: NAME is "
		"a\n"
		"                     path there, and all is done in this process, without root\n"
		"  --passphrase-file F  of the image: a file, \"-\" or fd:N; else the terminal\n"
		"  --json             each receipt is one object on one line\n\n"
		"Exit code: 0 if every job is retired, 1 if one is not.\n",
	.run = run,
};
