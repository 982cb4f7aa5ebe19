/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - the steps of record.h performed on one drive, from wherever it stands
 *
 * The world is behind a seam, so that the whole run can be tried on a model of a drive in memory
 * and cut at every command, write and record.
 *
 *   X1  Nothing is changed before the record is durable (J1), and nothing on a drive that is not
 * the one that was confirmed (record.h, J2). X2  Keys die first: no method and no pass begins
 * before the step KEYS ended, or had nothing to do.  If a key slot cannot be destroyed the run goes
 * on (the rest still helps), and the record says so. X3  A method that fails, lies or hangs is
 * followed by the next that is offered; then the overwrite comes in any case, unless the request
 * says otherwise. X4  What a bad sector refuses is retried in smaller pieces, down to one logical
 * block, and listed. X5  Interrupted (-ECANCELED, a power cut, a drive that left), the same call
 * goes on.
 *
 * Threads: one for each run; several runs at once on several drives.
 */
#ifndef SPOOLGUARD_DECOMMISSION_RUN_H
#define SPOOLGUARD_DECOMMISSION_RUN_H

#include "base/progress.h"
#include "base/search.h"
#include "decommission/record.h"

/* What there is besides the record.  Each function 0 or -errno, with its line. */
struct run_world {
	/* The drive's commands and its medium, for writing; O_EXCL and locked where it is a device.
	 * Called again after a drive left (-ENODEV): it may have another name then. */
	int (*open_drive)(void *context, const struct record *record,
		struct command_port **ret_port, struct problem *reterr_problem);
	void (*close_drive)(void *context, struct command_port *port);
	/* block_bytes: the logical block.  Gives to blockdev_free(). */
	int (*open_medium)(void *context, const struct record *record, uint32_t block_bytes,
		struct blockdev **ret_medium, struct problem *reterr_problem);

	/* INTAKE: jobs of the volumes on the drive are retired, or counted as not; the volumes are
	 * detached, their keys in memory gone.  The service's, or without it the program's own. */
	int (*close_volumes)(void *context, struct record *record, struct problem *reterr_problem);
	/* KEYS: one volume's slots, copies, known backups, tokens; and the proof. */
	int (*destroy_keys)(
		void *context, struct record_volume *volume, struct problem *reterr_problem);

	/* Every change of the record, before what it announces. */
	int (*save)(void *context, const struct record *record, struct problem *reterr_problem);
	int (*save_witness)(void *context, const struct record *record, const uint8_t *bytes,
		size_t count, struct problem *reterr_problem);
	int (*load_witness)(void *context, const struct record *record, uint8_t *ret_bytes,
		size_t *ret_count, struct problem *reterr_problem);
	/* For the audit log: a step began, ended, went on.  May be NULL. */
	void (*tell)(void *context, const struct record *record, enum record_step step,
		const char *outcome, const char *detail);
	void *context;
};

struct run_request {
	bool own_methods; /* the drive's own; default true */
	/* ... but for these, which would take what must not die (plan.h, P3) */
	bool leave_out[METHOD_KINDS];
	bool overwrite;	  /* default true */
	bool restore_dco; /* drives/hidden.h, L3; default false */
	struct method_limits limits;
	unsigned int lanes;		  /* of the overwrite; 0: the usual */
	const struct search *search;	  /* NULL: no search */
	const char *const *search_labels; /* one for each text in it */
	const struct progress_sink *sink;
};

/*
 * record: PLANNED or further; ends with CERTIFICATE pending: who signs it is the caller's.  0:
 * every step came to its end (which may be a failure, and the record says so); -ESTALE: another
 * drive; -ECANCELED; -ENODEV and others: it cannot go on now, and nothing is lost.
 */
must_check int run_steps(struct record *record, const struct run_request *request,
	const struct run_world *world, struct problem *reterr_problem);

#endif
