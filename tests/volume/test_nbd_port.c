/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_nbd_port.c - bytes at any offset, over blocks that owe passes
 *
 * Goal: N1 to N5 of nbd_port.h.
 * Method: an engine on a disk in memory; a model of the bytes beside it.
 */
#include "base/mutant.h"
#include "tests/volume/engine_fixture.h"
#include "volume/nbd_port.h"

static struct nbd_port *port;

static void setup_port(void)
{
	setup();
	ck_assert_int_eq(nbd_port_new(engine, &port), 0);
}

static void teardown_port(void)
{
	nbd_port_free(port);
	port = NULL;
	teardown();
}

static struct byte_run run(uint64_t offset, uint64_t bytes)
{
	return (struct byte_run){offset, bytes};
}

static bool shows(uint64_t offset, size_t bytes, uint8_t byte)
{
	static uint8_t seen[64 * BLOCK_BYTES];

	memset(seen, ~byte, bytes);
	ck_assert_int_eq(nbd_port_read(port, run(offset, bytes), seen), 0);
	return bytes_are(seen, bytes, byte);
}

static void wait_until_clean(uint64_t first, uint64_t count)
{
	uint64_t epoch;

	engine_trust(engine);
	ck_assert_int_eq(engine_barrier_all(engine, &epoch), 0);
	for (uint64_t i = 0; i < count; i++)
		ck_assert_int_eq(class_of(first + i), RESIDUE_CLASS_CLEAN);
}

/* --- N1 --- */

START_TEST(a_trim_frees_whole_blocks_and_they_get_every_pass)
{
	uint64_t owed = 2 * BLOCK_BYTES;

	make_live(10, 4, 'a');
	/* From the middle of block 10 to the middle of block 13. */
	ck_assert_int_eq(nbd_port_trim(port, run(10 * BLOCK_BYTES + 512, owed + BLOCK_BYTES)), 0);
	ck_assert_int_eq(class_of(10), RESIDUE_CLASS_LIVE);
	ck_assert_int_eq(class_of(13), RESIDUE_CLASS_LIVE);
	ck_assert(shows(11 * BLOCK_BYTES, owed, 0));
	ck_assert(shows(10 * BLOCK_BYTES, BLOCK_BYTES, 'a'));
	ck_assert(shows(13 * BLOCK_BYTES, BLOCK_BYTES, 'a'));
	wait_until_clean(11, 2);
	ck_assert(medium_shows(11, 0x97) && medium_shows(12, 0x97));
	ck_assert_int_eq(nbd_port_trim(port, run(10 * BLOCK_BYTES + 1, BLOCK_BYTES)), 0);
	ck_assert_int_eq(class_of(10), RESIDUE_CLASS_LIVE);
}
END_TEST

START_TEST(zeros_are_written_and_free_nothing)
{
	make_live(10, 4, 'a');
	ck_assert_int_eq(nbd_port_zero(port, run(10 * BLOCK_BYTES, 3 * BLOCK_BYTES + 7)), 0);
	ck_assert_int_eq(nbd_port_flush(port), 0);
	for (uint64_t b = 10; b < 14; b++)
		ck_assert_int_eq(class_of(b), RESIDUE_CLASS_LIVE);
	ck_assert(shows(10 * BLOCK_BYTES, 3 * BLOCK_BYTES + 7, 0));
	ck_assert(shows(13 * BLOCK_BYTES + 7, BLOCK_BYTES - 7, 'a'));
	ck_assert_int_eq(nbd_port_zero(port, run(20 * BLOCK_BYTES, BLOCK_BYTES)), 0);
	ck_assert_int_eq(class_of(20), RESIDUE_CLASS_LIVE);
}
END_TEST

/* --- N2 --- */

