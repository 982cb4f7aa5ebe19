/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard.c - METHOD_SECURE_DISCARD: the block layer's secure erase, in pieces
 *
 * The kernel sends what the drive has for it.  A piece is discarded with each poll, so that the
 * way has progress and can be stopped; there is no status but the answer to each piece.
 */
#include "drives/drives_impl.h"
#include <errno.h>
#include <string.h>

enum { PIECES = 64 };

static int ask(const struct command_port *port, struct drive_facts *facts)
{
	int r = port->ops->secure_discard ? port->ops->secure_discard(port->context, 0, 0)
					  : -EOPNOTSUPP;

	if (r == 0 && facts->bytes > 0)
		offer_make(facts, METHOD_SECURE_DISCARD, REACH_DEVICE, UINT64_MAX);
	else if (r == 0)
		offer_refuse(facts, METHOD_SECURE_DISCARD, "the device's size is not known");
	else if (r == -EOPNOTSUPP)
		offer_refuse(facts, METHOD_SECURE_DISCARD,
			"the kernel knows no secure discard of this device");
	else if (r == -EBADF)
		offer_refuse(facts, METHOD_SECURE_DISCARD,
			"not asked: the device was opened for reading only");
	else
		offer_refuse(facts, METHOD_SECURE_DISCARD, "the kernel could not be asked: %s",
			strerror(-r));
	return 0;
}

static int start(const struct method_run *run, struct method_result *result)
{
	int r = method_note(run, METHOD_STEP_ERASE, false);

	if (r < 0)
		return r;
	result->progress = 0;
	method_say(result, METHOD_RUNNING, "secure discard has begun");
	return 0;
}

static int poll_once(const struct method_run *run, struct method_result *result)
{
	uint64_t piece = result->progress / (PROGRESS_WHOLE / PIECES);
	/* Whole mebibytes, for any erase block; the last takes what is left. */
	uint64_t each = run->facts->bytes / PIECES >> 20 << 20;
	uint64_t first = piece * each;
	uint64_t bytes = piece + 1 < PIECES ? each : run->facts->bytes - first;
	int r = bytes > 0 ? run->port->ops->secure_discard(run->port->context, first, bytes) : 0;

	if (r < 0) {
		method_say(result, METHOD_FAILED, "secure discard at byte %llu: %s",
			(unsigned long long)first, strerror(-r));
		return 0;
	}
	result->progress = (uint32_t)(piece + 1) * (PROGRESS_WHOLE / PIECES);
	if (piece + 1 < PIECES)
		method_say(result, METHOD_RUNNING, "secure discard is under way");
	else
		method_say(result, METHOD_DONE, "the drive took the secure discard of every byte");
	return 0;
}

const struct drive_ops drive_ops_discard = {
	.ask = ask,
	.start = start,
	.resume = start,
	.poll = poll_once,
};
