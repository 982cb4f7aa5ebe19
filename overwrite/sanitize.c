/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/sanitize.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include "overwrite/sample.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKS_MAX  256u
#define HEAD_BYTES  (1u << 20)
#define WHAT_BYTES  32
#define REFUSED_MAX (1u << 16) /* runs of bad blocks: such a medium is not worth its list */

struct run {
	struct blockdev *bd;
	const struct sanitize_plan *plan;
	struct sanitize_report *report;
	struct pass_buffers *buffers;
	struct secret *seed; /* of the pass at work; of the last one until it is verified */
	/* One text each: a sink tells one piece of work from the next by its address. */
	char what[SCHEME_PASSES_MAX + 1][WHAT_BYTES];
};

void sanitize_report_done(struct sanitize_report *report)
{
	extent_list_done(&report->refused);
	extent_list_done(&report->mismatched);
}

static int copy_list(const struct extent_list *from, struct extent_list *to)
{
	int r = 0;

	for (size_t i = 0; i < from->count && r >= 0; i++)
		r = extent_list_add(to, from->items[i]);
	return r;
}

/* Blocks [first, first + count) of the runs, taken as if they lay one behind the other. */
static int cut(const struct extent_list *runs, struct extent flat, struct extent_list *ret_part)
{
	uint64_t base = 0;
	int r = 0;

	for (size_t i = 0; i < runs->count && r >= 0 && base < extent_end(flat); i++) {
		struct extent run = runs->items[i];
		uint64_t begin = flat.first > base ? flat.first - base : 0;
		uint64_t end =
			extent_end(flat) - base < run.count ? extent_end(flat) - base : run.count;

		if (begin < end)
			r = extent_list_add(
				ret_part, (struct extent){run.first + begin, end - begin});
		base += run.count;
	}
	return r;
}

/* --- passes --- */

/* Writes and flushes one segment; its refused blocks join the report's. */
static int write_segment(
	struct run *run, uint32_t index, const struct extent_list *part, struct progress *progress)
{
	const struct scheme_pass *pass = &run->plan->scheme->passes[index];
	const bool is_last = index + 1u == run->plan->scheme->pass_count;
	struct extent_list *refused = &run->report->refused;
	struct extent_list fresh = {0};
	uint64_t taken = 0;
	int r;

	r = pass_write(
		run->bd, pass, run->seed, part, run->buffers, run->plan->sink, progress, &fresh);
	if (r >= 0 && extent_list_blocks(&fresh) == extent_list_blocks(part))
		r = -EIO; /* the device is gone */
	if (r >= 0 || r == -ECANCELED) {
		int s = copy_list(&fresh, refused);

		r = s < 0 ? s : r;
	}
	if (r >= 0 && refused->count > REFUSED_MAX)
		r = -EIO;
	if (r >= 0 && is_last) {
		taken = extent_list_blocks(part) - extent_list_common_blocks(part, refused);
		run->report->written_blocks += taken;
	}
	if (r >= 0)
		r = blockdev_flush(run->bd);
	if (r >= 0)
		run->report->durable_blocks += taken;
	extent_list_done(&fresh);
	return r;
}

/* What an earlier run did of the last pass counts. */
static int count_done_before(struct run *run, struct sanitize_position at)
{
	const uint32_t passes = run->plan->scheme->pass_count;
	struct extent_list done = {0};
	uint64_t blocks = at.pass == passes	  ? run->report->requested_blocks
			  : at.pass + 1 == passes ? at.done_blocks
						  : 0;
	int r;

	r = cut(run->plan->runs, (struct extent){0, blocks}, &done);
	if (r >= 0)
		run->report->written_blocks =
			blocks - extent_list_common_blocks(&done, &run->report->refused);
	run->report->durable_blocks = run->report->written_blocks;
	extent_list_done(&done);
	return r;
}

static int tell_durable(struct run *run)
{
	return run->plan->durable ? run->plan->durable(run->plan->context, run->report) : 0;
}

