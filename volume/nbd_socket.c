/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/nbd_socket.h"
#include "base/io.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

int nbd_socket_resolve(
	const char *path, char ret_path[static NBD_SOCKET_BYTES], struct problem *reterr_problem)
{
	_cleanup_free_ char *directory = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	int n;

	if (!directory)
		return -errno;
	n = snprintf(
		ret_path, NBD_SOCKET_BYTES, "%s%s%s", directory, path[0] == '/' ? "" : "/", path);
	if (n < 0 || n >= NBD_SOCKET_BYTES)
		return problem_set(reterr_problem, -ENAMETOOLONG,
			"%s: a socket's path has at most %d bytes; choose a shorter one", path,
			NBD_SOCKET_BYTES - 1);
	return 0;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

int nbd_socket_listen(const char *path, int *ret_fd, struct problem *reterr_problem)
{
	struct sockaddr_un address = address_of(path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	nbd_socket_remove(path, false);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == -EADDRINUSE)
		return problem_set(reterr_problem, -EEXIST,
			"%s is there already; choose another path for the socket", path);
	if (r >= 0 && listen(fd, BACKLOG) < 0) {
		r = -errno;
		unlink(path);
	}
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: the socket could not be made: %s", path,
			strerror(-r));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

void nbd_socket_remove(const char *path, bool is_ours)
{
	struct sockaddr_un address = address_of(path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	if (is_ours || (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
			       errno == ECONNREFUSED))
		unlink(path);
}
