/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmc_erase.c - the user area of an eMMC: ERASE of all and SANITIZE_START, or secure trim
 *
 *   erase, piece by piece --> all unmapped --SANITIZE_START--> busy --> idle: done
 *   secure trim, steps 1 and 2, piece by piece ------------------------> idle: done
 *
 *   Q1  Nothing is sent while another partition than the user area is selected, so that boot
 *       partitions and RPMB stay as they are.
 *   Q2  A command is over when SEND_STATUS says that the card is ready again, and it has failed if
 *       that or its own answer shows an error.  There is no other status.
 *   Q3  After a power cut it is begun again from the first sector: nothing tells how far it came,
 *       and a sanitize does not go on by itself.
 *
 * progress says what is next: each piece is one poll, and a piece whose answer was lost is sent
 * again.
 * Erased sectors read as zeros (or ones) whatever became of what was in them: a witness sees that
 * they were unmapped, and not that a sanitize did its work.
 * Source: JESD84-B51 (erase, secure trim, sanitize).
 */
#include "base/extent.h"
#include "drives/mmc_impl.h"
#include <errno.h>
#include <string.h>

enum {
	PIECES = 16,
	HALF = PROGRESS_WHOLE / 2,
	ASKED = HALF + PROGRESS_WHOLE / 4, /* sanitize was begun */
	PLAIN = 0,
	STEP_1 = (int)0x80000001,
	STEP_2 = (int)0x80008000,
	SANITIZE_START = 165,
	WRITE_BYTE = 3,
	NORMAL_SET = 1,
	COMMANDS_EACH = 3, /* start, end, erase */
};

static uint32_t erase_end(const struct method_run *run)
{
	return run->kind == METHOD_MMC_SANITIZE ? HALF : PROGRESS_WHOLE;
}

/* --- commands --- */

static int say_refused(struct method_result *result, const char *what, uint32_t response)
{
	method_say(result, METHOD_FAILED, "the drive refuses the %s (status %08xh)", what,
		(unsigned int)response);
	return 0;
}

/* -errno: no answer; 0: FAILED is said; 1: taken. */
static int send(const struct method_run *run, struct method_result *result,
	struct mmc_command *commands, uint32_t count, const char *what)
{
	int r = run->port->ops->mmc(run->port->context, commands, count);

	/* The system says so where it has looked at the answer itself, or does not pass it on. */
	if (r == -EBADMSG || r == -EOPNOTSUPP || r == -EINVAL) {
		method_say(result, METHOD_FAILED, "the %s is refused: %s", what, strerror(-r));
		return 0;
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++)
		if (commands[i].response[0] & MMC_R1_ERRORS)
			return say_refused(result, what, commands[i].response[0]);
	return 1;
}

static void encode_erase(const struct method_run *run, bool counts_sectors, struct extent bytes,
	uint32_t how, struct mmc_command commands[static COMMANDS_EACH])
{
	uint64_t unit = counts_sectors ? MMC_SECTOR_BYTES : 1;
	uint64_t last = extent_end(bytes) - MMC_SECTOR_BYTES;

	commands[0] = (struct mmc_command){.opcode = MMC_ERASE_START,
		.argument = (uint32_t)(bytes.first / unit),
		.flags = MMC_FLAGS_R1,
		.timeout_ms = MMC_ASK_MS};
	commands[1] = (struct mmc_command){.opcode = MMC_ERASE_END,
		.argument = (uint32_t)(last / unit),
		.flags = MMC_FLAGS_R1,
		.timeout_ms = MMC_ASK_MS};
	commands[2] = (struct mmc_command){.opcode = MMC_ERASE,
		.argument = how,
		.flags = MMC_FLAGS_R1B,
		.timeout_ms = method_command_ms(run)};
}

/* In one go, as another command in between would undo what was said of the range. */
static int erase_piece(const struct method_run *run, struct method_result *result,
	const struct mmc_extended *extended, struct extent bytes)
{
	struct mmc_command commands[2 * COMMANDS_EACH];

	if (run->kind == METHOD_MMC_SANITIZE) {
		encode_erase(run, extended->counts_sectors, bytes, PLAIN, commands);
		return send(run, result, commands, COMMANDS_EACH, "erase");
	}
	encode_erase(run, extended->counts_sectors, bytes, (uint32_t)STEP_1, commands);
	encode_erase(
		run, extended->counts_sectors, bytes, (uint32_t)STEP_2, commands + COMMANDS_EACH);
	return send(run, result, commands, ARRAY_SIZE(commands), "secure trim");
}

