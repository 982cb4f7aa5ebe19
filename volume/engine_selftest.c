/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_selftest.c - self-tests on the medium of an open volume
 *
 * Only the process that has the volume open may write to its medium, so it is the one that tests
 * it, while everything else goes on.
 */
#include "volume/engine_impl.h"
#include <errno.h>

int engine_selftest_overwrite(struct engine *engine, struct scratch_report *ret_report)
{
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	if (engine->info.read_only)
		return -EROFS;
	pthread_mutex_lock(&engine->testing);
	r = scratch_test(
		engine->device, engine->layout.scratch, engine->info.scheme, false, ret_report);
	pthread_mutex_unlock(&engine->testing);
	return r;
}

int engine_selftest_map(struct engine *engine, struct residue_check *ret_check)
{
	int r;

	if (!engine->residue)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&engine->testing);
	r = residue_check(engine->residue, ret_check);
	pthread_mutex_unlock(&engine->testing);
	return r;
}
