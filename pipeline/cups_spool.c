/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/cups_spool.h"
#include "base/io.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cupsd pads to five and three digits, and goes on with more. */
#define JOB_DIGITS_LEAST      5u
#define DOCUMENT_DIGITS_LEAST 3u
#define DIGITS_MOST	      9u /* fits an int */
#define UPLOAD_DIGITS	      8u
/* Some filters make directories of their own in TempDir. */
#define TEMP_DEPTH_MAX 16u

void cups_file_list_done(struct cups_file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->files[i].path);
	free(list->files);
	*list = (struct cups_file_list){0};
}

/* --- names --- */

/* Reads digits; false unless there are at least that many and no more than fit. */
static bool parse_digits(const char **at, size_t least, int *ret_number)
{
	size_t digits = strspn(*at, "0123456789");

	if (digits < least || digits > DIGITS_MOST)
		return false;
	*ret_number = atoi(*at);
	*at += digits;
	return true;
}

static bool parse_document(const char *name, int *ret_job_id, int *ret_document)
{
	const char *at = name + 1;

	return name[0] == 'd' && parse_digits(&at, JOB_DIGITS_LEAST, ret_job_id) && *at++ == '-' &&
	       parse_digits(&at, DOCUMENT_DIGITS_LEAST, ret_document) && *at == '\0' &&
	       *ret_job_id > 0 && *ret_document > 0;
}

static bool is_suffix(const char *at)
{
	return *at == '\0' || strcmp(at, ".N") == 0 || strcmp(at, ".O") == 0;
}

static bool parse_control(const char *name, int *ret_job_id)
{
	const char *at = name + 1;

	return (name[0] == 'c' || name[0] == 'a') &&
	       parse_digits(&at, JOB_DIGITS_LEAST, ret_job_id) && is_suffix(at) && *ret_job_id > 0;
}

static bool is_upload(const char *name)
{
	return strlen(name) == UPLOAD_DIGITS && strspn(name, "0123456789abcdef") == UPLOAD_DIGITS;
}

/* Jobs first: "c1000000" could be both, and an upload with that number is the four billionth. */
bool cups_spool_parse_name(
	const char *name, enum cups_file_kind *ret_kind, int *ret_job_id, int *ret_document)
{
	int job_id = 0, document = 0;

	if (parse_document(name, &job_id, &document)) {
		*ret_kind = CUPS_FILE_DOCUMENT;
	} else if (parse_control(name, &job_id)) {
		*ret_kind = name[0] == 'c' ? CUPS_FILE_CONTROL : CUPS_FILE_AUTH;
		document = 0;
	} else if (is_upload(name)) {
		*ret_kind = CUPS_FILE_UPLOAD;
		job_id = document = 0;
	} else {
		return false;
	}
	*ret_job_id = job_id;
	*ret_document = document;
	return true;
}

/* --- directories --- */

struct scan {
	struct cups_file_list list;
	size_t capacity;
	enum cups_file_kind kind; /* of the directory that is read */
	unsigned int depth;
};

static int append(struct scan *scan, const struct cups_file *file)
{
	struct cups_file_list *list = &scan->list;

	if (list->count >= CUPS_FILES_MAX) {
		list->is_cut = true;
		return 0;
	}
	if (list->count == scan->capacity) {
		size_t capacity = scan->capacity ? scan->capacity * 2 : 64;
		struct cups_file *files = realloc(list->files, capacity * sizeof(*files));

		if (!files)
			return -ENOMEM;
		list->files = files;
		scan->capacity = capacity;
	}
	list->files[list->count] = *file;
	list->files[list->count].path = strdup(file->path);
	if (!list->files[list->count].path)
		return -ENOMEM;
	list->count++;
	return 0;
}

/* What the name means in the directory that is read; false: not ours to list. */
static bool classify(const struct scan *scan, const char *name, struct cups_file *file)
{
	switch (scan->kind) {
	case CUPS_FILE_TEMP:
		file->kind = CUPS_FILE_TEMP;
		return true;
	case CUPS_FILE_SETTLE:
		/* What cupsd is writing becomes job.cache: only a crash makes it nobody's. */
		file->kind = strcmp(name, "job.cache.N") == 0 ? CUPS_FILE_TEMP : CUPS_FILE_SETTLE;
		return file->kind == CUPS_FILE_TEMP || strcmp(name, "job.cache.O") == 0;
	default:
		return cups_spool_parse_name(name, &file->kind, &file->job_id, &file->document);
	}
}

