/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant.h - deliberate defects, to prove that the tests see them
 *
 * "if (!mutant_is(MUTANT_NO_FLUSH_BEFORE_LIVE)) r = blockdev_flush(bd);"
 *
 * In a normal build mutant_is() is constant false and costs nothing.  A build
 * with -DSPOOLGUARD_MUTANTS reads a variable that the crash simulator sets, or
 * that a program sets from SPOOLGUARD_MUTANT in its environment; it is never
 * installed (the Makefile refuses).
 */
#ifndef SPOOLGUARD_BASE_MUTANT_H
#define SPOOLGUARD_BASE_MUTANT_H

#include <stdbool.h>

enum mutant {
	MUTANT_NONE,
	MUTANT_NO_FLUSH_AFTER_PREMARK,	 /* M2 */
	MUTANT_NO_PREMARK,		 /* M2 */
	MUTANT_NO_FLUSH_BEFORE_LIVE,	 /* M3: data not flushed before its page is written */
	MUTANT_LIVE_SET_AFTER_FLUSH,	 /* M3: the set is taken after the data flush */
	MUTANT_NO_FLUSH_AFTER_PAGES,	 /* a flush is acknowledged before its pages are durable */
	MUTANT_NO_RESIDUE_BEFORE_PASS,	 /* M4 */
	MUTANT_NO_FLUSH_BETWEEN_PASSES,	 /* P4 */
	MUTANT_NO_FLUSH_AFTER_LAST_PASS, /* M4 */
	MUTANT_NO_READ_BACK,		 /* M4, P4 */
	MUTANT_SAME_SLOT,		 /* M5: pages do not alternate */
	MUTANT_TRUST_OLDER_SLOT,	 /* M5: a damaged slot is passed over */
	MUTANT_NO_DRAIN_ON_DISCARD,	 /* M1 */
	MUTANT_NO_DRAIN_ON_ERASE,	 /* M1 */
	MUTANT_WRITE_OVER_RESIDUE,	 /* P4 */
	MUTANT_OPEN_IS_CLEAN,		 /* recovery believes a premarked block */
	MUTANT_FAILED_WRITE_IS_CLEAN,	 /* M7 */
	MUTANT_FLUSH_RETRY,		 /* M7: a failed flush does not stop the volume */
	MUTANT_RETIRE_IGNORES_WRITES,	 /* retirement erases a block that changed hands */
	MUTANT_NO_FLUSH_BEFORE_PASS,	 /* M4: RESIDUE is written, not flushed */
	MUTANT_CLOSE_WITHOUT_FLUSH,	 /* the clean mark is not flushed */
	MUTANT_OPEN_WITHOUT_MARK,	 /* an attach leaves the clean mark */
	MUTANT_STUCK_ONE_SLOT,		 /* V1: the list of remapped blocks in one slot only */
	MUTANT_STUCK_NOT_HEALED,	 /* V1: ... and an attach leaves it so after a crash */
	MUTANT_STUCK_NOT_FLUSHED,	 /* a spare carries data before the list says so */
	MUTANT_GROW_ONE_SLOT,		 /* V1: the new size in one slot only */
	MUTANT_GROW_WITHOUT_PAGES,	 /* the new size before its pages are flushed */
	MUTANT_FAILED_MAP_WRITE,	 /* M7: a failed write of a page does not stop the volume */
	MUTANT_NO_DRAIN_ON_CONDEMN,	 /* M1 */
	MUTANT_NO_DRAIN_ON_EVICT,	 /* M1 */
	MUTANT_NO_DRAIN_ON_CLOSE,	 /* M1 */
	MUTANT_READ_WITHOUT_RANGE,	 /* M1 */
	MUTANT_WRITE_WITHOUT_RANGE,	 /* M1 */
	MUTANT_COMMITS_OVERLAP,		 /* a request counts on a commit that began before it */
	MUTANT_GROW_DURING_COMMIT,	 /* the pages move while a commit walks them */
	MUTANT_FORMAT_NOT_FLUSHED,	 /* a format returns before it is durable */
	MUTANT_COUNT, /* of the map and its eraser; those of the redo record follow */

	MUTANT_REDO_NO_FLUSH_BEFORE_HEADER = MUTANT_COUNT, /* J1 */
	MUTANT_REDO_NO_FLUSH_AFTER_HEADER,		   /* J1: applied before it is durable */
	MUTANT_REDO_NO_FLUSH_BEFORE_RETIRE,		   /* J3 */
	MUTANT_REDO_NO_ZEROS_BEFORE,			   /* J2 */
	MUTANT_REDO_END,

	MUTANT_CHECK_DURING_COMMIT = MUTANT_REDO_END, /* a slot is read back while it is written */

	MUTANT_PARTIAL_WRITE_SHARES_ITS_BLOCK, /* N2 of nbd_port.h */

	/* Chosen by scripts, by its name. */
	MUTANT_ERASE_NOTHING, /* "erase-nothing": blocks are called clean, and nothing is written */
};

#ifdef SPOOLGUARD_MUTANTS
extern enum mutant mutant_active;
void mutant_choose_from_environment(void);
static inline bool mutant_is(enum mutant m)
{
	return mutant_active == m;
}
#else
static inline void mutant_choose_from_environment(void)
{
}
static inline bool mutant_is(enum mutant m)
{
	(void)m;
	return false;
}
#endif

#endif
