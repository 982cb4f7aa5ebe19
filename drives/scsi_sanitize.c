/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scsi_sanitize.c - SANITIZE (SBC-4 5.30) with IMMED, watched by REQUEST SENSE
 *
 *   idle --SANITIZE--> in progress (2/04/1B) ---> idle (0/00/00)
 *    ^                     |
 *    |                     v
 *    +--EXIT FAILURE-- failed (3/31/03): the medium cannot be reached
 *
 * Unrestricted exit (AUSE) is asked for, so that a drive whose sanitize failed can be got out of
 * that state.
 *
 *   V1  The sense data tell of a failure and of no success: "nothing to report" counts only if the
 *       sanitize was seen running since it was begun, and the drive then says that it is ready.
 *   V2  After a power cut only a sanitize that still runs is taken up; others are begun again.
 */
#include "drives/scsi_impl.h"
#include <errno.h>
#include <string.h>

enum {
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	WANT_DESCRIPTORS = 1,
	IMMED = 1 << 7,
	AUSE = 1 << 5,
	LEAVE_FAILURE = 0x1f,
	KEY_NONE = 0,
	KEY_NOT_READY = 2,
	KEY_MEDIUM_ERROR = 3,
	OVERWRITE_LIST_BYTES = 8,
	OVERWRITE_PATTERN = 0x97,
};

#define STEP_LEAVE_FAILURE "leave-failed-mode"

/* --- the status --- */

static int decode_status(
	const uint8_t *sense, size_t bytes, struct scsi_sanitize_status *ret_status)
{
	struct scsi_sense about;

	*ret_status = (struct scsi_sanitize_status){0};
	if (scsi_sense_decode(sense, bytes, &about) < 0 || about.deferred)
		return -EAGAIN;
	ret_status->idle = about.key == KEY_NONE && about.asc == 0 && about.ascq == 0;
	ret_status->running = about.key == KEY_NOT_READY && about.asc == 0x04 && about.ascq == 0x1b;
	ret_status->failed =
		about.key == KEY_MEDIUM_ERROR && about.asc == 0x31 && about.ascq == 0x03;
	if (ret_status->running && scsi_sense_progress(sense, bytes, &ret_status->progress) < 0)
		ret_status->progress = 0;
	return ret_status->idle || ret_status->running || ret_status->failed ? 0 : -EAGAIN;
}

/* The sense data come as the command's data, with status GOOD. */
static int ask_sense_once(const struct command_port *port,
	uint8_t ret_sense[static COMMAND_SENSE_BYTES], struct scsi_sanitize_status *ret_status)
{
	struct scsi_command command = {
		.cdb = {REQUEST_SENSE, WANT_DESCRIPTORS, 0, 0, COMMAND_SENSE_BYTES},
		.cdb_bytes = 6,
		.direction = SCSI_FROM_DRIVE,
		.data = ret_sense,
		.data_bytes = COMMAND_SENSE_BYTES,
	};
	char refusal[FACTS_WHY_BYTES / 2];
	int r;

	memset(ret_sense, 0, COMMAND_SENSE_BYTES);
	r = scsi_send(port, &command, refusal);
	if (r <= 0 || command.residual_bytes >= COMMAND_SENSE_BYTES)
		return r < 0 ? r : -EAGAIN;
	return decode_status(ret_sense, COMMAND_SENSE_BYTES - command.residual_bytes, ret_status);
}

static int ask_sense(const struct command_port *port, uint8_t ret_sense[static COMMAND_SENSE_BYTES],
	struct scsi_sanitize_status *ret_status)
{
	struct scsi_sense about;
	int r = -EAGAIN;

	for (unsigned int tries = 0; tries < SCSI_ATTENTIONS_MAX && r == -EAGAIN; tries++) {
		r = ask_sense_once(port, ret_sense, ret_status);
		if (r == -EAGAIN &&
			(scsi_sense_decode(ret_sense, COMMAND_SENSE_BYTES, &about) < 0 ||
				about.key != SCSI_KEY_ATTENTION))
			break;
	}
	return r;
}

int scsi_sanitize_ask(const struct command_port *port, struct scsi_sanitize_status *ret_status)
{
	uint8_t sense[COMMAND_SENSE_BYTES];

	return ask_sense(port, sense, ret_status);
}

static int read_status(const struct method_run *run, struct method_result *result,
	struct scsi_sanitize_status *ret_status)
{
	uint8_t sense[COMMAND_SENSE_BYTES];
	int r = ask_sense(run->port, sense, ret_status);

	if (r < 0)
		return r;
	memcpy(result->status_after, sense, sizeof(sense));
	result->status_bytes = sizeof(sense);
	return 0;
}

static int is_ready(const struct command_port *port)
{
	struct scsi_command command = {.cdb = {TEST_UNIT_READY}, .cdb_bytes = 6};
	char refusal[FACTS_WHY_BYTES / 2];

	return scsi_send(port, &command, refusal);
}

