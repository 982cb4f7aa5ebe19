/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_walk.h - every file of a mounted spool, and nothing that lies elsewhere
 *
 *   L1  No symbolic link is followed and no other mount entered (openat2); a directory under which
 *       something else is mounted is counted, because what lies beneath it is not seen.
 *   L2  Retained directories are not entered, and the ledger's key (.spoolguard/ledger.key) is not
 *       seen.  What else lies in .spoolguard (names of ours for files that are watched) is.
 *   L3  Memory is bounded: at most WIPE_DEPTH_MAX directories are open; deeper ones are counted.
 *   L4  Nothing is changed, not even the time of the last access.
 *
 * What is made, removed or renamed meanwhile may be seen or not: walk again.
 * Threads: any.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_WALK_H
#define SPOOLGUARD_SUPERVISOR_WIPE_WALK_H

#include "base/problem.h"
#include "supervisor/config.h"
#include <sys/stat.h>

#define WIPE_DEPTH_MAX 64

/* What is no directory. */
struct wipe_entry {
	int directory_fd; /* borrowed for the call */
	dev_t device;
	ino_t directory_inode;
	const char *name;
	const char *top; /* the directory in the volume's root that it lies in; "": the root */
	struct statx st;
};

struct wipe_walk_options {
	const char *mount;
	dev_t device;			       /* that must be mounted there; 0: whatever is */
	const struct config_volume *retain_of; /* NULL: nothing is retained (full) */
	/* < 0 ends the walk. */
	int (*entry)(void *context, const struct wipe_entry *entry);
	void *context;
};

struct wipe_walk_report {
	uint64_t directories;
	uint64_t covered;    /* by another mount */
	uint64_t unreadable; /* that could not be opened, or too deep */
	uint64_t retained;   /* of the configured ones, that are there */
};

/* -ENODEV: something else is mounted there, or nothing; -ELOOP: a retained directory is a link. */
must_check int wipe_walk(const struct wipe_walk_options *options,
	struct wipe_walk_report *ret_report, struct problem *reterr_problem);

#endif
