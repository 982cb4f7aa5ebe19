/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_files.h - the steps in which the audit log changes what lies on the medium
 *
 * One function a step; each asks the hook first, so that a test can fail or stop at any of them.
 * Names are looked up in an open directory, and never followed if they are links.
 *
 * Errors: -errno of the calls.  Threads: any, with descriptors of their own; the hook is for one.
 */
#ifndef SPOOLGUARD_AUDIT_LOG_FILES_H
#define SPOOLGUARD_AUDIT_LOG_FILES_H

#include "base/macros.h"
#include <stdint.h>
#include <sys/types.h>

/* readers: the group that may read; (gid_t)-1: nobody but the owner. */
must_check int log_files_make_directory(int at_fd, const char *name, gid_t readers);
must_check int log_files_open_directory(int at_fd, const char *name, int *ret_fd);
/* A regular file; what is there already stays as it is. */
must_check int log_files_open(int at_fd, const char *name, int flags, gid_t readers, int *ret_fd);
must_check int log_files_write(int fd, const void *data, size_t bytes, uint64_t at);
must_check int log_files_sync(int fd);
must_check int log_files_sync_directory(int fd);
must_check int log_files_cut(int fd, uint64_t bytes);
must_check int log_files_rename(int at_fd, const char *from, const char *to);
must_check int log_files_remove(int at_fd, const char *name); /* what is not there is removed */

/* Room for a file of so many bytes, without making it longer.  0 too where a file system has no
 * such call: then want of room shows when it is written to. */
must_check int log_files_allocate(int fd, uint64_t bytes);

/* NAME.new, flushed, renamed; the directory is flushed too. */
must_check int log_files_replace(
	int at_fd, const char *name, gid_t readers, const void *data, size_t bytes);
/* The whole of a small regular file, into buf; changes nothing. */
must_check int log_files_read(
	int at_fd, const char *name, void *buf, size_t buf_bytes, size_t *ret_bytes);

/*
 * For tests: called before each step that changes something.  What it returns (0 or -errno)
 * becomes of the step, which is then not done; of a write half is done, unless it is -ECANCELED.
 * NULL: none.
 */
enum log_step {
	LOG_STEP_CREATE,
	LOG_STEP_WRITE,
	LOG_STEP_SYNC,
	LOG_STEP_SYNC_DIRECTORY,
	LOG_STEP_CUT,
	LOG_STEP_RENAME,
	LOG_STEP_REMOVE,
	LOG_STEP_ALLOCATE,
};
void log_files_set_hook(int (*hook)(void *context, enum log_step step, int fd), void *context);

#endif
