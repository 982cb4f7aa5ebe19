/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_overwrite.c - every pass over every addressable block, in logical blocks (X4)
 *
 * A medium whose keys the drive has just thrown away may refuse reads until it is written; what
 * stands there before the first pass does not matter here.
 */
#include "base/clock.h"
#include "base/hex.h"
#include "decommission/run_impl.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LANES = 4 };

struct work {
	struct run *run;
	const struct scheme *scheme;
	struct sanitize_report report;
	bool is_changed; /* somebody wrote to it since it was interrupted */
};

/* --- the record of it --- */

static void put_report(struct work *work)
{
	struct record_overwrite *overwrite = &work->run->record->overwrite;
	const struct sanitize_report *report = &work->report;
	const uint64_t block_bytes = overwrite->block_bytes;
	static const uint8_t none[SHA256_BYTES];

	overwrite->reached = report->reached;
	overwrite->requested_bytes = report->requested_blocks * block_bytes;
	overwrite->written_bytes = report->written_blocks * block_bytes;
	overwrite->durable_bytes = report->durable_blocks * block_bytes;
	overwrite->read_bytes = report->read_blocks * block_bytes;
	overwrite->verified_bytes = report->verified_blocks * block_bytes;
	overwrite->took_ns = report->took_ns;
	for (uint32_t i = 0; i < overwrite->pass_count; i++) {
		struct record_pass *pass = &overwrite->passes[i];

		pass->durable_wall_s = report->pass_durable_wall_s[i];
		if (memcmp(report->seed_sha256[i], none, sizeof(none)) != 0)
			hex_encode(report->seed_sha256[i], SHA256_BYTES, pass->seed_sha256);
	}
}

/* The lists are the report's while it runs, and copied. */
static int put_lists(struct work *work)
{
	struct record_overwrite *overwrite = &work->run->record->overwrite;
	int r;

	extent_list_clear(&overwrite->refused);
	extent_list_clear(&overwrite->mismatched);
	r = extent_list_add_list(&overwrite->refused, &work->report.refused);
	if (r >= 0)
		r = extent_list_add_list(&overwrite->mismatched, &work->report.mismatched);
	return r;
}

static int keep(struct work *work)
{
	int r = put_lists(work);

	put_report(work);
	return r < 0 ? r : run_save(work->run);
}

static int keep_durable(void *context, const struct sanitize_report *report)
{
	struct work *work = context;

	assert(report == &work->report);
	return keep(work);
}

static void begin_anew(struct work *work)
{
	struct record_overwrite *overwrite = &work->run->record->overwrite;

	sanitize_report_done(&work->report);
	work->report = (struct sanitize_report){0};
	overwrite->pass_count = work->scheme->pass_count;
	for (uint32_t i = 0; i < overwrite->pass_count; i++)
		overwrite->passes[i] = (struct record_pass){
			.kind = work->scheme->passes[i].kind,
			.byte = work->scheme->passes[i].byte,
		};
	overwrite->reached = (struct sanitize_position){0, 0};
}

/* What an earlier run had, if it was of this geometry: what was refused then stays refused. */
static int take_up(struct work *work, struct blockdev *medium, struct sanitize_plan *plan)
{
	struct record_overwrite *overwrite = &work->run->record->overwrite;
	struct sanitize_report *report = &work->report;
	const struct sanitize_position reached = overwrite->reached;
	int r;

	if (overwrite->block_bytes != blockdev_block_bytes(medium) ||
		overwrite->requested_bytes != blockdev_bytes(medium) ||
		overwrite->pass_count != work->scheme->pass_count) {
		begin_anew(work);
		overwrite->block_bytes = blockdev_block_bytes(medium);
		overwrite->requested_bytes = blockdev_bytes(medium);
		return 0;
	}
	sanitize_report_done(report);
	*report = (struct sanitize_report){.took_ns = overwrite->took_ns};
	r = extent_list_add_list(&report->refused, &overwrite->refused);
	for (uint32_t i = 0; i < overwrite->pass_count; i++)
		report->pass_durable_wall_s[i] = overwrite->passes[i].durable_wall_s;
	plan->start = reached;
	if (r < 0 || (reached.pass == 0 && reached.done_blocks == 0))
		return r;
	r = sanitize_check_left(medium, plan, &report->refused);
	if (r != -ESTALE)
		return r;
	work->is_changed = true;
	plan->start = (struct sanitize_position){0, 0};
	begin_anew(work);
	return 0;
}

/* --- one go at it --- */

static enum verify_mode verify_of(enum record_verify verify)
{
	switch (verify) {
	case RECORD_VERIFY_FULL:
		return VERIFY_FULL;
	case RECORD_VERIFY_STRATIFIED:
		return VERIFY_SAMPLE;
	case RECORD_VERIFY_HCD:
		return VERIFY_HCD;
	case RECORD_VERIFY_NONE:
		return VERIFY_NONE;
	}
	return VERIFY_FULL;
}

