/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/ata_identify.h"
#include "base/bytes.h"
#include "drives/drives_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
	/* words */
	GENERAL = 0,
	SERIAL = 10,
	FIRMWARE = 23,
	MODEL = 27,
	TRUSTED = 48,
	SANITIZE = 59,
	SECTORS = 60,
	ADDITIONAL = 69,
	COMMANDS = 82,
	COMMANDS_2 = 83,
	ENABLED = 85,
	ENABLED_3 = 87,
	ERASE_TIME = 89,
	ENHANCED_ERASE_TIME = 90,
	EXTENDED_SECTORS = 100,
	SECTOR_SIZE = 106,
	WWN = 108,
	LOGICAL_WORDS = 117,
	COMMANDS_4 = 119,
	SECURITY = 128,
	ROTATION = 217,
	CONFIGURED_SECTORS = 3, /* of DEVICE CONFIGURATION IDENTIFY: the highest address */

	SERIAL_BYTES = 20,
	MODEL_BYTES = 40,
	FIRMWARE_BYTES = 8,
	SIGNATURE_AT = 510,
	SIGNATURE = 0xa5,
	SECTOR_BYTES = 512,
	SECTOR_BYTES_MAX = 1 << 16,
	NO_ROTATION = 1,
	LEAST_RPM = 0x401,
	MINUTES_EACH = 2,
};

static uint16_t word(const uint8_t *page, unsigned int at)
{
	return bytes_get_le16(page + (size_t)2 * at);
}

static bool has_bit(uint16_t value, unsigned int bit)
{
	return value >> bit & 1;
}

static bool is_marked(uint16_t value)
{
	return value >> 14 == 1;
}

static bool is_whole(const uint8_t *page, size_t bytes)
{
	uint8_t sum = 0;

	if (bytes < ATA_PAGE_BYTES || bytes_are_uniform(page, ATA_PAGE_BYTES))
		return false;
	for (size_t i = 0; i < ATA_PAGE_BYTES; i++)
		sum = (uint8_t)(sum + page[i]);
	return page[SIGNATURE_AT] != SIGNATURE || sum == 0;
}

/* Two letters in each word, the first in its upper half. */
static void take_text(
	const uint8_t *page, unsigned int at, size_t bytes, char ret_text[static FACTS_TEXT_BYTES])
{
	uint8_t field[MODEL_BYTES];

	for (size_t i = 0; i < bytes; i++)
		field[i] = page[(size_t)2 * at + (i ^ 1)];
	facts_text(ret_text, field, bytes);
}

static void take_geometry(const uint8_t *page, struct ata_identity *identity)
{
	uint16_t size = word(page, SECTOR_SIZE);
	uint64_t logical = SECTOR_BYTES;

	identity->extended =
		is_marked(word(page, COMMANDS_2)) && has_bit(word(page, COMMANDS_2), 10);
	identity->sectors = identity->extended ? bytes_get_le64(page + (size_t)2 * EXTENDED_SECTORS)
					       : bytes_get_le32(page + (size_t)2 * SECTORS);
	if (is_marked(size) && has_bit(size, 12))
		logical = (uint64_t)bytes_get_le32(page + (size_t)2 * LOGICAL_WORDS) * 2;
	if (logical < SECTOR_BYTES || logical > SECTOR_BYTES_MAX || logical % SECTOR_BYTES != 0 ||
		identity->sectors > UINT64_C(1) << 48)
		return;
	identity->logical_bytes = identity->physical_bytes = (uint32_t)logical;
	if (is_marked(size) && has_bit(size, 13) && (size & 0xf) < 8)
		identity->physical_bytes <<= size & 0xf;
}

