/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/sample.h"
#include "crypto/random.h"
#include <stdint.h>

/* Below this a section would have no room for two samples. */
#define SECTION_BLOCKS_MIN 20u

enum { HCD_FIRST = 2049, HCD_AROUND = 129, HCD_LAST = 1025, HCD_RANDOM = 10 };

/* Uniform enough for a choice of places: the range is far below 2^64. */
static int random_below(uint64_t range, uint64_t *ret_value)
{
	uint64_t value;
	int r = random_bytes(&value, sizeof(value));

	if (r < 0)
		return r;
	*ret_value = range ? value % range : 0;
	return 0;
}

/* One sample in each half of the section: they cannot overlap. */
static int sample_section(struct extent section, struct extent_list *plan)
{
	uint64_t length = (section.count + 19) / 20; /* 5 %, rounded up */
	struct extent halves[2] = {
		{section.first, section.count / 2},
		{section.first + section.count / 2, section.count - section.count / 2},
	};
	uint64_t shift;
	int r = 0;

	for (unsigned int i = 0; i < 2 && r >= 0; i++) {
		r = random_below(halves[i].count - length + 1, &shift);
		if (r >= 0)
			r = extent_list_add(plan, (struct extent){halves[i].first + shift, length});
	}
	return r;
}

int sample_plan(uint64_t blocks, struct extent_list *plan)
{
	uint64_t done = 0;
	int r;

	if (blocks < (uint64_t)SAMPLE_SECTIONS * SECTION_BLOCKS_MIN)
		return extent_list_add(plan, (struct extent){0, blocks});
	r = extent_list_add(plan, (struct extent){0, 1});
	if (r >= 0)
		r = extent_list_add(plan, (struct extent){blocks - 1, 1});
	for (uint64_t i = 1; i <= SAMPLE_SECTIONS && r >= 0; i++) {
		uint64_t end = blocks / SAMPLE_SECTIONS * i +
			       blocks % SAMPLE_SECTIONS * i / SAMPLE_SECTIONS;

		r = sample_section((struct extent){done, end - done}, plan);
		done = end;
	}
	return r;
}

/* Adds what of the run the medium has. */
static int add_within(struct extent_list *plan, struct extent run, uint64_t blocks)
{
	if (run.first >= blocks)
		return 0;
	if (run.count > blocks - run.first)
		run.count = blocks - run.first;
	return extent_list_add(plan, run);
}

/* The block, and so many on each side of it. */
static int add_around(struct extent_list *plan, uint64_t block, uint64_t blocks)
{
	uint64_t first = block > HCD_AROUND ? block - HCD_AROUND : 0;

	return add_within(plan, (struct extent){first, block - first + HCD_AROUND + 1}, blocks);
}

int sample_add_hcd(uint64_t blocks, struct extent_list *plan)
{
	uint64_t last = blocks > HCD_LAST ? blocks - HCD_LAST : 0, place;
	int r;

	if (blocks == 0)
		return 0;
	r = add_within(plan, (struct extent){0, HCD_FIRST}, blocks);
	if (r >= 0)
		r = add_around(plan, blocks / 2, blocks);
	if (r >= 0)
		r = add_within(plan, (struct extent){last, HCD_LAST}, blocks);
	for (unsigned int i = 0; i < HCD_RANDOM && r >= 0; i++) {
		r = random_below(blocks, &place);
		if (r >= 0)
			r = extent_list_add(plan, (struct extent){place, 1});
	}
	if (r >= 0 && blocks > 1ull << 28)
		r = add_around(plan, 1ull << 28, blocks);
	if (r >= 0 && blocks > 1ull << 32)
		r = add_around(plan, 1ull << 32, blocks);
	return r;
}

int sample_plan_of_list(const struct extent_list *runs, struct extent_list *plan)
{
	struct extent_list flat = {0};
	uint64_t base = 0; /* of the run, in the flat numbering */
	size_t at = 0;
	int r;

	r = sample_plan(extent_list_blocks(runs), &flat);
	for (size_t i = 0; i < flat.count && r >= 0;) {
		struct extent want = flat.items[i];
		struct extent run = runs->items[at];
		uint64_t end =
			extent_end(want) < base + run.count ? extent_end(want) : base + run.count;

		if (want.first >= base + run.count) {
			base += run.count;
			at++;
			continue;
		}
		r = extent_list_add(
			plan, (struct extent){run.first + (want.first - base), end - want.first});
		if (end == extent_end(want))
			i++;
		else
			flat.items[i] = (struct extent){end, extent_end(want) - end};
	}
	extent_list_done(&flat);
	return r;
}
