/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_overwrite.c - "spoolguard overwrite": a file or a whole device, in place
 */
#include "cli/cli.h"
#include "cli/overwrite_job.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>

static int read_verify(const char *text, enum verify_mode *ret_verify)
{
	if (strcmp(text, "full") == 0)
		*ret_verify = VERIFY_FULL;
	else if (strcmp(text, "sample") == 0)
		*ret_verify = VERIFY_SAMPLE;
	else if (strcmp(text, "none") == 0)
		*ret_verify = VERIFY_NONE;
	else
		return cli_usage_error(
			&cli_verb_overwrite, "--verify is full, sample or none, not \"%s\"", text);
	return 0;
}

static int read_option(int option, const char *text, struct overwrite_request *request)
{
	switch (option) {
	case 's':
		request->scheme = scheme_find(text);
		return request->scheme
			       ? 0
			       : cli_usage_error(&cli_verb_overwrite,
					 "there is no scheme \"%s\" (\"spoolguard schemes\" "
					 "lists them)",
					 text);
	case 'v':
		return read_verify(text, &request->verify);
	case 'c':
		request->confirm = text;
		return 0;
	case 'n':
		request->dry_run = true;
		return 0;
	case 'r':
		request->remove = true;
		return 0;
	default:
		request->json = true;
		return 0;
	}
}

static int parse(int argc, char **argv, struct overwrite_request *request)
{
	static const struct option options[] = {
		{"scheme", required_argument, NULL, 's'},
		{"verify", required_argument, NULL, 'v'},
		{"confirm", required_argument, NULL, 'c'},
		{"dry-run", no_argument, NULL, 'n'},
		{"remove", no_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option, r;

	*request = (struct overwrite_request){.scheme = scheme_default(), .verify = VERIFY_FULL};
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return cli_usage_error(&cli_verb_overwrite,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		r = read_option(option, optarg, request);
		if (r != 0)
			return r;
	}
	if (optind + 1 != argc)
		return cli_usage_error(&cli_verb_overwrite, "name one file or block device");
	request->path = argv[optind];
	return 0;
}

/* A device dies only by its own name. */
static int check_confirmed(const struct overwrite_job *job, struct problem *reterr_problem)
{
	const struct overwrite_request *request = &job->request;

	if (job->checked.kind != GUARD_DEVICE)
		return 0;
	if (!request->confirm)
		return problem_set(reterr_problem, -EPERM,
			"%s is a device; nothing was done: say --confirm SERIAL, with the serial "
			"that --dry-run prints",
			request->path);
	if (strcmp(request->confirm, job->identity.serial) != 0)
		return problem_set(reterr_problem, -EPERM,
			"%s is not the device \"%s\"; nothing was done: --dry-run prints its "
			"serial",
			request->path, request->confirm);
	return 0;
}

static int answer(const struct overwrite_job *job, int error, const struct problem *problem)
{
	enum overwrite_outcome outcome = overwrite_job_outcome(job, error);

	overwrite_print_result(job, outcome);
	if (error < 0)
		return cli_fail(problem, error);
	if (outcome == OVERWRITE_BAD_BLOCKS)
		return CLI_NO;
	return outcome == OVERWRITE_CANNOT_TELL ? CLI_CANNOT_TELL : CLI_YES;
}

static int run(int argc, char **argv)
{
	struct overwrite_job job = {.links = 0};
	struct problem problem = {{0}};
	int code, r;

	code = parse(argc, argv, &job.request);
	if (code != 0)
		return code;
	r = overwrite_job_look(&job, &problem);
	if (r >= 0 && !job.request.dry_run)
		r = check_confirmed(&job, &problem);
	if (r < 0) {
		code = cli_fail(&problem, r);
	} else if (job.request.dry_run) {
		overwrite_print_plan(&job);
	} else {
		r = overwrite_job_run(&job, cli_progress(), &problem);
		code = answer(&job, r, &problem);
	}
	overwrite_job_done(&job);
	return code;
}

const struct cli_verb cli_verb_overwrite = {
	.name = "overwrite",
	.summary = "overwrite a file or a whole device",
	.usage = "usage: spoolguard overwrite [--scheme NAME] [--verify full|sample|none] "
		 "[--dry-run]\n"
		 "                            [--confirm SERIAL] [--remove] [--json] FILE|DEVICE\n"
		 "\n"
		 "Writes every pass of the scheme in place, each durable before the next, and "
		 "reads\n"
		 "the last one back.  \"spoolguard schemes\" lists the schemes.\n"
		 "\n"
		 "  --scheme NAME     default three-pass (0x35, 0xca, 0x97)\n"
		 "  --verify HOW      full (default); sample: 1,000 sections, two samples of at "
		 "least\n"
		 "                    5 % in each, first and last block; none\n"
		 "  --dry-run         show what would be done, and the device's serial; change "
		 "nothing\n"
		 "  --confirm SERIAL  a device wants its serial, or the stand-in that --dry-run "
		 "shows\n"
		 "  --remove          a file: then cut it to nothing and remove this name\n"
		 "  --json            one object, schema spoolguard.overwrite/1\n"
		 "\n"
		 "A FILE keeps its name and size.  Overwritten are all its allocated blocks, the "
		 "rest of\n"
		 "the last one and what is allocated beyond its end; holes have nothing to "
		 "overwrite.\n"
		 "Where the file system does not write in place, every pass is written all the "
		 "same,\n"
		 "and the answer is 3, cannot tell.\n"
		 "\n"
		 "A DEVICE that is mounted, attached, swap, held or open is refused.  Interrupted\n"
		 "(Ctrl-C, power), the same command takes it up where it was durable, if nothing "
		 "was\n"
		 "written to it since; SPOOLGUARD_STATE_DIR, or /var/lib/spoolguard, keeps how far "
		 "it\n"
		 "was.  Bad sectors are listed, and the answer is 1: what they hold may remain.\n",
	.run = run,
};
