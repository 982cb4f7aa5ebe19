/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_keys.c - intake stops, and the keys die (X2)
 */
#include "base/clock.h"
#include "decommission/run_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

int run_intake(struct run *run)
{
	const struct record *record = run->record;
	int r;

	if (record->volume_count == 0)
		return run_end(
			run, RECORD_INTAKE, RECORD_NOT_NEEDED, "no volume lies on this drive");
	r = run_begin(run, RECORD_INTAKE);
	if (r >= 0)
		r = run->world->close_volumes(run->world->context, run->record, run->problem);
	if (r < 0)
		return r;
	return run_end(run, RECORD_INTAKE, RECORD_DONE, "%s", record->jobs_detail);
}

static bool is_dead(const struct record_volume *volume)
{
	return volume->copies_destroyed && volume->proven_closed &&
	       volume->slots_destroyed == volume->slots_before;
}

/* What is no fault of the keys: the run stops, and takes the volume up once more. */
static bool is_interruption(int error)
{
	return error == -ECANCELED || error == -ENODEV || error == -ESTALE || error == -ENOMEM;
}

static int destroy_one(struct run *run, struct record_volume *volume)
{
	struct problem why = {{0}};
	int r = run->world->destroy_keys(run->world->context, volume, &why);

	if (r < 0 && is_interruption(r))
		return problem_set(run->problem, r, "%s", problem_text(&why, r));
	if (r < 0)
		snprintf(volume->detail, sizeof(volume->detail), "%.*s",
			(int)sizeof(volume->detail) - 1, problem_text(&why, r));
	return run_save(run);
}

int run_keys(struct run *run)
{
	struct record *record = run->record;
	uint32_t alive = 0;
	int r;

	if (record->volume_count == 0)
		return run_end(run, RECORD_KEYS, RECORD_NOT_NEEDED, "no volume lies on this drive");
	r = run_begin(run, RECORD_KEYS);
	for (uint32_t i = 0; i < record->volume_count && r >= 0; i++) {
		if (!is_dead(&record->volumes[i]))
			r = destroy_one(run, &record->volumes[i]);
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < record->volume_count; i++)
		alive += !is_dead(&record->volumes[i]);
	if (alive > 0)
		return run_end(run, RECORD_KEYS, RECORD_FAILED,
			"the keys of %u of %u volumes are not proven to be destroyed", alive,
			record->volume_count);
	return run_end(run, RECORD_KEYS, RECORD_DONE, "%s", "");
}
