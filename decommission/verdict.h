/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - Clear, Purge or neither: what was done to a drive, in the standards' terms
 *
 * A pure function of the record, SP 800-88r2 3.1 and 3.2, IEEE 2883 by interface (facts that are
 * written down with their sources in verdict.c).  It is the best of what each means achieved:
 *
 *   the drive's own method   Purge or Clear by interface, kind and medium, if the drive says that
 * it ended well, the witness found that every block that held data changed, and nothing that it
 * reaches was left out the overwrite            what the medium promises (blockdev/drive.h): Clear
 * on a disk, neither on flash; and only if every addressable block took every pass and what was
 * read back agreed cryptographic erase of   "performed, not claimed", unless the module is
 * validated, no backup of our volumes              the header exists, nothing lay on the medium
 * before encryption and the wrapped keys were not on flash that was merely overwritten
 *
 *   V1  Never more than was done; what was not seen counts as not done.
 *   V2  A hit of the search, or a survivor among the witnesses, makes it "neither", whatever the
 *       drive said.
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
