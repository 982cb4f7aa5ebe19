/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine.c - one open volume: who waits for the eraser, and what he is told
 *
 * Goal: G1 to G3 of engine.h; what a retirement reports is what happened; no caller
 * waits for an eraser that is gone.
 * Method: a disk in memory that logs, breaks, and holds writes at a gate.
 */
#include "tests/volume/engine_fixture.h"
#include <sys/resource.h>

static void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static struct residue_counts counts(void)
{
	struct residue_counts c;

	residue_get_counts(engine_residue(engine), &c);
	return c;
}

/* --- parked writes (G1) --- */

START_TEST(a_write_to_owed_blocks_holds_no_thread_and_lands_after_every_pass)
{
	static const uint8_t patterns[] = {0x35, 0xca, 0x97};
	struct pending pending;
	uint8_t data[2 * BLOCK_BYTES];
	size_t writes = 0, flushes_since = 1;

	make_live(9, 2, 'a');
	simdisk_log_start(disk);
	close_gate();
	ck_assert_int_eq(drop(9, 1), 0);
	memset(data, 'b', sizeof(data));
	ck_assert_int_eq(engine_write(engine, (struct extent){9, 2}, data), -EBUSY);
	init_pending(&pending, (struct extent){9, 2}, data);
	ck_assert_int_eq(engine_park(engine, &pending.write), 0);
	wait_for_somebody_at_the_gate();
	ck_assert_uint_eq(completions_of(&pending), 0);
	open_gate();
	ck_assert_int_eq(wait_pending(&pending), 0);
	ck_assert(reads_as(9, 2, 'b'));

	simdisk_log_hold(disk); /* the eraser's thread flushes on when it is idle */
	/* Pattern, flush, pattern, flush, pattern, flush, data. */
	for (uint64_t i = 0; i < simdisk_log_count(disk); i++) {
		const struct simdisk_event *event = simdisk_log_event(disk, i);

		flushes_since += event->kind == SIMDISK_EVENT_FLUSH;
		if (event->kind != SIMDISK_EVENT_WRITE ||
			!extent_overlaps(event->at, (struct extent){layout.data_first + 9, 1}))
			continue;
		ck_assert_uint_ge(flushes_since, 1);
		if (writes < ARRAY_SIZE(patterns))
			ck_assert(bytes_are(event->data, BLOCK_BYTES, patterns[writes]));
		else
			ck_assert(!bytes_are_uniform(event->data, BLOCK_BYTES));
		writes++;
		flushes_since = 0;
	}
	ck_assert_uint_eq(writes, 4);
}
END_TEST

START_TEST(many_parked_writes_share_one_batch)
{
	enum { WRITES = 64 };
	struct pending pending[WRITES];
	static uint8_t data[WRITES][BLOCK_BYTES];
	struct engine_debt debt;
	uint64_t epoch = 0;

	make_live(0, WRITES, 'a');
	close_gate();
	ck_assert_int_eq(drop(0, WRITES), 0);
	for (size_t i = 0; i < WRITES; i++) {
		memset(data[i], 'A' + (int)i % 26, BLOCK_BYTES);
		init_pending(&pending[i], (struct extent){i, 1}, data[i]);
		ck_assert_int_eq(engine_park(engine, &pending[i].write), 0);
	}
	wait_for_somebody_at_the_gate();
	open_gate();
	for (size_t i = 0; i < WRITES; i++)
		ck_assert_int_eq(wait_pending(&pending[i]), 0);
	for (size_t i = 0; i < WRITES; i++)
		ck_assert(reads_as(i, 1, (uint8_t)('A' + (int)i % 26)));
	ck_assert_int_eq(engine_barrier(engine, &epoch), 0);
	ck_assert_uint_le(epoch, 4); /* a few batches, not sixty-four */
	engine_get_debt(engine, &debt);
	ck_assert_uint_eq(debt.parked_writes, 0);
	ck_assert_uint_eq(debt.erased_blocks, WRITES);
}
END_TEST

START_TEST(a_write_to_a_clean_block_is_not_delayed_by_the_eraser)
{
	make_live(9, 1, 'a');
	ck_assert_int_eq(put(2000, 1, 'x'), 0); /* opens the window that is written to below */
	close_gate();
	ck_assert_int_eq(drop(9, 1), 0);
	wait_for_somebody_at_the_gate();
	simdisk_set_hook(disk, NULL, NULL); /* the eraser stays at the gate */
	ck_assert_int_eq(put(2001, 1, 'b'), 0);
	ck_assert_int_eq(engine_flush(engine), 0);
	ck_assert(reads_as(2001, 1, 'b'));
	ck_assert_int_eq(class_of(9), RESIDUE_CLASS_RESIDUE);
	open_gate();
}
END_TEST

