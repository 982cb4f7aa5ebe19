/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retire_jobs.h - jobs on an attached volume are retired, in batches, with a receipt for each
 *
 *   before(job) -> its files overwritten in place, read back, removed (spool/retire.h)
 *   -> removed(job) -> one barrier for all (spool/barrier.h) -> receipts
 *
 *   Q1  A job's fate is its own: a file that cannot be retired, or a hook that says no, fails
 *       its job and no other.  What the barrier covers it covers for all.
 *   Q2  removed() runs before the barrier: what it frees (a spooler's own records of the
 *       job) is covered.
 *   Q3  A receipt is made after the barrier, and says of each file what became of it.
 *   Q4  Between two runs nothing on the mount is held open: the volume can be detached.
 *
 * A session holds a connection to the volume's process, and is for one thread at a time.
 * After -ESRCH, -ECONNRESET and the like the process is gone: close it, and open another when the
 * volume is attached again.
 */
#ifndef SPOOLGUARD_ATTACHED_RETIRE_JOBS_H
#define SPOOLGUARD_ATTACHED_RETIRE_JOBS_H

#include "attached/job_list.h"
#include "attached/job_receipt.h"
#include "base/problem.h"
#include "spool/retire.h"
#include "volume/runtime.h"

struct retire_session;

/* Of a job (its index in the list); both optional. */
struct retire_hooks {
	/* Nothing of it is touched yet.  < 0: it is left alone, and fails. */
	int (*before)(void *context, size_t job);
	/*
	 * All that could be done with its files is done; so_far says what (no barrier
	 * yet, so it does not say "retired").  whole: each of them is removed or was gone.  < 0:
	 * the job fails.  Not called for a job that before() left alone.
	 */
	int (*removed)(void *context, size_t job, const struct job_receipt *so_far, bool whole);
	void *context;
};

struct retire_options {
	uint64_t wait_ms; /* files that are open elsewhere are tried again for so long */
	bool may_be_gone; /* a file that is not there fails nothing, and counts as gone: somebody
			     else removed it, or we did before a crash */
	struct retire_hooks hooks;
};

struct retire_result {
	struct retire_file *files;    /* as many as the list has entries; owned */
	struct job_receipt *receipts; /* as many as it has jobs; owned; their strings are the
					 list's and the session's, until its next run */
	int barrier_error;	      /* 0: it passed; else no job is retired */
	struct problem barrier_problem;
};
void retire_result_done(struct retire_result *result);

/*
 * -EROFS: attached read-only; -EOPNOTSUPP: encryption only; -ESRCH: the process is gone.
 * From here on the calling program ignores SIGIO (a broken lease says itself by it, and would
 * end the program), and may have 1024 descriptors open.
 */
must_check int retire_session_open(const struct runtime_state *state,
	struct retire_session **ret_session, struct problem *reterr_problem);
void retire_session_close(struct retire_session *session);
DEFINE_CLEANUP(struct retire_session *, retire_session_close)

/*
 * Returns 0 when every job has its receipt, whatever that says (all of them that it is not retired,
 * if the barrier failed: then the session is to be opened anew).  -errno: the volume could not be
 * asked any more while it worked on files, and there is no receipt; some files may be gone.
 */
must_check int retire_session_run(struct retire_session *session, const struct job_list *jobs,
	const struct retire_options *options, struct retire_result *ret_result,
	struct problem *reterr_problem);

#endif
