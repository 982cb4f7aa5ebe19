/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_ata.c - an ATA drive behind a translation that takes ATA PASS-THROUGH (16) and no more
 *
 * Sources: ACS-4, SAT-5.  Sanitize runs by itself and outlives a power cut; so does a password,
 * behind which the drive is then locked.  ERASE UNIT is over at once.  Its medium: what is visible,
 * what lies behind a host protected area, what a device configuration overlay hides.
 */
#include "base/bytes.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_BYTES = 512,
	PASSWORD_BYTES = 32,
	TRIES = 5,
	PASS_THROUGH_16 = 0x85,
	STATUS_GOOD = 0x50,
	STATUS_ABORTED = 0x51,
	ABORTED = 0x04,
	READ_NATIVE_MAX = 0xf8,
	READ_NATIVE_MAX_EXT = 0x27,
	SET_MAX = 0xf9,
	SET_MAX_EXT = 0x37,
	ACCESSIBLE_MAX = 0x78,
	TRUSTED_RECEIVE = 0x5c,
	SMART = 0xb0,
	CONFIGURATION = 0xb1,
	SANITIZE = 0xb4,
	IDENTIFY = 0xec,
	SET_PASSWORD = 0xf1,
	UNLOCK = 0xf2,
	ERASE_PREPARE = 0xf3,
	ERASE_UNIT = 0xf4,
	FREEZE_LOCK = 0xf5,
	TAKE_OFF = 0xf6,
};

struct ata_model {
	uint64_t lasting_bytes; /* visible after the next power-up */
	bool dco, native_asked,
		max_taken; /* restored not yet; asked right before; once each time */
	bool enabled, locked, frozen, prepared, sanitize_frozen, may_leave_failed, completed;
	unsigned int tries;
	uint8_t password[PASSWORD_BYTES];
};

/* A command as it is carried out, and its registers. */
struct task {
	uint8_t command, *data;
	uint16_t features, count;
	uint64_t lba;
	uint8_t status, error;
	uint16_t count_out;
	uint64_t lba_out;
	uint8_t page[PAGE_BYTES]; /* what it gives */
};

/* Without the HPA, or an accessible max address. */
static uint64_t native_bytes(const struct simdrive *drive)
{
	const struct ata_model *model = drive->own;

	return drive->medium_bytes - (model->dco ? drive->options.dco_hidden_bytes : 0);
}

/* --- what it tells --- */

static void put_word(uint8_t *page, unsigned int word, unsigned int value)
{
	bytes_put_le16(page + (size_t)2 * word, (uint16_t)value);
}