static int begin_sanitize(const struct method_run *run, struct method_result *result)
{
	struct mmc_command command = {.opcode = MMC_SWITCH,
		.argument = WRITE_BYTE << 24 | SANITIZE_START << 16 | 1 << 8 | NORMAL_SET,
		.flags = MMC_FLAGS_R1B,
		.timeout_ms = method_command_ms(run)};

	return send(run, result, &command, 1, "sanitize");
}

/* --- pieces --- */

/* The next one from there on that is not empty; moves progress behind it. */
static struct extent next_piece(
	const struct method_run *run, const struct mmc_extended *extended, uint32_t *progress)
{
	uint64_t whole = run->facts->bytes / MMC_SECTOR_BYTES * MMC_SECTOR_BYTES;
	uint64_t group = extended->erase_group_bytes > 0 ? extended->erase_group_bytes : 1 << 20;
	uint64_t each = (whole / PIECES / group + 1) * group;
	uint32_t share = erase_end(run) / PIECES;
	uint64_t first = *progress / share * each;

	*progress += share;
	if (first + each < whole)
		return (struct extent){first, each};
	*progress = erase_end(run);
	return (struct extent){first, whole - first};
}

static int check_selected(struct method_result *result, const struct mmc_extended *extended)
{
	if (extended->selected == 0)
		return 0;
	method_say(result, METHOD_READY,
		"another partition than its user area is selected (%u): wait until nothing uses "
		"its boot partitions or RPMB, then try again",
		extended->selected);
	return -EBUSY;
}

int mmc_erase_start(const struct method_run *run, struct method_result *result)
{
	struct mmc_extended extended;
	uint32_t ignored;
	int r = mmc_ask_status(run->port, &ignored); /* errors of before are gone once read */

	if (r >= 0)
		r = mmc_ask_extended(run->port, result->status_before, &extended);

	if (r >= 0)
		r = check_selected(result, &extended); /* Q1 */
	if (r >= 0)
		r = method_note(run, METHOD_STEP_ERASE, false);
	if (r < 0)
		return r;
	result->progress = 0; /* Q3 */
	method_say(result, METHOD_RUNNING, "the erase has begun");
	return 0;
}

/* The next command, now that the card is idle. */
static int go_on(const struct method_run *run, struct method_result *result)
{
	struct mmc_extended extended;
	uint32_t progress = result->progress;
	int r = mmc_ask_extended(run->port, NULL, &extended);

	if (r < 0)
		return r;
	if (extended.selected != 0) { /* Q1 */
		method_say(result, METHOD_RUNNING, "another partition is in use");
		return 0;
	}
	if (progress < erase_end(run)) {
		r = erase_piece(run, result, &extended, next_piece(run, &extended, &progress));
	} else {
		progress = ASKED;
		r = begin_sanitize(run, result);
	}
	if (r <= 0)
		return r;
	result->progress = progress;
	method_say(result, METHOD_RUNNING,
		progress == ASKED ? "the sanitize has begun" : "the erase is under way");
	return 0;
}

/* Q2 */
int mmc_erase_poll(const struct method_run *run, struct method_result *result)
{
	bool asked_all =
		result->progress == (run->kind == METHOD_MMC_SANITIZE ? ASKED : PROGRESS_WHOLE);
	uint32_t status;
	int r = mmc_ask_status(run->port, &status);

	if (r < 0)
		return r;
	if (!mmc_is_ready(status)) {
		result->was_seen_running = true;
		method_say(result, METHOD_RUNNING, "the drive is busy");
		return 0;
	}
	if (status & MMC_R1_ERRORS) {
		method_say(result, METHOD_FAILED, "the drive says that it failed (status %08xh)",
			(unsigned int)status);
		return 0;
	}
	if (!asked_all)
		return go_on(run, result);
	result->progress = PROGRESS_WHOLE;
	method_say(result, METHOD_DONE, "the drive is ready again, and reports no failure");
	return 0;
}

int mmc_erase_finish(const struct method_run *run, struct method_result *result)
{
	struct mmc_extended extended;

	/* For the record alone: what was said stays said. */
	if (mmc_ask_extended(run->port, result->status_after, &extended) >= 0)
		result->status_bytes = MMC_EXT_CSD_BYTES;
	return 0;
}
