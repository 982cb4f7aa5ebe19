/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/attach_spool.h"
#include "attached/medium_report.h"
#include "attached/volumes.h"
#include "base/io.h"
#include <errno.h>
#include <string.h>

/* A1: one line says both what failed and, if so, that it could not be undone. */
static void undo(const struct runtime_state *state, struct problem *problem, int error)
{
	struct problem first = *problem, second = {""};
	int r = attach_undo(state, true, &second);

	if (r < 0)
		problem_set(problem, error, "%.300s; what was set up could not be undone: %.300s",
			problem_text(&first, error), problem_text(&second, r));
}

/* The mount ends too; where it cannot, the volume stays attached, and is said to. */
static int bind_all(const struct attach_spool_options *options, struct runtime_state *state,
	const struct mount_seal *seal, bool *ret_sealed, bool *ret_is_mounted,
	struct problem *problem)
{
	struct problem first, second = {""};
	int r, r2;

	*ret_is_mounted = false;
	r = bind_volume(state, options->binds, options->bind_count, ret_sealed, problem);
	if (r >= 0)
		return 0;
	first = *problem;
	r2 = mount_end(state->mount, &second);
	if (r2 >= 0) {
		mount_point_unseal(state->mount, seal);
		return r;
	}
	*ret_is_mounted = true;
	return problem_set(problem, r, "%.300s; what was set up could not be undone: %.300s",
		problem_text(&first, r), problem_text(&second, r2));
}

static void assess(const struct runtime_state *state, struct client *client,
	struct attach_spool_report *report)
{
	struct json_object *status, *found;

	report->promise = MEDIUM_NOT_ASSESSED;
	report->medium[0] = '\0';
	if (client_status(client, &status) < 0)
		return;
	volumes_assess_medium(state, status, report->medium, &report->promise);
	json_object_put(status);
	/* Whoever asks for it later makes it then. */
	if (medium_report_make(state, &found) >= 0)
		json_object_put(found);
}

int attach_spool(const struct attach_spool_options *options, const struct secret *passphrase,
	struct attach_spool_report *ret_report, struct problem *reterr_problem)
{
	_cleanup_(client_freep) struct client *client = NULL;
	struct attach_spool_report report = {.binds_sealed = true};
	struct mount_seal seal = {.sealed = false};
	_cleanup_close_ int lock = -1;
	struct problem problem = {""};
	bool is_mounted = false;
	int r;

	r = attach_volume(options->path, &options->attach, passphrase, &report.state, &client,
		&lock, reterr_problem);
	if (r < 0)
		return r;
	r = bring_up_volume(client, options->mount, &report.state, &report.found,
		&report.brought_up, &seal, &problem);
	if (r >= 0 && options->mount && options->bind_count > 0)
		r = bind_all(
			options, &report.state, &seal, &report.binds_sealed, &is_mounted, &problem);
	if (r < 0) {
		client_free(client);
		client = NULL;
		if (!is_mounted)
			undo(&report.state, &problem, r);
		return problem_set(reterr_problem, r, "%s", problem_text(&problem, r));
	}
	report.sealed = !options->mount || seal.sealed;
	assess(&report.state, client, &report);
	*ret_report = report;
	return 0;
}
