/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/nvme_identify.h"
#include "base/bytes.h"
#include "drives/drives_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	/* Identify Controller */
	SERIAL_AT = 4,
	SERIAL_BYTES = 20,
	MODEL_AT = 24,
	MODEL_BYTES = 40,
	FIRMWARE_AT = 64,
	FIRMWARE_BYTES = 8,
	CMIC_AT = 76,
	VERSION_AT = 80,
	OACS_AT = 256,
	CAPACITY_AT = 280,
	SANICAP_AT = 328,
	FNA_AT = 524,
	/* Identify Namespace */
	NSZE_AT = 0,
	FLBAS_AT = 26,
	DPS_AT = 29,
	NGUID_AT = 104,
	NGUID_BYTES = 16,
	EUI_AT = 120,
	EUI_BYTES = 8,
	LBAF_AT = 128,
	LBAF_MAX = 64,
	/* Sanitize Status */
	SPROG_AT = 0,
	SSTAT_AT = 2,
	SCDW10_AT = 4,
	OVERWRITE_AT = 8,
	BLOCK_AT = 12,
	CRYPTO_AT = 16,
	NO_DEALLOCATE_AT = 12, /* behind each of these */
	/* SMART */
	WARNING_AT = 0,
	SPARE_AT = 3,
	THRESHOLD_AT = 4,
	USED_AT = 5,
};

static bool has_bit(uint64_t value, unsigned int bit)
{
	return value >> bit & 1;
}

static bool is_no_page(const uint8_t *page, size_t bytes, size_t wanted)
{
	return bytes < wanted || bytes_are_uniform(page, wanted);
}

/* --- Identify Controller --- */

static void decode_capabilities(const uint8_t *page, struct nvme_controller *controller)
{
	uint16_t oacs = bytes_get_le16(page + OACS_AT);
	uint32_t sanicap = bytes_get_le32(page + SANICAP_AT);
	uint8_t fna = page[FNA_AT];

	controller->security = has_bit(oacs, 0);
	controller->format = has_bit(oacs, 1);
	controller->namespace_management = has_bit(oacs, 3);
	controller->format_takes_all = has_bit(fna, 0);
	controller->erase_takes_all = has_bit(fna, 1);
	controller->crypto_erase = has_bit(fna, 2);
	controller->no_broadcast_format = has_bit(fna, 3);
	/* NODMMAS 11b is reserved: such a word is none (a word of ones is of that kind). */
	if (sanicap >> 30 == 3)
		sanicap = 0;
	controller->sanitize_crypto = has_bit(sanicap, 0);
	controller->sanitize_block = has_bit(sanicap, 1);
	controller->sanitize_overwrite = has_bit(sanicap, 2);
	controller->no_deallocate_inhibited = has_bit(sanicap, 29);
}

int nvme_controller_decode(
	const uint8_t *page, size_t bytes, struct nvme_controller *ret_controller)
{
	struct nvme_controller controller = {0};

	if (is_no_page(page, bytes, NVME_PAGE_BYTES))
		return -EBADMSG;
	facts_text(controller.serial, page + SERIAL_AT, SERIAL_BYTES);
	facts_text(controller.model, page + MODEL_AT, MODEL_BYTES);
	facts_text(controller.firmware, page + FIRMWARE_AT, FIRMWARE_BYTES);
	controller.version = bytes_get_le32(page + VERSION_AT);
	controller.several_controllers = has_bit(page[CMIC_AT], 1);
	if (bytes_get_le64(page + CAPACITY_AT + 8) == 0)
		controller.capacity_bytes = bytes_get_le64(page + CAPACITY_AT);
	decode_capabilities(page, &controller);
	*ret_controller = controller;
	return 0;
}

/* --- Identify Namespace --- */

static void name(
	char ret_text[static FACTS_TEXT_BYTES], const char *prefix, const uint8_t *at, size_t bytes)
{
	int used = snprintf(ret_text, FACTS_TEXT_BYTES, "%s", prefix);

	for (size_t i = 0; i < bytes; i++)
		used += snprintf(ret_text + used, FACTS_TEXT_BYTES - (size_t)used, "%02x", at[i]);
}

