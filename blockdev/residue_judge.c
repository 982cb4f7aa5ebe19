/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_judge.c - whether the map may be believed, and what becomes of it if not
 *
 * Nothing is erased before the map is trusted; UNKNOWN blocks are erased and become
 * CLEAN only after a sweep has judged them.
 */
#include "blockdev/residue_impl.h"
#include <errno.h>
#include <string.h>

void residue_allow_unknown_discards(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	residue->unknown_discards_allowed = true;
	pthread_mutex_unlock(&residue->lock);
}

void residue_trust(struct residue *residue)
{
	pthread_mutex_lock(&residue->lock);
	residue->trusted = true;
	pthread_mutex_unlock(&residue->lock);
}

bool residue_is_trusted(struct residue *residue)
{
	bool trusted;

	pthread_mutex_lock(&residue->lock);
	trusted = residue->trusted;
	pthread_mutex_unlock(&residue->lock);
	return trusted;
}

int residue_settle_unknown(struct residue *residue)
{
	int r;

	/* What was written to UNKNOWN blocks is durable before they are LIVE (M3). */
	r = residue_commit(residue, true);
	if (r < 0)
		return r;
	pthread_mutex_lock(&residue->lock);
	for (uint64_t b = 0; b < residue->blocks; b++) {
		const struct page_info *page = page_of(residue, b);
		enum block_state state = state_of(residue, b);

		if (page->counts[STATE_UNKNOWN] + page->counts[STATE_UNKNOWN_CLEAN] == 0)
			b = last_of_page(residue, b);
		else if (state == STATE_UNKNOWN || state == STATE_UNKNOWN_CLEAN)
			residue_set_state(residue, b, STATE_LIVE);
	}
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}

static enum block_state distrusted(enum block_state state)
{
	switch (state) {
	case STATE_CLEAN:
	case STATE_CLEARED:
	case STATE_OPENING:
	case STATE_MARKED:
	case STATE_OPEN:
	case STATE_SUSPECT:
	case STATE_UNKNOWN_CLEAN:
		return STATE_UNKNOWN_CLEAN;
	case STATE_ERASING: /* the passes are on their way: nobody writes there before they end */
		return STATE_ERASING;
	default:
		return STATE_UNKNOWN;
	}
}

int residue_distrust(struct residue *residue)
{
	struct range_holder holder;

	if (residue->parts.read_only)
		return -EROFS;
	range_lock_exclusive(
		&residue->ranges, (struct extent){0, residue->blocks}, &holder); /* M1 */
	pthread_mutex_lock(&residue->lock);
	for (uint64_t b = 0; b < residue->blocks; b++)
		residue_set_state(residue, b, distrusted(state_of(residue, b)));
	for (size_t i = 0; i < PREMARK_WINDOWS; i++)
		residue->windows[i].run.count = 0;
	residue->unknown_discards_allowed = false;
	residue->sweep_owed = true;
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	range_lock_release(&residue->ranges, &holder);
	return residue_commit(residue, false);
}

void residue_get_fingerprint(
	struct residue *residue, uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	pthread_mutex_lock(&residue->lock);
	memcpy(ret_fingerprint, residue->fingerprint, RESIDUE_FINGERPRINT_BYTES);
	pthread_mutex_unlock(&residue->lock);
}

void residue_set_fingerprint(
	struct residue *residue, const uint8_t fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	pthread_mutex_lock(&residue->lock);
	memcpy(residue->fingerprint, fingerprint, RESIDUE_FINGERPRINT_BYTES);
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
}

static int set_flag(struct residue *residue, bool *flag, bool value)
{
	if (residue->parts.read_only)
		return -EROFS;
	pthread_mutex_lock(&residue->lock);
	*flag = value;
	residue->volume_dirty = true;
	pthread_mutex_unlock(&residue->lock);
	return residue_commit(residue, false);
}

bool residue_is_sweep_owed(struct residue *residue)
{
	bool owed;

	pthread_mutex_lock(&residue->lock);
	owed = residue->sweep_owed;
	pthread_mutex_unlock(&residue->lock);
	return owed;
}

int residue_set_sweep_owed(struct residue *residue, bool owed)
{
	return set_flag(residue, &residue->sweep_owed, owed);
}

int residue_set_filesystem_expected(struct residue *residue, bool expected)
{
	int r;

	/* Into both slots (V1): with an older one the map would be trusted too early. */
	r = set_flag(residue, &residue->filesystem_expected, expected);
	return r < 0 ? r : set_flag(residue, &residue->filesystem_expected, expected);
}
