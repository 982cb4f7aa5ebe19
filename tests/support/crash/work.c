/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crash/work.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct crash_profile crash_profiles[] = {
	{.name = "plain", .geometry = {8, 20, 20}, .operations = 24},
	{.name = "file system", .geometry = {8, 20, 20}, .filesystem = true, .operations = 24},
	{.name = "used device", .geometry = {8, 12, 12}, .used = true, .operations = 18},
	{.name = "growth", .geometry = {8, 12, 28}, .grows = true, .operations = 20},
	{.name = "bad blocks", .geometry = {8, 16, 16}, .bad_blocks = true, .operations = 26},
	{.name = "many windows", .geometry = {1, 24, 24}, .operations = 40},
	{.name = "threads", .geometry = {8, 18, 18}, .operations = 14, .threads = 3},
	{.name = "all at once",
		.geometry = {4, 14, 26},
		.used = true,
		.filesystem = true,
		.bad_blocks = true,
		.grows = true,
		.operations = 30},
};
const size_t crash_profile_count = ARRAY_SIZE(crash_profiles);

static uint64_t log_now(struct crash_era *era)
{
	return simdisk_log_count(era->rig->disk);
}

/* The eraser and an attach live with some errors; these requests do not. */
static bool must_report(const char *request)
{
	static const char *const requests[] = {"write", "flush", "close", "grow"};

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(request, requests[i]) == 0)
			return true;
	}
	return false;
}

/* What a request may not say, unless faults were injected; nor then, if it met one. */
static void expect(struct crash_era *era, const char *request, int r)
{
	if (era->tolerant && !era->fault_seen && simdisk_fired(era->rig->disk)) {
		era->fault_seen = true;
		if (r >= 0 && must_report(request))
			crash_wrong(&era->verdict,
				"M7: the disk failed an operation and the %s reported success",
				request);
	}
	if (r >= 0)
		return;
	if (!era->tolerant)
		crash_wrong(&era->verdict, "%s failed: %s", request, strerror(-r));
	if (r != -EIO || strcmp(request, "write") != 0)
		era->stopped = true;
}

/* --- requests --- */

void crash_fill(uint64_t id, uint8_t *block, uint64_t ret_sectors[static SECTORS_PER_BLOCK])
{
	for (unsigned int s = 0; s < SECTORS_PER_BLOCK; s++) {
		uint8_t *sector = block + (size_t)s * SECTOR_BYTES;

		for (size_t i = 0; i < SECTOR_BYTES / 8; i++) {
			uint64_t word = (id << 32) + s * 64 + i;

			memcpy(sector + i * 8, &word, 8);
		}
		memcpy(sector, CRASH_PLAINTEXT, strlen(CRASH_PLAINTEXT));
		ret_sectors[s] = crash_sector_hash(sector);
	}
}

static bool any_place_broken(struct crash_era *era, struct extent at)
{
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		if (crash_rig_is_broken(era->rig, crash_rig_place(era->rig, b)))
			return true;
	}
	return false;
}

/* One try; the model hears of it unless the blocks were owed. */
static int try_write(struct crash_era *era, struct extent at, const uint8_t *data,
	uint64_t sectors[][SECTORS_PER_BLOCK], struct extent *ret_owed)
{
	struct crash_model *model = &era->model;
	_Alignas(16) uint8_t buf[4 * BLOCK_BYTES];
	uint64_t log_start = log_now(era);
	size_t reuses = era->reuse_count;
	int r;

	memcpy(buf, data, at.count * BLOCK_BYTES);
	for (uint64_t i = 0; i < at.count; i++) {
		if (crash_model_is_free(model, at.first + i) && reuses < CRASH_REUSES_MAX)
			era->reuses[reuses++] = (struct crash_reuse){
				log_start, at.first + i, crash_rig_place(era->rig, at.first + i)};
		crash_model_begin(model, at.first + i, log_start, sectors[i]);
	}
	r = residue_write(era->rig->residue, at, buf, ret_owed);
	for (uint64_t i = 0; i < at.count; i++) {
		if (r == -EBUSY)
			crash_model_undo(model, at.first + i);
		else
			crash_model_end(model, at.first + i, r);
	}
	if (r != -EBUSY)
		era->reuse_count = reuses;
	return r;
}

