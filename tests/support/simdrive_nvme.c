/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simdrive_nvme.c - an NVMe controller with one or more namespaces of a subsystem of its own
 *
 * Source: NVM Express Base 2.0.  Sanitize runs by itself and outlives a power cut; meanwhile only
 * commands that look are taken.  Format is over at once.
 */
#include "base/bytes.h"
#include "tests/support/simdrive_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_BYTES = 4096,
	LOG_BYTES = 512,
	GET_LOG_PAGE = 0x02,
	IDENTIFY = 0x06,
	FORMAT = 0x80,
	SECURITY_SEND = 0x81,
	SECURITY_RECEIVE = 0x82,
	SANITIZE = 0x84,
	SUCCESS = 0,
	INVALID_OPCODE = 0x01,
	INVALID_FIELD = 0x02,
	INVALID_NAMESPACE = 0x0b,
	SANITIZE_FAILED = 0x1c,
	SANITIZE_IN_PROGRESS = 0x1d,
	INVALID_LOG = 0x109,
	FEATURE_CRYPTO = 1,
	FEATURE_BLOCK = 2,
	FEATURE_OVERWRITE = 4,
	LEAVE_FAILURE = 1,
};

#define ALL_NAMESPACES 0xffffffffu

struct nvme_model {
	uint32_t last_cdw10; /* of the last Sanitize that was begun */
	uint16_t status;     /* SSTAT bits 2:0 of the last that ended */
	bool unrestricted;
};

static uint32_t sanicap(const struct simdrive *drive)
{
	const struct simdrive_options *options = &drive->options;
	uint32_t features = 0;

	if (options->no_sanitize)
		return 0;
	if (!options->no_crypto)
		features |= FEATURE_CRYPTO;
	if (!options->no_block)
		features |= FEATURE_BLOCK;
	if (!options->no_overwrite)
		features |= FEATURE_OVERWRITE;
	return features | (options->no_deallocate_inhibited ? 1u << 29 : 0);
}

/* --- what it tells --- */

static void put_text(uint8_t *at, size_t bytes, const char *text)
{
	size_t length = strlen(text);

	memset(at, ' ', bytes);
	memcpy(at, text, length < bytes ? length : bytes);
}

static void identify_controller(const struct simdrive *drive, uint8_t *page)
{
	const struct simdrive_options *options = &drive->options;

	put_text(page + 4, 20, options->serial);
	put_text(page + 24, 40, options->model);
	put_text(page + 64, 8, options->firmware);
	page[77] = 5; /* MDTS */
	bytes_put_le16(page + 78, 1);
	bytes_put_le32(page + 80, 0x10400);
	page[111] = 1; /* an I/O controller */
	bytes_put_le16(
		page + 256, (uint16_t)((options->opal ? 1 : 0) | (options->no_format ? 0 : 2) | 8));
	bytes_put_le64(page + 280, drive->medium_bytes);
	bytes_put_le32(page + 328, sanicap(drive));
	page[512] = 0x66;
	page[513] = 0x44;
	bytes_put_le32(page + 516, options->namespaces);
	page[524] = (uint8_t)((options->fna_all ? 3 : 0) | (options->no_crypto ? 0 : 4));
}

static void identify_namespace(const struct simdrive *drive, uint32_t nsid, uint8_t *page)
{
	uint64_t blocks = drive->options.bytes / drive->options.logical_bytes;

	for (size_t at = 0; at < 24; at += 8) /* NSZE, NCAP, NUSE */
		bytes_put_le64(page + at, blocks);
	page[25] = 1; /* two formats */
	page[26] = drive->options.logical_bytes == 4096 ? 1 : 0;
	page[120] = 0x50;
	page[127] = (uint8_t)nsid;
	page[128 + 2] = 9;
	page[128 + 4 + 2] = 12;
}

