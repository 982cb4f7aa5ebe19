/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - whole transfers on file descriptors
 *
 * A transfer is whole or an error; EINTR is retried.  End of file inside a
 * transfer is -ENODATA.  Lengths are bytes.
 */
#ifndef SPOOLGUARD_BASE_IO_H
#define SPOOLGUARD_BASE_IO_H

#include "base/macros.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

must_check int io_pread(int fd, void *buf, size_t bytes, uint64_t offset);
must_check int io_pwrite(int fd, const void *buf, size_t bytes, uint64_t offset);
must_check int io_write(int fd, const void *buf, size_t bytes);

/* Reads to the end of the file into buf; -EFBIG if more than buf_bytes arrive. */
must_check int io_read_to_end(int fd, void *buf, size_t buf_bytes, size_t *ret_bytes);

/* True for a write that failed because a file system (or a quota) has no room left. */
bool io_is_want_of_room(int error);

/* Page-aligned memory for O_DIRECT; free with free(). */
must_check int io_alloc(size_t bytes, void **ret_buf);

void io_closedirp(DIR **directory);
/* closes if >= 0; for _cleanup_ */
void io_closep(int *fd);
void io_freep(void *pointer_to_pointer);

#define _cleanup_close_	   _cleanup_(io_closep)
#define _cleanup_closedir_ _cleanup_(io_closedirp)
#define _cleanup_free_	   _cleanup_(io_freep)

#endif
