/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_backup.c - header backups: each one is a key that lies somewhere else
 *
 * A backup is recorded in the token before it is made, so that no crash leaves
 * one that the volume does not know of; the copy carries the record too.  It is
 * written under another name and gets its own when it is durable: whoever finds
 * the name finds a whole backup.
 */
#include "base/io.h"
#include "blockdev/raw.h"
#include "keystore/keystore_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_directory_of(const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* A whole volume looks like its header backup, apart from the data behind it. */
static bool is_backup_of(const struct keystore *keystore, const char *path)
{
	_cleanup_(keystore_freep) struct keystore *other = NULL;

	return keystore_load(path, true, &other, NULL) >= 0 &&
	       other->medium_bytes <= other->segment.data_offset_bytes &&
	       strcmp(keystore_uuid(other), keystore_uuid(keystore)) == 0;
}

static int check_target(const struct keystore *keystore, const char *backup_path, bool force,
	struct problem *reterr_problem)
{
	struct stat st;

	if (lstat(backup_path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return problem_set(reterr_problem, -errno,
			"%s: no header backup can be written there: %s", backup_path,
			strerror(errno));
	}
	if (!force)
		return problem_set(reterr_problem, -EEXIST,
			"%s exists already; name a new file for the header backup (--force "
			"replaces "
			"an earlier backup of this volume)",
			backup_path);
	if (S_ISREG(st.st_mode) && is_backup_of(keystore, backup_path))
		return 0;
	return problem_set(reterr_problem, -EEXIST,
		"%s exists and is not a header backup of %s; it is left alone, also with --force",
		backup_path, keystore->path);
}

static int give_name(const char *partial, const char *backup_path, bool force)
{
	if (force)
		return rename(partial, backup_path) < 0 ? -errno : 0;
	if (renameat2(AT_FDCWD, partial, AT_FDCWD, backup_path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL) /* a file system that does not know the flag */
		return -errno;
	if (link(partial, backup_path) < 0)
		return -errno;
	(void)unlink(partial);
	return 0;
}

/* -EBADMSG: the medium was being written to meanwhile, and what was read of it is no header. */
static int write_partial(const struct keystore *keystore, const char *partial)
{
	_cleanup_close_ int fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	_cleanup_(keystore_freep) struct keystore *copy = NULL;
	uint64_t copy_bytes, slots_bytes, bytes;
	int r;

	if (fd < 0)
		return -errno;
	r = crypt_get_metadata_size(keystore->cd, &copy_bytes, &slots_bytes);
	if (r < 0)
		return r;
	bytes = 2 * copy_bytes + slots_bytes;
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	r = keystore_medium_copy(raw_fd(keystore->medium), fd, 0, bytes);
	if (r < 0)
		return r;
	if (fsync(fd) < 0)
		return -errno;
	return keystore_load(partial, true, &copy, NULL) < 0 ? -EBADMSG : 0;
}

static int write_backup(const struct keystore *keystore, const char *backup_path, bool force)
{
	char partial[PATH_MAX];
	int n, r;

	n = snprintf(partial, sizeof(partial), "%s.partial-%ld", backup_path, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(partial))
		return -ENAMETOOLONG;
	r = write_partial(keystore, partial);
	if (r == -EEXIST)
		return r;
	if (r >= 0)
		r = give_name(partial, backup_path, force);
	if (r < 0) {
		(void)unlink(partial);
		return r;
	}
	return sync_directory_of(backup_path);
}

int keystore_backup(struct keystore *keystore, const char *backup_path, bool force,
	struct problem *reterr_problem)
{
	struct keystore_token token = keystore->token;
	int r;

	r = keystore_check_token(keystore, reterr_problem);
	if (r >= 0)
		r = check_target(keystore, backup_path, force, reterr_problem);
	if (r < 0)
		return r;
	if (token.present) {
		token.backups += token.backups < UINT32_MAX;
		r = keystore_set_token(keystore, &token, reterr_problem);
		if (r < 0)
			return r;
	}
	r = write_backup(keystore, backup_path, force);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: the header backup could not be written: %s", backup_path,
			strerror(-r));
	return 0;
}
