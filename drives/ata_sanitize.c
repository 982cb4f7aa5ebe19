/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ata_sanitize.c - SANITIZE DEVICE (ACS-4 7.36), watched through SANITIZE STATUS EXT
 *
 *   idle --crypto scramble, block erase, overwrite--> in progress ---> idle, "completed"
 *    ^                                                   |
 *    |                                                   v
 *    +--SANITIZE STATUS EXT, clear ------------------ failed: the medium cannot be reached
 *
 * FAILURE MODE is asked for, so that a drive whose sanitize failed can be got out of that state.
 *
 *   T1  "Completed" names neither action nor time.  It counts if the sanitize was seen running
 *       since it was begun, or the status did not say so before.
 *   T2  After a power cut only a sanitize that still runs is taken up; it is ours, as the record
 *       says that one was begun.  One that is over may be of another year, and is begun again.
 */
#include "base/bytes.h"
#include "drives/ata_impl.h"
#include <errno.h>
#include <string.h>

enum {
	STATUS = 0x0000,
	CRYPTO_SCRAMBLE = 0x0011,
	BLOCK_ERASE = 0x0012,
	OVERWRITE = 0x0014,
	CLEAR_FAILED = 1,      /* count of SANITIZE STATUS EXT */
	FAILURE_MODE = 1 << 4, /* count of the others: failed may be left */
	ONE_PASS = 1,
	COMPLETED = 1 << 15, /* count, answered */
	RUNNING = 1 << 14,
	FROZEN = 1 << 13,
	REASON_FAILED = 1, /* lowest byte of the address, answered with an error */
	REASON_FROZEN = 3,
	STATUS_RECORD_BYTES = 16,
};

#define SIGNATURE_CRYPTO    UINT64_C(0x43727970)
#define SIGNATURE_BLOCK	    UINT64_C(0x426b4572)
#define SIGNATURE_OVERWRITE (UINT64_C(0x4f57) << 32)
#define OVERWRITE_PATTERN   UINT64_C(0x97979797)
#define STEP_LEAVE_FAILED   "leave-failed-mode"

/* --- the status --- */

/* -EOPNOTSUPP: not all of it. */
static int decode_status(
	const struct ata_command *ata, bool done, struct ata_sanitize_status *ret_status)
{
	const struct ata_registers *registers = &ata->registers;

	if (!ata->registers_known)
		return -EOPNOTSUPP;
	*ret_status = (struct ata_sanitize_status){0};
	if (!done) {
		ret_status->failed = (registers->lba & 0xff) == REASON_FAILED;
		return ret_status->failed ? 0 : -EOPNOTSUPP;
	}
	if (!registers->count_whole)
		return -EOPNOTSUPP;
	ret_status->completed = registers->count & COMPLETED;
	ret_status->running = registers->count & RUNNING;
	ret_status->frozen = registers->count & FROZEN;
	ret_status->progress = ret_status->running ? registers->lba & 0xffff : 0;
	return ret_status->running && ret_status->completed ? -EOPNOTSUPP : 0;
}

static int ask_status(const struct command_port *port, struct ata_command *ata,
	struct ata_sanitize_status *ret_status)
{
	int r;

	*ata = (struct ata_command){.command = ATA_SANITIZE, .extended = true, .features = STATUS};
	r = ata_send(port, ata);
	return r < 0 ? r : decode_status(ata, r > 0, ret_status);
}

int ata_sanitize_ask(const struct command_port *port, struct ata_sanitize_status *ret_status)
{
	struct ata_command ata;

	return ask_status(port, &ata, ret_status);
}

/* Into status_after: status, error, count, address. */
static int read_status(const struct method_run *run, struct method_result *result,
	struct ata_sanitize_status *ret_status)
{
	struct ata_command ata;
	int r = ask_status(run->port, &ata, ret_status);

	if (r < 0)
		return r;
	memset(result->status_after, 0, sizeof(result->status_after));
	result->status_after[0] = ata.registers.status;
	result->status_after[1] = ata.registers.error;
	bytes_put_le16(result->status_after + 2, ata.registers.count);
	bytes_put_le64(result->status_after + 8, ata.registers.lba);
	result->status_bytes = STATUS_RECORD_BYTES;
	return 0;
}

/* --- beginning --- */