START_TEST(what_is_freed_is_paid_without_being_asked)
{
	make_live(9, 3, 'a');
	ck_assert_int_eq(drop(9, 3), 0);
	for (unsigned int i = 0; class_of(9) != RESIDUE_CLASS_CLEAN && i < 500; i++)
		sleep_ms(10);
	ck_assert_int_eq(class_of(9), RESIDUE_CLASS_CLEAN);
	ck_assert(medium_shows(11, 0x97));
}
END_TEST

START_TEST(a_failed_first_write_is_owed_and_paid)
{
	ck_assert_int_eq(put(0, 1, 'x'), 0); /* the window is open: no map write comes first */
	simdisk_set_failed_write(disk, SIMDISK_LANDS_HALF);
	simdisk_fail_nth(disk, SIMDISK_WRITE, 1, EIO);
	ck_assert_int_eq(put(5, 1, 'y'), -EIO);
	for (unsigned int i = 0; class_of(5) != RESIDUE_CLASS_CLEAN && i < 500; i++)
		sleep_ms(10);
	ck_assert(medium_shows(5, 0x97));
	ck_assert(reads_as(0, 1, 'x'));
}
END_TEST

/* --- retirement --- */

START_TEST(a_retirement_reports_what_was_measured)
{
	struct extent_list blocks = {0};
	struct residue_watch *watch;
	struct retirement done;
	uint64_t requested = 6;

	make_live(20, 4, 'j'); /* two of the six were never written */
	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){20, 6}), 0);
	ck_assert_int_eq(residue_watch_new(engine_residue(engine), &blocks, &watch), 0);
	make_live(21, 1, 'n'); /* another's by now */
	ck_assert_int_eq(engine_retire(engine, &watch, &requested, 1, &done), 0);
	residue_watch_free(engine_residue(engine), watch);
	extent_list_done(&blocks);

	ck_assert_uint_eq(done.requested_blocks, 6);
	ck_assert_uint_eq(done.lost_blocks, 1);
	ck_assert_uint_eq(done.not_owed_blocks, 2);
	ck_assert_uint_eq(done.written_blocks, 3);
	ck_assert_uint_eq(done.durable_blocks, 3);
	ck_assert_uint_eq(done.verified_blocks, 3);
	ck_assert_uint_eq(done.refused_blocks, 0);
	ck_assert_uint_eq(done.passes, 3);
	ck_assert_uint_eq(done.epoch, 1);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_gt(done.pass_durable_wall_s[i], 0);
	ck_assert(reads_as(21, 1, 'n'));
	ck_assert(reads_as(22, 2, 0));
	ck_assert(medium_shows(20, 0x97) && medium_shows(22, 0x97) && medium_shows(23, 0x97));
	ck_assert(medium_shows(24, 0));
}
END_TEST

START_TEST(a_job_of_no_written_blocks_is_retired_at_once)
{
	struct retirement done;

	ck_assert_int_eq(retire(100, 8, &done), 0);
	ck_assert_uint_eq(done.not_owed_blocks, 8);
	ck_assert_uint_eq(done.written_blocks, 0);
}
END_TEST

/* Frees other blocks all the time, so that the eraser is never idle. */
static void *keep_freeing(void *argument)
{
	const bool *stop = argument;
	uint8_t data[BLOCK_BYTES];

	for (uint64_t i = 0; !__atomic_load_n(stop, __ATOMIC_ACQUIRE); i++) {
		memset(data, 'f', sizeof(data));
		if (write_and_wait((struct extent){3000 + i % 64, 1}, data) < 0 ||
			drop(3000 + i % 64, 1) < 0)
			break;
	}
	return NULL;
}

