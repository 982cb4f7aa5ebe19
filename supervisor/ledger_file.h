/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_file.h - the ledger's file: appended to, or written anew; never changed in place
 *
 * DIR/ledger, and DIR/ledger.lock, which one process at a time holds.  Room is allocated beyond
 * the end of the file (FALLOC_FL_KEEP_SIZE), where the file system can do that.
 *
 *   F1  An append has returned: it is durable.  It failed: the file ends where it ended.
 *   F2  A rewrite is durable before it takes the file's name, and the name before it is told.
 *   F3  After a failed fsync (or fsync of the directory) appends are -EIO until a rewrite: what
 *       the kernel could not write it may forget, and the next fsync would say nothing of it.
 *
 * Errors: -errno of the calls; -ENOSPC and -EDQUOT are said before anything is written, where room
 * can be allocated.  Threads: one at a time.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_FILE_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_FILE_H

#include "base/problem.h"
#include <stdbool.h>
#include <stdint.h>

struct ledger_file;

/* Makes what is not there: the directory (0700), the file (0600).  -EBUSY: another holds it. */
must_check int ledger_file_open(
	const char *directory, struct ledger_file **ret_file, struct problem *reterr_problem);
void ledger_file_close(struct ledger_file *file);

uint64_t ledger_file_end(const struct ledger_file *file);
bool ledger_file_has_failed(const struct ledger_file *file); /* F3 */

/* A whole transfer, inside of the file. */
must_check int ledger_file_read(
	const struct ledger_file *file, uint64_t at, void *buf, size_t bytes);
/* The file ends there from now on. */
must_check int ledger_file_cut(struct ledger_file *file, uint64_t end);
/* reserve_bytes: room that must be left behind what is appended, or nothing is. */
must_check int ledger_file_append(struct ledger_file *file, const void *data, size_t bytes,
	uint64_t reserve_bytes, uint64_t *ret_at);

/* DIR/ledger.damaged is what the file is now. */
must_check int ledger_file_keep_damaged(struct ledger_file *file);

/* A new file beside the old one, which stays readable until _finish(). */
must_check int ledger_file_rewrite(struct ledger_file *file);
must_check int ledger_file_rewrite_add(struct ledger_file *file, const void *data, size_t bytes,
	uint64_t *ret_at); /* where it will be */
must_check int ledger_file_rewrite_finish(struct ledger_file *file, uint64_t reserve_bytes);
void ledger_file_rewrite_abandon(struct ledger_file *file);

/*
 * For tests: called before each step that changes what is on the medium.  What it returns (0 or
 * -errno) becomes of the step, which is then not done.  NULL: none.
 */
enum ledger_file_step {
	LEDGER_FILE_ALLOCATE,
	LEDGER_FILE_WRITE,
	LEDGER_FILE_SYNC,
	LEDGER_FILE_CUT,
	LEDGER_FILE_CREATE,
	LEDGER_FILE_RENAME,
	LEDGER_FILE_SYNC_DIRECTORY,
};
void ledger_file_set_hook(int (*hook)(void *context, enum ledger_file_step step), void *context);

#endif
