/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_why.h - why a file could not be retired, in words that name no file
 *
 * What spool/ says for people begins with the file's name, which may be a job's title.  In the
 * ledger, in events and in what others see it is "a file".  Pure.
 */
#ifndef SPOOLGUARD_SUPERVISOR_JOB_WHY_H
#define SPOOLGUARD_SUPERVISOR_JOB_WHY_H

#include <stddef.h>

/* name, path: both names of the file (job_files.h).  Cut to fit; returns buf. */
const char *job_why_without_names(
	const char *text, const char *name, const char *path, char *buf, size_t buf_bytes);

#endif