static int run_passes(struct work *work, struct blockdev *medium)
{
	struct run *run = work->run;
	struct extent_list all = {0};
	struct sanitize_plan plan = {
		.scheme = work->scheme,
		.verify = verify_of(run->record->overwrite.verify),
		.runs = &all,
		.lanes = run->request->lanes > 0 ? run->request->lanes : LANES,
		.sink = run->request->sink,
		.durable = keep_durable,
		.context = work,
	};
	int r = extent_list_add(&all, (struct extent){0, blockdev_blocks(medium)}), kept;

	if (r >= 0)
		r = take_up(work, medium, &plan);
	if (r >= 0)
		r = run_save(run);
	if (r >= 0) {
		r = sanitize_run(medium, &plan, &work->report);
		/* Numbers of a run that did not come to its end are told too. */
		kept = put_lists(work);
		put_report(work);
		r = r < 0 ? r : kept;
	}
	extent_list_done(&all);
	return r;
}

/*
 * -EIO of a run may be a drive that left: if it comes back the passes go on where they were
 * durable.  The same place twice is the drive's end.
 */
static int run_until_over(struct work *work)
{
	struct run *run = work->run;
	struct sanitize_position before = {UINT32_MAX, 0}, *reached;
	int r, opened;

	for (;;) {
		_cleanup_(blockdev_closep) struct blockdev *medium = NULL;

		r = run_open_medium(run, &medium);
		opened = r >= 0;
		if (opened)
			r = run_passes(work, medium);
		medium = blockdev_close(medium);
		reached = &run->record->overwrite.reached;
		if (r >= 0 || run->save_error < 0 || r == -ECANCELED || r == -ESTALE ||
			r == -ENOMEM)
			return r;
		if (opened && reached->pass == before.pass &&
			reached->done_blocks == before.done_blocks)
			return -EIO;
		before = *reached;
		if (!opened && r != -ENODEV)
			return -EIO; /* read-only, say: the line tells */
		r = run_reopen_drive(run);
		if (r >= 0)
			r = run_lift_hidden(run);
		if (r < 0)
			return r;
	}
}

/* --- the step --- */

static bool is_whole(const struct record_overwrite *overwrite)
{
	return overwrite->refused.count == 0 && overwrite->mismatched.count == 0 &&
	       overwrite->durable_bytes == overwrite->requested_bytes &&
	       overwrite->verified_bytes == overwrite->read_bytes;
}

static int end_step(struct work *work, int error)
{
	struct run *run = work->run;
	const struct record_overwrite *overwrite = &run->record->overwrite;
	const char *changed = work->is_changed ? "somebody wrote to it while it was interrupted, "
						 "so every pass began anew; "
					       : "";

	if (error < 0)
		return run_end(run, RECORD_OVERWRITE, RECORD_FAILED,
			"%sthe medium failed in pass %u of %u%s%.300s", changed,
			overwrite->reached.pass < overwrite->pass_count
				? overwrite->reached.pass + 1
				: overwrite->pass_count,
			overwrite->pass_count, run->problem && run->problem->text[0] ? ": " : "",
			run->problem ? run->problem->text : "");
	if (!is_whole(overwrite))
		return run_end(run, RECORD_OVERWRITE, RECORD_FAILED,
			"%s%" PRIu64 " blocks of %u bytes were refused, and %" PRIu64
			" read back otherwise than they were written",
			changed, extent_list_blocks(&overwrite->refused), overwrite->block_bytes,
			extent_list_blocks(&overwrite->mismatched));
	return run_end(run, RECORD_OVERWRITE, RECORD_DONE, "%s%s", changed,
		overwrite->verify == RECORD_VERIFY_NONE ? "nothing was read back" : "");
}

static int choose_scheme(struct run *run, const struct scheme **ret_scheme)
{
	struct record_overwrite *overwrite = &run->record->overwrite;

	if (overwrite->scheme[0] == '\0')
		snprintf(
			overwrite->scheme, sizeof(overwrite->scheme), "%s", scheme_default()->name);
	*ret_scheme = scheme_find(overwrite->scheme);
	if (!*ret_scheme)
		return problem_set(run->problem, -EINVAL,
			"there is no scheme \"%s\"; \"spoolguard schemes\" lists them",
			overwrite->scheme);
	return 0;
}

static int settle(struct run *run, int error)
{
	if (error == -ECANCELED)
		problem_set(run->problem, error,
			"interrupted in pass %u of %u; run the same again and it goes on there",
			run->record->overwrite.reached.pass + 1, run->record->overwrite.pass_count);
	return error;
}

int run_overwrite(struct run *run)
{
	struct work work = {.run = run};
	struct problem *callers = run->problem, why = {{0}};
	int r;

	if (run->record->steps[RECORD_OVERWRITE].state == RECORD_PENDING &&
		!run->request->overwrite)
		return run_end(run, RECORD_OVERWRITE, RECORD_SKIPPED, "not asked for");
	r = choose_scheme(run, &work.scheme);
	if (r >= 0)
		r = run_begin(run, RECORD_OVERWRITE);
	if (r >= 0)
		r = run_open_drive(run);
	if (r >= 0)
		r = run_lift_hidden(run);
	if (r < 0)
		return r;
	run->problem = &why; /* what becomes the step's detail, if the medium fails */
	r = run_until_over(&work);
	if (r == 0 || r == -EIO)
		r = end_step(&work, r);
	sanitize_report_done(&work.report);
	run->problem = callers;
	if (r < 0 && why.text[0] != '\0')
		problem_set(callers, r, "%s", why.text);
	return settle(run, r);
}
