/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_receipt.h - what is said of a retired job: text for people, one object for programs
 *
 * What is claimed is what was measured: requested, written, durable and verified
 * are four numbers, and what failed stands beside them.  No file name is in it.
 */
#ifndef SPOOLGUARD_CLI_JOB_RECEIPT_H
#define SPOOLGUARD_CLI_JOB_RECEIPT_H

#include "overwrite/retirement.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_receipt {
	const char *id;
	size_t files;
	size_t erased_files;
	size_t removed_files;
	uint64_t bytes;
	uint64_t extents;
	struct retirement total; /* of all its files; times and epoch of the last */
	const char *scheme;
	const char *verify;
	const char *volume_uuid;
	const char *medium;	/* what overwriting can promise there, in words */
	uint64_t barrier_epoch; /* 0: the barrier failed */
	bool journal_discarded;
	bool led;
	uint64_t unreached_blocks; /* free, but held back by the file system; if led */
	uint64_t backlog_blocks;   /* owed by others than this job when the receipt was made */
	uint64_t took_ms;
	bool retired; /* all of it is true: every file erased, removed, and the barrier passed */
};

/* Adds one file's retirement to the total. */
void job_receipt_add(struct job_receipt *receipt, const struct retirement *retirement);
void job_receipt_print(const struct job_receipt *receipt, bool json);

#endif
