/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_receipt.h - what is known of a job that was to be retired
 *
 * What is claimed is what was measured: requested, written, durable and verified
 * are four numbers, and what failed stands beside them.  No file name is in it.
 */
#ifndef SPOOLGUARD_ATTACHED_JOB_RECEIPT_H
#define SPOOLGUARD_ATTACHED_JOB_RECEIPT_H

#include "overwrite/retirement.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_receipt {
	const char *id; /* strings: borrowed from whoever filled it in */
	size_t files;
	size_t erased_files;
	size_t removed_files;
	size_t gone_files; /* were not there: what they had freed is covered by the barrier alone */
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
	int64_t wall_s; /* when it was made */
	bool retired;	/* all of it is true: every file erased, removed, and the barrier passed */
};

/* Adds one file's retirement to the total. */
void job_receipt_add(struct job_receipt *receipt, const struct retirement *retirement);

/* "schema": "spoolguard.job/1"; give the object to json_object_put(). */
struct json_object *job_receipt_to_json(const struct job_receipt *receipt);

#endif
