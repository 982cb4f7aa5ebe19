/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguard_volume_main.c - the process that serves one open volume
 *
 * Started by volume/attach.c, never by hand.  Everything that needs a privilege (the
 * FUSE mount, the loop device, the file system's mount, the socket) is done by who starts it.
 * One line goes to the status descriptor: "ok", or "-ERRNO TEXT".
 *
 * With --nbd-fd in place of --fuse-fd it becomes nbdkit, with our plugin in it (nbdkit_host.h).
 *
 * Threads: main waits for the order to detach; FUSE workers, the eraser and the
 * control connections do the rest.
 */
#include "base/mutant.h"
#include "volume/control.h"
#include "volume/fuse_port.h"
#include "volume/harden.h"
#include "volume/nbdkit_host.h"
#include "volume/serve.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct arguments {
	const char *uuid;
	const char *verify; /* as given */
	const char *profile;
	int fuse_fd;
	int nbd_fd;
	int status_fd;
	struct serve_options options;
};

static bool take_text(struct arguments *arguments, int option, const char *text)
{
	struct serve_options *options = &arguments->options;

	switch (option) {
	case 'p':
		options->path = text;
		return true;
	case 'u':
		arguments->uuid = text;
		return true;
	case 'S':
		options->engine.scheme = scheme_find(text);
		return options->engine.scheme != NULL;
	case 'v':
		arguments->verify = text;
		return serve_parse_verify(text, &options->engine.verify) >= 0;
	case 'P':
		arguments->profile = text;
		return profile_from_name(text, &options->profile) >= 0;
	default:
		return false;
	}
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"path", required_argument, NULL, 'p'},
		{"uuid", required_argument, NULL, 'u'},
		{"fuse-fd", required_argument, NULL, 'f'},
		{"nbd-fd", required_argument, NULL, 'n'},
		{"passphrase-fd", required_argument, NULL, 'k'},
		{"status-fd", required_argument, NULL, 's'},
		{"scheme", required_argument, NULL, 'S'},
		{"verify", required_argument, NULL, 'v'},
		{"profile", required_argument, NULL, 'P'},
		{"read-only", no_argument, NULL, 'r'},
		{"repair-token", no_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*arguments = (struct arguments){
		.fuse_fd = -1,
		.nbd_fd = -1,
		.status_fd = -1,
		.options = {.passphrase_fd = -1, .engine = {.verify = VERIFY_FULL}},
	};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			arguments->fuse_fd = atoi(optarg);
			break;
		case 'n':
			arguments->nbd_fd = atoi(optarg);
			break;
		case 'k':
			arguments->options.passphrase_fd = atoi(optarg);
			break;
		case 's':
			arguments->status_fd = atoi(optarg);
			break;
		case 'r':
			arguments->options.engine.read_only = true;
			break;
		case 't':
			arguments->options.engine.repair_token = true;
			break;
		default:
			if (!take_text(arguments, c, optarg))
				return false;
		}
	}
	return arguments->options.path && arguments->uuid &&
	       (arguments->fuse_fd >= 0) != (arguments->nbd_fd >= 0) &&
	       arguments->options.passphrase_fd >= 0 && arguments->status_fd >= 0 && optind == argc;
}

struct parts {
	struct engine *engine;
	struct fuse_port *port;
	struct control *control;
};

static int start(const struct arguments *arguments, struct parts *parts, struct problem *problem)
{
	int listen_fd, r;

	r = serve_open(&arguments->options, &parts->engine, problem);
	if (r >= 0)
		r = fuse_port_new(parts->engine, arguments->fuse_fd, &parts->port);
	if (r >= 0)
		r = serve_listen(arguments->uuid, &listen_fd, problem);
	if (r < 0)
		return r;
	r = control_new(listen_fd, parts->engine, parts->port, &parts->control);
	/* From here on it outlives who started it, who is told below or is gone. */
	if (r >= 0 && prctl(PR_SET_PDEATHSIG, 0) < 0)
		r = -errno;
	if (r >= 0)
		r = harden_late(problem);
	if (r >= 0)
		r = engine_start(parts->engine);
	if (r >= 0)
		r = fuse_port_start(parts->port);
	if (r >= 0)
		r = control_start(parts->control);
	return r;
}

static int become_nbdkit(const struct arguments *arguments, struct problem *problem)
{
	const struct serve_options *options = &arguments->options;
	const struct nbdkit_host_options host = {
		.path = options->path,
		.uuid = arguments->uuid,
		.listen_fd = arguments->nbd_fd,
		.passphrase_fd = options->passphrase_fd,
		.status_fd = arguments->status_fd,
		.scheme = options->engine.scheme ? options->engine.scheme->name : NULL,
		.verify = arguments->verify,
		.profile = arguments->profile,
		.read_only = options->engine.read_only,
		.repair_token = options->engine.repair_token,
	};

	return nbdkit_host_exec(&host, problem);
}

int main(int argc, char **argv)
{
	struct problem problem = {""};
	struct parts parts = {0};
	struct arguments arguments;
	int r;

	if (!parse(argc, argv, &arguments)) {
		fprintf(stderr,
			"spoolguard-volume is started by \"spoolguard attach\", not by hand\n");
		return 2;
	}
	mutant_choose_from_environment();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM,
		SIG_IGN); /* a shutdown ends the mounts after the programs: "detach" does it */
	r = arguments.nbd_fd >= 0 ? become_nbdkit(&arguments, &problem)
				  : start(&arguments, &parts, &problem);
	serve_say(arguments.status_fd, r, problem_text(&problem, r));
	if (r < 0)
		_exit(EXIT_FAILURE); /* as a crash would: nothing was written that matters */

	/* By the time Detach is asked the mount is gone, and with it the workers. */
	control_wait_for_detach(parts.control);
	engine_stop(parts.engine); /* those who wait in it leave */
	control_quiesce(parts.control);
	fuse_port_free(parts.port);
	r = engine_close(parts.engine);
	control_answer_detach(parts.control, r);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
