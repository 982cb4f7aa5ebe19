/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map_store.c - two slots a page: which is written, which is believed
 *
 * Goal: D1 and D2 of map_store.h, whatever the disk does.
 * Method: a disk in memory that fails its nth operation, tears, drops, and loses
 * power; and sectors that cannot be read.
 */
#include "base/bytes.h"
#include "blockdev/map_store.h"
#include "tests/support/simdisk.h"
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 200, PAGE_BLOCKS = 8 };

static struct blockdev *disk;
static struct layout layout;
static struct secret *key;
static struct map_store *store;
static struct map_slots slots;
static struct map_page_loaded page;
static uint8_t body[MAP_PAGE_BODY_BYTES];
static const struct map_page_id id = {MAP_PAGE_STATES, 5};

static void fill_body(void *context, uint64_t number, uint8_t ret_body[static MAP_PAGE_BODY_BYTES])
{
	(void)context;
	memset(ret_body, (int)(number & 0xff), MAP_PAGE_BODY_BYTES);
}

static void reopen(void)
{
	map_store_free(store);
	ck_assert_int_eq(map_store_new(disk, &layout, key, &store), 0);
}

static void setup(void)
{
	ck_assert_int_eq(layout_plan(0, PAGE_BLOCKS, PAGES * PAGE_BLOCKS, 0, &layout), 0);
	disk = simdisk_new(BLOCK_BYTES, layout.data_first + 8);
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	ck_assert_int_eq(map_store_new(disk, &layout, key, &store), 0);
	ck_assert_int_eq(map_store_fill(store, (struct map_page_id){MAP_PAGE_STATES, 0}, PAGES,
				 fill_body, NULL),
		0);
	ck_assert_int_eq(
		map_store_fill(store, (struct map_page_id){MAP_PAGE_VOLUME, 0}, 1, fill_body, NULL),
		0);
	ck_assert_int_eq(
		map_store_fill(store, (struct map_page_id){MAP_PAGE_STUCK, 0}, 1, fill_body, NULL),
		0);
	ck_assert_int_eq(blockdev_flush(disk), 0);
	memset(&slots, 0, sizeof(slots));
}

static void teardown(void)
{
	map_store_free(store);
	store = NULL;
	disk = blockdev_close(disk);
	secret_free(key);
}

static uint64_t slot_at(unsigned int slot)
{
	return layout.map.first + 2 * id.number + slot;
}

static void load(void)
{
	ck_assert_int_eq(map_store_load(store, id, &slots, &page), 0);
}

/* One whole, flushed write. */
static int write_body(char text)
{
	int r;

	memset(body, text, sizeof(body));
	r = map_store_write(store, id, &slots, body);
	if (r >= 0)
		r = blockdev_flush(disk);
	if (r >= 0)
		map_store_flushed(&slots);
	return r;
}

static void damage(uint64_t block)
{
	simdisk_flip(disk, block * BLOCK_BYTES + 1000, 3);
}

static bool holds(uint8_t byte)
{
	return bytes_are(page.body, sizeof(page.body), byte);
}

START_TEST(filled_pages_are_whole_in_both_slots)
{
	for (uint64_t n = 0; n < PAGES; n++) {
		struct map_page_id each = {MAP_PAGE_STATES, n};

		ck_assert_int_eq(map_store_load(store, each, &slots, &page), 0);
		ck_assert(!page.damaged && !page.lost);
		ck_assert(holds((uint8_t)(n & 0xff)));
		ck_assert_uint_eq(slots.generation, 2);
		ck_assert_uint_eq(slots.newest, 1);
	}
}
END_TEST

START_TEST(loading_in_order_reads_ahead)
{
	uint64_t before = simdisk_count(disk, SIMDISK_READ);

	for (uint64_t n = 0; n < PAGES; n++)
		ck_assert_int_eq(map_store_load(store, (struct map_page_id){MAP_PAGE_STATES, n},
					 &slots, &page),
			0);
	ck_assert_uint_le(simdisk_count(disk, SIMDISK_READ) - before, 2 * PAGES / 128 + 1);
}
END_TEST

