/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pass.c - one pass over runs of blocks, and its read-back
 *
 * Goal: the pattern lies on every block of the runs and on no other; what the disk
 * refuses is named block by block; what it lost or tore is found by reading.
 * Method: a disk in memory; sizes are whole transfers plus one.
 */
#include "base/bytes.h"
#include "crypto/stream.h"
#include "overwrite/pass.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 1200, TRANSFER = PASS_TRANSFER_BYTES / BLOCK_BYTES };

static const struct scheme_pass byte_pass = {PASS_BYTE, 0x97}, random_pass = {PASS_RANDOM, 0};

static struct blockdev *disk;
static struct pass_buffers *buffers;
static struct secret *seed;
static struct extent_list runs, refused, mismatched;
static struct progress progress;

static void add(struct extent_list *list, uint64_t first, uint64_t count)
{
	ck_assert_int_eq(extent_list_add(list, (struct extent){first, count}), 0);
}

static void setup(void)
{
	disk = simdisk_new(BLOCK_BYTES, BLOCKS);
	ck_assert_int_eq(pass_buffers_new(&buffers), 0);
	ck_assert_int_eq(secret_new_random(STREAM_SEED_BYTES, &seed), 0);
	add(&runs, 3, TRANSFER + 1);
	add(&runs, 700, 1);
	add(&runs, 900, 2 * TRANSFER > 300 ? 300 : 2 * TRANSFER);
	memset(&progress, 0, sizeof(progress));
}

static void teardown(void)
{
	pass_buffers_free(buffers);
	secret_free(seed);
	extent_list_done(&runs);
	extent_list_done(&refused);
	extent_list_done(&mismatched);
	disk = blockdev_close(disk);
}

static int write_with(const struct scheme_pass *pass)
{
	return pass_write(disk, pass, pass->kind == PASS_RANDOM ? seed : NULL, &runs, buffers, NULL,
		&progress, &refused);
}

static int verify_with(const struct scheme_pass *pass)
{
	extent_list_clear(&mismatched);
	return pass_verify(disk, pass, pass->kind == PASS_RANDOM ? seed : NULL, &runs, buffers,
		NULL, &progress, &mismatched, &refused);
}

static bool in_runs(uint64_t block)
{
	return extent_list_overlaps(&runs, (struct extent){block, 1});
}

START_TEST(the_pattern_lies_on_the_runs_and_nowhere_else)
{
	uint8_t block[BLOCK_BYTES];

	ck_assert_int_eq(write_with(&byte_pass), 0);
	ck_assert_uint_eq(refused.count, 0);
	for (uint64_t b = 0; b < BLOCKS; b++) {
		simdisk_peek(disk, (struct extent){b, 1}, block);
		ck_assert(bytes_are(block, sizeof(block), in_runs(b) ? 0x97 : 0));
	}
	ck_assert_uint_eq(progress.done_bytes, extent_list_blocks(&runs) * BLOCK_BYTES);
	ck_assert_int_eq(verify_with(&byte_pass), 0);
	ck_assert_uint_eq(mismatched.count, 0);
}
END_TEST

START_TEST(a_pass_does_not_flush)
{
	ck_assert_int_eq(write_with(&byte_pass), 0);
	ck_assert_int_eq(verify_with(&byte_pass), 0);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_FLUSH), 0);
}
END_TEST

START_TEST(buffers_are_shared_by_passes_of_other_patterns)
{
	static const struct scheme_pass other = {PASS_BYTE, 0x35};
	uint8_t block[BLOCK_BYTES];

	ck_assert_int_eq(write_with(&byte_pass), 0);
	ck_assert_int_eq(write_with(&random_pass), 0);
	ck_assert_int_eq(write_with(&other), 0);
	simdisk_peek(disk, (struct extent){700, 1}, block);
	ck_assert(bytes_are(block, sizeof(block), 0x35));
	ck_assert_int_eq(verify_with(&byte_pass), 0);
	ck_assert_uint_eq(extent_list_blocks(&mismatched), extent_list_blocks(&runs));
}
END_TEST

