/* SPDX-License-Identifier: Apache-2.0 */
#include "drives/scsi_sense.h"
#include <errno.h>

enum {
	FIXED = 0x70,
	FIXED_DEFERRED = 0x71,
	DESCRIPTOR = 0x72,
	DESCRIPTOR_DEFERRED = 0x73,
	FIXED_BYTES = 14,    /* as far as ASCQ */
	FIXED_LENGTH_AT = 7, /* counts what follows it */
	DESCRIPTORS_AT = 8,
	VALID = 0x80,
	ATA_STATUS_RETURN = 0x09,
	ATA_STATUS_RETURN_BYTES = 14,
	KEY_RECOVERED = 0x01,
	KEY_ABORTED = 0x0b,
	ASCQ_ATA_INFORMATION = 0x1d, /* of ASC 0 */
	UPPER_COUNT = 0x40,
	UPPER_LBA = 0x20,
	KEY_SPECIFIC = 0x02, /* descriptor */
	KEY_SPECIFIC_BYTES = 8,
	FIXED_KEY_SPECIFIC_AT = 15,
	KEY_SPECIFIC_VALID = 0x80,
};

static bool is_fixed(uint8_t code)
{
	return code == FIXED || code == FIXED_DEFERRED;
}

int scsi_sense_decode(const uint8_t *sense, size_t bytes, struct scsi_sense *ret_sense)
{
	uint8_t code = bytes > 0 ? sense[0] & 0x7f : 0;

	if (is_fixed(code)) {
		if (bytes < FIXED_BYTES || sense[FIXED_LENGTH_AT] < FIXED_BYTES - DESCRIPTORS_AT)
			return -EBADMSG;
		*ret_sense = (struct scsi_sense){
			code == FIXED_DEFERRED, sense[2] & 0x0f, sense[12], sense[13]};
		return 0;
	}
	if ((code != DESCRIPTOR && code != DESCRIPTOR_DEFERRED) || bytes < DESCRIPTORS_AT)
		return -EBADMSG;
	*ret_sense = (struct scsi_sense){
		code == DESCRIPTOR_DEFERRED, sense[1] & 0x0f, sense[2], sense[3]};
	return 0;
}

static int fixed_registers(
	const uint8_t *sense, const struct scsi_sense *about, struct ata_registers *ret_registers)
{
	/* With other keys the same bytes are a sector's number. */
	bool is_theirs =
		about->key == KEY_ABORTED || (about->key <= KEY_RECOVERED && about->asc == 0 &&
						     about->ascq == ASCQ_ATA_INFORMATION);
	bool is_success = about->asc == 0 && about->ascq == ASCQ_ATA_INFORMATION;

	if (!is_theirs || (!is_success && !(sense[0] & VALID)))
		return -EBADMSG;
	*ret_registers = (struct ata_registers){
		.error = sense[3],
		.status = sense[4],
		.device = sense[5],
		.count = sense[6],
		.count_whole = !(sense[8] & UPPER_COUNT),
		.lba = (uint64_t)sense[11] << 16 | (uint64_t)sense[10] << 8 | sense[9],
		.lba_whole = !(sense[8] & UPPER_LBA),
	};
	return 0;
}

/* The descriptor of that type and size; NULL: there is none. */
static const uint8_t *find_descriptor(
	const uint8_t *sense, size_t bytes, uint8_t type, size_t wanted)
{
	size_t end = DESCRIPTORS_AT + (size_t)sense[FIXED_LENGTH_AT];

	if (end > bytes)
		end = bytes;
	for (size_t at = DESCRIPTORS_AT; at + 2 <= end; at += 2 + (size_t)sense[at + 1]) {
		if (sense[at] == type)
			return at + wanted <= end && sense[at + 1] == wanted - 2 ? sense + at
										 : NULL;
	}
	return NULL;
}

static void take_descriptor(const uint8_t *at, struct ata_registers *ret_registers)
{
	static const uint8_t lba_at[] = {10, 8, 6, 11, 9, 7}; /* highest byte first */
	bool extended = at[2] & 1;
	uint64_t lba = 0;

	for (unsigned int i = extended ? 0 : 3; i < ARRAY_SIZE(lba_at); i++)
		lba = lba << 8 | at[lba_at[i]];
	*ret_registers = (struct ata_registers){
		.error = at[3],
		.status = at[13],
		.device = at[12],
		.count = (uint16_t)((extended ? at[4] << 8 : 0) | at[5]),
		.lba = lba,
		.count_whole = true,
		.lba_whole = true,
	};
}

int scsi_sense_registers(const uint8_t *sense, size_t bytes, struct ata_registers *ret_registers)
{
	struct scsi_sense about;
	const uint8_t *at;
	int r = scsi_sense_decode(sense, bytes, &about);

	if (r < 0 || about.deferred)
		return -EBADMSG;
	if (is_fixed(sense[0] & 0x7f))
		return fixed_registers(sense, &about, ret_registers);
	at = find_descriptor(sense, bytes, ATA_STATUS_RETURN, ATA_STATUS_RETURN_BYTES);
	if (!at)
		return -EBADMSG;
	take_descriptor(at, ret_registers);
	return 0;
}

int scsi_sense_progress(const uint8_t *sense, size_t bytes, uint32_t *ret_progress)
{
	struct scsi_sense about;
	const uint8_t *at;
	int r = scsi_sense_decode(sense, bytes, &about);

	if (r < 0)
		return r;
	if (!is_fixed(sense[0] & 0x7f)) {
		at = find_descriptor(sense, bytes, KEY_SPECIFIC, KEY_SPECIFIC_BYTES);
		at = at ? at + 4 : NULL;
	} else {
		bool has = bytes >= FIXED_KEY_SPECIFIC_AT + 3 &&
			   sense[FIXED_LENGTH_AT] + DESCRIPTORS_AT >= FIXED_KEY_SPECIFIC_AT + 3;

		at = has ? sense + FIXED_KEY_SPECIFIC_AT : NULL;
	}
	if (!at || !(at[0] & KEY_SPECIFIC_VALID))
		return -EBADMSG;
	*ret_progress = (uint32_t)at[1] << 8 | at[2];
	return 0;
}
