/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_impl.h - one run of the steps, for run*.c
 *
 * A step's function returns 0 when the step has come to an end, which may be a failure (the record
 * says so), and -errno when the run cannot go on now: the step stays BEGUN then, and the next run
 * takes it up.
 */
#ifndef SPOOLGUARD_DECOMMISSION_RUN_IMPL_H
#define SPOOLGUARD_DECOMMISSION_RUN_IMPL_H

#include "decommission/run.h"

#define RUN_REOPENS_MAX 3 /* how often in one run a drive that left is looked for */

struct run {
	struct record *record;
	const struct run_request *request;
	const struct run_world *world;
	struct problem *problem; /* the caller's; may be NULL */

	struct command_port *port; /* NULL: not open */
	struct drive_facts facts;  /* while it is open */
	unsigned int reopens;
	int save_error; /* of a save within a callback: not the drive's fault */
};

/* --- run.c --- */

must_check int run_save(struct run *run);
/* The step is recorded as begun, or as taken up once more.  The drive is closed: each step asks it
 * anew, because a drive at work tells less of itself. */
must_check int run_begin(struct run *run, enum record_step step);
/* detail: one line, "" for none. */
must_check int run_end(struct run *run, enum record_step step, enum record_state state,
	const char *format, ...) format_printf(4, 5);
bool run_is_over(const struct run *run, enum record_step step);

/* --- run_drive.c --- */

/* Opens the drive if it is not open, asks it and compares it with the record: -ESTALE (J2). */
must_check int run_open_drive(struct run *run);
void run_close_drive(struct run *run);
/* After the drive left: opened anew, -ENODEV if it has been looked for too often. */
must_check int run_reopen_drive(struct run *run);
/* The drive is open, and what hid a part of it is lifted where that can be.  Recorded (L1). */
must_check int run_lift_hidden(struct run *run);
/* In logical blocks; -ESTALE: of another size than the drive. */
must_check int run_open_medium(struct run *run, struct blockdev **ret_medium);
uint32_t run_block_bytes(const struct run *run);

/* --- the steps --- */

must_check int run_intake(struct run *run);
must_check int run_keys(struct run *run);
must_check int run_sanitize(struct run *run);
must_check int run_overwrite(struct run *run);
must_check int run_search(struct run *run);

#endif
