/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/inprocess_session.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

struct get {
	const char *passphrase_file;
	const char *image;
	const char *name;
	const char *destination;
	bool is_stdout;
};

static int open_destination(const struct get *get, int *ret_fd, struct problem *reterr_problem)
{
	int fd;

	fd = get->is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
			    : open(get->destination, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be made: %s",
			get->destination, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int copy(const struct get *get, struct inprocess *inprocess, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	uint64_t bytes;
	int r;

	r = open_destination(get, &fd, reterr_problem);
	if (r < 0)
		return r;
	r = inprocess_get(inprocess, get->name, fd, &bytes, reterr_problem);
	if (r < 0 && !get->is_stdout)
		(void)unlink(get->destination);
	return r;
}

static int get_it(const struct get *get)
{
	struct inprocess_session session;
	struct problem problem = {""}, closing = {""};
	int r, closed;

	r = inprocess_session_open(get->image, get->passphrase_file, true, &session, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	r = copy(get, session.inprocess, &problem);
	closed = inprocess_session_close(&session, &closing);
	if (r < 0)
		return cli_fail(&problem, r);
	return closed < 0 ? cli_fail(&closing, closed) : CLI_YES;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"passphrase-file", required_argument, NULL, 'p'},
		{0},
	};
	struct get get = {.image = NULL};
	const char *slash;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		if (c != 'p')
			return cli_usage_error(&cli_verb_get,
				"\"%s\" is not an option, or needs a value", argv[optind - 1]);
		get.passphrase_file = optarg;
	}
	if (argc - optind < 2 || argc - optind > 3)
		return cli_usage_error(&cli_verb_get, "give IMAGE, NAME and perhaps DEST");
	get.image = argv[optind];
	get.name = argv[optind + 1];
	slash = strrchr(get.name, '/');
	get.destination = argc - optind == 3 ? argv[optind + 2] : slash ? slash + 1 : get.name;
	get.is_stdout = strcmp(get.destination, "-") == 0;
	return get_it(&get);
}

const struct cli_verb cli_verb_get = {
	.name = "get",
	.summary = "copy a file out of an image without mounting it",
	.usage =
		"usage: spoolguard get [--passphrase-file F] IMAGE NAME [DEST]\n\n"
		"Copies the file NAME out of IMAGE, in this process: no root, FUSE, loop device "
		"or\n"
		"mount is needed.  DEST is a file that does not exist yet (else NAME's last part,\n"
		"here), or \"-\" for standard output.\n\n"
		"  --passphrase-file F  a file, \"-\" or fd:N; else the terminal is asked\n\n"
		"The copy is plain, outside the volume, and nothing here will overwrite it.\n",
	.run = run,
};
