/* SPDX-License-Identifier: Apache-2.0 */
/*
 * method.h - one of a drive's own ways to forget, from its start to its true end
 *
 *   READY --start--> RUNNING --poll--> DONE
 *                       |  ^    \----> FAILED (failed mode is left, where the drive has one)
 *                       v  |     \---> STUCK (no progress, or past its time limit)
 *                     LOST (no answer: reset, power, cable) --poll again--> RUNNING, DONE, ...
 *
 *   H1  What is done to the drive is recorded first: the record function is called before the
 *       first command that changes anything, and before each further one (a password set, an
 *       erase begun), so that a power cut at any instant leaves a state that method_resume()
 *       takes up.  A sanitize goes on in the drive; an erase that is not known to have run to
 *       its end is begun again; a password that was set is the documented one.
 *   H2  The end is what the drive's own status says (NVMe sanitize status log, ATA SANITIZE
 *       STATUS EXT, SCSI progress by REQUEST SENSE, EXT_CSD), polled; never that a command
 *       returned, unless the standard has it return at the end (Format, SECURITY ERASE UNIT).
 *   H3  Both sense formats are decoded; any answer that is not plainly success is "not purged".
 *   H4  DONE is what the drive says.  Whether it is true is for witness.h: sectors that held
 *       data before must read otherwise after.
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
#define METHOD_STATUS_BYTES 512

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

#define METHOD_STEP_ERASE "erase" /* what the method is for; done when its end is known */

/* step: METHOD_STEP_ERASE, "leave-failed-mode", "set-password", ...; done: it ended.  < 0: not
 * recorded, and nothing is sent. */
typedef int method_record(void *context, enum method_kind kind, const char *step, bool done);

struct method_run {
	const struct command_port *port;
	const struct drive_facts *facts;
	enum method_kind kind;
	struct method_limits limits;
	method_record *record; /* required */
	void *context;
};

struct method_result {
	enum method_state state;
	uint32_t progress; /* of 65536, when it was last asked */
	uint64_t took_ms;
	char detail[FACTS_WHY_BYTES]; /* what the drive said last, in words */
	/* The raw status log, where there is one. */
	uint8_t status_before[METHOD_STATUS_BYTES], status_after[METHOD_STATUS_BYTES];
	uint32_t status_bytes;
	bool was_seen_running; /* by the drive's status, since start or resume */
};

/*
 * 0: it runs, or (a command that ends only with its work) is DONE or FAILED.
 * -EOPNOTSUPP: not offered; -EBUSY: another sanitize runs in the drive; -EPERM: frozen or locked,
 * and detail says how to end that; what the record function says.  Others: the command was not
 * delivered, the state is LOST, and method_resume() finds out whether it was begun.
 */
must_check int method_start(const struct method_run *run, struct method_result *ret_result);
/*
 * After a power cut, a restart or a new port: takes up what the record says was begun, and begins
 * it again where the drive does not say that it ended well since.  Returns as method_start().
 */
must_check int method_resume(const struct method_run *run, struct method_result *ret_result);
/*
 * Polls until it is DONE, FAILED, STUCK or LOST (no answer for as long as it may be without
 * progress; at once for -ENODEV, as that port is dead).  -ECANCELED: the sink asked to stop; it
 * goes on in the drive.  Others: from the record function.
 */
must_check int method_wait(const struct method_run *run, const struct progress_sink *sink,
	struct method_result *result);

const char *method_state_name(enum method_state state); /* "done", "stuck", ... */

#endif