START_TEST(slots_alternate_and_generations_grow)
{
	uint8_t before[2][BLOCK_BYTES], after[2][BLOCK_BYTES];

	load();
	for (unsigned int i = 0; i < 6; i++) {
		simdisk_peek(disk, (struct extent){slot_at(0), 2}, before);
		ck_assert_int_eq(write_body((char)('a' + i)), 0);
		simdisk_peek(disk, (struct extent){slot_at(0), 2}, after);
		ck_assert_uint_eq(slots.generation, 3 + i);
		ck_assert_uint_eq(slots.newest, i % 2);
		ck_assert(memcmp(before[i % 2], after[i % 2], BLOCK_BYTES) != 0);
		ck_assert(memcmp(before[1 - i % 2], after[1 - i % 2], BLOCK_BYTES) == 0);
		reopen();
		load();
		ck_assert(!page.damaged && holds((uint8_t)('a' + i)));
		ck_assert_uint_eq(slots.generation, 3 + i);
	}
}
END_TEST

START_TEST(a_page_is_not_written_twice_between_flushes)
{
	load();
	memset(body, 'a', sizeof(body));
	ck_assert_int_eq(map_store_write(store, id, &slots, body), 0);
	ck_assert_int_ge(map_store_write(store, id, &slots, body), 0); /* D1: aborts */
}
END_TEST

START_TEST(either_damaged_slot_makes_the_page_damaged)
{
	for (unsigned int slot = 0; slot < 2; slot++) {
		load();
		ck_assert_int_eq(write_body('n'), 0); /* the newest is in slot 0 */
		damage(slot_at(slot));
		reopen();
		load();
		ck_assert(page.damaged && !page.lost);
		ck_assert(holds(slot == 0 ? 5 : 'n'));
		/* What is written next goes over the damaged one, and is newer than it could be. */
		ck_assert_uint_eq(slots.newest, 1 - slot);
		ck_assert_int_eq(write_body('o'), 0);
		ck_assert_uint_gt(slots.generation, 3);
		reopen();
		load();
		ck_assert(!page.damaged && holds('o'));
		teardown();
		setup();
	}
}
END_TEST

START_TEST(both_damaged_slots_lose_the_page_and_no_other)
{
	load();
	damage(slot_at(0));
	damage(slot_at(1));
	reopen();
	load();
	ck_assert(page.damaged && page.lost);
	ck_assert_int_eq(
		map_store_load(store, (struct map_page_id){MAP_PAGE_STATES, 6}, &slots, &page), 0);
	ck_assert(!page.damaged);
	reopen();
	load();
	ck_assert_int_eq(write_body('w'), 0);
	ck_assert_int_eq(write_body('x'), 0);
	reopen();
	load();
	ck_assert(!page.damaged && holds('x'));
}
END_TEST

START_TEST(one_unreadable_sector_costs_one_slot)
{
	simdisk_break(disk, (struct extent){slot_at(1), 1}, SIMDISK_READ, EIO);
	for (uint64_t n = 0; n < 20; n++) {
		struct map_page_id each = {MAP_PAGE_STATES, n};

		ck_assert_int_eq(map_store_load(store, each, &slots, &page), 0);
		ck_assert(page.damaged == (n == id.number));
		ck_assert(!page.lost && holds((uint8_t)n));
	}
	simdisk_break(disk, (struct extent){slot_at(0), 1}, SIMDISK_READ, EIO);
	load();
	ck_assert(page.lost);
}
END_TEST

START_TEST(a_write_that_the_medium_dropped_is_noticed_when_the_other_slot_was_written_after_it)
{
	load();
	ck_assert_int_eq(write_body('a'), 0);
	ck_assert_int_eq(write_body('b'), 0);
	simdisk_drop_write(disk, 1);
	ck_assert_int_eq(write_body('c'), 0);
	ck_assert(simdisk_lied(disk));
	ck_assert_int_eq(write_body('d'), 0);
	reopen();
	load();
	ck_assert(page.damaged && !page.lost && holds('d'));
}
END_TEST

START_TEST(a_slot_that_is_put_back_from_an_older_copy_is_noticed)
{
	uint8_t old[BLOCK_BYTES];

	load();
	ck_assert_int_eq(write_body('a'), 0);
	simdisk_peek(disk, (struct extent){slot_at(0), 1}, old);
	for (char text = 'b'; text <= 'e'; text++)
		ck_assert_int_eq(write_body(text), 0);
	simdisk_poke(disk, (struct extent){slot_at(0), 1}, old);
	reopen();
	load();
	ck_assert(page.damaged && !page.lost);
}
END_TEST

