/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ata.c - what an ATA drive tells of itself behind a translation, and what it offers (E1)
 *
 * IDENTIFY DEVICE is asked twice, and both answers must agree: drives from before its checksum
 * would otherwise offer by one wrong bit what they do not have.
 */
#include "drives/ata_impl.h"
#include "drives/scsi_impl.h"
#include "drives/tcg.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	PASS_THROUGH_16 = 0x85,
	CDB_BYTES = 16,
	NON_DATA = 3 << 1,
	PIO_IN = 4 << 1,
	PIO_OUT = 5 << 1,
	EXTEND = 1,
	DEVICE_LBA = 1 << 6,
	CK_COND = 1 << 5,
	FROM_DRIVE = 1 << 3,
	IN_BLOCKS_OF_COUNT = 1 << 2 | 2, /* BYT_BLOK, T_LENGTH: the count field */
	CHECK_CONDITION = 2,
	KEY_RECOVERED = 1,
	STATUS_ERROR = 0x01,
	STATUS_FAULT = 0x20,
	STATUS_BUSY = 0x80,

	READ_NATIVE_MAX = 0xf8,
	READ_NATIVE_MAX_EXT = 0x27,
	ACCESSIBLE_MAX = 0x78, /* feature 0: GET NATIVE MAX ADDRESS EXT */
	DEVICE_CONFIGURATION = 0xb1,
	CONFIGURATION_IDENTIFY = 0xc2,
	SMART = 0xb0,
	SMART_RETURN_STATUS = 0xda,
	SMART_MARK = 0xc24f00,
	SMART_GOOD = 0xc24f,
	SMART_BAD = 0x2cf4,
};

static const enum method_kind sanitizes[] = {
	METHOD_ATA_SANITIZE_CRYPTO, METHOD_ATA_SANITIZE_BLOCK, METHOD_ATA_SANITIZE_OVERWRITE};
static const enum method_kind erases[] = {
	METHOD_ATA_ENHANCED_SECURITY_ERASE, METHOD_ATA_SECURITY_ERASE};
static const enum method_kind of_scsi[] = {
	METHOD_SCSI_SANITIZE_CRYPTO, METHOD_SCSI_SANITIZE_BLOCK, METHOD_SCSI_SANITIZE_OVERWRITE};

/* --- commands --- */

/* SAT-5 12.2.3: each field's upper byte lies before its lower one. */
static void encode(const struct ata_command *ata, uint8_t cdb[static CDB_BYTES])
{
	uint8_t protocol = !ata->data ? NON_DATA : ata->to_drive ? PIO_OUT : PIO_IN;

	cdb[0] = PASS_THROUGH_16;
	cdb[1] = (uint8_t)(protocol | (ata->extended ? EXTEND : 0));
	/* Translations are known to lose data that comes with a condition. */
	cdb[2] = (uint8_t)((ata->data ? IN_BLOCKS_OF_COUNT : 0) |
			   (ata->data && !ata->to_drive ? FROM_DRIVE : CK_COND));
	cdb[3] = (uint8_t)(ata->features >> 8);
	cdb[4] = (uint8_t)ata->features;
	cdb[5] = (uint8_t)(ata->count >> 8);
	cdb[6] = (uint8_t)ata->count;
	cdb[7] = ata->extended ? (uint8_t)(ata->lba >> 24) : 0;
	cdb[8] = (uint8_t)ata->lba;
	cdb[9] = (uint8_t)(ata->lba >> 32);
	cdb[10] = (uint8_t)(ata->lba >> 8);
	cdb[11] = (uint8_t)(ata->lba >> 40);
	cdb[12] = (uint8_t)(ata->lba >> 16);
	/* The device field: addresses are sectors, and of 28 bits its lower half has the upper 4.
	 */
	cdb[13] = (uint8_t)(DEVICE_LBA | (ata->extended ? 0 : ata->lba >> 24 & 0xf));
	cdb[14] = ata->command;
}

