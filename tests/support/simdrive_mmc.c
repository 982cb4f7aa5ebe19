/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_mmc.c - an eMMC: erase and secure trim, and a sanitize of what was erased
 *
 * Source: JESD84-B51.  An erased sector is unmapped: it reads as zeros, and what was in it stays on
 * the medium until a sanitize.  A sanitize runs by itself while the card is busy, and a power cut
 * ends it.  Behind the user area lie two boot partitions and an RPMB.
 */
#include "base/bytes.h"
#include "drives/mmc_registers.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SWITCH = 6,
	SEND_EXT_CSD = 8,
	SEND_STATUS = 13,
	ERASE_START = 35,
	ERASE_END = 36,
	ERASE = 38,
	TRANSFER = 4 << 9 | 1 << 8,
	BUSY = 7 << 9,
	GENERAL_ERROR = 1 << 19,
	ILLEGAL = 1 << 22,
	SEQUENCE_ERROR = 1 << 28,
	OUT_OF_RANGE = 1 << 30,
	SWITCH_ERROR = 1 << 7,
	SECURE_STEP_1 = 1,
	SECURE_STEP_2 = 0x8000,
	PARTITION_CONFIG = 179,
	SANITIZE_START = 165,
	UNIT_BYTES = 512,
	SMALL_UNIT = 128 << 10,
};

#define SECURE 0x80000000u

struct mmc_model {
	uint8_t extended[MMC_EXT_CSD_BYTES];
	uint32_t start, end;
	bool has_start, has_end;
	uint8_t *marked; /* by secure trim, step 1 */
	bool error;
};

static uint64_t units(const struct simdrive *drive)
{
	return drive->options.bytes / UNIT_BYTES;
}

static void scrub(struct simdrive *drive, uint64_t unit)
{
	simdrive_erase(
		drive, SIMDRIVE_BLOCK, 0, (struct simdrive_range){unit * UNIT_BYTES, UNIT_BYTES});
}

static void erase(struct simdrive *drive, uint32_t how)
{
	uint64_t first = ((struct mmc_model *)drive->own)->start / UNIT_BYTES;
	uint64_t last = ((struct mmc_model *)drive->own)->end / UNIT_BYTES;
	struct mmc_model *model = drive->own;

	if (drive->options.lie || drive->options.swallow)
		return;
	/* With another partition selected it is that one that dies. */
	if (model->extended[PARTITION_CONFIG] & 7) {
		memset(drive->medium + drive->options.bytes, 0, SMALL_UNIT);
		return;
	}
	for (uint64_t unit = first; unit <= last; unit++) {
		if (how == (SECURE | SECURE_STEP_1))
			model->marked[unit] = 1;
		else
			drive->unmapped[unit] = 1;
	}
	for (uint64_t unit = 0; how == (SECURE | SECURE_STEP_2) && unit < units(drive); unit++)
		if (model->marked[unit])
			scrub(drive, unit);
}

static bool takes(const struct simdrive *drive, uint32_t how)
{
	if (how == 0)
		return true;
	return (how == (SECURE | SECURE_STEP_1) || how == (SECURE | SECURE_STEP_2)) &&
	       !drive->options.no_security;
}

static uint32_t erase_command(struct simdrive *drive, const struct mmc_command *command)
{
	struct mmc_model *model = drive->own;
	bool in_order = model->has_start && model->has_end && model->start <= model->end;

	if (command->opcode == ERASE_START) {
		model->start = command->argument;
		model->has_start = true;
		return 0;
	}
	if (command->opcode == ERASE_END) {
		model->end = command->argument;
		model->has_end = model->has_start;
		return 0;
	}
	model->has_start = model->has_end = false;
	if (!in_order)
		return SEQUENCE_ERROR;
	if (model->end >= drive->options.bytes || !takes(drive, command->argument))
		return OUT_OF_RANGE;
	erase(drive, command->argument);
	return 0;
}

static uint32_t switch_byte(struct simdrive *drive, uint32_t argument)
{
	struct mmc_model *model = drive->own;
	uint8_t index = (uint8_t)(argument >> 16), value = (uint8_t)(argument >> 8);

	if (index == PARTITION_CONFIG) {
		model->extended[index] = value;
		return 0;
	}
	if (index != SANITIZE_START || drive->options.no_sanitize)
		return SWITCH_ERROR;
	simdrive_sanitize_begin(drive, SIMDRIVE_BLOCK, 0, (struct simdrive_range){0, 0});
	return 0;
}

static bool changes(const struct mmc_command *command)
{
	return command->opcode == ERASE ||
	       (command->opcode == SWITCH && (command->argument >> 16 & 0xff) == SANITIZE_START);
}