START_TEST(bytes_at_any_offset_are_what_was_written)
{
	enum { BYTES = 40 * BLOCK_BYTES, ROUNDS = 400 };
	static uint8_t model[BYTES], data[BYTES];
	unsigned int seed = 7;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t offset = (uint64_t)rand_r(&seed) % BYTES;
		uint64_t bytes = (uint64_t)rand_r(&seed) % (3 * BLOCK_BYTES) + 1;
		int what = rand_r(&seed) % 4;

		if (bytes > BYTES - offset)
			bytes = BYTES - offset;
		memset(data, 'a' + i % 26, bytes);
		if (what == 0) {
			uint64_t first = (offset + BLOCK_BYTES - 1) / BLOCK_BYTES;
			uint64_t end = (offset + bytes) / BLOCK_BYTES;

			ck_assert_int_eq(nbd_port_trim(port, run(offset, bytes)), 0);
			if (end > first)
				memset(model + first * BLOCK_BYTES, 0, (end - first) * BLOCK_BYTES);
		} else if (what == 1) {
			ck_assert_int_eq(nbd_port_zero(port, run(offset, bytes)), 0);
			memset(model + offset, 0, bytes);
		} else {
			ck_assert_int_eq(nbd_port_write(port, run(offset, bytes), data), 0);
			memcpy(model + offset, data, bytes);
		}
	}
	ck_assert_int_eq(nbd_port_read(port, run(0, BYTES), data), 0);
	ck_assert(memcmp(model, data, BYTES) == 0);
	ck_assert_int_eq(nbd_port_read(port, run(5, BYTES - 9), data), 0);
	ck_assert(memcmp(model + 5, data, BYTES - 9) == 0);
}
END_TEST

START_TEST(a_request_longer_than_a_transfer_is_whole)
{
	size_t bytes = 2 * NBD_PORT_TRANSFER_BYTES + BLOCK_BYTES + 2;
	uint8_t *data = malloc(bytes), *seen = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i * 31 + i / 4096);
	ck_assert_int_eq(nbd_port_write(port, run(4095, bytes), data), 0);
	ck_assert_int_eq(nbd_port_read(port, run(4095, bytes), seen), 0);
	ck_assert(memcmp(data, seen, bytes) == 0);
	ck_assert(shows(0, 4095, 0));
	free(data);
	free(seen);
}
END_TEST

enum { PARTS = 8, PART_BYTES = BLOCK_BYTES / PARTS, TURNS = 150 };

static void *write_one_part(void *argument)
{
	uint64_t part = (uint64_t)(uintptr_t)argument;
	uint8_t data[PART_BYTES];
	int r = 0;

	for (int i = 1; i <= TURNS && r == 0; i++) {
		memset(data, i, sizeof(data));
		r = nbd_port_write(
			port, run(30 * BLOCK_BYTES + part * PART_BYTES, PART_BYTES), data);
	}
	return r == 0 ? argument : NULL;
}

static bool parts_survive_one_another(void)
{
	pthread_t threads[PARTS];
	void *result;

	for (uintptr_t i = 0; i < PARTS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, write_one_part, (void *)(i + PARTS)), 0);
	for (uintptr_t i = 0; i < PARTS; i++) {
		pthread_join(threads[i], &result);
		ck_assert_ptr_nonnull(result);
	}
	return shows(31 * BLOCK_BYTES, BLOCK_BYTES, TURNS) && shows(32 * BLOCK_BYTES, 1, 0);
}

START_TEST(parts_of_a_block_that_are_written_at_once_all_land)
{
	ck_assert(parts_survive_one_another());
}
END_TEST

#ifdef SPOOLGUARD_MUTANTS
START_TEST(without_the_lock_they_do_not)
{
	bool survived = true;

	mutant_active = MUTANT_PARTIAL_WRITE_SHARES_ITS_BLOCK;
	for (int i = 0; i < 50 && survived; i++)
		survived = parts_survive_one_another();
	mutant_active = MUTANT_NONE;
	ck_assert(!survived);
}
END_TEST
#endif

/* --- writes that wait --- */

