/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/mmc_registers.h"
#include "base/bytes.h"
#include "drives/drives_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	/* EXT_CSD */
	DATA_SECTOR_SIZE = 61,
	GENERAL_SIZES = 143, /* four times three bytes */
	GENERAL_SIZES_BYTES = 12,
	RPMB_SIZE = 168,
	GROUP_DEFINITION = 175,
	PARTITION_CONFIG = 179,
	REVISION = 192,
	SECTOR_COUNT = 212,
	PROTECT_GROUP = 221,
	ERASE_GROUP = 224,
	BOOT_SIZE = 226,
	SECURE_FEATURES = 231,
	FIRMWARE = 254,
	FIRMWARE_BYTES = 8,
	PRE_END_OF_LIFE = 267,
	LIFE_A = 268,
	LIFE_B = 269,

	REVISION_MAX = 16,
	REVISION_4_41 = 5, /* its oldest sizes of partitions */
	REVISION_4_5 = 6,
	REVISION_5_0 = 7, /* health, firmware */
	SMALL_UNIT = 128 << 10,
	GROUP_UNIT = 512 << 10,
	LIFE_EXCEEDED = 0xb,

	/* CID, CSD */
	REGISTER_BYTES = 16,
	MODEL_AT = 3,
	MODEL_BYTES = 6,
	CARD_MODEL_BYTES = 5,
	WRITE_PROTECTED = 3 << 4, /* byte 14: permanent, temporary */
};

#define SECTORS_BY_BYTE_MAX (UINT64_C(1) << 22) /* 2 GiB */

/* --- EXT_CSD --- */

static void take_partitions(const uint8_t *page, struct mmc_extended *extended)
{
	uint64_t groups = 0;

	extended->boot_bytes = (uint64_t)page[BOOT_SIZE] * SMALL_UNIT;
	extended->rpmb_bytes = (uint64_t)page[RPMB_SIZE] * SMALL_UNIT;
	extended->selected = page[PARTITION_CONFIG] & 7;
	for (unsigned int at = 0; at < GENERAL_SIZES_BYTES; at += 3)
		groups += page[GENERAL_SIZES + at] | (uint64_t)page[GENERAL_SIZES + at + 1] << 8 |
			  (uint64_t)page[GENERAL_SIZES + at + 2] << 16;
	extended->general_bytes = groups * page[PROTECT_GROUP] * page[ERASE_GROUP] * GROUP_UNIT;
}

static void take_firmware(const uint8_t *field, struct mmc_extended *extended)
{
	bool is_text = true;
	size_t used = 0;

	for (unsigned int i = 0; i < FIRMWARE_BYTES; i++)
		is_text = is_text && (field[i] == 0 || (field[i] >= ' ' && field[i] <= '~'));
	if (is_text) {
		facts_text(extended->firmware, field, FIRMWARE_BYTES);
		return;
	}
	used = (size_t)snprintf(extended->firmware, sizeof(extended->firmware), "0x");
	for (unsigned int i = 0; i < FIRMWARE_BYTES; i++)
		used += (size_t)snprintf(extended->firmware + used,
			sizeof(extended->firmware) - used, "%02x", field[i]);
}

/* "30 %": at most so much of its life is used. */
static const char *life(uint8_t estimate, char buf[static 16])
{
	if (estimate == 0 || estimate > LIFE_EXCEEDED)
		return "not told";
	if (estimate == LIFE_EXCEEDED)
		return "exceeded";
	snprintf(buf, 16, "up to %u %%", estimate * 10u);
	return buf;
}

static void take_health(const uint8_t *page, struct mmc_extended *extended)
{
	static const char *const ends[] = {"", "normal", "80 % of its reserve is used",
		"90 % of its reserve is used: the end is near"};
	uint8_t end = page[PRE_END_OF_LIFE], a = page[LIFE_A], b = page[LIFE_B];
	char a_text[16], b_text[16];

	if (end == 0 || end >= ARRAY_SIZE(ends) || a > LIFE_EXCEEDED || b > LIFE_EXCEEDED)
		return;
	extended->health_known = true;
	extended->healthy = end == 1 && a < LIFE_EXCEEDED && b < LIFE_EXCEEDED;
	snprintf(extended->health, sizeof(extended->health),
		"reserve: %s; life used: type A %s, type B %s", ends[end], life(a, a_text),
		life(b, b_text));
}

