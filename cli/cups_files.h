/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_files.h - a configuration file replaced: whole at any instant, its owner and mode kept
 *
 *   FILE.spoolguard-new           written, synced, tested; then renamed to FILE
 *   FILE.spoolguard-DATE-TIME     what FILE was (mode 0600); stays
 *   DIR/.spoolguard-apply         lies there while cupsd has not shown that it comes up with what
 *                                 was put in place (DIR is that of cupsd.conf)
 *
 *   B1  FILE is at every instant what it was or what it is to be: rename(2), then its directory
 *       is synced.
 *   B2  A backup is durable before FILE is replaced.
 *   B3  A symbolic link and a file with several names are refused: somebody else manages them.
 */
#ifndef SPOOLGUARD_CLI_CUPS_FILES_H
#define SPOOLGUARD_CLI_CUPS_FILES_H

#include "pipeline/cups_edit.h"
#include <limits.h>

struct cups_file_change {
	const char *path;
	const struct cups_text *before;
	struct cups_text after; /* owned */
	bool is_changed;
	char fresh[PATH_MAX];  /* FILE.spoolguard-new; "": not written */
	char backup[PATH_MAX]; /* "": none */
};

void cups_file_change_done(struct cups_file_change *change);

/* One command at a time works on the files beside that one.  Held until closed.  -EBUSY. */
must_check int cups_files_lock(const char *path, int *ret_fd, struct problem *reterr_problem);

/* What a run that was killed left half written beside FILE; under the lock. */
void cups_files_tidy(const char *path);

/* -ELOOP, -EMLINK (B3); -ESTALE: it is not what "before" says any more. */
must_check int cups_file_check(
	const struct cups_file_change *change, struct problem *reterr_problem);

/* Writes FILE.spoolguard-new. */
must_check int cups_file_prepare(struct cups_file_change *change, struct problem *reterr_problem);
/* Gives it FILE's owner and mode, and puts it in place (B1, B2).  backup: keep what was. */
must_check int cups_file_put(
	struct cups_file_change *change, bool backup, struct problem *reterr_problem);
/* Removes what was prepared and not put. */
void cups_file_discard(struct cups_file_change *change);

/* The mark of an apply that has not come to its end. */
must_check int cups_pending_set(const char *config, struct problem *reterr_problem);
must_check int cups_pending_clear(const char *config, struct problem *reterr_problem);
bool cups_pending_is_set(const char *config);

/* A file that is not there yet, whole or not at all; directories above it are not made. */
must_check int cups_file_create(const char *path, const struct cups_text *text, unsigned int mode,
	struct problem *reterr_problem);
/* Its name is gone, durably; not there is success. */
must_check int cups_file_remove(const char *path, struct problem *reterr_problem);

#endif
