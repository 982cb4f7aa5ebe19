/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - may this path be destroyed, or used as a medium?
 *
 * Asked before anything is opened for writing.  A line names who holds it:
 *
 *   G1  Refused always: a directory, a character device, a pipe, a file that is on
 *       no medium (/proc, /sys), a path in /dev that does not exist, anything at or
 *       below /etc/cups.
 *   G2  Refused always: a device or file that is mounted (itself, a partition of
 *       it, or through a loop device), swap, held by LVM, RAID or device-mapper,
 *       under the running root file system, the device of an attached volume,
 *       locked, or open in another process.
 *   G3  What it holds already is found and named, not judged: the caller decides.
 *   G4  Nothing is changed: the medium is opened for reading only (a lock and a
 *       lease are tried, and given back at once).
 *   G5  What was checked is what is used: guard_verify compares after the open.
 *
 * The answer is a moment's.  Whoever goes on opens with O_EXCL and a lock (raw.h
 * does) and calls guard_verify.
 *
 * If SPOOLGUARD_CONFINE names a directory, every medium that is neither a file
 * below it nor a loop device on such a file is refused: what tests run under.  A
 * build with -DSPOOLGUARD_TEST_BUILD is confined even without the variable, to
 * /var/tmp.
 *
 * Errors: -ENOENT (and the caller does not create), -ENODEV (does not exist in
 * /dev), -EISDIR, -EMEDIUMTYPE (no medium), -EBUSY (in use), -EPERM (confined,
 * protected), -EACCES, -EROFS, -ENOMEDIUM, and what the system says.
 */
#ifndef SPOOLGUARD_BLOCKDEV_GUARD_H
#define SPOOLGUARD_BLOCKDEV_GUARD_H

#include "base/macros.h"
#include "base/problem.h"
#include "blockdev/signature.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct guard_options {
	bool destroy;	 /* not even a reader may have it open; what it holds is looked for */
	bool read_only;	 /* it will only be read: it need not be writable */
	bool may_create; /* the path may be missing: an image will be made there */
};

enum guard_kind {
	GUARD_MISSING, /* to be created */
	GUARD_FILE,
	GUARD_DEVICE,
};

struct guard_report {
	enum guard_kind kind;
	dev_t device; /* FILE: its file system; DEVICE: itself; MISSING: the directory's file system
		       */
	ino_t inode;  /* FILE */
	uint64_t bytes;
	char holds[SIGNATURE_TEXT_BYTES]; /* with destroy: what was found on it; empty: nothing */
};

must_check int guard_check(const char *path, const struct guard_options *options,
	struct guard_report *ret_report, struct problem *reterr_problem);

/* True to G5: -ESTALE if fd, just opened from path, is not what was checked. */
must_check int guard_verify(const struct guard_report *report, const char *path, int fd,
	struct problem *reterr_problem);

/*
 * May this path be looked at, written to or removed at all, whatever it is (G1's protection of
 * /etc/cups apart)?  0, or -EPERM: SPOOLGUARD_CONFINE, or a test build, names a directory, and the
 * path is not below it.  A path that does not exist is judged by the nearest directory that does.
 */
must_check int guard_check_confined(const char *path, struct problem *reterr_problem);

/*
 * The same of a device that will be given commands: where confined, only a loop device on a file
 * below that directory is allowed.  st: of path, a block or character device.
 */
struct stat;
must_check int guard_check_confined_device(
	const char *path, const struct stat *st, struct problem *reterr_problem);

#endif
