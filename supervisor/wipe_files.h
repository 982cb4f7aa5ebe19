/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_files.h - files of a spool die: in place where that can be, cut to nothing where it cannot
 *
 *   one name, nobody has it open  every pass in place, read back, removed (spool/retire.h)
 *   further names                 this name is removed; the last one left is as above
 *   open in a program             left for a later round, or cut: its blocks are freed, and
 *                                 get their passes at the barrier
 *   in too many pieces            cut; a later round removes what is empty then
 *   symbolic link                 removed
 *   socket, FIFO, device          left alone: they hold nothing
 *
 *   K1  What is done is done to the file that the walk saw: names are looked up in the directory
 *       that was open then, and the file is compared before it is cut.
 *
 * Files are gathered, and a batch shares passes and flushes.  Threads: one.
 */
#ifndef SPOOLGUARD_SUPERVISOR_WIPE_FILES_H
#define SPOOLGUARD_SUPERVISOR_WIPE_FILES_H

#include "base/problem.h"
#include "spool/port.h"
#include "supervisor/wipe_record.h"
#include "supervisor/wipe_walk.h"

#define WIPE_BATCH_FILES       256u
#define WIPE_BATCH_DIRECTORIES 128u

struct wipe_files_report {
	uint64_t files, bytes; /* overwritten in place and removed */
	uint64_t cut_files, cut_bytes;
	uint64_t links;
	uint64_t busy_files;   /* left, because somebody has them open */
	uint64_t spared_files; /* ... and they are not to be cut */
	uint64_t left_files;   /* left, because they could not be overwritten */
	struct retirement blocks;
	char faults[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES]; /* of what was left; no name is in it */
	size_t fault_count;
};

struct wipe_files_options {
	const struct spool_port *port; /* borrowed for as long as the batch lives */
	int mount_fd;
	bool cut_busy;
	/* After each batch; < 0 ends it.  May be NULL. */
	int (*progress)(void *context, const struct wipe_files_report *so_far);
	void *context;
};

struct wipe_files;

must_check int wipe_files_new(
	const struct wipe_files_options *options, struct wipe_files **ret_files);
void wipe_files_free(struct wipe_files *files);
DEFINE_CLEANUP(struct wipe_files *, wipe_files_free)

/* -errno: the volume cannot be asked any more (or progress said so); a file's own failure is in the
 * report.  spare_busy: it is never cut. */
must_check int wipe_files_add(struct wipe_files *files, const struct wipe_entry *entry,
	bool spare_busy, struct problem *reterr_problem);
must_check int wipe_files_flush(struct wipe_files *files, struct problem *reterr_problem);
const struct wipe_files_report *wipe_files_report(const struct wipe_files *files);

#endif
