/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overwrite_job.h - one "spoolguard overwrite", from the first look to the verdict
 *
 *   look     guard, identity, medium, area: nothing is changed (--dry-run ends here)
 *   run      opened and locked, compared with what was looked at, every pass, read-back
 *   settle   a file gets its size back, and goes if asked
 */
#ifndef SPOOLGUARD_CLI_OVERWRITE_JOB_H
#define SPOOLGUARD_CLI_OVERWRITE_JOB_H

#include "base/problem.h"
#include "blockdev/guard.h"
#include "blockdev/identity.h"
#include "blockdev/medium.h"
#include "overwrite/file_area.h"
#include "overwrite/sanitize.h"

struct overwrite_request {
	const char *path;
	const struct scheme *scheme;
	enum verify_mode verify;
	const char *confirm; /* NULL: not given */
	bool dry_run;
	bool remove;
	bool json;
};

/* Why the answer is not a plain yes. */
enum overwrite_outcome {
	OVERWRITE_DONE,
	OVERWRITE_CANNOT_TELL, /* every pass ran, but the medium promises nothing */
	OVERWRITE_BAD_BLOCKS,  /* refused or read back otherwise */
	OVERWRITE_INTERRUPTED,
	OVERWRITE_FAILED,
};

struct overwrite_job {
	struct overwrite_request request;
	struct guard_report checked;
	struct identity identity; /* of a device */
	struct file_area area;	  /* of a file */
	struct medium_verdict medium;
	uint64_t links; /* names of a file */
	uint32_t block_bytes;
	uint64_t area_bytes; /* to be overwritten */

	bool resumed;
	struct sanitize_position resumed_at;
	struct sanitize_report report;
	bool moved; /* a file lay elsewhere at the end */
	bool removed;
};

/* Fills a job that starts as zero bytes but for its request. */
must_check int overwrite_job_look(struct overwrite_job *job, struct problem *reterr_problem);
must_check int overwrite_job_run(struct overwrite_job *job, const struct progress_sink *sink,
	struct problem *reterr_problem);
enum overwrite_outcome overwrite_job_outcome(const struct overwrite_job *job, int error);
void overwrite_job_done(struct overwrite_job *job);

/* What is printed, in overwrite_print.c. */
void overwrite_print_plan(const struct overwrite_job *job);
void overwrite_print_result(const struct overwrite_job *job, enum overwrite_outcome outcome);

#endif