START_TEST(a_torn_write_damages_the_page_or_is_not_there)
{
	for (uint64_t sectors = 0; sectors <= 8; sectors++) {
		load();
		simdisk_tear_write(disk, 1, sectors);
		ck_assert_int_eq(write_body('t'), 0);
		ck_assert(simdisk_lied(disk));
		reopen();
		load();
		ck_assert(!page.lost);
		if (sectors == 0)
			ck_assert(!page.damaged && holds(5));
		else if (sectors == 8)
			ck_assert(!page.damaged && holds('t'));
		else
			ck_assert(page.damaged && holds(5));
		teardown();
		setup();
	}
}
END_TEST

static bool keep_some(void *context, const struct simdisk_event *event, uint64_t sector)
{
	unsigned int mask = *(unsigned int *)context;

	(void)event;
	return mask >> sector & 1;
}

START_TEST(a_power_cut_leaves_the_old_page_the_new_one_or_damage)
{
	for (unsigned int mask = 0; mask < 256; mask++) {
		load();
		simdisk_log_start(disk);
		memset(body, 'p', sizeof(body));
		ck_assert_int_eq(map_store_write(store, id, &slots, body), 0);
		simdisk_power_cut(disk, keep_some, &mask);
		reopen();
		load();
		ck_assert(!page.lost);
		ck_assert(page.damaged ? holds(5) : mask == 255 ? holds('p') : holds(5));
		ck_assert(page.damaged == (mask != 0 && mask != 255));
		teardown();
		setup();
	}
}
END_TEST

START_TEST(every_failed_operation_is_reported)
{
	for (uint64_t nth = 1;; nth++) {
		int r;

		load();
		simdisk_fail_nth(disk, SIMDISK_WRITE | SIMDISK_FLUSH, nth, EIO);
		r = write_body('f');
		if (!simdisk_fired(disk)) {
			ck_assert_int_eq(r, 0);
			ck_assert_uint_eq(nth, 3);
			break;
		}
		ck_assert_int_eq(r, -EIO);
		simdisk_replug(disk);
		reopen();
		load();
		ck_assert(!page.damaged);
		ck_assert(holds(nth == 1 ? 5 : 'f'));
		teardown();
		setup();
	}
	simdisk_fail_nth(disk, SIMDISK_WRITE, 1, ENOSPC);
	ck_assert_int_eq(map_store_fill(store, (struct map_page_id){MAP_PAGE_STATES, 0}, PAGES,
				 fill_body, NULL),
		-ENOSPC);
}
END_TEST

START_TEST(kinds_lie_apart)
{
	struct map_slots volume, stuck;

	ck_assert_int_eq(
		map_store_load(store, (struct map_page_id){MAP_PAGE_VOLUME, 0}, &volume, &page), 0);
	memset(body, 'v', sizeof(body));
	ck_assert_int_eq(
		map_store_write(store, (struct map_page_id){MAP_PAGE_VOLUME, 0}, &volume, body), 0);
	ck_assert_int_eq(
		map_store_load(store, (struct map_page_id){MAP_PAGE_STUCK, 0}, &stuck, &page), 0);
	ck_assert(!page.damaged && holds(0));
	/* A stuck page copied over a volume page is none. */
	{
		uint8_t copy[2 * BLOCK_BYTES];

		simdisk_peek(disk, layout.stuck, copy);
		simdisk_poke(disk, layout.state, copy);
	}
	reopen();
	ck_assert_int_eq(
		map_store_load(store, (struct map_page_id){MAP_PAGE_VOLUME, 0}, &volume, &page), 0);
	ck_assert(page.lost);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map_store");
	TCase *tcase = tcase_create("slots");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, filled_pages_are_whole_in_both_slots);
	tcase_add_test(tcase, loading_in_order_reads_ahead);
	tcase_add_test(tcase, slots_alternate_and_generations_grow);
	tcase_add_test_raise_signal(tcase, a_page_is_not_written_twice_between_flushes, SIGABRT);
	tcase_add_test(tcase, either_damaged_slot_makes_the_page_damaged);
	tcase_add_test(tcase, both_damaged_slots_lose_the_page_and_no_other);
	tcase_add_test(tcase, one_unreadable_sector_costs_one_slot);
	tcase_add_test(tcase,
		a_write_that_the_medium_dropped_is_noticed_when_the_other_slot_was_written_after_it);
	tcase_add_test(tcase, a_slot_that_is_put_back_from_an_older_copy_is_noticed);
	tcase_add_test(tcase, a_torn_write_damages_the_page_or_is_not_there);
	tcase_add_test(tcase, a_power_cut_leaves_the_old_page_the_new_one_or_damage);
	tcase_add_test(tcase, every_failed_operation_is_reported);
	tcase_add_test(tcase, kinds_lie_apart);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