static void take_medium(const uint8_t *page, struct ata_identity *identity)
{
	uint16_t rotation = word(page, ROTATION), zoned = word(page, ADDITIONAL) & 3;

	identity->rotation_known =
		rotation == NO_ROTATION || (rotation >= LEAST_RPM && rotation < 0xffff);
	if (identity->rotation_known && rotation != NO_ROTATION)
		identity->rotation_rpm = rotation;
	identity->zoned = zoned == 1 || zoned == 2;
	if (is_marked(word(page, ENABLED_3)) && has_bit(word(page, ENABLED_3), 8) &&
		word(page, WWN) != 0)
		snprintf(identity->wwn, sizeof(identity->wwn), "naa.%04x%04x%04x%04x",
			word(page, WWN), word(page, WWN + 1), word(page, WWN + 2),
			word(page, WWN + 3));
}

static void take_features(const uint8_t *page, struct ata_identity *identity)
{
	uint16_t first = word(page, COMMANDS), second = word(page, COMMANDS_2);
	uint16_t sanitize = word(page, SANITIZE), fourth = word(page, COMMANDS_4);

	identity->sanitize = has_bit(sanitize, 12);
	identity->sanitize_crypto = identity->sanitize && has_bit(sanitize, 13);
	identity->sanitize_overwrite = identity->sanitize && has_bit(sanitize, 14);
	identity->sanitize_block = identity->sanitize && has_bit(sanitize, 15);
	identity->trusted = is_marked(word(page, TRUSTED)) && has_bit(word(page, TRUSTED), 0);
	identity->ama = is_marked(fourth) && has_bit(fourth, 8);
	if (!is_marked(second))
		return;
	identity->smart = has_bit(first, 0) && has_bit(word(page, ENABLED), 0);
	identity->security = has_bit(first, 1);
	identity->hpa = has_bit(first, 10);
	identity->dco = has_bit(second, 11);
}

static uint64_t erase_seconds(uint16_t value)
{
	uint64_t minutes = has_bit(value, 15) ? value & 0x7fff : value & 0xff;

	return minutes * MINUTES_EACH * 60;
}

static void take_security(const uint8_t *page, struct ata_identity *identity)
{
	uint16_t state = word(page, SECURITY);

	/* Both words say it, or it is not so. */
	identity->security = identity->security && has_bit(state, 0);
	if (!identity->security)
		return;
	identity->enabled = has_bit(state, 1) || has_bit(word(page, ENABLED), 1);
	identity->locked = has_bit(state, 2);
	identity->frozen = has_bit(state, 3);
	identity->count_expired = has_bit(state, 4);
	identity->enhanced = has_bit(state, 5);
	identity->erase_s = erase_seconds(word(page, ERASE_TIME));
	identity->enhanced_erase_s = erase_seconds(word(page, ENHANCED_ERASE_TIME));
}

int ata_identity_decode(const uint8_t *page, size_t bytes, struct ata_identity *ret_identity)
{
	struct ata_identity identity = {0};

	if (!is_whole(page, bytes) || has_bit(word(page, GENERAL), 15))
		return -EBADMSG;
	identity.has_checksum = page[SIGNATURE_AT] == SIGNATURE;
	take_text(page, SERIAL, SERIAL_BYTES, identity.serial);
	take_text(page, MODEL, MODEL_BYTES, identity.model);
	take_text(page, FIRMWARE, FIRMWARE_BYTES, identity.firmware);
	take_geometry(page, &identity);
	take_medium(page, &identity);
	take_features(page, &identity);
	take_security(page, &identity);
	/* A drive of no sectors, or of impossible ones, is no answer. */
	if (identity.sectors == 0 || identity.logical_bytes == 0)
		return -EBADMSG;
	*ret_identity = identity;
	return 0;
}

int ata_configuration_decode(const uint8_t *page, size_t bytes, uint64_t *ret_sectors)
{
	uint64_t highest;

	if (!is_whole(page, bytes) || page[SIGNATURE_AT] != SIGNATURE)
		return -EBADMSG;
	highest = bytes_get_le64(page + (size_t)2 * CONFIGURED_SECTORS);
	if (highest == 0 || highest >= UINT64_C(1) << 48)
		return -EBADMSG;
	*ret_sectors = highest + 1;
	return 0;
}
