/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_copy.c - a log's directory, copied so that it verifies elsewhere
 *
 *   TO/audit-position   first: a log that goes on meanwhile is at least as long as it says
 *   TO/audit/...        log.json, segments, heads, their signatures
 *
 * A segment that is being written is copied up to the end of its last whole line.  If a segment
 * was closed or dropped meanwhile, everything is copied anew.
 */
#include "audit/log_format.h"
#include "audit/log_listing.h"
#include "base/io.h"
#include "cli/audit_export.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES_MAX 10

struct copy {
	const char *from, *to;
	struct log_bytes text;
};

static int write_file(const char *directory, const char *name, const struct log_bytes *text)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write(fd, text->at, text->bytes);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int copy_file(struct copy *copy, const char *name, bool is_open_segment)
{
	const char *end;
	int r;

	r = log_bytes_read(copy->from, name, LOG_SEGMENT_BYTES_MOST, &copy->text);
	if (r < 0)
		return r;
	if (is_open_segment) {
		end = copy->text.bytes ? memrchr(copy->text.at, '\n', copy->text.bytes) : NULL;
		copy->text.bytes = end ? (size_t)(end - copy->text.at) + 1 : 0;
	}
	return write_file(copy->to, name, &copy->text);
}

static int copy_optional(struct copy *copy, const char *name)
{
	int r = copy_file(copy, name, false);

	return r == -ENOENT ? 0 : r;
}

/* Heads outlive their segments, so they are counted from the first on. */
static int copy_listed(struct copy *copy, const struct log_listing *listing)
{
	char name[LOG_NAME_BYTES];
	int r;

	r = copy_file(copy, LOG_ROOT_NAME, false);
	if (r >= 0)
		r = copy_file(copy, LOG_ROOT_NAME LOG_SIGNATURE_END, false);
	for (uint64_t segment = 1; r >= 0 && segment <= listing->last; segment++) {
		r = copy_optional(copy, log_file_name(LOG_HEAD_FILE, segment, name));
		if (r >= 0)
			r = copy_optional(
				copy, log_file_name(LOG_HEAD_SIGNATURE_FILE, segment, name));
	}
	for (size_t i = 0; r >= 0 && i < listing->count; i++)
		r = copy_file(copy, log_file_name(LOG_SEGMENT_FILE, listing->segments[i], name),
			listing->segments[i] == listing->last && !listing->last_is_closed);
	return r;
}

static int copy_once(struct copy *copy)
{
	struct log_listing before = {.segments = NULL}, after = {.segments = NULL};
	int r;

	r = log_listing_read(copy->from, &before);
	if (r < 0)
		return r;
	if (before.last == 0)
		r = -ENOENT;
	else
		r = copy_listed(copy, &before);
	if (r >= 0 || r == -ENOENT) {
		int s = log_listing_read(copy->from, &after);

		if (s < 0)
			r = s;
		else if (!log_listing_is_equal(&before, &after))
			r = -EAGAIN;
	}
	log_listing_done(&before);
	log_listing_done(&after);
	return r;
}

static int copy_position(const char *from, const char *to)
{
	_cleanup_free_ char *path = NULL;
	struct log_bytes text = {.at = NULL};
	int r;

	if (asprintf(&path, "%s/../" LOG_POSITION_NAME, from) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = log_bytes_read(NULL, path, LOG_HEAD_BYTES_MAX, &text);
	if (r >= 0)
		r = write_file(to, LOG_POSITION_NAME, &text);
	log_bytes_done(&text);
	return r == -ENOENT ? 0 : r;
}

/* What a try left may have been dropped since; only our own names are touched. */
static int empty(const char *path)
{
	struct log_listing listing = {.segments = NULL};
	char name[LOG_NAME_BYTES];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : log_listing_read(path, &listing);

	for (size_t i = 0; r >= 0 && i < listing.count; i++) {
		if (unlinkat(fd, log_file_name(LOG_SEGMENT_FILE, listing.segments[i], name), 0) < 0)
			r = -errno;
	}
	log_listing_done(&listing);
	io_closep(&fd);
	return r;
}

static int copy_all(struct copy *copy, const char *to)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && r == -EAGAIN; i++) {
		r = i > 0 ? empty(copy->to) : 0;
		if (r >= 0)
			r = copy_position(copy->from, to);
		if (r >= 0)
			r = copy_once(copy);
	}
	return r;
}

int audit_copy(const char *from, const char *to, struct problem *reterr_problem)
{
	_cleanup_free_ char *directory = NULL;
	struct copy copy = {.from = from};
	int r;

	if (asprintf(&directory, "%s/audit", to) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	copy.to = directory;
	if (mkdir(to, 0700) < 0 || mkdir(directory, 0700) < 0)
		return problem_set(reterr_problem, -errno, "%s cannot be made: %s", to,
			errno == EEXIST ? "it is there already; name a new directory"
					: strerror(errno));
	r = copy_all(&copy, to);
	log_bytes_done(&copy.text);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s cannot be copied: %s", from, strerror(-r));
	return 0;
}
