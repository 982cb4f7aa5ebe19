/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sanitize.c - every pass over a whole medium, on a disk that fails, lies and is interrupted
 *
 * Goal: the last pattern lies everywhere it is said to lie, each pass is durable
 * before the next (T1), a refused or unreadable block never counts (T3), and an
 * interrupted run goes on where it was durable and nowhere else (T4).  Method: a
 * simulated disk (simdisk.h), with one lane where the order of writes is looked
 * at, and several where only the result is.
 */
#include "base/bytes.h"
#include "crypto/secret.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include "overwrite/sanitize.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 3 * 256 + 5 }; /* three transfers and a bit */

static struct blockdev *disk;
static struct extent_list runs;
static struct sanitize_report report;
static struct sanitize_plan plan;
static uint8_t block[BLOCK_BYTES];
static unsigned int cancel_after; /* reports of progress; 0: never */

static bool maybe_cancel(void *context, const struct progress *progress)
{
	(void)context;
	ck_assert_uint_le(progress->done_bytes, progress->total_bytes);
	return cancel_after > 0 && --cancel_after == 0;
}

static const struct progress_sink sink = {maybe_cancel, NULL};

static void setup(void)
{
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
	memset(&runs, 0, sizeof(runs));
	memset(&report, 0, sizeof(report));
	ck_assert_int_eq(extent_list_add(&runs, (struct extent){0, BLOCKS}), 0);
	plan = (struct sanitize_plan){
		.scheme = scheme_default(),
		.verify = VERIFY_FULL,
		.runs = &runs,
		.lanes = 1,
		.sink = &sink,
	};
	cancel_after = 0;
	memset(block, 'J', sizeof(block));
	for (uint64_t i = 0; i < BLOCKS; i++)
		simdisk_poke(disk, (struct extent){i, 1}, block);
}

static void teardown(void)
{
	disk = blockdev_close(disk);
	extent_list_done(&runs);
	sanitize_report_done(&report);
}

/* Blocks that show this byte all over. */
static uint64_t count_showing(uint8_t byte)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < BLOCKS; i++) {
		simdisk_peek(disk, (struct extent){i, 1}, block);
		count += bytes_are(block, sizeof(block), byte);
	}
	return count;
}

static int run_it(void)
{
	return sanitize_run(disk, &plan, &report);
}

START_TEST(the_last_pattern_lies_everywhere_and_everything_is_counted)
{
	plan.lanes = (unsigned int)_i;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(count_showing(0x97), BLOCKS);
	ck_assert_uint_eq(report.requested_blocks, BLOCKS);
	ck_assert_uint_eq(report.written_blocks, BLOCKS);
	ck_assert_uint_eq(report.durable_blocks, BLOCKS);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS);
	ck_assert_uint_eq(report.refused.count + report.mismatched.count, 0);
	ck_assert_uint_eq(report.reached.pass, 3);
	ck_assert(report.pass_durable_wall_s[0] && report.pass_durable_wall_s[2]);
}
END_TEST

START_TEST(only_the_runs_are_touched)
{
	extent_list_clear(&runs);
	ck_assert_int_eq(extent_list_add(&runs, (struct extent){3, 300}), 0);
	ck_assert_int_eq(extent_list_add(&runs, (struct extent){500, 1}), 0);
	plan.lanes = 3;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(count_showing(0x97), 301);
	ck_assert_uint_eq(count_showing('J'), BLOCKS - 301);
	ck_assert_uint_eq(report.verified_blocks, 301);
}
END_TEST

/* T1, from the disk's own log: before a flush there is one pattern only. */
START_TEST(each_pass_is_flushed_before_the_next_begins)
{
	uint8_t pattern = 0;
	unsigned int passes = 0;

	simdisk_log_start(disk);
	ck_assert_int_eq(run_it(), 0);
	for (uint64_t i = 0; i < simdisk_log_count(disk); i++) {
		const struct simdisk_event *event = simdisk_log_event(disk, i);

		if (event->kind == SIMDISK_EVENT_FLUSH) {
			passes++;
			pattern = 0;
		} else if (event->kind == SIMDISK_EVENT_WRITE) {
			ck_assert(pattern == 0 || pattern == event->data[0]);
			pattern = event->data[0];
		}
	}
	ck_assert_uint_eq(passes, 3);
}
END_TEST

