/* SPDX-License-Identifier: Apache-2.0 */
#include "base/durable.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int fd = -1;
	char directory[PATH_MAX];

	if (!slash)
		strcpy(directory, ".");
	else
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const char *path, const char *text)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, text, strlen(text));
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int durable_write(const char *path, const char *text)
{
	char fresh[PATH_MAX];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path), r;

	if (n < 0 || n >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	r = write_new(fresh, text);
	if (r >= 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r >= 0)
		return sync_directory_of(path);
	unlink(fresh);
	return r;
}

int durable_remove(const char *path)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_directory_of(path);
}

int durable_read(const char *path, char *buf, size_t bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t got;
	int r;

	if (fd < 0)
		return -errno;
	r = io_read_to_end(fd, buf, bytes - 1, &got);
	if (r < 0)
		return r;
	buf[got] = '\0';
	return strlen(buf) == got ? 0 : -EBADMSG;
}
