/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_run.h - a program run to its end, with what it said
 */
#ifndef SPOOLGUARD_CLI_CUPS_RUN_H
#define SPOOLGUARD_CLI_CUPS_RUN_H

#include "base/problem.h"

#define CUPS_RUN_OUTPUT_BYTES 4096

struct cups_run {
	int exit_code;			    /* 128 + signal if one ended it */
	char output[CUPS_RUN_OUTPUT_BYTES]; /* of both streams, its beginning */
};

/* argv ends with NULL; argv[0] is looked for in PATH, then in /usr/sbin.  -ENOENT. */
must_check int cups_run_program(
	const char *const argv[], struct cups_run *ret_run, struct problem *reterr_problem);

/* By a shell.  What it starts and leaves running does not keep us waiting. */
must_check int cups_run_command(
	const char *command, struct cups_run *ret_run, struct problem *reterr_problem);

#endif
