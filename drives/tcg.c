/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/tcg.h"
#include <errno.h>

enum {
	HEADER_BYTES = 48,
	DESCRIPTOR_BYTES = 4,
	FEATURE_LOCKING = 0x0002,
	LOCKING_ENABLED = 1 << 1,
	LOCKED = 1 << 2,
};

static uint32_t get_be(const uint8_t *at, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static bool is_subsystem(uint32_t feature)
{
	switch (feature) {
	case 0x0100: /* Enterprise */
	case 0x0200: /* Opal 1 */
	case 0x0203: /* Opal 2 */
	case 0x0301: /* Opalite */
	case 0x0302: /* Pyrite 1 */
	case 0x0303: /* Pyrite 2 */
	case 0x0304: /* Ruby */
		return true;
	default:
		return false;
	}
}

int tcg_level_0_decode(const uint8_t *page, size_t bytes, struct tcg_level_0 *ret_discovery)
{
	struct tcg_level_0 discovery = {0};
	uint64_t end, at = HEADER_BYTES;

	if (bytes < HEADER_BYTES)
		return -EBADMSG;
	end = (uint64_t)get_be(page, 4) + 4;
	if (end < HEADER_BYTES || end > bytes || get_be(page + 4, 2) != 0)
		return -EBADMSG;
	while (at < end) {
		uint32_t feature, data_bytes;

		if (end - at < DESCRIPTOR_BYTES)
			return -EBADMSG;
		feature = get_be(page + at, 2);
		data_bytes = page[at + 3];
		if (end - at - DESCRIPTOR_BYTES < data_bytes)
			return -EBADMSG;
		if (is_subsystem(feature))
			discovery.subsystem = true;
		if (feature == FEATURE_LOCKING && data_bytes > 0) {
			uint8_t flags = page[at + DESCRIPTOR_BYTES];

			discovery.locking_enabled = flags & LOCKING_ENABLED;
			discovery.locked = flags & LOCKED;
		}
		at += DESCRIPTOR_BYTES + data_bytes;
	}
	*ret_discovery = discovery;
	return 0;
}