bool crash_do_write(struct crash_era *era, struct extent at)
{
	_Alignas(16) uint8_t data[4 * BLOCK_BYTES];
	uint64_t sectors[4][SECTORS_PER_BLOCK];
	struct extent owed;
	bool broken = false;
	int r = -EBUSY;

	assert(at.count <= 4);
	for (uint64_t i = 0; i < at.count; i++)
		crash_fill(era->writes++, data + i * BLOCK_BYTES, sectors[i]);
	for (unsigned int i = 0; i < 8 && r == -EBUSY; i++) {
		broken = any_place_broken(era, at);
		r = try_write(era, at, data, sectors, &owed);
		if (r == -EBUSY) {
			int erased = crash_rig_erase(era->rig, owed);

			expect(era, "erasure", erased);
			if (erased < 0)
				return false;
		}
	}
	if (r == -EIO && broken)
		return false;
	expect(era, "write", r);
	return r >= 0;
}

void crash_do_flush(struct crash_era *era)
{
	struct crash_span span = {.log_start = log_now(era), .start = crash_model_now(&era->model)};
	int r = residue_flush(era->rig->residue);

	span.log_end = log_now(era);
	if (r >= 0)
		crash_model_add_span(&era->model, &era->model.acks, span);
	expect(era, "flush", r);
}

static void free_blocks(struct crash_era *era, struct extent at, uint64_t log_start)
{
	for (uint64_t b = at.first; b < extent_end(at); b++) {
		if (crash_model_is_free(&era->model, b))
			continue;
		crash_model_begin(&era->model, b, log_start, NULL);
		crash_model_end(&era->model, b, 0);
	}
}

void crash_do_discard(struct crash_era *era, struct extent at)
{
	uint64_t log_start = log_now(era);
	int r = residue_discard(era->rig->residue, at);

	if (r >= 0)
		free_blocks(era, at, log_start);
	expect(era, "discard", r);
}

static void do_erase(struct crash_era *era, enum residue_debt debt, uint64_t most)
{
	struct extent_list owed = {0};
	struct eraser_report report;
	uint64_t cursor = crash_below(&era->seed, residue_blocks(era->rig->residue));
	int r;

	r = residue_next_owed(era->rig->residue, debt, &cursor, most, &owed);
	if (r >= 0)
		r = eraser_run(era->rig->eraser, &owed, &report);
	extent_list_done(&owed);
	expect(era, "erase", r);
}

/* Retirement in place, perhaps while somebody writes to the blocks. */
static void do_retire(struct crash_era *era, struct extent at)
{
	struct extent_list blocks = {0}, owed = {0};
	struct residue_watch *watch = NULL;
	struct extent touched = {0, 0};
	bool touch_failed = false;
	struct eraser_report report;
	uint64_t log_start, lost;
	int r;

	r = extent_list_add(&blocks, at);
	if (r >= 0)
		r = residue_watch_new(era->rig->residue, &blocks, &watch);
	if (r >= 0 && crash_below(&era->seed, 2) == 0) {
		touched = (struct extent){at.first + crash_below(&era->seed, at.count), 1};
		touch_failed = !crash_do_write(era, touched);
		if (crash_below(&era->seed, 2) == 0 && !era->stopped)
			crash_do_flush(era);
	}
	log_start = log_now(era);
	if (r >= 0)
		r = residue_watch_condemn(era->rig->residue, watch, &owed, &lost);
	residue_watch_free(era->rig->residue, watch);
	for (uint64_t b = at.first; b < extent_end(at) && r >= 0; b++) {
		if (!extent_overlaps(touched, (struct extent){b, 1}))
			free_blocks(era, (struct extent){b, 1}, log_start);
		else if (touch_failed) /* before the block was touched, or after */
			crash_model_maybe_freed(&era->model, b, log_start);
	}
	if (r >= 0 && !touch_failed && extent_list_overlaps(&owed, touched))
		crash_wrong(&era->verdict, "P3: block %" PRIu64 " changed hands and was condemned",
			touched.first);
	if (r >= 0 && crash_below(&era->seed, 4) != 0)
		r = eraser_run(era->rig->eraser, &owed, &report);
	extent_list_done(&blocks);
	extent_list_done(&owed);
	expect(era, "retire", r);
}

static void do_grow(struct crash_era *era)
{
	uint64_t now = residue_blocks(era->rig->residue);
	uint64_t most = era->rig->layout.data_blocks_most;
	struct crash_span span = {.log_start = log_now(era), .log_end = UINT64_MAX};
	int r;

	if (now == most)
		return;
	span.blocks = now + 1 + crash_below(&era->seed, most - now);
	r = residue_grow(era->rig->residue, span.blocks, crash_below(&era->seed, 2) == 0);
	if (r >= 0)
		span.log_end = log_now(era);
	crash_model_add_span(&era->model, &era->model.grows, span);
	expect(era, "grow", r);
}

