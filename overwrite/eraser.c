/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/eraser.h"
#include "base/clock.h"
#include "base/mutant.h"
#include "overwrite/pass.h"
#include "overwrite/sample.h"
#include "crypto/stream.h"
#include <errno.h>
#include <stdlib.h>

struct eraser {
	struct residue *residue;
	const struct scheme *scheme;
	enum verify_mode verify;
	struct pass_buffers *buffers;
	uint64_t epoch;
	struct extent_list cleared;  /* logical blocks of the last run */
	struct extent_list verified; /* ... and those read back */
	struct extent_list refused;  /* of the last run: the old place keeps what it held */
	struct extent_list refused_ever;
};

/* One batch on its way through the passes.  Runs and refused are blocks of the medium, the rest of
 * the volume. */
struct batch {
	struct extent_list taken;
	struct extent_list runs;
	struct extent_list refused;
	struct extent_list seen;		 /* read back, and right */
	struct secret *seeds[SCHEME_PASSES_MAX]; /* R3: gone with the batch */
};

int eraser_new(struct residue *residue, const struct scheme *scheme, enum verify_mode verify,
	struct eraser **ret_eraser)
{
	struct eraser *eraser = calloc(1, sizeof(*eraser));
	int r;

	if (!eraser)
		return -ENOMEM;
	*eraser = (struct eraser){.residue = residue, .scheme = scheme, .verify = verify};
	r = pass_buffers_new(&eraser->buffers);
	if (r < 0) {
		free(eraser);
		return r;
	}
	*ret_eraser = eraser;
	return 0;
}

void eraser_free(struct eraser *eraser)
{
	if (!eraser)
		return;
	pass_buffers_free(eraser->buffers);
	extent_list_done(&eraser->cleared);
	extent_list_done(&eraser->verified);
	extent_list_done(&eraser->refused);
	extent_list_done(&eraser->refused_ever);
	free(eraser);
}

const struct extent_list *eraser_cleared(const struct eraser *eraser)
{
	return &eraser->cleared;
}

const struct extent_list *eraser_verified(const struct eraser *eraser)
{
	return &eraser->verified;
}

const struct extent_list *eraser_refused(const struct eraser *eraser)
{
	return &eraser->refused_ever;
}

static void batch_done(struct batch *batch)
{
	extent_list_done(&batch->taken);
	extent_list_done(&batch->runs);
	extent_list_done(&batch->refused);
	extent_list_done(&batch->seen);
	for (size_t i = 0; i < SCHEME_PASSES_MAX; i++)
		secret_free(batch->seeds[i]);
}

/* Where the taken blocks lie on the medium. */
static int locate(struct eraser *eraser, struct batch *batch)
{
	for (size_t i = 0; i < batch->taken.count; i++) {
		struct extent rest = batch->taken.items[i];

		while (rest.count > 0) {
			struct extent lies;
			int r;

			r = residue_locate(eraser->residue, rest, &lies);
			if (r >= 0)
				r = extent_list_add(&batch->runs, lies);
			if (r < 0)
				return r;
			rest.first += lies.count;
			rest.count -= lies.count;
		}
	}
	return 0;
}

static int flush_pass(struct eraser *eraser, unsigned int index)
{
	bool last = index + 1 == eraser->scheme->pass_count;

	if (mutant_is(MUTANT_NO_FLUSH_BETWEEN_PASSES) && !last)
		return 0;
	if (mutant_is(MUTANT_NO_FLUSH_AFTER_LAST_PASS) && last)
		return 0;
	return blockdev_flush(residue_medium(eraser->residue));
}

