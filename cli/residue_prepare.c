/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_run.h"
#include "attached/volumes.h"
#include "base/hex.h"
#include "cli/cli.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define TIME_GRAIN_S 2 /* of a file's time of change, beside our clock */

static void lock_ourselves(struct residue_run *run)
{
	run->is_locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static int open_service(struct residue_run *run, struct problem *problem)
{
	int r;

	if (run->arguments->way == WANT_DIRECT)
		return 0;
	r = service_client_open(&run->service, problem);
	if (r == -ESRCH && run->arguments->way != WANT_ANY)
		return problem_set(problem, r,
			"the service does not run, and without it there is no such way; start it, "
			"or leave --way out");
	return r == -ESRCH ? 0 : r;
}

/* By a name of the service's, by the medium, or by where it is mounted. */
static int find_named(
	struct residue_run *run, struct runtime_state *ret_state, struct problem *problem)
{
	const char *name = run->arguments->volume, *medium = name;
	struct json_object *volume;
	int r;

	if (run->service && service_client_find_volume(run->service, name, &volume, problem) >= 0)
		medium = service_client_text(volume, "medium");
	r = volumes_find_by_medium(medium, ret_state, problem);
	if (r == -ENODEV && volumes_find_by_file(medium, ret_state, NULL) >= 0)
		return 0;
	return r;
}

/* The one that CUPS's spool is on, or the only one. */
static int find_unnamed(
	struct residue_run *run, struct runtime_state *ret_state, struct problem *problem)
{
	struct runtime_state other;
	int r;

	if (run->service && run->config.cups &&
		volumes_find_by_file(run->config.cups_spool, ret_state, NULL) >= 0)
		return 0;
	r = runtime_at(0, ret_state);
	if (r == -ENOENT)
		return problem_set(problem, -ENODEV,
			"no volume is attached, so there is nothing to check; attach one");
	if (r < 0)
		return r;
	if (runtime_at(1, &other) != -ENOENT)
		return problem_set(
			problem, -EINVAL, "several volumes are attached; name one with --volume");
	return 0;
}

static void describe_volume(struct residue_run *run)
{
	struct residue_report *report = &run->report;
	const struct runtime_state *state = &run->volume.state;
	char text[MEDIUM_TEXT_BYTES];
	struct json_object *volume, *status = NULL;

	snprintf(report->uuid, sizeof(report->uuid), "%s", state->uuid);
	snprintf(report->medium, sizeof(report->medium), "%s", state->path);
	if (run->service &&
		service_client_find_volume(run->service, state->path, &volume, NULL) >= 0)
		snprintf(report->volume_name, sizeof(report->volume_name), "%s",
			service_client_text(volume, "name"));
	if (client_status(run->volume.client, &status) >= 0)
		snprintf(report->promise, sizeof(report->promise), "%s",
			volumes_assess_medium(state, status, text, NULL));
	json_object_put(status);
}

static int open_volume(struct residue_run *run, struct problem *problem)
{
	struct runtime_state state;
	int r = volumes_check_allowed(problem);

	if (r >= 0)
		r = run->arguments->volume ? find_named(run, &state, problem)
					   : find_unnamed(run, &state, problem);
	if (r >= 0 && state.mount[0] == '\0')
		r = problem_set(problem, -ENODEV,
			"%.200s is attached and not mounted: no job can be put on it", state.path);
	if (r >= 0)
		r = residue_volume_open(&run->volume, &state, problem);
	if (r >= 0)
		describe_volume(run);
	return r;
}

static bool has_cups_spool(const struct residue_run *run)
{
	struct runtime_state state;

	return run->config.cups &&
	       volumes_find_by_file(run->config.cups_spool, &state, NULL) >= 0 &&
	       strcmp(state.uuid, run->volume.state.uuid) == 0;
}

static int choose_queue(struct residue_run *run, struct problem *problem)
{
	int r = cups_server_new(
		run->config.cups_server, CUPS_SERVER_TIMEOUT_MS, &run->server, problem);

	if (r >= 0 && run->arguments->queue) {
		snprintf(run->report.queue, sizeof(run->report.queue), "%s", run->arguments->queue);
		return cups_server_find_queue(run->server, run->report.queue, problem);
	}
	return r < 0 ? r : cups_server_any_queue(run->server, run->report.queue, problem);
}

static int choose_way(struct residue_run *run, struct problem *problem)
{
	const struct residue_arguments *arguments = run->arguments;
	bool wants_cups = arguments->way == WANT_CUPS || arguments->queue || arguments->print;
	int r;

	run->report.way = run->service ? WAY_CALL : WAY_DIRECT;
	if (!run->service || arguments->way == WANT_CALL || !has_cups_spool(run))
		return wants_cups ? problem_set(problem, -ENODEV,
					    "CUPS's spool is not on that volume, or the service "
					    "does not follow it: no job can go through it")
				  : 0;
	r = choose_queue(run, problem);
	if (r >= 0)
		run->report.way = arguments->print ? WAY_CUPS_PRINTED : WAY_CUPS_CANCELLED;
	else if (!wants_cups) {
		residue_reason(
			&run->report, "no job can go through CUPS: %s", problem_text(problem, r));
		run->report.queue[0] = '\0';
		r = 0;
	}
	return r;
}

static int prepare_words(struct residue_run *run)
{
	uint8_t id[8];
	int r = random_bytes(id, sizeof(id));

	if (r >= 0) {
		hex_encode(id, sizeof(id), run->report.id);
		r = residue_canary_new(&run->canary);
	}
	if (r >= 0)
		r = residue_canary_search(run->canary, &run->search);
	if (r < 0)
		return r;
	run->scan = (struct residue_scan){.canary = run->canary,
		.search = run->search,
		.since_s = run->report.began_wall_s - TIME_GRAIN_S,
		.rate_bytes = run->arguments->rate_bytes,
		.sink = cli_progress()};
	return residue_scan_init(&run->scan);
}

int residue_run_prepare(struct residue_run *run, struct problem *problem)
{
	const char *config = run->arguments->config;
	int r;

	lock_ourselves(run);
	r = config_read(config ? config : CONFIG_PATH_DEFAULT, &run->config, problem);
	if (r >= 0)
		r = open_service(run, problem);
	if (r >= 0)
		r = open_volume(run, problem);
	if (r >= 0)
		r = choose_way(run, problem);
	if (r >= 0)
		r = prepare_words(run);
	if (r < 0)
		return r;
	residue_cups_open(&run->cups, run->config.cups_server, run->arguments->cups_config);
	run->route = (struct residue_route){.service = run->service,
		.volume = &run->volume,
		.cups = run->report.way == WAY_CUPS_CANCELLED || run->report.way == WAY_CUPS_PRINTED
				? run->server
				: NULL,
		.spool = run->config.cups_spool,
		.timeout_ms = run->arguments->timeout_ms,
		.printed = run->report.way == WAY_CUPS_PRINTED};
	return 0;
}

void residue_run_done(struct residue_run *run)
{
	residue_scan_done(&run->scan);
	search_free(run->search);
	residue_canary_free(run->canary);
	residue_cups_done(&run->cups);
	residue_volume_done(&run->volume);
	cups_server_free(run->server);
	service_client_free(run->service);
}
