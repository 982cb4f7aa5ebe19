/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_redo.c - the redo area of a volume: what an interrupted change left, and new changes
 *
 * The area is looked at whenever a managed volume is opened, by whatever port, before
 * anything is read from its file system.
 */
#include "volume/engine_impl.h"
#include "overwrite/sanitizing.h"
#include "overwrite/wipe.h"
#include <errno.h>
#include <string.h>

static struct redo_parts parts_of(const struct engine *engine)
{
	return (struct redo_parts){
		.below = engine->sanitizing,
		.residue = engine->residue,
		.medium = engine->device,
		.layout = &engine->layout,
		.volume_key = engine->volume_key,
	};
}

static int refuse_pending(const struct redo_parts *parts, struct problem *reterr_problem)
{
	bool pending = false;
	int r;

	r = redo_is_pending(parts, &pending);
	if (r < 0 || !pending)
		return r;
	return problem_set(reterr_problem, -EUCLEAN,
		"the volume holds a change that was interrupted before it was in place; open it "
		"for writing once, which completes it");
}

int engine_redo_open(struct engine *engine, struct problem *reterr_problem)
{
	struct redo_parts parts;
	int r;

	r = sanitizing_new(engine->residue, engine->eraser, &engine->sanitizing);
	if (r < 0)
		return r;
	parts = parts_of(engine);
	if (engine->info.read_only)
		return refuse_pending(&parts, reterr_problem);
	r = redo_replay(&parts, &engine->info.redo);
	if (r >= 0 && engine->info.redo > REDO_REPLAYED) {
		engine->info.opened.sweep_owed = true;
		r = residue_set_sweep_owed(engine->residue, true);
	}
	/* Also what is no record: a crash may have come before its header, or after. */
	if (r >= 0)
		r = wipe_what_shows(engine->device, engine->info.scheme, engine->layout.redo);
	if (r == -EPROTONOSUPPORT)
		return problem_set(reterr_problem, r,
			"a newer version of spoolguard was interrupted while it changed the "
			"volume; use that version or a newer one");
	if (r < 0)
		return problem_set(reterr_problem, r,
			"a change that was interrupted cannot be completed: %s; check the device",
			strerror(-r));
	return 0;
}

int engine_redo_new(struct engine *engine, struct redo **ret_redo)
{
	struct redo_parts parts;

	if (!engine->residue)
		return -EOPNOTSUPP;
	parts = parts_of(engine);
	return redo_new(&parts, ret_redo);
}

struct blockdev *engine_blockdev(struct engine *engine)
{
	return engine->sanitizing;
}

struct eraser *engine_eraser(struct engine *engine)
{
	return engine->eraser;
}
