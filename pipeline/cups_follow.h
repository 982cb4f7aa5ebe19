/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cups_follow.h - which jobs of a cupsd are over, and what of them lies in its directories
 *
 * One round looks at the directories, then asks cupsd for its jobs, and puts both together:
 *
 *   cupsd says        files      listed as
 *   finished          any        finished: to be retired, then purged
 *   finished          missing    finished, files_missing: its documents should be there
 *   waiting           any        waiting, and why
 *   knows no such id  any        finished, is_orphan, once it has been so for orphan_s
 *   -                 upload, temporary   loose: nobody has it open and it has not changed for
 * orphan_s
 *
 * Nothing is erased or purged here, and nothing is remembered but how long an orphan has been
 * one: events are hints to run a round, the round is what counts.
 *
 * Units: seconds.  Ages are measured by the monotonic clock from the first round that saw the file
 * as it is; a clock that jumps and a restart of ours make them younger, never older.
 * Errors: those of cups_server.h and cups_spool.h; then nothing is listed at all.
 * Threads: one caller at a time.
 *
 *   F1  A job is listed as finished only if cupsd said so, or knows it not at all, after its files
 *       were seen: what is submitted or restarted meanwhile is not finished.
 *   F2  Without an answer of cupsd nothing is an orphan.  Nor if cupsd has jobs with documents and
 *       none of these lies in request_root: then it is another's directory.
 *   F3  Between a round and the first touch of a file a job may be restarted:
 * cups_follow_is_finished() is asked once more.  What is left of that window is cupsd's to close (a
 * policy that denies Restart-Job; "spoolguard cups apply").
 */
#ifndef SPOOLGUARD_PIPELINE_CUPS_FOLLOW_H
#define SPOOLGUARD_PIPELINE_CUPS_FOLLOW_H

#include "pipeline/cups_server.h"
#include "pipeline/cups_spool.h"

struct cups_follow;

struct cups_follow_options {
	struct cups_spool spool;    /* borrowed for as long as the follow lives */
	struct cups_server *server; /* borrowed for as long */
	uint64_t orphan_s;
	bool keep_history; /* jobs stay in cupsd's history: control files are not listed, and jobs
			      without other files are not either */
};

must_check int cups_follow_new(
	const struct cups_follow_options *options, struct cups_follow **ret_follow);
void cups_follow_free(struct cups_follow *follow);
DEFINE_CLEANUP(struct cups_follow *, cups_follow_free)

struct cups_finished_job {
	struct cups_job job; /* of an orphan: its id alone */
	bool is_orphan;
	bool files_missing; /* cupsd believes that its documents are there: we removed them before a
			       crash, or somebody else did, and then nobody overwrote them */
	const struct cups_file *files; /* within the list's files */
	size_t file_count;
};

struct cups_follow_list {
	struct cups_finished_job *finished; /* by id */
	size_t finished_count;
	struct cups_job *waiting; /* by id, with hold_until */
	size_t waiting_count;
	const struct cups_file **loose; /* uploads and temporaries */
	size_t loose_count;
	const struct cups_file **settle; /* last versions of job.cache */
	size_t settle_count;
	bool is_cut; /* there is more than fits: it comes in a later round, orphans among it */

	struct cups_file_list files; /* what all the above points into */
	struct cups_job_list jobs;
};
void cups_follow_list_done(struct cups_follow_list *list);

must_check int cups_follow_round(struct cups_follow *follow, struct cups_follow_list *ret_list,
	struct problem *reterr_problem);

/* Right before its files are touched: still finished, or still unknown to cupsd. */
must_check int cups_follow_is_finished(
	struct cups_server *server, int id, bool *ret_finished, struct problem *reterr_problem);

/* "it is held until 09:30:00 UTC": goes behind "not yet overwritten, because".  Returns buf. */
#define CUPS_WHY_BYTES 160u
const char *cups_follow_why(const struct cups_job *job, char buf[static CUPS_WHY_BYTES]);

#endif