START_TEST(what_belongs_to_a_retirement_is_counted_by_it)
{
	bool stop = false;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, keep_freeing, &stop), 0);
	for (uint64_t i = 0; i < 300; i++) {
		struct retirement done;
		uint64_t first = i * 8;

		make_live(first, 8, 'j');
		ck_assert_int_eq(retire(first, 8, &done), 0);
		ck_assert_uint_eq(done.refused_blocks, 0);
		ck_assert_uint_eq(done.not_owed_blocks, 0);
		ck_assert_uint_eq(done.written_blocks, 8);
		ck_assert_uint_eq(done.verified_blocks, 8);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(blocks_that_were_owed_already_are_not_reported_as_refused)
{
	struct retirement done;

	make_live(9, 2, 'a');
	close_gate();
	ck_assert_int_eq(drop(9, 1), 0); /* owed, and the eraser is at it */
	wait_for_somebody_at_the_gate();
	simdisk_set_hook(disk, NULL, NULL);
	open_gate();
	ck_assert_int_eq(retire(9, 2, &done), 0);
	ck_assert_uint_eq(done.refused_blocks, 0);
	ck_assert_uint_eq(done.written_blocks + done.not_owed_blocks, 2);
	ck_assert_uint_ge(done.written_blocks, 1);
	ck_assert_int_eq(class_of(9), RESIDUE_CLASS_CLEAN);
}
END_TEST

struct retiring {
	pthread_t thread;
	uint64_t first;
	struct retirement done;
	int result;
};

static void *retire_one(void *argument)
{
	struct retiring *retiring = argument;

	retiring->result = retire(retiring->first, 4, &retiring->done);
	return NULL;
}

START_TEST(jobs_that_are_retired_together_share_batches)
{
	enum { JOBS = 32 };
	struct retiring jobs[JOBS];
	uint64_t flushes, last = 0;

	make_live(0, 64, 'j');
	make_live(64, 64, 'j');
	flushes = simdisk_count(disk, SIMDISK_FLUSH);
	simdisk_set_flush_delay_ns(disk, 5000000);
	for (size_t i = 0; i < JOBS; i++) {
		jobs[i].first = i * 4;
		ck_assert_int_eq(pthread_create(&jobs[i].thread, NULL, retire_one, &jobs[i]), 0);
	}
	for (size_t i = 0; i < JOBS; i++) {
		pthread_join(jobs[i].thread, NULL);
		ck_assert_int_eq(jobs[i].result, 0);
		ck_assert_uint_eq(jobs[i].done.verified_blocks, 4);
		last = jobs[i].done.epoch > last ? jobs[i].done.epoch : last;
	}
	ck_assert_uint_le(last, 6);
	ck_assert_uint_lt(simdisk_count(disk, SIMDISK_FLUSH) - flushes, JOBS);
}
END_TEST

/* --- what the medium refuses --- */

START_TEST(a_refused_block_is_carried_by_a_spare_and_the_job_is_told)
{
	struct retirement done;

	make_live(20, 4, 'j');
	simdisk_break(disk, (struct extent){layout.data_first + 22, 1}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(retire(20, 4, &done), 0);
	ck_assert_uint_eq(done.written_blocks, 3);
	ck_assert_uint_eq(done.verified_blocks, 3);
	ck_assert_uint_eq(done.refused_blocks, 1);
	ck_assert_uint_eq(done.not_owed_blocks, 0);
	ck_assert_uint_eq(counts().stuck, 1);
	ck_assert_uint_eq(counts().dead, 0);
	make_live(22, 1, 's');
	ck_assert(reads_as(22, 1, 's'));
}
END_TEST

/* The command was killed between the passes and the removal, and is given again. */
START_TEST(a_job_that_is_retired_again_is_told_again_what_was_refused)
{
	struct retirement done;

	make_live(20, 4, 'j');
	simdisk_break(disk, (struct extent){layout.data_first + 22, 1}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(retire(20, 4, &done), 0);
	ck_assert_uint_eq(done.refused_blocks, 1);
	ck_assert_int_eq(retire(20, 4, &done), 0);
	ck_assert_uint_eq(done.refused_blocks, 1);
	ck_assert_uint_eq(done.not_owed_blocks, 3);
	close_engine();
	start_engine();
	residue_trust(engine_residue(engine));
	ck_assert_int_eq(retire(20, 4, &done), 0);
	ck_assert_uint_eq(done.refused_blocks, 1);
	/* but what lies on the spare is erased like any other */
	make_live(22, 1, 'k');
	ck_assert_int_eq(retire(22, 1, &done), 0);
	ck_assert_uint_eq(done.refused_blocks, 0);
	ck_assert_uint_eq(done.verified_blocks, 1);
}
END_TEST

START_TEST(a_job_on_blocks_that_nobody_has_judged_is_left_as_it_is)
{
	struct residue *residue;
	struct retirement done;

	make_live(20, 4, 'j');
	ck_assert_int_eq(residue_set_filesystem_expected(engine_residue(engine), true), 0);
	close_engine();
	start_engine();
	residue = engine_residue(engine);
	ck_assert_int_eq(residue_distrust(residue), 0);
	engine_trust(engine); /* attached, but no sweep has judged what is there */
	make_live(24, 1, 'n');
	ck_assert_int_eq(retire(20, 5, &done), 0);
	ck_assert_uint_eq(done.unjudged_blocks, 5);
	ck_assert_uint_eq(done.not_owed_blocks, 0); /* "clean already" would be a lie (P5) */
	ck_assert_uint_eq(done.written_blocks, 0);
	ck_assert(reads_as(20, 4, 'j'));
	residue_allow_unknown_discards(residue);
	ck_assert_int_eq(retire(20, 5, &done), 0);
	ck_assert_uint_eq(done.unjudged_blocks, 0);
	ck_assert_uint_eq(done.verified_blocks, 5);
	ck_assert(medium_shows(20, 0x97));
}
END_TEST

struct large {
	struct retirement done;
	int result;
};

static void *retire_large(void *argument)
{
	struct large *large = argument;

	large->result = retire(0, 12000, &large->done);
	return NULL;
}

/* Else a write that meets an owed block waits for all passes over a job of many gigabytes. */
START_TEST(a_large_job_is_paid_in_pieces_and_counted_as_one)
{
	const uint64_t in_the_second_piece = 11000;
	uint8_t data[BLOCK_BYTES] = {'w'};
	struct large large = {.result = -1};
	struct pending pending;
	uint64_t before = 0;
	pthread_t thread;

	for (uint64_t b = 0; b < 12000; b += 60)
		ck_assert_int_eq(put(b, 60, 'j'), 0);
	ck_assert_int_eq(engine_barrier(engine, &before), 0);
	close_gate();
	pthread_create(&thread, NULL, retire_large, &large);
	wait_for_somebody_at_the_gate();
	init_pending(&pending, (struct extent){in_the_second_piece, 1}, data);
	ck_assert_int_eq(engine_write(engine, pending.write.at, data), -EBUSY);
	ck_assert_int_eq(engine_park(engine, &pending.write), 0);
	open_gate();
	ck_assert_int_eq(wait_pending(&pending), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(large.result, 0);
	ck_assert_uint_eq(large.done.epoch, before + 2);
	ck_assert_uint_eq(large.done.written_blocks, 12000);
	ck_assert_uint_eq(large.done.verified_blocks, 12000);
	ck_assert_uint_eq(large.done.not_owed_blocks, 0);
	ck_assert_int_eq(class_of(in_the_second_piece), RESIDUE_CLASS_LIVE);
	ck_assert(medium_shows(0, 0x97) && medium_shows(11999, 0x97));
}
END_TEST

/* Else the passes go over what is written then. */
START_TEST(a_block_that_is_being_erased_is_not_written_to_even_if_the_map_is_distrusted)
{
	make_live(10, 1, 'j');
	close_gate();
	ck_assert_int_eq(drop(10, 1), 0);
	wait_for_somebody_at_the_gate();
	ck_assert_int_eq(residue_distrust(engine_residue(engine)), 0);
	ck_assert_int_eq(put(10, 1, 'n'), -EBUSY);
	open_gate();
	while (put(10, 1, 'n') == -EBUSY)
		sleep_ms(1);
	ck_assert(reads_as(10, 1, 'n'));
}
END_TEST

static void *write_at_20(void *argument)
{
	static uint8_t data[BLOCK_BYTES];

	*(int *)argument = engine_write(engine, (struct extent){20, 1}, data);
	return NULL;
}

struct condemning {
	struct residue_watch *watch;
	struct extent_list owed;
	uint64_t lost;
	int result;
};

static void *condemn_it(void *argument)
{
	struct condemning *it = argument;

	it->result = residue_watch_condemn(engine_residue(engine), it->watch, &it->owed, &it->lost);
	return NULL;
}

/* Else a job's numbers add up to more than it has. */
START_TEST(a_block_that_is_freed_after_it_was_condemned_is_not_lost)
{
	struct condemning it = {.result = -1};
	struct extent_list blocks = {0};
	pthread_t writer, condemner;
	int written = -1;

	make_live(10, 1, 'a');
	make_live(20, 1, 'b');
	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){10, 1}), 0);
	ck_assert_int_eq(extent_list_add(&blocks, (struct extent){20, 1}), 0);
	close_gate();
	pthread_create(&writer, NULL, write_at_20, &written);
	wait_for_somebody_at_the_gate();
	ck_assert_int_eq(residue_watch_new(engine_residue(engine), &blocks, &it.watch), 0);
	pthread_create(&condemner, NULL, condemn_it, &it);
	while (class_of(10) != RESIDUE_CLASS_RESIDUE)
		sleep_ms(1);
	ck_assert_int_eq(residue_discard(engine_residue(engine), (struct extent){10, 1}), 0);
	open_gate();
	pthread_join(writer, NULL);
	pthread_join(condemner, NULL);
	ck_assert_int_eq(written, 0);
	ck_assert_int_eq(it.result, 0);
	ck_assert_uint_eq(extent_list_blocks(&it.owed), 2);
	ck_assert_uint_eq(it.lost, 0);
	residue_watch_free(engine_residue(engine), it.watch);
	extent_list_done(&it.owed);
	extent_list_done(&blocks);
}
END_TEST

static uint64_t cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

START_TEST(debt_that_cannot_be_paid_is_reported_and_keeps_nobody_busy)
{
	struct retirement done;
	uint64_t epoch, before;

	make_live(20, 4, 'j');
	simdisk_break(disk, (struct extent){layout.data_first + 22, 1}, SIMDISK_WRITE, EIO);
	simdisk_break(disk, layout.spare, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(retire(20, 4, &done), 0);
	ck_assert_uint_eq(done.written_blocks, 3);
	ck_assert_uint_eq(done.refused_blocks, 1);
	ck_assert_uint_eq(counts().residue, 1);
	ck_assert_uint_eq(counts().dead, 1);
	ck_assert_int_eq(put(22, 1, 'x'), -EIO);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	sleep_ms(300);
	before = cpu_ms();
	sleep_ms(300);
	ck_assert_uint_lt(cpu_ms() - before, 100);
	/* and what is owed next is paid all the same */
	make_live(30, 1, 'k');
	ck_assert_int_eq(retire(30, 1, &done), 0);
	ck_assert_uint_eq(done.verified_blocks, 1);
}
END_TEST

/* --- barriers (G3) and the backlog --- */

START_TEST(a_barrier_covers_what_was_freed_before_it)
{
	uint64_t epoch;

	for (uint64_t i = 0; i < 50; i++) {
		make_live(i * 10, 10, 'f');
		ck_assert_int_eq(drop(i * 10, 10), 0);
		ck_assert_int_eq(engine_barrier(engine, &epoch), 0);
		for (uint64_t b = i * 10; b < i * 10 + 10; b++)
			ck_assert_int_eq(class_of(b), RESIDUE_CLASS_CLEAN);
		ck_assert(medium_shows(i * 10 + 9, 0x97));
	}
}
END_TEST

START_TEST(nothing_owed_is_nothing_old)
{
	struct engine_debt debt;
	uint64_t epoch;

	make_live(0, 1, 'f');
	close_gate();
	ck_assert_int_eq(drop(0, 1), 0);
	wait_for_somebody_at_the_gate();
	sleep_ms(1100);
	engine_get_debt(engine, &debt);
	ck_assert_uint_ge(debt.oldest_owed_s, 1);
	open_gate();
	ck_assert_int_eq(engine_barrier(engine, &epoch), 0);
	sleep_ms(50);
	engine_get_debt(engine, &debt);
	ck_assert_uint_eq(debt.oldest_owed_s, 0);
	ck_assert(!debt.eraser_failed);
}
END_TEST

static void own_all_of_a_used_medium(void);

START_TEST(a_backlog_is_as_old_as_the_attach_at_least)
{
	struct engine_debt debt;
	uint64_t epoch;

	own_all_of_a_used_medium();
	open_engine();
	close_gate();
	ck_assert_int_eq(engine_start(engine), 0);
	wait_for_somebody_at_the_gate();
	sleep_ms(1100);
	engine_get_debt(engine, &debt);
	ck_assert_uint_ge(debt.oldest_owed_s, 1);
	ck_assert(debt.from_before);
	open_gate();
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	sleep_ms(50);
	engine_get_debt(engine, &debt);
	ck_assert_uint_eq(debt.oldest_owed_s, 0);
	ck_assert(!debt.from_before);
}
END_TEST

static void own_all_of_a_used_medium(void)
{
	struct extent_list all = {0};

	teardown();
	ck_assert_int_eq(extent_list_add(&all, (struct extent){0, DATA_BLOCKS}), 0);
	make_disk(&all);
	extent_list_done(&all);
}

START_TEST(a_backlog_is_paid_in_the_background_and_resumed_after_reopening)
{
	uint64_t left, epoch;

	own_all_of_a_used_medium();
	simdisk_set_flush_delay_ns(disk, 20000000);
	open_engine();
	ck_assert(reads_as(0, 1, 0));
	ck_assert_int_eq(engine_start(engine), 0);
	for (unsigned int i = 0; counts().residue == DATA_BLOCKS && i < 500; i++) {
		ck_assert(reads_as(0, 1, 0)); /* somebody is busy: small pieces */
		sleep_ms(2);
	}
	close_engine();
	open_engine();
	left = counts().residue;
	ck_assert_uint_gt(left, 0);
	ck_assert_uint_lt(left, DATA_BLOCKS);
	ck_assert_int_eq(engine_start(engine), 0);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	ck_assert_uint_eq(counts().residue, 0);
	ck_assert(medium_shows(0, 0x97) && medium_shows(DATA_BLOCKS - 1, 0x97));
}
END_TEST

START_TEST(a_barrier_does_not_wait_for_the_backlog)
{
	uint64_t epoch;

	own_all_of_a_used_medium();
	simdisk_set_flush_delay_ns(disk, 20000000);
	open_engine();
	ck_assert(reads_as(0, 1, 0));
	ck_assert_int_eq(engine_start(engine), 0);
	ck_assert_int_eq(engine_barrier(engine, &epoch), 0);
	ck_assert_uint_gt(counts().residue, 0);
}
END_TEST

/* At each operation of the eraser another block is freed, and another barrier asked for. */
enum { STREAM_BLOCKS = 192, STREAM_BACKLOG = 2048 };

static struct {
	uint64_t freed;
	uint64_t owed_at_the_end;
} stream;

static void free_one_more(void *context, const struct simdisk_call *call)
{
	(void)context;
	(void)call;
	if (stream.freed == STREAM_BLOCKS)
		return;
	if (drop(stream.freed, 1) < 0)
		abort();
	pthread_mutex_lock(&engine->lock);
	engine->scan_wanted++;
	pthread_mutex_unlock(&engine->lock);
	if (++stream.freed == STREAM_BLOCKS)
		stream.owed_at_the_end = counts().residue;
}

START_TEST(a_stream_of_barriers_does_not_starve_the_backlog)
{
	struct extent_list owed = {0};
	uint64_t epoch;

	teardown();
	ck_assert_int_eq(extent_list_add(&owed,
				 (struct extent){DATA_BLOCKS - STREAM_BACKLOG, STREAM_BACKLOG}),
		0);
	make_disk(&owed);
	extent_list_done(&owed);
	open_engine();
	for (uint64_t b = 0; b < STREAM_BLOCKS; b += 64)
		make_live(b, 64, 'f');
	stream.freed = 0;
	simdisk_set_hook(disk, free_one_more, NULL);
	engine->scan_wanted = 1;
	ck_assert_int_eq(engine_start(engine), 0);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	ck_assert_uint_eq(stream.freed, STREAM_BLOCKS);
	ck_assert_uint_lt(stream.owed_at_the_end, STREAM_BACKLOG * 3 / 4);
}
END_TEST

START_TEST(nothing_is_paid_before_the_map_is_trusted)
{
	struct pending pending;
	uint8_t data[BLOCK_BYTES];

	make_live(9, 1, 'a');
	ck_assert_int_eq(residue_set_filesystem_expected(engine_residue(engine), true), 0);
	close_engine();
	start_engine();
	ck_assert_int_eq(drop(9, 1), 0);
	memset(data, 'b', sizeof(data));
	ck_assert_int_eq(engine_write(engine, (struct extent){9, 1}, data), -EBUSY);
	init_pending(&pending, (struct extent){9, 1}, data);
	ck_assert_int_eq(engine_park(engine, &pending.write), 0);
	sleep_ms(100);
	ck_assert_uint_eq(completions_of(&pending), 0);
	engine_trust(engine);
	ck_assert_int_eq(wait_pending(&pending), 0);
	ck_assert(reads_as(9, 1, 'b'));
}
END_TEST

/* --- the end --- */

START_TEST(stopping_fails_what_is_parked_once_and_takes_nothing_more)
{
	struct pending pending;
	struct retirement done;
	struct engine_debt debt;
	uint8_t data[BLOCK_BYTES];
	uint64_t epoch;

	ck_assert_int_eq(residue_set_filesystem_expected(engine_residue(engine), true), 0);
	make_live(9, 2, 'a');
	close_engine();
	start_engine(); /* not trusted: what is parked stays parked */
	ck_assert_int_eq(drop(9, 1), 0);
	init_pending(&pending, (struct extent){9, 1}, data);
	ck_assert_int_eq(engine_park(engine, &pending.write), 0);
	engine_stop(engine);
	ck_assert_int_eq(wait_pending(&pending), -EIO);
	ck_assert_uint_eq(pending.completions, 1);
	ck_assert_int_eq(engine_park(engine, &pending.write), -EIO);
	ck_assert_int_eq(engine_barrier(engine, &epoch), -EIO);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), -EIO);
	ck_assert_int_eq(retire(10, 1, &done), -EIO);
	ck_assert(reads_as(10, 1, 'a')); /* nothing was condemned that nobody would erase */
	engine_get_debt(engine, &debt);
	ck_assert_uint_eq(debt.parked_writes, 0);
	engine_stop(engine); /* twice is fine */
}
END_TEST

