/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the witness of an erase tells, and what it does not take for proof.
 *
 * Method: a disk in memory whose blocks the test changes, keeps, or breaks.
 */
#include "drives/witness.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, LARGE = 60000, SMALL = 200 };

static struct blockdev *disk;
static struct witness *witness;
static struct witness_report report;

static void teardown(void)
{
	witness_free(witness);
	witness = NULL;
	disk = blockdev_close(disk);
}

static void put(uint64_t block, uint8_t first, uint8_t rest)
{
	uint8_t content[SECTOR];

	memset(content, rest, sizeof(content));
	content[0] = first;
	simdisk_poke(disk, (struct extent){block, 1}, content);
}

static void make(uint64_t blocks, uint8_t first, uint8_t rest)
{
	teardown();
	disk = simdisk_new(SECTOR, blocks);
	for (uint64_t block = 0; block < blocks; block++)
		put(block, first, rest);
	ck_assert_int_eq(witness_take(disk, &witness), 0);
}

static enum witness_verdict compare(void)
{
	ck_assert_int_eq(witness_compare(witness, disk, &report), 0);
	return report.verdict;
}

static void erase(uint64_t blocks)
{
	for (uint64_t block = 0; block < blocks; block++)
		put(block, 0, 0);
}

START_TEST(what_was_erased_has_changed)
{
	make(LARGE, 'a', 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	ck_assert_uint_eq(report.survived, WITNESS_MAX);
	erase(LARGE);
	ck_assert_int_eq(compare(), WITNESS_CHANGED);
	ck_assert_uint_eq(report.taken, WITNESS_MAX);
	ck_assert_uint_eq(report.held_data, WITNESS_MAX);
}
END_TEST

START_TEST(a_small_medium_is_taken_whole)
{
	make(SMALL, 'a', 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	ck_assert_uint_eq(report.taken, SMALL);
	for (uint64_t survivor = 0; survivor < SMALL; survivor++) {
		erase(SMALL);
		put(survivor, 'a', 0);
		ck_assert_int_eq(compare(), WITNESS_SURVIVED);
		ck_assert_uint_eq(report.first_survivor, survivor);
	}
}
END_TEST

/* W2 */
START_TEST(the_ends_and_every_section_are_looked_at)
{
	make(LARGE, 'a', 0);
	erase(LARGE);
	put(0, 'a', 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	put(0, 0, 0);
	put(LARGE - 1, 'a', 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	put(LARGE - 1, 0, 0);
	ck_assert_int_eq(compare(), WITNESS_CHANGED);
	/* Two sections long, wherever it lies. */
	for (uint64_t first = 64; first + 120 + 64 <= LARGE; first += 599) {
		erase(LARGE);
		for (uint64_t block = first; block < first + 120; block++)
			put(block, 'a', 0);
		ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	}
}
END_TEST

/* W1 */
START_TEST(an_empty_medium_tells_nothing)
{
	make(LARGE, 0, 0);
	ck_assert_int_eq(compare(), WITNESS_SAW_NOTHING);
	make(LARGE, 0xff, 0xff);
	ck_assert_int_eq(compare(), WITNESS_SAW_NOTHING);
	ck_assert_uint_eq(report.held_data, 0);
}
END_TEST

/* W3 */
START_TEST(what_cannot_be_read_afterwards_has_not_changed)
{
	make(SMALL, 'a', 0);
	erase(SMALL);
	simdisk_break(disk, (struct extent){7, 1}, SIMDISK_READ, EIO);
	ck_assert_int_eq(compare(), WITNESS_UNREADABLE);
	ck_assert_uint_eq(report.unreadable_after, 1);
	put(8, 'a', 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
}
END_TEST

START_TEST(what_could_not_be_read_before_is_no_witness)
{
	teardown();
	disk = simdisk_new(SECTOR, SMALL);
	for (uint64_t block = 0; block < SMALL; block++)
		put(block, 'a', 0);
	simdisk_break(disk, (struct extent){7, 1}, SIMDISK_READ, EIO);
	ck_assert_int_eq(witness_take(disk, &witness), 0);
	erase(SMALL);
	ck_assert_int_eq(compare(), WITNESS_CHANGED);
	ck_assert_uint_eq(report.unreadable_before, 1);
	ck_assert_uint_eq(report.held_data, SMALL - 1);
}
END_TEST

START_TEST(another_medium_is_not_compared)
{
	make(SMALL, 'a', 0);
	disk = blockdev_close(disk);
	disk = simdisk_new(SECTOR, SMALL + 1);
	ck_assert_int_eq(witness_compare(witness, disk, &report), -EINVAL);
	disk = blockdev_close(disk);
	disk = simdisk_new(4096, SMALL);
	ck_assert_int_eq(witness_compare(witness, disk, &report), -EINVAL);
}
END_TEST

START_TEST(a_witness_of_before_a_power_cut_still_tells)
{
	uint8_t *record = malloc(WITNESS_BYTES_MAX);
	size_t used;

	ck_assert_ptr_nonnull(record);
	make(LARGE, 'a', 0);
	ck_assert_int_eq(witness_encode(witness, record, &used), 0);
	ck_assert_uint_le(used, WITNESS_BYTES_MAX);
	witness_free(witness);
	witness = NULL;
	ck_assert_int_eq(witness_decode(record, used, &witness), 0);
	ck_assert_int_eq(compare(), WITNESS_SURVIVED);
	ck_assert_uint_eq(report.survived, WITNESS_MAX);
	erase(LARGE);
	ck_assert_int_eq(compare(), WITNESS_CHANGED);
	free(record);
}
END_TEST

START_TEST(a_damaged_record_is_none)
{
	uint8_t *record = malloc(WITNESS_BYTES_MAX);
	struct witness *other = NULL;
	size_t used;

	ck_assert_ptr_nonnull(record);
	make(4, 'a', 0);
	ck_assert_int_eq(witness_encode(witness, record, &used), 0);
	for (size_t i = 0; i < used; i++) {
		record[i] ^= 0x20;
		ck_assert_int_eq(witness_decode(record, used, &other), -EBADMSG);
		record[i] ^= 0x20;
		ck_assert_int_eq(witness_decode(record, i, &other), -EBADMSG);
	}
	ck_assert_int_eq(witness_decode(record, used + 1, &other), -EBADMSG);
	ck_assert_int_eq(witness_decode(record, used, &other), 0);
	witness_free(other);
	free(record);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("witness");
	Suite *suite = suite_create("witness");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, what_was_erased_has_changed);
	tcase_add_test(tcase, a_small_medium_is_taken_whole);
	tcase_add_test(tcase, the_ends_and_every_section_are_looked_at);
	tcase_add_test(tcase, an_empty_medium_tells_nothing);
	tcase_add_test(tcase, what_cannot_be_read_afterwards_has_not_changed);
	tcase_add_test(tcase, what_could_not_be_read_before_is_no_witness);
	tcase_add_test(tcase, another_medium_is_not_compared);
	tcase_add_test(tcase, a_witness_of_before_a_power_cut_still_tells);
	tcase_add_test(tcase, a_damaged_record_is_none);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
