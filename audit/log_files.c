/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_files.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 64 /* of a file, with ".new" and its NUL */
#define FLAGS	   (O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int (*_Atomic hook)(void *context, enum log_step step, int fd);
static void *_Atomic hook_context;

void log_files_set_hook(int (*new_hook)(void *context, enum log_step step, int fd), void *context)
{
	hook_context = context;
	hook = new_hook;
}

static int before(enum log_step step, int fd)
{
	int (*now)(void *context, enum log_step step, int fd) = hook;

	return now ? now(hook_context, step, fd) : 0;
}

/* Mode and group whatever the umask says. */
static int set_access(int fd, mode_t mode, gid_t readers)
{
	const mode_t owner = mode & 0700;

	if (readers == (gid_t)-1)
		return fchmod(fd, owner) < 0 ? -errno : 0;
	return fchown(fd, (uid_t)-1, readers) < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
}

int log_files_make_directory(int at_fd, const char *name, gid_t readers)
{
	_cleanup_close_ int fd = -1;
	int r = before(LOG_STEP_CREATE, at_fd);

	if (r >= 0 && mkdirat(at_fd, name, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		r = log_files_open_directory(at_fd, name, &fd);
	if (r >= 0)
		r = set_access(fd, 0750, readers);
	return r;
}

int log_files_open_directory(int at_fd, const char *name, int *ret_fd)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int log_files_open(int at_fd, const char *name, int flags, gid_t readers, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (flags & O_CREAT) {
		r = before(LOG_STEP_CREATE, at_fd);
		if (r < 0)
			return r;
	}
	fd = openat(at_fd, name, flags | FLAGS, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flags & O_CREAT) {
		r = set_access(fd, 0640, readers);
		if (r < 0)
			return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int log_files_write(int fd, const void *data, size_t bytes, uint64_t at)
{
	int r = before(LOG_STEP_WRITE, fd);

	if (r >= 0)
		return io_pwrite(fd, data, bytes, at);
	if (r != -ECANCELED)
		(void)!pwrite(fd, data, bytes / 2, (off_t)at);
	return r;
}

int log_files_sync(int fd)
{
	int r = before(LOG_STEP_SYNC, fd);

	if (r >= 0 && fdatasync(fd) < 0)
		r = -errno;
	return r;
}

int log_files_sync_directory(int fd)
{
	int r = before(LOG_STEP_SYNC_DIRECTORY, fd);

	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int log_files_cut(int fd, uint64_t bytes)
{
	int r = before(LOG_STEP_CUT, fd);

	if (r >= 0 && ftruncate(fd, (off_t)bytes) < 0)
		r = -errno;
	return r;
}

int log_files_rename(int at_fd, const char *from, const char *to)
{
	int r = before(LOG_STEP_RENAME, at_fd);

	if (r >= 0 && renameat(at_fd, from, at_fd, to) < 0)
		r = -errno;
	return r;
}

int log_files_remove(int at_fd, const char *name)
{
	int r = before(LOG_STEP_REMOVE, at_fd);

	if (r >= 0 && unlinkat(at_fd, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int log_files_allocate(int fd, uint64_t bytes)
{
	int r = before(LOG_STEP_ALLOCATE, fd);

	if (r >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) < 0)
		r = -errno;
	return r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r;
}

static int write_new(int at_fd, const char *name, gid_t readers, const void *data, size_t bytes)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = log_files_open(at_fd, name, O_WRONLY | O_CREAT | O_TRUNC, readers, &fd);
	if (r >= 0)
		r = log_files_write(fd, data, bytes, 0);
	if (r >= 0)
		r = log_files_sync(fd);
	return r;
}

int log_files_replace(int at_fd, const char *name, gid_t readers, const void *data, size_t bytes)
{
	char fresh[NAME_BYTES];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", name), r;

	if (n >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	r = write_new(at_fd, fresh, readers, data, bytes);
	if (r >= 0)
		r = log_files_rename(at_fd, fresh, name);
	if (r >= 0)
		return log_files_sync_directory(at_fd);
	(void)!unlinkat(at_fd, fresh, 0);
	return r;
}

int log_files_read(int at_fd, const char *name, void *buf, size_t buf_bytes, size_t *ret_bytes)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = log_files_open(at_fd, name, O_RDONLY, (gid_t)-1, &fd);
	return r < 0 ? r : io_read_to_end(fd, buf, buf_bytes, ret_bytes);
}