static void *stop_it(void *argument)
{
	(void)argument;
	sleep_ms(50);
	engine_stop(engine);
	return NULL;
}

START_TEST(stopping_wakes_who_waits_for_a_barrier)
{
	pthread_t thread;
	uint64_t epoch;

	ck_assert_int_eq(residue_set_filesystem_expected(engine_residue(engine), true), 0);
	close_engine();
	start_engine(); /* not trusted: no scan will end */
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_it, NULL), 0);
	ck_assert_int_eq(engine_barrier(engine, &epoch), -EIO);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_failed_flush_fails_all_who_wait)
{
	struct pending pending;
	struct retirement done;
	struct engine_debt debt;
	uint8_t data[BLOCK_BYTES];
	uint64_t epoch;

	make_live(9, 4, 'a');
	simdisk_fail_from_nth(disk, SIMDISK_FLUSH, 1, EIO);
	ck_assert_int_eq(drop(9, 1), 0);
	init_pending(&pending, (struct extent){9, 1}, data);
	if (engine_park(engine, &pending.write) >= 0)
		ck_assert_int_lt(wait_pending(&pending), 0);
	ck_assert_int_lt(retire(10, 1, &done), 0);
	ck_assert_int_eq(engine_barrier(engine, &epoch), -EIO);
	engine_get_debt(engine, &debt);
	ck_assert(debt.eraser_failed);
	ck_assert_int_eq(put(500, 1, 'x'), -ENOTRECOVERABLE);
	ck_assert_int_lt(engine_close(engine), 0);
	engine = NULL;
}
END_TEST

