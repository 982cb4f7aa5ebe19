/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/nbdkit_host.h"
#include "base/macros.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PLUGIN	     "nbdkit-spoolguard-plugin.so"
#define ARGUMENT_MAX 20
/* Each connection has so many, and a write that waits for the eraser holds one (nbd_port.h). */
#define THREADS		   "64"
#define THREAD_STACK_BYTES (1u << 20)

enum { LISTEN_FD = 3 }; /* where socket activation looks */

static const char *find_nbdkit(void)
{
	static const char *const places[] = {"/usr/bin/nbdkit", "/usr/sbin/nbdkit",
		"/usr/local/bin/nbdkit", "/usr/local/sbin/nbdkit"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return NULL;
}

/* Beside this program: the plugin that was built with it, and no other. */
static int find_plugin(char path[static PATH_MAX])
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
	if (snprintf(path, PATH_MAX, "%s/" PLUGIN, self) >= PATH_MAX)
		return -ENAMETOOLONG;
	return access(path, R_OK) == 0 ? 0 : -ENOENT;
}

struct arguments {
	const char *list[ARGUMENT_MAX + 1];
	char text[ARGUMENT_MAX][PATH_MAX + 32];
	size_t count;
};

static void add(struct arguments *arguments, const char *text)
{
	assert(arguments->count < ARGUMENT_MAX);
	arguments->list[arguments->count++] = text;
}

static void add_pair(struct arguments *arguments, const char *key, const char *value)
{
	char *text = arguments->text[arguments->count];

	snprintf(text, sizeof(arguments->text[0]), "%s=%s", key, value);
	add(arguments, text);
}

static void add_number(struct arguments *arguments, const char *key, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	add_pair(arguments, key, text);
}

static void add_all(struct arguments *arguments, const char *nbdkit, const char *plugin,
	const struct nbdkit_host_options *options)
{
	add(arguments, nbdkit);
	add(arguments, "--foreground");
	add(arguments, "--threads=" THREADS);
	add(arguments, plugin);
	add_pair(arguments, "image", options->path);
	add_pair(arguments, "uuid", options->uuid);
	add_number(arguments, "passphrase-fd", options->passphrase_fd);
	add_number(arguments, "status-fd", options->status_fd);
	if (options->scheme)
		add_pair(arguments, "scheme", options->scheme);
	if (options->verify)
		add_pair(arguments, "verify", options->verify);
	if (options->profile)
		add_pair(arguments, "profile", options->profile);
	if (options->read_only)
		add_pair(arguments, "read-only", "true");
	if (options->repair_token)
		add_pair(arguments, "repair-token", "true");
}

/* What threads begin with: the C library takes it from here when the new program starts. */
static void limit_stacks(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0)
		return;
	limit.rlim_cur = THREAD_STACK_BYTES;
	(void)setrlimit(RLIMIT_STACK, &limit);
}

static int set_environment(int listen_fd)
{
	char pid[24];

	if (listen_fd != LISTEN_FD)
		return -EINVAL;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0)
		return -ENOMEM;
	unsetenv("LISTEN_FDNAMES");
	/* nbdkit has its clients' data in memory of its own: what is freed is overwritten. */
	return setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0", 1) <
			       0
		       ? -ENOMEM
		       : 0;
}

int nbdkit_host_exec(const struct nbdkit_host_options *options, struct problem *reterr_problem)
{
	static struct arguments arguments; /* too large for the stack */
	const char *nbdkit = find_nbdkit();
	char plugin[PATH_MAX];
	int r;

	if (!nbdkit)
		return problem_set(reterr_problem, -ENOENT,
			"nbdkit is not installed, which serves NBD; install it (Debian: nbdkit)");
	r = find_plugin(plugin);
	if (r < 0)
		return problem_set(reterr_problem, r,
			PLUGIN " was not found beside spoolguard-volume; install it");
	r = set_environment(options->listen_fd);
	if (r < 0)
		return r;
	limit_stacks();
	add_all(&arguments, nbdkit, plugin, options);
	/* execv does not change what it is given */
	execv(nbdkit, (char *const *)(uintptr_t)arguments.list);
	return problem_set(
		reterr_problem, -errno, "%s could not be started: %s", nbdkit, strerror(errno));
}
