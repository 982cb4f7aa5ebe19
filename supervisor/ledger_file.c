/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ledger_file.h"
#include "base/bytes.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME	     "ledger"
#define NAME_NEW     "ledger.new"
#define NAME_LOCK    "ledger.lock"
#define NAME_DAMAGED "ledger.damaged"
#define STEP_BYTES   (256u << 10) /* room is allocated in such steps */
#define BUFFER_BYTES (64u << 10)

/* One of the two files, and how far it reaches. */
struct end {
	int fd;
	uint64_t bytes;
	uint64_t allocated; /* room that is ours, from the start of the file */
};

struct ledger_file {
	int directory_fd, lock_fd;
	struct end now, new; /* new.fd < 0: no rewrite is under way */
	uint8_t *buffer;     /* of the rewrite: not written yet */
	size_t buffered;
	bool cannot_allocate; /* the file system has no such call */
	bool failed;	      /* F3 */
};

static int (*_Atomic hook)(void *context, enum ledger_file_step step);
static void *_Atomic hook_context;

void ledger_file_set_hook(int (*new_hook)(void *context, enum ledger_file_step step), void *context)
{
	hook_context = context;
	hook = new_hook;
}

static int before(enum ledger_file_step step)
{
	int (*now)(void *context, enum ledger_file_step step) = hook;

	return now ? now(hook_context, step) : 0;
}

/* --- single steps --- */

static int write_at_end(struct end *end, const void *data, size_t bytes)
{
	int r = before(LEDGER_FILE_WRITE);

	if (r >= 0)
		r = io_pwrite(end->fd, data, bytes, end->bytes);
	return r;
}

static int sync_end(struct end *end)
{
	int r = before(LEDGER_FILE_SYNC);

	if (r >= 0 && fdatasync(end->fd) < 0)
		r = -errno;
	return r;
}

static int sync_directory(struct ledger_file *file)
{
	int r = before(LEDGER_FILE_SYNC_DIRECTORY);

	if (r >= 0 && fsync(file->directory_fd) < 0)
		r = -errno;
	return r;
}

static int allocate(struct ledger_file *file, struct end *end, uint64_t until)
{
	int r;

	if (until <= end->allocated || file->cannot_allocate)
		return 0;
	r = before(LEDGER_FILE_ALLOCATE);
	if (r >= 0 && fallocate(end->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)until) < 0)
		r = -errno;
	if (r == -EOPNOTSUPP || r == -ENOSYS) {
		file->cannot_allocate = true;
		return 0;
	}
	if (r >= 0)
		end->allocated = until;
	return r;
}

/* A step more than is needed, so that not each append asks; where there is no room for that, what
 * is needed. */
static int make_room(struct ledger_file *file, struct end *end, uint64_t until)
{
	int r;

	if (until <= end->allocated)
		return 0;
	r = allocate(file, end, bytes_align_up(until, STEP_BYTES) + STEP_BYTES);
	return io_is_want_of_room(r) ? allocate(file, end, until) : r;
}

/* --- open, close --- */

static int open_directory(struct ledger_file *file, const char *path, struct problem *problem)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return problem_set(problem, -errno,
			"the state directory %s cannot be made: %s; see [service] state_directory",
			path, strerror(errno));
	file->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->directory_fd < 0)
		return problem_set(
			problem, -errno, "the state directory %s: %s", path, strerror(errno));
	return 0;
}

