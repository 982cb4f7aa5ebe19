/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme_sanitize.c - Sanitize (NVM Express Base 2.0 5.24, 8.21), watched through log page 81h
 *
 *   Idle --Sanitize--> in progress ---> Idle, "succeeded"
 *    ^                     |
 *    |                     v
 *    +--Exit Failure-- failure mode: the medium cannot be reached
 *
 * Unrestricted completion (AUSE) is asked for, so that a drive whose sanitize failed can be got
 * out of failure mode and tried another way.  One left in restricted failure by somebody else
 * takes nothing but a restricted sanitize, and gets that.
 *
 * No-Deallocate is asked for where the drive allows it: blocks that are merely unmapped read as
 * zeros whatever became of them, and the witness would believe that.
 *
 *   N1  The status log names the action that it speaks of, and no time.  Success counts if the
 *       sanitize was seen running, or the log has changed since it was begun, or it says that
 *       nothing was written since.
 *   N2  After a power cut success counts only if nothing was written since (Global Data Erased):
 *       the log may speak of another year's sanitize.
 */
#include "drives/nvme_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	ACTION_EXIT_FAILURE = 1,
	ACTION_BLOCK = 2,
	ACTION_OVERWRITE = 3,
	ACTION_CRYPTO = 4,
	UNRESTRICTED = 1 << 3, /* AUSE */
	ONE_PASS = 1 << 4,     /* OWPASS */
	NO_DEALLOCATE = 1 << 9,
	STATUS_TEXT_BYTES = 96,
};

#define OVERWRITE_PATTERN  0x97979797u
#define STEP_LEAVE_FAILURE "leave-failed-mode"

static uint32_t action_of(enum method_kind kind)
{
	switch (kind) {
	case METHOD_NVME_SANITIZE_BLOCK:
		return ACTION_BLOCK;
	case METHOD_NVME_SANITIZE_OVERWRITE:
		return ACTION_OVERWRITE;
	default:
		return ACTION_CRYPTO;
	}
}

/* Into status_after, decoded. */
static int read_log(const struct method_run *run, struct method_result *result,
	struct nvme_sanitize_log *ret_log)
{
	uint8_t page[NVME_SANITIZE_LOG_BYTES];
	int r = nvme_log(run->port, NVME_LOG_SANITIZE, page, sizeof(page));

	if (r >= 0)
		r = nvme_sanitize_log_decode(page, sizeof(page), ret_log);
	if (r < 0)
		return r;
	memcpy(result->status_after, page, sizeof(page));
	result->status_bytes = sizeof(page);
	return 0;
}

/* Not delivered, it may have been begun all the same. */
static int send_sanitize(const struct method_run *run, struct method_result *result, uint32_t cdw10)
{
	struct nvme_command command = {
		.opcode = NVME_SANITIZE,
		.cdw10 = cdw10,
		.cdw11 = OVERWRITE_PATTERN,
		.timeout_ms = NVME_ASK_MS,
	};
	int r = nvme_send(run->port, &command);

	if (r < 0)
		method_say(result, METHOD_LOST, "the drive did not answer: %s", strerror(-r));
	return r;
}

/* --- beginning --- */

int nvme_leave_failure(const struct method_run *run, struct method_result *result)
{
	char text[STATUS_TEXT_BYTES];
	int r = method_note(run, STEP_LEAVE_FAILURE, false);

	if (r < 0)
		return r;
	r = send_sanitize(run, result, ACTION_EXIT_FAILURE);
	if (r < 0)
		return r;
	if (r > 0) {
		size_t used = strlen(result->detail);

		snprintf(result->detail + used, sizeof(result->detail) - used,
			"; it does not leave failure mode: %s",
			nvme_status_text(r, text, sizeof(text)));
	}
	return method_note(run, STEP_LEAVE_FAILURE, true);
}

/* Each form is recorded before it is sent (H1).  Returns the status of the last. */
static int try_forms(const struct method_run *run, struct method_result *result)
{
	uint32_t action = action_of(run->kind);
	uint32_t base = action | (action == ACTION_OVERWRITE ? ONE_PASS : 0);
	/* As wanted; to drives that do not keep blocks; to those in restricted failure. */
	const uint32_t forms[] = {base | UNRESTRICTED | NO_DEALLOCATE, base | UNRESTRICTED, base};
	const int retried[] = {NVME_INVALID_FIELD, NVME_STATUS_SANITIZE_FAILED};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		r = method_note(run, METHOD_STEP_ERASE, false);
		if (r < 0)
			return r;
		r = send_sanitize(run, result, forms[i]);
		if (r <= 0 || (r != retried[0] && r != retried[1]))
			return r;
	}
	return r;
}

