/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - how far long work is, its rate and the time left
 *
 * The worker calls progress_report(); who shows it (a terminal line, a status
 * answer) supplies the function.  A function that returns true asks the worker
 * to stop at the next safe point: it then returns -ECANCELED.
 */
#ifndef SPOOLGUARD_BASE_PROGRESS_H
#define SPOOLGUARD_BASE_PROGRESS_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "pass 2 of 3", "read-back" */
	uint64_t done_bytes;
	uint64_t total_bytes;
};

struct progress_sink {
	bool (*report)(void *context, const struct progress *progress);
	void *context;
};

/* sink may be NULL: nothing is shown and nothing is cancelled. */
must_check bool progress_report(const struct progress_sink *sink, const struct progress *progress);

/* "pass 2 of 3  41 %  1.2 GiB/s  0:42 left" from elapsed time; pure; returns buf. */
const char *progress_line(
	const struct progress *progress, uint64_t elapsed_ns, char *buf, size_t buf_bytes);

#endif
