/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_image.c - a volume in an image file: opened, locked, cut short, grown
 *
 * One image is formatted with the cheapest key derivation there is; each test works
 * on it.
 */
#include "base/bytes.h"
#include "volume/engine.h"
#include "volume/format.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[200], image[256];
static struct secret *passphrase;
static struct engine *engine;
static struct problem problem;
static uint8_t buf[BLOCK_BYTES];

static int open_with(const struct secret *with, bool read_only)
{
	const struct engine_options options = {.verify = VERIFY_FULL, .read_only = read_only};

	problem.text[0] = '\0';
	return engine_open(image, &options, with, &engine, &problem);
}

static void start(void)
{
	int r = open_with(passphrase, false);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_int_eq(engine_start(engine), 0);
}

static void stop(void)
{
	ck_assert_int_eq(engine_close(engine), 0);
	engine = NULL;
}

static void setup(void)
{
	const struct volume_format_options options = {
		.size_bytes = 64ull << 20,
		.max_bytes = 96ull << 20,
		.scheme = scheme_default(),
		.kdf_memory_kib = 32 * 1024,
		.kdf_iteration_ms = 1,
	};
	const char *temporary = getenv("TMPDIR");
	struct volume_format_report report;
	int r;

	snprintf(directory, sizeof(directory), "%s/spoolguard-engine.XXXXXX",
		temporary ? temporary : "/var/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(image, sizeof(image), "%s/image", directory);
	ck_assert_int_eq(secret_new_copy("open sesame", 11, &passphrase), 0);
	r = volume_format(image, &options, passphrase, &report, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_uint_eq(report.owed_bytes, 0);
}

static void teardown(void)
{
	if (engine)
		stop();
	secret_free(passphrase);
	unlink(image);
	rmdir(directory);
}

static int put(uint64_t block, char text)
{
	memset(buf, text, sizeof(buf));
	return engine_write(engine, (struct extent){block, 1}, buf);
}

static bool reads_as(uint64_t block, uint8_t byte)
{
	ck_assert_int_eq(engine_read(engine, (struct extent){block, 1}, buf), 0);
	return bytes_are(buf, sizeof(buf), byte);
}

START_TEST(what_is_written_is_there_after_reopening)
{
	struct engine_info info;

	start();
	engine_get_info(engine, &info);
	ck_assert(info.managed && !info.read_only);
	ck_assert_str_eq(info.scheme->name, "three-pass");
	ck_assert_uint_eq(strlen(info.uuid), 36);
	ck_assert_uint_eq(info.block_bytes, BLOCK_BYTES);
	ck_assert_int_eq(put(0, 'a'), 0);
	ck_assert_int_eq(put(info.blocks - 1, 'z'), 0);
	ck_assert_int_eq(put(info.blocks, '!'), -ERANGE);
	stop();
	start();
	engine_get_info(engine, &info);
	ck_assert(!info.opened.was_unclean);
	ck_assert(reads_as(0, 'a') && reads_as(info.blocks - 1, 'z') && reads_as(1, 0));
}
END_TEST

START_TEST(a_wrong_passphrase_opens_nothing)
{
	struct secret *wrong;

	ck_assert_int_eq(secret_new_copy("open sesamE", 11, &wrong), 0);
	ck_assert_int_eq(open_with(wrong, false), -EPERM);
	ck_assert_str_ne(problem.text, "");
	secret_free(wrong);
	start(); /* and holds no lock */
}
END_TEST

START_TEST(an_open_volume_is_not_opened_again)
{
	struct engine *first;

	start();
	first = engine;
	ck_assert_int_eq(open_with(passphrase, false), -EBUSY);
	ck_assert_ptr_nonnull(strstr(problem.text, image));
	ck_assert_int_eq(open_with(passphrase, true), -EBUSY);
	engine = first;
	ck_assert_int_eq(put(0, 'a'), 0);
}
END_TEST

START_TEST(an_image_cut_short_is_refused_in_words)
{
	static const off_t lengths[] = {1 << 20, 5 << 20, 16 << 20, 63 << 20};

	for (size_t i = ARRAY_SIZE(lengths); i-- > 0;) {
		ck_assert_int_eq(truncate(image, lengths[i]), 0);
		ck_assert_int_lt(open_with(passphrase, false), 0);
		ck_assert_str_ne(problem.text, "");
	}
	engine = NULL;
}
END_TEST

START_TEST(a_grown_image_is_taken_and_kept)
{
	struct engine_info info;
	uint64_t before, blocks;

	start();
	engine_get_info(engine, &info);
	before = info.blocks;
	ck_assert_int_eq(put(before - 1, 'a'), 0);
	ck_assert_int_eq(engine_grow(engine, &blocks), 0); /* nothing to take */
	ck_assert_uint_eq(blocks, before);
	ck_assert_int_eq(truncate(image, 80 << 20), 0);
	ck_assert_int_eq(engine_grow(engine, &blocks), 0);
	ck_assert_uint_eq(blocks, before + ((16 << 20) / BLOCK_BYTES));
	ck_assert(reads_as(blocks - 1, 0));
	ck_assert_int_eq(put(blocks - 1, 'z'), 0);
	stop();
	start();
	engine_get_info(engine, &info);
	ck_assert_uint_eq(info.blocks, blocks);
	ck_assert(reads_as(before - 1, 'a') && reads_as(blocks - 1, 'z'));
	/* More than the map has room for changes nothing. */
	ck_assert_int_eq(truncate(image, 512 << 20), 0);
	ck_assert_int_eq(engine_grow(engine, &blocks), -EFBIG);
	engine_get_info(engine, &info);
	ck_assert_uint_eq(info.blocks, blocks);
	ck_assert_int_eq(put(0, 'b'), 0);
}
END_TEST

static void *grow_it(void *argument)
{
	uint64_t blocks;
	int *result = argument;

	*result = engine_grow(engine, &blocks);
	return NULL;
}

static void *use_it(void *argument)
{
	int *result = argument;
	uint8_t mine[BLOCK_BYTES];

	for (uint64_t i = 0; i < 2000 && *result >= 0; i++) {
		memset(mine, (int)(i % 255) + 1, sizeof(mine));
		*result = engine_write(engine, (struct extent){i % 500, 1}, mine);
		if (*result >= 0 && i % 50 == 0)
			*result = engine_flush(engine);
	}
	return NULL;
}

START_TEST(growth_disturbs_nobody_and_many_may_ask)
{
	enum { GROWERS = 4 };
	int results[GROWERS] = {0}, used = 0;
	pthread_t threads[GROWERS], user;
	struct engine_info info;

	start();
	ck_assert_int_eq(pthread_create(&user, NULL, use_it, &used), 0);
	for (unsigned int round = 1; round <= 8; round++) {
		ck_assert_int_eq(truncate(image, (64 + 2 * (off_t)round) << 20), 0);
		for (size_t i = 0; i < GROWERS; i++)
			ck_assert_int_eq(
				pthread_create(&threads[i], NULL, grow_it, &results[i]), 0);
		for (size_t i = 0; i < GROWERS; i++) {
			pthread_join(threads[i], NULL);
			ck_assert_int_eq(results[i], 0);
		}
	}
	pthread_join(user, NULL);
	ck_assert_int_eq(used, 0);
	engine_get_info(engine, &info);
	stop();
	start();
	{
		struct engine_info again;

		engine_get_info(engine, &again);
		ck_assert_uint_eq(again.blocks, info.blocks);
	}
	ck_assert(reads_as(499, (uint8_t)(1999 % 255) + 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine on an image");
	TCase *tcase = tcase_create("open, lock, grow");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_is_written_is_there_after_reopening);
	tcase_add_test(tcase, a_wrong_passphrase_opens_nothing);
	tcase_add_test(tcase, an_open_volume_is_not_opened_again);
	tcase_add_test(tcase, an_image_cut_short_is_refused_in_words);
	tcase_add_test(tcase, a_grown_image_is_taken_and_kept);
	tcase_add_test(tcase, growth_disturbs_nobody_and_many_may_ask);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
