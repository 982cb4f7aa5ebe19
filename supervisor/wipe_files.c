/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wipe_files.h"
#include "attached/job_receipt.h"
#include "base/io.h"
#include "spool/retire.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES (NAME_MAX + 64) /* /proc/self/fd/N/NAME */

struct item {
	char path[PATH_BYTES];
	ino_t inode;
	bool spare_busy;
};

struct wipe_files {
	struct wipe_files_options options;
	struct wipe_files_report report;
	struct job_receipt sum; /* its total */
	int directories[WIPE_BATCH_DIRECTORIES];
	size_t directory_count;
	ino_t directory_inode; /* of the last */
	struct item items[WIPE_BATCH_FILES];
	struct retire_file retired[WIPE_BATCH_FILES];
	size_t count;
};

int wipe_files_new(const struct wipe_files_options *options, struct wipe_files **ret_files)
{
	struct wipe_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	files->options = *options;
	/* A lease that somebody breaks says so by it, and would end the program. */
	(void)signal(SIGIO, SIG_IGN);
	*ret_files = files;
	return 0;
}

static void let_go(struct wipe_files *files)
{
	for (size_t i = 0; i < files->directory_count; i++)
		close(files->directories[i]);
	files->directory_count = 0;
	files->count = 0;
}

void wipe_files_free(struct wipe_files *files)
{
	if (!files)
		return;
	let_go(files);
	free(files);
}

const struct wipe_files_report *wipe_files_report(const struct wipe_files *files)
{
	return &files->report;
}

/* --- what was left --- */

static void add_fault(struct wipe_files *files, const char *text)
{
	struct wipe_files_report *report = &files->report;
	char line[WIPE_FAULT_BYTES];

	report->left_files++;
	snprintf(line, sizeof(line), "a file %s", text);
	for (size_t i = 0; i < report->fault_count; i++) {
		if (strcmp(report->faults[i], line) == 0)
			return;
	}
	if (report->fault_count < WIPE_FAULTS_MAX)
		strcpy(report->faults[report->fault_count++], line);
}

/* Its line begins with the name, which nobody is to read. */
static void add_own_fault(struct wipe_files *files, const struct retire_file *file)
{
	const char *text = file->problem.text;
	size_t length = strlen(file->path);

	if (strncmp(text, file->path, length) == 0 && text[length] == ' ')
		add_fault(files, text + length + 1);
	else
		add_fault(files, strerror(-file->error));
}

/* --- cut --- */

/* K1 */
static int cut(const struct item *item, off_t *ret_bytes)
{
	_cleanup_close_ int fd =
		open(item->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != item->inode || st.st_nlink > 1)
		return -ESTALE;
	if (ftruncate(fd, 0) < 0 || fsync(fd) < 0)
		return -errno;
	*ret_bytes = st.st_size;
	return 0;
}

/* Open elsewhere, or in more pieces than can be overwritten in place. */
static void settle_by_cut(
	struct wipe_files *files, const struct item *item, const struct retire_file *file)
{
	struct wipe_files_report *report = &files->report;
	off_t bytes = 0;
	int r;

	if (file->error == -EBUSY && item->spare_busy) {
		report->spared_files++;
		return;
	}
	if (file->error == -EBUSY && !files->options.cut_busy) {
		report->busy_files++;
		return;
	}
	r = cut(item, &bytes);
	if (r == -ENOENT || r == -ESTALE) {
		report->busy_files++; /* another file by now: a later round meets it */
	} else if (r < 0) {
		add_own_fault(files, file);
	} else {
		report->cut_files++;
		report->cut_bytes += (uint64_t)bytes;
	}
}

/* --- a batch --- */

static void settle(struct wipe_files *files, size_t index)
{
	const struct retire_file *file = &files->retired[index];
	struct wipe_files_report *report = &files->report;

	job_receipt_add(&files->sum, &file->retirement);
	report->blocks = files->sum.total;
	if (file->error == 0) {
		report->files++;
		report->bytes += file->size_bytes;
	} else if (file->error == -EBUSY || file->error == -EOPNOTSUPP || file->error == -EFBIG) {
		settle_by_cut(files, &files->items[index], file);
	} else if (file->error == -ESTALE || file->error == -EMLINK) {
		report->busy_files++; /* it changes: a later round meets it */
	} else if (file->error != -ENOENT) {
		add_own_fault(files, file);
	}
}

int wipe_files_flush(struct wipe_files *files, struct problem *reterr_problem)
{
	int r;

	if (files->count == 0)
		return 0;
	for (size_t i = 0; i < files->count; i++)
		files->retired[i] = (struct retire_file){.path = files->items[i].path};
	r = retire_files(files->options.port, files->options.mount_fd, files->retired, files->count,
		reterr_problem);
	for (size_t i = 0; i < files->count && r >= 0; i++)
		settle(files, i);
	let_go(files);
	if (r >= 0 && files->options.progress)
		r = files->options.progress(files->options.context, &files->report);
	return r;
}

/* --- what goes into it --- */

static int keep_directory(struct wipe_files *files, const struct wipe_entry *entry)
{
	int fd;

	if (files->directory_count > 0 && files->directory_inode == entry->directory_inode)
		return 0;
	fd = fcntl(entry->directory_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	files->directories[files->directory_count++] = fd;
	files->directory_inode = entry->directory_inode;
	return 0;
}

static int keep(struct wipe_files *files, const struct wipe_entry *entry, bool spare_busy)
{
	struct item *item = &files->items[files->count];
	int r = keep_directory(files, entry), n;

	if (r < 0)
		return r;
	n = snprintf(item->path, sizeof(item->path), "/proc/self/fd/%d/%s",
		files->directories[files->directory_count - 1], entry->name);
	if (n < 0 || n >= (int)sizeof(item->path))
		return -ENAMETOOLONG;
	item->inode = (ino_t)entry->st.stx_ino;
	item->spare_busy = spare_busy;
	files->count++;
	return 0;
}

static void remove_name(struct wipe_files *files, const struct wipe_entry *entry)
{
	if (unlinkat(entry->directory_fd, entry->name, 0) == 0)
		files->report.links++;
	else if (errno != ENOENT)
		add_fault(files, strerror(errno));
}

int wipe_files_add(struct wipe_files *files, const struct wipe_entry *entry, bool spare_busy,
	struct problem *reterr_problem)
{
	int r = 0;

	if (S_ISLNK(entry->st.stx_mode) ||
		(S_ISREG(entry->st.stx_mode) && entry->st.stx_nlink > 1)) {
		remove_name(files, entry);
		return 0;
	}
	if (!S_ISREG(entry->st.stx_mode))
		return 0;
	if (files->count == WIPE_BATCH_FILES || files->directory_count == WIPE_BATCH_DIRECTORIES)
		r = wipe_files_flush(files, reterr_problem);
	return r < 0 ? r : keep(files, entry, spare_busy);
}