static void answer(struct simdrive *drive, struct mmc_command *command)
{
	struct mmc_model *model = drive->own;
	uint32_t errors = model->error ? GENERAL_ERROR : 0;

	if (changes(command))
		simdrive_changed(drive);
	model->error = false;
	command->response[0] = (drive->sanitize.running ? BUSY : TRANSFER) | errors;
	if (command->opcode == SEND_STATUS)
		return;
	if (drive->sanitize.running || drive->options.memory_card) {
		command->response[0] |= ILLEGAL;
		return;
	}
	if (command->opcode == SEND_EXT_CSD)
		memcpy(command->data, model->extended, MMC_EXT_CSD_BYTES);
	else if (command->opcode == SWITCH)
		command->response[0] |= switch_byte(drive, command->argument);
	else if (command->opcode >= ERASE_START && command->opcode <= ERASE)
		command->response[0] |= erase_command(drive, command);
	else
		command->response[0] |= ILLEGAL;
	if (command->opcode < ERASE_START)
		model->has_start = model->has_end = false;
}

static int mmc(struct simdrive *drive, struct mmc_command *commands, uint32_t count)
{
	/* The system waits for a card that is busy, and hands on no answer that it takes for bad.
	 */
	for (uint32_t i = 0; i < count; i++) {
		answer(drive, &commands[i]);
		if (commands[i].response[0] & ILLEGAL)
			return -EIO;
	}
	return 0;
}

static void put_register(uint8_t *at, size_t bytes, const uint8_t *text)
{
	memcpy(at, text, bytes);
	at[15] = (uint8_t)(mmc_crc7(at, 15) << 1 | 1);
}

static int mmc_registers(struct simdrive *drive, struct mmc_registers *ret_registers)
{
	static const uint8_t csd[15] = {0xd0, 0x27, 0x01, 0x32, 0x0f, 0x59, 0x03, 0xff, 0xff, 0xff,
		0xff, 0xef, 0x8a, 0x40, 0x40};
	uint8_t cid[15] = {
		0x15, 1, 0, 'S', 'I', 'M', 'M', 'M', 'C', 0x10, 0x12, 0x34, 0x56, 0x78, 0x99};
	uint8_t protected[15];

	*ret_registers = (struct mmc_registers){.is_emmc = !drive->options.memory_card};
	memcpy(protected, csd, sizeof(csd));
	protected[14] = drive->options.read_only ? 0x10 : 0;
	put_register(ret_registers->csd, sizeof(protected), protected);
	put_register(ret_registers->cid, sizeof(cid), cid);
	return 0;
}

/* What was unmapped is scrubbed: all of it, or half if it fails. */
static void sanitized(struct simdrive *drive)
{
	uint64_t count = units(drive) / (drive->sanitize.failed ? 2 : 1);
	struct mmc_model *model = drive->own;

	for (uint64_t unit = 0; unit < count; unit++)
		if (drive->unmapped[unit])
			scrub(drive, unit);
	model->error = drive->sanitize.failed;
	drive->sanitize.failed = false;
}

static void power_cut(struct simdrive *drive)
{
	struct mmc_model *model = drive->own;

	drive->sanitize.running = false;
	model->has_start = model->has_end = model->error = false;
	model->extended[PARTITION_CONFIG] &= (uint8_t)~7;
	memset(model->marked, 0, units(drive));
}

static void put_extended(const struct simdrive *drive, uint8_t *extended)
{
	const struct simdrive_options *options = &drive->options;

	extended[61] = options->logical_bytes == 4096;
	extended[168] = extended[226] = options->boot_partitions;
	extended[175] = 1;
	extended[192] = 8;
	bytes_put_le32(extended + 212, (uint32_t)units(drive));
	extended[221] = extended[224] = 1;
	extended[231] =
		(uint8_t)((options->no_security ? 0 : 1) | (options->no_block ? 0 : 1 << 4) |
			  (options->no_sanitize ? 0 : 1 << 6));
	memcpy(extended + 254, "1.02", 4);
	extended[267] = options->worn ? 3 : 1;
	extended[268] = options->worn ? 0xb : 2;
	extended[269] = 1;
}

static int init(struct simdrive *drive)
{
	struct mmc_model *model = calloc(1, sizeof(*model));

	drive->own = model;
	drive->unmapped = calloc(1, units(drive));
	if (!model || !drive->unmapped)
		return -ENOMEM;
	model->marked = calloc(1, units(drive));
	if (!model->marked)
		return -ENOMEM;
	put_extended(drive, model->extended);
	return 0;
}

static void done(struct simdrive *drive)
{
	struct mmc_model *model = drive->own;

	free(drive->unmapped);
	free(model ? model->marked : NULL);
	free(model);
}

const struct simdrive_model simdrive_mmc = {
	.interface = INTERFACE_MMC,
	.mmc = mmc,
	.mmc_registers = mmc_registers,
	.init = init,
	.done = done,
	.power_cut = power_cut,
	.sanitized = sanitized,
};
