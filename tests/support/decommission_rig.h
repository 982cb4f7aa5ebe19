/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decommission_rig.h - the world of decommission/run.h on a model of a drive, with a plug to pull
 *
 * Two volumes lie on the drive; every sector holds DRIVE_RIG_SECRET.  Every call of the world,
 * every command, every read, write and flush is an instant at which the power may go, before it is
 * done and after.  What was written and not flushed then is lost or kept.
 *
 * At each change of the drive it is asserted that the durable record announced it (X1), and that
 * the keys had died (X2).
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_DECOMMISSION_RIG_H
#define SPOOLGUARD_TESTS_SUPPORT_DECOMMISSION_RIG_H

#include "decommission/run.h"
#include "tests/support/simdrive_impl.h"

#define DECOMMISSION_RIG_SECRET "Quarterly figures, not for the press. "

struct decommission_rig {
	struct simdrive *drive;
	bool no_commands; /* the port has none: a bridge that swallows them */
	struct run_world world;
	struct run_request request;
	struct record *record; /* in memory */
	struct record *saved;  /* as it is durable; NULL: never saved */
	uint8_t *witness;
	size_t witness_bytes;
	uint64_t saves;
	struct problem problem;

	/* The plug. */
	uint64_t instants; /* that have passed */
	uint64_t cut_at;   /* 0: never */
	bool is_off, keeps_unflushed;

	/* Faults. */
	struct extent bad;  /* blocks whose reads and writes fail */
	bool keys_live;	    /* no key slot can be destroyed */
	uint64_t fail_save; /* the nth save from now fails with -ENOSPC */
	uint64_t leave_at;  /* the nth write from now finds the drive gone; back when
			       it is opened again */
	bool has_left, stays_away;

	uint64_t keys_destroyed, intakes, changes_seen, writes;
};

void decommission_rig_make(struct decommission_rig *rig, enum simdrive_kind kind,
	const struct simdrive_options *options);
/* The same without any command: INTERFACE_BLOCK. */
void decommission_rig_make_block(
	struct decommission_rig *rig, const struct simdrive_options *options);
void decommission_rig_unmake(struct decommission_rig *rig);

int decommission_rig_run(struct decommission_rig *rig);
/* After a cut: power again, after so long, and the record as it is durable. */
void decommission_rig_boot(struct decommission_rig *rig, uint32_t off_ms);

/* Of the medium, hidden areas too: sectors of 512 bytes. */
uint64_t decommission_rig_secrets(struct decommission_rig *rig);
uint64_t decommission_rig_showing(struct decommission_rig *rig, uint8_t byte);
uint64_t decommission_rig_sectors(struct decommission_rig *rig);

#endif
