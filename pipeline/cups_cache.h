/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_cache.h - jobs that cupsd has forgotten are taken out of its job.cache
 *
 *   <Job 71>            cupsd writes the file whole, under another name, and renames it: when a job
 *   Username ...        comes, changes or ends, and at its own end.  A purge makes it write nothing
 *   Name ...            (CUPS 2.4.2), so that a purged job's user and title stay until the next job
 *   </Job>              comes, which may be for days.
 *
 * Here the entries of such jobs are overwritten where they lie, with empty lines, which cupsd
 * skips. It reads the file at its start alone, and skips entries whose control file is gone anyway.
 *
 *   C1  An entry goes only if its job is forgotten, by an answer that was asked for after the file
 *       was read: what cupsd wrote meanwhile is another file.
 *   C2  The rest of the file, its length and its time stay: cupsd judges by the time whether it
 *       believes the file, and takes the number of the next job from it.
 *
 * Errors: -errno with a line; a file that is not there has no entries.
 * Threads: any.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_CACHE_H
#define SPOOLGUARD_PIPELINE_CUPS_CACHE_H

#include "base/problem.h"
#include <stdbool.h>
#include <stddef.h>

#define CUPS_CACHE_BYTES_MAX (64u << 20) /* more: -EFBIG */

/* cupsd does not know that job.  < 0: cannot be told; nothing more is asked, and nothing taken out.
 */
typedef int cups_cache_ask(void *context, int job_id, bool *ret_forgotten);

/* directory: CacheDir. */
must_check int cups_cache_clear(const char *directory, cups_cache_ask *ask, void *context,
	size_t *ret_cleared, struct problem *reterr_problem);

/*
 * Pure: the next entry in text from *at on, whose tag is a line of its own; with it goes what
 * stands behind its end up to the next tag.  false: there is none.
 */
struct cups_cache_entry {
	int job_id;
	size_t at, bytes;
};
bool cups_cache_next(
	const char *text, size_t bytes, size_t *at, struct cups_cache_entry *ret_entry);

#endif
