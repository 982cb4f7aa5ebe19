/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_unnamed.h - files that a program has open and nobody can name any more
 *
 * Filters make temporary files, remove their names at once, and work through the descriptor.  They
 * are found among the descriptors of all processes (/proc), and cut to nothing: their blocks are
 * free then, and get their passes at the barrier.
 *
 * Whoever looks needs to be let into other users' processes (CAP_SYS_PTRACE, a /proc that hides
 * nobody).  The service's sandbox lets it into none, so it asks the mounter (CutUnnamed in
 * mounter.h), and looks by itself only where there is none.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_UNNAMED_H
#define SPOOLGUARD_SUPERVISOR_WIPE_UNNAMED_H

#include <stdint.h>
#include <sys/types.h>

struct wipe_unnamed {
	uint64_t files, bytes; /* that were cut */
	uint64_t left;	       /* files that could not be */
	uint64_t unseen;       /* processes that could not be looked into */
};

/* On the file system with that device number. */
void wipe_unnamed(dev_t device, struct wipe_unnamed *ret_found);

#endif