static void refuse(struct ata_command *ata, const struct scsi_sense *sense)
{
	if (ata->registers_known)
		snprintf(ata->refusal, sizeof(ata->refusal),
			"command aborted (status %02xh, error %02xh)", ata->registers.status,
			ata->registers.error);
	else if (sense)
		snprintf(ata->refusal, sizeof(ata->refusal), "refused (sense %xh/%02xh/%02xh)",
			sense->key, sense->asc, sense->ascq);
	else
		snprintf(ata->refusal, sizeof(ata->refusal), "refused, and no reason given");
}

/* P2: only what is plainly a success is one. */
static bool judge(struct ata_command *ata, const struct scsi_command *scsi)
{
	struct scsi_sense sense;
	size_t bytes =
		scsi->sense_bytes < sizeof(scsi->sense) ? scsi->sense_bytes : sizeof(scsi->sense);
	bool has_sense = scsi_sense_decode(scsi->sense, bytes, &sense) >= 0;
	uint8_t bad = STATUS_ERROR | STATUS_FAULT | STATUS_BUSY;

	ata->registers_known =
		has_sense && scsi_sense_registers(scsi->sense, bytes, &ata->registers) >= 0;
	if (scsi->status == 0 && (!ata->registers_known || !(ata->registers.status & bad)) &&
		(!ata->data || ata->to_drive || scsi->residual_bytes == 0))
		return true;
	if (scsi->status == CHECK_CONDITION && ata->registers_known &&
		!(ata->registers.status & bad) && sense.key <= KEY_RECOVERED)
		return true;
	refuse(ata, has_sense ? &sense : NULL);
	return false;
}

int ata_send(const struct command_port *port, struct ata_command *command)
{
	struct scsi_command scsi = {
		.cdb_bytes = CDB_BYTES,
		.direction = !command->data	 ? SCSI_NO_DATA
			     : command->to_drive ? SCSI_TO_DRIVE
						 : SCSI_FROM_DRIVE,
		.data = command->data,
		.data_bytes = command->data ? ATA_PAGE_BYTES : 0,
		.timeout_ms = command->timeout_ms > 0 ? command->timeout_ms : ATA_ASK_MS,
	};
	encode(command, scsi.cdb);
	for (unsigned int tries = 0; tries < SCSI_ATTENTIONS_MAX; tries++) {
		int r = port->ops->scsi(port->context, &scsi);

		if (r < 0)
			return r;
		if (!scsi_is_attention(&scsi))
			break;
	}
	if (scsi.host_status != 0)
		return -EIO;
	return judge(command, &scsi);
}

static int ask_identity(const struct command_port *port, uint8_t ret_page[static ATA_PAGE_BYTES])
{
	struct ata_command command = {.command = ATA_IDENTIFY, .count = 1, .data = ret_page};
	int r;

	memset(ret_page, 0, ATA_PAGE_BYTES);
	r = ata_send(port, &command);
	return r == 0 ? -EOPNOTSUPP : r;
}

int ata_identify(const struct command_port *port, struct ata_identity *ret_identity)
{
	uint8_t once[ATA_PAGE_BYTES], twice[ATA_PAGE_BYTES];
	int r = ask_identity(port, once);

	if (r >= 0)
		r = ask_identity(port, twice);
	if (r < 0)
		return r;
	if (memcmp(once, twice, ATA_PAGE_BYTES) != 0)
		return -EBADMSG;
	return ata_identity_decode(once, ATA_PAGE_BYTES, ret_identity);
}

/* --- facts --- */

/* The highest address; 0: not known. */
static uint64_t ask_highest(const struct command_port *port, uint8_t command, bool extended)
{
	struct ata_command ata = {.command = command, .extended = extended};

	if (ata_send(port, &ata) <= 0 || !ata.registers_known || !ata.registers.lba_whole)
		return 0;
	return ata.registers.lba | (extended ? 0 : (uint64_t)(ata.registers.device & 0xf) << 24);
}

uint64_t ata_native_highest(const struct command_port *port, const struct ata_identity *identity)
{
	if (identity->ama)
		return ask_highest(port, ACCESSIBLE_MAX, true);
	return identity->extended ? ask_highest(port, READ_NATIVE_MAX_EXT, true)
				  : ask_highest(port, READ_NATIVE_MAX, false);
}

