/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_target.c - where "audit export" writes
 */
#include "base/io.h"
#include "cli/audit_export.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PREFIX "unix:"
#define SUFFIX	      ".spoolguard-new"

static int open_socket(
	struct export_target *target, const char *path, struct problem *reterr_problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%s is too long a name", path);
	strcpy(address.sun_path, path);
	target->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (target->socket < 0 ||
		connect(target->socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		return problem_set(
			reterr_problem, -errno, "%s takes no messages: %s", path, strerror(errno));
	return 0;
}

static int open_file(struct export_target *target, const char *path, bool is_text)
{
	int fd;

	if (asprintf(&target->temporary, "%s" SUFFIX, path) < 0) {
		target->temporary = NULL;
		return -ENOMEM;
	}
	if (unlink(target->temporary) < 0 && errno != ENOENT)
		return -errno;
	if (!is_text)
		return 0;
	/* Who may read the log says its group; who reads a copy is its owner's to say. */
	fd = open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	target->out = fdopen(fd, "w");
	if (target->out)
		return 0;
	close(fd);
	return -ENOMEM;
}

int export_target_open(struct export_target *target, const char *path, bool is_text,
	struct problem *reterr_problem)
{
	int r;

	*target = (struct export_target){.path = path, .socket = -1};
	if (!path) {
		target->out = stdout;
		return 0;
	}
	if (strncmp(path, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) == 0)
		return open_socket(target, path + strlen(SOCKET_PREFIX), reterr_problem);
	r = open_file(target, path, is_text);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be written: %s", path, strerror(-r));
	return 0;
}

int export_target_put(struct export_target *target, const char *text, size_t bytes)
{
	ssize_t n;

	if (target->socket < 0)
		return fprintf(target->out, "%s\n", text) < 0 ? -errno : 0;
	do
		n = send(target->socket, text, bytes, MSG_NOSIGNAL); /* waits for room */
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int close_file(struct export_target *target)
{
	FILE *out = target->out;
	int r = 0;

	if (fflush(out) == EOF || ferror(out))
		r = errno ? -errno : -EIO;
	if (!target->path)
		return r;
	if (r >= 0 && fsync(fileno(out)) < 0)
		r = -errno;
	target->out = NULL;
	return fclose(out) == EOF && r >= 0 ? -errno : r;
}

int export_target_end(struct export_target *target, struct problem *reterr_problem)
{
	int r = target->out ? close_file(target) : 0;

	if (r >= 0 && target->temporary && rename(target->temporary, target->path) < 0)
		r = -errno;
	if (r < 0)
		return problem_set(reterr_problem, r, "%s cannot be written: %s",
			target->path ? target->path : "standard output", strerror(-r));
	free(target->temporary);
	target->temporary = NULL;
	return 0;
}

void export_target_done(struct export_target *target)
{
	if (target->path && target->out)
		(void)fclose(target->out);
	if (target->temporary)
		(void)unlink(target->temporary);
	free(target->temporary);
	io_closep(&target->socket);
	*target = (struct export_target){.socket = -1};
}
