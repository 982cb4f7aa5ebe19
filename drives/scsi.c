/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi.c - what a SCSI drive tells of itself, and what it offers (E1)
 *
 * What answers to ATA's IDENTIFY behind a translation is an ATA drive, and left to ata.c.  SANITIZE
 * is offered if REPORT SUPPORTED OPERATION CODES has it, service action by service action: drives
 * without it answer a try with three different errors, and FORMAT UNIT, which some take without
 * doing anything, is no method.
 */
#include "drives/scsi_impl.h"
#include "drives/tcg.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	CHECK_CONDITION = 2,
	INQUIRY = 0x12,
	SERVICE_ACTION_IN = 0x9e,
	READ_CAPACITY_16 = 0x10,
	MAINTENANCE_IN = 0xa3,
	SUPPORTED_CODES = 0x0c,
	ONE_SERVICE_ACTION = 2,
	SERIAL_PAGE = 0x80,
	NAMES_PAGE = 0x83,
	MEDIUM_PAGE = 0xb1,
	CAPACITY_BYTES = 32,
	CODES_BYTES = 64,
	LOG_SENSE = 0x4d,
	EXCEPTIONS_PAGE = 0x2f,
	CUMULATIVE = 1 << 6,
	LOG_BYTES = 64,
	SECURITY_IN = 0xa2,
};

static const struct {
	enum method_kind kind;
	uint8_t action;
} sanitizes[] = {{METHOD_SCSI_SANITIZE_CRYPTO, SCSI_SANITIZE_CRYPTO},
	{METHOD_SCSI_SANITIZE_BLOCK, SCSI_SANITIZE_BLOCK},
	{METHOD_SCSI_SANITIZE_OVERWRITE, SCSI_SANITIZE_OVERWRITE}};

bool scsi_is_attention(const struct scsi_command *command)
{
	struct scsi_sense sense;

	return command->host_status == 0 && command->status == CHECK_CONDITION &&
	       command->sense_bytes <= sizeof(command->sense) &&
	       scsi_sense_decode(command->sense, command->sense_bytes, &sense) >= 0 &&
	       sense.key == SCSI_KEY_ATTENTION;
}

int scsi_send(const struct command_port *port, struct scsi_command *command,
	char ret_refusal[static FACTS_WHY_BYTES / 2])
{
	struct scsi_sense sense;
	int r = 0;

	if (command->timeout_ms == 0)
		command->timeout_ms = SCSI_ASK_MS;
	/* What is told of a reset or a power-on stands in the way of a command, and is told once.
	 */
	for (unsigned int tries = 0; tries < SCSI_ATTENTIONS_MAX; tries++) {
		r = port->ops->scsi(port->context, command);
		if (r < 0)
			return r;
		if (!scsi_is_attention(command))
			break;
	}
	if (command->host_status != 0)
		snprintf(ret_refusal, FACTS_WHY_BYTES / 2, "the adapter did not bring it through");
	else if (command->status == 0)
		return 1;
	else if (command->sense_bytes <= sizeof(command->sense) &&
		 scsi_sense_decode(command->sense, command->sense_bytes, &sense) >= 0)
		snprintf(ret_refusal, FACTS_WHY_BYTES / 2, "sense %xh/%02xh/%02xh", sense.key,
			sense.asc, sense.ascq);
	else
		snprintf(ret_refusal, FACTS_WHY_BYTES / 2, "status %02xh", command->status);
	return 0;
}

/* How many bytes came; 0: none. */
static size_t ask_page(
	const struct command_port *port, struct scsi_command *command, uint8_t *page, size_t bytes)
{
	char refusal[FACTS_WHY_BYTES / 2];

	memset(page, 0, bytes);
	command->direction = SCSI_FROM_DRIVE;
	command->data = page;
	command->data_bytes = (uint32_t)bytes;
	if (scsi_send(port, command, refusal) <= 0 || command->residual_bytes >= bytes)
		return 0;
	return bytes - command->residual_bytes;
}

static size_t inquire(const struct command_port *port, int code, uint8_t *page)
{
	struct scsi_command command = {
		.cdb = {INQUIRY, code >= 0, code >= 0 ? (uint8_t)code : 0, 0, SCSI_PAGE_BYTES},
		.cdb_bytes = 6};

	return ask_page(port, &command, page, SCSI_PAGE_BYTES);
}

static void ask_names(const struct command_port *port, struct drive_facts *facts)
{
	uint8_t page[SCSI_PAGE_BYTES];
	struct scsi_medium medium;

	if (scsi_serial_decode(page, inquire(port, SERIAL_PAGE, page), facts->serial) < 0)
		facts->serial[0] = '\0';
	if (scsi_names_decode(page, inquire(port, NAMES_PAGE, page), facts->wwn) < 0)
		facts->wwn[0] = '\0';
	if (scsi_medium_decode(page, inquire(port, MEDIUM_PAGE, page), &medium) < 0)
		return;
	facts->rotation_known = medium.rotation_known;
	facts->rotation_rpm = medium.rotation_rpm;
	facts->zoned = medium.zoned;
}