static void put_text(uint8_t *page, unsigned int word, size_t bytes, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < bytes; i++)
		page[(size_t)2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

static void seal(uint8_t *page)
{
	uint8_t sum = 0;

	page[510] = 0xa5;
	for (size_t i = 0; i < 511; i++)
		sum = (uint8_t)(sum + page[i]);
	page[511] = (uint8_t)-sum;
}

static unsigned int security_word(const struct simdrive *drive)
{
	const struct ata_model *model = drive->own;

	if (drive->options.no_security)
		return 0;
	return 1u | (model->enabled ? 2u : 0) | (model->locked ? 4u : 0) |
	       (model->frozen ? 8u : 0) | (model->tries == 0 ? 16u : 0) |
	       (drive->options.no_enhanced ? 0 : 32u);
}

static unsigned int sanitize_word(const struct simdrive *drive)
{
	const struct simdrive_options *options = &drive->options;

	if (options->no_sanitize)
		return 0;
	return 1u << 12 | (options->no_crypto ? 0 : 1u << 13) |
	       (options->no_overwrite ? 0 : 1u << 14) | (options->no_block ? 0 : 1u << 15);
}

static void identify(const struct simdrive *drive, uint8_t *page)
{
	const struct simdrive_options *options = &drive->options;
	const struct ata_model *model = drive->own;
	uint64_t sectors = drive->visible_bytes / options->logical_bytes;
	unsigned int has = 1u | (options->no_security ? 0 : 2u) | (options->ama ? 0 : 1u << 10);
	unsigned int wide = options->short_addresses ? 0 : 1u << 10;

	put_word(page, 0, 0x0040);
	put_text(page, 10, 20, options->serial);
	put_text(page, 23, 8, options->firmware);
	put_text(page, 27, 40, options->model);
	put_word(page, 48, 0x4000 | (options->opal ? 1 : 0));
	put_word(page, 59, sanitize_word(drive));
	bytes_put_le32(page + 120, (uint32_t)sectors);
	put_word(page, 80, 0x07f0);
	put_word(page, 82, has);
	put_word(page, 83, 0x4000 | wide | 1u << 11);
	put_word(page, 84, 0x4000 | 1u << 8);
	put_word(page, 85, 1u | (model->enabled ? 2u : 0) | 1u << 10);
	put_word(page, 86, wide);
	put_word(page, 87, 0x4000 | 1u << 8);
	put_word(page, 89, options->no_security ? 0 : 3);
	put_word(page, 90, options->no_security || options->no_enhanced ? 0 : 0x8000 | 600);
	bytes_put_le64(page + 200, wide ? sectors : 0);
	if (options->logical_bytes > 512) {
		put_word(page, 106, 0x5000);
		bytes_put_le32(page + 234, options->logical_bytes / 2);
	} else {
		put_word(page, 106, 0x6003); /* 4096 physical */
	}
	put_word(page, 108, 0x5000);
	put_word(page, 111, 0x0001);
	put_word(page, 119, options->ama ? 0x4100 : 0);
	put_word(page, 128, security_word(drive));
	put_word(page, 217, options->rotation_rpm);
	seal(page);
}

static void configuration(const struct simdrive *drive, uint8_t *page)
{
	put_word(page, 0, 2);
	bytes_put_le64(page + 6, drive->medium_bytes / drive->options.logical_bytes - 1);
	seal(page);
}

/* --- sanitize --- */

static void tell_sanitize(const struct simdrive *drive, struct task *task)
{
	const struct ata_model *model = drive->own;

	task->count_out = (uint16_t)((model->completed ? 1u << 15 : 0) |
				     (drive->sanitize.running ? 1u << 14 : 0) |
				     (model->sanitize_frozen ? 1u << 13 : 0));
	task->lba_out =
		drive->sanitize.running ? simdrive_sanitize_progress(drive) & 0xffff : 0xffff;
}

static bool sanitize_status(struct simdrive *drive, struct task *task)
{
	struct ata_model *model = drive->own;

	if (drive->sanitize.failed && (task->count & 1) && model->may_leave_failed)
		drive->sanitize.failed = false;
	tell_sanitize(drive, task);
	if (drive->sanitize.failed)
		task->lba_out = 1;
	return !drive->sanitize.failed;
}

static bool sanitize(struct simdrive *drive, struct task *task)
{
	struct simdrive_range all = {0, drive->medium_bytes};
	struct ata_model *model = drive->own;
	const struct {
		bool has;
		uint64_t mask, signature;
		enum simdrive_how how;
	} * action, actions[] = {
			    {!drive->options.no_crypto, UINT64_MAX, 0x43727970, SIMDRIVE_CRYPTO},
			    {!drive->options.no_block, UINT64_MAX, 0x426b4572, SIMDRIVE_BLOCK},
			    {false, 0, 0, SIMDRIVE_BLOCK},
			    {!drive->options.no_overwrite, ~UINT64_C(0xffffffff),
				    UINT64_C(0x4f57) << 32, SIMDRIVE_OVERWRITE},
		    };

	if (drive->options.no_sanitize)
		return false;
	if (task->features == 0)
		return sanitize_status(drive, task);
	if (model->locked || drive->sanitize.running)
		return false;
	if (task->features == 0x20) {
		model->sanitize_frozen = task->lba == 0x46724c6b;
		return model->sanitize_frozen;
	}
	task->lba_out = 3;
	if (model->sanitize_frozen)
		return false;
	task->lba_out = 2;
	if (task->features < 0x11 || task->features > 0x14)
		return false;
	action = &actions[task->features - 0x11];
	if (!action->has || (task->lba & action->mask) != action->signature)
		return false;
	if (drive->options.swallow)
		return true;
	model->completed = false;
	model->may_leave_failed = task->count & 1 << 4;
	simdrive_sanitize_begin(drive, action->how, (uint32_t)task->lba, all);
	tell_sanitize(drive, task);
	return true;
}

static void sanitized(struct simdrive *drive)
{
	struct ata_model *model = drive->own;

	model->completed = !drive->sanitize.failed;
}

/* --- security --- */

static bool is_right(struct ata_model *model, const struct task *task)
{
	bool right = task->data && !(task->data[0] & 1) && model->enabled && model->tries > 0 &&
		     memcmp(task->data + 2, model->password, PASSWORD_BYTES) == 0;

	if (!right && model->locked && model->tries > 0)
		model->tries--;
	return right;
}

static bool erase_unit(struct simdrive *drive, const struct task *task)
{
	struct simdrive_range range = {0, native_bytes(drive)};
	struct ata_model *model = drive->own;
	bool enhanced = task->data && (task->data[0] & 2), prepared = model->prepared;

	model->prepared = false;
	if (!prepared || !is_right(model, task) || (enhanced && drive->options.no_enhanced))
		return false;
	if (enhanced)
		range.bytes = drive->medium_bytes;
	if (drive->options.fail)
		range.bytes /= 2;
	simdrive_erase(drive, enhanced ? SIMDRIVE_CRYPTO : SIMDRIVE_BLOCK, 0, range);
	if (drive->options.fail)
		return false;
	model->enabled = model->locked = false;
	return true;
}

static bool security(struct simdrive *drive, const struct task *task)
{
	struct ata_model *model = drive->own;

	if (drive->options.no_security || (model->frozen && task->command != FREEZE_LOCK) ||
		drive->sanitize.running || drive->sanitize.failed)
		return false;
	if (drive->options.swallow)
		return true;
	switch (task->command) {
	case SET_PASSWORD:
		if (model->locked || !task->data || (task->data[0] & 1))
			return false;
		memcpy(model->password, task->data + 2, PASSWORD_BYTES);
		model->enabled = true;
		return true;
	case UNLOCK:
		if (!is_right(model, task))
			return false;
		model->locked = false;
		return true;
	case ERASE_PREPARE:
		model->prepared = true;
		return true;
	case ERASE_UNIT:
		return erase_unit(drive, task);
	case TAKE_OFF:
		if (model->locked || !is_right(model, task))
			return false;
		model->enabled = false;
		return true;
	default:
		model->frozen = true;
		return true;
	}
}

/* --- hidden areas --- */

/* Lasting or not; a lasting one is taken once for each time it is powered up. */
static bool set_max(struct simdrive *drive, uint64_t highest, bool lasts)
{
	uint64_t bytes = (highest + 1) * drive->options.logical_bytes;
	struct ata_model *model = drive->own;

	if (drive->options.hidden_frozen || (lasts && model->max_taken) ||
		bytes > native_bytes(drive))
		return false;
	if (drive->options.swallow || drive->options.lie)
		return true;
	if (lasts) {
		model->max_taken = true;
		model->lasting_bytes = bytes;
	}
	drive->visible_bytes = bytes;
	return true;
}

static bool hidden(struct simdrive *drive, struct task *task)
{
	struct ata_model *model = drive->own;
	bool was_asked = model->native_asked, asks = false, wide = !drive->options.short_addresses;
	bool extended = task->command == READ_NATIVE_MAX_EXT || task->command == SET_MAX_EXT;

	model->native_asked = false;
	if (task->command == CONFIGURATION) { /* RESTORE */
		if (drive->options.hidden_frozen || !model->dco ||
			drive->visible_bytes < native_bytes(drive))
			return false;
		if (!drive->options.swallow && !drive->options.lie) {
			model->dco = false;
			drive->visible_bytes = model->lasting_bytes = native_bytes(drive);
		}
		return true;
	}
	if (task->command == ACCESSIBLE_MAX) {
		if (!drive->options.ama || task->features > 1)
			return false;
		asks = task->features == 0;
		if (!asks)
			return set_max(drive, task->lba, true);
	} else {
		if (drive->options.ama || extended != wide)
			return false;
		asks = task->command == READ_NATIVE_MAX || task->command == READ_NATIVE_MAX_EXT;
		if (!asks)
			return was_asked && set_max(drive, task->lba, task->count & 1);
	}
	model->native_asked = true;
	task->lba_out = native_bytes(drive) / drive->options.logical_bytes - 1;
	return true;
}

/* --- commands --- */

static bool give_page(struct simdrive *drive, struct task *task)
{
	if (task->command == IDENTIFY)
		identify(drive, task->page);
	else if (task->command == CONFIGURATION && task->features == 0xc2)
		configuration(drive, task->page);
	else if (task->command == TRUSTED_RECEIVE && task->features == 1 && task->lba == 0x100 &&
		 drive->options.opal)
		(void)simdrive_level_0(task->page);
	else
		return false;
	return true;
}

static bool execute(struct simdrive *drive, struct task *task)
{
	struct ata_model *model = drive->own;
	bool is_busy = drive->sanitize.running || drive->sanitize.failed;

	if (task->command != ERASE_PREPARE && task->command != ERASE_UNIT)
		model->prepared = false;
	if (task->command < READ_NATIVE_MAX && task->command != READ_NATIVE_MAX_EXT &&
		task->command != SET_MAX_EXT)
		model->native_asked = false;
	switch (task->command) {
	case SANITIZE:
		return sanitize(drive, task);
	case SET_PASSWORD:
	case UNLOCK:
	case ERASE_PREPARE:
	case ERASE_UNIT:
	case FREEZE_LOCK:
	case TAKE_OFF:
		return security(drive, task);
	case SMART:
		task->lba_out = drive->options.worn ? 0x2cf400 : 0xc24f00;
		return task->features == 0xda && task->lba == 0xc24f00;
	case READ_NATIVE_MAX:
	case READ_NATIVE_MAX_EXT:
	case SET_MAX:
	case SET_MAX_EXT:
	case ACCESSIBLE_MAX:
		return !is_busy && hidden(drive, task);
	default:
		if (task->command == CONFIGURATION && task->features == 0xc0)
			return !is_busy && hidden(drive, task);
		return (!is_busy || task->command == IDENTIFY) && give_page(drive, task);
	}
}

static bool changes(const struct task *task)
{
	return (task->command >= SET_PASSWORD && task->command <= TAKE_OFF) ||
	       task->command == SET_MAX || task->command == SET_MAX_EXT ||
	       (task->command == ACCESSIBLE_MAX && task->features != 0) ||
	       (task->command == CONFIGURATION && task->features == 0xc0) ||
	       (task->command == SANITIZE && (task->features != 0 || (task->count & 1)));
}

static void put_sense(
	const struct simdrive *drive, const struct task *task, struct scsi_command *command)
{
	bool good = task->status == STATUS_GOOD;
	uint8_t *sense = command->sense;

	memset(sense, 0, sizeof(command->sense));
	command->status = 2;
	command->sense_bytes = 22;
	if (drive->options.fixed_sense) {
		const uint8_t fixed[] = {0xf0, 0, good ? 1 : 0xb, task->error, task->status, 0x40,
			(uint8_t)task->count_out, 10,
			(uint8_t)((task->count_out >> 8 ? 0x40 : 0) |
				  (task->lba_out >> 24 ? 0x20 : 0)),
			(uint8_t)task->lba_out, (uint8_t)(task->lba_out >> 8),
			(uint8_t)(task->lba_out >> 16), 0, good ? 0x1d : 0};

		memcpy(sense, fixed, sizeof(fixed));
		command->sense_bytes = 18;
		return;
	}
	sense[0] = 0x72;
	sense[1] = good ? 1 : 0xb;
	sense[3] = good ? 0x1d : 0;
	sense[7] = 14;
	sense[8] = 9;
	sense[9] = 12;
	sense[10] = 1;
	sense[11] = task->error;
	bytes_put_le16(sense + 12, (uint16_t)(task->count_out << 8 | task->count_out >> 8));
	for (unsigned int i = 0; i < 3; i++) {
		sense[15 + 2 * i] = (uint8_t)(task->lba_out >> 8 * i);
		sense[14 + 2 * i] = (uint8_t)(task->lba_out >> (24 + 8 * i));
	}
	sense[21] = task->status;
}

static void refuse(struct scsi_command *command)
{
	static const uint8_t invalid_opcode[] = {0x70, 0, 5, 0, 0, 0, 0, 10, [12] = 0x20, [17] = 0};

	memset(command->sense, 0, sizeof(command->sense));
	memcpy(command->sense, invalid_opcode, sizeof(invalid_opcode));
	command->sense_bytes = sizeof(invalid_opcode);
	command->status = 2;
}

static int scsi(struct simdrive *drive, struct scsi_command *command)
{
	const uint8_t *cdb = command->cdb;
	struct task task = {.status = STATUS_GOOD};

	command->host_status = 0;
	command->residual_bytes = 0;
	if (cdb[0] != PASS_THROUGH_16) {
		refuse(command);
		return 0;
	}
	task.command = cdb[14];
	task.features = (uint16_t)(cdb[3] << 8 | cdb[4]);
	task.count = (uint16_t)(cdb[5] << 8 | cdb[6]);
	task.lba = (uint64_t)cdb[12] << 16 | (uint64_t)cdb[10] << 8 | cdb[8];
	if (cdb[1] & 1)
		task.lba |=
			(uint64_t)cdb[11] << 40 | (uint64_t)cdb[9] << 32 | (uint64_t)cdb[7] << 24;
	else
		task.lba |= (uint64_t)(cdb[13] & 0xf) << 24;
	task.data = command->direction == SCSI_TO_DRIVE ? command->data : NULL;
	if (changes(&task))
		simdrive_changed(drive);
	if (!execute(drive, &task)) {
		task.status = STATUS_ABORTED;
		task.error = ABORTED;
	} else if (command->direction == SCSI_FROM_DRIVE) {
		memcpy(command->data, task.page,
			command->data_bytes < PAGE_BYTES ? command->data_bytes : PAGE_BYTES);
	}
	command->status = 0;
	command->sense_bytes = 0;
	if (task.status != STATUS_GOOD || (cdb[2] & 0x20))
		put_sense(drive, &task, command);
	return 0;
}

/* --- power --- */

static void reset(struct simdrive *drive)
{
	struct ata_model *model = drive->own;

	model->prepared = false;
}

static void power_cut(struct simdrive *drive)
{
	struct ata_model *model = drive->own;

	model->prepared = model->frozen = model->sanitize_frozen = false;
	model->locked = model->enabled;
	model->tries = TRIES;
	model->max_taken = model->native_asked = false;
	drive->visible_bytes = model->lasting_bytes;
}

static bool is_blocked(struct simdrive *drive)
{
	const struct ata_model *model = drive->own;

	return model->locked;
}

static int init(struct simdrive *drive)
{
	struct simdrive_options *options = &drive->options;
	struct ata_model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	if (!options->model)
		options->model = "SIMDRIVE ATA";
	if (!options->serial)
		options->serial = "SIMATA0001";
	if (!options->firmware)
		options->firmware = "1.0";
	if (options->rotation_rpm == 0)
		options->rotation_rpm = 7200;
	model->frozen = options->frozen;
	model->lasting_bytes = options->bytes;
	model->dco = options->dco_hidden_bytes > 0;
	model->tries = TRIES;
	drive->own = model;
	return 0;
}

static void done(struct simdrive *drive)
{
	free(drive->own);
}

const struct simdrive_model simdrive_ata = {
	.interface = INTERFACE_SCSI,
	.scsi = scsi,
	.init = init,
	.done = done,
	.power_cut = power_cut,
	.reset = reset,
	.is_blocked = is_blocked,
	.sanitized = sanitized,
};
