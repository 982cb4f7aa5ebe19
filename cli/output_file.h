/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output_file.h - a result written to a file that the user named
 *
 * The file has the mode that the umask gives, and is replaced whole where it was a regular file;
 * a device or a pipe (/dev/stdout) is written to as it is.
 */
#ifndef SPOOLGUARD_CLI_OUTPUT_FILE_H
#define SPOOLGUARD_CLI_OUTPUT_FILE_H

#include "base/macros.h"
#include "base/problem.h"

must_check int output_file_write(
	const char *path, const void *bytes, size_t count, struct problem *reterr_problem);

#endif
