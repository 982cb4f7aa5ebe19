/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_cache.h"
#include "base/clock.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME	 "job.cache"
#define LAST	 "job.cache.O"
#define COMING	 "job.cache.N"
#define OURS	 "job.cache.spoolguard"
#define NO_ENTRY (-1)

/* The number in "<Job 17>", or NO_ENTRY. */
static int entry_of(const char *line, size_t bytes)
{
	char text[32];
	char *end;
	long id;

	if (bytes < 7 || bytes >= sizeof(text) || memcmp(line, "<Job ", 5) != 0)
		return NO_ENTRY;
	memcpy(text, line, bytes);
	text[bytes] = '\0';
	id = strtol(text + 5, &end, 10);
	return *end == '>' && id > 0 && id <= 0x7fffffff ? (int)id : NO_ENTRY;
}

static bool is_one_of(int id, const int *known, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (known[i] == id)
			return true;
	}
	return false;
}

size_t cups_cache_strip(char *text, size_t bytes, const int *known, size_t count)
{
	size_t kept = 0;
	bool leaving = false;

	for (size_t at = 0, next; at < bytes; at = next) {
		const char *newline = memchr(text + at, '\n', bytes - at);
		size_t length = newline ? (size_t)(newline - (text + at)) : bytes - at;
		int id = entry_of(text + at, length);
		bool ends = length == 6 && memcmp(text + at, "</Job>", 6) == 0;

		next = at + length + (newline ? 1 : 0);
		if (id != NO_ENTRY)
			leaving = !is_one_of(id, known, count);
		if (!leaving) {
			memmove(text + kept, text + at, next - at);
			kept += next - at;
		}
		leaving = leaving && !ends;
	}
	return kept;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int write_ours(int directory, const struct stat *like, const char *text, size_t bytes)
{
	_cleanup_close_ int fd = openat(
		directory, OURS, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	if (fchown(fd, like->st_uid, like->st_gid) < 0 || fchmod(fd, like->st_mode & 0777) < 0)
		return -errno;
	r = io_write(fd, text, bytes);
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* B2, B3: as cupsd does it. */
static int put_in_place(int directory, const struct stat *before)
{
	struct stat now;

	if (faccessat(directory, COMING, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		fstatat(directory, NAME, &now, AT_SYMLINK_NOFOLLOW) < 0 || !is_same(before, &now))
		return -EAGAIN;
	if (renameat(directory, NAME, directory, LAST) < 0 ||
		renameat(directory, OURS, directory, NAME) < 0)
		return -errno;
	return fsync(directory) < 0 ? -errno : 0;
}

static int forget(int directory, const int *known, size_t count)
{
	_cleanup_close_ int fd = openat(directory, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t bytes, kept;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (clock_wall_s() - st.st_mtim.tv_sec < CUPS_CACHE_AGE_S)
		return -EAGAIN;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CUPS_CACHE_BYTES_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = io_read_to_end(fd, text, (size_t)st.st_size + 1, &bytes);
	if (r < 0)
		return r == -EFBIG ? -EAGAIN : r; /* it grew */
	kept = cups_cache_strip(text, bytes, known, count);
	if (kept == bytes)
		return 0;
	r = write_ours(directory, &st, text, kept);
	if (r >= 0)
		r = put_in_place(directory, &st);
	if (r < 0)
		(void)unlinkat(directory, OURS, 0);
	return r;
}

int cups_cache_forget(
	const char *directory, const int *known, size_t count, struct problem *reterr_problem)
{
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : forget(fd, known, count);

	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s/" NAME " still names jobs that are purged, and cannot be written anew: "
			"%s",
			directory, strerror(-r));
	return 0;
}
