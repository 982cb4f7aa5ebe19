/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_state.h - what is known of one block, in memory and on the medium
 *
 * In memory (enum block_state) a state also says how far a change has come; on
 * the medium (enum block_code) only what must survive is kept.  "Recorded" below
 * means: in every image of the page that could survive a crash.
 *
 *  state            medium holds            reads     recorded as
 *  CLEAN            no job data             zeros     perhaps CLEAN
 *  CLEARED          no job data (passes     zeros     anything but CLEAN
 *                   durable, read back)
 *  OPENING          no job data             zeros     perhaps CLEAN; OPEN is wanted
 *  MARKED           no job data             zeros     OPEN is written, not yet flushed
 *  OPEN             no job data, or a       zeros     anything but CLEAN
 *                   write in flight
 *  WRITTEN          data, perhaps volatile  decrypt   anything but CLEAN
 *  FLUSHING         data; a flush that      decrypt   anything but CLEAN
 *                   began later is running
 *  LIVE             durable data            decrypt   LIVE, or about to be
 *  FRESH            may hold job data;      zeros     anything but CLEAN
 *                   freed in this attach
 *  RESIDUE          may hold job data       zeros     anything but CLEAN
 *  SUSPECT          was clean, perhaps      zeros     OPEN or UNKNOWN_CLEAN
 *                   written before a crash,
 *                   or no room for a write
 *  ERASING          passes are running      zeros     RESIDUE (durable before pass 1)
 *  UNKNOWN          anything                decrypt   UNKNOWN
 *  UNKNOWN_CLEAN    was clean before        decrypt   UNKNOWN_CLEAN
 *                   somebody else wrote
 */
#ifndef SPOOLGUARD_BLOCKDEV_BLOCK_STATE_H
#define SPOOLGUARD_BLOCKDEV_BLOCK_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum block_state {
	STATE_UNKNOWN, /* zero: memory that nobody filled claims nothing */
	STATE_UNKNOWN_CLEAN,
	STATE_CLEAN,
	STATE_CLEARED,
	STATE_OPENING,
	STATE_MARKED,
	STATE_OPEN,
	STATE_WRITTEN,
	STATE_FLUSHING,
	STATE_LIVE,
	STATE_FRESH,
	STATE_RESIDUE,
	STATE_SUSPECT,
	STATE_ERASING,
	STATE_COUNT
};

/* Four bits a block in a map page (docs/ONDISK.md); codes not named are refused. */
enum block_code {
	CODE_UNKNOWN = 1,
	CODE_CLEAN = 2,
	CODE_OPEN = 3, /* was clean; a first write may have reached the medium */
	CODE_LIVE = 4,
	CODE_RESIDUE = 5,
	CODE_UNKNOWN_CLEAN = 6,
};

enum block_code block_state_to_code(enum block_state state);
/* False if code is none. */
bool block_state_from_code(uint8_t code, enum block_state *ret_state);

static inline bool block_state_has_data(enum block_state s)
{
	return s == STATE_UNKNOWN || s == STATE_UNKNOWN_CLEAN || s == STATE_WRITTEN ||
	       s == STATE_FLUSHING || s == STATE_LIVE;
}

/* Owed passes, or being paid: a write must wait. */
static inline bool block_state_is_owed(enum block_state s)
{
	return s == STATE_FRESH || s == STATE_RESIDUE || s == STATE_SUSPECT || s == STATE_ERASING;
}

#endif
