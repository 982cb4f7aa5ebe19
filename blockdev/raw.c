/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/raw.h"
#include "base/io.h"
#include "blockdev/blockdev_impl.h"
#include "blockdev/holder.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What O_DIRECT wants of a buffer where the kernel does not say. */
#define DEFAULT_ALIGNMENT 4096u
#define BOUNCE_BYTES	  (1u << 20)

struct raw {
	struct blockdev bd; /* first: a raw is a blockdev */
	int fd;		    /* owned */
	bool direct;
	bool read_only;
	uint32_t buffer_alignment; /* of O_DIRECT */

	pthread_mutex_t flush_lock; /* guards what follows */
	bool flush_failed;
	bool grown; /* its new size is not durable yet */
};

static struct raw *raw_of(struct blockdev *bd)
{
	return (struct raw *)bd;
}

/* --- transfers --- */

/* A buffer that O_DIRECT cannot use goes through one that it can, piece by piece. */
static int read_bounced(struct raw *raw, uint64_t offset, uint8_t *to, size_t bytes)
{
	_cleanup_free_ void *aligned = NULL;
	size_t some;
	int r;

	r = io_alloc(bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES, &aligned);
	for (; bytes > 0 && r >= 0; offset += some, to += some, bytes -= some) {
		some = bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES;
		r = io_pread(raw->fd, aligned, some, offset);
		if (r >= 0)
			memcpy(to, aligned, some);
	}
	return r;
}

static int write_bounced(struct raw *raw, uint64_t offset, const uint8_t *from, size_t bytes)
{
	_cleanup_free_ void *aligned = NULL;
	size_t some;
	int r;

	r = io_alloc(bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES, &aligned);
	for (; bytes > 0 && r >= 0; offset += some, from += some, bytes -= some) {
		some = bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES;
		memcpy(aligned, from, some);
		r = io_pwrite(raw->fd, aligned, some, offset);
	}
	return r;
}

static bool must_bounce(const struct raw *raw, const void *buf)
{
	return raw->direct && (uintptr_t)buf % raw->buffer_alignment != 0;
}

static int raw_read(struct blockdev *bd, struct extent at, void *buf)
{
	struct raw *raw = raw_of(bd);
	size_t bytes = (size_t)at.count * bd->block_bytes;
	uint64_t offset = at.first * bd->block_bytes;
	int r;

	r = must_bounce(raw, buf) ? read_bounced(raw, offset, buf, bytes)
				  : io_pread(raw->fd, buf, bytes, offset);
	/* Somebody cut the file short, or the device went away: the blocks were there at open. */
	return r == -ENODATA ? -EIO : r;
}

static int raw_write(struct blockdev *bd, struct extent at, const void *buf)
{
	struct raw *raw = raw_of(bd);
	size_t bytes = (size_t)at.count * bd->block_bytes;
	uint64_t offset = at.first * bd->block_bytes;

	if (raw->read_only)
		return -EROFS;
	return must_bounce(raw, buf) ? write_bounced(raw, offset, buf, bytes)
				     : io_pwrite(raw->fd, buf, bytes, offset);
}

/*
 * One at a time (B3): of two fdatasyncs that run together the kernel tells only
 * one that a write was lost.
 */
static int raw_flush(struct blockdev *bd)
{
	struct raw *raw = raw_of(bd);
	int r = 0;

	if (raw->read_only)
		return 0;
	pthread_mutex_lock(&raw->flush_lock);
	if (raw->flush_failed)
		r = -EIO;
	else if ((raw->grown ? fsync(raw->fd) : fdatasync(raw->fd)) < 0)
		r = -errno;
	raw->flush_failed = r < 0;
	if (r >= 0)
		raw->grown = false;
	pthread_mutex_unlock(&raw->flush_lock);
	return r;
}

static void raw_close(struct blockdev *bd)
{
	struct raw *raw = raw_of(bd);

	close(raw->fd); /* lets go of the lock too */
	pthread_mutex_destroy(&raw->flush_lock);
	free(raw);
}

static const struct blockdev_ops raw_ops = {
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.close = raw_close,
};

