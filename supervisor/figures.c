/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/figures.h"
#include "attached/volumes.h"
#include "base/clock.h"
#include "supervisor/supervisor.h"
#include <stdio.h>
#include <string.h>

static void read_status(struct json_object *status, struct figures_volume *volume)
{
	volume->answered = true;
	volume->eraser_failed = volumes_status_bool(status, "eraser_failed");
	volume->owed_bytes = volumes_status_u64(status, "owed_bytes");
	volume->oldest_owed_s =
		volume->owed_bytes > 0 ? volumes_status_u64(status, "oldest_owed_seconds") : 0;
	volume->live_blocks = volumes_status_u64(status, "live");
	volume->unknown_blocks = volumes_status_u64(status, "unknown");
	volume->stuck_blocks = volumes_status_u64(status, "stuck");
	volume->refused_blocks = volumes_status_u64(status, "refused");
	volume->erased_blocks = volumes_status_u64(status, "erased_blocks");
}

static void ask_volume(struct keeper *keeper, struct figures_volume *volume)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct runtime_state runtime;
	struct json_object *status;

	*volume = (struct figures_volume){
		.state = keeper_state(keeper),
		.restarts = keeper_restarts(keeper),
	};
	snprintf(volume->name, sizeof(volume->name), "%s", keeper_volume(keeper)->name);
	if (keeper_runtime(keeper, &runtime) < 0 || client_connect(runtime.uuid, &client) < 0 ||
		client_status(client, &status) < 0)
		return;
	read_status(status, volume);
	json_object_put(status);
}

static void count_jobs(struct ledger *ledger, struct figures *figures)
{
	int64_t now = clock_wall_s(), oldest;

	figures->has_ledger = ledger != NULL;
	if (!ledger)
		return;
	ledger_count(ledger, &figures->jobs);
	for (size_t i = 0; i < ARRAY_SIZE(figures->jobs.by_state); i++)
		figures->open_jobs += i == LEDGER_RETIRED ? 0 : figures->jobs.by_state[i];
	oldest = figures->jobs.oldest_open_wall_s;
	/* A clock that was set back makes no job younger than new. */
	figures->oldest_open_s = oldest > 0 && now > oldest ? (uint64_t)(now - oldest) : 0;
}

void figures_collect(struct supervisor *supervisor, struct figures *ret_figures)
{
	struct harness_report *report = supervisor_last_report(supervisor);
	struct figures *figures = ret_figures;

	*figures = (struct figures){
		.state = state_get(supervisor->state),
		.may_claim = state_may_claim(supervisor->state),
		.events_failed = events_has_failed(supervisor->events),
		.tested_wall_s = report ? report->began_wall_s : 0,
	};
	harness_report_free(report);
	count_jobs(supervisor->ledger, figures);
	for (size_t i = 0; i < supervisor->keeper_count; i++) {
		struct figures_volume *volume = &figures->volumes[figures->volume_count++];

		ask_volume(supervisor->keepers[i], volume);
		figures->owed_bytes += volume->owed_bytes;
		if (volume->oldest_owed_s > figures->oldest_owed_s)
			figures->oldest_owed_s = volume->oldest_owed_s;
	}
}
