/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/raw.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECT_ALIGNMENT 4096u
#define BOUNCE_BYTES	 (1u << 20)

struct raw {
	struct blockdev bd;
	int fd;
	bool direct;
	bool read_only;
};

static bool is_aligned(const void *buf)
{
	return (uintptr_t)buf % DIRECT_ALIGNMENT == 0;
}

/* A buffer that O_DIRECT cannot use goes through one that it can, piece by piece. */
static int bounce(struct raw *raw, uint64_t offset, uint8_t *to, const uint8_t *from, size_t bytes)
{
	_cleanup_free_ void *aligned = NULL;
	int r;

	r = io_alloc(bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES, &aligned);
	while (bytes > 0 && r >= 0) {
		size_t some = bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES;

		if (from) {
			memcpy(aligned, from, some);
			r = io_pwrite(raw->fd, aligned, some, offset);
			from += some;
		} else {
			r = io_pread(raw->fd, aligned, some, offset);
			if (r >= 0)
				memcpy(to, aligned, some);
			to += some;
		}
		offset += some;
		bytes -= some;
	}
	return r;
}

static int do_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct raw *raw = (struct raw *)bd;
	size_t bytes = (size_t)at.count * bd->block_bytes;
	uint64_t offset = at.first * bd->block_bytes;

	if (raw->direct && !is_aligned(buf))
		return bounce(raw, offset, buf, NULL, bytes);
	return io_pread(raw->fd, buf, bytes, offset);
}

static int do_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct raw *raw = (struct raw *)bd;
	size_t bytes = (size_t)at.count * bd->block_bytes;
	uint64_t offset = at.first * bd->block_bytes;

	if (raw->read_only)
		return -EROFS;
	if (raw->direct && !is_aligned(buf))
		return bounce(raw, offset, NULL, buf, bytes);
	return io_pwrite(raw->fd, buf, bytes, offset);
}

static int do_flush(struct blockdev *bd)
{
	struct raw *raw = (struct raw *)bd;

	if (raw->read_only)
		return 0;
	return fdatasync(raw->fd) < 0 ? -errno : 0;
}

static void do_close(struct blockdev *bd)
{
	struct raw *raw = (struct raw *)bd;

	close(raw->fd); /* lets go of the lock too */
	free(raw);
}

static const struct blockdev_ops ops = {
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.close = do_close,
};

static int size_of(int fd, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

/* What cannot be a medium is refused before it is opened: opening a FIFO waits, opening a tape
 * rewinds it. */
static int check_kind(const char *path, bool *ret_is_block, struct problem *reterr_problem)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return problem_set(
			reterr_problem, -errno, "%s: %s; check the path", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return problem_set(reterr_problem, -EISDIR,
			"%s is a directory; name an image file or a block device", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s is neither a file nor a block device; name an image file or a block "
			"device",
			path);
	*ret_is_block = S_ISBLK(st.st_mode);
	return 0;
}

static int open_fd(const char *path, const struct raw_options *options, bool is_block, int *ret_fd,
	bool *ret_direct)
{
	int flags = (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd;

	if (is_block && !options->read_only && !options->unlocked)
		flags |= O_EXCL; /* the kernel refuses it while the device is mounted or held */
	*ret_direct = !options->buffered;
	fd = open(path, flags | (options->buffered ? 0 : O_DIRECT));
	if (fd < 0 && errno == EINVAL && !options->buffered) {
		*ret_direct = false;
		fd = open(path, flags);
	}
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int explain_open(const char *path, int error, struct problem *reterr_problem)
{
	switch (error) {
	case -EBUSY:
		return problem_set(reterr_problem, error,
			"%s is in use (mounted, or held by LVM, RAID or device-mapper); release it "
			"first",
			path);
	case -EACCES:
	case -EPERM:
		return problem_set(reterr_problem, error,
			"%s: no permission; run as root, or as a user who may write to it", path);
	default:
		return problem_set(
			reterr_problem, error, "%s cannot be opened: %s", path, strerror(-error));
	}
}

int raw_open(const char *path, const struct raw_options *options, struct blockdev **ret_bd,
	struct problem *reterr_problem)
{
	_cleanup_close_ int fd = -1;
	bool is_block = false, direct = false;
	struct raw *raw;
	uint64_t bytes;
	int r;

	r = check_kind(path, &is_block, reterr_problem);
	if (r < 0)
		return r;
	r = open_fd(path, options, is_block, &fd, &direct);
	if (r < 0)
		return explain_open(path, r, reterr_problem);
	if (!options->unlocked && flock(fd, (options->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		return problem_set(reterr_problem, -EBUSY,
			"%s is in use by another process (attached already?); detach it first",
			path);
	r = size_of(fd, &bytes);
	if (r < 0)
		return problem_set(
			reterr_problem, r, "%s: its size cannot be read: %s", path, strerror(-r));

	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return -ENOMEM;
	raw->direct = direct;
	raw->read_only = options->read_only;
	raw->fd = fd;
	fd = -1;
	blockdev_init(&raw->bd, &ops, options->block_bytes, bytes / options->block_bytes);
	*ret_bd = &raw->bd;
	return 0;
}

bool raw_is_direct(const struct blockdev *raw)
{
	return ((const struct raw *)raw)->direct;
}

int raw_fd(const struct blockdev *raw)
{
	return ((const struct raw *)raw)->fd;
}

int raw_refresh_size(struct blockdev *raw)
{
	uint64_t bytes;
	int r;

	r = size_of(raw_fd(raw), &bytes);
	if (r < 0)
		return r;
	if (bytes / raw->block_bytes < blockdev_blocks(raw))
		return -ERANGE;
	blockdev_grow(raw, bytes / raw->block_bytes);
	return 0;
}
