/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retirer_batch_impl.h - one batch of jobs, for the files that share it
 *
 *   retirer_batch.c   from the list of files to the barrier
 *   retirer_end.c     from there to the ledger: receipts, signed, logged, durable, told
 */
#ifndef SPOOLGUARD_SUPERVISOR_RETIRER_BATCH_IMPL_H
#define SPOOLGUARD_SUPERVISOR_RETIRER_BATCH_IMPL_H

#include "supervisor/job_files.h"
#include "supervisor/receipt.h"
#include "supervisor/retirer_impl.h"

/* "SOURCE ID"; the log cuts it, if need be. */
#define RETIRER_OBJECT_BYTES (LEDGER_SOURCE_BYTES + LEDGER_ID_BYTES)

struct batch_job {
	struct ledger_job *job;
	struct retirer_track *track;
	const struct retirer_source *source; /* NULL: none knows it */
	char **names;
	size_t name_count;
	struct job_files found;
	bool is_in; /* nothing has kept it back so far */

	/* What became of it. */
	bool soon; /* what is in its way may pass in a moment */
	bool hopeless;
	char why[LEDGER_WHY_BYTES];
	struct receipt_signed receipt; /* its document and signature go on to the ledger */
};

struct batch {
	struct retirer_volume *volume;
	const struct retirer *retirer;
	dev_t device;
	struct batch_job *jobs; /* owned */
	size_t count;
	struct batch_job **in; /* those in the list, in its order; owned */
	size_t in_count;
	struct job_list list;
	struct retire_result result;
};

/* Why it is not retired; the first reason stays. */
void retirer_batch_say(struct batch_job *job, const char *format, ...) format_printf(2, 3);
/* The event's object, and what its data begin with (gives). */
const char *retirer_batch_object(
	const struct batch_job *job, char buf[static RETIRER_OBJECT_BYTES]);
struct json_object *retirer_batch_data(const struct batch_job *job);
/* An event of a job that is not retired. */
void retirer_batch_note(
	struct batch *batch, const struct batch_job *job, const char *kind, const char *detail);
void retirer_batch_close_session(struct retirer_volume *volume);
/* The state says that the ledger cannot be written to, or not any more; false: it cannot. */
bool retirer_batch_say_ledger(const struct batch *batch, int error);

/* What became of each job of a run: as retirer_batch(). */
bool retirer_end(struct batch *batch);

#endif
