/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_trust.c - may the map be acted on, where nobody mounts the volume on this host?
 */
#include "base/io.h"
#include "blockdev/ext4_fingerprint.h"
#include "volume/engine_impl.h"
#include <string.h>

/* What the file system's superblock looks like now; without one: zeros, as in an empty block. */
static int fingerprint_now(
	struct engine *engine, uint8_t ret_fingerprint[static RESIDUE_FINGERPRINT_BYTES])
{
	_cleanup_free_ void *block = NULL;
	int r;

	r = io_alloc(BLOCK_BYTES, &block);
	if (r >= 0)
		r = engine_read(engine, (struct extent){0, 1}, block);
	if (r >= 0 && !ext4_fingerprint(block, ret_fingerprint))
		memset(ret_fingerprint, 0, RESIDUE_FINGERPRINT_BYTES);
	return r;
}

int engine_settle_trust(struct engine *engine, bool *ret_foreign_writes)
{
	uint8_t then[RESIDUE_FINGERPRINT_BYTES], now[RESIDUE_FINGERPRINT_BYTES] = {0};
	bool is_foreign;
	int r;

	*ret_foreign_writes = false;
	if (!engine->residue || engine->info.read_only)
		return 0;
	r = fingerprint_now(engine, now);
	if (r < 0)
		return r;
	residue_get_fingerprint(engine->residue, then);
	is_foreign =
		engine->info.opened.filesystem_expected && memcmp(now, then, sizeof(then)) != 0;
	if (is_foreign)
		r = residue_distrust(engine->residue);
	if (r < 0)
		return r;
	engine_trust(engine);
	*ret_foreign_writes = is_foreign;
	return 0;
}
