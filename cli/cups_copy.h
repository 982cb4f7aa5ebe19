/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_copy.h - a directory of CUPS's copied onto the volume, and compared byte for byte
 *
 * Owner, mode and time of modification are kept; each file and directory is synced.  Files that are
 * there already and alike are not written again, so that a copy that was interrupted goes on.
 *
 *   F1  Everything is opened name by name from a directory that is open, and no symbolic link
 *       is followed: who may write there (the group lp) cannot lead us elsewhere.
 *   F2  Equal means read back from the medium: the cache of the copy is dropped first.
 *
 * Pipes, sockets and devices hold nothing and are passed over.
 *
 * Errors: -EUCLEAN: not equal; -ELOOP: deeper than CUPS_TREE_DEPTH_MAX; -ENOSPC and what else the
 * system says, with the name.
 */
#ifndef SPOOLGUARD_CLI_CUPS_COPY_H
#define SPOOLGUARD_CLI_CUPS_COPY_H

#include "base/problem.h"
#include "base/progress.h"
#include <stdbool.h>
#include <stdint.h>

#define CUPS_TREE_DEPTH_MAX 16

struct cups_tree {
	const char *from; /* the directory */
	const char *to;	  /* its copy; it exists */
	const char *
		emptied; /* a directory in it (its name) that is copied without its content; NULL */
	const char *const *kept; /* names in "to" that are not ours, ends with NULL; may be NULL */
};

struct cups_tree_count {
	uint64_t files, bytes;
};

/* What is there to copy.  Nothing is changed. */
must_check int cups_tree_measure(const struct cups_tree *tree, struct cups_tree_count *ret_count,
	struct problem *reterr_problem);

/* What is in "to" and not in "from" goes, but for the names that are kept. */
must_check int cups_tree_copy(const struct cups_tree *tree, const struct progress_sink *sink,
	struct problem *reterr_problem);

must_check int cups_tree_compare(const struct cups_tree *tree, struct problem *reterr_problem);

/* True if "to" holds nothing but names that are kept. */
must_check int cups_tree_is_vacant(
	const struct cups_tree *tree, bool *ret_vacant, struct problem *reterr_problem);

#endif