static pthread_t stopper;

/* Called while the eraser's thread gives up: the stop comes right then. */
static void stop_and_complete(struct engine_write *write, int result)
{
	bool stopping = false;

	if (pthread_create(&stopper, NULL, stop_it, NULL) != 0)
		abort();
	while (!stopping) {
		pthread_mutex_lock(&engine->lock);
		stopping = engine->stopping;
		pthread_mutex_unlock(&engine->lock);
	}
	complete_pending(write, result);
}

START_TEST(a_stop_is_noticed_while_the_eraser_gives_up)
{
	struct pending first, second;
	static uint8_t data[2][BLOCK_BYTES];

	make_live(9, 2, 'a');
	close_gate();
	ck_assert_int_eq(drop(9, 2), 0);
	init_pending(&first, (struct extent){9, 1}, data[0]);
	init_pending(&second, (struct extent){10, 1}, data[1]);
	second.write.complete = stop_and_complete;
	ck_assert_int_eq(engine_park(engine, &first.write), 0);
	wait_for_somebody_at_the_gate();
	ck_assert_int_eq(engine_park(engine, &second.write), 0);
	simdisk_fail_from_nth(disk, SIMDISK_FLUSH, 1, EIO);
	open_gate();
	ck_assert_int_lt(wait_pending(&first), 0);
	ck_assert_int_eq(wait_pending(&second), -EIO);
	pthread_join(stopper, NULL); /* it has joined the eraser's thread */
}
END_TEST

