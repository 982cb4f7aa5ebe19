/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output_file.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_to(const char *path, int flags, const void *bytes, size_t count)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, bytes, count);
	if (r >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int replace(const char *path, const void *bytes, size_t count)
{
	char fresh[PATH_MAX];
	int n = snprintf(fresh, sizeof(fresh), "%s.%d.new", path, (int)getpid()), r;

	if (n < 0 || n >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	r = write_to(fresh, O_CREAT | O_EXCL, bytes, count);
	if (r >= 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0 && r != -EEXIST)
		unlink(fresh);
	return r;
}

int output_file_write(
	const char *path, const void *bytes, size_t count, struct problem *reterr_problem)
{
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		r = write_to(path, 0, bytes, count);
	else
		r = replace(path, bytes, count);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%.600s cannot be written: %s", path, strerror(-r));
	return 0;
}
