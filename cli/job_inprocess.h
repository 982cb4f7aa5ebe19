/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_inprocess.h - "job complete" on an image that is not mounted
 */
#ifndef SPOOLGUARD_CLI_JOB_INPROCESS_H
#define SPOOLGUARD_CLI_JOB_INPROCESS_H

#include "attached/job_list.h"
#include <stdbool.h>

struct job_inprocess {
	const char *image;
	const char *passphrase_file; /* NULL: the terminal is asked */
	bool json;
};

/*
 * Retires the files of each job (paths on the image's own file system) and prints its receipt,
 * in the shape of job_receipt.h.  Returns an enum cli_exit: CLI_NO also if any block could not be
 * overwritten.
 */
int cli_job_complete_inprocess(const struct job_inprocess *job, const struct job_list *list);

#endif
