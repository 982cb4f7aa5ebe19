/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drives_impl.h - for those who implement the commands of one interface
 *
 * One struct drive_ops for each: what it tells, and how its methods begin, are taken up, asked
 * about and ended.  facts.c and method.c keep what all have in common: the order of records and
 * commands, limits, waiting, states.
 */
#ifndef SPOOLGUARD_DRIVES_DRIVES_IMPL_H
#define SPOOLGUARD_DRIVES_DRIVES_IMPL_H

#include "drives/method.h"

#define PROGRESS_WHOLE 65536u

struct drive_ops {
	/*
	 * Required.  On entry nothing is known and nothing is offered.  Fills in what the drive
	 * tells, and of each of the interface's methods the offer or why_not.  -errno: it could not
	 * be asked at all.
	 */
	int (*ask)(const struct command_port *port, struct drive_facts *facts);
	/*
	 * Required.  Begins run->kind: method_note() before each command that changes something
	 * (H1), then method_say() with RUNNING, or with DONE or FAILED if the command ends only
	 * with its work, or the drive refuses it.
	 */
	int (*start)(const struct method_run *run, struct method_result *result);
	/* Required.  The same where the record says that it was begun, and nobody knows more. */
	int (*resume)(const struct method_run *run, struct method_result *result);
	/* Required if it can be RUNNING.  Asks once: state, progress, detail, status_after. -errno:
	 * no answer. */
	int (*poll)(const struct method_run *run, struct method_result *result);
	/* Optional: once, after DONE or FAILED: leaves a failed mode, takes a password off. */
	int (*finish)(const struct method_run *run, struct method_result *result);
};

extern const struct drive_ops drive_ops_nvme;
extern const struct drive_ops drive_ops_scsi;
extern const struct drive_ops drive_ops_ata; /* of what is behind INTERFACE_SCSI, if it is ATA */
extern const struct drive_ops drive_ops_mmc;
extern const struct drive_ops drive_ops_discard; /* METHOD_SECURE_DISCARD, of any interface */

/* NULL: nobody knows this interface's commands. */
const struct drive_ops *drive_ops_of(const struct drive_facts *facts, enum method_kind kind);

/* The port's time. */
uint64_t command_now_ms(const struct command_port *port);
void command_sleep_ms(const struct command_port *port, uint32_t ms);

/* The record function.  What fails here is not sent. */
must_check int method_note(const struct method_run *run, const char *step, bool done);
/* What the drive said, in words. */
void method_say(struct method_result *result, enum method_state state, const char *format, ...)
	format_printf(3, 4);
/* How long a command may take that ends only with its work. */
uint32_t method_command_ms(const struct method_run *run);

void offer_make(struct drive_facts *facts, enum method_kind kind, enum method_reach reach,
	uint64_t estimated_s);
void offer_refuse(struct drive_facts *facts, enum method_kind kind, const char *format, ...)
	format_printf(3, 4);

/* A field of ASCII padded with blanks: what is printable of it, trimmed; pure. */
void facts_text(char ret_text[static FACTS_TEXT_BYTES], const uint8_t *field, size_t bytes);

#endif