int nvme_namespace_decode(const uint8_t *page, size_t bytes, struct nvme_namespace *ret_namespace)
{
	struct nvme_namespace space = {0};
	uint8_t flbas, dps;
	uint32_t format, shift;

	if (is_no_page(page, bytes, NVME_PAGE_BYTES))
		return -EBADMSG;
	flbas = page[FLBAS_AT];
	dps = page[DPS_AT];
	/* The two high bits stand apart: FLBAS 6:5, and of Format CDW10 13:12. */
	format = (flbas & 0xfu) | (flbas >> 5 & 3u) << 4;
	if (format >= LBAF_MAX)
		return -EBADMSG;
	shift = page[LBAF_AT + 4 * format + 2];
	if (shift < 9 || shift > 24)
		return -EBADMSG;
	space.logical_bytes = 1u << shift;
	if (bytes_multiply(bytes_get_le64(page + NSZE_AT), space.logical_bytes, &space.bytes) < 0 ||
		space.bytes == 0)
		return -EBADMSG;
	if (!bytes_are(page + NGUID_AT, NGUID_BYTES, 0))
		name(space.wwn, "nguid.", page + NGUID_AT, NGUID_BYTES);
	else if (!bytes_are(page + EUI_AT, EUI_BYTES, 0))
		name(space.wwn, "eui.", page + EUI_AT, EUI_BYTES);
	space.format_as_is = (flbas & 0xfu) | (flbas >> 4 & 1u) << 4 | (dps & 7u) << 5 |
			     (dps >> 3 & 1u) << 8 | (flbas >> 5 & 3u) << 12;
	*ret_namespace = space;
	return 0;
}

int nvme_list_decode(const uint8_t *page, size_t bytes,
	uint32_t ret_list[static FACTS_NAMESPACES_MAX], uint32_t *ret_count)
{
	uint32_t before = 0, count = 0;

	for (size_t at = 0; at + 4 <= bytes; at += 4) {
		uint32_t nsid = bytes_get_le32(page + at);

		if (nsid == 0) {
			*ret_count = count;
			return 0;
		}
		if (nsid <= before || nsid >= NVME_ALL_NAMESPACES - 1)
			return -EBADMSG;
		if (count == FACTS_NAMESPACES_MAX)
			return -E2BIG;
		ret_list[count++] = before = nsid;
	}
	return -E2BIG;
}

/* --- logs --- */

/* 0 stands where an older drive has no such field: the other one is as good. */
static void decode_estimate(const uint8_t *page, size_t at, uint32_t ret_seconds[static 2])
{
	ret_seconds[0] = bytes_get_le32(page + at);
	ret_seconds[1] = bytes_get_le32(page + at + NO_DEALLOCATE_AT);
	if (ret_seconds[1] == 0)
		ret_seconds[1] = ret_seconds[0];
}

int nvme_sanitize_log_decode(const uint8_t *page, size_t bytes, struct nvme_sanitize_log *ret_log)
{
	struct nvme_sanitize_log log = {0};
	uint16_t status;

	if (bytes < NVME_SANITIZE_LOG_BYTES)
		return -EBADMSG;
	status = bytes_get_le16(page + SSTAT_AT);
	if ((status & 7) > NVME_SANITIZE_OK_DEALLOCATED)
		return -EBADMSG;
	log.status = (enum nvme_sanitize_status)(status & 7);
	log.progress = bytes_get_le16(page + SPROG_AT);
	log.global_data_erased = has_bit(status, 8);
	log.action = bytes_get_le32(page + SCDW10_AT) & 7;
	decode_estimate(page, OVERWRITE_AT, log.overwrite_s);
	decode_estimate(page, BLOCK_AT, log.block_s);
	decode_estimate(page, CRYPTO_AT, log.crypto_s);
	*ret_log = log;
	return 0;
}

int nvme_health_decode(const uint8_t *page, size_t bytes, struct nvme_health *ret_health)
{
	static const char *const warnings[] = {"its spare blocks are used up", "it is too hot",
		"it is worn or unreliable", "it is read-only",
		"its volatile memory backup has failed", "its persistent memory is unreliable"};
	struct nvme_health health = {0};
	size_t used = 0;
	uint8_t warning;

	if (is_no_page(page, bytes, NVME_SMART_LOG_BYTES))
		return -EBADMSG;
	warning = page[WARNING_AT];
	for (size_t i = 0; i < ARRAY_SIZE(warnings); i++)
		if (has_bit(warning, (unsigned int)i) && used < sizeof(health.text))
			used += (size_t)snprintf(health.text + used, sizeof(health.text) - used,
				"%s%s", used > 0 ? "; " : "", warnings[i]);
	health.healthy = warning == 0 && page[SPARE_AT] >= page[THRESHOLD_AT];
	if (used == 0)
		snprintf(health.text, sizeof(health.text), "%u %% spare, %u %% of its life used",
			page[SPARE_AT], page[USED_AT]);
	*ret_health = health;
	return 0;
}