static int run_passes(struct eraser *eraser, struct batch *batch, struct eraser_report *report)
{
	int r;

	for (unsigned int i = 0; i < eraser->scheme->pass_count; i++) {
		const struct scheme_pass *pass = &eraser->scheme->passes[i];
		struct progress progress = {0};

		if (pass->kind == PASS_RANDOM) {
			r = secret_new_random(STREAM_SEED_BYTES, &batch->seeds[i]);
			if (r < 0)
				return r;
		}
		r = 0;
		if (!mutant_is(MUTANT_ERASE_NOTHING))
			r = pass_write(residue_medium(eraser->residue), pass, batch->seeds[i],
				&batch->runs, eraser->buffers, NULL, &progress, &batch->refused);
		if (r >= 0) /* what the medium refused is left out of the passes that follow */
			r = extent_list_remove_list(&batch->runs, &batch->refused);
		if (r >= 0)
			r = flush_pass(eraser, i); /* R1 */
		if (r < 0)
			return r;
		report->pass_durable_wall_s[i] = clock_wall_s();
	}
	return 0;
}

/*
 * Reads back what the last pass left; "seen" gets the blocks of the medium that
 * showed it.  What differs or cannot be read joins the refused.  All passes are
 * durable by now: what is read does not come from a cache of ours.
 */
static int read_back(struct eraser *eraser, struct batch *batch)
{
	unsigned int last = eraser->scheme->pass_count - 1u;
	struct extent_list wrong = {0};
	struct progress progress = {0};
	int r;

	if (eraser->verify == VERIFY_NONE)
		return 0;
	if (eraser->verify == VERIFY_SAMPLE)
		r = sample_plan_of_list(&batch->runs, &batch->seen);
	else
		r = extent_list_add_list(&batch->seen, &batch->runs);
	if (r >= 0 && !mutant_is(MUTANT_NO_READ_BACK) && !mutant_is(MUTANT_ERASE_NOTHING))
		r = pass_verify(residue_medium(eraser->residue), &eraser->scheme->passes[last],
			batch->seeds[last], &batch->seen, eraser->buffers, NULL, &progress, &wrong,
			&wrong);
	if (r >= 0)
		r = extent_list_remove_list(&batch->seen, &wrong);
	if (r >= 0)
		r = extent_list_add_list(&batch->refused, &wrong);
	if (r >= 0)
		r = extent_list_remove_list(&batch->runs, &batch->refused);
	extent_list_done(&wrong);
	return r;
}

/* What this round cleared, and which of it was read back, in blocks of the volume. */
static int note_outcome(struct eraser *eraser, const struct batch *batch)
{
	int r;

	r = extent_list_add_list(&eraser->cleared, &batch->taken);
	for (size_t i = 0; i < batch->taken.count && r >= 0; i++) {
		struct extent rest = batch->taken.items[i];

		while (rest.count > 0 && r >= 0) {
			struct extent lies;

			r = residue_locate(eraser->residue, rest, &lies);
			for (uint64_t b = 0; r >= 0 && b < lies.count; b++) {
				if (extent_list_overlaps(
					    &batch->seen, (struct extent){lies.first + b, 1}))
					r = extent_list_add(&eraser->verified,
						(struct extent){rest.first + b, 1});
			}
			rest.first += lies.count;
			rest.count -= lies.count;
		}
	}
	return r;
}

/* True if the medium refused any place where the logical block lies. */
static bool is_refused(struct eraser *eraser, const struct batch *batch, uint64_t block)
{
	struct extent lies;

	if (residue_locate(eraser->residue, (struct extent){block, 1}, &lies) < 0)
		return true;
	return extent_list_overlaps(&batch->refused, lies);
}

/*
 * Refused blocks become STUCK; those that a spare now carries are owed on it, and go to again.
 * *ret_sorted: what is left in batch->taken was refused nowhere; without that it is not clean.
 */
static int settle_refused(struct eraser *eraser, struct batch *batch, struct eraser_report *report,
	struct extent_list *again, bool *ret_sorted)
{
	struct extent_list stuck = {0};
	int r = 0;