/* --- opening --- */

static int refuse_kind(const char *path, mode_t mode, struct problem *reterr_problem)
{
	if (S_ISREG(mode) || S_ISBLK(mode))
		return 0;
	if (S_ISDIR(mode))
		return problem_set(reterr_problem, -EISDIR,
			"%s is a directory; name an image file or a block device", path);
	return problem_set(reterr_problem, -EMEDIUMTYPE,
		"%s is neither a file nor a block device; name an image file or a block device",
		path);
}

static int explain_open(const char *path, bool read_only, int error, struct problem *reterr_problem)
{
	switch (error) {
	case -ENOENT:
		return problem_set(
			reterr_problem, error, "%s does not exist; check the path", path);
	case -EBUSY:
		return problem_set(reterr_problem, error,
			"%s is in use (mounted, swap, or held by LVM, RAID or device-mapper); "
			"release it first",
			path);
	case -EACCES:
	case -EPERM:
		return problem_set(reterr_problem, error,
			"%s: no permission to %s it; run as root or as a user who may", path,
			read_only ? "read" : "write to");
	case -EROFS:
		return problem_set(reterr_problem, error,
			"%s is write-protected, or on a file system that is; remount it for "
			"writing, or open it read-only",
			path);
	case -ETXTBSY:
		return problem_set(reterr_problem, error,
			"%s is in use as a swap file or a running program; release it first", path);
	case -ENOMEDIUM:
	case -ENXIO:
		return problem_set(reterr_problem, error,
			"%s: there is no medium in this device; insert or attach one", path);
	default:
		return problem_set(reterr_problem, error,
			"%s cannot be opened: %s; check the path and the device", path,
			strerror(-error));
	}
}

static int open_fd(const char *path, const struct raw_options *options, bool is_block, bool direct)
{
	int flags = (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
	int fd;

	if (is_block && !options->read_only && !options->unlocked)
		flags |= O_EXCL; /* the kernel refuses it while the device is mounted or held */
	fd = open(path, flags | (direct ? O_DIRECT : 0));
	return fd < 0 ? -errno : fd;
}

/*
 * True if transfers of block_bytes can be direct; what their buffers must be
 * aligned to.  Some file systems accept O_DIRECT at open and refuse each
 * transfer, so where the kernel does not tell, one block is read.
 */
static bool can_be_direct(int fd, uint32_t block_bytes, uint32_t *ret_alignment)
{
	_cleanup_free_ void *block = NULL;
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
		(stx.stx_mask & STATX_DIOALIGN)) {
		*ret_alignment = stx.stx_dio_mem_align ? stx.stx_dio_mem_align : DEFAULT_ALIGNMENT;
		return stx.stx_dio_offset_align > 0 && stx.stx_dio_offset_align <= block_bytes;
	}
	*ret_alignment = DEFAULT_ALIGNMENT;
	return io_alloc(block_bytes, &block) == 0 &&
	       (pread(fd, block, block_bytes, 0) >= 0 || errno != EINVAL);
}

static int open_direct_or_not(
	const char *path, const struct raw_options *options, bool is_block, struct raw *raw)
{
	int fd;

	if (!options->buffered) {
		fd = open_fd(path, options, is_block, true);
		if (fd >= 0 && can_be_direct(fd, options->block_bytes, &raw->buffer_alignment)) {
			raw->direct = true;
			return fd;
		}
		if (fd < 0 && fd != -EINVAL)
			return fd;
		io_closep(&fd);
	}
	return open_fd(path, options, is_block, false);
}

/*
 * An open-file-description lock and not flock: libcryptsetup takes an flock on
 * the image whenever it works on the header, also while the volume is attached.
 */
static int lock(const char *path, int fd, bool shared, struct problem *reterr_problem)
{
	struct flock whole = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
	char holder[HOLDER_BYTES];

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return problem_set(reterr_problem, -errno,
			"%s cannot be locked: %s; use a file system that has locks", path,
			strerror(errno));
	return problem_set(reterr_problem, -EBUSY,
		"%s is in use by %s (attached already?); detach it or end that program first", path,
		holder_of_lock(fd, holder));
}

