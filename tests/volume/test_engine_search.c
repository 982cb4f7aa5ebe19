/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_search.c - what the medium decrypts to is searched, whatever the map says of it
 *
 * Goal: data that is still on the medium is found although every port reads zeros there; what was
 * overwritten is not; seams between two calls hide nothing and count nothing twice.
 * Method: an engine on a disk in memory; an eraser that did nothing is one whose work was undone
 * on the medium afterwards; the socket carries the strings masked.
 */
#include "ipc/channel.h"
#include "tests/volume/engine_fixture.h"
#include "volume/client.h"
#include "volume/control.h"
#include "volume/runtime.h"
#include <stdio.h>
#include <sys/stat.h>

#define CANARY "wovuzikapoha-lemirutasone"
#define UUID   "00000000-0000-4000-8000-000000000001"

static struct search *search;
static struct engine_search_report report;

static void setup_search(void)
{
	setup();
	ck_assert_int_eq(search_new(&search), 0);
	ck_assert_int_eq(search_add(search, CANARY, strlen(CANARY)), 0);
}

static void teardown_search(void)
{
	search_free(search);
	teardown();
}

/* One block of text with the canary at a place in it; durable. */
static void plant(uint64_t block, size_t offset)
{
	memset(buf, '.', sizeof(buf));
	memcpy(buf + offset, CANARY, strlen(CANARY));
	ck_assert_int_eq(engine_write(engine, (struct extent){block, 2}, buf), 0);
	ck_assert_int_eq(engine_flush(engine), 0);
}

static uint64_t hits_in(uint64_t first, uint64_t count)
{
	ck_assert_int_eq(engine_search(engine, search, ENGINE_AREA_DATA,
				 (struct extent){first, count}, &report),
		0);
	return report.hits;
}

static void erase(uint64_t first, uint64_t count)
{
	uint64_t epoch;

	ck_assert_int_eq(drop(first, count), 0);
	ck_assert_int_eq(engine_barrier(engine, &epoch), 0);
}

START_TEST(live_data_is_found_and_overwritten_data_is_not)
{
	plant(700, 17);
	ck_assert_uint_eq(hits_in(0, DATA_BLOCKS), 1);
	ck_assert_uint_eq(report.area_blocks, DATA_BLOCKS);
	ck_assert_uint_eq(report.found[0].hit.offset, 700 * BLOCK_BYTES + 17);
	ck_assert_int_eq(report.found[0].class, RESIDUE_CLASS_LIVE);
	erase(700, 2);
	ck_assert_uint_eq(hits_in(0, DATA_BLOCKS), 0);
	ck_assert_uint_eq(report.unreadable_blocks, 0);
}
END_TEST

START_TEST(data_under_a_block_that_the_map_calls_clean_is_found)
{
	uint8_t kept[BLOCK_BYTES];
	struct extent lies;

	plant(700, 17);
	lies = (struct extent){layout.data_first + 700, 1};
	simdisk_peek(disk, lies, kept);
	erase(700, 2);
	simdisk_poke(disk, lies, kept);
	ck_assert(reads_as(700, 1, 0));
	ck_assert_uint_eq(hits_in(0, DATA_BLOCKS), 1);
	ck_assert_int_eq(report.found[0].class, RESIDUE_CLASS_CLEAN);
}
END_TEST

START_TEST(a_match_across_two_calls_is_counted_by_the_first_alone)
{
	plant(511, BLOCK_BYTES - 5);
	ck_assert_uint_eq(hits_in(0, 512), 1);
	ck_assert_uint_eq(hits_in(512, 512), 0);
	plant(1023, 0); /* and what begins in the block behind is the second's */
	ck_assert_uint_eq(hits_in(512, 511), 0);
	ck_assert_uint_eq(hits_in(1023, 1), 1);
}
END_TEST

START_TEST(a_spare_block_is_searched_with_its_own_tweak)
{
	struct engine_search_report spare;

	make_live(700, 2, 'x');
	simdisk_break(disk, (struct extent){layout.data_first + 700, 1}, SIMDISK_WRITE, EIO);
	erase(700, 1);
	plant(700, 40);
	ck_assert_int_eq(engine_search(engine, search, ENGINE_AREA_SPARE,
				 (struct extent){0, layout.spare.count}, &spare),
		0);
	ck_assert_uint_eq(spare.hits, 1);
	ck_assert_uint_eq(spare.found[0].hit.offset % BLOCK_BYTES, 40);
}
END_TEST

