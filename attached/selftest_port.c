/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/selftest_port.h"
#include <errno.h>

/* A medium that hangs holds up nobody who tests it for longer. */
#define ANSWER_MS 120000

static int overwrite(void *context, bool damage, struct scratch_report *ret_report)
{
	if (!context)
		return -ESRCH;
	return damage ? -EPERM : client_selftest_overwrite(context, ANSWER_MS, ret_report);
}

static int map(void *context, bool damage, struct residue_check *ret_check)
{
	if (!context)
		return -ESRCH;
	return damage ? -EPERM : client_selftest_map(context, ANSWER_MS, ret_check);
}

const struct harness_port selftest_port = {.overwrite = overwrite, .map = map};