static int size_of(int fd, mode_t mode, uint64_t *ret_bytes)
{
	struct stat st;

	if (S_ISBLK(mode))
		return ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

/* What is open is what was looked at; on an older kernel a protected device opens for writing. */
static int check_opened(const char *path, const struct raw *raw, const struct stat *looked_at,
	struct problem *reterr_problem)
{
	struct stat st;
	int protected = 0;

	if (fstat(raw->fd, &st) < 0)
		return explain_open(path, raw->read_only, -errno, reterr_problem);
	if ((st.st_mode & S_IFMT) != (looked_at->st_mode & S_IFMT))
		return problem_set(reterr_problem, -EMEDIUMTYPE,
			"%s was replaced while it was being opened; try again", path);
	if (S_ISBLK(st.st_mode) && !raw->read_only && ioctl(raw->fd, BLKROGET, &protected) == 0 &&
		protected)
		return explain_open(path, raw->read_only, -EROFS, reterr_problem);
	return 0;
}

/* Everything but the kind of the file, which is known.  raw->fd is raw's from the first on. */
static int open_into(struct raw *raw, const char *path, const struct raw_options *options,
	const struct stat *st, uint64_t *ret_bytes, struct problem *reterr_problem)
{
	bool is_block = S_ISBLK(st->st_mode);
	int r;

	raw->read_only = options->read_only;
	raw->fd = open_direct_or_not(path, options, is_block, raw);
	if (raw->fd < 0)
		return explain_open(path, options->read_only, raw->fd, reterr_problem);
	r = check_opened(path, raw, st, reterr_problem);
	if (r >= 0 && !options->unlocked)
		r = lock(path, raw->fd, options->read_only, reterr_problem);
	if (r < 0)
		return r;
	r = size_of(raw->fd, st->st_mode, ret_bytes);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: its size cannot be read: %s; check the device", path, strerror(-r));
	return 0;
}

int raw_open(const char *path, const struct raw_options *options, struct blockdev **ret_bd,
	struct problem *reterr_problem)
{
	struct raw *raw;
	struct stat st;
	uint64_t bytes = 0;
	int r;

	/*
	 * What cannot be a medium is refused before it is opened: opening a FIFO waits,
	 * opening a tape rewinds it.
	 */
	if (stat(path, &st) < 0)
		return explain_open(path, options->read_only, -errno, reterr_problem);
	r = refuse_kind(path, st.st_mode, reterr_problem);
	if (r < 0)
		return r;

	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return problem_set(reterr_problem, -ENOMEM, "%s: not enough memory", path);
	r = open_into(raw, path, options, &st, &bytes, reterr_problem);
	if (r < 0) {
		io_closep(&raw->fd);
		free(raw);
		return r;
	}
	pthread_mutex_init(&raw->flush_lock, NULL);
	blockdev_init(&raw->bd, &raw_ops, options->block_bytes, bytes / options->block_bytes);
	*ret_bd = &raw->bd;
	return 0;
}

/* --- what is special about it --- */

bool raw_is_direct(const struct blockdev *bd)
{
	assert(bd->ops == &raw_ops);
	return ((const struct raw *)bd)->direct;
}

int raw_fd(const struct blockdev *bd)
{
	assert(bd->ops == &raw_ops);
	return ((const struct raw *)bd)->fd;
}

int raw_refresh_size(struct blockdev *bd)
{
	struct raw *raw = raw_of(bd);
	struct stat st;
	uint64_t bytes;
	int r;

	assert(bd->ops == &raw_ops);
	if (fstat(raw->fd, &st) < 0)
		return -errno;
	r = size_of(raw->fd, st.st_mode, &bytes);
	if (r < 0)
		return r;
	if (bytes / bd->block_bytes < blockdev_blocks(bd))
		return -ERANGE;

	pthread_mutex_lock(&raw->flush_lock);
	raw->grown = true;
	pthread_mutex_unlock(&raw->flush_lock);
	blockdev_grow(bd, bytes / bd->block_bytes);
	return 0;
}
