/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ata_identify.h - what an ATA drive's pages say; pure
 *
 * A page that is cut, all of one byte, whose checksum (word 255) is wrong, or that is no ATA
 * drive's, is -EBADMSG: nothing of it is known.  A group of words that carries marks of being valid
 * (bits 15:14 are 01b) is not believed without them.
 * Source: ACS-4 7.12 (IDENTIFY DEVICE), ACS-3 7.4 (DEVICE CONFIGURATION IDENTIFY); little-endian.
 */
#ifndef SPOOLGUARD_DRIVES_ATA_IDENTIFY_H
#define SPOOLGUARD_DRIVES_ATA_IDENTIFY_H

#include "drives/facts.h"

#define ATA_PAGE_BYTES 512u

struct ata_identity {
	char serial[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], firmware[FACTS_TEXT_BYTES];
	char wwn[FACTS_TEXT_BYTES];
	bool has_checksum;
	bool extended; /* 48-bit addresses */
	uint64_t sectors;
	uint32_t logical_bytes, physical_bytes;
	bool rotation_known;
	uint32_t rotation_rpm;
	bool zoned;
	bool hpa, dco, ama; /* the feature sets: not that something is hidden */
	bool smart, trusted;
	bool sanitize, sanitize_crypto, sanitize_block, sanitize_overwrite;
	bool security, enabled, locked, frozen, count_expired, enhanced;
	uint64_t erase_s, enhanced_erase_s; /* 0: not said */
};

must_check int ata_identity_decode(
	const uint8_t *page, size_t bytes, struct ata_identity *ret_identity);
/* How many sectors the drive would have without a device configuration overlay. */
must_check int ata_configuration_decode(const uint8_t *page, size_t bytes, uint64_t *ret_sectors);

#endif
