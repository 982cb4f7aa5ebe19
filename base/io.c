/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define IO_ALIGNMENT 4096u

int io_pread(int fd, void *buf, size_t bytes, uint64_t offset)
{
	uint8_t *at = buf;

	while (bytes > 0) {
		ssize_t n = pread(fd, at, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int io_pwrite(int fd, const void *buf, size_t bytes, uint64_t offset)
{
	const uint8_t *at = buf;

	while (bytes > 0) {
		ssize_t n = pwrite(fd, at, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int io_write(int fd, const void *buf, size_t bytes)
{
	const uint8_t *at = buf;

	while (bytes > 0) {
		ssize_t n = write(fd, at, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int io_read_to_end(int fd, void *buf, size_t buf_bytes, size_t *ret_bytes)
{
	uint8_t *at = buf;
	size_t got = 0;
	uint8_t extra;

	for (;;) {
		size_t room = buf_bytes - got;
		ssize_t n = room > 0 ? read(fd, at + got, room) : read(fd, &extra, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (room == 0)
			return -EFBIG;
		got += (size_t)n;
	}
	*ret_bytes = got;
	return 0;
}

bool io_is_want_of_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

int io_alloc(size_t bytes, void **ret_buf)
{
	return -posix_memalign(ret_buf, IO_ALIGNMENT, bytes ? bytes : IO_ALIGNMENT);
}

void io_closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

void io_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void io_freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}
