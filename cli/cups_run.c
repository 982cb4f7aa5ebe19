/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_run.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Output goes to memory, not to a pipe: a daemon that keeps it open holds nobody up. */
static int spawn(const char *const argv[], int output, pid_t *ret_child)
{
	posix_spawn_file_actions_t actions;
	char in_sbin[PATH_MAX];
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	/* posix_spawnp does not change what it is given. */
	r = posix_spawnp(
		ret_child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r == ENOENT && !strchr(argv[0], '/') &&
		snprintf(in_sbin, sizeof(in_sbin), "/usr/sbin/%s", argv[0]) < (int)sizeof(in_sbin))
		r = posix_spawn(ret_child, in_sbin, &actions, NULL, (char *const *)(uintptr_t)argv,
			environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static void read_output(int fd, char *output)
{
	ssize_t n = pread(fd, output, CUPS_RUN_OUTPUT_BYTES - 1, 0);

	output[n < 0 ? 0 : n] = '\0';
}

int cups_run_program(
	const char *const argv[], struct cups_run *ret_run, struct problem *reterr_problem)
{
	_cleanup_close_ int output = memfd_create("output", MFD_CLOEXEC);
	int status = 0, r;
	pid_t child;

	if (output < 0)
		return -errno;
	r = spawn(argv, output, &child);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be started: %s", argv[0], strerror(-r));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	ret_run->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	read_output(output, ret_run->output);
	return 0;
}

int cups_run_command(const char *command, struct cups_run *ret_run, struct problem *reterr_problem)
{
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};

	return cups_run_program(argv, ret_run, reterr_problem);
}