static int write_pass(struct run *run, uint32_t index, uint64_t done)
{
	const struct scheme_pass *pass = &run->plan->scheme->passes[index];
	const uint64_t total = run->report->requested_blocks;
	const uint32_t block_bytes = blockdev_block_bytes(run->bd);
	const uint64_t most = SANITIZE_SEGMENT_BYTES / block_bytes;
	struct progress progress = {run->what[index], done * block_bytes, total * block_bytes};
	int r = 0;

	secret_free(run->seed);
	run->seed = NULL;
	if (pass->kind == PASS_RANDOM)
		r = secret_new_random(STREAM_SEED_BYTES, &run->seed);
	if (r >= 0 && run->seed)
		r = hash_sha256(secret_bytes(run->seed), STREAM_SEED_BYTES,
			run->report->seed_sha256[index]);
	while (r >= 0 && done < total) {
		struct extent flat = {done, total - done < most ? total - done : most};
		struct extent_list part = {0};

		r = cut(run->plan->runs, flat, &part);
		if (r >= 0)
			r = write_segment(run, index, &part, &progress);
		extent_list_done(&part);
		if (r < 0)
			break;
		done += flat.count;
		run->report->reached = (struct sanitize_position){index, done};
		if (done < total)
			r = tell_durable(run);
	}
	if (r < 0)
		return r;
	run->report->pass_durable_wall_s[index] = clock_wall_s();
	run->report->reached = (struct sanitize_position){index + 1, 0};
	return tell_durable(run);
}

/* T4: where a run can be taken up, whatever position was noted. */
static struct sanitize_position begin_at(const struct sanitize_plan *plan)
{
	struct sanitize_position start = plan->start;
	const struct scheme *scheme = plan->scheme;
	const uint32_t last = scheme->pass_count - 1u;

	assert(start.pass <= scheme->pass_count);
	if (start.pass > last && plan->verify != VERIFY_NONE &&
		scheme->passes[last].kind == PASS_RANDOM)
		return (struct sanitize_position){last, 0};
	if (start.pass <= last && scheme->passes[start.pass].kind == PASS_RANDOM)
		start.done_blocks = 0;
	return start;
}

/* --- read-back --- */

static int plan_read_back(const struct run *run, struct extent_list *wanted)
{
	struct extent_list refused = {0};
	int r;

	assert(run->plan->verify != VERIFY_HCD ||
		extent_list_blocks(run->plan->runs) == blockdev_blocks(run->bd));
	r = run->plan->verify == VERIFY_FULL ? copy_list(run->plan->runs, wanted)
					     : sample_plan_of_list(run->plan->runs, wanted);
	if (r >= 0 && run->plan->verify == VERIFY_HCD)
		r = sample_add_hcd(blockdev_blocks(run->bd), wanted);
	/* What did not take the pass shows something else, and is listed already. */
	if (r >= 0)
		r = copy_list(&run->report->refused, &refused);
	for (size_t i = 0; i < refused.count && r >= 0; i++)
		r = extent_list_remove(wanted, refused.items[i]);
	extent_list_done(&refused);
	return r;
}

static int read_back(struct run *run)
{
	const uint32_t last = run->plan->scheme->pass_count - 1u;
	const uint32_t block_bytes = blockdev_block_bytes(run->bd);
	struct extent_list wanted = {0}, refused = {0};
	struct sanitize_report *report = run->report;
	struct progress progress = {run->what[SCHEME_PASSES_MAX], 0, 0};
	int r;

	r = plan_read_back(run, &wanted);
	report->read_blocks = extent_list_blocks(&wanted);
	progress.total_bytes = report->read_blocks * block_bytes;
	if (r >= 0)
		r = pass_verify(run->bd, &run->plan->scheme->passes[last], run->seed, &wanted,
			run->buffers, run->plan->sink, &progress, &report->mismatched, &refused);
	if (r >= 0) {
		report->verified_blocks = report->read_blocks -
					  extent_list_blocks(&report->mismatched) -
					  extent_list_blocks(&refused);
		r = copy_list(&refused, &report->refused);
	}
	extent_list_done(&wanted);
	extent_list_done(&refused);
	return r;
}

/* --- all of it --- */

static int run_all(struct run *run)
{
	const struct sanitize_plan *plan = run->plan;
	struct sanitize_report *report = run->report;
	struct sanitize_position at = begin_at(plan);
	int r;

	report->reached = at;
	r = count_done_before(run, at);
	for (uint32_t i = at.pass; i < plan->scheme->pass_count && r >= 0; i++)
		r = write_pass(run, i, i == at.pass ? at.done_blocks : 0);
	if (r < 0)
		return r;
	return plan->verify == VERIFY_NONE ? 0 : read_back(run);
}

int sanitize_run(
	struct blockdev *bd, const struct sanitize_plan *plan, struct sanitize_report *report)
{
	struct run run = {.bd = bd, .plan = plan, .report = report};
	uint64_t begun_ns = clock_monotonic_ns();
	int r;

