/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/launch.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "spoolguard-volume"

/* Descriptors that the volume process is born with. */
enum { CHILD_PORT = 3, CHILD_PASSPHRASE = 4, CHILD_STATUS = 5 };

/* Beside this program, or where "make install" puts it. */
static int find_program(char path[static PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	if (snprintf(path, PATH_MAX, "%s/" PROGRAM, self) < PATH_MAX && access(path, X_OK) == 0)
		return 0;
	if (snprintf(path, PATH_MAX, "%s/../libexec/spoolguard/" PROGRAM, self) < PATH_MAX &&
		access(path, X_OK) == 0)
		return 0;
	return -ENOENT;
}

/* In the child: descriptors 3, 4 and 5, and nothing else of ours. */
static void become_volume(char *const argv[], pid_t parent, int port, int passphrase, int status)
{
	int moved[3], null;

	/* Out of the way first: they may stand where they are to go. */
	moved[0] = fcntl(port, F_DUPFD, 16);
	moved[1] = fcntl(passphrase, F_DUPFD, 16);
	moved[2] = fcntl(status, F_DUPFD, 16);
	null = open("/dev/null", O_RDWR);
	if (moved[0] < 0 || moved[1] < 0 || moved[2] < 0 || null < 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		if (dup2(null, i) < 0 || dup2(moved[i], CHILD_PORT + i) < 0)
			_exit(127);
	}
	if (close_range(CHILD_STATUS + 1, ~0u, 0) < 0)
		_exit(127);
	/* Until it is ready it lives no longer than we do (spoolguard_volume_main.c ends this). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	if (setsid() < 0 || chdir("/") < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

static int read_status(int fd, struct problem *reterr_problem)
{
	char line[PROBLEM_TEXT_BYTES + 32];
	size_t bytes = 0;
	char *text;
	long number;
	int r;

	r = io_read_to_end(fd, line, sizeof(line) - 1, &bytes);
	if (r < 0)
		return r;
	line[bytes] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "ok") == 0)
		return 0;
	number = strtol(line, &text, 10);
	if (number >= 0)
		return problem_set(reterr_problem, -ECHILD,
			PROGRAM " ended before it was ready; see the kernel's log (killed, or out "
				"of memory?)");
	return problem_set(reterr_problem, (int)number, "%s", *text == ' ' ? text + 1 : text);
}

/* A process that ended already has said why: its pipe must not end us too. */
static int write_passphrase(int fd, const struct secret *passphrase)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	int r = io_write(fd, secret_peek(passphrase), secret_size(passphrase));

	(void)signal(SIGPIPE, before);
	return r;
}

/* The passphrase goes through a pipe: no argument, no environment, no file. */
int launch_volume(const char *path, const char *uuid, const struct attach_options *options,
	const char *profile, const struct secret *passphrase, int port_fd,
	struct problem *reterr_problem)
{
	int secret_pipe[2] = {-1, -1}, status_pipe[2] = {-1, -1};
	char program[PATH_MAX], port[16], key[16], status[16];
	const char *argv[24];
	size_t n = 0;
	pid_t parent, child;
	int r;

	r = find_program(program);
	if (r < 0)
		return problem_set(reterr_problem, r,
			PROGRAM " was not found beside this program; install it");
	if (pipe2(secret_pipe, O_CLOEXEC) < 0 || pipe2(status_pipe, O_CLOEXEC) < 0)
		return -errno;
	snprintf(port, sizeof(port), "%d", CHILD_PORT);
	snprintf(key, sizeof(key), "%d", CHILD_PASSPHRASE);
	snprintf(status, sizeof(status), "%d", CHILD_STATUS);
	argv[n++] = program;
	argv[n++] = "--path";
	argv[n++] = path;
	argv[n++] = "--uuid";
	argv[n++] = uuid;
	argv[n++] = options->nbd ? "--nbd-fd" : "--fuse-fd";
	argv[n++] = port;
	argv[n++] = "--passphrase-fd";
	argv[n++] = key;
	argv[n++] = "--status-fd";
	argv[n++] = status;
	argv[n++] = "--verify";
	argv[n++] = options->verify ? options->verify : "full";
	argv[n++] = "--profile";
	argv[n++] = profile;
	if (options->scheme) {
		argv[n++] = "--scheme";
		argv[n++] = options->scheme;
	}
	if (options->read_only)
		argv[n++] = "--read-only";
	if (options->repair_token)
		argv[n++] = "--repair-token";
	argv[n] = NULL;

	parent = getpid();
	child = fork();
	if (child == 0) /* execv does not change what it is given */
		become_volume((char *const *)(uintptr_t)argv, parent, port_fd, secret_pipe[0],
			status_pipe[1]);
	close(secret_pipe[0]);
	close(status_pipe[1]);
	r = child < 0 ? -errno : write_passphrase(secret_pipe[1], passphrase);
	close(secret_pipe[1]);
	if (r >= 0 || r == -EPIPE)
		r = read_status(status_pipe[0], reterr_problem);
	close(status_pipe[0]);
	if (r < 0 && child > 0)
		(void)waitpid(child, NULL, 0);
	return r;
}