static int read_directory(struct scan *scan, int parent_fd, const char *name, const char *path);

static int take_entry(struct scan *scan, int directory_fd, const char *path, const char *name)
{
	struct cups_file file = {0};
	char full[PATH_MAX];
	struct stat st;

	if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((size_t)snprintf(full, sizeof(full), "%s/%s", path, name) >= sizeof(full))
		return 0;
	if (S_ISDIR(st.st_mode) && scan->kind == CUPS_FILE_TEMP) {
		if (scan->depth < TEMP_DEPTH_MAX)
			return read_directory(scan, directory_fd, name, full);
		scan->list.is_cut = true;
	}
	if (!S_ISREG(st.st_mode) || !classify(scan, name, &file))
		return 0;
	file.path = full;
	file.bytes = (uint64_t)st.st_size;
	file.changed_s =
		st.st_mtim.tv_sec > st.st_ctim.tv_sec ? st.st_mtim.tv_sec : st.st_ctim.tv_sec;
	file.device = st.st_dev;
	file.inode = st.st_ino;
	return append(scan, &file);
}

/* name, in parent_fd, is what path leads to. */
static int read_directory(struct scan *scan, int parent_fd, const char *name, const char *path)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *directory;
	int r = 0;

	if (fd < 0)
		return scan->depth > 0 && errno == ENOENT ? 0 : -errno;
	directory = fdopendir(fd);
	if (!directory) {
		r = -errno;
		close(fd);
		return r;
	}
	scan->depth++;
	while (r == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = take_entry(scan, fd, path, entry->d_name);
	}
	if (r == 0 && errno != 0)
		r = -errno;
	scan->depth--;
	closedir(directory);
	return r;
}

static int compare_files(const void *a, const void *b)
{
	const struct cups_file *first = a, *second = b;

	if (first->job_id != second->job_id)
		return first->job_id < second->job_id ? -1 : 1;
	if (first->kind != second->kind)
		return first->kind < second->kind ? -1 : 1;
	if (first->document != second->document)
		return first->document < second->document ? -1 : 1;
	return strcmp(first->path, second->path);
}

static int scan_all(
	const struct cups_spool *spool, struct scan *scan, struct problem *reterr_problem)
{
	const struct {
		const char *path;
		enum cups_file_kind kind;
		bool needed;
	} directories[] = {{spool->request_root, CUPS_FILE_DOCUMENT, true},
		{spool->temp, CUPS_FILE_TEMP, false}, {spool->cache, CUPS_FILE_SETTLE, false}};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		const char *path = directories[i].path;
		int r;

		if (!path)
			continue;
		scan->kind = directories[i].kind;
		r = read_directory(scan, AT_FDCWD, path, path);
		if (r == -ENOENT && !directories[i].needed)
			continue;
		if (r < 0)
			return problem_set(reterr_problem, r,
				"%s cannot be read: %s; is it the directory that cupsd uses?", path,
				strerror(-r));
	}
	return 0;
}

int cups_spool_scan(const struct cups_spool *spool, struct cups_file_list *ret_list,
	struct problem *reterr_problem)
{
	struct scan scan = {0};
	int r = scan_all(spool, &scan, reterr_problem);

	if (r < 0) {
		cups_file_list_done(&scan.list);
		return r;
	}
	if (scan.list.count > 0)
		qsort(scan.list.files, scan.list.count, sizeof(*scan.list.files), compare_files);
	*ret_list = scan.list;
	return 0;
}

static size_t first_of_job(const struct cups_file_list *list, int job_id)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->files[middle].job_id < job_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct cups_file *cups_file_list_of_job(
	const struct cups_file_list *list, int job_id, size_t *ret_count)
{
	size_t first = first_of_job(list, job_id), end = first;

	while (end < list->count && list->files[end].job_id == job_id)
		end++;
	*ret_count = end - first;
	return list->files + first;
}

/* --- single files --- */

int cups_spool_is_open(const char *path, bool *ret_open)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*ret_open = false;
	if (fd < 0 && (errno == EWOULDBLOCK || errno == ETXTBSY)) {
		*ret_open = true; /* somebody holds a lease, or runs it */
		return 0;
	}
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Whoever opens it meanwhile waits until our descriptor is closed; the signal about it is
	 * one that ends nobody. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return -errno;
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
		if (errno != EAGAIN && errno != EBUSY)
			return -errno;
		*ret_open = true;
		return 0;
	}
	return 0;
}