int mmc_extended_decode(const uint8_t *page, size_t bytes, struct mmc_extended *ret_extended)
{
	struct mmc_extended extended = {.logical_bytes = MMC_SECTOR_BYTES};
	uint64_t sectors;

	if (bytes < MMC_EXT_CSD_BYTES || bytes_are_uniform(page, MMC_EXT_CSD_BYTES) ||
		page[REVISION] > REVISION_MAX || page[DATA_SECTOR_SIZE] > 1)
		return -EBADMSG;
	extended.revision = page[REVISION];
	sectors = bytes_get_le32(page + SECTOR_COUNT);
	extended.bytes = sectors * MMC_SECTOR_BYTES;
	extended.counts_sectors = sectors > SECTORS_BY_BYTE_MAX;
	if (page[DATA_SECTOR_SIZE] == 1)
		extended.logical_bytes = 4096;
	if (page[GROUP_DEFINITION] & 1)
		extended.erase_group_bytes = (uint64_t)page[ERASE_GROUP] * GROUP_UNIT;
	if (extended.revision >= REVISION_4_41) {
		extended.secure_erase = page[SECURE_FEATURES] & 1 << 0;
		extended.trim = page[SECURE_FEATURES] & 1 << 4;
		take_partitions(page, &extended);
	}
	if (extended.revision >= REVISION_4_5)
		extended.sanitize = page[SECURE_FEATURES] & 1 << 6;
	if (extended.revision >= REVISION_5_0) {
		take_firmware(page + FIRMWARE, &extended);
		take_health(page, &extended);
	}
	*ret_extended = extended;
	return 0;
}

bool mmc_extended_agree(
	const uint8_t once[static MMC_EXT_CSD_BYTES], const uint8_t twice[static MMC_EXT_CSD_BYTES])
{
	static const uint16_t fields[][2] = {{DATA_SECTOR_SIZE, 1},
		{GENERAL_SIZES, GENERAL_SIZES_BYTES}, {RPMB_SIZE, 1}, {GROUP_DEFINITION, 1},
		{PARTITION_CONFIG, 1}, {REVISION, 1}, {SECTOR_COUNT, 4}, {PROTECT_GROUP, 1},
		{ERASE_GROUP, 1}, {BOOT_SIZE, 1}, {SECURE_FEATURES, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (memcmp(once + fields[i][0], twice + fields[i][0], fields[i][1]) != 0)
			return false;
	return true;
}

/* --- CID and CSD --- */

uint8_t mmc_crc7(const uint8_t *data, size_t bytes)
{
	uint8_t crc = 0;

	for (size_t i = 0; i < bytes; i++) {
		for (int bit = 7; bit >= 0; bit--) {
			bool carry = (crc >> 6 ^ data[i] >> bit) & 1;

			crc = (uint8_t)(crc << 1 & 0x7f);
			if (carry)
				crc ^= 0x09;
		}
	}
	return crc;
}

/*
 * Host controllers that check the CRC themselves do not hand it on: the system then shows zeros
 * there.
 */
static bool is_whole(const uint8_t *data)
{
	return !bytes_are_uniform(data, REGISTER_BYTES - 1) &&
	       (data[REGISTER_BYTES - 1] <= 1 ||
		       data[REGISTER_BYTES - 1] >> 1 == mmc_crc7(data, REGISTER_BYTES - 1));
}

int mmc_card_decode(const struct mmc_registers *registers, struct mmc_card *ret_card)
{
	const uint8_t *cid = registers->cid;
	size_t model_bytes = registers->is_emmc ? MODEL_BYTES : CARD_MODEL_BYTES;
	const uint8_t *serial = cid + MODEL_AT + model_bytes + 1; /* behind the revision */
	struct mmc_card card = {0};

	if (!is_whole(cid) || !is_whole(registers->csd))
		return -EBADMSG;
	snprintf(card.vendor, sizeof(card.vendor), "MID %02xh", cid[0]);
	facts_text(card.model, cid + MODEL_AT, model_bytes);
	snprintf(card.serial, sizeof(card.serial), "0x%02x%02x%02x%02x", serial[0], serial[1],
		serial[2], serial[3]);
	card.write_protected = registers->csd[14] & WRITE_PROTECTED;
	*ret_card = card;
	return 0;
}
