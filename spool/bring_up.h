/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bring_up.h - from an attached volume to a mounted spool whose map can be trusted
 *
 *   clean, fingerprint as recorded -> trusted -> mounted
 *   otherwise: written by somebody else? -> the whole map is UNKNOWN
 *     -> mounted privately (journal replayed), unmounted -> e2fsck -fn clean, or nothing is
 *        erased -> mounted privately -> FITRIM: what is free is recorded as owed
 *     -> what is still UNKNOWN is owned: LIVE -> moved into place
 *
 * What is owed is recorded before anybody can use the spool, and paid while it is used
 * (every write waits for its own blocks: P4).
 */
#ifndef SPOOLGUARD_SPOOL_BRING_UP_H
#define SPOOLGUARD_SPOOL_BRING_UP_H

#include "base/problem.h"
#include "spool/free_space.h"
#include "spool/port.h"

struct bring_up_options {
	const char *device;	   /* "/dev/loop3" */
	const char *mount_point;   /* NULL: the device alone is wanted; else sealed (mount.h) */
	const char *private_point; /* an empty directory for the private mount */
	uint64_t blocks;	   /* of the volume, 4096 bytes each */
	bool read_only;
	bool managed;
	/* From the volume: */
	bool was_unclean;
	bool sweep_owed;
	bool filesystem_expected;
	uint64_t damaged_pages;
};

struct bring_up_report {
	bool has_filesystem;
	bool foreign_writes; /* somebody else wrote since the last detach, or that cannot be
				excluded */
	bool swept;
	bool sweep_owed; /* still: without a mount nobody can say what is free */
	struct free_space_report free_space;
	struct problem warning; /* of a file system that is accepted; empty: none */
};

/*
 * -EMEDIUMTYPE: no ext4; what ext4_check_superblock refuses; -EUCLEAN: e2fsck finds it damaged
 * (nothing was erased); what mounting says.  On failure nothing stays mounted.
 */
must_check int bring_up(const struct spool_port *port, const struct bring_up_options *options,
	struct bring_up_report *ret_report, struct problem *reterr_problem);

#endif