START_TEST(a_write_to_owed_blocks_is_answered_when_it_landed)
{
	uint8_t data[BLOCK_BYTES];

	make_live(9, 2, 'a');
	ck_assert_int_eq(nbd_port_trim(port, run(9 * BLOCK_BYTES, 2 * BLOCK_BYTES)), 0);
	memset(data, 'b', sizeof(data));
	/* The rest of an owed block is what it reads as: zeros, never what it held. */
	ck_assert_int_eq(nbd_port_write(port, run(9 * BLOCK_BYTES + 100, 200), data), 0);
	ck_assert(shows(9 * BLOCK_BYTES, 100, 0));
	ck_assert(shows(9 * BLOCK_BYTES + 100, 200, 'b'));
	ck_assert(shows(9 * BLOCK_BYTES + 300, BLOCK_BYTES - 300, 0));
	ck_assert_int_eq(nbd_port_write(port, run(10 * BLOCK_BYTES, BLOCK_BYTES), data), 0);
	ck_assert(shows(10 * BLOCK_BYTES, BLOCK_BYTES, 'b'));
}
END_TEST

static void *write_to_owed(void *ret_result)
{
	uint8_t data[BLOCK_BYTES];

	memset(data, 'b', sizeof(data));
	*(int *)ret_result = nbd_port_write(port, run(9 * BLOCK_BYTES, BLOCK_BYTES), data);
	return NULL;
}

START_TEST(a_write_that_waits_fails_when_the_eraser_ends)
{
	pthread_t thread;
	int result = 0;

	make_live(9, 1, 'a');
	close_gate();
	ck_assert_int_eq(nbd_port_trim(port, run(9 * BLOCK_BYTES, BLOCK_BYTES)), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_to_owed, &result), 0);
	wait_for_somebody_at_the_gate();
	open_gate();
	engine_stop(engine);
	pthread_join(thread, NULL);
	ck_assert(result == 0 || result == -EIO);
}
END_TEST

/* --- N4 --- */

static void assert_extent(uint64_t offset, uint64_t bytes, uint64_t reaches, bool hole)
{
	uint64_t got;
	bool is_hole;

	ck_assert_int_eq(nbd_port_extent(port, run(offset, bytes), &got, &is_hole), 0);
	ck_assert_uint_eq(got, reaches);
	ck_assert(is_hole == hole);
}

START_TEST(clean_and_owed_blocks_are_holes_and_live_ones_are_data)
{
	make_live(10, 4, 'a');
	assert_extent(0, 100 * BLOCK_BYTES, 10 * BLOCK_BYTES, true);
	assert_extent(10 * BLOCK_BYTES, 100 * BLOCK_BYTES, 4 * BLOCK_BYTES, false);
	assert_extent(11 * BLOCK_BYTES + 5, 100, 100, false);
	assert_extent(11 * BLOCK_BYTES + 5, 9 * BLOCK_BYTES, 3 * BLOCK_BYTES - 5, false);
	close_gate();
	ck_assert_int_eq(nbd_port_trim(port, run(12 * BLOCK_BYTES, BLOCK_BYTES)), 0);
	assert_extent(12 * BLOCK_BYTES, 4 * BLOCK_BYTES, BLOCK_BYTES, true);
	open_gate();
	wait_until_clean(12, 1);
	assert_extent(12 * BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, true);
}
END_TEST

/* --- errors, N5 --- */

START_TEST(what_lies_outside_is_refused)
{
	uint64_t size = nbd_port_bytes(port), ignored;
	uint8_t byte = 0;
	bool hole;

	ck_assert_uint_eq(size, (uint64_t)DATA_BLOCKS * BLOCK_BYTES);
	ck_assert_int_eq(nbd_port_read(port, run(size, 1), &byte), -EINVAL);
	ck_assert_int_eq(nbd_port_write(port, run(UINT64_MAX, 2), &byte), -EINVAL);
	ck_assert_int_eq(nbd_port_zero(port, run(size - 1, 2)), -EINVAL);
	ck_assert_int_eq(nbd_port_trim(port, run(0, size + 1)), -EINVAL);
	ck_assert_int_eq(nbd_port_extent(port, run(size, 1), &ignored, &hole), -EINVAL);
	ck_assert_int_eq(nbd_port_write(port, run(size - 1, 1), &byte), 0);
}
END_TEST

