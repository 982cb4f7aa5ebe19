/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_spool.h - what lies in the directories of a cupsd, by its names
 *
 *   RequestRoot  d00012-001   the first document of job 12         DOCUMENT
 *                c00012       its attributes, title and user too   CONTROL
 *                c00012.N .O  being written; left by a crash       CONTROL
 *                a00012       its passwords                        AUTH
 *                0000002a     a document on its way in             UPLOAD
 *   TempDir      *            what filters write                   TEMP
 *   CacheDir     job.cache.O  the last version of job.cache        SETTLE
 *                job.cache.N  the next one, or left by a crash    TEMP
 *
 * Only looks: nothing is opened but directories and files that are asked about.
 * Units: bytes; times in seconds since 1970, of the file system.
 * Errors: -ENOENT, -ENOTDIR and what else opendir says, with a line; -ENOMEM.
 * Threads: any.
 *
 *   D1  No symbolic link is followed, and only regular files are listed.
 *   D2  A name that cupsd does not make is not listed (but in TempDir, where all are).
 *   D3  Never more than CUPS_FILES_MAX files, nor directories in TempDir deeper than a filter makes
 *       them; is_cut says that there are more.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_SPOOL_H
#define SPOOLGUARD_PIPELINE_CUPS_SPOOL_H

#include "base/problem.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CUPS_FILES_MAX 262144u

enum cups_file_kind {
	CUPS_FILE_DOCUMENT,
	CUPS_FILE_CONTROL,
	CUPS_FILE_AUTH,
	CUPS_FILE_UPLOAD,
	CUPS_FILE_TEMP,
	CUPS_FILE_SETTLE,
};

struct cups_file {
	char *path; /* DIRECTORY/NAME */
	enum cups_file_kind kind;
	int job_id;   /* 0: of no job */
	int document; /* from 1; 0: not a document */
	uint64_t bytes;
	int64_t changed_s;
	dev_t device;
	ino_t inode;
};

struct cups_file_list {
	struct cups_file *files; /* by job, kind and document; those of no job first */
	size_t count;
	bool is_cut;
};
void cups_file_list_done(struct cups_file_list *list);

/* The files of one job, within the list; *ret_count may be 0. */
const struct cups_file *cups_file_list_of_job(
	const struct cups_file_list *list, int job_id, size_t *ret_count);

/* Borrowed.  temp NULL: no TempDir is looked at; the same for cache. */
struct cups_spool {
	const char *request_root; /* "/var/spool/cups" */
	const char *temp;	  /* "/var/spool/cups/tmp" */
	const char *cache;	  /* "/var/cache/cups" */
};

/* A TempDir or CacheDir that is not there is empty; a RequestRoot that is not there is an error. */
must_check int cups_spool_scan(const struct cups_spool *spool, struct cups_file_list *ret_list,
	struct problem *reterr_problem);

/* What a name in RequestRoot means; false: nothing that cupsd makes.  Pure. */
bool cups_spool_parse_name(
	const char *name, enum cups_file_kind *ret_kind, int *ret_job_id, int *ret_document);

/*
 * Somebody has it open.  Asked by a write lease that is given back at once: whoever opens the file
 * in that instant waits for as long.  A file that is gone is not open.
 */
must_check int cups_spool_is_open(const char *path, bool *ret_open);

#endif
