/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ata_impl.h - for those who send commands to an ATA drive
 *
 * They travel in ATA PASS-THROUGH (16), and their registers come back in the sense data.  A success
 * without registers is told apart: a bridge that swallows commands has none to give.
 */
#ifndef SPOOLGUARD_DRIVES_ATA_IMPL_H
#define SPOOLGUARD_DRIVES_ATA_IMPL_H

#include "drives/ata_identify.h"
#include "drives/drives_impl.h"
#include "drives/scsi_sense.h"

#define ATA_ASK_MS	  15000u
#define ATA_SANITIZE	  0xb4u
#define ATA_TRUSTED	  0x5cu
#define ATA_IDENTIFY	  0xecu
#define ATA_SET_PASSWORD  0xf1u
#define ATA_UNLOCK	  0xf2u
#define ATA_ERASE_PREPARE 0xf3u
#define ATA_ERASE_UNIT	  0xf4u
#define ATA_TAKE_OFF	  0xf6u /* SECURITY DISABLE PASSWORD */

struct ata_command {
	uint8_t command;
	bool extended; /* 48-bit */
	uint16_t features, count;
	uint64_t lba;
	uint8_t *data; /* borrowed; ATA_PAGE_BYTES; NULL: none */
	bool to_drive;
	uint32_t timeout_ms;
	/* answered: */
	bool registers_known;
	struct ata_registers registers;
	char refusal[FACTS_WHY_BYTES / 2]; /* in words, if it was refused */
};

/* 1: done; 0: not done (refusal says why); -errno: not delivered. */
must_check int ata_send(const struct command_port *port, struct ata_command *command);
/* Twice, and both must agree.  -EOPNOTSUPP: refused; -EBADMSG. */
must_check int ata_identify(const struct command_port *port, struct ata_identity *ret_identity);
/* The highest address that there is without HPA and AMA; 0: not known. */
uint64_t ata_native_highest(const struct command_port *port, const struct ata_identity *identity);

/* What SANITIZE STATUS EXT says. */
struct ata_sanitize_status {
	bool completed, running, frozen;
	bool failed;
	uint32_t progress; /* of 65536 */
};

/* -EOPNOTSUPP: it does not tell all of it. */
must_check int ata_sanitize_ask(
	const struct command_port *port, struct ata_sanitize_status *ret_status);
must_check int ata_sanitize_start(const struct method_run *run, struct method_result *result);
must_check int ata_sanitize_resume(const struct method_run *run, struct method_result *result);
must_check int ata_sanitize_poll(const struct method_run *run, struct method_result *result);
must_check int ata_sanitize_finish(const struct method_run *run, struct method_result *result);

must_check int ata_security_start(const struct method_run *run, struct method_result *result);
must_check int ata_security_resume(const struct method_run *run, struct method_result *result);
must_check int ata_security_poll(const struct method_run *run, struct method_result *result);
must_check int ata_security_finish(const struct method_run *run, struct method_result *result);

#endif
