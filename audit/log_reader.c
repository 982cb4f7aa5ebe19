/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment that has a successor gets no more records; so at the end of one, its successor is
 * looked for first, then what is left of it is read, and only then is it left.
 */
#include "audit/log_reader.h"
#include "audit/log_format.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (8 * AUDIT_LINE_MAX)

struct log_reader {
	char *path;
	bool is_file;	    /* one segment alone */
	uint64_t from;	    /* records before it are not wanted */
	uint64_t segment;   /* 0: none is open */
	uint64_t successor; /* 0: none was seen yet */
	int fd;		    /* -1: none */
	size_t begin, end;  /* what of buffer is not taken yet */
	bool is_long;	    /* in a line that is too long; the rest of it is passed over */
	const char *line;
	size_t line_bytes;
	char buffer[BUFFER_BYTES];
};

/* The least number of a segment above "above", 0 if there is none. */
static int find_segment(const char *path, uint64_t above, uint64_t *ret_segment)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	uint64_t found = 0;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		uint64_t number = log_file_number(LOG_SEGMENT_FILE, entry->d_name);

		if (number > above && (!found || number < found))
			found = number;
	}
	closedir(directory);
	*ret_segment = found;
	return 0;
}

static int open_segment(struct log_reader *reader, uint64_t segment)
{
	char name[LOG_NAME_BYTES];
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", reader->path, log_file_name(LOG_SEGMENT_FILE, segment, name)) <
		0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	io_closep(&reader->fd);
	reader->fd = fd;
	reader->segment = segment;
	reader->successor = 0;
	reader->begin = reader->end = 0;
	return 0;
}

/* More of the open segment behind what is in the buffer; 0: there is no more now. */
static ssize_t fill(struct log_reader *reader)
{
	ssize_t n;

	memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
	reader->end -= reader->begin;
	reader->begin = 0;
	do
		n = read(reader->fd, reader->buffer + reader->end, BUFFER_BYTES - reader->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	reader->end += (size_t)n;
	return n;
}

static void take_line(struct log_reader *reader, size_t bytes, size_t with_end)
{
	reader->line = reader->buffer + reader->begin;
	reader->line_bytes = bytes;
	reader->begin += with_end;
}

/* 1: a whole line; 0: the segment's end for now; -EBADMSG: one that is too long. */
static int read_line(struct log_reader *reader)
{
	for (;;) {
		const char *from = reader->buffer + reader->begin;
		size_t bytes = reader->end - reader->begin;
		const char *end = memchr(from, '\n', bytes);
		ssize_t n;

		if (end && reader->is_long) {
			reader->begin += (size_t)(end - from) + 1;
			reader->is_long = false;
			continue;
		}
		if (end) {
			take_line(reader, (size_t)(end - from), (size_t)(end - from) + 1);
			return 1;
		}
		if (bytes > AUDIT_LINE_MAX) {
			bool was_long = reader->is_long;

			reader->is_long = true;
			take_line(reader, AUDIT_LINE_MAX, bytes);
			if (!was_long)
				return -EBADMSG;
			continue;
		}
		n = fill(reader);
		if (n <= 0)
			return (int)n;
	}
}

/* 1: there is another segment, and it is open now; 0: no; -EBADMSG: the last line of the one before
 * it has no end. */
static int go_on(struct log_reader *reader)
{
	size_t left = reader->end - reader->begin;
	int r;

	if (reader->is_file)
		return 0;
	if (!reader->successor) {
		r = find_segment(reader->path, reader->segment, &reader->successor);
		if (r < 0)
			return r;
		return reader->successor ? 1 : 0; /* what was left is read first */
	}
	if (left > 0) {
		take_line(reader, left, left);
		return -EBADMSG;
	}
	reader->is_long = false;
	r = open_segment(reader, reader->successor);
	if (r == -ENOENT) { /* dropped meanwhile: the next that is there */
		reader->segment = reader->successor;
		reader->successor = 0;
		return 1;
	}
	return r < 0 ? r : 1;
}

/* The number with which the line begins; 0 if it does not begin with one. */
static uint64_t line_sequence(const struct log_reader *reader)
{
	static const char begins[] = "{\"sequence\":";

	if (reader->line_bytes <= strlen(begins) ||
		memcmp(reader->line, begins, strlen(begins)) != 0)
		return 0;
	return strtoull(reader->line + strlen(begins), NULL, 10); /* ends at the line's end */
}

static bool is_before(const struct log_reader *reader)
{
	uint64_t sequence = line_sequence(reader);

	return sequence > 0 && sequence < reader->from;
}

int log_reader_next(struct log_reader *reader, struct audit_record *ret_record)
{
	int r;

	for (;;) {
		r = reader->fd < 0 ? 0 : read_line(reader);
		if (r < 0)
			return r;
		if (r > 0 && !is_before(reader)) {
			r = audit_record_decode(reader->line, reader->line_bytes, ret_record);
			return r < 0 ? r : 1;
		}
		if (r == 0) {
			r = go_on(reader);
			if (r <= 0)
				return r;
		}
	}
}

const char *log_reader_line(const struct log_reader *reader, size_t *ret_bytes)
{
	*ret_bytes = reader->line_bytes;
	return reader->line;
}

/* The number of a segment's first record; 0 if it cannot be told. */
static uint64_t first_of(struct log_reader *reader, uint64_t segment)
{
	if (open_segment(reader, segment) < 0 || read_line(reader) != 1)
		return 0;
	return line_sequence(reader);
}

/* The segment before the first one that begins behind from: nothing before it is wanted. */
static int seek(struct log_reader *reader)
{
	uint64_t segment = 0, wanted = 0;
	int r;

	for (;;) {
		r = find_segment(reader->path, segment, &segment);
		if (r < 0)
			return r;
		if (!segment)
			break;
		if (wanted && first_of(reader, segment) > reader->from)
			break;
		wanted = segment;
	}
	io_closep(&reader->fd);
	reader->fd = -1;
	reader->segment = reader->successor = 0;
	reader->begin = reader->end = 0;
	reader->is_long = false;
	return wanted ? open_segment(reader, wanted) : 0;
}

static int open_file(struct log_reader *reader)
{
	reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
	return reader->fd < 0 ? -errno : 0;
}

int log_reader_open(const char *path, uint64_t from_sequence, struct log_reader **ret_reader,
	struct problem *reterr_problem)
{
	struct log_reader *reader = calloc(1, sizeof(*reader));
	struct stat st;
	int r;

	if (!reader)
		return problem_set(reterr_problem, -ENOMEM, "not enough memory");
	reader->fd = -1;
	reader->from = from_sequence;
	reader->path = strdup(path);
	r = !reader->path ? -ENOMEM : stat(path, &st) < 0 ? -errno : 0;
	if (r == 0) {
		reader->is_file = !S_ISDIR(st.st_mode);
		r = reader->is_file ? open_file(reader) : seek(reader);
	}
	if (r == 0) {
		*ret_reader = reader;
		return 0;
	}
	log_reader_free(reader);
	if (r == -EACCES)
		return problem_set(reterr_problem, r,
			"%s may not be read by you: run as root, or be in the group of the "
			"auditors, to which its files belong (\"ls -ld %s\" shows it)",
			path, path);
	if (r == -ENOENT)
		return problem_set(reterr_problem, r,
			"%s: there is no log; the service makes it at its first start, or name "
			"the directory",
			path);
	return problem_set(reterr_problem, r, "%s: %s", path, strerror(-r));
}

void log_reader_free(struct log_reader *reader)
{
	if (!reader)
		return;
	io_closep(&reader->fd);
	free(reader->path);
	free(reader);
}