static uint64_t ask_configuration(const struct command_port *port)
{
	uint8_t page[ATA_PAGE_BYTES] = {0};
	struct ata_command ata = {.command = DEVICE_CONFIGURATION,
		.features = CONFIGURATION_IDENTIFY,
		.count = 1,
		.data = page};
	uint64_t sectors;

	if (ata_send(port, &ata) <= 0 || ata_configuration_decode(page, sizeof(page), &sectors) < 0)
		return 0;
	return sectors;
}

/* What it does not tell stays "not known": native_bytes 0. */
static void ask_hidden(const struct command_port *port, const struct ata_identity *identity,
	struct drive_facts *facts)
{
	uint64_t native = identity->sectors, real;

	if (identity->hpa || identity->ama) {
		uint64_t highest = ata_native_highest(port, identity);

		if (highest + 1 < native)
			return;
		native = highest + 1;
		facts->ama = identity->ama && native > identity->sectors;
		facts->hpa = !identity->ama && native > identity->sectors;
	}
	if (identity->dco) {
		real = ask_configuration(port);
		if (real < native)
			return;
		facts->dco = real > native;
		native = real;
	}
	facts->native_bytes = native * identity->logical_bytes;
}

static void ask_health(const struct command_port *port, struct drive_facts *facts)
{
	struct ata_command ata = {
		.command = SMART, .features = SMART_RETURN_STATUS, .lba = SMART_MARK};
	uint64_t mark;

	if (ata_send(port, &ata) <= 0 || !ata.registers_known)
		return;
	mark = ata.registers.lba >> 8 & 0xffff;
	if (mark != SMART_GOOD && mark != SMART_BAD)
		return;
	facts->health_known = true;
	facts->healthy = mark == SMART_GOOD;
	snprintf(facts->health, sizeof(facts->health), "%s",
		facts->healthy ? "SMART: no failure is foreseen"
			       : "SMART: the drive says that it is about to fail");
}

static void ask_tcg(const struct command_port *port, struct drive_facts *facts)
{
	uint8_t page[TCG_LEVEL_0_BYTES] = {0};
	struct tcg_level_0 discovery;
	struct ata_command ata = {.command = ATA_TRUSTED,
		.features = TCG_PROTOCOL,
		.count = 1,
		.lba = TCG_LEVEL_0 << 8,
		.data = page};

	facts->opal_unknown =
		ata_send(port, &ata) <= 0 || tcg_level_0_decode(page, sizeof(page), &discovery) < 0;
	if (facts->opal_unknown)
		return;
	facts->opal = discovery.subsystem;
	facts->opal_locked = discovery.locked;
}

/* --- offers --- */

static void offer_sanitizes(const struct command_port *port, const struct ata_identity *identity,
	struct drive_facts *facts)
{
	const bool says[] = {
		identity->sanitize_crypto, identity->sanitize_block, identity->sanitize_overwrite};
	struct ata_sanitize_status status;
	int r = identity->sanitize ? ata_sanitize_ask(port, &status) : -EOPNOTSUPP;

	if (r >= 0) {
		facts->sanitize.idle_known = true;
		facts->sanitize.in_progress = status.running;
		facts->sanitize.failed = status.failed;
		facts->sanitize.progress = status.progress;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		if (!says[i])
			offer_refuse(facts, sanitizes[i],
				"IDENTIFY (word 59) says that the drive does not have it");
		else if (r < 0)
			offer_refuse(facts, sanitizes[i],
				"its sanitize status does not come through whole, so that its end "
				"could not be known");
		else
			offer_make(facts, sanitizes[i], REACH_DEVICE, UINT64_MAX);
	}
}

