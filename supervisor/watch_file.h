/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_file.h - one file of a watched directory: which it is, whether it is finished, making it
 * ours
 *
 * A file is known by its key, ext4's inode number and generation: it says nothing of what is in the
 * file or of what it was called, no two files on a volume have the same, and a file that reuses an
 * inode has another.
 *
 * directory, pending: descriptors (O_RDONLY or O_PATH) of the directory that the name is in and of
 * the one that our names are in, below the same mount.  No symbolic link is followed, nothing is
 * opened for writing, nothing but a regular file is opened.  The calling program ignores SIGIO
 * (a lease that is broken says itself by it).
 *
 * Errors: -ENOENT: the name is gone; -EINVAL: it is no regular file; -EOPNOTSUPP: this is not ext4.
 * Threads: any; linking and claiming in one.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WATCH_FILE_H
#define SPOOLGUARD_SUPERVISOR_WATCH_FILE_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define WATCH_FILE_NAME_BYTES 17

/* Our name of the file; returns ret. */
const char *watch_file_name(uint64_t key, char ret[static WATCH_FILE_NAME_BYTES]);
/* False: that is no such name. */
bool watch_file_parse(const char *name, uint64_t *ret_key);

/* Of whatever has that name; nothing is opened. */
must_check int watch_file_key(int directory, const char *name, uint64_t *ret_key);

/* The file gets a name of ours beside its own.  -EEXIST: it has one. */
must_check int watch_file_link(int directory, const char *name, int pending, uint64_t *ret_key);

/*
 * The file with that key loses this name and has ours.  linked: one of its names is ours already.
 * -EBUSY: somebody has it open for writing; -EMLINK: it has other names; -ESTALE: the name means
 * another file by now, which is left as it is.
 */
must_check int watch_file_claim(
	int directory, const char *name, int pending, uint64_t key, bool linked);

/* A name in pending that is none of ours is what a crash left of a claim: made one, or removed. */
must_check int watch_file_repair(int pending, const char *name);

/* Nobody has it open.  -EBUSY: somebody has; -ENOENT, -EINVAL. */
must_check int watch_file_check_closed(int directory, const char *name);

#endif
