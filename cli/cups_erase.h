/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_erase.h - a directory of files overwritten in place, every pass, and removed
 *
 * As "spoolguard overwrite --remove" does with each file; directories are removed when they are
 * empty.  What cannot be overwritten (open elsewhere, bad blocks) stays under its name, is listed,
 * and the rest goes on.  A run that was interrupted is gone on with by the next.
 */
#ifndef SPOOLGUARD_CLI_CUPS_ERASE_H
#define SPOOLGUARD_CLI_CUPS_ERASE_H

#include "base/problem.h"
#include "base/progress.h"
#include "blockdev/medium.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cups_erase_report {
	uint64_t files, bytes; /* overwritten, read back and removed; bytes of blocks */
	uint64_t left_files;   /* that stay; the first one's reason follows */
	struct problem left;   /* "" if none does */
	enum medium_promise
		promise; /* the worst of all files; MEDIUM_NOT_ASSESSED: there were none */
	char medium[MEDIUM_TEXT_BYTES];
	bool is_gone; /* the directory itself is */
};

/* -ECANCELED: by the sink; -ELOOP; what the system says.  A directory that is not there is gone. */
must_check int cups_erase_tree(const char *path, const struct progress_sink *sink,
	struct cups_erase_report *report, struct problem *reterr_problem);

#endif