	for (size_t i = 0; i < batch->taken.count && batch->refused.count > 0 && r >= 0; i++) {
		for (uint64_t b = batch->taken.items[i].first;
			b < extent_end(batch->taken.items[i]) && r >= 0; b++) {
			if (is_refused(eraser, batch, b))
				r = extent_list_add(&stuck, (struct extent){b, 1});
		}
	}
	for (size_t i = 0; i < stuck.count && r >= 0; i++)
		r = extent_list_remove(&batch->taken, stuck.items[i]);
	if (r >= 0)
		r = extent_list_add_list(&eraser->refused, &stuck);
	if (r >= 0)
		r = extent_list_add_list(&eraser->refused_ever, &stuck);
	if (r < 0) { /* not all of the refused are out of "taken" yet */
		extent_list_done(&stuck);
		return r;
	}
	*ret_sorted = true;
	for (size_t i = 0; i < stuck.count; i++) {
		for (uint64_t b = stuck.items[i].first; b < extent_end(stuck.items[i]); b++) {
			struct extent_list one = {&(struct extent){b, 1}, 1, 1};

			if (r < 0) {
				residue_erase_abandon(eraser->residue, &one);
				continue;
			}
			report->stuck_blocks++;
			r = residue_erase_stuck(eraser->residue, b, -EIO);
			if (r >= 0)
				r = extent_list_add(again, (struct extent){b, 1});
			else if (r == -ENOSPC)
				r = 0; /* it stays owed, and the report says so */
		}
	}
	extent_list_done(&stuck);
	return r;
}

/* One round: what the medium refuses is owed again on its spare, in "again". */
static int run_round(struct eraser *eraser, const struct extent_list *wanted,
	struct eraser_report *report, uint64_t *ret_taken, struct extent_list *again)
{
	struct batch batch = {0};
	bool sorted = false;
	int r;

	r = residue_erase_begin(eraser->residue, wanted, &batch.taken);
	if (r < 0)
		goto out;
	*ret_taken = extent_list_blocks(&batch.taken);
	if (*ret_taken == 0)
		goto out;

	r = locate(eraser, &batch);
	if (r >= 0)
		r = run_passes(eraser, &batch, report);
	if (r >= 0) {
		report->written_blocks += extent_list_blocks(&batch.runs);
		report->durable_blocks += extent_list_blocks(&batch.runs);
		r = read_back(eraser, &batch);
	}
	if (r < 0) {
		residue_erase_abandon(eraser->residue, &batch.taken);
		goto out;
	}
	r = settle_refused(eraser, &batch, report, again, &sorted);
	if (!sorted) {
		residue_erase_abandon(eraser->residue, &batch.taken);
		goto out;
	}
	if (r >= 0)
		r = note_outcome(eraser, &batch);
	residue_erase_done(eraser->residue, &batch.taken); /* R2 */
out:
	batch_done(&batch);
	return r;
}

int eraser_run(
	struct eraser *eraser, const struct extent_list *wanted, struct eraser_report *ret_report)
{
	struct eraser_report report = {
		.requested_blocks = extent_list_blocks(wanted),
		.passes = eraser->scheme->pass_count,
		.epoch = eraser->epoch + 1,
	};
	struct extent_list round = {0}, again = {0};
	uint64_t start = clock_monotonic_ns();
	uint64_t taken = 0;
	int r;

	extent_list_clear(&eraser->cleared);
	extent_list_clear(&eraser->verified);
	extent_list_clear(&eraser->refused);
	r = run_round(eraser, wanted, &report, &taken, &again);
	report.not_owed_blocks = report.requested_blocks - taken;
	while (r >= 0 && again.count > 0) {
		struct extent_list swap = round;

		round = again;
		again = swap;
		extent_list_clear(&again);
		r = run_round(eraser, &round, &report, &taken, &again);
	}
	extent_list_done(&round);
	extent_list_done(&again);
	if (r >= 0) /* R4 */
		r = extent_list_remove_list(&eraser->cleared, &eraser->refused);
	if (r >= 0)
		r = extent_list_remove_list(&eraser->verified, &eraser->refused);
	if (r < 0)
		return r;

	report.verified_blocks = extent_list_blocks(&eraser->verified);
	report.took_ns = clock_monotonic_ns() - start;
	eraser->epoch = report.epoch;
	*ret_report = report;
	return 0;
}
