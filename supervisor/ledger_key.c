/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_key.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NEW LEDGER_KEY_FILE ".new"

/* Ours, and nobody else may write to it. */
static bool is_ours(const struct stat *st, mode_t kind)
{
	return (st->st_mode & S_IFMT) == kind && st->st_uid == geteuid() &&
	       (st->st_mode & 077) == 0;
}

static int refuse(const char *mount, const char *name, struct problem *problem)
{
	return problem_set(problem, -EPERM,
		"%s/" LEDGER_KEY_DIRECTORY "%s was not made by spoolguard (another owner, or open "
		"to others); look at it, and move it away",
		mount, name);
}

int ledger_key_open_directory(const char *mount, int *ret_fd, struct problem *reterr_problem)
{
	_cleanup_close_ int top = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;
	int r = 0;

	if (top < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", mount, strerror(errno));
	if (mkdirat(top, LEDGER_KEY_DIRECTORY, 0700) == 0)
		r = fsync(top) < 0 ? -errno : 0;
	else if (errno != EEXIST)
		r = -errno;
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s/" LEDGER_KEY_DIRECTORY " cannot be made: %s", mount, strerror(-r));
	fd = openat(top, LEDGER_KEY_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return refuse(mount, "", reterr_problem);
	if (fd < 0 || fstat(fd, &st) < 0)
		return problem_set(reterr_problem, -errno, "%s/" LEDGER_KEY_DIRECTORY ": %s", mount,
			strerror(errno));
	if (!is_ours(&st, S_IFDIR))
		return refuse(mount, "", reterr_problem);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int write_key(int directory, const struct secret *key)
{
	_cleanup_close_ int fd = -1;
	int r;

	/* Of a crash in mid-course; the directory is ours alone. */
	if (unlinkat(directory, FILE_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(
		directory, FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write(fd, secret_peek(key), secret_size(key));
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && renameat(directory, FILE_NEW, directory, LEDGER_KEY_FILE) < 0)
		r = -errno;
	if (r >= 0 && fsync(directory) < 0)
		r = -errno;
	return r;
}

static int make_key(int directory, struct secret **ret_key)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = secret_new_random(LEDGER_KEY_BYTES, &key);
	if (r >= 0)
		r = write_key(directory, key);
	if (r < 0)
		return r;
	*ret_key = key;
	key = NULL;
	return 0;
}

/* -ENOENT: there is none; -EPERM, -EBADMSG. */
static int read_key(int directory, struct secret **ret_key)
{
	_cleanup_secret_ struct secret *key = NULL;
	_cleanup_close_ int fd =
		openat(directory, LEDGER_KEY_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!is_ours(&st, S_IFREG))
		return -EPERM;
	r = secret_read_fd(fd, LEDGER_KEY_BYTES, &key);
	if (r == -EFBIG || (r >= 0 && secret_size(key) != LEDGER_KEY_BYTES))
		return -EBADMSG;
	if (r < 0)
		return r;
	*ret_key = key;
	key = NULL;
	return 0;
}

int ledger_key_get(const char *mount, struct secret **ret_key, struct problem *reterr_problem)
{
	_cleanup_close_ int directory = -1;
	int r;

	r = ledger_key_open_directory(mount, &directory, reterr_problem);
	if (r < 0)
		return r;
	r = read_key(directory, ret_key);
	if (r == -ENOENT)
		r = make_key(directory, ret_key);
	if (r == -EPERM)
		return refuse(mount, "/" LEDGER_KEY_FILE, reterr_problem);
	if (r == -EBADMSG)
		return problem_set(reterr_problem, r,
			"%s/" LEDGER_KEY_DIRECTORY "/" LEDGER_KEY_FILE " is no key; move it away "
			"(names of files in the ledger are lost then, and their jobs held)",
			mount);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s/" LEDGER_KEY_DIRECTORY "/" LEDGER_KEY_FILE ": %s", mount, strerror(-r));
	return 0;
}
