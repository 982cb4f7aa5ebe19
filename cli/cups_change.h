/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_change.h - both configuration files and the units changed together, or not at all
 *
 *   lock -> prepared -> cupsd -t -> mark -> put -> units -> reload -> it came up -> mark gone
 *                          |                                  |
 *                          +-> nothing was changed            +-> put back, reload, mark gone
 *
 *   K1  cupsd has a configuration at any instant that "cupsd -t" was content with, or that it had
 *       before.
 *   K2  Killed anywhere, the mark says so: the next apply or revert reloads and looks whether cupsd
 *       comes up, although there may be nothing left to change.
 */
#ifndef SPOOLGUARD_CLI_CUPS_CHANGE_H
#define SPOOLGUARD_CLI_CUPS_CHANGE_H

#include "cli/cups_control.h"
#include "cli/cups_files.h"

enum { CUPS_CHANGE_CUPSD, CUPS_CHANGE_FILES, CUPS_CHANGES };

struct cups_change_set {
	struct cups_file_change files[CUPS_CHANGES];
	int lock;
	bool was_pending; /* K2 */
	enum cups_outcome outcome;
	bool is_restored; /* it did not come up, and does again with what was */
	bool is_reloaded; /* false with --no-reload */
	/* What else has to be undone before cupsd is tried with what was; may be NULL. */
	int (*undo)(void *context, struct problem *reterr_problem);
	void *undo_context;
};

/* Takes the lock, then reads the configuration (context is filled).  files[].after is the
 * caller's to fill, with is_changed. */
must_check int cups_change_begin(const struct cups_options *options, struct cups_context *context,
	struct cups_change_set *set, struct problem *reterr_problem);
void cups_change_end(struct cups_change_set *set);

/* Writes what is to be beside the files, and asks cupsd -t about it. */
must_check int cups_change_test(const struct cups_context *context, struct cups_change_set *set,
	struct problem *reterr_problem);

/* Puts it in place, after cups_change_test().  backup: keep what was. */
must_check int cups_change_put(const struct cups_context *context, struct cups_change_set *set,
	bool backup, struct problem *reterr_problem);

/*
 * Makes cupsd read it, and waits.  If it does not come up: puts back what was (set->is_restored),
 * reloads again, and fails with words for both.
 */
must_check int cups_change_reload(const struct cups_context *context, struct cups_change_set *set,
	struct problem *reterr_problem);

#endif
