/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_holder.h - who holds the flock on a file, for the line that a user reads
 *
 * From /proc/locks, so by the time it is read the answer may be out of date, or
 * missing: another PID namespace, a network or btrfs file (whose numbers in
 * /proc/locks are not those of stat).  For messages, never for decisions.
 */
#ifndef SPOOLGUARD_BLOCKDEV_LOCK_HOLDER_H
#define SPOOLGUARD_BLOCKDEV_LOCK_HOLDER_H

#include "base/macros.h"
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LOCK_HOLDER_BYTES 64

/* Pure: true if the line of /proc/locks is a flock on this file; pid is its holder's. */
bool lock_holder_parse(const char *line, const struct stat *file, pid_t *ret_pid);

/* "spoolguard-volume (process 1234)", or "another process" if it cannot be told; returns buf. */
const char *lock_holder_name(int fd, char buf[static LOCK_HOLDER_BYTES]);

#endif