static int open_it(struct crash_era *era, struct residue_open_report *report)
{
	struct crash_span span = {.log_start = log_now(era),
		.log_end = UINT64_MAX,
		.start = crash_model_now(&era->model)};
	int r = crash_rig_open(era->rig, report);

	if (r >= 0)
		span.log_end = log_now(era);
	crash_model_add_span(&era->model, &era->model.opens, span);
	return r;
}

void crash_do_close_and_open(struct crash_era *era)
{
	struct crash_span span = {.log_start = log_now(era),
		.log_end = UINT64_MAX,
		.start = crash_model_now(&era->model)};
	struct residue_open_report report;
	int r = residue_close_orderly(era->rig->residue);

	if (r >= 0) {
		span.log_end = log_now(era);
		crash_model_add_span(&era->model, &era->model.acks, span);
	}
	crash_model_add_span(&era->model, &era->model.closes, span);
	expect(era, "close", r);
	crash_rig_drop(era->rig);
	if (r < 0)
		return;

	r = open_it(era, &report);
	if (r >= 0 && report.was_unclean)
		crash_wrong(&era->verdict, "a volume that was closed in order counts as unclean");
	expect(era, "open", r);
	if (r >= 0)
		residue_trust(era->rig->residue);
}

/* --- an era --- */

static struct extent random_run(struct crash_era *era, uint64_t most)
{
	uint64_t blocks = residue_blocks(era->rig->residue);
	uint64_t count = 1 + crash_below(&era->seed, most);

	return (struct extent){crash_below(&era->seed, blocks - count + 1), count};
}

static void break_a_place(struct crash_era *era)
{
	uint64_t block = random_run(era, 1).first;

	if (era->rig->broken_count < 3)
		crash_rig_break(era->rig, crash_rig_place(era->rig, block));
}

/* How often each request comes, of 24. */
static void one_request(struct crash_era *era)
{
	uint64_t dice = crash_below(&era->seed, 24);

	if (dice < 7)
		crash_do_write(era, random_run(era, 3));
	else if (dice < 11)
		crash_do_flush(era);
	else if (dice < 15)
		crash_do_discard(era, random_run(era, 4));
	else if (dice < 18)
		do_retire(era, random_run(era, 3));
	else if (dice < 20)
		do_erase(era, RESIDUE_DEBT_FRESH, 1 + crash_below(&era->seed, 4));
	else if (dice < 21)
		do_erase(era, RESIDUE_DEBT_BACKLOG, 1 + crash_below(&era->seed, 4));
	else if (dice < 22 && crash_below(&era->seed, 2) == 0)
		crash_do_close_and_open(era);
	else if (dice == 22 && era->profile->grows)
		do_grow(era);
	else if (dice == 23 && era->profile->bad_blocks)
		break_a_place(era);
}

static void start_log(struct crash_era *era)
{
	uint64_t blocks = blockdev_blocks(era->rig->disk);
	uint8_t block[BLOCK_BYTES];

	simdisk_log_start(era->rig->disk);
	era->base = simdisk_new(BLOCK_BYTES, blocks);
	for (uint64_t b = 0; b < blocks; b++) {
		simdisk_peek(era->rig->disk, (struct extent){b, 1}, block);
		simdisk_poke(era->base, (struct extent){b, 1}, block);
	}
}

void crash_era_init(struct crash_era *era, struct crash_rig *rig,
	const struct crash_profile *profile, uint64_t seed)
{
	memset(era, 0, sizeof(*era));
	era->rig = rig;
	era->profile = profile;
	era->seed = seed;
	era->writes = 1;
	crash_rig_format(rig, &profile->geometry, profile->used, profile->filesystem);
	crash_model_init(&era->before, profile->geometry.data_blocks, true);
	crash_model_init(&era->model, profile->geometry.data_blocks, true);
	crash_media_init(&era->media, &rig->layout, rig->disk);
	start_log(era);
}

void crash_era_done(struct crash_era *era)
{
	era->base = blockdev_close(era->base);
	crash_rig_done(era->rig);
}

bool crash_era_attach(struct crash_era *era)
{
	struct residue_open_report report;
	struct crash_seen seen;
	bool owned[CRASH_BLOCKS_MAX];
	int r;

	r = open_it(era, &report);
	expect(era, "open", r);
	if (r < 0)
		return false;

	/* What the crash before left counts from here on, as it is seen. */
	crash_check_attached(era->rig, &era->before, era->before_events, &report, &era->media,
		&seen, &era->verdict);
	if (crash_is_wrong(&era->verdict))
		return false;
	crash_choose_owned(&seen, &era->before, era->before_events, &era->seed, owned);
	for (uint64_t b = 0; b < seen.blocks; b++)
		crash_model_set(&era->model, b, owned[b] ? seen.sectors[b] : NULL);
	era->model.blocks = seen.blocks;
	era->model.began_clean = !report.was_unclean;
	if (report.was_unclean)
		r = crash_rig_sweep(era->rig, owned, crash_below(&era->seed, 5) == 0);
	else
		residue_trust(era->rig->residue);
	expect(era, "sweep", r);
	simdisk_lie_about_flushes(era->rig->disk, era->profile->lies);
	return r >= 0;
}

