/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_stress.c - many threads at one volume, and a model of what it must hold
 *
 * Goal: whatever is written, discarded, retired and flushed at the same time, each
 * block reads as its owner left it, also after the volume was closed and opened
 * again; and what was retired or lay under a barrier is gone from the medium.
 * Method: each thread owns every THREADS-th group of blocks and keeps a model of
 * them; the neighbours in a premark window, in a page and in a batch are others'.
 * The seed is printed.
 */
#define FIXTURE_PAGE_BLOCKS 64 /* many premark windows: they are evicted while writes run there */
#include "tests/volume/engine_fixture.h"
#include <stdio.h>

enum {
	THREADS = 4,
	GROUP_BLOCKS = 8,
	GROUPS = 128, /* of each thread */
	RUN_MS = 2000,
};

struct worker {
	pthread_t thread;
	unsigned int index;
	uint64_t random;
	uint8_t model[GROUPS * GROUP_BLOCKS]; /* 0: reads as zeros */
	uint8_t data[GROUP_BLOCKS * BLOCK_BYTES];
	uint64_t ops;
	uint64_t refused; /* must stay 0 */
	const char *failed;
};

static uint64_t end_ns;

static uint64_t next_random(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random >> 16;
}

/* Where a block of the worker's model lies in the volume. */
static uint64_t place_of(const struct worker *worker, uint64_t mine)
{
	uint64_t group = mine / GROUP_BLOCKS;

	return (group * THREADS + worker->index) * GROUP_BLOCKS + mine % GROUP_BLOCKS;
}

/* A run inside one group. */
static struct extent random_run(struct worker *worker)
{
	uint64_t at = next_random(worker) % GROUP_BLOCKS;
	uint64_t count = 1 + next_random(worker) % (GROUP_BLOCKS - at);

	return (struct extent){next_random(worker) % GROUPS * GROUP_BLOCKS + at, count};
}

static struct extent placed(const struct worker *worker, struct extent mine)
{
	return (struct extent){place_of(worker, mine.first), mine.count};
}

static bool check_run(struct worker *worker, struct extent mine)
{
	if (engine_read(engine, placed(worker, mine), worker->data) < 0)
		return false;
	for (uint64_t i = 0; i < mine.count; i++) {
		if (!bytes_are(worker->data + i * BLOCK_BYTES, BLOCK_BYTES,
			    worker->model[mine.first + i]))
			return false;
	}
	return true;
}

static bool write_run(struct worker *worker, struct extent mine)
{
	uint8_t byte = (uint8_t)(1 + next_random(worker) % 255);

	memset(worker->data, byte, mine.count * BLOCK_BYTES);
	memset(worker->model + mine.first, byte, mine.count);
	return write_and_wait(placed(worker, mine), worker->data) >= 0;
}

static bool discard_run(struct worker *worker, struct extent mine)
{
	memset(worker->model + mine.first, 0, mine.count);
	return engine_discard(engine, placed(worker, mine)) >= 0;
}

static bool retire_run(struct worker *worker, struct extent mine)
{
	struct extent_list blocks = {0};
	struct residue_watch *watch;
	struct retirement done = {.requested_blocks = 0};
	bool good = false;

	if (extent_list_add(&blocks, placed(worker, mine)) < 0 ||
		residue_watch_new(engine_residue(engine), &blocks, &watch) < 0)
		return false;
	if (engine_retire(engine, &watch, &mine.count, 1, &done) >= 0)
		good = done.requested_blocks == mine.count && done.lost_blocks == 0 &&
		       done.refused_blocks == 0 &&
		       done.written_blocks + done.not_owed_blocks == mine.count &&
		       done.verified_blocks == done.written_blocks;
	residue_watch_free(engine_residue(engine), watch);
	extent_list_done(&blocks);
	memset(worker->model + mine.first, 0, mine.count);
	return good && check_run(worker, mine);
}

/* After a barrier none of what was freed before it is owed. */
static bool barrier_run(struct worker *worker, struct extent mine)
{
	uint64_t epoch;

	if (!discard_run(worker, mine) || engine_barrier(engine, &epoch) < 0)
		return false;
	for (uint64_t i = 0; i < mine.count; i++) {
		uint64_t run;

		if (residue_lookup(engine_residue(engine), place_of(worker, mine.first + i), 1,
			    &run) != RESIDUE_CLASS_CLEAN)
			return false;
	}
	return true;
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	while (!worker->failed && clock_monotonic_ns() < end_ns) {
		struct extent mine = random_run(worker);
		uint64_t choice = next_random(worker) % 100;

		worker->ops++;
		if (choice < 45)
			worker->failed = write_run(worker, mine) ? NULL : "write";
		else if (choice < 70)
			worker->failed = check_run(worker, mine) ? NULL : "read";
		else if (choice < 85)
			worker->failed = discard_run(worker, mine) ? NULL : "discard";
		else if (choice < 92)
			worker->failed = engine_flush(engine) >= 0 ? NULL : "flush";
		else if (choice < 98)
			worker->failed = retire_run(worker, mine) ? NULL : "retire";
		else
			worker->failed = barrier_run(worker, mine) ? NULL : "barrier";
	}
	return NULL;
}

static void check_all(struct worker *workers)
{
	for (unsigned int i = 0; i < THREADS; i++) {
		for (uint64_t group = 0; group < GROUPS; group++)
			ck_assert_msg(check_run(&workers[i],
					      (struct extent){group * GROUP_BLOCKS, GROUP_BLOCKS}),
				"thread %u, group %lu", i, (unsigned long)group);
	}
}

START_TEST(each_block_reads_as_its_owner_left_it)
{
	static struct worker workers[THREADS];
	uint64_t seed = clock_monotonic_ns() | 1, ops = 0, epoch;
	struct residue_counts counts;

	printf("seed %lu\n", (unsigned long)seed);
	end_ns = clock_monotonic_ns() + RUN_MS * 1000000ull;
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].index = i;
		workers[i].random = seed * (2 * i + 1);
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		ck_assert_msg(!workers[i].failed, "%s after %lu", workers[i].failed,
			(unsigned long)workers[i].ops);
		ops += workers[i].ops;
	}
	printf("%lu operations\n", (unsigned long)ops);
	check_all(workers);
	close_engine();
	start_engine();
	ck_assert(!engine->info.opened.was_unclean);
	check_all(workers);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	residue_get_counts(engine_residue(engine), &counts);
	ck_assert_uint_eq(counts.residue + counts.suspect + counts.unknown, 0);
	check_all(workers);
	/* Whatever reads as zeros shows the last pattern, or was never written. */
	for (unsigned int i = 0; i < THREADS; i++) {
		for (uint64_t b = 0; b < GROUPS * GROUP_BLOCKS; b++) {
			uint64_t at = place_of(&workers[i], b);

			if (workers[i].model[b] == 0)
				ck_assert(medium_shows(at, 0x97) || medium_shows(at, 0));
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine under load");
	TCase *tcase = tcase_create("threads and a model");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, each_block_reads_as_its_owner_left_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