/* --- beginning --- */

static int send_sanitize(const struct method_run *run, struct method_result *result,
	struct scsi_command *command, char refusal[static FACTS_WHY_BYTES / 2])
{
	int r = scsi_send(run->port, command, refusal);

	if (r < 0 || command->host_status != 0) {
		r = r < 0 ? r : -EIO;
		method_say(result, METHOD_LOST, "the drive did not answer: %s", strerror(-r));
	}
	return r;
}

static uint8_t action_of(enum method_kind kind)
{
	switch (kind) {
	case METHOD_SCSI_SANITIZE_BLOCK:
		return SCSI_SANITIZE_BLOCK;
	case METHOD_SCSI_SANITIZE_OVERWRITE:
		return SCSI_SANITIZE_OVERWRITE;
	default:
		return SCSI_SANITIZE_CRYPTO;
	}
}

static int begin(const struct method_run *run, struct method_result *result)
{
	/* One pass, a pattern of four bytes. */
	uint8_t list[OVERWRITE_LIST_BYTES] = {1, 0, 0, 4, OVERWRITE_PATTERN, OVERWRITE_PATTERN,
		OVERWRITE_PATTERN, OVERWRITE_PATTERN};
	uint8_t action = action_of(run->kind);
	struct scsi_command command = {
		.cdb = {SCSI_SANITIZE, (uint8_t)(IMMED | AUSE | action)}, .cdb_bytes = 10};
	char refusal[FACTS_WHY_BYTES / 2];
	int r = method_note(run, METHOD_STEP_ERASE, false);

	if (r < 0)
		return r;
	memcpy(result->status_before, result->status_after, sizeof(result->status_before));
	if (action == SCSI_SANITIZE_OVERWRITE) {
		command.cdb[8] = sizeof(list);
		command.direction = SCSI_TO_DRIVE;
		command.data = list;
		command.data_bytes = sizeof(list);
	}
	r = send_sanitize(run, result, &command, refusal);
	if (r < 0)
		return r;
	if (r == 0)
		method_say(result, METHOD_FAILED, "the drive refuses the sanitize: %s", refusal);
	else
		method_say(result, METHOD_RUNNING, "the drive has begun");
	return 0;
}

int scsi_sanitize_start(const struct method_run *run, struct method_result *result)
{
	struct scsi_sanitize_status status;
	int r = read_status(run, result, &status);

	if (r < 0)
		return r;
	if (!status.running)
		return begin(run, result);
	method_say(result, METHOD_READY,
		"a sanitize that was begun elsewhere is under way, at %u %%: wait for its end",
		status.progress * 100 / PROGRESS_WHOLE);
	return -EBUSY;
}

int scsi_sanitize_resume(const struct method_run *run, struct method_result *result)
{
	struct scsi_sanitize_status status;
	int r = read_status(run, result, &status);

	if (r < 0)
		return r;
	return status.running ? scsi_sanitize_poll(run, result) : begin(run, result); /* V2 */
}

/* --- the end --- */

int scsi_sanitize_poll(const struct method_run *run, struct method_result *result)
{
	struct scsi_sanitize_status status;
	int r = read_status(run, result, &status);

	if (r < 0)
		return r;
	if (status.running) {
		result->was_seen_running = true;
		result->progress = status.progress;
		method_say(result, METHOD_RUNNING, "the drive is at it");
		return 0;
	}
	if (status.failed) {
		method_say(result, METHOD_FAILED, "the drive says that its sanitize failed");
		return 0;
	}
	if (!result->was_seen_running) { /* V1 */
		method_say(result, METHOD_FAILED,
			"the drive was never seen at it: the command came to nothing");
		return 0;
	}
	r = is_ready(run->port);
	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	result->progress = PROGRESS_WHOLE;
	method_say(result, METHOD_DONE, "the drive has ended it, and reports no failure");
	return 0;
}

int scsi_sanitize_finish(const struct method_run *run, struct method_result *result)
{
	struct scsi_command command = {.cdb = {SCSI_SANITIZE, LEAVE_FAILURE}, .cdb_bytes = 10};
	struct scsi_sanitize_status status;
	char refusal[FACTS_WHY_BYTES / 2];
	int r;

	if (result->state != METHOD_FAILED || result->status_bytes == 0 ||
		decode_status(result->status_after, result->status_bytes, &status) < 0 ||
		!status.failed)
		return 0;
	r = method_note(run, STEP_LEAVE_FAILURE, false);
	if (r < 0)
		return r;
	r = send_sanitize(run, result, &command, refusal);
	if (r < 0)
		return r;
	if (r == 0)
		method_say(result, METHOD_FAILED,
			"its sanitize failed, and it does not leave that state: %s", refusal);
	return method_note(run, STEP_LEAVE_FAILURE, true);
}