START_TEST(a_random_pass_is_made_again_to_be_verified)
{
	uint8_t one[BLOCK_BYTES], other[BLOCK_BYTES];
	struct stream *stream;

	ck_assert_int_eq(write_with(&random_pass), 0);
	ck_assert_int_eq(verify_with(&random_pass), 0);
	ck_assert_uint_eq(mismatched.count, 0);
	simdisk_peek(disk, (struct extent){3, 1}, one);
	simdisk_peek(disk, (struct extent){4, 1}, other);
	ck_assert(!bytes_are_uniform(one, sizeof(one)));
	ck_assert(memcmp(one, other, sizeof(one)) != 0);
	/* the stream at the block's own offset, whatever the runs */
	ck_assert_int_eq(stream_new(seed, &stream), 0);
	ck_assert_int_eq(stream_generate(stream, 4 * BLOCK_BYTES, one, sizeof(one)), 0);
	stream_free(stream);
	ck_assert_mem_eq(one, other, sizeof(one));
	/* another seed verifies nothing */
	secret_free(seed);
	ck_assert_int_eq(secret_new_random(STREAM_SEED_BYTES, &seed), 0);
	ck_assert_int_eq(verify_with(&random_pass), 0);
	ck_assert_uint_eq(extent_list_blocks(&mismatched), extent_list_blocks(&runs));
}
END_TEST

START_TEST(refused_blocks_are_named_and_their_neighbours_written)
{
	static const uint64_t bad[] = {3, 3 + TRANSFER - 1, 3 + TRANSFER, 700, 1000};
	uint8_t block[BLOCK_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		simdisk_break(disk, (struct extent){bad[i], 1}, SIMDISK_WRITE, EIO);
	ck_assert_int_eq(write_with(&byte_pass), 0);
	ck_assert_uint_eq(extent_list_blocks(&refused), ARRAY_SIZE(bad));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert(extent_list_overlaps(&refused, (struct extent){bad[i], 1}));
	for (uint64_t b = 0; b < BLOCKS; b++) {
		bool good = in_runs(b) && !extent_list_overlaps(&refused, (struct extent){b, 1});

		simdisk_peek(disk, (struct extent){b, 1}, block);
		ck_assert(bytes_are(block, sizeof(block), good ? 0x97 : 0));
	}
}
END_TEST

START_TEST(unreadable_blocks_are_refused_and_not_taken_for_good)
{
	ck_assert_int_eq(write_with(&byte_pass), 0);
	simdisk_break(disk, (struct extent){10, 2}, SIMDISK_READ, EIO);
	simdisk_flip(disk, 12 * BLOCK_BYTES + 4095, 0);
	ck_assert_int_eq(verify_with(&byte_pass), 0);
	ck_assert_uint_eq(extent_list_blocks(&refused), 2);
	ck_assert(extent_list_overlaps(&refused, (struct extent){10, 1}));
	ck_assert_uint_eq(extent_list_blocks(&mismatched), 1);
	ck_assert(extent_list_overlaps(&mismatched, (struct extent){12, 1}));
}
END_TEST

START_TEST(one_wrong_bit_anywhere_is_found)
{
	static const uint64_t places[] = {3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 4095,
		(3 + TRANSFER) * BLOCK_BYTES + 17, 700 * BLOCK_BYTES + 2048,
		1199 * BLOCK_BYTES + 4095};

	ck_assert_int_eq(write_with(&byte_pass), 0);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		simdisk_flip(disk, places[i], 7);
		ck_assert_int_eq(verify_with(&byte_pass), 0);
		ck_assert_uint_eq(extent_list_blocks(&mismatched), 1);
		ck_assert_uint_eq(mismatched.items[0].first, places[i] / BLOCK_BYTES);
		simdisk_flip(disk, places[i], 7);
	}
}
END_TEST

START_TEST(a_dropped_and_a_torn_write_are_found)
{
	for (uint64_t sectors = 0; sectors < 20; sectors += 3) {
		simdisk_reset(disk);
		simdisk_tear_write(disk, 2, 0);
		ck_assert_int_eq(write_with(&byte_pass), 0); /* the 2nd write is one block, 259 */
		ck_assert(simdisk_lied(disk));
		ck_assert_int_eq(verify_with(&byte_pass), 0);
		ck_assert_uint_eq(extent_list_blocks(&mismatched), 1);
		ck_assert_uint_eq(mismatched.items[0].first, 3 + TRANSFER);

		simdisk_reset(disk);
		simdisk_tear_write(disk, 1, sectors);
		ck_assert_int_eq(write_with(&byte_pass), 0);
		ck_assert_int_eq(verify_with(&byte_pass), 0);
		ck_assert_uint_eq(extent_list_blocks(&mismatched), TRANSFER - sectors / 8);
		ck_assert_uint_eq(mismatched.items[0].first, 3 + sectors / 8);
	}
}
END_TEST

