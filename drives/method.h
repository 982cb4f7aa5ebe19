/* SPDX-License-Identifier: Apache-2.0 */
/*
 * method.h - one of a drive's own ways to forget, from its start to its true end
 *
 *   READY --start--> RUNNING --poll--> DONE
 *                       |  ^    \----> FAILED (left failed mode where the drive needs it)
 *                       v  |     \---> STUCK (no progress, or past its time limit)
 *                     LOST (no answer: reset, power, cable) --poll again--> RUNNING, DONE, ...
 *
 *   H1  What is done to the drive is recorded first: method_start() calls the record function
 * before the first command that changes anything, and again before each further one (a password
 * set, an erase begun), so that a power cut at any instant leaves a state that method_resume()
 * takes up: a sanitize goes on in the drive, a SECURITY ERASE is begun again, a password that was
 *       set is the documented one and is taken off.
 *   H2  The end is what the drive's own status says (NVMe sanitize status log, ATA SANITIZE STATUS
 * EXT, SCSI progress by REQUEST SENSE, EXT_CSD), polled; never that a command returned. H3  Both
 * sense formats are decoded; any answer that is not plainly success is "not purged". H4  DONE is
 * what the drive says.  Whether it is true is for method_compare(): sectors that held data before
 * must read otherwise after.
 *
 * The ATA SECURITY password is METHOD_ATA_PASSWORD, always, so that nobody is ever locked out.
 * Threads: one for each drive.
 */
#ifndef SPOOLGUARD_DRIVES_METHOD_H
#define SPOOLGUARD_DRIVES_METHOD_H

#include "base/problem.h"
#include "base/progress.h"
#include "drives/facts.h"

#define METHOD_ATA_PASSWORD "spoolguard" /* padded with zeros to 32 bytes; user password, high */

enum method_state {
	METHOD_READY,
	METHOD_RUNNING,
	METHOD_DONE,
	METHOD_FAILED,
	METHOD_STUCK,
	METHOD_LOST
};

struct method_limits {
	uint64_t without_progress_s; /* 0: ten times what the drive estimates, at least 120 */
	uint64_t whole_s;	     /* 0: twenty times, at least 3600 */
	uint32_t poll_ms;	     /* 0: 1000 */
};

/* step: "sanitize", "set-password", "erase"; done: it ended.  < 0: not recorded, nothing is done.
 */
typedef int method_record(void *context, enum method_kind kind, const char *step, bool done);

struct method_run {
	const struct command_port *port;
	const struct drive_facts *facts;
	enum method_kind kind;
	struct method_limits limits;
	method_record *record;
	void *context;
};

struct method_result {
	enum method_state state;
	uint32_t progress; /* of 65536, when it was last asked */
	uint64_t took_ms;
	char detail[FACTS_WHY_BYTES];		       /* what the drive said last, in words */
	uint8_t status_before[512], status_after[512]; /* the raw status log, where there is one */
	uint32_t status_bytes;
};

/* -EOPNOTSUPP: not offered; -EBUSY: another sanitize runs in the drive; -EPERM: frozen or locked,
 * and detail says how to end that. */
must_check int method_start(const struct method_run *run, struct method_result *ret_result);
/* After a power cut or a restart: takes up what the record says was begun. */
must_check int method_resume(const struct method_run *run, struct method_result *ret_result);
/* Polls until it ends, is stuck, or the sink asks to stop (-ECANCELED: it goes on in the drive). */
must_check int method_wait(const struct method_run *run, const struct progress_sink *sink,
	struct method_result *result);

#endif
