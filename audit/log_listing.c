/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_listing.h"
#include "audit/log_format.h"
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The numbers of one kind of file, in order. */
struct numbers {
	uint64_t *at;
	size_t count;
};

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static int add_number(struct numbers *numbers, uint64_t number)
{
	uint64_t *grown;

	if (number == 0)
		return 0;
	grown = reallocarray(numbers->at, numbers->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	numbers->at = grown;
	numbers->at[numbers->count++] = number;
	return 0;
}

static bool has(const struct numbers *numbers, uint64_t number)
{
	return numbers->count > 0 &&
	       bsearch(&number, numbers->at, numbers->count, sizeof(number), compare);
}

static int list(const char *path, struct numbers numbers[static 3])
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!directory)
		return -errno;
	while (r >= 0 && (entry = readdir(directory))) {
		for (enum log_file file = LOG_SEGMENT_FILE;
			r >= 0 && file <= LOG_HEAD_SIGNATURE_FILE; file++)
			r = add_number(&numbers[file], log_file_number(file, entry->d_name));
	}
	closedir(directory);
	for (size_t i = 0; i < 3; i++) {
		if (numbers[i].count > 0)
			qsort(numbers[i].at, numbers[i].count, sizeof(uint64_t), compare);
	}
	return r;
}

static uint64_t newest(const struct numbers *numbers)
{
	return numbers->count > 0 ? numbers->at[numbers->count - 1] : 0;
}

int log_listing_read(const char *path, struct log_listing *ret_listing)
{
	struct numbers numbers[3] = {{NULL, 0}};
	const struct numbers *segments = &numbers[LOG_SEGMENT_FILE];
	const struct numbers *heads = &numbers[LOG_HEAD_FILE];
	const struct numbers *signatures = &numbers[LOG_HEAD_SIGNATURE_FILE];
	uint64_t last;
	int r;

	r = list(path, numbers);
	if (r >= 0) {
		last = newest(segments);
		for (size_t i = 0; i < heads->count; i++) {
			if (heads->at[i] > last && has(signatures, heads->at[i]))
				last = heads->at[i];
		}
		*ret_listing = (struct log_listing){
			.segments = segments->at,
			.count = segments->count,
			.last = last,
			.last_is_closed = has(heads, last) && has(signatures, last),
		};
		numbers[LOG_SEGMENT_FILE].at = NULL;
	}
	for (size_t i = 0; i < 3; i++)
		free(numbers[i].at);
	return r;
}

void log_listing_done(struct log_listing *listing)
{
	free(listing->segments);
	*listing = (struct log_listing){.segments = NULL};
}

bool log_listing_is_equal(const struct log_listing *a, const struct log_listing *b)
{
	return a->count == b->count && a->last == b->last &&
	       a->last_is_closed == b->last_is_closed &&
	       (a->count == 0 ||
		       memcmp(a->segments, b->segments, a->count * sizeof(*a->segments)) == 0);
}

void log_bytes_done(struct log_bytes *text)
{
	free(text->at);
	*text = (struct log_bytes){.at = NULL};
}

static int make_room(struct log_bytes *text, size_t room)
{
	char *grown;

	if (room <= text->room)
		return 0;
	grown = realloc(text->at, room);
	if (!grown)
		return -ENOMEM;
	text->at = grown;
	text->room = room;
	return 0;
}

int log_bytes_read(const char *path, const char *name, size_t most_bytes, struct log_bytes *text)
{
	char full[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (snprintf(full, sizeof(full), "%s%s%s", path ? path : "", path ? "/" : "", name) >=
		(int)sizeof(full))
		return -ENAMETOOLONG;
	/* A pipe in its place must not hold us up. */
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > most_bytes)
		return -EFBIG;
	/* What is appended meanwhile is left for the next time. */
	r = make_room(text, (size_t)st.st_size + 1);
	if (r < 0)
		return r;
	r = io_pread(fd, text->at, (size_t)st.st_size, 0);
	if (r < 0)
		return r;
	text->bytes = (size_t)st.st_size;
	return 0;
}
