/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int tool_run(const char *const argv[], int *ret_exit, struct problem *reterr_problem)
{
	posix_spawn_file_actions_t actions;
	int status = 0, r;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	/* posix_spawnp does not change what it is given. */
	r = -posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s cannot be started (%s); install e2fsprogs", argv[0], strerror(-r));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	*ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	return 0;
}