static void offer_erases(const struct ata_identity *identity, struct drive_facts *facts)
{
	const uint64_t seconds[] = {identity->enhanced_erase_s, identity->erase_s};

	for (size_t i = 0; i < ARRAY_SIZE(erases); i++) {
		if (!identity->security)
			offer_refuse(facts, erases[i],
				"IDENTIFY (words 82 and 128) says that the drive has no SECURITY "
				"commands");
		else if (erases[i] == METHOD_ATA_ENHANCED_SECURITY_ERASE && !identity->enhanced)
			offer_refuse(facts, erases[i],
				"IDENTIFY (word 128) says that there is no enhanced erase");
		else
			offer_make(facts, erases[i], REACH_DEVICE,
				seconds[i] > 0 ? seconds[i] : UINT64_MAX);
	}
}

static void refuse_all(struct drive_facts *facts, const char *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++)
		offer_refuse(facts, sanitizes[i], "%s", why);
	for (size_t i = 0; i < ARRAY_SIZE(erases); i++)
		offer_refuse(facts, erases[i], "%s", why);
}

static void take_identity(const struct ata_identity *identity, struct drive_facts *facts)
{
	facts->is_ata = true;
	memcpy(facts->model, identity->model, sizeof(facts->model));
	memcpy(facts->serial, identity->serial, sizeof(facts->serial));
	memcpy(facts->firmware, identity->firmware, sizeof(facts->firmware));
	memcpy(facts->wwn, identity->wwn, sizeof(facts->wwn));
	facts->bytes = identity->sectors * identity->logical_bytes;
	facts->logical_bytes = identity->logical_bytes;
	facts->physical_bytes = identity->physical_bytes;
	facts->rotation_known = identity->rotation_known;
	facts->rotation_rpm = identity->rotation_rpm;
	facts->zoned = identity->zoned;
	facts->security.supported = identity->security;
	facts->security.enabled = identity->enabled;
	facts->security.locked = identity->locked;
	facts->security.frozen = identity->frozen;
	facts->security.count_expired = identity->count_expired;
	facts->security.enhanced = identity->enhanced;
	facts->security.erase_s = identity->erase_s;
	facts->security.enhanced_erase_s = identity->enhanced_erase_s;
}

static int ask(const struct command_port *port, struct drive_facts *facts)
{
	struct ata_identity identity;
	int r = ata_identify(port, &identity);

	for (size_t i = 0; i < ARRAY_SIZE(of_scsi); i++)
		offer_refuse(facts, of_scsi[i], "an ATA drive is sent its own commands");
	if (r == -EOPNOTSUPP || r == -EBADMSG) {
		refuse_all(facts,
			r == -EBADMSG ? "what the drive tells of itself is damaged"
				      : "the drive takes no ATA commands, or its bridge does not");
		return 0;
	}
	if (r < 0)
		return r;
	take_identity(&identity, facts);
	ask_hidden(port, &identity, facts);
	if (identity.smart)
		ask_health(port, facts);
	if (identity.trusted)
		ask_tcg(port, facts);
	offer_sanitizes(port, &identity, facts);
	offer_erases(&identity, facts);
	return 0;
}

/* --- methods --- */

static bool is_erase(enum method_kind kind)
{
	return kind == METHOD_ATA_ENHANCED_SECURITY_ERASE || kind == METHOD_ATA_SECURITY_ERASE;
}

static int start(const struct method_run *run, struct method_result *result)
{
	return is_erase(run->kind) ? ata_security_start(run, result)
				   : ata_sanitize_start(run, result);
}

static int resume(const struct method_run *run, struct method_result *result)
{
	return is_erase(run->kind) ? ata_security_resume(run, result)
				   : ata_sanitize_resume(run, result);
}

static int poll_once(const struct method_run *run, struct method_result *result)
{
	return is_erase(run->kind) ? ata_security_poll(run, result)
				   : ata_sanitize_poll(run, result);
}

static int finish(const struct method_run *run, struct method_result *result)
{
	return is_erase(run->kind) ? ata_security_finish(run, result)
				   : ata_sanitize_finish(run, result);
}

const struct drive_ops drive_ops_ata = {
	.ask = ask,
	.start = start,
	.resume = resume,
	.poll = poll_once,
	.finish = finish,
};
