/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_scsi.c - a SCSI disk with SANITIZE, and with a FORMAT UNIT that says GOOD and does
 * nothing
 *
 * Sources: SPC-5, SBC-4.  Sanitize runs by itself and outlives a power cut; meanwhile only commands
 * that look are taken.
 */
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_BYTES = 512,
	GOOD = 0,
	CHECK_CONDITION = 2,
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	FORMAT_UNIT = 0x04,
	INQUIRY = 0x12,
	SANITIZE = 0x48,
	READ_CAPACITY_16 = 0x9e,
	REPORT_CODES = 0xa3,
	LOG_SENSE = 0x4d,
	SECURITY_IN = 0xa2,
	OVERWRITE = 1,
	BLOCK = 2,
	CRYPTO = 3,
	LEAVE_FAILURE = 0x1f,
};

struct scsi_model {
	bool unrestricted;
};

static void put_be(uint8_t *at, size_t bytes, uint64_t value)
{
	while (bytes-- > 0) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

static bool has(const struct simdrive *drive, unsigned int action)
{
	const struct simdrive_options *options = &drive->options;

	if (options->no_sanitize)
		return false;
	return (action == OVERWRITE && !options->no_overwrite) ||
	       (action == BLOCK && !options->no_block) ||
	       (action == CRYPTO && !options->no_crypto) || action == LEAVE_FAILURE;
}

/* --- sense --- */

struct condition {
	uint8_t key, asc, ascq;
	bool has_progress;
	uint32_t progress;
};

static uint8_t put_sense(
	const struct simdrive *drive, const struct condition *condition, uint8_t *sense)
{
	if (drive->options.fixed_sense) {
		sense[0] = 0x70;
		sense[2] = condition->key;
		sense[7] = 10;
		sense[12] = condition->asc;
		sense[13] = condition->ascq;
		sense[15] = condition->has_progress ? 0x80 : 0;
		put_be(sense + 16, 2, condition->progress);
		return 18;
	}
	sense[0] = 0x72;
	sense[1] = condition->key;
	sense[2] = condition->asc;
	sense[3] = condition->ascq;
	if (!condition->has_progress)
		return 8;
	sense[7] = 8;
	sense[8] = 2;
	sense[9] = 6;
	sense[12] = 0x80;
	put_be(sense + 13, 2, condition->progress);
	return 16;
}

static struct condition state(const struct simdrive *drive)
{
	if (drive->sanitize.running)
		return (struct condition){2, 0x04, 0x1b, true, simdrive_sanitize_progress(drive)};
	if (drive->sanitize.failed)
		return (struct condition){3, 0x31, 0x03, false, 0};
	return (struct condition){0};
}

/* --- pages --- */

static void put_text(uint8_t *at, size_t bytes, const char *text)
{
	size_t length = strlen(text);

	memset(at, ' ', bytes);
	memcpy(at, text, length < bytes ? length : bytes);
}

static size_t inquire(const struct simdrive *drive, const uint8_t *cdb, uint8_t *page)
{
	const struct simdrive_options *options = &drive->options;

	if (!(cdb[1] & 1)) {
		page[2] = 6;
		page[4] = 31;
		put_text(page + 8, 8, "SIMDRIVE");
		put_text(page + 16, 16, options->model);
		put_text(page + 32, 4, options->firmware);
		return 36;
	}
	page[1] = cdb[2];
	switch (cdb[2]) {
	case 0x80:
		page[3] = (uint8_t)strlen(options->serial);
		memcpy(page + 4, options->serial, page[3]);
		return 4 + (size_t)page[3];
	case 0x83:
		page[3] = 12;
		page[4] = 1;
		page[5] = 3;
		page[7] = 8;
		put_be(page + 8, 8, UINT64_C(0x5000c50000000002));
		return 16;
	case 0xb1:
		page[3] = 60;
		put_be(page + 4, 2, options->rotation_rpm);
		return 64;
	default:
		return 0;
	}
}

static size_t capacity(const struct simdrive *drive, uint8_t *page)
{
	put_be(page, 8, drive->visible_bytes / drive->options.logical_bytes - 1);
	put_be(page + 8, 4, drive->options.logical_bytes);
	page[13] = drive->options.logical_bytes == 512 ? 3 : 0;
	return 32;
}

static size_t report(const struct simdrive *drive, const uint8_t *cdb, uint8_t *page)
{
	if ((cdb[1] & 0x1f) != 0x0c || cdb[2] != 2 || drive->options.no_format)
		return 0;
	page[1] = cdb[3] == SANITIZE && has(drive, cdb[5]) ? 3 : 1;
	put_be(page + 2, 2, 10);
	return 14;
}

static size_t log_page(const struct simdrive *drive, const uint8_t *cdb, uint8_t *page)
{
	if ((cdb[2] & 0x3f) != 0x2f)
		return 0;
	page[0] = 0x2f;
	page[3] = 8;
	page[6] = 3;
	page[7] = 4;
	page[8] = drive->options.worn ? 0x5d : 0;
	page[9] = drive->options.worn ? 0x10 : 0;
	page[10] = 31;
	return 12;
}

/* --- what it does --- */

static bool sanitize(struct simdrive *drive, const struct scsi_command *command)
{
	unsigned int action = command->cdb[1] & 0x1f;
	struct simdrive_range all = {0, drive->medium_bytes};
	const uint8_t *list = command->data;
	struct scsi_model *model = drive->own;
	uint32_t pattern = 0;

	if (!has(drive, action))
		return false;
	if (action == LEAVE_FAILURE) {
		if (!model->unrestricted)
			return false;
		drive->sanitize.failed = false;
		return true;
	}
	if (action == OVERWRITE) {
		if (command->direction != SCSI_TO_DRIVE || command->data_bytes != 8 ||
			command->cdb[8] != 8 || list[3] != 4)
			return false;
		memcpy(&pattern, list + 4, sizeof(pattern));
	}
	if (drive->options.swallow)
		return true;
	model->unrestricted = command->cdb[1] & 1 << 5;
	simdrive_sanitize_begin(drive,
		action == OVERWRITE ? SIMDRIVE_OVERWRITE
		: action == BLOCK   ? SIMDRIVE_BLOCK
				    : SIMDRIVE_CRYPTO,
		pattern, all);
	return true;
}

/* GOOD, and how many bytes it gives; or the condition. */
static struct condition execute(
	struct simdrive *drive, struct scsi_command *command, uint8_t *page, size_t *ret_bytes)
{
	static const struct condition invalid_opcode = {5, 0x20, 0, false, 0},
				      invalid_field = {5, 0x24, 0, false, 0}, good = {0};
	const uint8_t *cdb = command->cdb;
	bool is_busy = drive->sanitize.running || drive->sanitize.failed;
	struct condition now = state(drive);

	switch (cdb[0]) {
	case INQUIRY:
		*ret_bytes = inquire(drive, cdb, page);
		return *ret_bytes > 0 ? good : invalid_field;
	case REQUEST_SENSE:
		*ret_bytes = put_sense(drive, &now, page);
		return good;
	case READ_CAPACITY_16:
		*ret_bytes = capacity(drive, page);
		return good;
	case REPORT_CODES:
		*ret_bytes = report(drive, cdb, page);
		return *ret_bytes > 0 ? good : invalid_opcode;
	case LOG_SENSE:
		*ret_bytes = log_page(drive, cdb, page);
		return *ret_bytes > 0 ? good : invalid_field;
	case SECURITY_IN:
		if (!drive->options.opal)
			return invalid_opcode;
		*ret_bytes = cdb[1] == 1 && cdb[3] == 1 ? simdrive_level_0(page) : 0;
		return *ret_bytes > 0 ? good : invalid_field;
	case SANITIZE:
		if (drive->sanitize.running)
			return now;
		return sanitize(drive, command) ? good : invalid_field;
	case TEST_UNIT_READY:
	case FORMAT_UNIT:
		return is_busy ? now : good;
	default:
		return invalid_opcode;
	}
}

static int scsi(struct simdrive *drive, struct scsi_command *command)
{
	uint8_t page[PAGE_BYTES] = {0};
	struct condition condition;
	size_t bytes = 0;

	if (command->cdb[0] == SANITIZE || command->cdb[0] == FORMAT_UNIT)
		simdrive_changed(drive);
	condition = execute(drive, command, page, &bytes);
	command->host_status = 0;
	command->status = GOOD;
	command->sense_bytes = 0;
	command->residual_bytes = 0;
	if (condition.key != 0) {
		memset(command->sense, 0, sizeof(command->sense));
		command->status = CHECK_CONDITION;
		command->sense_bytes = put_sense(drive, &condition, command->sense);
	} else if (command->direction == SCSI_FROM_DRIVE) {
		if (bytes > command->data_bytes)
			bytes = command->data_bytes;
		memcpy(command->data, page, bytes);
		command->residual_bytes = command->data_bytes - (uint32_t)bytes;
	}
	return 0;
}

static int init(struct simdrive *drive)
{
	struct simdrive_options *options = &drive->options;

	if (!options->model)
		options->model = "SIMDRIVE SCSI";
	if (!options->serial)
		options->serial = "SIMSCSI0001";
	if (!options->firmware)
		options->firmware = "1.0";
	if (options->rotation_rpm == 0)
		options->rotation_rpm = 7200;
	drive->own = calloc(1, sizeof(struct scsi_model));
	return drive->own ? 0 : -ENOMEM;
}

static void done(struct simdrive *drive)
{
	free(drive->own);
}

const struct simdrive_model simdrive_scsi = {
	.interface = INTERFACE_SCSI,
	.scsi = scsi,
	.init = init,
	.done = done,
};
