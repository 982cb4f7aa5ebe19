/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sanitizing.h - the volume as a plain blockdev for one thread
 *
 * Reads, writes, discards and flushes a residue map; a write to a block that is
 * owed passes erases it first, in the caller's thread.  For mkfs, offline checks
 * and the in-process file system port.  Both are borrowed.
 */
#ifndef SPOOLGUARD_OVERWRITE_SANITIZING_H
#define SPOOLGUARD_OVERWRITE_SANITIZING_H

#include "blockdev/blockdev.h"
#include "blockdev/residue.h"
#include "overwrite/eraser.h"

must_check int sanitizing_new(
	struct residue *residue, struct eraser *eraser, struct blockdev **ret_bd);

#endif
