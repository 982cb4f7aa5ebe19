/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolguard_volume_main.c - the process that serves one open volume
 *
 * Started by volume/attach.c, never by hand.  Everything that needs a privilege (the
 * FUSE mount, the loop device, the file system's mount) is done by who starts it.
 * One line goes to the status descriptor: "ok", or "-ERRNO TEXT".
 *
 * Threads: main waits for the order to detach; FUSE workers, the eraser and the
 * control connections do the rest.
 */
#include "base/io.h"
#include "base/mutant.h"
#include "crypto/selftest.h"
#include "ipc/channel.h"
#include "volume/control.h"
#include "volume/engine.h"
#include "volume/fuse_port.h"
#include "volume/harden.h"
#include "volume/runtime.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PASSPHRASE_BYTES_MAX KEYSTORE_KEY_FILE_BYTES_MAX

struct arguments {
	const char *path;
	const char *uuid;
	int fuse_fd;
	int passphrase_fd;
	int status_fd;
	struct engine_options options;
	enum profile profile;
};

static void say(int fd, int error, const char *text)
{
	char line[PROBLEM_TEXT_BYTES + 32];

	if (error < 0)
		snprintf(line, sizeof(line), "%d %s\n", error, text);
	else
		snprintf(line, sizeof(line), "ok\n");
	if (io_write(fd, line, strlen(line)) < 0)
		_exit(EXIT_FAILURE); /* who started us is gone */
	close(fd);
}

static int parse_verify(const char *name, enum verify_mode *ret_verify)
{
	if (strcmp(name, "full") == 0)
		*ret_verify = VERIFY_FULL;
	else if (strcmp(name, "sample") == 0)
		*ret_verify = VERIFY_SAMPLE;
	else if (strcmp(name, "none") == 0)
		*ret_verify = VERIFY_NONE;
	else
		return -EINVAL;
	return 0;
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"path", required_argument, NULL, 'p'},
		{"uuid", required_argument, NULL, 'u'},
		{"fuse-fd", required_argument, NULL, 'f'},
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
		.passphrase_fd = -1,
		.status_fd = -1,
		.options = {.verify = VERIFY_FULL},
	};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			arguments->path = optarg;
			break;
		case 'u':
			arguments->uuid = optarg;
			break;
		case 'f':
			arguments->fuse_fd = atoi(optarg);
			break;
		case 'k':
			arguments->passphrase_fd = atoi(optarg);
			break;
		case 's':
			arguments->status_fd = atoi(optarg);
			break;
		case 'S':
			arguments->options.scheme = scheme_find(optarg);
			if (!arguments->options.scheme)
				return false;
			break;
		case 'v':
			if (parse_verify(optarg, &arguments->options.verify) < 0)
				return false;
			break;
		case 'P':
			if (profile_from_name(optarg, &arguments->profile) < 0)
				return false;
			break;
		case 'r':
			arguments->options.read_only = true;
			break;
		case 't':
			arguments->options.repair_token = true;
			break;
		default:
			return false;
		}
	}
	return arguments->path && arguments->uuid && arguments->fuse_fd >= 0 &&
	       arguments->passphrase_fd >= 0 && arguments->status_fd >= 0 && optind == argc;
}

struct parts {
	struct engine *engine;
	struct fuse_port *port;
	struct control *control;
};

static int open_engine(
	const struct arguments *arguments, struct engine **ret_engine, struct problem *problem)
{
	_cleanup_secret_ struct secret *passphrase = NULL;
	int r;

	r = secret_read_fd(arguments->passphrase_fd, PASSPHRASE_BYTES_MAX, &passphrase);
	close(arguments->passphrase_fd);
	if (r < 0)
		return problem_set(
			problem, r, "the passphrase could not be read: %s", strerror(-r));
	return engine_open(arguments->path, &arguments->options, passphrase, ret_engine, problem);
}

/* Before the first key is used: an algorithm that answers wrongly must not touch a volume. */
static int test_algorithms(struct problem *problem)
{
	struct selftest_result results[SELFTEST_MAX];
	size_t count;
	int r = selftest_run(results, &count);

	for (size_t i = 0; i < count; i++) {
		if (!results[i].ok)
			return problem_set(problem, r,
				"the self-test of %s failed (%s): no volume is opened with it; "
				"check this machine's memory and its libcrypto and libsodium",
				results[i].name, results[i].detail);
	}
	return r;
}

static int start(const struct arguments *arguments, struct parts *parts, struct problem *problem)
{
	char path[RUNTIME_PATH_BYTES];
	int listen_fd, r;

	r = harden_early(problem);
	if (r >= 0)
		r = profile_set(arguments->profile, problem);
	if (r >= 0)
		r = test_algorithms(problem);
	if (r >= 0)
		r = open_engine(arguments, &parts->engine, problem);
	if (r >= 0)
		r = fuse_port_new(parts->engine, arguments->fuse_fd, &parts->port);
	if (r >= 0)
		r = runtime_path(arguments->uuid, "control", path);
	if (r < 0)
		return r;
	r = channel_listen(path, &listen_fd);
	if (r < 0)
		return problem_set(problem, r, "%s: the control socket could not be made: %s", path,
			strerror(-r));
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
	r = start(&arguments, &parts, &problem);
	say(arguments.status_fd, r, problem_text(&problem, r));
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