static int say_busy(struct method_result *result, const struct nvme_sanitize_log *log)
{
	method_say(result, METHOD_READY,
		"a sanitize (action %u) that was begun elsewhere is under way, at %u %%: wait for "
		"its end",
		log->action, log->progress * 100 / PROGRESS_WHOLE);
	return -EBUSY;
}

/* Also out of failure mode: both kinds take a new sanitize. */
static int begin(const struct method_run *run, struct method_result *result)
{
	char text[STATUS_TEXT_BYTES];
	int r;

	memcpy(result->status_before, result->status_after, sizeof(result->status_before));
	r = try_forms(run, result);
	if (r < 0)
		return r;
	if (r == NVME_STATUS_SANITIZE_IN_PROGRESS) {
		method_say(
			result, METHOD_READY, "another sanitize has just begun: wait for its end");
		return -EBUSY;
	}
	if (r > 0)
		method_say(result, METHOD_FAILED, "the drive refuses the sanitize: %s",
			nvme_status_text(r, text, sizeof(text)));
	else
		method_say(result, METHOD_RUNNING, "the drive has begun");
	return 0;
}

int nvme_sanitize_start(const struct method_run *run, struct method_result *result)
{
	struct nvme_sanitize_log log;
	int r = read_log(run, result, &log);

	if (r < 0)
		return r;
	return log.status == NVME_SANITIZE_RUNNING ? say_busy(result, &log) : begin(run, result);
}

static bool is_success(const struct nvme_sanitize_log *log)
{
	return log->status == NVME_SANITIZE_OK || log->status == NVME_SANITIZE_OK_DEALLOCATED;
}

int nvme_sanitize_resume(const struct method_run *run, struct method_result *result)
{
	struct nvme_sanitize_log log;
	int r = read_log(run, result, &log);
	bool is_ours;

	if (r < 0)
		return r;
	is_ours = log.action == action_of(run->kind);
	if (log.status == NVME_SANITIZE_RUNNING && !is_ours)
		return say_busy(result, &log);
	if (log.status == NVME_SANITIZE_RUNNING ||
		(is_success(&log) && is_ours && log.global_data_erased)) /* N2 */
		return nvme_sanitize_poll(run, result);
	return begin(run, result);
}

/* --- the end --- */

static bool counts(const struct method_result *result, const struct nvme_sanitize_log *log)
{
	return result->was_seen_running || log->global_data_erased ||
	       memcmp(result->status_before, result->status_after, METHOD_STATUS_BYTES) != 0;
}

static void judge(const struct method_run *run, struct method_result *result,
	const struct nvme_sanitize_log *log)
{
	if (log->status == NVME_SANITIZE_NEVER)
		method_say(result, METHOD_FAILED,
			"the drive knows of no sanitize: the command came to nothing");
	else if (log->action != action_of(run->kind))
		method_say(result, METHOD_FAILED,
			"the drive's status speaks of another sanitize (action %u)", log->action);
	else if (log->status == NVME_SANITIZE_FAILED)
		method_say(result, METHOD_FAILED, "the drive says that its sanitize failed");
	else if (!counts(result, log)) /* N1 */
		method_say(result, METHOD_FAILED,
			"the drive's status did not change: the command came to nothing");
	else if (log->status == NVME_SANITIZE_OK_DEALLOCATED)
		method_say(result, METHOD_DONE,
			"the drive says that it succeeded, and has unmapped every block");
	else
		method_say(result, METHOD_DONE, "the drive says that it succeeded");
}

int nvme_sanitize_poll(const struct method_run *run, struct method_result *result)
{
	struct nvme_sanitize_log log;
	int r = read_log(run, result, &log);

	if (r < 0)
		return r;
	if (log.status == NVME_SANITIZE_RUNNING && log.action == action_of(run->kind)) {
		result->was_seen_running = true;
		result->progress = log.progress;
		method_say(result, METHOD_RUNNING, "the drive is at it");
		return 0;
	}
	judge(run, result, &log);
	if (result->state == METHOD_DONE)
		result->progress = PROGRESS_WHOLE;
	return 0;
}

int nvme_sanitize_finish(const struct method_run *run, struct method_result *result)
{
	struct nvme_sanitize_log log;

	if (result->state != METHOD_FAILED || result->status_bytes == 0 ||
		nvme_sanitize_log_decode(result->status_after, result->status_bytes, &log) < 0 ||
		log.status != NVME_SANITIZE_FAILED)
		return 0;
	return nvme_leave_failure(run, result);
}
