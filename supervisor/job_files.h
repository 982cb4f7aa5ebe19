/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_files.h - which files a job consists of now, and by which names they can be opened safely
 *
 * Names as the ledger has them (ledger.h): a file, a directory ("/spool/tmp/7/": everything in it),
 * or the beginning of names ("/spool/tmp/7-//").
 *
 *   O1  What is found lies on the one mount that the caller names; no symbolic link below a
 *       directory that is walked is followed.  A directory .spoolguard is not walked.
 *   O2  For a job of a user who is not root there is no symbolic link in the whole path, and the
 *       file, or the directory that is walked, is his: he cannot have a stranger's file erased by
 *       moving directories about, because what was looked at is held open, and named through that
 *       (/proc/self/fd/N/NAME).
 *   O3  The walk ends: JOB_FILES_MAX files, JOB_FILES_DEPTH_MAX levels, JOB_FILES_DIRECTORIES_MAX
 *       directories; beyond, is_cut says that there is more.
 *
 * Threads: any; one set by one thread.
 */
#ifndef SPOOLGUARD_SUPERVISOR_JOB_FILES_H
#define SPOOLGUARD_SUPERVISOR_JOB_FILES_H

#include "base/problem.h"
#include <stdbool.h>
#include <sys/types.h>

#define JOB_FILES_MAX		  4096u
#define JOB_FILES_DEPTH_MAX	  16u
#define JOB_FILES_DIRECTORIES_MAX 256u

struct job_file {
	char *name; /* absolute, as announced or found; owned */
	char *path; /* by which it is opened, while the set lives; owned */
};

struct job_files {
	struct job_file *files; /* owned */
	size_t count;
	size_t gone;	/* files that were announced, and that nothing is at the place of */
	size_t refused; /* names that are not the user's (O2), or lie elsewhere (O1) */
	int refusal;	/* -errno of the first of these */
	bool is_cut;
	int *directories; /* held open; owned */
	size_t directory_count;
};
void job_files_done(struct job_files *files);

/* device: of the mount.  skip: true for files that are done with already (by name); may be NULL. */
struct job_files_options {
	const char *const *names;
	size_t name_count;
	uid_t uid;
	dev_t device;
	bool (*skip)(void *context, const char *name);
	void *context;
};
/* -EMFILE, -ENOMEM and the like; what is wrong with one name is told in the set. */
must_check int job_files_find(const struct job_files_options *options, struct job_files *ret_files);

/*
 * After its files are gone: subdirectories of the directories that were walked, and what is no file
 * (links, sockets, FIFOs), are removed.  The directories themselves stay.  *ret_left: files
 * that were there, new ones among them.
 */
must_check int job_files_clear(const struct job_files_options *options, size_t *ret_left);

#endif