START_TEST(a_read_only_volume_refuses_in_time)
{
	struct retirement done;
	uint64_t epoch, blocks;

	make_live(9, 1, 'a');
	close_engine();
	options.read_only = true;
	start_engine();
	options.read_only = false;
	ck_assert(reads_as(9, 1, 'a'));
	ck_assert_int_eq(put(9, 1, 'b'), -EROFS);
	ck_assert_int_eq(drop(9, 1), -EROFS);
	ck_assert_int_eq(engine_flush(engine), 0);
	ck_assert_int_eq(engine_barrier(engine, &epoch), -EROFS);
	ck_assert_int_eq(engine_grow(engine, &blocks), -EROFS);
	ck_assert_int_eq(retire(9, 1, &done), -EROFS);
	ck_assert(reads_as(9, 1, 'a'));
}
END_TEST

/* --- who leads a barrier --- */

struct asker {
	pthread_t thread;
	bool led;
};

static _Atomic unsigned int asking;

static void *ask_to_lead(void *argument)
{
	struct asker *asker = argument;

	asking++;
	asker->led = engine_barrier_enter(engine);
	if (asker->led) {
		sleep_ms(20);
		engine_barrier_leave(engine, true);
	}
	return NULL;
}

START_TEST(of_those_who_ask_together_one_leads)
{
	enum { ASKERS = 16 };
	struct asker askers[ASKERS];
	unsigned int leaders = 0;

	ck_assert(engine_barrier_enter(engine));
	for (size_t i = 0; i < ASKERS; i++)
		ck_assert_int_eq(
			pthread_create(&askers[i].thread, NULL, ask_to_lead, &askers[i]), 0);
	while (asking < ASKERS)
		sleep_ms(1);
	sleep_ms(200);
	/* They asked after this lead began: it does not cover them. */
	engine_barrier_leave(engine, true);
	for (size_t i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		leaders += askers[i].led;
	}
	ck_assert_uint_eq(leaders, 1);
}
END_TEST