START_TEST(every_failed_transfer_loses_at_most_what_it_names)
{
	for (uint64_t nth = 1;; nth++) {
		simdisk_reset(disk);
		extent_list_clear(&refused);
		simdisk_fail_nth(disk, SIMDISK_ANY, nth, EIO);
		ck_assert_int_eq(write_with(&byte_pass), 0);
		ck_assert_int_eq(verify_with(&byte_pass), 0);
		ck_assert_uint_eq(mismatched.count, 0); /* tried again block by block */
		ck_assert_uint_eq(refused.count, 0);
		if (!simdisk_fired(disk))
			break;
	}
	simdisk_reset(disk);
	simdisk_fail_from_nth(disk, SIMDISK_WRITE, 1, ENODEV);
	ck_assert_int_eq(write_with(&byte_pass), 0);
	ck_assert(extent_list_is_equal(&refused, &runs));
}
END_TEST

static bool stop_after(void *context, const struct progress *now)
{
	uint64_t *calls = context;

	ck_assert_uint_gt(now->done_bytes, 0);
	return --*calls == 0;
}

START_TEST(a_pass_stops_where_it_is_asked_to)
{
	uint64_t calls = 2;
	const struct progress_sink sink = {stop_after, &calls};
	uint8_t block[BLOCK_BYTES];

	ck_assert_int_eq(
		pass_write(disk, &byte_pass, NULL, &runs, buffers, &sink, &progress, &refused),
		-ECANCELED);
	ck_assert_uint_eq(simdisk_count(disk, SIMDISK_WRITE), 2);
	simdisk_peek(disk, (struct extent){700, 1}, block);
	ck_assert(bytes_are(block, sizeof(block), 0));
	calls = 1;
	ck_assert_int_eq(pass_verify(disk, &byte_pass, NULL, &runs, buffers, &sink, &progress,
				 &mismatched, &refused),
		-ECANCELED);
}
END_TEST

START_TEST(sectors_of_512_bytes_are_counted_as_such)
{
	struct blockdev *small = simdisk_new(512, 5000);
	uint8_t sector[512];

	extent_list_clear(&runs);
	add(&runs, 7, 2049); /* a transfer and one */
	ck_assert_int_eq(
		pass_write(small, &random_pass, seed, &runs, buffers, NULL, &progress, &refused),
		0);
	ck_assert_int_eq(pass_verify(small, &random_pass, seed, &runs, buffers, NULL, &progress,
				 &mismatched, &refused),
		0);
	ck_assert_uint_eq(mismatched.count, 0);
	simdisk_peek(small, (struct extent){2056, 1}, sector);
	ck_assert(bytes_are(sector, sizeof(sector), 0));
	blockdev_close(small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pass");
	TCase *tcase = tcase_create("write and read back");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_pattern_lies_on_the_runs_and_nowhere_else);
	tcase_add_test(tcase, a_pass_does_not_flush);
	tcase_add_test(tcase, buffers_are_shared_by_passes_of_other_patterns);
	tcase_add_test(tcase, a_random_pass_is_made_again_to_be_verified);
	tcase_add_test(tcase, refused_blocks_are_named_and_their_neighbours_written);
	tcase_add_test(tcase, unreadable_blocks_are_refused_and_not_taken_for_good);
	tcase_add_test(tcase, one_wrong_bit_anywhere_is_found);
	tcase_add_test(tcase, a_dropped_and_a_torn_write_are_found);
	tcase_add_test(tcase, every_failed_transfer_loses_at_most_what_it_names);
	tcase_add_test(tcase, a_pass_stops_where_it_is_asked_to);
	tcase_add_test(tcase, sectors_of_512_bytes_are_counted_as_such);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
