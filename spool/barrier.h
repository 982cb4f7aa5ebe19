/* SPDX-License-Identifier: Apache-2.0 */
/*
 * barrier.h - returns when everything that was freed before the call is overwritten
 *
 *   the file system hands back what it freed (free_space.h), led by one of all who ask
 *   -> the volume erases what is owed -> epoch
 *
 * On a busy spool "nothing is owed" never holds; a barrier covers what was freed
 * before it began, and the epoch says up to which batch of the eraser that is.
 */
#ifndef SPOOLGUARD_SPOOL_BARRIER_H
#define SPOOLGUARD_SPOOL_BARRIER_H

#include "base/problem.h"
#include "spool/free_space.h"
#include "spool/port.h"

struct barrier_report {
	uint64_t epoch;
	bool led; /* free_space is filled: this call did the file system's part */
	struct free_space_report free_space;
};

/* all: also what is owed from before the attach. */
must_check int barrier_run(const struct spool_port *port, int mount_fd, bool all,
	struct barrier_report *ret_report, struct problem *reterr_problem);

#endif
