/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive_rig.h - a model of a drive, full of what must not survive, and the record of what is done
 * to it
 *
 * Each command that changes the drive is checked as it arrives: it was recorded before (H1).
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_DRIVE_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_DRIVE_RIG_H

#include "drives/method.h"
#include "drives/witness.h"
#include "tests/support/simdrive_impl.h"

#define DRIVE_RIG_SECRET "Quarterly figures, not for the press. "

struct drive_rig {
	struct simdrive *drive;
	struct drive_facts facts;
	struct method_run run;
	struct method_result result;
	uint64_t notes;	      /* records */
	uint64_t fail_note;   /* the nth record fails with -ENOSPC; 0: none */
	uint64_t begun, done; /* records of METHOD_STEP_ERASE */
};

/* Makes the drive, fills it, asks it. */
void drive_rig_make(
	struct drive_rig *rig, enum simdrive_kind kind, const struct simdrive_options *options);
void drive_rig_unmake(struct drive_rig *rig);

/* Puts the secret into every sector, past every path. */
void drive_rig_fill(struct drive_rig *rig);
/* How many of the medium's sectors of 512 bytes hold it. */
uint64_t drive_rig_secrets(struct drive_rig *rig);

/* The run of that method, nothing recorded yet. */
void drive_rig_choose(struct drive_rig *rig, enum method_kind kind);
/* Start and wait: what the first of them that fails returns. */
int drive_rig_perform(struct drive_rig *rig, enum method_kind kind);
/* Resume if the record says that it was begun, else start; and wait. */
int drive_rig_take_up(struct drive_rig *rig);

/* What the witness says of a method performed by this drive (DONE is asserted). */
enum witness_verdict drive_rig_witness(struct drive_rig *rig, enum method_kind kind);

#endif