START_TEST(a_lead_that_failed_covers_nobody)
{
	struct asker asker;

	ck_assert(engine_barrier_enter(engine));
	ck_assert_int_eq(pthread_create(&asker.thread, NULL, ask_to_lead, &asker), 0);
	while (asking == 0)
		sleep_ms(1);
	engine_barrier_leave(engine, false);
	pthread_join(asker.thread, NULL);
	ck_assert(asker.led);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tcase = tcase_create("who waits, and what he is told");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_write_to_owed_blocks_holds_no_thread_and_lands_after_every_pass);
	tcase_add_test(tcase, many_parked_writes_share_one_batch);
	tcase_add_test(tcase, a_write_to_a_clean_block_is_not_delayed_by_the_eraser);
	tcase_add_test(tcase, what_is_freed_is_paid_without_being_asked);
	tcase_add_test(tcase, a_failed_first_write_is_owed_and_paid);
	tcase_add_test(tcase, a_retirement_reports_what_was_measured);
	tcase_add_test(tcase, a_job_of_no_written_blocks_is_retired_at_once);
	tcase_add_test(tcase, what_belongs_to_a_retirement_is_counted_by_it);
	tcase_add_test(tcase, a_job_on_blocks_that_nobody_has_judged_is_left_as_it_is);
	tcase_add_test(tcase,
		a_block_that_is_being_erased_is_not_written_to_even_if_the_map_is_distrusted);
	tcase_add_test(tcase, a_large_job_is_paid_in_pieces_and_counted_as_one);
	tcase_add_test(tcase, a_block_that_is_freed_after_it_was_condemned_is_not_lost);
	tcase_add_test(tcase, blocks_that_were_owed_already_are_not_reported_as_refused);
	tcase_add_test(tcase, jobs_that_are_retired_together_share_batches);
	tcase_add_test(tcase, a_refused_block_is_carried_by_a_spare_and_the_job_is_told);
	tcase_add_test(tcase, a_job_that_is_retired_again_is_told_again_what_was_refused);
	tcase_add_test(tcase, debt_that_cannot_be_paid_is_reported_and_keeps_nobody_busy);
	tcase_add_test(tcase, a_barrier_covers_what_was_freed_before_it);
	tcase_add_test(tcase, nothing_owed_is_nothing_old);
	tcase_add_test(tcase, a_backlog_is_as_old_as_the_attach_at_least);
	tcase_add_test(tcase, a_backlog_is_paid_in_the_background_and_resumed_after_reopening);
	tcase_add_test(tcase, a_barrier_does_not_wait_for_the_backlog);
	tcase_add_test(tcase, a_stream_of_barriers_does_not_starve_the_backlog);
	tcase_add_test(tcase, nothing_is_paid_before_the_map_is_trusted);
	tcase_add_test(tcase, stopping_fails_what_is_parked_once_and_takes_nothing_more);
	tcase_add_test(tcase, stopping_wakes_who_waits_for_a_barrier);
	tcase_add_test(tcase, a_failed_flush_fails_all_who_wait);
	tcase_add_test(tcase, a_stop_is_noticed_while_the_eraser_gives_up);
	tcase_add_test(tcase, a_read_only_volume_refuses_in_time);
	tcase_add_test(tcase, of_those_who_ask_together_one_leads);
	tcase_add_test(tcase, a_lead_that_failed_covers_nobody);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
