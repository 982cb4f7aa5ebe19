/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmc_registers.h - what an eMMC's registers say; pure
 *
 * EXT_CSD carries no checksum: all of one byte, or a revision of none is -EBADMSG.  CID and CSD
 * carry one each (CRC7), and are -EBADMSG without it.
 * Source: JESD84-B51 (CID, CSD, EXT_CSD, R1); EXT_CSD's numbers are little-endian, CID and CSD have
 * their highest bit first.
 */
#ifndef SPOOLGUARD_DRIVES_MMC_REGISTERS_H
#define SPOOLGUARD_DRIVES_MMC_REGISTERS_H

#include "drives/facts.h"

#define MMC_EXT_CSD_BYTES 512u
#define MMC_SECTOR_BYTES  512u

struct mmc_extended {
	uint8_t revision;
	uint64_t bytes; /* of the user area; 0: CSD tells it, as of small ones */
	uint32_t logical_bytes;
	uint64_t erase_group_bytes; /* 0: not told here */
	bool counts_sectors;	    /* addresses are sectors, not bytes */
	bool secure_erase, trim, sanitize;
	uint8_t selected;    /* which partition commands go to; 0: the user area */
	uint64_t boot_bytes; /* of each of two */
	uint64_t rpmb_bytes, general_bytes;
	char firmware[FACTS_TEXT_BYTES];
	bool health_known, healthy;
	char health[FACTS_WHY_BYTES];
};

must_check int mmc_extended_decode(
	const uint8_t *page, size_t bytes, struct mmc_extended *ret_extended);
/* What must not differ between two readings. */
bool mmc_extended_agree(const uint8_t once[static MMC_EXT_CSD_BYTES],
	const uint8_t twice[static MMC_EXT_CSD_BYTES]);

struct mmc_card {
	char vendor[FACTS_TEXT_BYTES], model[FACTS_TEXT_BYTES], serial[FACTS_TEXT_BYTES];
	bool write_protected;
};

must_check int mmc_card_decode(const struct mmc_registers *registers, struct mmc_card *ret_card);
uint8_t mmc_crc7(const uint8_t *data, size_t bytes);

/* R1, the answer to most commands. */
#define MMC_R1_ERRORS 0xfdffa080u
static inline bool mmc_is_ready(uint32_t response)
{
	return (response >> 9 & 0xf) == 4 && (response >> 8 & 1); /* transfer state */
}

#endif
