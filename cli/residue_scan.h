/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_scan.h - searching files, directories, devices and processes, at a bounded rate
 *
 * What cannot be searched is said on the place (residue_place_fail), and is no error of the call.
 * Errors: -ECANCELED (the sink asked to stop), -ENOMEM.  What was read is wiped at the end.
 *
 *   Z1  Files and devices are read past the page cache where that is possible, else what the cache
 *       holds clean of them is dropped first: what is on the medium counts.
 *   Z2  Our own process is never searched: it has the words by design, in locked memory.
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_SCAN_H
#define SPOOLGUARD_CLI_RESIDUE_SCAN_H

#include "base/progress.h"
#include "cli/residue_report.h"
#include <sys/types.h>

struct residue_scan {
	const struct residue_canary *canary; /* borrowed; for paths that have a word in them */
	const struct search *search;	     /* borrowed */
	int64_t since_s; /* when the run began: files that were not changed since are passed over */
	bool skip_hidden;    /* directories whose names begin with a dot */
	uint64_t rate_bytes; /* a second; 0: as fast as it goes */
	const struct progress_sink *sink;
	struct progress progress;
	uint64_t began_ns, paced_bytes;
	void *buf; /* owned */
};

must_check int residue_scan_init(struct residue_scan *scan);
void residue_scan_done(struct residue_scan *scan);

/* What is searched next, for the progress; total_bytes 0: not known. */
void residue_scan_begin(struct residue_scan *scan, const char *what, uint64_t total_bytes);
/* So much was read, by whomever: waits if that was too fast.  -ECANCELED. */
must_check int residue_scan_pace(struct residue_scan *scan, uint64_t bytes);

/* A regular file or a block device; one that is not there has nothing. */
must_check int residue_scan_file(
	struct residue_scan *scan, struct residue_place *place, const char *path);
/*
 * Every regular file below a directory, on its own file system, that was changed at since_s or
 * later; no symbolic link is followed.
 */
must_check int residue_scan_tree(struct residue_scan *scan, struct residue_place *place,
	const char *directory, int64_t since_s);
/* What the process may write to: heap, stacks, anonymous memory.  name: for people. */
must_check int residue_scan_memory(
	struct residue_scan *scan, struct residue_place *place, pid_t pid, const char *name);
/* The same for every process that runs the program that this one runs. */
must_check int residue_scan_programs(
	struct residue_scan *scan, struct residue_place *place, pid_t like, const char *name);
/* All swap that /proc/swaps tells of. */
must_check int residue_scan_swap(struct residue_scan *scan, struct residue_place *place);

/* path as it may be shown: a word of the canary in it becomes its name (H3). */
void residue_scan_path(
	const struct residue_scan *scan, const char *path, char ret[static RESIDUE_WHERE_BYTES]);

#endif
