/* SPDX-License-Identifier: Apache-2.0 */
#include "blockdev/block_state.h"
#include "base/mutant.h"
#include <assert.h>
#include <stdlib.h>

enum block_code block_state_to_code(enum block_state state)
{
	switch (state) {
	case STATE_UNKNOWN:
		return CODE_UNKNOWN;
	case STATE_UNKNOWN_CLEAN:
		return CODE_UNKNOWN_CLEAN;
	case STATE_CLEAN:
	case STATE_CLEARED:
		return CODE_CLEAN;
	case STATE_OPENING:
	case STATE_MARKED:
	case STATE_OPEN:
	case STATE_WRITTEN:
	case STATE_FLUSHING:
	case STATE_SUSPECT:
		return CODE_OPEN;
	case STATE_LIVE:
		return CODE_LIVE;
	case STATE_FRESH:
	case STATE_RESIDUE:
	case STATE_ERASING:
		return CODE_RESIDUE;
	case STATE_COUNT:
		break;
	}
	abort();
}

bool block_state_from_code(uint8_t code, enum block_state *ret_state)
{
	switch (code) {
	case CODE_UNKNOWN:
		*ret_state = STATE_UNKNOWN;
		return true;
	case CODE_UNKNOWN_CLEAN:
		*ret_state = STATE_UNKNOWN_CLEAN;
		return true;
	case CODE_CLEAN:
		*ret_state = STATE_CLEAN;
		return true;
	case CODE_OPEN:
		*ret_state = mutant_is(MUTANT_OPEN_IS_CLEAN) ? STATE_CLEAN : STATE_SUSPECT;
		return true;
	case CODE_LIVE:
		*ret_state = STATE_LIVE;
		return true;
	case CODE_RESIDUE:
		*ret_state = STATE_RESIDUE;
		return true;
	default:
		return false;
	}
}
