/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_job.c - "spoolguard job complete": files of printed jobs are overwritten in place and
 * removed, free space and journal are swept, and a receipt says what was done
 *
 * Through the service when it runs and keeps the volume that they lie on (job_service.c), on an
 * image that is not mounted (job_inprocess.c), or alone.  What else there is to do with jobs is
 * the service's: begin, list, show, hold, release.
 */
#include "attached/job_list.h"
#include "attached/retire_jobs.h"
#include "attached/volumes.h"
#include "cli/cli.h"
#include "cli/job_inprocess.h"
#include "cli/job_service.h"
#include "cli/receipt_print.h"
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS_DEFAULT 60000u
#define TIMEOUT_S_MAX	86400u

struct arguments {
	const struct action *action;
	const char *id;
	const char *jobs_file;
	const char *image; /* the files lie on it, and it is not mounted */
	const char *passphrase_file;
	const char *source, *state, *reason, *volume;
	bool wait;
	uint64_t timeout_ms;
	bool json;
	bool alone; /* without the service */
	struct job_list list;
};

/* What follows the id on the command line. */
enum operands { NO_OPERANDS, FILES, ID };

static const struct action {
	const char *name;
	const char *options; /* of parse() */
	enum operands operands;
	int (*run)(const struct job_service *job); /* through the service */
} actions[] = {
	{"begin", "iVj", FILES, job_service_begin},
	{"complete", "iJwtjIpVn", FILES, job_service_complete},
	{"list", "Sj", NO_OPERANDS, job_service_list},
	{"show", "isj", ID, job_service_show},
	{"hold", "isrj", ID, job_service_hold},
	{"release", "isj", ID, job_service_release},
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

static bool is_complete(const struct arguments *arguments)
{
	return arguments->action->run == job_service_complete;
}

static bool parse_timeout(const char *text, uint64_t *ret_ms)
{
	char *end;
	unsigned long long seconds = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds > TIMEOUT_S_MAX)
		return false;
	*ret_ms = seconds * 1000;
	return true;
}

static int take_option(int option, const char *value, struct arguments *arguments)
{
	const char **const texts[] = {
		['i'] = &arguments->id,
		['J'] = &arguments->jobs_file,
		['I'] = &arguments->image,
		['p'] = &arguments->passphrase_file,
		['s'] = &arguments->source,
		['S'] = &arguments->state,
		['r'] = &arguments->reason,
		['V'] = &arguments->volume,
	};

	switch (option) {
	case 'w':
		arguments->wait = true;
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case 'n':
		arguments->alone = true;
		return 0;
	case 't':
		if (parse_timeout(value, &arguments->timeout_ms))
			return 0;
		return cli_usage_error(&cli_verb_job,
			"--timeout: \"%s\" is no number of seconds up to %u", value, TIMEOUT_S_MAX);
	default:
		*texts[option] = value;
		return 0;
	}
}

static int parse_options(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"id", required_argument, NULL, 'i'},
		{"jobs", required_argument, NULL, 'J'},
		{"wait", no_argument, NULL, 'w'},
		{"timeout", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"image", required_argument, NULL, 'I'},
		{"passphrase-file", required_argument, NULL, 'p'},
		{"source", required_argument, NULL, 's'},
		{"state", required_argument, NULL, 'S'},
		{"reason", required_argument, NULL, 'r'},
		{"volume", required_argument, NULL, 'V'},
		{"no-service", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int option, r = 0;

	arguments->timeout_ms = WAIT_MS_DEFAULT;
	opterr = 0;
	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?' || !strchr(arguments->action->options, option))
			return cli_usage_error(&cli_verb_job,
				"\"%s\" is not an option of this verb, or lacks its value",
				argv[optind - 1]);
		r = take_option(option, optarg, arguments);
	}
	return r;
}