START_TEST(what_cannot_be_read_is_counted)
{
	plant(700, 17);
	simdisk_break(disk, (struct extent){layout.data_first + 700, 1}, SIMDISK_READ, EIO);
	ck_assert_uint_eq(hits_in(696, 8), 0);
	ck_assert_uint_eq(report.unreadable_blocks, 1);
	simdisk_mend(disk);
}
END_TEST

START_TEST(blocks_that_are_not_there_and_too_many_are_refused)
{
	ck_assert_int_eq(engine_search(engine, search, ENGINE_AREA_DATA,
				 (struct extent){DATA_BLOCKS - 1, 2}, &report),
		-ERANGE);
	ck_assert_int_eq(engine_search(engine, search, ENGINE_AREA_DATA,
				 (struct extent){0, ENGINE_SEARCH_BLOCKS_MAX + 1}, &report),
		-E2BIG);
}
END_TEST

/* --- through the socket --- */

static void *serve_until_detached(void *control)
{
	control_wait_for_detach(control);
	engine_stop(engine);
	control_quiesce(control);
	ck_assert_int_eq(engine_close(engine), 0);
	engine = NULL;
	control_answer_detach(control, 0);
	return NULL;
}

START_TEST(strings_go_masked_through_the_socket)
{
	char directory[] = "/tmp/spoolguard-search.XXXXXX", path[RUNTIME_PATH_BYTES], place[256];
	struct client_search what = {.area = ENGINE_AREA_DATA, .at = {512, 512}, .count = 1};
	struct control *control;
	struct client *client;
	pthread_t thread;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(setenv("SPOOLGUARD_RUNTIME_DIR", directory, 1), 0);
	snprintf(place, sizeof(place), "%s/" UUID, directory);
	ck_assert_int_eq(mkdir(place, 0700), 0);
	ck_assert_int_eq(runtime_path(UUID, "control", path), 0);
	ck_assert_int_eq(channel_listen(path, &fd), 0);
	ck_assert_int_eq(control_new(fd, engine, NULL, &control), 0);
	ck_assert_int_eq(control_start(control), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_until_detached, control), 0);
	ck_assert_int_eq(client_connect(UUID, &client), 0);

	plant(700, 17);
	memset(what.mask, 0x5a, sizeof(what.mask));
	what.strings[0].bytes = strlen(CANARY);
	for (size_t i = 0; i < strlen(CANARY); i++)
		what.strings[0].masked[i] = (uint8_t)(CANARY[i] ^ 0x5a);
	ck_assert_int_eq(client_search(client, &what, &report), 0);
	ck_assert_uint_eq(report.hits, 1);
	ck_assert_uint_eq(report.hits_of[0], 1);
	ck_assert_uint_eq(report.found[0].hit.offset, 700 * BLOCK_BYTES + 17);
	ck_assert_int_eq(report.found[0].hit.form, SEARCH_AS_GIVEN);
	what.at.first = DATA_BLOCKS;
	ck_assert_int_eq(client_search(client, &what, &report), -ERANGE);
	what.at.first = 0;
	what.strings[0].bytes = SEARCH_BYTES_MIN - 1;
	ck_assert_int_eq(client_search(client, &what, &report), -EBADMSG);

	ck_assert_int_eq(client_detach(client, false), 0);
	pthread_join(thread, NULL);
	client_free(client);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(place), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_search");
	TCase *tcase = tcase_create("engine_search");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_search, teardown_search);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, live_data_is_found_and_overwritten_data_is_not);
	tcase_add_test(tcase, data_under_a_block_that_the_map_calls_clean_is_found);
	tcase_add_test(tcase, a_match_across_two_calls_is_counted_by_the_first_alone);
	tcase_add_test(tcase, a_spare_block_is_searched_with_its_own_tweak);
	tcase_add_test(tcase, what_cannot_be_read_is_counted);
	tcase_add_test(tcase, blocks_that_are_not_there_and_too_many_are_refused);
	tcase_add_test(tcase, strings_go_masked_through_the_socket);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
