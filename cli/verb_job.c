/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_job.c - "spoolguard job complete": files of printed jobs are overwritten in place and
 * removed, free space and journal are swept, and a receipt says what was done
 */
#include "attached/volume_port.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/job_inprocess.h"
#include "cli/job_list.h"
#include "cli/job_receipt.h"
#include "spool/barrier.h"
#include "spool/retire.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WAIT_MS_DEFAULT 60000u
#define RETRY_MS	100u
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

/* One run of the verb: a volume, its mount, the files and their jobs. */
struct work {
	const struct arguments *arguments;
	struct runtime_state state;
	struct client *client;
	struct spool_port port;
	int mount_fd;
	struct retire_file *files;
	struct barrier_report barrier;
	bool barrier_passed;
	uint64_t start_ns;
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

/* A batch of files needs two descriptors each. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 1024)
		return;
	limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_work(struct work *work, struct problem *problem)
{
	const struct job_list *list = &work->arguments->list;
	int r;

	work->start_ns = clock_monotonic_ns();
	work->files = calloc(list->count, sizeof(*work->files));
	if (!work->files)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		work->files[i].path = list->entries[i].path;
	r = volumes_find_by_file(list->entries[0].path, &work->state, problem);
	if (r >= 0 && work->state.read_only)
		r = problem_set(problem, -EROFS, "%s is attached read-only; attach it for writing",
			work->state.path);
	if (r >= 0)
		r = volumes_connect(&work->state, &work->client, problem);
	if (r >= 0)
		r = volumes_check_managed(&work->state, work->client, "retiring a job", problem);
	if (r < 0)
		return r;
	work->port = volume_port(work->client);
	work->mount_fd = open(work->state.mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work->mount_fd < 0)
		return problem_set(problem, -errno, "%s: %s", work->state.mount, strerror(errno));
	return 0;
}

/* Files that were open elsewhere are tried again, as long as there is time. */
static int retire(struct work *work, struct problem *problem)
{
	size_t count = work->arguments->list.count;
	uint64_t end_ns = work->start_ns + work->arguments->wait_ms * 1000000u;
	int r;

	r = retire_files(&work->port, work->mount_fd, work->files, count, problem);
	while (r >= 0 && work->arguments->wait_ms > 0 && clock_monotonic_ns() < end_ns) {
		size_t busy = 0;

		for (size_t i = 0; i < count && r >= 0; i++)
			busy += work->files[i].error == -EBUSY;
		if (busy == 0)
			break;
		usleep(RETRY_MS * 1000);
		for (size_t i = 0; i < count && r >= 0; i++) {
			if (work->files[i].error != -EBUSY)
				continue;
			work->files[i] = (struct retire_file){.path = work->files[i].path};
			r = retire_files(&work->port, work->mount_fd, &work->files[i], 1, problem);
		}
	}
	return r;
}

static void add_file(
	struct job_receipt *receipt, const struct job_entry *entry, const struct retire_file *file)
{
	receipt->id = entry->id;
	receipt->files++;
	receipt->erased_files += file->erased;
	receipt->removed_files += file->error == 0 && file->removed;
	receipt->bytes += file->size_bytes;
	receipt->extents += file->extent_count;
	job_receipt_add(receipt, &file->retirement);
}

/* The files' own lines, then the receipt of each job in order. */
static int report(const struct work *work, struct json_object *status)
{
	const struct job_list *list = &work->arguments->list;
	uint64_t owed =
		volumes_status_u64(status, "residue") + volumes_status_u64(status, "suspect");
	_cleanup_free_ struct job_receipt *receipts = calloc(list->jobs, sizeof(*receipts));
	char medium[MEDIUM_TEXT_BYTES];
	bool all = true;

	if (!receipts)
		return cli_fail(NULL, -ENOMEM);

	volumes_assess_medium(&work->state, status, medium, NULL);
	for (size_t i = 0; i < list->count; i++) {
		if (work->files[i].error != 0)
			cli_fail(&work->files[i].problem, work->files[i].error);
	}
	for (size_t job = 0; job < list->jobs; job++) {
		receipts[job] = (struct job_receipt){
			.scheme = volumes_status_string(status, "scheme"),
			.verify = volumes_status_string(status, "verify"),
			.volume_uuid = work->state.uuid,
			.medium = medium,
			.barrier_epoch = work->barrier_passed ? work->barrier.epoch : 0,
			.led = work->barrier.led,
			.journal_discarded = work->barrier.free_space.journal_discarded,
			.unreached_blocks = work->barrier.free_space.unreached_blocks,
			.backlog_blocks = owed,
			.took_ms = (clock_monotonic_ns() - work->start_ns) / 1000000u,
		};
	}
	for (size_t i = 0; i < list->count; i++)
		add_file(&receipts[list->entries[i].job], &list->entries[i], &work->files[i]);
	for (size_t job = 0; job < list->jobs; job++) {
		struct job_receipt *receipt = &receipts[job];

		receipt->retired = work->barrier_passed && receipt->removed_files == receipt->files;
		all &= receipt->retired;
		job_receipt_print(receipt, work->arguments->json);
	}
	return all ? CLI_YES : CLI_NO;
}

static int complete(struct work *work)
{
	struct json_object *status = NULL, *after;
	struct problem problem = {""};
	int r, code;

	r = open_work(work, &problem);
	if (r >= 0) /* before anything is done: a receipt names scheme and read-back */
		r = client_status(work->client, &status);
	if (r < 0)
		return cli_fail(&problem, r);
	raise_descriptor_limit();
	/* Between taking a lease and saying that no signal is wanted somebody may open the file. */
	(void)signal(SIGIO, SIG_IGN);
	r = retire(work, &problem);
	if (r < 0) {
		json_object_put(status);
		return cli_fail(&problem, r);
	}
	r = barrier_run(&work->port, work->mount_fd, false, &work->barrier, &problem);
	work->barrier_passed = r >= 0;
	if (r < 0)
		cli_fail(&problem, r);
	if (client_status(work->client, &after) >= 0) {
		json_object_put(status);
		status = after;
	}
	code = report(work, status);
	json_object_put(status);
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
	struct work work = {.arguments = &arguments, .mount_fd = -1};
	struct problem problem = {""};
	int code;

	code = parse(argc, argv, &arguments, &problem);
	if (code == 0 && arguments.image)
		code = complete_inprocess(&arguments);
	else if (code == 0)
		code = complete(&work);
	io_closep(&work.mount_fd);
	client_free(work.client);
	free(work.files);
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
