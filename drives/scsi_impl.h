/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi_impl.h - for those who send a SCSI drive its own commands
 */
#ifndef SPOOLGUARD_DRIVES_SCSI_IMPL_H
#define SPOOLGUARD_DRIVES_SCSI_IMPL_H

#include "drives/drives_impl.h"
#include "drives/scsi_pages.h"
#include "drives/scsi_sense.h"

#define SCSI_ASK_MS		15000u
#define SCSI_ATTENTIONS_MAX	8u
#define SCSI_KEY_ATTENTION	6u
#define SCSI_SANITIZE		0x48u
#define SCSI_SANITIZE_OVERWRITE 1u
#define SCSI_SANITIZE_BLOCK	2u
#define SCSI_SANITIZE_CRYPTO	3u

struct scsi_sanitize_status {
	bool idle, running, failed;
	uint32_t progress; /* of 65536 */
};

/* It was not carried out: the drive tells of a reset, of its power, or of others first. */
bool scsi_is_attention(const struct scsi_command *command);
/* 1: GOOD; 0: anything else, in words; -errno: not delivered. */
must_check int scsi_send(const struct command_port *port, struct scsi_command *command,
	char ret_refusal[static FACTS_WHY_BYTES / 2]);
/* REQUEST SENSE.  -EAGAIN: it says something else. */
must_check int scsi_sanitize_ask(
	const struct command_port *port, struct scsi_sanitize_status *ret_status);
must_check int scsi_sanitize_start(const struct method_run *run, struct method_result *result);
must_check int scsi_sanitize_resume(const struct method_run *run, struct method_result *result);
must_check int scsi_sanitize_poll(const struct method_run *run, struct method_result *result);
must_check int scsi_sanitize_finish(const struct method_run *run, struct method_result *result);

#endif
