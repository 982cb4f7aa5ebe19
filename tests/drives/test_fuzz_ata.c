/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as sense data, and as an ATA or a SCSI drive's pages: no decoder reads beyond them, and
 * what it takes is possible.  Input: which decoder (first byte), then the page's beginning.
 */
#include "base/bytes.h"
#include "drives/ata_identify.h"
#include "drives/scsi_pages.h"
#include "drives/scsi_sense.h"
#include "tests/support/fuzz.h"
#include <stdlib.h>
#include <string.h>

enum { DECODERS = 4 };

static void check_text(const char *text)
{
	size_t length = strnlen(text, FACTS_TEXT_BYTES);

	fuzz_require(length < FACTS_TEXT_BYTES);
	for (size_t i = 0; i < length; i++)
		fuzz_require(text[i] >= ' ' && text[i] <= '~');
}

static void try_identity(const uint8_t *page, size_t bytes)
{
	struct ata_identity identity;

	if (ata_identity_decode(page, bytes, &identity) < 0)
		return;
	fuzz_require(bytes >= ATA_PAGE_BYTES);
	check_text(identity.serial);
	check_text(identity.model);
	check_text(identity.firmware);
	check_text(identity.wwn);
	fuzz_require(identity.sectors > 0 && identity.logical_bytes >= 512);
	fuzz_require(identity.sectors <= UINT64_MAX / identity.logical_bytes);
	fuzz_require(identity.physical_bytes >= identity.logical_bytes);
	fuzz_require(!identity.sanitize_crypto || (page[119] & 0x30) == 0x30);
	fuzz_require(!identity.sanitize_block || (page[119] & 0x90) == 0x90);
	fuzz_require(!identity.enhanced || (page[256] & 0x21) == 0x21);
	fuzz_require(!identity.security || (page[164] & 2));
}

static void try_configuration(const uint8_t *page, size_t bytes)
{
	uint64_t sectors;

	if (ata_configuration_decode(page, bytes, &sectors) >= 0)
		fuzz_require(sectors > 1 && sectors <= UINT64_C(1) << 48);
}

static void try_sense(const uint8_t *sense, size_t bytes)
{
	struct ata_registers registers;
	struct scsi_sense about;
	uint32_t progress;

	if (scsi_sense_progress(sense, bytes, &progress) >= 0)
		fuzz_require(progress < 65536);
	if (scsi_sense_registers(sense, bytes, &registers) < 0)
		return;
	fuzz_require(scsi_sense_decode(sense, bytes, &about) >= 0 && !about.deferred);
	fuzz_require(registers.lba < UINT64_C(1) << 48);
}

static void try_pages(const uint8_t *page, size_t bytes)
{
	char serial[FACTS_TEXT_BYTES], wwn[FACTS_TEXT_BYTES];
	struct scsi_inquiry inquiry;
	struct scsi_capacity capacity;
	struct scsi_medium medium;
	bool supported;

	if (scsi_inquiry_decode(page, bytes, &inquiry) >= 0) {
		check_text(inquiry.vendor);
		check_text(inquiry.model);
		check_text(inquiry.firmware);
	}
	if (scsi_serial_decode(page, bytes, serial) >= 0)
		check_text(serial);
	if (scsi_names_decode(page, bytes, wwn) >= 0)
		check_text(wwn);
	if (scsi_capacity_decode(page, bytes, &capacity) >= 0)
		fuzz_require(
			capacity.bytes >= capacity.logical_bytes && capacity.logical_bytes >= 512);
	if (scsi_support_decode(page, bytes, &supported) >= 0)
		fuzz_require(!supported || (page[1] & 7) == 3);
	if (scsi_medium_decode(page, bytes, &medium) >= 0)
		fuzz_require(medium.rotation_known || medium.rotation_rpm == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static void (*const decoders[DECODERS])(const uint8_t *, size_t) = {
		try_identity, try_configuration, try_sense, try_pages};
	uint8_t *whole, *cut;

	if (bytes == 0)
		return 0;
	/* On the heap and of the exact size, so that a byte too far is seen. */
	whole = calloc(1, ATA_PAGE_BYTES);
	cut = malloc(bytes);
	fuzz_require(whole && cut);
	memcpy(cut, data + 1, bytes - 1);
	memcpy(whole, data + 1, bytes - 1 < ATA_PAGE_BYTES ? bytes - 1 : ATA_PAGE_BYTES);
	decoders[data[0] % DECODERS](cut, bytes - 1);
	decoders[data[0] % DECODERS](whole, ATA_PAGE_BYTES);
	free(whole);
	free(cut);
	return 0;
}

void fuzz_seeds(void)
{
	static const uint8_t sense[] = {2, 0x72, 1, 0, 0x1d, 0, 0, 0, 14, 0x09, 0x0c, 1, 0, 0x81,
		0x23, 0x44, 0x11, 0x55, 0x22, 0x66, 0x33, 0x40, 0x50};
	static const uint8_t fixed[] = {
		2, 0xf0, 0, 1, 0, 0x50, 0x40, 0x23, 10, 0x60, 1, 2, 3, 0, 0x1d};
	static const uint8_t names[] = {
		3, 0, 0x83, 0, 12, 1, 3, 0, 8, 0x50, 0, 0xc5, 0, 0, 0, 0, 2};
	uint8_t seed[1 + ATA_PAGE_BYTES] = {0};

	bytes_put_le16(seed + 1 + 118, 0xf000);
	bytes_put_le16(seed + 1 + 164, 0x0403);
	bytes_put_le16(seed + 1 + 166, 0x4c00);
	bytes_put_le64(seed + 1 + 200, 4096);
	bytes_put_le16(seed + 1 + 212, 0x7003);
	bytes_put_le32(seed + 1 + 234, 2048);
	bytes_put_le16(seed + 1 + 256, 0x21);
	fuzz_seed(seed, sizeof(seed));
	seed[0] = 1;
	fuzz_seed(seed, sizeof(seed));
	fuzz_seed(sense, sizeof(sense));
	fuzz_seed(fixed, sizeof(fixed));
	fuzz_seed(names, sizeof(names));
}