START_TEST(several_lanes_make_the_same_random_stream_as_one)
{
	const struct scheme_pass random = {PASS_RANDOM, 0};
	_cleanup_(pass_buffers_freep) struct pass_buffers *one = NULL, *four = NULL;
	_cleanup_secret_ struct secret *seed = NULL;
	struct extent_list mismatched = {0}, refused = {0};
	struct progress progress = {"", 0, BLOCKS * (uint64_t)BLOCK_BYTES};

	ck_assert_int_eq(secret_new_random(STREAM_SEED_BYTES, &seed), 0);
	ck_assert_int_eq(pass_buffers_new(&one), 0);
	ck_assert_int_eq(pass_buffers_new_lanes(4, &four), 0);
	ck_assert_int_eq(
		pass_write(disk, &random, seed, &runs, four, NULL, &progress, &refused), 0);
	ck_assert_uint_eq(progress.done_bytes, progress.total_bytes);
	ck_assert_int_eq(pass_verify(disk, &random, seed, &runs, one, NULL, &progress, &mismatched,
				 &refused),
		0);
	ck_assert_uint_eq(mismatched.count + refused.count, 0);
	simdisk_flip(disk, 300 * BLOCK_BYTES + 17, 3);
	ck_assert_int_eq(pass_verify(disk, &random, seed, &runs, four, NULL, &progress, &mismatched,
				 &refused),
		0);
	ck_assert_uint_eq(extent_list_blocks(&mismatched), 1);
	ck_assert_uint_eq(mismatched.items[0].first, 300);
	extent_list_done(&mismatched);
}
END_TEST

START_TEST(a_scheme_that_ends_in_random_is_verified_too)
{
	plan.scheme = scheme_find("dod-5220.22-m");
	plan.lanes = 2;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS);
	ck_assert_uint_eq(count_showing('J'), 0);
}
END_TEST

START_TEST(bad_blocks_are_listed_and_their_neighbours_are_overwritten)
{
	simdisk_break(disk, (struct extent){10, 1}, SIMDISK_WRITE, EIO);
	simdisk_break(disk, (struct extent){400, 2}, SIMDISK_READ, EIO);
	plan.lanes = 2;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(report.written_blocks, BLOCKS - 1);
	ck_assert_uint_eq(report.durable_blocks, BLOCKS - 1);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS - 3);
	ck_assert_uint_eq(report.refused.count, 2);
	ck_assert(report.refused.items[0].first == 10 && report.refused.items[0].count == 1);
	ck_assert(report.refused.items[1].first == 400 && report.refused.items[1].count == 2);
	ck_assert_uint_eq(count_showing('J'), 1);
	ck_assert_uint_eq(count_showing(0x97), BLOCKS - 1);
}
END_TEST

/* Block by block, the random stream goes on where the large transfer had it. */
START_TEST(the_neighbours_of_a_bad_block_get_their_own_random_bytes)
{
	plan.scheme = scheme_find("random");
	simdisk_break(disk, (struct extent){300, 1}, SIMDISK_WRITE | SIMDISK_READ, EIO);
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(report.mismatched.count, 0);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS - 1);
}
END_TEST

/* Refused once, taken later: the block missed a pass, so it stays listed. */
START_TEST(a_block_that_missed_one_pass_does_not_count_as_written)
{
	simdisk_break(disk, (struct extent){20, 1}, SIMDISK_WRITE, EIO);
	cancel_after = 5; /* in pass 2 */
	ck_assert_int_eq(run_it(), -ECANCELED);
	ck_assert_uint_eq(report.reached.pass, 1);
	simdisk_mend(disk);
	plan.start = report.reached;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(report.written_blocks, BLOCKS - 1);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS - 1);
	ck_assert_uint_eq(extent_list_blocks(&report.refused), 1);
}
END_TEST

START_TEST(a_dropped_write_is_found_by_the_read_back)
{
	simdisk_drop_write(disk, 11); /* of 12: four for each pass */
	ck_assert_int_eq(run_it(), 0);
	ck_assert(simdisk_lied(disk));
	ck_assert_uint_eq(extent_list_blocks(&report.mismatched), 256);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS - 256);
}
END_TEST

START_TEST(no_read_back_verifies_nothing)
{
	plan.verify = VERIFY_NONE;
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(report.durable_blocks, BLOCKS);
	ck_assert_uint_eq(report.verified_blocks + report.read_blocks, 0);
}
END_TEST

