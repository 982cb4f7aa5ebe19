/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/selftest_port.h"
#include <errno.h>

static int overwrite(void *context, bool damage, struct scratch_report *ret_report)
{
	if (!context)
		return -ESRCH;
	return damage ? -EPERM : client_selftest_overwrite(context, ret_report);
}

static int map(void *context, bool damage, struct residue_check *ret_check)
{
	if (!context)
		return -ESRCH;
	return damage ? -EPERM : client_selftest_map(context, ret_check);
}

const struct harness_port selftest_port = {.overwrite = overwrite, .map = map};
