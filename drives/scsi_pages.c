/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/scsi_pages.h"
#include "base/bytes.h"
#include "drives/drives_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	INQUIRY_BYTES = 36,
	VENDOR_AT = 8,
	MODEL_AT = 16,
	FIRMWARE_AT = 32,
	PAGE_CODE_AT = 1,
	PAGE_LENGTH_AT = 2,
	HEADER_BYTES = 4,
	SERIAL_PAGE = 0x80,
	NAMES_PAGE = 0x83,
	MEDIUM_PAGE = 0xb1,
	BINARY = 1,
	EUI_64 = 2,
	NAA = 3,
	NAME_BYTES = 8,
	LONG_NAME_BYTES = 16,
	CAPACITY_BYTES = 16, /* of 32: as far as it is read */
	SECTOR_BYTES = 512,
	SECTOR_BYTES_MAX = 1 << 16,
	NO_ROTATION = 1,
	LEAST_RPM = 0x401,
	EXCEPTIONS_PAGE = 0x2f,
	EXCEPTIONS_BYTES = 11,
	FAILURE_PREDICTED = 0x5d,
	SUPPORTED = 3, /* as the standard has it */
};

static uint64_t get_be(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

int scsi_inquiry_decode(const uint8_t *page, size_t bytes, struct scsi_inquiry *ret_inquiry)
{
	if (bytes < INQUIRY_BYTES || bytes_are_uniform(page, INQUIRY_BYTES) || page[0] != 0 ||
		page[HEADER_BYTES] + 5 < INQUIRY_BYTES)
		return -EBADMSG;
	facts_text(ret_inquiry->vendor, page + VENDOR_AT, 8);
	facts_text(ret_inquiry->model, page + MODEL_AT, 16);
	facts_text(ret_inquiry->firmware, page + FIRMWARE_AT, 4);
	return 0;
}

/* How long the page is; 0: it is another, or cut. */
static size_t page_bytes(const uint8_t *page, size_t bytes, uint8_t code)
{
	size_t length;

	if (bytes < HEADER_BYTES || page[0] != 0 || page[PAGE_CODE_AT] != code)
		return 0;
	length = HEADER_BYTES + (size_t)get_be(page + PAGE_LENGTH_AT, 2);
	return length <= bytes ? length : 0;
}

int scsi_serial_decode(const uint8_t *page, size_t bytes, char ret_serial[static FACTS_TEXT_BYTES])
{
	size_t length = page_bytes(page, bytes, SERIAL_PAGE);

	if (length <= HEADER_BYTES)
		return -EBADMSG;
	facts_text(ret_serial, page + HEADER_BYTES, length - HEADER_BYTES);
	return 0;
}

static void format_name(
	const uint8_t *name, size_t bytes, const char *kind, char ret_wwn[static FACTS_TEXT_BYTES])
{
	size_t used = (size_t)snprintf(ret_wwn, FACTS_TEXT_BYTES, "%s.", kind);

	for (size_t i = 0; i < bytes; i++)
		used += (size_t)snprintf(ret_wwn + used, FACTS_TEXT_BYTES - used, "%02x", name[i]);
}

/* The drive's own, NAA before EUI-64. */
int scsi_names_decode(const uint8_t *page, size_t bytes, char ret_wwn[static FACTS_TEXT_BYTES])
{
	size_t length = page_bytes(page, bytes, NAMES_PAGE);
	uint8_t best = 0;

	for (size_t at = HEADER_BYTES; at + 4 <= length; at += 4 + (size_t)page[at + 3]) {
		uint8_t type = page[at + 1] & 0xf, size = page[at + 3];
		bool is_own = (page[at + 1] >> 4 & 3) == 0 && (page[at] & 0xf) == BINARY;

		if (at + 4 + size > length)
			return -EBADMSG;
		if (!is_own || (type != NAA && type != EUI_64) || type <= best ||
			(size != NAME_BYTES && size != LONG_NAME_BYTES))
			continue;
		best = type;
		format_name(page + at + 4, size, type == NAA ? "naa" : "eui", ret_wwn);
	}
	return best > 0 ? 0 : -EBADMSG;
}

int scsi_medium_decode(const uint8_t *page, size_t bytes, struct scsi_medium *ret_medium)
{
	uint64_t rotation;

	if (page_bytes(page, bytes, MEDIUM_PAGE) < 9)
		return -EBADMSG;
	rotation = get_be(page + 4, 2);
	*ret_medium = (struct scsi_medium){.zoned = page[8] >> 4 & 3};
	ret_medium->rotation_known =
		rotation == NO_ROTATION || (rotation >= LEAST_RPM && rotation < 0xffff);
	if (ret_medium->rotation_known && rotation != NO_ROTATION)
		ret_medium->rotation_rpm = (uint32_t)rotation;
	return 0;
}

int scsi_capacity_decode(const uint8_t *page, size_t bytes, struct scsi_capacity *ret_capacity)
{
	uint64_t last, logical, whole;

	if (bytes < CAPACITY_BYTES || bytes_are_uniform(page, CAPACITY_BYTES))
		return -EBADMSG;
	last = get_be(page, 8);
	logical = get_be(page + 8, 4);
	if (last == UINT64_MAX || logical < SECTOR_BYTES || logical > SECTOR_BYTES_MAX ||
		bytes_multiply(last + 1, logical, &whole) < 0)
		return -EBADMSG;
	ret_capacity->bytes = whole;
	ret_capacity->logical_bytes = ret_capacity->physical_bytes = (uint32_t)logical;
	if ((page[13] & 0xf) < 8)
		ret_capacity->physical_bytes <<= page[13] & 0xf;
	return 0;
}

/* Parameter 0 comes first: which exception there is, 00h for none, and how hot it is. */
int scsi_health_decode(const uint8_t *page, size_t bytes, struct scsi_health *ret_health)
{
	struct scsi_health health = {0};
	uint8_t asc, ascq, degrees;

	if (bytes < EXCEPTIONS_BYTES || (page[0] & 0x3f) != EXCEPTIONS_PAGE || page[1] != 0 ||
		get_be(page + PAGE_LENGTH_AT, 2) + HEADER_BYTES < EXCEPTIONS_BYTES ||
		get_be(page + HEADER_BYTES, 2) != 0 || page[HEADER_BYTES + 3] < 3)
		return -EBADMSG;
	asc = page[8];
	ascq = page[9];
	degrees = page[10];
	health.healthy = asc == 0 && ascq == 0;
	if (asc == FAILURE_PREDICTED)
		snprintf(health.text, sizeof(health.text),
			"the drive says that it is about to fail (5dh/%02xh)", ascq);
	else if (!health.healthy)
		snprintf(health.text, sizeof(health.text), "the drive warns (%02xh/%02xh)", asc,
			ascq);
	else if (degrees > 0 && degrees < 0xff)
		snprintf(health.text, sizeof(health.text), "no failure is foreseen, %u degrees C",
			degrees);
	else
		snprintf(health.text, sizeof(health.text), "no failure is foreseen");
	*ret_health = health;
	return 0;
}

int scsi_support_decode(const uint8_t *page, size_t bytes, bool *ret_supported)
{
	if (bytes < HEADER_BYTES || page[0] != 0)
		return -EBADMSG;
	*ret_supported = (page[1] & 7) == SUPPORTED;
	return 0;
}
