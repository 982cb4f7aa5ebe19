/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - running a stock tool of e2fsprogs, silently
 */
#ifndef SPOOLGUARD_SPOOL_TOOL_H
#define SPOOLGUARD_SPOOL_TOOL_H

#include "base/macros.h"
#include "base/problem.h"

/*
 * argv ends with NULL and is found in PATH; waits for its end.  *ret_exit is its exit code, or
 * 128 if a signal ended it.  -ENOENT: it is not installed.
 */
must_check int tool_run(const char *const argv[], int *ret_exit, struct problem *reterr_problem);

#endif