static int take_lock(struct ledger_file *file, const char *path, struct problem *problem)
{
	file->lock_fd = openat(
		file->directory_fd, NAME_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->lock_fd < 0)
		return problem_set(problem, -errno,
			"%s/" NAME_LOCK " cannot be written to: %s; the service keeps its ledger "
			"there",
			path, strerror(errno));
	if (flock(file->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return problem_set(problem, -errno, "%s/" NAME_LOCK ": %s", path, strerror(errno));
	return problem_set(problem, -EBUSY,
		"another service keeps its ledger in %s; stop that one, or name another "
		"state_directory",
		path);
}

static int open_now(struct ledger_file *file, const char *path, struct problem *problem)
{
	struct stat st;
	int r;

	file->now.fd =
		openat(file->directory_fd, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = file->now.fd < 0 || fstat(file->now.fd, &st) < 0 ? -errno : 0;
	if (r >= 0 && !S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r >= 0)
		r = sync_directory(file);
	if (r < 0)
		return problem_set(problem, r,
			"%s/" NAME " cannot be opened: %s; the service keeps its ledger there",
			path, strerror(-r));
	file->now.bytes = (uint64_t)st.st_size;
	/* What a rewrite left that did not come to its end. */
	(void)!unlinkat(file->directory_fd, NAME_NEW, 0);
	return 0;
}

int ledger_file_open(
	const char *directory, struct ledger_file **ret_file, struct problem *reterr_problem)
{
	struct ledger_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->directory_fd = file->lock_fd = file->now.fd = file->new.fd = -1;
	r = open_directory(file, directory, reterr_problem);
	if (r >= 0)
		r = take_lock(file, directory, reterr_problem);
	if (r >= 0)
		r = open_now(file, directory, reterr_problem);
	if (r < 0) {
		ledger_file_close(file);
		return r;
	}
	*ret_file = file;
	return 0;
}

void ledger_file_close(struct ledger_file *file)
{
	if (!file)
		return;
	ledger_file_rewrite_abandon(file);
	io_closep(&file->now.fd);
	io_closep(&file->lock_fd);
	io_closep(&file->directory_fd);
	free(file);
}

uint64_t ledger_file_end(const struct ledger_file *file)
{
	return file->now.bytes;
}

bool ledger_file_has_failed(const struct ledger_file *file)
{
	return file->failed;
}

/* --- read, append --- */

int ledger_file_read(const struct ledger_file *file, uint64_t at, void *buf, size_t bytes)
{
	return io_pread(file->now.fd, buf, bytes, at);
}

/* The room behind the end goes with what is cut off, and is taken again when it is needed. */
static int truncate_to(struct ledger_file *file, uint64_t bytes)
{
	int r = before(LEDGER_FILE_CUT);

	file->now.allocated = 0;
	if (r >= 0 && ftruncate(file->now.fd, (off_t)bytes) < 0)
		r = -errno;
	return r;
}

int ledger_file_cut(struct ledger_file *file, uint64_t end)
{
	int r = truncate_to(file, end);

	if (r >= 0)
		r = sync_end(&file->now);
	if (r >= 0)
		file->now.bytes = end;
	else
		file->failed = true;
	return r;
}

int ledger_file_append(struct ledger_file *file, const void *data, size_t bytes,
	uint64_t reserve_bytes, uint64_t *ret_at)
{
	uint64_t end = file->now.bytes + bytes;
	int r;

	if (file->failed)
		return -EIO;
	r = make_room(file, &file->now, end + reserve_bytes);
	if (r < 0)
		return r;
	r = write_at_end(&file->now, data, bytes);
	if (r >= 0) {
		r = sync_end(&file->now);
		file->failed = r < 0;
	}
	if (r < 0) {
		if (truncate_to(file, file->now.bytes) < 0)
			file->failed = true;
		return r;
	}
	*ret_at = file->now.bytes;
	file->now.bytes = end;
	return 0;
}

int ledger_file_keep_damaged(struct ledger_file *file)
{
	int r = before(LEDGER_FILE_CREATE);

	if (r >= 0 && unlinkat(file->directory_fd, NAME_DAMAGED, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0 && linkat(file->directory_fd, NAME, file->directory_fd, NAME_DAMAGED, 0) < 0)
		r = -errno;
	return r;
}

/* --- rewrite --- */

int ledger_file_rewrite(struct ledger_file *file)
{
	int r = before(LEDGER_FILE_CREATE);

	if (r < 0)
		return r;
	file->buffer = malloc(BUFFER_BYTES);
	if (!file->buffer)
		return -ENOMEM;
	file->buffered = 0;
	file->new = (struct end){.fd = -1};
	(void)!unlinkat(file->directory_fd, NAME_NEW, 0);
	file->new.fd = openat(file->directory_fd, NAME_NEW,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->new.fd < 0) {
		r = -errno;
		ledger_file_rewrite_abandon(file);
	}
	return r;
}

static int write_buffered(struct ledger_file *file)
{
	int r = file->buffered ? write_at_end(&file->new, file->buffer, file->buffered) : 0;

	if (r >= 0) {
		file->new.bytes += file->buffered;
		file->buffered = 0;
	}
	return r;
}

int ledger_file_rewrite_add(
	struct ledger_file *file, const void *data, size_t bytes, uint64_t *ret_at)
{
	int r = 0;

	if (bytes > BUFFER_BYTES - file->buffered)
		r = write_buffered(file);
	if (r < 0)
		return r;
	if (bytes > BUFFER_BYTES)
		return -EMSGSIZE;
	*ret_at = file->new.bytes + file->buffered;
	memcpy(file->buffer + file->buffered, data, bytes);
	file->buffered += bytes;
	return 0;
}

int ledger_file_rewrite_finish(struct ledger_file *file, uint64_t reserve_bytes)
{
	int r;

	r = write_buffered(file);
	if (r >= 0)
		r = make_room(file, &file->new, file->new.bytes + reserve_bytes);
	if (r >= 0)
		r = sync_end(&file->new);
	if (r >= 0)
		r = before(LEDGER_FILE_RENAME);
	if (r >= 0 && renameat(file->directory_fd, NAME_NEW, file->directory_fd, NAME) < 0)
		r = -errno;
	if (r < 0)
		return r;
	/* The old file is gone from here on, whatever the directory's fsync says. */
	close(file->now.fd);
	file->now = file->new;
	file->new.fd = -1;
	ledger_file_rewrite_abandon(file);
	file->failed = sync_directory(file) < 0;
	return 0;
}

void ledger_file_rewrite_abandon(struct ledger_file *file)
{
	if (file->new.fd >= 0)
		(void)!unlinkat(file->directory_fd, NAME_NEW, 0);
	io_closep(&file->new.fd);
	free(file->buffer);
	file->buffer = NULL;
	file->buffered = 0;
}
