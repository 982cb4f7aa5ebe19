/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_inprocess.h"
#include "base/clock.h"
#include "blockdev/medium.h"
#include "cli/cli.h"
#include "cli/inprocess_session.h"
#include "cli/receipt_print.h"
#include <stdio.h>
#include <stdlib.h>

struct work {
	const struct job_inprocess *job;
	const struct job_list *list;
	struct inprocess_session session;
	struct job_receipt *receipts; /* one for each job */
	char medium[MEDIUM_TEXT_BYTES];
};

/* P5: what overwriting can promise there, or that it is not known. */
static void assess_medium(struct work *work, const struct engine_info *info)
{
	struct medium_verdict verdict = {.promise = MEDIUM_NOT_ASSESSED, .reason = ""};

	if (medium_assess(engine_medium_fd(work->session.engine), info->direct, &verdict) < 0)
		snprintf(work->medium, sizeof(work->medium), "cannot be assessed");
	else
		medium_describe(&verdict, work->medium);
}

static bool is_whole(const struct retirement *total)
{
	uint64_t owed = total->requested_blocks - total->not_owed_blocks;

	return total->refused_blocks == 0 && total->durable_blocks == owed &&
	       total->verified_blocks == owed;
}

/* One job's files, all or none. */
static int complete_job(struct work *work, size_t job, const char **names)
{
	struct job_receipt *receipt = &work->receipts[job];
	struct inprocess_retired retired;
	struct problem problem = {""};
	uint64_t start_ns = clock_monotonic_ns();
	int r;

	for (size_t i = 0; i < work->list->count; i++) {
		if (work->list->entries[i].job != job)
			continue;
		names[receipt->files++] = work->list->entries[i].path;
		receipt->id = work->list->entries[i].id;
	}
	r = inprocess_complete(work->session.inprocess, names, receipt->files, &retired, &problem);
	receipt->took_ms = (clock_monotonic_ns() - start_ns) / 1000000u;
	if (r < 0)
		return cli_fail(&problem, r);
	job_receipt_add(receipt, &retired.retirement);
	receipt->bytes = retired.bytes;
	receipt->extents = retired.extents;
	receipt->removed_files = receipt->files;
	receipt->retired = is_whole(&retired.retirement);
	receipt->erased_files = receipt->retired ? receipt->files : 0;
	receipt->barrier_epoch = retired.epoch;
	receipt->led = receipt->journal_discarded = true;
	return CLI_YES;
}

static int complete_all(struct work *work)
{
	const char **names = calloc(work->list->count, sizeof(*names));
	int code = names ? CLI_YES : CLI_NO;

	for (size_t job = 0; job < work->list->jobs && names; job++) {
		if (complete_job(work, job, names) != CLI_YES)
			code = CLI_NO;
	}
	free(names);
	return code;
}

/* P5: after the volume was closed, so that what a receipt says is recorded. */
static int print_receipts(struct work *work, const struct engine_info *info, uint64_t owed_blocks)
{
	bool all = true;

	for (size_t job = 0; job < work->list->jobs; job++) {
		struct job_receipt *receipt = &work->receipts[job];

		receipt->scheme = info->scheme->name;
		receipt->verify = "full";
		receipt->volume_uuid = info->uuid;
		receipt->medium = work->medium;
		receipt->backlog_blocks = owed_blocks;
		receipt->wall_s = clock_wall_s();
		all &= receipt->retired;
		receipt_print(receipt, work->job->json);
	}
	return all ? CLI_YES : CLI_NO;
}

int cli_job_complete_inprocess(const struct job_inprocess *job, const struct job_list *list)
{
	struct work work = {.job = job, .list = list};
	struct problem problem = {""};
	struct residue_counts counts;
	struct engine_info info;
	int code, r;

	r = inprocess_session_open(
		job->image, job->passphrase_file, false, &work.session, &problem);
	if (r < 0)
		return cli_fail(&problem, r);
	engine_get_info(work.session.engine, &info);
	assess_medium(&work, &info);
	work.receipts = calloc(list->jobs, sizeof(*work.receipts));
	code = work.receipts ? complete_all(&work) : CLI_NO;
	residue_get_counts(engine_residue(work.session.engine), &counts);
	r = inprocess_session_close(&work.session, &problem);
	if (r < 0)
		code = cli_fail(&problem, r);
	else if (work.receipts &&
		 print_receipts(&work, &info, counts.residue + counts.suspect) != CLI_YES)
		code = CLI_NO;
	free(work.receipts);
	return code;
}
