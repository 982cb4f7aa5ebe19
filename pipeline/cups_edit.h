/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_edit.h - lines of a CUPS configuration changed so that the change can be taken out again
 *
 * Every line that is added, and every one that is put out of force, carries a mark:
 *
 *   #spoolguard[log-level] was: LogLevel debug          <- the administrator's line
 *   LogLevel warn #spoolguard[log-level]                <- ours, in its place
 *   ...
 *   #spoolguard[begin] ...                              <- what had no line, at the end
 *   PreserveJobFiles Yes #spoolguard[job-files]
 *   #spoolguard[end]
 *
 * so that taking them out needs no other knowledge, and leaves alone whatever an administrator
 * wrote before, between and after.
 *
 *   D1  take_out(apply(text)) is text, byte for byte, whatever text without marks is (also without
 *       a newline at its end, also with CR LF).
 *   D2  What an administrator wrote or changed since is never dropped: a line of ours that does not
 *       read as we wrote it is a conflict (-ESTALE), and nothing is taken out.
 *
 * Pure.  Texts are bytes with a NUL behind them that is not counted.
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_EDIT_H
#define SPOOLGUARD_PIPELINE_CUPS_EDIT_H

#include "base/problem.h"
#include <stdbool.h>
#include <stddef.h>

enum cups_edit_kind {
	CUPS_EDIT_REPLACE, /* the line, which is put out of force */
	CUPS_EDIT_BEHIND,  /* behind the line */
	CUPS_EDIT_APPEND,  /* at the end of the file */
};

struct cups_edit {
	enum cups_edit_kind kind;
	unsigned int line;	 /* REPLACE, BEHIND */
	const char *id;		 /* letters, digits and "-" */
	const char *const *text; /* lines without an end and without "#"; NULL ends it */
};

struct cups_text {
	char *bytes; /* owned */
	size_t count;
};

void cups_text_done(struct cups_text *text);

/* At most one REPLACE or BEHIND for a line.  -EINVAL: no such line, or (BEHIND) it has no end;
 * -ENOMEM. */
must_check int cups_edit_apply(const struct cups_text *text, const struct cups_edit *edits,
	size_t count, struct cups_text *ret_text);

/* May that be a line that was added for that id, as far as we know? */
typedef bool (*cups_edit_known)(const char *id, const char *line);

/*
 * ret_marks: how many lines with a mark there were (0: nothing was changed).  known: says whether a
 * line is one that we add.  -ESTALE: D2, and problem names the line.
 */
must_check int cups_edit_take_out(const char *file, const struct cups_text *text,
	cups_edit_known known, struct cups_text *ret_text, size_t *ret_marks,
	struct problem *reterr_problem);

/* The bytes of a line (from 1), with its end or without.  NULL: there is no such line. */
const char *cups_text_line(
	const struct cups_text *text, unsigned int line, bool with_end, size_t *ret_bytes);

#endif
