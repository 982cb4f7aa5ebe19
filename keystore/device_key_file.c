/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/device_key_file.h"
#include "base/bytes.h"
#include "base/io.h"
#include "crypto/hash.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	    "SPOOLGUARD-KEY 1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define SEED_AT	    (MAGIC_BYTES + MINISIGN_ID_BYTES)
#define SUM_AT	    (SEED_AT + SIGNATURE_SEED_BYTES)
#define NAME_BYTES  48

_Static_assert(SUM_AT + SHA256_BYTES == DEVICE_KEY_FILE_BYTES, "the file is what its head says");

int device_key_file_sync(int directory)
{
	return fsync(directory) < 0 ? -errno : 0;
}

static const char *fresh_name(const char *name, char fresh[static NAME_BYTES])
{
	int n = snprintf(fresh, NAME_BYTES, "%s.new", name);

	assert(n > 0 && n < NAME_BYTES);
	return fresh;
}

static int write_fresh(
	int directory, const char *fresh, const void *bytes, size_t count, mode_t mode)
{
	_cleanup_close_ int fd = openat(
		directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = io_write(fd, bytes, count);
	if (r >= 0 && mode != 0600 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int device_key_file_replace(
	int directory, const char *name, const void *bytes, size_t count, mode_t mode)
{
	char fresh[NAME_BYTES];
	int r;

	r = device_key_file_destroy(directory, fresh_name(name, fresh));
	if (r >= 0)
		r = write_fresh(directory, fresh, bytes, count, mode);
	if (r >= 0)
		return device_key_file_rename(directory, fresh, name);
	(void)!device_key_file_destroy(directory, fresh);
	return r;
}

static int encode(const struct minisign_key *key, const struct secret *seed, struct secret *file)
{
	uint8_t *at = secret_bytes(file);

	memcpy(at, MAGIC, MAGIC_BYTES);
	memcpy(at + MAGIC_BYTES, key->id, MINISIGN_ID_BYTES);
	memcpy(at + SEED_AT, secret_peek(seed), SIGNATURE_SEED_BYTES);
	return hash_sha256(at, SUM_AT, at + SUM_AT);
}

int device_key_file_make(
	int directory, const char *name, struct secret **ret_seed, struct minisign_key *ret_key)
{
	_cleanup_secret_ struct secret *seed = NULL, *file = NULL;
	struct minisign_key key;
	int r;

	r = minisign_key_new(&seed, &key);
	if (r >= 0)
		r = secret_new(DEVICE_KEY_FILE_BYTES, &file);
	if (r >= 0)
		r = encode(&key, seed, file);
	if (r >= 0)
		r = device_key_file_replace(
			directory, name, secret_peek(file), DEVICE_KEY_FILE_BYTES, 0600);
	if (r < 0)
		return r;
	*ret_key = key;
	*ret_seed = seed;
	seed = NULL;
	return 0;
}

static int decode(const struct secret *file, struct secret **ret_seed, struct minisign_key *ret_key)
{
	const uint8_t *at = secret_peek(file);
	_cleanup_secret_ struct secret *seed = NULL;
	uint8_t sum[SHA256_BYTES];
	int r;

	if (secret_size(file) != DEVICE_KEY_FILE_BYTES || memcmp(at, MAGIC, MAGIC_BYTES) != 0)
		return -EUCLEAN;
	r = hash_sha256(at, SUM_AT, sum);
	if (r < 0)
		return r;
	if (!secret_is_equal(sum, at + SUM_AT, sizeof(sum)))
		return -EUCLEAN;
	r = secret_new_copy(at + SEED_AT, SIGNATURE_SEED_BYTES, &seed);
	if (r >= 0)
		r = signature_public(seed, ret_key->public_key);
	if (r < 0)
		return r;
	memcpy(ret_key->id, at + MAGIC_BYTES, MINISIGN_ID_BYTES);
	*ret_seed = seed;
	seed = NULL;
	return 0;
}

static int open_file(int directory, const char *name, int flags, struct stat *ret_stat)
{
	int fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r = 0;

	if (fd < 0)
		return errno == ELOOP ? -EUCLEAN : -errno;
	if (fstat(fd, ret_stat) < 0)
		r = -errno;
	else if (!S_ISREG(ret_stat->st_mode))
		r = -EUCLEAN;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int device_key_file_read(
	int directory, const char *name, struct secret **ret_seed, struct minisign_key *ret_key)
{
	_cleanup_secret_ struct secret *file = NULL;
	_cleanup_close_ int fd = -1;
	struct minisign_key key;
	struct stat st;
	int r;

	fd = open_file(directory, name, O_RDONLY, &st);
	if (fd < 0)
		return fd;
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return -EPERM;
	r = secret_read_fd(fd, DEVICE_KEY_FILE_BYTES, &file);
	if (r < 0)
		return r == -EFBIG ? -EUCLEAN : r;
	r = decode(file, ret_seed, &key);
	if (r < 0)
		return r;
	*ret_key = key;
	return 0;
}

int device_key_file_exists(int directory, const char *name)
{
	struct stat st;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 1;
}

int device_key_file_rename(int directory, const char *from, const char *to)
{
	if (renameat(directory, from, directory, to) < 0)
		return -errno;
	return device_key_file_sync(directory);
}

/* What is read back comes from the medium, where the page cache can be told to let go. */
static int overwrite(int fd, uint64_t bytes)
{
	static const uint8_t zeros[4096];
	uint8_t back[sizeof(zeros)];
	int r = 0;

	for (uint64_t at = 0; at < bytes && r >= 0; at += sizeof(zeros))
		r = io_pwrite(
			fd, zeros, bytes - at < sizeof(zeros) ? bytes - at : sizeof(zeros), at);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (uint64_t at = 0; at < bytes && r >= 0; at += sizeof(back)) {
		size_t some = bytes - at < sizeof(back) ? (size_t)(bytes - at) : sizeof(back);

		r = io_pread(fd, back, some, at);
		if (r >= 0 && !bytes_are(back, some, 0))
			r = -EIO;
	}
	return r;
}

int device_key_file_destroy(int directory, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = open_file(directory, name, O_RDWR, &st);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	r = overwrite(fd, (uint64_t)st.st_size);
	if (r < 0)
		return r;
	if (unlinkat(directory, name, 0) < 0)
		return -errno;
	return device_key_file_sync(directory);
}
