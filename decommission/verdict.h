/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - Clear, Purge or neither: what was done to a drive, in the standards' terms
 *
 * A pure function of the record: the best of what each means achieved.  Sources by interface stand
 * in verdict.c; what a method can reach on a medium is target_promise()'s table.
 *
 *   the drive's own method   Purge or Clear by kind and medium, if the drive says that it ended
 *                            well and the witness found that every block that held data changed
 *   the overwrite            what the medium promises (blockdev/drive.h): Clear on a disk, neither
 *                            on flash; and only if every block of the drive took every pass and
 *                            what was read back agreed
 *   cryptographic erase of   "performed, not claimed": the module is not validated; and what else
 *   our volumes              speaks against it (backups, a medium filled before, flash) is said
 *
 *   V1  Never more than was done; what was not seen counts as not done.  A part that is hidden or
 *       locked makes every means "neither".
 *   V2  A hit of the search makes every means "neither"; a survivor among the witnesses, everything
 *       that rests on the drive's word, all its methods.  The overwrite rests on its read-back.
 *   V3  What remains uncertain is listed: sectors that were refused, hidden areas, over-provisioned
 *       flash, a lying drive's possibilities, other namespaces, boot partitions, header backups.
 */
#ifndef SPOOLGUARD_DECOMMISSION_VERDICT_H
#define SPOOLGUARD_DECOMMISSION_VERDICT_H

#include "decommission/record.h"

#define VERDICT_OPEN_MAX 24

struct verdict_part {
	char means[RECORD_TEXT_BYTES]; /* "NVMe Sanitize, block erase" */
	enum drive_sanitization reached;
	char reason[DRIVE_REASON_BYTES];
	char clause[DRIVE_TEXT_BYTES]; /* only what facts say is verified */
};

struct verdict {
	enum drive_sanitization reached;
	char means[RECORD_TEXT_BYTES]; /* by which part; "": none */
	char reason[DRIVE_REASON_BYTES];
	struct verdict_part parts[RECORD_METHODS_MAX + 2];
	size_t part_count;
	char open[VERDICT_OPEN_MAX]
		 [RECORD_LINE_BYTES]; /* what remains uncertain, a sentence each */
	size_t open_count;
};

void verdict_judge(const struct record *record, struct verdict *ret_verdict);

#endif
