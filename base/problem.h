/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem.h - one clear line for the user: what, why, what to do
 *
 * Libraries never print.  A function whose failure a user must understand
 * takes "struct problem *reterr_problem" (may be NULL), fills it on failure
 * only, and returns -errno as ever.  The line names the thing, the cause and
 * the next step, has no newline at its end, and never holds a secret.
 */
#ifndef SPOOLGUARD_BASE_PROBLEM_H
#define SPOOLGUARD_BASE_PROBLEM_H

#include "base/macros.h"

#define PROBLEM_TEXT_BYTES 768

struct problem {
	char text[PROBLEM_TEXT_BYTES];
};

/* Fills the line if there is one to fill, and returns error (a -errno): "return problem_set(...)".
 */
int problem_set(struct problem *reterr_problem, int error, const char *format, ...)
	format_printf(3, 4);

/* The line, or strerror(-error) if nothing was said. */
const char *problem_text(const struct problem *problem, int error);

#endif
