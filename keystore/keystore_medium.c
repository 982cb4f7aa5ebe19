/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_medium.c - a medium whose header libcryptsetup cannot or may not touch
 *
 * libcryptsetup repairs one header copy from the other whenever it loads them.
 * Who only looks must not change the medium: a copy of the header in memory is
 * given to it instead.
 */
#include "keystore/keystore_impl.h"
#include "base/bytes.h"
#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC_BYTES	    6
#define COPY_STEP_BYTES	    (1u << 20)
#define SECOND_OFFSET_LEAST 0x4000u
#define SECOND_OFFSET_MOST  0x400000u

static bool has_magic(int fd, uint64_t offset, const char magic[static MAGIC_BYTES])
{
	uint8_t bytes[MAGIC_BYTES];

	return io_pread(fd, bytes, sizeof(bytes), offset) == 0 &&
	       memcmp(bytes, magic, MAGIC_BYTES) == 0;
}

/* LUKS2 specification 2.1: the second copy begins at 16 KiB times a power of two, up to 4 MiB. */
enum keystore_trace keystore_medium_trace(int fd)
{
	uint8_t version[2];

	if (has_magic(fd, 0, "LUKS\xba\xbe")) {
		if (io_pread(fd, version, sizeof(version), MAGIC_BYTES) == 0 && version[0] == 0 &&
			version[1] == 1)
			return KEYSTORE_TRACE_LUKS1;
		return KEYSTORE_TRACE_LUKS2;
	}
	for (uint64_t at = SECOND_OFFSET_LEAST; at <= SECOND_OFFSET_MOST; at *= 2) {
		if (has_magic(fd, at, "SKUL\xba\xbe"))
			return KEYSTORE_TRACE_LUKS2;
	}
	return KEYSTORE_TRACE_NONE;
}

int keystore_medium_superblock(struct blockdev *medium, struct layout *ret_layout)
{
	struct problem unsaid;

	return layout_read(medium, NULL, ret_layout, &unsaid);
}

static int copy(int fd, int copy_fd, uint64_t first, uint64_t end)
{
	_cleanup_free_ void *buf = NULL;
	int r;

	r = io_alloc(COPY_STEP_BYTES, &buf);
	while (first < end && r >= 0) {
		size_t some =
			end - first < COPY_STEP_BYTES ? (size_t)(end - first) : COPY_STEP_BYTES;

		r = io_pread(fd, buf, some, first);
		if (r >= 0 && !bytes_are(buf, some, 0)) /* the copy has zeros where it has a hole */
			r = io_pwrite(copy_fd, buf, some, first);
		first += some;
	}
	return r;
}

int keystore_medium_copy(int fd, int copy_fd, uint64_t first, uint64_t end)
{
	int r;

	/* A block device's lock is elsewhere (/run/cryptsetup); there the two header copies must
	 * do. */
	while (flock(fd, LOCK_SH) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	r = copy(fd, copy_fd, first, end);
	(void)flock(fd, LOCK_UN);
	return r;
}