	for (uint32_t i = 0; i < plan->scheme->pass_count; i++)
		snprintf(run.what[i], WHAT_BYTES, "pass %u of %u", i + 1, plan->scheme->pass_count);
	snprintf(run.what[SCHEME_PASSES_MAX], WHAT_BYTES, "read-back");
	report->requested_blocks = extent_list_blocks(plan->runs);
	r = pass_buffers_new_lanes(plan->lanes, &run.buffers);
	if (r >= 0)
		r = run_all(&run);
	pass_buffers_free(run.buffers);
	secret_free(run.seed);
	report->took_ns += clock_monotonic_ns() - begun_ns;
	return r;
}

/* --- taking up --- */

/* What a check of what is left works on. */
struct left {
	struct blockdev *bd;
	const struct sanitize_plan *plan;
	const struct extent_list *refused;
	uint8_t *block;
};

/* One block at a place in the flat order: 1 if it shows one of the bytes, or cannot be asked. */
static int shows(const struct left *left, uint64_t flat, const uint8_t bytes[static 2])
{
	const uint32_t block_bytes = blockdev_block_bytes(left->bd);
	struct extent_list part = {0};
	struct extent at = {0, 0};
	int r;

	r = cut(left->plan->runs, (struct extent){flat, 1}, &part);
	if (r >= 0 && part.count > 0)
		at = part.items[0];
	extent_list_done(&part);
	if (r < 0)
		return r;
	if (at.count == 0 || extent_list_overlaps(left->refused, at))
		return 1;
	if (blockdev_read(left->bd, at, left->block, block_bytes) < 0)
		return 1; /* a bad block is the passes' matter */
	return bytes_are(left->block, block_bytes, bytes[0]) ||
	       bytes_are(left->block, block_bytes, bytes[1]);
}

/* Every block of the range shows what pass a or pass b leaves. */
static int check_range(const struct left *left, struct extent flat, uint32_t a, uint32_t b)
{
	const struct scheme_pass *passes = left->plan->scheme->passes;
	const uint64_t head = HEAD_BYTES / blockdev_block_bytes(left->bd);
	const uint8_t bytes[2] = {passes[a].byte, passes[b].byte};
	uint64_t step = flat.count / CHECKS_MAX + 1;
	int r = 1;

	if (flat.count == 0 || passes[a].kind == PASS_RANDOM || passes[b].kind == PASS_RANDOM)
		return 0;
	/* File systems begin at the head of a device: all of it is looked at. */
	for (uint64_t i = 0; i < flat.count && r > 0; i += flat.first + i < head ? 1 : step)
		r = shows(left, flat.first + i, bytes);
	if (r > 0)
		r = shows(left, extent_end(flat) - 1, bytes);
	if (r < 0)
		return r;
	return r > 0 ? 0 : -ESTALE;
}

/*
 *   | done: this pass | underway: this pass or the one before | the one before |
 */
static int check_parts(const struct left *left, struct sanitize_position at, uint64_t total)
{
	const uint64_t segment = SANITIZE_SEGMENT_BYTES / blockdev_block_bytes(left->bd);
	const uint64_t rest = total - at.done_blocks;
	const uint64_t underway = rest < segment ? rest : segment;
	const uint32_t before = at.pass > 0 ? at.pass - 1 : 0;
	int r = 0;

	if (at.pass == left->plan->scheme->pass_count)
		return check_range(left, (struct extent){0, total}, before, before);
	r = check_range(left, (struct extent){0, at.done_blocks}, at.pass, at.pass);
	if (r < 0 || at.pass == 0)
		return r; /* before the first pass anything may lie there */
	r = check_range(left, (struct extent){at.done_blocks, underway}, at.pass, before);
	if (r < 0)
		return r;
	return check_range(
		left, (struct extent){at.done_blocks + underway, rest - underway}, before, before);
}

int sanitize_check_left(
	struct blockdev *bd, const struct sanitize_plan *plan, const struct extent_list *refused)
{
	const uint64_t total = extent_list_blocks(plan->runs);
	_cleanup_free_ void *block = NULL;
	struct left left = {bd, plan, refused, NULL};
	int r;

	if (plan->start.pass > plan->scheme->pass_count || plan->start.done_blocks > total ||
		(plan->start.pass == plan->scheme->pass_count && plan->start.done_blocks > 0))
		return -ESTALE;
	r = io_alloc(blockdev_block_bytes(bd), &block);
	if (r < 0)
		return r;
	left.block = block;
	return check_parts(&left, plan->start, total);
}
