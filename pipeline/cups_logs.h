/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_logs.h - do the logs of cupsd, and the copies that were made of them, name jobs and people?
 *
 * Lines are counted, never shown (Z1): of error_log those of debug level, and of info level about a
 * job; of page_log all; of access_log those with an authenticated user.  Copies are NAME.O (cupsd),
 * NAME.1, NAME.2.gz, NAME-20261124 (logrotate); compressed ones are read too.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_LOGS_H
#define SPOOLGUARD_PIPELINE_CUPS_LOGS_H

#include "pipeline/cups_residue.h"

#define CUPS_LOG_LINES_MAX 5000000u /* of one file; the rest is a doubt */

enum cups_log {
	CUPS_LOG_ERROR,
	CUPS_LOG_ACCESS,
	CUPS_LOG_PAGE,
};

/* The log and its copies; one that is not there leaves nothing. */
must_check int cups_judge_log(enum cups_log log, const char *path, struct cups_findings *findings);

/* Is that name, in the same directory, a copy of the log called so?  Pure. */
bool cups_log_is_copy(const char *log, const char *name);

#endif
