/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/mounter_child.h"
#include "base/clock.h"
#include "base/io.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "volume/runtime.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD     3
#define RESTART_S_MAX 60u
#define ENDING_MS     300u
#define RELEASE_MS    2000
#define REAP_TRIES    50
#define REAP_WAIT_US  10000

extern char **environ;

struct mounter_child {
	const char *config_path;
	char socket[108];
	struct events *events;
	bool under_systemd;
	int fd;	   /* connected; -1 */
	pid_t pid; /* ours; 0: none */
	uint64_t may_start_ns, may_connect_ns;
	unsigned int starts;
};

int mounter_child_new(const char *config_path, const char *socket, bool under_systemd,
	struct events *events, struct mounter_child **ret_child)
{
	struct mounter_child *child = calloc(1, sizeof(*child));

	if (!child)
		return -ENOMEM;
	child->config_path = config_path;
	snprintf(child->socket, sizeof(child->socket), "%s", socket);
	child->events = events;
	child->fd = -1;
	child->under_systemd = under_systemd;
	child->may_start_ns = clock_monotonic_ns();
	if (under_systemd)
		child->may_start_ns += MOUNTER_CHILD_GRACE_MS * UINT64_C(1000000);
	*ret_child = child;
	return 0;
}

void mounter_child_free(struct mounter_child *child)
{
	if (!child)
		return;
	io_closep(&child->fd);
	free(child);
}

int mounter_child_fd(const struct mounter_child *child)
{
	return child->fd;
}

/* A mounter at work does not accept for a while: one that has more callers than it takes is there.
 */
static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static void note_fault(struct mounter_child *child, const char *format, ...) format_printf(2, 3);

static void note_fault(struct mounter_child *child, const char *format, ...)
{
	char detail[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	events_note_fault(child->events, "mounter", NULL, detail);
}

static bool is_connected(struct mounter_child *child)
{
	struct pollfd poll_fd = {.fd = child->fd, .events = POLLIN};

	if (child->fd < 0)
		return false;
	if (poll(&poll_fd, 1, 0) == 0)
		return true;
	io_closep(&child->fd);
	/* Its listening socket may live a moment longer. */
	child->may_connect_ns = clock_monotonic_ns() + ENDING_MS * UINT64_C(1000000);
	note_fault(child, "it ended; the volumes stay attached, and it is started again");
	return false;
}

static void reap(struct mounter_child *child)
{
	int status;

	if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
		note_fault(child,
			WIFSIGNALED(status) ? "it ended by signal %d"
					    : "it ended with exit code %d",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	child->pid = 0;
}

/* --- starting it --- */

static int find_self(char path[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	return 0;
}

/* Nothing of our signals' state, and a session of its own: a terminal's Ctrl-C is not for it. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return -r;
}

static int spawn(struct mounter_child *child, int listen_fd)
{
	char self[PATH_MAX], fd[] = {'0' + LISTEN_FD, '\0'};
	const char *const argv[] = {
		self, "--mounter", "--config", child->config_path, "--listen-fd", fd, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = find_self(self);
	if (r < 0)
		return r;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = set_attributes(&attributes);
	if (r >= 0)
		r = -posix_spawn_file_actions_adddup2(&actions, listen_fd, LISTEN_FD);
	if (r >= 0)
		r = -posix_spawn(&child->pid, self, &actions, &attributes,
			(char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (r < 0)
		child->pid = 0;
	return r;
}

static void start(struct mounter_child *child)
{
	unsigned int wait_s = 1u << (child->starts < 6 ? child->starts : 6);
	_cleanup_close_ int listen_fd = -1;
	int r;

	if (child->pid != 0 || clock_monotonic_ns() < child->may_start_ns)
		return;
	child->starts++;
	child->may_start_ns =
		clock_monotonic_ns() +
		(wait_s < RESTART_S_MAX ? wait_s : RESTART_S_MAX) * UINT64_C(1000000000);
	/* It listens before it runs: who connects meanwhile waits, and is not refused. */
	r = channel_listen(child->socket, &listen_fd);
	if (r >= 0)
		r = spawn(child, listen_fd);
	if (r < 0)
		note_fault(child, "it cannot be started: %s: %s", child->socket, strerror(-r));
	else
		events_note(child->events, "mounter-started", NULL, "success", NULL);
}

bool mounter_child_tend(struct mounter_child *child)
{
	int r;

	reap(child);
	if (is_connected(child))
		return true;
	if (clock_monotonic_ns() < child->may_connect_ns)
		return false;
	r = connect_to(child->socket);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		start(child);
		r = connect_to(child->socket);
	}
	if (r >= 0)
		child->fd = r;
	return r >= 0 || r == -EAGAIN;
}

/* It ends after what it does now; long work there is not waited for here. */
static void ask_to_end(struct mounter_child *child)
{
	struct pollfd poll_fd = {.fd = child->fd, .events = POLLIN};
	_cleanup_free_ char *text = NULL;

	if (message_encode_call("io.spoolguard.mounter.Release", NULL, &text) < 0 ||
		send(child->fd, text, strlen(text) + 1, MSG_NOSIGNAL) < 0)
		return;
	(void)poll(&poll_fd, 1, RELEASE_MS);
}

void mounter_child_release(struct mounter_child *child)
{
	if (child->fd < 0 || (child->under_systemd && child->pid == 0))
		return;
	ask_to_end(child);
	io_closep(&child->fd);
	for (int i = 0; i < REAP_TRIES && child->pid > 0; i++) {
		reap(child);
		if (child->pid > 0)
			usleep(REAP_WAIT_US);
	}
}