static int parse_files(int argc, char **argv, struct arguments *arguments, struct problem *problem)
{
	size_t ignored;
	int r = 0;

	if (!!arguments->id + !!arguments->jobs_file != 1)
		return cli_usage_error(&cli_verb_job, "give --id ID and files%s",
			is_complete(arguments) ? ", or --jobs FILE" : "");
	if (arguments->passphrase_file && !arguments->image)
		return cli_usage_error(&cli_verb_job, "a passphrase is for --image alone");
	if (arguments->jobs_file && optind != argc)
		return cli_usage_error(&cli_verb_job, "with --jobs the files stand in its list");
	if (arguments->jobs_file)
		r = job_list_read(&arguments->list, arguments->jobs_file, problem);
	else
		r = job_list_add_job(&arguments->list, arguments->id, &ignored);
	for (int i = optind; i < argc && r >= 0; i++)
		r = job_list_add(&arguments->list, arguments->id, argv[i]);
	if (r < 0 && arguments->id)
		return cli_usage_error(&cli_verb_job,
			"a job's id is 1 to %u bytes, a job has at most %u files", JOB_ID_BYTES_MAX,
			JOB_LIST_FILES_MAX);
	if (r < 0)
		return cli_fail(problem, r);
	if (arguments->list.jobs == 0)
		return cli_usage_error(&cli_verb_job, "the list names no file");
	return 0;
}

