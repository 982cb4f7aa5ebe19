/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_holder.h - who holds a lock on a file, for the line that a user reads
 *
 * An open-file-description lock belongs to no process, so /proc/locks does not
 * name its holder: the descriptors in /proc are looked through for the file and
 * for a lock on it.  The answer may be out of date when it is read, and is
 * missing where /proc does not show the holder (another user's, another PID
 * namespace).  For messages, never for decisions.
 */
#ifndef SPOOLGUARD_BLOCKDEV_LOCK_HOLDER_H
#define SPOOLGUARD_BLOCKDEV_LOCK_HOLDER_H

#include "base/macros.h"

#define LOCK_HOLDER_BYTES 64

/* "spoolguard-volume (process 1234)", or "another process" if it cannot be told; returns buf. */
const char *lock_holder_name(int fd, char buf[static LOCK_HOLDER_BYTES]);

#endif
