/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/watch_file.h"
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLE_INO32_GEN 1 /* FILEID_INO32_GEN: how ext4 names its files to others */
#define CLAIM_NAME	 "claim"

/* struct file_handle with its room. */
union handle {
	struct file_handle head;
	char room[sizeof(struct file_handle) + 2 * sizeof(uint32_t)];
};

const char *watch_file_name(uint64_t key, char ret[static WATCH_FILE_NAME_BYTES])
{
	snprintf(ret, WATCH_FILE_NAME_BYTES, "%016" PRIx64, key);
	return ret;
}

bool watch_file_parse(const char *name, uint64_t *ret_key)
{
	if (strlen(name) != WATCH_FILE_NAME_BYTES - 1 ||
		strspn(name, "0123456789abcdef") != WATCH_FILE_NAME_BYTES - 1)
		return false;
	return sscanf(name, "%" SCNx64, ret_key) == 1;
}

static int get_key(int directory, const char *name, int flags, uint64_t *ret_key)
{
	union handle handle = {.head.handle_bytes = 2 * sizeof(uint32_t)};
	uint32_t parts[2];
	int mount_id;

	if (name_to_handle_at(directory, name, &handle.head, &mount_id, flags) < 0)
		return errno == EOVERFLOW ? -EOPNOTSUPP : -errno;
	if (handle.head.handle_type != HANDLE_INO32_GEN ||
		handle.head.handle_bytes != sizeof(parts))
		return -EOPNOTSUPP;
	memcpy(parts, handle.head.f_handle, sizeof(parts));
	*ret_key = (uint64_t)parts[0] << 32 | parts[1];
	return 0;
}

int watch_file_key(int directory, const char *name, uint64_t *ret_key)
{
	return get_key(directory, name, 0, ret_key);
}

/* Opened, so that no other file takes its place between a look and a deed. */
static int open_file(int directory, const char *name, int flags, struct stat *ret_st)
{
	_cleanup_close_ int fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
	int opened;

	if (fd < 0 && (errno == EWOULDBLOCK || errno == ETXTBSY))
		return -EBUSY;
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	opened = fd;
	fd = -1;
	return opened;
}

/* A FIFO or a device is not opened: that would act. */
static int open_to_read(int directory, const char *name, struct stat *ret_st)
{
	if (fstatat(directory, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	return open_file(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, ret_st);
}

int watch_file_link(int directory, const char *name, int pending, uint64_t *ret_key)
{
	struct stat st;
	_cleanup_close_ int fd = open_file(directory, name, O_PATH, &st);
	char ours[WATCH_FILE_NAME_BYTES];
	uint64_t key;
	int r;

	if (fd < 0)
		return fd;
	r = get_key(fd, "", AT_EMPTY_PATH, &key);
	if (r < 0)
		return r;
	if (linkat(fd, "", pending, watch_file_name(key, ours), AT_EMPTY_PATH) < 0)
		return -errno;
	*ret_key = key;
	return 0;
}

/* --- claiming --- */

static bool is_key(int directory, const char *name, uint64_t key)
{
	uint64_t found;

	return get_key(directory, name, 0, &found) >= 0 && found == key;
}

/*
 * The name is moved and then looked at: no call moves a name only if it means a given file.  What
 * came instead goes back, unless its place has been taken: then the spooler has replaced it, and it
 * stays where it came to lie.
 */
static int move_name(int directory, const char *name, int pending, const char *to, uint64_t key)
{
	if (renameat2(directory, name, pending, to, RENAME_NOREPLACE) < 0)
		return -errno;
	if (is_key(pending, to, key))
		return 0;
	if (renameat2(pending, to, directory, name, RENAME_NOREPLACE) < 0 &&
		(errno != EEXIST || watch_file_repair(pending, to) < 0))
		return -errno;
	return -ESTALE;
}

/* Renaming one name of a file over another is nothing at all (rename(2)): so it goes by a third. */
static int drop_name(int directory, const char *name, int pending, uint64_t key)
{
	int r = move_name(directory, name, pending, CLAIM_NAME, key);

	if (r == -EEXIST) { /* a crash left it */
		r = watch_file_repair(pending, CLAIM_NAME);
		if (r >= 0)
			r = move_name(directory, name, pending, CLAIM_NAME, key);
	}
	if (r < 0)
		return r;
	return unlinkat(pending, CLAIM_NAME, 0) < 0 ? -errno : 0;
}

int watch_file_claim(int directory, const char *name, int pending, uint64_t key, bool linked)
{
	char ours[WATCH_FILE_NAME_BYTES];
	struct stat st;
	_cleanup_close_ int fd = open_to_read(directory, name, &st);
	uint64_t found;
	int r;

	if (fd < 0)
		return fd;
	r = get_key(fd, "", AT_EMPTY_PATH, &found);
	if (r < 0)
		return r;
	if (found != key)
		return -ESTALE;
	/* Held until the name is ours: nobody has it open for writing, and who opens it so waits.
	 */
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN ? -EBUSY : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink != (linked ? 2 : 1))
		return st.st_nlink == 0 ? -ENOENT : -EMLINK;
	if (linked)
		return drop_name(directory, name, pending, key);
	return move_name(directory, name, pending, watch_file_name(key, ours), key);
}

int watch_file_repair(int pending, const char *name)
{
	char ours[WATCH_FILE_NAME_BYTES];
	uint64_t key;
	int r = get_key(pending, name, 0, &key);

	if (r < 0)
		return r;
	if (renameat2(pending, name, pending, watch_file_name(key, ours), RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	return unlinkat(pending, name, 0) < 0 ? -errno : 0; /* it has its right name too */
}

int watch_file_check_closed(int directory, const char *name)
{
	struct stat st;
	_cleanup_close_ int fd = open_to_read(directory, name, &st);

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno == EAGAIN ? -EBUSY : -errno;
	return 0;
}