static int parse(int argc, char **argv, struct arguments *arguments, struct problem *problem)
{
	int r;

	arguments->action = find_action(argv[1]);
	if (!arguments->action)
		return cli_usage_error(&cli_verb_job,
			"name an action: begin, complete, list, show, hold, release");
	argc--;
	argv++;
	r = parse_options(argc, argv, arguments);
	if (r != 0)
		return r;
	if (arguments->action->operands == FILES)
		return parse_files(argc, argv, arguments, problem);
	if (arguments->action->operands == ID && !arguments->id && optind < argc)
		arguments->id = argv[optind++];
	if (optind != argc || (arguments->action->operands == ID && !arguments->id))
		return cli_usage_error(&cli_verb_job, "\"%s\" wants %s", arguments->action->name,
			arguments->action->operands == ID ? "one job's id" : "no operand");
	if (arguments->action->run == job_service_hold && !arguments->reason)
		return cli_usage_error(&cli_verb_job, "say why it is held: --reason TEXT");
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

static int complete_alone(const struct arguments *arguments)
{
	_cleanup_(retire_session_closep) struct retire_session *session = NULL;
	const struct retire_options options = {
		.wait_ms = arguments->wait ? arguments->timeout_ms : 0,
	};
	struct retire_result result;
	struct runtime_state state;
	struct problem problem = {""};
	int code, r;

	if (arguments->list.count == 0)
		return cli_usage_error(&cli_verb_job, "name the files of job %s", arguments->id);
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

/* --- through the service --- */

static int run_by_service(const struct arguments *arguments, struct service_client *client)
{
	const struct job_service job = {
		.client = client,
		.id = arguments->id,
		.source = arguments->source,
		.state = arguments->state,
		.reason = arguments->reason,
		.volume = arguments->volume,
		.list = &arguments->list,
		.wait = arguments->wait,
		.timeout_ms = arguments->timeout_ms,
		.json = arguments->json,
	};

	return arguments->action->run(&job);
}

/* Of a volume that is configured and attached, and that the service has not opened: it starts, or
 * somebody attached it by hand.  A job is not retired past its ledger and its log. */
static int find_not_opened(const char *path, struct service_client *client, struct problem *problem)
{
	struct runtime_state state;
	struct json_object *volume;
	int r = volumes_find_by_file(path, &state, NULL);

	if (r >= 0)
		r = service_client_find_volume(client, state.path, &volume, problem);
	if (r < 0)
		return -ENODEV;
	return problem_set(problem, -ENOTCONN,
		"%s lies on volume %s, which is not open to the service (%s); \"spoolguard "
		"status\" "
		"says why, --no-service goes past its ledger and log",
		path, service_client_text(volume, "name"), service_client_text(volume, "state"));
}

/*
 * Jobs without files, and those whose first file lies on a volume of its.  Who may not work alone
 * hears from the service what is wrong with the file, and it remembers who asked.
 */
static int is_the_services(const struct arguments *arguments, struct service_client *client,
	bool *ret_is, struct problem *problem)
{
	struct json_object *ignored;
	int r = 0;

	if (is_complete(arguments) && arguments->list.count > 0 &&
		volumes_check_allowed(problem) >= 0) {
		const char *path = arguments->list.entries[0].path;

		r = service_client_find_by_file(client, path, &ignored, problem);
		if (r == -ENODEV)
			r = find_not_opened(path, client, problem);
	}
	*ret_is = r >= 0;
	return r == -ENODEV ? 0 : r;
}

static int run_action(const struct arguments *arguments)
{
	_cleanup_(service_client_freep) struct service_client *client = NULL;
	struct problem problem = {""};
	bool is_services = false;
	int r;

	if (arguments->image)
		return complete_inprocess(arguments);
	r = arguments->alone ? -ESRCH : service_client_open(&client, &problem);
	if (r >= 0)
		r = is_the_services(arguments, client, &is_services, &problem);
	if (is_services)
		return run_by_service(arguments, client);
	if (r < 0 && r != -ESRCH)
		return cli_fail(&problem, r);
	if (is_complete(arguments))
		return complete_alone(arguments);
	problem_set(&problem, r, "job %s needs the service, and none answers; start spoolguardd",
		arguments->action->name);
	return cli_fail(&problem, r);
}

static int run(int argc, char **argv)
{
	struct arguments arguments = {.id = NULL};
	struct problem problem = {""};
	int code;

	code = parse(argc, argv, &arguments, &problem);
	if (code == 0)
		code = run_action(&arguments);
	job_list_done(&arguments.list);
	return code;
}

const struct cli_verb cli_verb_job = {
	.name = "job",
	.summary = "retire a printed job: overwrite its files, sweep, print the receipt",
	.usage =
		"usage: spoolguard job complete --id ID [--wait] [--json] [FILE...]\n"
		"       spoolguard job complete --jobs LIST [--wait] [--json]\n"
		"       spoolguard job complete --image IMAGE [--passphrase-file F] [--json]\n"
		"                               (--id ID NAME... | --jobs LIST)\n"
		"       spoolguard job begin --id ID [--volume NAME] [--json] [FILE...]\n"
		"       spoolguard job list [--state STATE] [--json]\n"
		"       spoolguard job show [--source SOURCE] [--json] ID\n"
		"       spoolguard job hold --reason TEXT [--source SOURCE] [--json] ID\n"
		"       spoolguard job release [--source SOURCE] [--json] ID\n\n"
		"complete: overwrites the job's files in place with every pass of the volume's\n"
		"scheme, reads them back, removes them, sweeps free space and journal, and "
		"returns\n"
		"with a receipt when that is true.  A file that is open elsewhere, has several\n"
		"names, or is no regular file on the volume is refused in words and left as it\n"
		"is.  When the service keeps the volume, it does the work: without --wait the job\n"
		"is recorded (\"seen\") and retired in a moment, files of \"job begin\" need not "
		"be\n"
		"named again, and the files must be yours.  DIR/ (with its slash) is all that is\n"
		"in that directory when the job ends, BEGINNING// all whose names begin so.\n"
		"Otherwise it needs root: emptying "
		"free\n"
		"space and journal is root's alone.\n\n"
		"  --id ID            the print job's id, for the receipt; not its title\n"
		"  --jobs LIST        many jobs at once: lines of \"ID<TAB>PATH\" (\"-\": "
		"standard\n"
		"                     input); one receipt for each job\n"
		"  --wait             wait for the receipt (without the service: until files that\n"
		"                     are open elsewhere are closed)\n"
		"  --timeout SECONDS  ... this long at most (default 60)\n"
		"  --no-service       do it here, though the service runs\n"
		"  --image IMAGE      the files lie on this image, which is not mounted: NAME is "
		"a\n"
		"                     path there, and all is done in this process, without root\n"
		"  --passphrase-file F  of the image: a file, \"-\" or fd:N; else the terminal\n"
		"  --json             each receipt is one object on one line\n\n"
		"The others need the service.  begin: the job has files, or will have (--volume: "
		"on\n"
		"that one); if it is not completed, it is retired a while after.  list, show: "
		"what\n"
		"became of jobs (STATE: begun, seen, held, retiring, retired, failed; SOURCE: "
		"call,\n"
		"cups, watch:NAME).  hold, release: a job is kept until it is released.\n\n"
		"Exit code: 0 if every job is retired (without --wait: or recorded), 1 if not.\n",
	.run = run,
};
