/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/wake.h"
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_GROUP "lp"
#define DIGITS_MOST   9u /* fits an int */

struct wake {
	int fd;
	gid_t sender_group;
	struct sockaddr_un address;
	dev_t device; /* of the name */
	ino_t inode;
};

int wake_parse(const char *text, size_t bytes)
{
	int number = 0;

	if (bytes == 0 || bytes > DIGITS_MOST)
		return 0;
	for (size_t i = 0; i < bytes; i++) {
		if (!isdigit((unsigned char)text[i]))
			return 0;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* Of a path only what needs no escape in a URI. */
int wake_uri(const char *path, char uri[static WAKE_URI_BYTES])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-~";

	if (path[0] != '/' || path[strspn(path, plain)])
		return -EINVAL;
	if ((size_t)snprintf(uri, WAKE_URI_BYTES, WAKE_SCHEME "://%s", path) >= WAKE_URI_BYTES)
		return -ENAMETOOLONG;
	return 0;
}

static gid_t group_of_notifier(void)
{
	char buf[4096];
	struct group entry, *found = NULL;

	if (getgrnam_r(DEFAULT_GROUP, &entry, buf, sizeof(buf), &found) != 0 || !found)
		return (gid_t)-1;
	return found->gr_gid;
}

/* A name that nobody listens at was left by a process that died; anything else is not ours. */
static int remove_dead(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, r = 0;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		r = -EADDRINUSE;
	else if (errno == EPROTOTYPE)
		r = -EEXIST; /* a socket of another kind, alive */
	else if (errno != ECONNREFUSED)
		r = -errno;
	close(fd);
	if (r == 0 && unlink(address->sun_path) < 0)
		r = -errno;
	return r;
}

/* Until the mode is set nobody but root may write. */
static int bind_socket(struct wake *wake)
{
	mode_t mask = umask(0177), mode = 0620;
	struct stat st;
	int r;

	r = bind(wake->fd, (struct sockaddr *)&wake->address, sizeof(wake->address)) < 0 ? -errno
											 : 0;
	umask(mask);
	if (r < 0)
		return r;
	if (wake->sender_group == (gid_t)-1 ||
		lchown(wake->address.sun_path, (uid_t)-1, wake->sender_group) < 0)
		mode = 0622;
	if (chmod(wake->address.sun_path, mode) < 0 || lstat(wake->address.sun_path, &st) < 0) {
		r = -errno;
		unlink(wake->address.sun_path);
		return r;
	}
	wake->device = st.st_dev;
	wake->inode = st.st_ino;
	return 0;
}

static int make_socket(struct wake *wake, struct problem *reterr_problem)
{
	const char *path = wake->address.sun_path;
	int r = remove_dead(&wake->address);

	if (r >= 0) {
		wake->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = wake->fd < 0 ? -errno : bind_socket(wake);
	}
	if (r == -EADDRINUSE)
		return problem_set(
			reterr_problem, r, "%s is in use; does another spoolguardd run?", path);
	if (r == -EEXIST)
		return problem_set(
			reterr_problem, r, "%s is there and is not ours; remove it", path);
	return r < 0 ? problem_set(reterr_problem, r, "%s: %s", path, strerror(-r)) : 0;
}

static bool is_well_named(const char *path)
{
	const char *slash = strrchr(path, '/');

	return path[0] == '/' && strcmp(slash + 1, WAKE_FILE_NAME) == 0;
}

int wake_open(const char *path, gid_t sender_group, struct wake **ret_wake,
	struct problem *reterr_problem)
{
	struct wake *wake;
	int r;

	if (!is_well_named(path))
		return problem_set(reterr_problem, -EINVAL,
			"%s: the path of the wake socket ends in /" WAKE_FILE_NAME, path);
	wake = calloc(1, sizeof(*wake));
	if (!wake)
		return problem_set(reterr_problem, -ENOMEM, "out of memory");
	wake->fd = -1;
	wake->sender_group = sender_group == (gid_t)-1 ? group_of_notifier() : sender_group;
	wake->address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(wake->address.sun_path)) {
		free(wake);
		return problem_set(reterr_problem, -ENAMETOOLONG, "%s is too long", path);
	}
	strcpy(wake->address.sun_path, path);
	r = make_socket(wake, reterr_problem);
	if (r < 0) {
		if (wake->fd >= 0)
			close(wake->fd);
		free(wake);
		return r;
	}
	*ret_wake = wake;
	return 0;
}

static bool name_is_ours(const struct wake *wake)
{
	struct stat st;

	return lstat(wake->address.sun_path, &st) == 0 && st.st_dev == wake->device &&
	       st.st_ino == wake->inode;
}

void wake_close(struct wake *wake)
{
	if (!wake)
		return;
	if (name_is_ours(wake))
		unlink(wake->address.sun_path);
	close(wake->fd);
	free(wake);
}

int wake_fd(const struct wake *wake)
{
	return wake->fd;
}

int wake_renew(struct wake *wake, struct problem *reterr_problem)
{
	int old_fd = wake->fd, r;

	if (name_is_ours(wake))
		return 0;
	r = make_socket(wake, reterr_problem);
	if (r < 0) {
		if (wake->fd >= 0 && wake->fd != old_fd)
			close(wake->fd);
		wake->fd = old_fd;
		return r;
	}
	close(old_fd);
	return 0;
}

int wake_drain(
	struct wake *wake, int ids[static WAKE_DRAIN_MAX], size_t *ret_count, bool *ret_woken)
{
	size_t count = 0;
	bool woken = false;

	for (unsigned int i = 0; i < WAKE_DRAIN_MAX; i++) {
		char text[DIGITS_MOST + 2]; /* a longer one is cut, and still too long */
		ssize_t n = recv(wake->fd, text, sizeof(text), MSG_DONTWAIT);
		int id;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0)
			break;
		woken = true;
		id = wake_parse(text, (size_t)n);
		if (id > 0)
			ids[count++] = id;
	}
	*ret_count = count;
	*ret_woken = woken;
	return 0;
}