static uint16_t identify(const struct simdrive *drive, struct nvme_command *command, uint8_t *page)
{
	switch (command->cdw10 & 0xff) {
	case 0x00:
		if (command->nsid == 0 || command->nsid > drive->options.namespaces)
			return INVALID_NAMESPACE;
		identify_namespace(drive, command->nsid, page);
		return SUCCESS;
	case 0x01:
		identify_controller(drive, page);
		return SUCCESS;
	case 0x03: /* names: the EUI-64 */
		if (command->nsid == 0 || command->nsid > drive->options.namespaces)
			return INVALID_NAMESPACE;
		page[0] = 1;
		page[1] = 8;
		page[4] = 0x50;
		page[11] = (uint8_t)command->nsid;
		return SUCCESS;
	case 0x02: /* active, and 10h: allocated */
	case 0x10:
		for (uint32_t i = 0, nsid = command->nsid + 1;
			nsid <= drive->options.namespaces && i < PAGE_BYTES / 4; i++, nsid++)
			bytes_put_le32(page + (size_t)4 * i, nsid);
		return SUCCESS;
	default:
		return INVALID_FIELD;
	}
}

static void sanitize_log(const struct simdrive *drive, uint8_t *page)
{
	const struct nvme_model *model = drive->own;
	uint32_t seconds = (drive->options.sanitize_ms + 999) / 1000;
	bool running = drive->sanitize.running;
	uint16_t status = running ? 2 : model->status;
	bool untouched = model->status == 1 && !drive->sanitize.written_since && !running;

	bytes_put_le16(page, running ? (uint16_t)simdrive_sanitize_progress(drive) : 0xffff);
	bytes_put_le16(page + 2, (uint16_t)(status | (untouched ? 1 << 8 : 0)));
	bytes_put_le32(page + 4, model->last_cdw10);
	for (size_t at = 8; at < 32; at += 4)
		bytes_put_le32(page + at, seconds);
}

static uint16_t get_log(const struct simdrive *drive, struct nvme_command *command, uint8_t *page)
{
	switch (command->cdw10 & 0xff) {
	case 0x02:
		page[3] = 100;
		page[4] = 10;
		page[5] = 3;
		return SUCCESS;
	case 0x81:
		if (sanicap(drive) == 0)
			return INVALID_LOG;
		sanitize_log(drive, page);
		return SUCCESS;
	default:
		return INVALID_LOG;
	}
}

static void put_feature(uint8_t *at, unsigned int code, uint8_t bytes)
{
	at[0] = (uint8_t)(code >> 8);
	at[1] = (uint8_t)code;
	at[2] = 0x10;
	at[3] = bytes;
}

static uint16_t security_receive(
	const struct simdrive *drive, struct nvme_command *command, uint8_t *page)
{
	if (!drive->options.opal)
		return INVALID_OPCODE;
	if (command->cdw10 != (1u << 24 | 1u << 8))
		return INVALID_FIELD;
	page[3] = 48 + 16 + 16 + 20 - 4;
	page[7] = 1;
	put_feature(page + 48, 0x0001, 12);
	put_feature(page + 64, 0x0002, 12);
	page[68] = 0x09; /* locking supported, media encryption */
	put_feature(page + 80, 0x0203, 16);
	return SUCCESS;
}

/* --- what it does --- */

static struct simdrive_range everything(const struct simdrive *drive)
{
	return (struct simdrive_range){0, drive->medium_bytes};
}

static uint16_t format(struct simdrive *drive, const struct nvme_command *command)
{
	uint32_t ses = command->cdw10 >> 9 & 7, nsid = command->nsid;
	bool has_crypto = !drive->options.no_crypto || drive->options.crypto_accepted_without_fna;
	bool all = nsid == ALL_NAMESPACES || drive->options.fna_all;
	enum simdrive_how how = ses == 2 ? SIMDRIVE_CRYPTO : SIMDRIVE_BLOCK;

	if (drive->options.no_format)
		return INVALID_OPCODE;
	if (nsid != ALL_NAMESPACES && (nsid == 0 || nsid > drive->options.namespaces))
		return INVALID_NAMESPACE;
	if ((command->cdw10 & 0xf) > 1 || ses > 2 || (ses == 2 && !has_crypto))
		return INVALID_FIELD;
	drive->options.logical_bytes = (command->cdw10 & 0xf) == 1 ? 4096 : 512;
	if (drive->options.fail)
		return 0x06;
	simdrive_erase(drive, how, 0,
		all ? everything(drive)
		    : (struct simdrive_range){
			      (nsid - 1) * drive->options.bytes, drive->options.bytes});
	return SUCCESS;
}