void crash_era_check_now(struct crash_era *era)
{
	uint64_t run;

	if (!era->rig->residue)
		return;
	for (uint64_t b = 0; b < residue_blocks(era->rig->residue); b++) {
		if (residue_lookup(era->rig->residue, b, 1, &run) == RESIDUE_CLASS_CLEAN &&
			crash_media_shows_job_data(era->rig->disk, crash_rig_place(era->rig, b)))
			crash_wrong(&era->verdict,
				"P2: block %" PRIu64 " is clean, and the medium holds job data", b);
	}
}

/* The crash at the end comes in the middle of a request: what the disk does not take any more is
 * not in the log. */
static void stop_the_disk(struct crash_era *era)
{
	era->tolerant = era->fault_seen = true;
	simdisk_fail_from_nth(era->rig->disk, SIMDISK_WRITE | SIMDISK_FLUSH,
		1 + crash_below(&era->seed, 10), EIO);
}

void crash_era_run(struct crash_era *era)
{
	bool dies = !era->tolerant && crash_below(&era->seed, 2) == 0;

	if (!crash_era_attach(era))
		return;
	if (era->profile->threads > 0)
		crash_era_run_threads(era);
	for (unsigned int i = 0;
		i < era->profile->operations && era->profile->threads == 0 && !era->stopped; i++) {
		if (crash_is_wrong(&era->verdict))
			return;
		if (dies && i + 2 == era->profile->operations)
			stop_the_disk(era);
		one_request(era);
	}
	crash_era_check_now(era);
}

void crash_era_audit(struct crash_era *era)
{
	static struct crash_media media;
	uint64_t count = simdisk_log_count(era->rig->disk);
	size_t reuse = 0;
	uint64_t place = 0;

	media = era->media;
	for (uint64_t i = 0; i <= count && !crash_is_wrong(&era->verdict); i++) {
		const char *wrong = NULL;

		for (; reuse < era->reuse_count && era->reuses[reuse].log_start <= i; reuse++) {
			if (media.places[era->reuses[reuse].place].owes)
				crash_wrong(&era->verdict,
					"P4: new data went to block %" PRIu64
					" before every pass was durable",
					era->reuses[reuse].block);
		}
		if (i < count)
			wrong = crash_media_event(
				&media, simdisk_log_event(era->rig->disk, i), i, &place);
		if (wrong)
			crash_wrong(&era->verdict, "%s (place %" PRIu64 ")", wrong, place);
	}
}

/* --- the crash at its end --- */

struct keeper {
	struct crash_era *era;
	const struct simdisk_event *event;
	unsigned int mode;
};

static bool keep(void *context, const struct simdisk_event *event, uint64_t sector)
{
	struct keeper *keeper = context;
	bool kept;

	if (event != keeper->event) {
		keeper->event = event;
		keeper->mode = (unsigned int)crash_below(&keeper->era->seed, 4);
	}
	kept = keeper->mode == 0 || (keeper->mode == 1 && crash_below(&keeper->era->seed, 2) == 0);
	if (kept)
		crash_media_survived(&keeper->era->media, event, sector);
	return kept;
}

void crash_era_cut(struct crash_era *era)
{
	struct keeper keeper = {.era = era};
	uint64_t count = simdisk_log_count(era->rig->disk);
	uint64_t durable = simdisk_log_durable(era->rig->disk, count);
	uint64_t place = 0;

	crash_rig_drop(era->rig);
	for (uint64_t i = 0; i < durable; i++)
		crash_media_event(&era->media, simdisk_log_event(era->rig->disk, i), i, &place);
	crash_media_flushed(&era->media, UINT64_MAX);
	simdisk_power_cut(era->rig->disk, keep, &keeper);
	for (size_t i = 0; i < era->rig->broken_count; i++)
		simdisk_break(era->rig->disk, era->rig->broken[i], SIMDISK_WRITE, EIO);

	era->before = era->model;
	era->before_events = count;
	crash_model_init(&era->model, 0, false);
	era->base = blockdev_close(era->base);
	era->reuse_count = 0;
	era->stopped = era->tolerant = era->fault_seen = false;
	start_log(era);
}