static void ask_capacity(const struct command_port *port, struct drive_facts *facts)
{
	struct scsi_command command = {
		.cdb = {SERVICE_ACTION_IN, READ_CAPACITY_16, [13] = CAPACITY_BYTES},
		.cdb_bytes = 16};
	uint8_t page[CAPACITY_BYTES];
	struct scsi_capacity capacity;
	size_t bytes = ask_page(port, &command, page, sizeof(page));

	if (scsi_capacity_decode(page, bytes, &capacity) < 0)
		return;
	facts->bytes = capacity.bytes;
	facts->logical_bytes = capacity.logical_bytes;
	facts->physical_bytes = capacity.physical_bytes;
}

static int ask_support(const struct command_port *port, uint8_t action, bool *ret_supported)
{
	struct scsi_command command = {.cdb = {MAINTENANCE_IN, SUPPORTED_CODES, ONE_SERVICE_ACTION,
					       SCSI_SANITIZE, 0, action, [9] = CODES_BYTES},
		.cdb_bytes = 12};
	uint8_t page[CODES_BYTES];
	size_t bytes = ask_page(port, &command, page, sizeof(page));

	return scsi_support_decode(page, bytes, ret_supported);
}

/* Twice: the page has no checksum. */
static void offer_sanitizes(const struct command_port *port, struct drive_facts *facts)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		bool once = false, twice = false;
		int r = ask_support(port, sanitizes[i].action, &once);

		if (r >= 0)
			r = ask_support(port, sanitizes[i].action, &twice);
		if (r < 0)
			offer_refuse(facts, sanitizes[i].kind,
				"the drive does not tell whether it has it (REPORT SUPPORTED "
				"OPERATION CODES)");
		else if (!once || !twice)
			offer_refuse(facts, sanitizes[i].kind,
				"REPORT SUPPORTED OPERATION CODES says that the drive does not "
				"have it");
		else
			offer_make(facts, sanitizes[i].kind, REACH_DEVICE, UINT64_MAX);
	}
}

static void ask_sanitize(const struct command_port *port, struct drive_facts *facts)
{
	struct scsi_sanitize_status status;

	if (scsi_sanitize_ask(port, &status) < 0)
		return;
	facts->sanitize.idle_known = true;
	facts->sanitize.in_progress = status.running;
	facts->sanitize.failed = status.failed;
	facts->sanitize.progress = status.progress;
}

static void ask_health(const struct command_port *port, struct drive_facts *facts)
{
	struct scsi_command command = {
		.cdb = {LOG_SENSE, 0, CUMULATIVE | EXCEPTIONS_PAGE, [8] = LOG_BYTES},
		.cdb_bytes = 10};
	uint8_t page[LOG_BYTES];
	struct scsi_health health;
	size_t bytes = ask_page(port, &command, page, sizeof(page));

	if (scsi_health_decode(page, bytes, &health) < 0)
		return;
	facts->health_known = true;
	facts->healthy = health.healthy;
	memcpy(facts->health, health.text, sizeof(facts->health));
}

static void ask_tcg(const struct command_port *port, struct drive_facts *facts)
{
	struct scsi_command command = {
		.cdb = {SECURITY_IN, TCG_PROTOCOL, 0, TCG_LEVEL_0, [8] = TCG_LEVEL_0_BYTES >> 8},
		.cdb_bytes = 12};
	uint8_t page[TCG_LEVEL_0_BYTES];
	struct tcg_level_0 discovery;
	size_t bytes = ask_page(port, &command, page, sizeof(page));

	if (bytes == 0 || tcg_level_0_decode(page, bytes, &discovery) < 0)
		return;
	facts->opal = discovery.subsystem;
	facts->opal_locked = discovery.locked;
}

static int ask(const struct command_port *port, struct drive_facts *facts)
{
	uint8_t page[SCSI_PAGE_BYTES];
	struct scsi_inquiry inquiry;
	int r = drive_ops_ata.ask(port, facts);

	if (r < 0 || facts->is_ata)
		return r;
	if (scsi_inquiry_decode(page, inquire(port, -1, page), &inquiry) < 0) {
		for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++)
			offer_refuse(facts, sanitizes[i].kind,
				"what the drive tells of itself is damaged, or it is no disk");
		return 0;
	}
	memcpy(facts->vendor, inquiry.vendor, sizeof(facts->vendor));
	memcpy(facts->model, inquiry.model, sizeof(facts->model));
	memcpy(facts->firmware, inquiry.firmware, sizeof(facts->firmware));
	ask_names(port, facts);
	ask_capacity(port, facts);
	ask_health(port, facts);
	ask_tcg(port, facts);
	ask_sanitize(port, facts);
	offer_sanitizes(port, facts);
	return 0;
}

const struct drive_ops drive_ops_scsi = {
	.ask = ask,
	.start = scsi_sanitize_start,
	.resume = scsi_sanitize_resume,
	.poll = scsi_sanitize_poll,
	.finish = scsi_sanitize_finish,
};
