/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/inprocess_session.h"
#include "base/io.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct put {
	const char *passphrase_file;
	const char *image;
	const char *source;
	char *name;
	bool parents;
	bool json;
};

static int open_source(const struct put *put, struct inprocess_put_options *options, int *ret_fd,
	struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = strcmp(put->source, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
					   : open(put->source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be opened: %s", put->source,
			strerror(errno));
	if (S_ISDIR(st.st_mode))
		return problem_set(reterr_problem, -EISDIR,
			"%s is a directory; put its files one by one", put->source);
	if (S_ISBLK(st.st_mode))
		return problem_set(reterr_problem, -EINVAL,
			"%s is a block device, and no job; put a file", put->source);
	*options = (struct inprocess_put_options){
		.parents = put->parents,
		.mode = S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0600,
		.uid = getuid(),
		.gid = getgid(),
		.modified_wall_s = S_ISREG(st.st_mode) ? st.st_mtime : clock_wall_s(),
	};
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void print(const struct put *put, const struct inprocess_put_report *report)
{
	struct json_object *object;

	if (!put->json) {
		printf("%s: %" PRIu64 " bytes, %" PRIu64 " blocks\n", cli_shown(put->name),
			report->bytes, report->data_blocks);
		return;
	}
	object = cli_json("put");
	cli_add_string(object, "name", put->name);
	cli_add_u64(object, "bytes", report->bytes);
	cli_add_u64(object, "data_blocks", report->data_blocks);
	cli_print_json(object);
}

static int put_it(const struct put *put)
{
	struct inprocess_session session;
	struct inprocess_put_options options;
	struct inprocess_put_report report;
	_cleanup_close_ int fd = -1;
	struct problem problem = {""}, closing = {""};
	int r, closed;

	r = open_source(put, &options, &fd, &problem);
	if (r >= 0)
		r = inprocess_session_open(
			put->image, put->passphrase_file, false, &session, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = inprocess_put(session.inprocess, fd, put->name, &options, &report, &problem);
	closed = inprocess_session_close(&session, &closing);
	if (r < 0)
		return cli_fail(&problem, r);
	if (closed < 0)
		return cli_fail(&closing, closed);
	print(put, &report);
	return CLI_YES;
}

/* NAME, or the source's own name: alone, or in the directory that NAME with a slash at its end is.
 */
static int choose_name(struct put *put, const char *given)
{
	const char *slash = strrchr(put->source, '/');
	const char *own = slash ? slash + 1 : put->source;
	bool into = !given || (given[0] != '\0' && given[strlen(given) - 1] == '/');

	if (into && (strcmp(own, "-") == 0 || own[0] == '\0'))
		return cli_usage_error(
			&cli_verb_put, "what comes from standard input needs a NAME");
	if (asprintf(&put->name, "%s%s", given ? given : "", into ? own : "") < 0)
		return CLI_NO;
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"passphrase-file", required_argument, NULL, 'p'},
		{"parents", no_argument, NULL, 'P'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct put put = {.image = NULL};
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			put.passphrase_file = optarg;
			break;
		case 'P':
			put.parents = true;
			break;
		case 'j':
			put.json = true;
			break;
		default:
			return cli_usage_error(&cli_verb_put,
				"\"%s\" is not an option, or needs a value", argv[optind - 1]);
		}
	}
	if (argc - optind < 2 || argc - optind > 3)
		return cli_usage_error(&cli_verb_put, "give IMAGE, SOURCE and perhaps NAME");
	put.image = argv[optind];
	put.source = argv[optind + 1];
	if (strcmp(put.source, "-") == 0 && put.passphrase_file &&
		strcmp(put.passphrase_file, "-") == 0)
		return cli_usage_error(&cli_verb_put,
			"passphrase and source cannot both come from standard input");
	r = choose_name(&put, argc - optind == 3 ? argv[optind + 2] : NULL);
	if (r == CLI_YES)
		r = put_it(&put);
	free(put.name);
	return r;
}

const struct cli_verb cli_verb_put = {
	.name = "put",
	.summary = "copy a file into an image without mounting it",
	.usage =
		"usage: spoolguard put [--passphrase-file F] [--parents] [--json] IMAGE SOURCE "
		"[NAME]\n\n"
		"Copies SOURCE (\"-\" is standard input) into the file system of IMAGE, in this\n"
		"process: no root, FUSE, loop device or mount is needed.  NAME is its path there;\n"
		"with a slash at its end, the directory.  An existing name is refused.\n\n"
		"  --passphrase-file F  a file, \"-\" or fd:N; else the terminal is asked\n"
		"  --parents            make missing directories\n"
		"  --json               print one object\n\n"
		"SOURCE itself lies outside the volume: nothing here overwrites it.\n",
	.run = run,
};
