/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cups_files.h"
#include "base/clock.h"
#include "base/io.h"
#include "blockdev/guard.h"
#include "cli/cups_context.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEW_SUFFIX     ".spoolguard-new"
#define PARTIAL_SUFFIX ".spoolguard-new.backup"
#define PENDING_NAME   ".spoolguard-apply"
#define BACKUPS_MAX    100 /* within one second */

/* --- paths --- */

static int add_suffix(const char *path, const char *suffix, char ret_path[static PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s%s", path, suffix);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static void directory_of(const char *path, char ret_path[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(ret_path, ".");
	else
		snprintf(ret_path, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int sync_directory(const char *file)
{
	_cleanup_close_ int fd = -1;
	char directory[PATH_MAX];

	directory_of(file, directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int say(const char *path, int error, struct problem *reterr_problem)
{
	return problem_set(reterr_problem, error, "%s cannot be written: %s%s", path,
		strerror(-error),
		io_is_want_of_room(error)	      ? "; make room there"
		: error == -EACCES || error == -EPERM ? "; run it as root"
						      : "");
}

/* --- lock --- */

int cups_files_lock(const char *path, int *ret_fd, struct problem *reterr_problem)
{
	char directory[PATH_MAX];
	int fd, r;

	r = guard_check_confined(path, reterr_problem);
	if (r < 0)
		return r;
	directory_of(path, directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", directory, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		close(fd);
		return problem_set(reterr_problem, r == -EWOULDBLOCK ? -EBUSY : r,
			"another \"spoolguard cups\" is at work in %s; wait for its end",
			directory);
	}
	*ret_fd = fd;
	return 0;
}

void cups_files_tidy(const char *path)
{
	char left[PATH_MAX], directory[PATH_MAX];

	directory_of(path, directory);
	if (guard_check_confined(path, NULL) < 0)
		return;
	if (add_suffix(path, NEW_SUFFIX, left) >= 0)
		(void)unlink(left);
	if (add_suffix(path, PARTIAL_SUFFIX, left) >= 0)
		(void)unlink(left);
	if (add_suffix(directory, "/" PENDING_NAME NEW_SUFFIX, left) >= 0)
		(void)unlink(left);
}

/* --- writing --- */

/* The file has these bytes, durably, or is not there. */
static int write_file(const char *path, const struct cups_text *text, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write(fd, text->bytes, text->count);
	if (r >= 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(path);
	return r;
}

int cups_file_check(const struct cups_file_change *change, struct problem *reterr_problem)
{
	struct cups_text now = {.bytes = NULL};
	struct stat st;
	bool is_same;
	int r;

	if (lstat(change->path, &st) < 0)
		return problem_set(reterr_problem, -errno, "%s: %s", change->path, strerror(errno));
	if (S_ISLNK(st.st_mode))
		return problem_set(reterr_problem, -ELOOP,
			"%s is a symbolic link: something else manages it; name the file itself "
			"with --config or --files-config",
			change->path);
	if (st.st_nlink > 1)
		return problem_set(reterr_problem, -EMLINK,
			"%s has several names (hard links); give it one of its own first",
			change->path);
	r = cups_read_text(change->path, false, &now, reterr_problem);
	if (r < 0)
		return r;
	is_same = now.count == change->before->count &&
		  memcmp(now.bytes, change->before->bytes, now.count) == 0;
	cups_text_done(&now);
	if (is_same)
		return 0;
	return problem_set(reterr_problem, -ESTALE,
		"%s was changed at this moment by somebody else; run this again", change->path);
}

int cups_file_prepare(struct cups_file_change *change, struct problem *reterr_problem)
{
	int r;

	r = guard_check_confined(change->path, reterr_problem);
	if (r < 0)
		return r;
	r = add_suffix(change->path, NEW_SUFFIX, change->fresh);
	if (r >= 0)
		r = write_file(change->fresh, &change->after, 0600);
	if (r < 0) {
		say(change->fresh, r, reterr_problem);
		change->fresh[0] = '\0';
	}
	return r;
}

/* A backup that is cut short by a crash has no name that looks like one. */
static int keep_backup(struct cups_file_change *change)
{
	char stamp[32], suffix[64], partial[PATH_MAX];
	time_t now = (time_t)clock_wall_s();
	struct tm utc;
	int r;

	gmtime_r(&now, &utc);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &utc);
	r = add_suffix(change->path, PARTIAL_SUFFIX, partial);
	if (r >= 0)
		r = write_file(partial, change->before, 0600);
	if (r < 0)
		return r;
	for (int i = 0; i < BACKUPS_MAX; i++) {
		if (i == 0)
			snprintf(suffix, sizeof(suffix), ".spoolguard-%s", stamp);
		else
			snprintf(suffix, sizeof(suffix), ".spoolguard-%s-%d", stamp, i);
		r = add_suffix(change->path, suffix, change->backup);
		if (r >= 0 && link(partial, change->backup) < 0)
			r = -errno;
		if (r != -EEXIST)
			break;
	}
	if (unlink(partial) < 0 && r >= 0)
		r = -errno;
	if (r >= 0)
		r = sync_directory(change->path);
	if (r < 0)
		change->backup[0] = '\0';
	return r;
}

/* cupsd -t may have looked at it by its new name, and changed neither. */
static int take_owner(const char *from, const char *to)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = open(to, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || stat(from, &st) < 0)
		return -errno;
	if (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0 ||
		fsync(fd) < 0)
		return -errno;
	return 0;
}

int cups_file_put(struct cups_file_change *change, bool backup, struct problem *reterr_problem)
{
	int r;

	r = cups_file_check(change, reterr_problem);
	if (r < 0)
		return r;
	if (backup) {
		r = keep_backup(change);
		if (r < 0)
			return problem_set(reterr_problem, r,
				"a backup of %s cannot be kept: %s; nothing was changed",
				change->path, strerror(-r));
	}
	r = take_owner(change->path, change->fresh);
	if (r >= 0 && rename(change->fresh, change->path) < 0)
		r = -errno;
	if (r >= 0) {
		change->fresh[0] = '\0';
		r = sync_directory(change->path);
	}
	return r < 0 ? say(change->path, r, reterr_problem) : 0;
}

void cups_file_discard(struct cups_file_change *change)
{
	if (change->fresh[0])
		(void)unlink(change->fresh);
	change->fresh[0] = '\0';
}

void cups_file_change_done(struct cups_file_change *change)
{
	cups_file_discard(change);
	cups_text_done(&change->after);
}

/* --- other files --- */

int cups_file_create(const char *path, const struct cups_text *text, unsigned int mode,
	struct problem *reterr_problem)
{
	char fresh[PATH_MAX];
	int r;

	r = guard_check_confined(path, reterr_problem);
	if (r < 0)
		return r;
	r = add_suffix(path, NEW_SUFFIX, fresh);
	if (r >= 0)
		r = write_file(fresh, text, (mode_t)mode);
	if (r >= 0 && rename(fresh, path) < 0) {
		r = -errno;
		(void)unlink(fresh);
	}
	if (r >= 0)
		r = sync_directory(path);
	return r < 0 ? say(path, r, reterr_problem) : 0;
}

int cups_file_remove(const char *path, struct problem *reterr_problem)
{
	int r;

	r = guard_check_confined(path, reterr_problem);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0)
		r = sync_directory(path);
	if (r >= 0)
		return 0;
	return problem_set(reterr_problem, r, "%s cannot be removed: %s", path, strerror(-r));
}

static int pending_path(const char *config, char ret_path[static PATH_MAX])
{
	char directory[PATH_MAX];

	directory_of(config, directory);
	return add_suffix(directory, "/" PENDING_NAME, ret_path);
}

int cups_pending_set(const char *config, struct problem *reterr_problem)
{
	static char words[] = "\"spoolguard cups apply\" is under way, or was interrupted: run it, "
			      "or \"spoolguard cups revert\", again.\n";
	const struct cups_text text = {words, sizeof(words) - 1};
	char path[PATH_MAX];
	int r = pending_path(config, path);

	return r < 0 ? r : cups_file_create(path, &text, 0600, reterr_problem);
}

int cups_pending_clear(const char *config, struct problem *reterr_problem)
{
	char path[PATH_MAX];
	int r = pending_path(config, path);

	return r < 0 ? r : cups_file_remove(path, reterr_problem);
}

bool cups_pending_is_set(const char *config)
{
	char path[PATH_MAX];

	return pending_path(config, path) >= 0 && access(path, F_OK) == 0;
}
