/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore_destroy.c - keys die first: every key slot goes, and the medium is asked whether it did
 *
 * libcryptsetup writes random bytes over a slot's area when it removes the slot.  What the area
 * held is read before, and again after the flush, past the page cache where the medium allows:
 * a sector that still reads as it did is key material that is still there.
 */
#include "base/bytes.h"
#include "base/io.h"
#include "keystore/keystore_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AREA_BYTES_MAX (16u << 20)

struct area {
	struct extent at; /* in blocks of the medium */
	uint8_t *before;  /* owned */
	size_t bytes;
};

static int find_area(const struct keystore *keystore, int slot, struct area *area)
{
	uint32_t block_bytes = blockdev_block_bytes(keystore->medium);
	uint64_t offset, length, end;
	int r;

	r = crypt_keyslot_area(keystore->cd, slot, &offset, &length);
	if (r < 0)
		return r;
	if (length == 0 || length > AREA_BYTES_MAX)
		return -EBADMSG;
	end = bytes_align_up(offset + length, block_bytes);
	area->at.first = offset / block_bytes;
	area->at.count = end / block_bytes - area->at.first;
	area->bytes = (size_t)(area->at.count * block_bytes);
	return 0;
}

static int read_area(const struct keystore *keystore, const struct area *area, uint8_t **ret_bytes)
{
	_cleanup_free_ void *buf = NULL;
	int r;

	r = io_alloc(area->bytes, &buf);
	if (r >= 0)
		r = blockdev_read(keystore->medium, area->at, buf, area->bytes);
	if (r < 0)
		return r;
	*ret_bytes = buf;
	buf = NULL;
	return 0;
}

/* Sectors that read as before; a run of one byte is no key. */
static size_t count_same(const uint8_t *before, const uint8_t *after, size_t bytes)
{
	size_t same = 0;

	for (size_t at = 0; at < bytes; at += KEYSTORE_SECTOR_BYTES) {
		if (memcmp(before + at, after + at, KEYSTORE_SECTOR_BYTES) == 0 &&
			!bytes_are_uniform(before + at, KEYSTORE_SECTOR_BYTES))
			same++;
	}
	return same;
}

static int destroy_slot(struct keystore *keystore, int slot, struct problem *reterr_problem)
{
	_cleanup_free_ uint8_t *before = NULL, *after = NULL;
	struct area area;
	size_t same;
	int r;

	r = find_area(keystore, slot, &area);
	if (r >= 0)
		r = read_area(keystore, &area, &before);
	if (r < 0)
		return problem_set(reterr_problem, r, "%s: key slot %d cannot be read: %s",
			keystore->path, slot, strerror(-r));
	keystore->last_error[0] = '\0';
	r = crypt_keyslot_destroy(keystore->cd, slot);
	if (r < 0)
		return keystore_explain(
			keystore, r, "a key slot could not be destroyed", reterr_problem);
	r = keystore_sync(keystore, reterr_problem);
	if (r < 0)
		return r;
	r = read_area(keystore, &area, &after);
	if (r < 0)
		return problem_set(reterr_problem, r,
			"%s: whether key slot %d is gone from the medium cannot be read back: %s",
			keystore->path, slot, strerror(-r));
	same = count_same(before, after, area.bytes);
	if (same > 0)
		return problem_set(reterr_problem, -EIO,
			"%s: %zu sectors of key slot %d read as before, after they were written "
			"over; the medium does not do what it is told: destroy it",
			keystore->path, same, slot);
	return 0;
}

int keystore_destroy(
	struct keystore *keystore, unsigned int *ret_slots, struct problem *reterr_problem)
{
	unsigned int slots = 0;
	int r = 0;

	for (int slot = 0; slot < KEYSTORE_SLOTS_MAX && r >= 0; slot++) {
		if (crypt_keyslot_status(keystore->cd, slot) <= CRYPT_SLOT_INACTIVE)
			continue;
		r = destroy_slot(keystore, slot, reterr_problem);
		slots += r >= 0;
	}
	if (r >= 0)
		*ret_slots = slots;
	return r;
}
