/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_cache.h"
#include "base/io.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAG	  "<Job "
#define TAG_BYTES (sizeof(TAG) - 1)

/* --- entries --- */

/* The next line that begins like a tag, from a line's beginning on; bytes: there is none. */
static size_t find_tag(const char *text, size_t bytes, size_t at)
{
	while (at < bytes) {
		const char *end;

		if (bytes - at > TAG_BYTES && memcmp(text + at, TAG, TAG_BYTES) == 0)
			return at;
		end = memchr(text + at, '\n', bytes - at);
		if (!end)
			return bytes;
		at = (size_t)(end - text) + 1;
	}
	return bytes;
}

/* 0: it is no number that a job can have. */
static int parse_id(const char *text, size_t bytes)
{
	long id = 0;
	size_t i;

	for (i = 0; i < bytes && isdigit((unsigned char)text[i]) && id <= INT_MAX / 10 - 1; i++)
		id = id * 10 + (text[i] - '0');
	return i < bytes && text[i] == '>' ? (int)id : 0;
}

bool cups_cache_next(const char *text, size_t bytes, size_t *at, struct cups_cache_entry *ret_entry)
{
	for (size_t tag = find_tag(text, bytes, *at), end; tag < bytes; tag = end) {
		int id = parse_id(text + tag + TAG_BYTES, bytes - tag - TAG_BYTES);

		end = find_tag(text, bytes, tag + 1);
		if (id == 0)
			continue;
		*ret_entry = (struct cups_cache_entry){.job_id = id, .at = tag, .bytes = end - tag};
		*at = end;
		return true;
	}
	return false;
}

/* --- the file --- */

struct cache {
	int fd;
	struct stat st;
	char *text; /* owned */
	size_t bytes;
	size_t cleared;
};

static void cache_done(struct cache *cache)
{
	if (cache->text)
		explicit_bzero(cache->text, cache->bytes);
	free(cache->text);
	io_closep(&cache->fd);
}

static int open_cache(const char *path, struct cache *cache)
{
	cache->fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (cache->fd < 0 || fstat(cache->fd, &cache->st) < 0)
		return -errno;
	if (!S_ISREG(cache->st.st_mode))
		return -EINVAL;
	if (cache->st.st_size > (off_t)CUPS_CACHE_BYTES_MAX)
		return -EFBIG;
	cache->bytes = (size_t)cache->st.st_size;
	cache->text = malloc(cache->bytes + 1);
	if (!cache->text)
		return -ENOMEM;
	return io_pread(cache->fd, cache->text, cache->bytes, 0);
}

/* C1: all answers first, so that one that is missing leaves the file as it was. */
static int clear_text(struct cache *cache, cups_cache_ask *ask, void *context)
{
	struct cups_cache_entry entry;
	size_t at = 0;

	while (cups_cache_next(cache->text, cache->bytes, &at, &entry)) {
		bool forgotten = false;
		int r = ask(context, entry.job_id, &forgotten);

		if (r < 0)
			return r;
		if (!forgotten)
			continue;
		memset(cache->text + entry.at, '\n', entry.bytes);
		cache->cleared++;
	}
	return 0;
}

/* C2 */
static int write_cache(const struct cache *cache)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, cache->st.st_mtim};
	int r = io_pwrite(cache->fd, cache->text, cache->bytes, 0);

	if (r >= 0 && futimens(cache->fd, times) < 0)
		r = -errno;
	if (r >= 0 && fdatasync(cache->fd) < 0)
		r = -errno;
	return r;
}

int cups_cache_clear(const char *directory, cups_cache_ask *ask, void *context, size_t *ret_cleared,
	struct problem *reterr_problem)
{
	struct cache cache = {.fd = -1};
	char path[PATH_MAX];
	int r = -ENAMETOOLONG;

	if ((size_t)snprintf(path, sizeof(path), "%s/job.cache", directory) < sizeof(path))
		r = open_cache(path, &cache);
	if (r >= 0)
		r = clear_text(&cache, ask, context);
	if (r >= 0 && cache.cleared > 0)
		r = write_cache(&cache);
	if (r >= 0 || r == -ENOENT)
		*ret_cleared = cache.cleared;
	cache_done(&cache);
	if (r < 0 && r != -ENOENT)
		return problem_set(reterr_problem, r,
			"jobs that CUPS has forgotten cannot be taken out of %s: %s", path,
			strerror(-r));
	return 0;
}