START_TEST(a_failed_flush_ends_the_run_and_nothing_of_its_pass_is_durable)
{
	for (uint64_t nth = 1; nth <= 3; nth++) {
		simdisk_fail_nth(disk, SIMDISK_FLUSH, nth, EIO);
		ck_assert_int_eq(run_it(), -EIO);
		ck_assert_uint_eq(report.reached.pass, nth - 1);
		ck_assert_uint_eq(report.durable_blocks + report.verified_blocks, 0);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(a_device_that_vanishes_ends_the_run)
{
	simdisk_fail_from_nth(disk, SIMDISK_ANY, 6, ENODEV);
	ck_assert_int_eq(run_it(), -EIO);
	ck_assert_uint_eq(report.reached.pass, 1);
	ck_assert_uint_eq(report.verified_blocks, 0);
}
END_TEST

/* Fail operation 1, then 2, ...: whatever it is, it shows, and success is never claimed of it. */
START_TEST(every_single_io_error_shows_in_the_report)
{
	for (uint64_t nth = 1;; nth++) {
		int r;

		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		r = run_it();
		if (!simdisk_fired(disk))
			break;
		/* A transfer that succeeds block by block was no error. */
		if (r >= 0 && report.refused.count == 0)
			ck_assert_uint_eq(count_showing(0x97), BLOCKS);
		else
			ck_assert(r == -EIO || report.refused.count > 0);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(an_interrupted_run_goes_on_with_the_pass_that_was_not_durable)
{
	cancel_after = 6; /* the second transfer of pass 2 */
	ck_assert_int_eq(run_it(), -ECANCELED);
	ck_assert_uint_eq(report.reached.pass, 1);
	ck_assert_uint_eq(report.verified_blocks, 0);
	plan.start = report.reached;
	ck_assert_int_eq(sanitize_check_left(disk, &plan, &report.refused), 0);
	simdisk_log_start(disk);
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_eq(simdisk_log_event(disk, 0)->data[0], 0xca);
	ck_assert_uint_eq(count_showing(0x97), BLOCKS);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS);
}
END_TEST

START_TEST(a_random_pass_that_was_not_verified_is_written_anew)
{
	plan.scheme = scheme_find("random");
	cancel_after = 5; /* in the read-back */
	ck_assert_int_eq(run_it(), -ECANCELED);
	ck_assert_uint_eq(report.reached.pass, 1);
	plan.start = report.reached;
	simdisk_log_start(disk);
	ck_assert_int_eq(run_it(), 0);
	ck_assert_uint_gt(simdisk_log_count(disk), 0);
	ck_assert_uint_eq(report.verified_blocks, BLOCKS);
}
END_TEST

START_TEST(what_was_written_since_the_interruption_is_noticed)
{
	cancel_after = 6;
	ck_assert_int_eq(run_it(), -ECANCELED);
	plan.start = report.reached;
	memset(block, 'N', sizeof(block));
	simdisk_poke(disk, (struct extent){7, 1}, block);
	ck_assert_int_eq(sanitize_check_left(disk, &plan, &report.refused), -ESTALE);
	/* A block that was refused shows what it showed. */
	ck_assert_int_eq(extent_list_add(&report.refused, (struct extent){7, 1}), 0);
	ck_assert_int_eq(sanitize_check_left(disk, &plan, &report.refused), 0);
	/* A position that cannot be. */
	plan.start.done_blocks = BLOCKS + 1;
	ck_assert_int_eq(sanitize_check_left(disk, &plan, &report.refused), -ESTALE);
}
END_TEST

static int keep_nothing(void *context, const struct sanitize_report *so_far)
{
	(void)context;
	return so_far->reached.pass == 2 ? -ENOSPC : 0;
}

START_TEST(a_run_whose_position_cannot_be_kept_stops)
{
	plan.durable = keep_nothing;
	ck_assert_int_eq(run_it(), -ENOSPC);
	ck_assert_uint_eq(report.reached.pass, 2);
	ck_assert_uint_eq(report.verified_blocks, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sanitize");
	TCase *tcase = tcase_create("sanitize");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, the_last_pattern_lies_everywhere_and_everything_is_counted, 1,
		PASS_LANES_MAX + 1);
	tcase_add_test(tcase, only_the_runs_are_touched);
	tcase_add_test(tcase, each_pass_is_flushed_before_the_next_begins);
	tcase_add_test(tcase, several_lanes_make_the_same_random_stream_as_one);
	tcase_add_test(tcase, a_scheme_that_ends_in_random_is_verified_too);
	tcase_add_test(tcase, bad_blocks_are_listed_and_their_neighbours_are_overwritten);
	tcase_add_test(tcase, the_neighbours_of_a_bad_block_get_their_own_random_bytes);
	tcase_add_test(tcase, a_block_that_missed_one_pass_does_not_count_as_written);
	tcase_add_test(tcase, a_dropped_write_is_found_by_the_read_back);
	tcase_add_test(tcase, no_read_back_verifies_nothing);
	tcase_add_test(tcase, a_failed_flush_ends_the_run_and_nothing_of_its_pass_is_durable);
	tcase_add_test(tcase, a_device_that_vanishes_ends_the_run);
	tcase_add_test(tcase, every_single_io_error_shows_in_the_report);
	tcase_add_test(tcase, an_interrupted_run_goes_on_with_the_pass_that_was_not_durable);
	tcase_add_test(tcase, a_random_pass_that_was_not_verified_is_written_anew);
	tcase_add_test(tcase, what_was_written_since_the_interruption_is_noticed);
	tcase_add_test(tcase, a_run_whose_position_cannot_be_kept_stops);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