static bool begin(struct simdrive *drive, const struct nvme_command *command)
{
	static const struct {
		uint32_t feature;
		enum simdrive_how how;
	} actions[] = {[2] = {FEATURE_BLOCK, SIMDRIVE_BLOCK},
		[3] = {FEATURE_OVERWRITE, SIMDRIVE_OVERWRITE},
		[4] = {FEATURE_CRYPTO, SIMDRIVE_CRYPTO}};
	uint32_t action = command->cdw10 & 7;
	struct nvme_model *model = drive->own;

	if (action >= ARRAY_SIZE(actions) || !(actions[action].feature & sanicap(drive)))
		return false;
	if ((command->cdw10 >> 9 & 1) && drive->options.no_deallocate_inhibited)
		return false;
	if (drive->options.swallow)
		return true;
	model->last_cdw10 = command->cdw10;
	model->unrestricted = command->cdw10 >> 3 & 1;
	simdrive_sanitize_begin(drive, actions[action].how, command->cdw11, everything(drive));
	return true;
}

static uint16_t sanitize(struct simdrive *drive, const struct nvme_command *command)
{
	struct nvme_model *model = drive->own;
	bool unrestricted = command->cdw10 >> 3 & 1;

	if (sanicap(drive) == 0)
		return INVALID_OPCODE;
	if ((command->cdw10 & 7) == LEAVE_FAILURE) {
		if (drive->sanitize.failed && !model->unrestricted)
			return SANITIZE_FAILED;
		drive->sanitize.failed = false;
		return SUCCESS;
	}
	/* Restricted failure is left by a restricted sanitize alone. */
	if (drive->sanitize.failed && !model->unrestricted && unrestricted)
		return SANITIZE_FAILED;
	return begin(drive, command) ? SUCCESS : INVALID_FIELD;
}

static void sanitized(struct simdrive *drive)
{
	struct nvme_model *model = drive->own;

	model->status = drive->sanitize.failed ? 3 : 1;
}

/* --- commands --- */

static bool only_looks(uint8_t opcode)
{
	return opcode == GET_LOG_PAGE || opcode == IDENTIFY;
}

static uint16_t judge(struct simdrive *drive, const struct nvme_command *command)
{
	if (only_looks(command->opcode))
		return SUCCESS;
	if (drive->sanitize.running)
		return SANITIZE_IN_PROGRESS;
	if (drive->sanitize.failed && command->opcode != SANITIZE)
		return SANITIZE_FAILED;
	return SUCCESS;
}

static uint16_t execute(struct simdrive *drive, struct nvme_command *command, uint8_t *page)
{
	switch (command->opcode) {
	case IDENTIFY:
		return identify(drive, command, page);
	case GET_LOG_PAGE:
		return get_log(drive, command, page);
	case SECURITY_RECEIVE:
		return security_receive(drive, command, page);
	case FORMAT:
		return format(drive, command);
	case SANITIZE:
		return sanitize(drive, command);
	default:
		return INVALID_OPCODE;
	}
}

static int nvme(struct simdrive *drive, struct nvme_command *command)
{
	uint8_t page[PAGE_BYTES] = {0};
	uint16_t status;

	if (command->opcode == FORMAT || command->opcode == SANITIZE ||
		command->opcode == SECURITY_SEND)
		simdrive_changed(drive);
	status = judge(drive, command);
	if (status == SUCCESS)
		status = execute(drive, command, page);
	command->result = 0;
	command->status = status;
	command->do_not_retry = status != SUCCESS;
	if (status == SUCCESS && command->data && !command->to_drive)
		memcpy(command->data, page,
			command->data_bytes < PAGE_BYTES ? command->data_bytes : PAGE_BYTES);
	return 0;
}

static int init(struct simdrive *drive)
{
	struct simdrive_options *options = &drive->options;

	if (!options->model)
		options->model = "SIMDRIVE NVME";
	if (!options->serial)
		options->serial = "SIMNVME0001";
	if (!options->firmware)
		options->firmware = "1.0";
	drive->port.nsid = options->nsid == 0		     ? 1
			   : options->nsid == ALL_NAMESPACES ? 0
							     : options->nsid;
	if (drive->port.nsid > 0)
		drive->visible_first = (drive->port.nsid - 1) * options->bytes;
	drive->own = calloc(1, sizeof(struct nvme_model));
	return drive->own ? 0 : -ENOMEM;
}

static void done(struct simdrive *drive)
{
	free(drive->own);
}

const struct simdrive_model simdrive_nvme = {
	.interface = INTERFACE_NVME,
	.nvme = nvme,
	.init = init,
	.done = done,
	.sanitized = sanitized,
};