static void encode(enum method_kind kind, struct ata_command *ata)
{
	*ata = (struct ata_command){
		.command = ATA_SANITIZE, .extended = true, .count = FAILURE_MODE};
	if (kind == METHOD_ATA_SANITIZE_CRYPTO) {
		ata->features = CRYPTO_SCRAMBLE;
		ata->lba = SIGNATURE_CRYPTO;
	} else if (kind == METHOD_ATA_SANITIZE_BLOCK) {
		ata->features = BLOCK_ERASE;
		ata->lba = SIGNATURE_BLOCK;
	} else {
		ata->features = OVERWRITE;
		ata->lba = SIGNATURE_OVERWRITE | OVERWRITE_PATTERN;
		ata->count |= ONE_PASS;
	}
}

static int leave_failed(const struct method_run *run, struct method_result *result)
{
	struct ata_command ata = {.command = ATA_SANITIZE,
		.extended = true,
		.features = STATUS,
		.count = CLEAR_FAILED};
	int r = method_note(run, STEP_LEAVE_FAILED, false);

	if (r < 0)
		return r;
	r = ata_send(run->port, &ata);
	if (r < 0) {
		method_say(result, METHOD_LOST, "the drive did not answer: %s", strerror(-r));
		return r;
	}
	if (r == 0)
		method_say(result, METHOD_FAILED,
			"its sanitize failed, and it does not leave that state: %s", ata.refusal);
	return method_note(run, STEP_LEAVE_FAILED, true);
}

/* A failed sanitize is answered by another; what it does not take then is refused. */
static int begin(const struct method_run *run, struct method_result *result)
{
	struct ata_sanitize_status status;
	struct ata_command ata;
	int r = method_note(run, METHOD_STEP_ERASE, false);

	if (r < 0)
		return r;
	memcpy(result->status_before, result->status_after, sizeof(result->status_before));
	encode(run->kind, &ata);
	r = ata_send(run->port, &ata);
	if (r < 0) {
		method_say(result, METHOD_LOST, "the drive did not answer: %s", strerror(-r));
		return r;
	}
	if (r == 0) {
		method_say(
			result, METHOD_FAILED, "the drive refuses the sanitize: %s", ata.refusal);
		return 0;
	}
	result->was_seen_running = decode_status(&ata, true, &status) >= 0 && status.running;
	method_say(result, METHOD_RUNNING, "the drive has begun");
	return 0;
}

static int say_frozen(struct method_result *result)
{
	method_say(result, METHOD_READY,
		"sanitize is frozen until the drive loses power: switch the drive off and on (a "
		"restart is not enough), then try again");
	return -EPERM;
}

int ata_sanitize_start(const struct method_run *run, struct method_result *result)
{
	struct ata_sanitize_status status;
	int r = read_status(run, result, &status);

	if (r < 0)
		return r;
	if (status.frozen)
		return say_frozen(result);
	if (status.running) {
		method_say(result, METHOD_READY,
			"a sanitize that was begun elsewhere is under way, at %u %%: wait for its "
			"end",
			status.progress * 100 / PROGRESS_WHOLE);
		return -EBUSY;
	}
	return begin(run, result);
}

int ata_sanitize_resume(const struct method_run *run, struct method_result *result)
{
	struct ata_sanitize_status status;
	int r = read_status(run, result, &status);

	if (r < 0)
		return r;
	if (status.running) /* T2 */
		return ata_sanitize_poll(run, result);
	return status.frozen ? say_frozen(result) : begin(run, result);
}

/* --- the end --- */

int ata_sanitize_poll(const struct method_run *run, struct method_result *result)
{
	struct ata_sanitize_status status;
	int r = read_status(run, result, &status);
	bool was_completed = bytes_get_le16(result->status_before + 2) & COMPLETED;

	if (r < 0)
		return r;
	if (status.running) {
		result->was_seen_running = true;
		result->progress = status.progress;
		method_say(result, METHOD_RUNNING, "the drive is at it");
	} else if (status.failed) {
		method_say(result, METHOD_FAILED, "the drive says that its sanitize failed");
	} else if (!status.completed) {
		method_say(result, METHOD_FAILED,
			"the drive knows of no sanitize: the command came to nothing");
	} else if (!result->was_seen_running && was_completed) { /* T1 */
		method_say(result, METHOD_FAILED,
			"the drive's status did not change: the command came to nothing");
	} else {
		result->progress = PROGRESS_WHOLE;
		method_say(result, METHOD_DONE, "the drive says that it succeeded");
	}
	return 0;
}

int ata_sanitize_finish(const struct method_run *run, struct method_result *result)
{
	bool failed = result->status_bytes > 0 && (result->status_after[0] & 1) &&
		      result->status_after[8] == REASON_FAILED;

	return result->state == METHOD_FAILED && failed ? leave_failed(run, result) : 0;
}