START_TEST(a_volume_that_has_stopped_is_a_disk_that_fails)
{
	uint8_t byte = 1;

	ck_assert_int_eq(nbd_port_write(port, run(0, 1), &byte), 0);
	simdisk_fail_nth(disk, SIMDISK_FLUSH, 1, EIO);
	ck_assert_int_eq(nbd_port_flush(port), -EIO);
	ck_assert_int_eq(nbd_port_flush(port), -EIO); /* M7; ENOTRECOVERABLE to us */
	ck_assert_int_eq(nbd_port_write(port, run(0, 1), &byte), -EIO);
}
END_TEST

START_TEST(a_read_only_volume_takes_nothing)
{
	uint8_t byte = 0;

	nbd_port_free(port);
	close_engine();
	options.read_only = true;
	start_engine();
	options.read_only = false;
	ck_assert_int_eq(nbd_port_new(engine, &port), 0);
	ck_assert(!nbd_port_can_write(port) && !nbd_port_can_trim(port));
	ck_assert(nbd_port_can_tell_extents(port));
	ck_assert_int_eq(nbd_port_write(port, run(0, 1), &byte), -EPERM);
	ck_assert_int_eq(nbd_port_zero(port, run(0, 1)), -EPERM);
	ck_assert_int_eq(nbd_port_trim(port, run(0, BLOCK_BYTES)), -EPERM);
	ck_assert_int_eq(nbd_port_flush(port), 0);
	ck_assert(shows(0, BLOCK_BYTES, 0));
}
END_TEST

START_TEST(a_port_with_clients_is_shut_only_if_they_may_be_cut_off)
{
	uint8_t byte = 0;

	ck_assert_int_eq(nbd_port_connect(port), 0);
	ck_assert_int_eq(nbd_port_shut(port, false), -EBUSY);
	ck_assert_int_eq(nbd_port_write(port, run(0, 1), &byte), 0);
	ck_assert_int_eq(nbd_port_connect(port), 0);
	ck_assert_uint_eq(nbd_port_clients(port), 2);
	nbd_port_disconnect(port);
	ck_assert_int_eq(nbd_port_shut(port, true), 0);
	ck_assert_int_eq(nbd_port_connect(port), -ESHUTDOWN);
	ck_assert_int_eq(nbd_port_read(port, run(0, 1), &byte), -ESHUTDOWN);
	ck_assert_int_eq(nbd_port_flush(port), -ESHUTDOWN);
	nbd_port_quiesce(port);
	nbd_port_disconnect(port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nbd_port");
	TCase *tc = tcase_create("nbd_port");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup_port, teardown_port);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_trim_frees_whole_blocks_and_they_get_every_pass);
	tcase_add_test(tc, zeros_are_written_and_free_nothing);
	tcase_add_test(tc, bytes_at_any_offset_are_what_was_written);
	tcase_add_test(tc, a_request_longer_than_a_transfer_is_whole);
	tcase_add_test(tc, parts_of_a_block_that_are_written_at_once_all_land);
#ifdef SPOOLGUARD_MUTANTS
	tcase_add_test(tc, without_the_lock_they_do_not);
#endif
	tcase_add_test(tc, a_write_to_owed_blocks_is_answered_when_it_landed);
	tcase_add_test(tc, a_write_that_waits_fails_when_the_eraser_ends);
	tcase_add_test(tc, clean_and_owed_blocks_are_holes_and_live_ones_are_data);
	tcase_add_test(tc, what_lies_outside_is_refused);
	tcase_add_test(tc, a_volume_that_has_stopped_is_a_disk_that_fails);
	tcase_add_test(tc, a_read_only_volume_takes_nothing);
	tcase_add_test(tc, a_port_with_clients_is_shut_only_if_they_may_be_cut_off);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
