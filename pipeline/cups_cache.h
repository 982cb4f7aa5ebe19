/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_cache.h - cupsd's job.cache, without the jobs that it should have forgotten
 *
 * cupsd 2.4.2 does not write job.cache anew because a job was purged: the last job's user and title
 * stay in it until the next job comes, which may be tomorrow.  The file is a cache: cupsd reads it
 * when it starts and writes it from memory.  It is written anew here as cupsd itself does it: a new
 * file, the old one renamed to job.cache.O (to be overwritten like a job), the new one renamed into
 * its place.
 *
 *   B1  Entries of known jobs, and what is no entry, stay byte for byte (NextJobId above all).
 *   B2  What was written less than CUPS_CACHE_AGE_S ago, changed while it was read, or is being
 *       written is left alone (-EAGAIN): the list of known jobs, asked for just now, is younger
 * than the file, so that an entry of an unknown job is that of one which is gone.  A later writing
 * by cupsd always wins. B3  A crash in between leaves a whole job.cache, or none: then cupsd reads
 * the control files.
 *
 * Threads: any.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_CACHE_H
#define SPOOLGUARD_PIPELINE_CUPS_CACHE_H

#include "base/problem.h"

#define CUPS_CACHE_BYTES_MAX (64u << 20)
#define CUPS_CACHE_AGE_S     3

/* Takes the entries of all but the known jobs out of text; gives the new length.  Pure. */
size_t cups_cache_strip(char *text, size_t bytes, const int *known, size_t count);

/*
 * directory: CacheDir; known: the jobs that cupsd has just said it knows.  0 also if there is
 * nothing to take out; -EAGAIN (B2); -EFBIG; errors of the files.
 */
must_check int cups_cache_forget(
	const char *directory, const int *known, size_t count, struct problem *reterr_problem);

#endif
