/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - the work of an era by several threads at once
 *
 * Each thread has blocks of its own, so that their histories are in order; flushes,
 * erasures and the map are everybody's.
 */
#include "tests/support/crash/work.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX    4u
#define FLUSH_DELAY_NS 200000u

struct worker {
	struct crash_era *era;
	struct crash_rig rig; /* with an eraser of its own */
	unsigned int index;
	uint64_t seed;
	uint64_t writes;
	struct crash_reuse reuses[CRASH_REUSES_MAX / THREADS_MAX];
	size_t reuse_count;
	struct crash_verdict verdict;
	pthread_t thread;
};

static void expect(struct worker *worker, const char *request, int r)
{
	if (r < 0)
		crash_wrong(&worker->verdict, "%s failed: %s", request, strerror(-r));
}

static uint64_t own_block(struct worker *worker)
{
	uint64_t threads = worker->era->profile->threads;
	uint64_t rows = residue_blocks(worker->rig.residue) / threads;

	return crash_below(&worker->seed, rows) * threads + worker->index;
}

static void write_own(struct worker *worker)
{
	struct crash_model *model = &worker->era->model;
	struct timespec nap = {0, 100000};
	_Alignas(16) uint8_t data[BLOCK_BYTES], buf[BLOCK_BYTES];
	uint64_t sectors[SECTORS_PER_BLOCK];
	uint64_t block = own_block(worker);
	struct extent at = {block, 1}, owed;
	bool was_free = crash_model_is_free(model, block);
	uint64_t log_start = 0;
	int r = -EBUSY;

	crash_fill((uint64_t)(worker->index + 1) << 24 | ++worker->writes, data, sectors);
	for (unsigned int i = 0; i < 1000 && r == -EBUSY; i++) {
		if (i > 0) {
			expect(worker, "erase", crash_rig_erase(&worker->rig, at));
			nanosleep(&nap, NULL); /* another thread may be erasing it */
		}
		memcpy(buf, data, sizeof(buf));
		log_start = simdisk_log_count(worker->rig.disk);
		crash_model_begin(model, block, log_start, sectors);
		r = residue_write(worker->rig.residue, at, buf, &owed);
		if (r == -EBUSY)
			crash_model_undo(model, block);
	}
	if (r != -EBUSY)
		crash_model_end(model, block, r);
	if (was_free && worker->reuse_count < ARRAY_SIZE(worker->reuses))
		worker->reuses[worker->reuse_count++] = (struct crash_reuse){
			log_start, block, crash_rig_place(&worker->rig, block)};
	expect(worker, "write", r);
}

static void flush_all(struct worker *worker)
{
	struct crash_model *model = &worker->era->model;
	struct crash_span span = {
		.log_start = simdisk_log_count(worker->rig.disk), .start = crash_model_now(model)};
	int r = residue_flush(worker->rig.residue);

	span.log_end = simdisk_log_count(worker->rig.disk);
	if (r >= 0)
		crash_model_add_span(model, &model->acks, span);
	expect(worker, "flush", r);
}

static void discard_own(struct worker *worker)
{
	struct crash_model *model = &worker->era->model;
	uint64_t block = own_block(worker);
	int r;

	if (crash_model_is_free(model, block))
		return;
	crash_model_begin(model, block, simdisk_log_count(worker->rig.disk), NULL);
	r = residue_discard(worker->rig.residue, (struct extent){block, 1});
	crash_model_end(model, block, r);
	expect(worker, "discard", r);
}

/* Retirement in place of one block; nobody else touches it. */
static void retire_own(struct worker *worker)
{
	struct crash_model *model = &worker->era->model;
	struct extent_list blocks = {0}, owed = {0};
	struct residue_watch *watch = NULL;
	struct eraser_report report;
	uint64_t block = own_block(worker), lost = 0;
	int r;

	if (crash_model_is_free(model, block))
		return;
	crash_model_begin(model, block, simdisk_log_count(worker->rig.disk), NULL);
	r = extent_list_add(&blocks, (struct extent){block, 1});
	if (r >= 0)
		r = residue_watch_new(worker->rig.residue, &blocks, &watch);
	if (r >= 0)
		r = residue_watch_condemn(worker->rig.residue, watch, &owed, &lost);
	residue_watch_free(worker->rig.residue, watch);
	crash_model_end(model, block, r);
	if (lost > 0 || extent_list_blocks(&owed) != 1)
		crash_wrong(&worker->verdict, "a block that only its owner wrote changed hands");
	if (r >= 0)
		r = eraser_run(worker->rig.eraser, &owed, &report);
	extent_list_done(&blocks);
	extent_list_done(&owed);
	expect(worker, "retire", r);
}

static void erase_some(struct worker *worker)
{
	struct extent_list owed = {0};
	struct eraser_report report;
	uint64_t cursor = 0;
	int r;

	r = residue_next_owed(worker->rig.residue, RESIDUE_DEBT_FRESH, &cursor, 4, &owed);
	if (r >= 0)
		r = eraser_run(worker->rig.eraser, &owed, &report);
	extent_list_done(&owed);
	expect(worker, "erase", r);
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	for (unsigned int i = 0; i < worker->era->profile->operations; i++) {
		uint64_t dice = crash_below(&worker->seed, 10);

		if (crash_is_wrong(&worker->verdict))
			break;
		if (dice < 5)
			write_own(worker);
		else if (dice < 7)
			flush_all(worker);
		else if (dice < 8)
			discard_own(worker);
		else if (dice < 9)
			retire_own(worker);
		else
			erase_some(worker);
	}
	return NULL;
}

static int by_log_start(const void *a, const void *b)
{
	const struct crash_reuse *x = a, *y = b;

	return (x->log_start > y->log_start) - (x->log_start < y->log_start);
}

static void collect(struct crash_era *era, struct worker *worker)
{
	for (size_t i = 0; i < worker->reuse_count && era->reuse_count < CRASH_REUSES_MAX; i++)
		era->reuses[era->reuse_count++] = worker->reuses[i];
	if (crash_is_wrong(&worker->verdict))
		crash_wrong(&era->verdict, "%s", worker->verdict.text);
}

void crash_era_run_threads(struct crash_era *era)
{
	unsigned int threads = era->profile->threads;
	struct worker *workers = calloc(THREADS_MAX, sizeof(*workers));

	if (!workers || threads > THREADS_MAX)
		abort();
	simdisk_set_flush_delay_ns(era->rig->disk, FLUSH_DELAY_NS);
	for (unsigned int i = 0; i < threads; i++) {
		struct worker *worker = &workers[i];

		worker->era = era;
		worker->rig = *era->rig;
		worker->index = i;
		worker->seed = crash_random(&era->seed);
		worker->writes = era->writes << 12;
		if (eraser_new(era->rig->residue, scheme_default(), VERIFY_FULL,
			    &worker->rig.eraser) < 0 ||
			pthread_create(&worker->thread, NULL, work, worker) != 0)
			abort();
	}
	era->writes++;
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		eraser_free(workers[i].rig.eraser);
		collect(era, &workers[i]);
	}
	qsort(era->reuses, era->reuse_count, sizeof(era->reuses[0]), by_log_start);
	simdisk_set_flush_delay_ns(era->rig->disk, 0);
	free(workers);
}
