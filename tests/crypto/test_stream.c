/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stream.c - random bytes that are made again
 *
 * Goal: the byte at an offset is a function of seed and offset alone (T1), and
 * it is AES-256 in counter mode.  Method: vectors of an independent AES
 * (tests/tools/make_xts_vectors.py), and one long run against every way of
 * asking for parts of it.
 */
#include "crypto/hash.h"
#include "crypto/stream.h"
#include "tests/support/vectors.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS "tests/crypto/xts_vectors.txt"

enum { BYTES = (1 << 20) + 4096 + 5 }; /* more than one step of the generator, and not whole */

static struct secret *seed;
static struct stream *stream;
static uint8_t *whole, *part;

static void setup(void)
{
	ck_assert_int_eq(secret_new_random(STREAM_SEED_BYTES, &seed), 0);
	ck_assert_int_eq(stream_new(seed, &stream), 0);
	whole = malloc(BYTES);
	part = malloc(BYTES);
	ck_assert(whole && part);
	ck_assert_int_eq(stream_generate(stream, 0, whole, BYTES), 0);
}

static void teardown(void)
{
	stream_free(stream);
	secret_free(seed);
	free(whole);
	free(part);
}

START_TEST(the_stream_is_what_an_independent_aes_makes)
{
	_cleanup_(vectors_closep) struct vectors *v = vectors_open(VECTORS, "SOURCE");
	unsigned int runs = 0;

	ck_assert_msg(v != NULL, VECTORS " is missing: run from the top of the source");
	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *its_seed = NULL;
		_cleanup_(stream_freep) struct stream *its = NULL;
		struct hex key = vectors_hex(v, "KEY");
		uint8_t digest[SHA256_BYTES];
		size_t bytes;

		if (strcmp(vectors_section(v), "STREAM") != 0)
			continue;
		bytes = vectors_number(v, "BYTES");
		ck_assert_int_eq(secret_new_copy(key.at, key.bytes, &its_seed), 0);
		ck_assert_int_eq(stream_new(its_seed, &its), 0);
		ck_assert_int_eq(stream_generate(its, vectors_number(v, "OFFSET"), part, bytes), 0);
		ck_assert_int_eq(hash_sha256(part, bytes, digest), 0);
		ck_assert_msg(
			memcmp(digest, vectors_hex(v, "STREAM_SHA256").at, sizeof(digest)) == 0,
			"offset %s", vectors_text(v, "OFFSET"));
		runs++;
	}
	ck_assert_uint_ge(runs, 6);
}
END_TEST

START_TEST(pieces_of_any_size_make_the_whole)
{
	static const size_t sizes[] = {BYTES, 1 << 20, 65536 + 16, 4096, 512, 4095, 1000, 17};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(part, 0xee, BYTES);
		for (size_t at = 0; at < BYTES; at += sizes[i]) {
			size_t some = at + sizes[i] > BYTES ? BYTES - at : sizes[i];

			ck_assert_int_eq(stream_generate(stream, at, part + at, some), 0);
		}
		ck_assert_msg(memcmp(part, whole, BYTES) == 0, "pieces of %zu", sizes[i]);
	}
}
END_TEST

START_TEST(any_offset_and_length_at_the_edges_of_a_block_are_regenerated)
{
	for (size_t offset = 4080; offset <= 4112; offset++) {
		for (size_t bytes = 0; bytes <= 34; bytes++) {
			memset(part, 0xee, 64);
			ck_assert_int_eq(stream_generate(stream, offset, part, bytes), 0);
			ck_assert(memcmp(part, whole + offset, bytes) == 0);
			ck_assert_uint_eq(part[bytes], 0xee); /* and not one byte more */
		}
	}
}
END_TEST

START_TEST(the_order_of_asking_does_not_matter)
{
	uint32_t state = 12345; /* a fixed walk, forwards and backwards */

	for (unsigned int i = 0; i < 2000; i++) {
		size_t offset, bytes;

		state = state * 1664525 + 1013904223;
		offset = state % (BYTES - 8192);
		bytes = (state >> 7) % 8192;
		ck_assert_int_eq(stream_generate(stream, offset, part, bytes), 0);
		ck_assert_msg(
			memcmp(part, whole + offset, bytes) == 0, "%zu at %zu", bytes, offset);
	}
}
END_TEST

START_TEST(what_the_buffer_held_does_not_matter)
{
	memset(part, 0x5a, BYTES);
	ck_assert_int_eq(stream_generate(stream, 0, part, BYTES), 0);
	ck_assert(memcmp(part, whole, BYTES) == 0);
}
END_TEST

START_TEST(no_block_comes_twice_and_another_seed_makes_another_stream)
{
	_cleanup_secret_ struct secret *other_seed = NULL;
	_cleanup_(stream_freep) struct stream *other = NULL;
	size_t ones = 0;

	for (size_t at = 16; at + 16 <= 65536; at += 16)
		ck_assert(memcmp(whole, whole + at, 16) != 0);
	for (size_t i = 0; i < BYTES; i++)
		ones += (size_t)__builtin_popcount(whole[i]);
	/* Half of 8 million bits, give or take eight standard deviations. */
	ck_assert_uint_gt(ones, 4 * (size_t)BYTES - 12000);
	ck_assert_uint_lt(ones, 4 * (size_t)BYTES + 12000);

	ck_assert_int_eq(secret_new_copy(secret_peek(seed), STREAM_SEED_BYTES, &other_seed), 0);
	secret_bytes(other_seed)[31] ^= 1;
	ck_assert_int_eq(stream_new(other_seed, &other), 0);
	ck_assert_int_eq(stream_generate(other, 0, part, 4096), 0);
	for (size_t at = 0; at < 4096; at += 16)
		ck_assert(memcmp(part + at, whole + at, 16) != 0);
}
END_TEST

struct worker {
	pthread_t thread;
	unsigned int number;
	bool ok;
};

enum { THREADS = 4 };

/* Every fourth piece, through a stream of the thread's own. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	_cleanup_(stream_freep) struct stream *own = NULL;
	const size_t piece = 4096 + 16;

	worker->ok = stream_new(seed, &own) == 0;
	for (size_t at = worker->number * piece; at < BYTES && worker->ok; at += THREADS * piece) {
		size_t some = at + piece > BYTES ? BYTES - at : piece;

		worker->ok = stream_generate(own, at, part + at, some) == 0;
	}
	return NULL;
}

START_TEST(four_threads_with_streams_of_one_seed_make_what_one_makes)
{
	struct worker workers[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.number = i};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
		ck_assert(workers[i].ok);
	}
	ck_assert(memcmp(part, whole, BYTES) == 0);
}
END_TEST

START_TEST(a_seed_of_another_size_aborts)
{
	_cleanup_secret_ struct secret *small = NULL;
	struct stream *made;

	ck_assert_int_eq(secret_new_random(16, &small), 0);
	(void)!stream_new(small, &made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, the_stream_is_what_an_independent_aes_makes);
	tcase_add_test(tcase, pieces_of_any_size_make_the_whole);
	tcase_add_test(tcase, any_offset_and_length_at_the_edges_of_a_block_are_regenerated);
	tcase_add_test(tcase, the_order_of_asking_does_not_matter);
	tcase_add_test(tcase, what_the_buffer_held_does_not_matter);
	tcase_add_test(tcase, no_block_comes_twice_and_another_seed_makes_another_stream);
	tcase_add_test(tcase, four_threads_with_streams_of_one_seed_make_what_one_makes);
	tcase_add_test_raise_signal(tcase, a_seed_of_another_size_aborts, SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
