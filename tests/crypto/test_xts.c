/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_xts.c - AES-256-XTS by sectors, from many threads
 *
 * Goal: sectors of 512 and 4096 bytes, any run of them, from any number of
 * threads, are what IEEE 1619-2007 says.  Method: vectors of the standard and
 * of an AES that shares no code with OpenSSL (tests/tools/make_xts_vectors.py
 * makes tests/crypto/xts_vectors.txt and checks itself against the standard);
 * then one large buffer as the answer to everything else.
 */
#include "crypto/hash.h"
#include "crypto/xts.h"
#include "tests/support/vectors.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VECTORS "tests/crypto/xts_vectors.txt"

enum { SECTOR = 4096, SECTORS = 96, BYTES = SECTOR * SECTORS };

static struct secret *key;
static struct xts *xts;
static uint8_t *plain, *cipher;

static void fill(uint8_t *at, size_t bytes, unsigned int salt)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(i + salt * (i >> 8));
}

static void setup(void)
{
	uint8_t bytes[XTS_KEY_BYTES];

	fill(bytes, sizeof(bytes), 0);
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &key), 0);
	ck_assert_int_eq(xts_new(key, &xts), 0);
	plain = malloc(BYTES);
	cipher = malloc(BYTES);
	ck_assert(plain && cipher);
	fill(plain, BYTES, 31);
	ck_assert_int_eq(xts_encrypt(xts, 0, 8, SECTOR, plain, cipher, BYTES), 0);
}

static void teardown(void)
{
	free(plain);
	free(cipher);
	xts_free(xts);
	secret_free(key);
}

/* --- Vectors --- */

static void assert_answer(struct vectors *v, const char *what, const uint8_t *out, size_t bytes)
{
	const char *source = vectors_text(v, "SOURCE");
	uint8_t digest[SHA256_BYTES];
	char name[32];

	snprintf(name, sizeof(name), "%s_FIRST", what);
	ck_assert_msg(memcmp(out, vectors_hex(v, name).at, 16) == 0, "%s %s", source, name);
	snprintf(name, sizeof(name), "%s_LAST", what);
	ck_assert_msg(
		memcmp(out + bytes - 16, vectors_hex(v, name).at, 16) == 0, "%s %s", source, name);
	snprintf(name, sizeof(name), "%s_SHA256", what);
	ck_assert_int_eq(hash_sha256(out, bytes, digest), 0);
	ck_assert_msg(
		memcmp(digest, vectors_hex(v, name).at, SHA256_BYTES) == 0, "%s %s", source, name);
}

START_TEST(sectors_are_what_ieee_1619_and_an_independent_aes_make_of_them)
{
	_cleanup_(vectors_closep) struct vectors *v = vectors_open(VECTORS, "SOURCE");
	unsigned int ieee = 0, ours = 0;

	ck_assert_msg(v != NULL, VECTORS " is missing: run from the top of the source");
	while (vectors_next(v) && strcmp(vectors_section(v), "XTS") == 0) {
		_cleanup_secret_ struct secret *its_key = NULL;
		_cleanup_(xts_freep) struct xts *its_xts = NULL;
		uint64_t tweak = vectors_number(v, "TWEAK"), step = vectors_number(v, "STEP");
		size_t unit = vectors_number(v, "UNIT"), bytes = vectors_number(v, "BYTES");
		struct hex key_bytes = vectors_hex(v, "KEY");
		uint8_t in[16384], out[16384];

		ck_assert_uint_le(bytes, sizeof(in));
		ck_assert_int_eq(secret_new_copy(key_bytes.at, key_bytes.bytes, &its_key), 0);
		ck_assert_int_eq(xts_new(its_key, &its_xts), 0);
		fill(in, bytes, (unsigned int)vectors_number(v, "SALT"));
		ck_assert_int_eq(xts_encrypt(its_xts, tweak, step, unit, in, out, bytes), 0);
		assert_answer(v, "ENCRYPTED", out, bytes);
		ck_assert_int_eq(xts_decrypt(its_xts, tweak, step, unit, in, out, bytes), 0);
		assert_answer(v, "DECRYPTED", out, bytes);
		if (strncmp(vectors_text(v, "SOURCE"), "IEEE", 4) == 0)
			ieee++;
		else
			ours++;
	}
	ck_assert_uint_eq(ieee, 5);
	ck_assert_uint_ge(ours, 8);
}
END_TEST

START_TEST(the_table_of_vectors_is_what_its_generator_prints)
{
	int status;

	if (system("command -v python3 >/dev/null") != 0)
		return;
	status = system("python3 tests/tools/make_xts_vectors.py | cmp - " VECTORS);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* --- Runs of sectors --- */

START_TEST(any_run_of_sectors_equals_its_part_of_the_whole)
{
	static uint8_t out[BYTES];

	for (size_t first = 0; first < SECTORS; first += 5) {
		for (size_t count = 1; first + count <= SECTORS; count = count * 2 + 1) {
			size_t at = first * SECTOR, bytes = count * SECTOR;

			ck_assert_int_eq(
				xts_encrypt(xts, first * 8, 8, SECTOR, plain + at, out, bytes), 0);
			ck_assert(memcmp(out, cipher + at, bytes) == 0);
			ck_assert_int_eq(
				xts_decrypt(xts, first * 8, 8, SECTOR, cipher + at, out, bytes), 0);
			ck_assert(memcmp(out, plain + at, bytes) == 0);
		}
	}
}
END_TEST

START_TEST(in_place_equals_from_one_buffer_to_another)
{
	static uint8_t out[BYTES];

	memcpy(out, plain, BYTES);
	ck_assert_int_eq(xts_encrypt(xts, 0, 8, SECTOR, out, out, BYTES), 0);
	ck_assert(memcmp(out, cipher, BYTES) == 0);
	ck_assert_int_eq(xts_decrypt(xts, 0, 8, SECTOR, out, out, BYTES), 0);
	ck_assert(memcmp(out, plain, BYTES) == 0);
}
END_TEST

START_TEST(sectors_of_512_and_of_4096_are_different_ciphertexts)
{
	static uint8_t out[BYTES];

	ck_assert_int_eq(xts_encrypt(xts, 0, 1, 512, plain, out, BYTES), 0);
	ck_assert(memcmp(out, cipher, 512) == 0); /* same tweak: sector 0 begins alike */
	for (size_t at = 512; at < BYTES; at += 512)
		ck_assert(at % SECTOR == 0 || memcmp(out + at, cipher + at, 512) != 0);
	ck_assert_int_eq(xts_decrypt(xts, 0, 1, 512, out, out, BYTES), 0);
	ck_assert(memcmp(out, plain, BYTES) == 0);
}
END_TEST

START_TEST(a_changed_bit_spoils_its_block_and_no_other)
{
	static uint8_t out[SECTOR];

	memcpy(out, cipher, SECTOR);
	out[1000] ^= 4;
	ck_assert_int_eq(xts_decrypt(xts, 0, 8, SECTOR, out, out, SECTOR), 0);
	for (size_t at = 0; at < SECTOR; at += 16)
		ck_assert((memcmp(out + at, plain + at, 16) == 0) == (at != 1000 / 16 * 16));
}
END_TEST

START_TEST(nothing_to_do_is_done)
{
	ck_assert_int_eq(xts_encrypt(xts, 0, 8, SECTOR, NULL, NULL, 0), 0);
	ck_assert_int_eq(xts_decrypt(xts, 0, 8, SECTOR, NULL, NULL, 0), 0);
}
END_TEST

/* --- Keys and limits --- */

START_TEST(a_key_of_equal_halves_is_refused)
{
	_cleanup_secret_ struct secret *weak = NULL;
	struct xts *made = NULL;

	ck_assert_int_eq(secret_new_random(XTS_KEY_BYTES, &weak), 0);
	memcpy(secret_bytes(weak) + 32, secret_peek(weak), 32);
	ck_assert_int_eq(xts_new(weak, &made), -EINVAL);
	ck_assert_ptr_null(made);
	for (unsigned int byte = 0; byte < 32; byte += 31) {
		secret_bytes(weak)[byte] ^= 0x80; /* one bit makes it a key */
		ck_assert_int_eq(xts_new(weak, &made), 0);
		xts_free(made);
		made = NULL;
		secret_bytes(weak)[byte] ^= 0x80;
	}
}
END_TEST

START_TEST(a_data_unit_of_16_mib_is_the_largest)
{
	const size_t largest = 16u << 20;
	uint8_t *large = malloc(largest);

	ck_assert_ptr_nonnull(large);
	fill(large, largest, 5);
	ck_assert_int_eq(xts_encrypt(xts, 3, 1, largest, large, large, largest), 0);
	ck_assert_int_eq(xts_decrypt(xts, 3, 1, largest, large, large, largest), 0);
	for (size_t i = 0; i < largest; i++) {
		if (large[i] != (uint8_t)(i + 5 * (i >> 8)))
			ck_abort_msg("byte %zu", i);
	}
	free(large);
}
END_TEST

START_TEST(a_larger_data_unit_aborts)
{
	const size_t large = (16u << 20) + 16;
	uint8_t *buf = calloc(1, large);

	(void)!xts_encrypt(xts, 0, 1, large, buf, buf, large); /* X2 */
}
END_TEST

START_TEST(a_data_unit_of_less_than_a_block_aborts)
{
	(void)!xts_encrypt(xts, 0, 1, 8, plain, plain, 16); /* X2 */
}
END_TEST

START_TEST(a_data_unit_of_part_blocks_aborts)
{
	(void)!xts_encrypt(xts, 0, 1, 520, plain, plain, 1040); /* X2 */
}
END_TEST

START_TEST(a_buffer_of_part_units_aborts)
{
	(void)!xts_decrypt(xts, 0, 8, SECTOR, plain, plain, SECTOR + 512); /* X3 */
}
END_TEST

START_TEST(a_key_of_another_size_aborts)
{
	_cleanup_secret_ struct secret *small = NULL;
	struct xts *made;

	ck_assert_int_eq(secret_new_random(32, &small), 0);
	(void)!xts_new(small, &made);
}
END_TEST

/* --- Threads: four, and more than there are contexts --- */

enum { ROUNDS = 6, THREADS_MAX = 40 };

/* Under tools that make everything slower. */
static bool is_small_scale(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

struct worker {
	pthread_t thread;
	unsigned int number;
	bool ok;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint8_t *buf = malloc(BYTES);
	int r = buf ? 0 : -ENOMEM;

	worker->ok = true;
	for (unsigned int round = 0;
		round < (is_small_scale() ? 1 : ROUNDS) && r >= 0 && worker->ok; round++) {
		/* Each thread its own pieces, large and small, both directions. */
		size_t count = (worker->number + round) % 17 + 1;

		for (size_t first = worker->number % 7; first < SECTORS && r >= 0; first += count) {
			size_t some = first + count > SECTORS ? SECTORS - first : count;
			size_t at = first * SECTOR, bytes = some * SECTOR;

			r = xts_encrypt(xts, first * 8, 8, SECTOR, plain + at, buf, bytes);
			worker->ok = worker->ok && memcmp(buf, cipher + at, bytes) == 0;
			if (r >= 0)
				r = xts_decrypt(xts, first * 8, 8, SECTOR, buf, buf, bytes);
			worker->ok = worker->ok && memcmp(buf, plain + at, bytes) == 0;
		}
	}
	worker->ok = worker->ok && r >= 0;
	free(buf);
	return NULL;
}

static const unsigned int crowds[] = {4, THREADS_MAX};

START_TEST(many_threads_at_once_make_what_one_makes)
{
	struct worker workers[THREADS_MAX];

	for (unsigned int i = 0; i < crowds[_i]; i++) {
		workers[i] = (struct worker){.number = i};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < crowds[_i]; i++) {
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
		ck_assert_msg(workers[i].ok, "thread %u", i);
	}
}
END_TEST

/*
 * All contexts in use at one moment, which 40 threads on two processors do not
 * bring about by themselves: a signal holds each thread in the middle of a call
 * of one large data unit, in which it spends nearly all of its time.
 */
#ifndef __SANITIZE_THREAD__
enum { HELD = 16, LARGE = 1 << 20 };

static int gate[2], arrivals[2];
static atomic_bool over;

static void wait_at_the_gate(int number)
{
	int saved = errno;
	char c = (char)number;

	if (write(arrivals[1], &c, 1) == 1)
		(void)!read(gate[0], &c, 1); /* until the other end is closed */
	errno = saved;
}

static void *encrypt_without_end(void *arg)
{
	struct worker *worker = arg;
	uint8_t *buf = calloc(1, LARGE);

	worker->ok = buf != NULL;
	while (worker->ok && !atomic_load(&over))
		worker->ok = xts_encrypt(xts, 0, 1, LARGE, buf, buf, LARGE) == 0;
	free(buf);
	return NULL;
}

static void *encrypt_one_sector(void *arg)
{
	struct worker *worker = arg;
	uint8_t out[SECTOR];

	worker->ok = xts_encrypt(xts, 8, 8, SECTOR, plain + SECTOR, out, SECTOR) == 0 &&
		     memcmp(out, cipher + SECTOR, SECTOR) == 0;
	return NULL;
}

START_TEST(a_thread_that_finds_no_context_waits_for_one)
{
	struct sigaction action = {.sa_handler = wait_at_the_gate, .sa_flags = SA_RESTART};
	struct worker workers[HELD + 1] = {{.ok = false}};

	ck_assert_int_eq(pipe(gate), 0);
	ck_assert_int_eq(pipe(arrivals), 0);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (unsigned int i = 0; i < HELD; i++)
		ck_assert_int_eq(
			pthread_create(&workers[i].thread, NULL, encrypt_without_end, &workers[i]),
			0);
	usleep(20000);
	for (unsigned int i = 0; i < HELD; i++) {
		char c;

		ck_assert_int_eq(pthread_kill(workers[i].thread, SIGUSR1), 0);
		ck_assert_int_eq(read(arrivals[0], &c, 1), 1);
	}
	ck_assert_int_eq(
		pthread_create(&workers[HELD].thread, NULL, encrypt_one_sector, &workers[HELD]), 0);
	usleep(20000);
	atomic_store(&over, true);
	close(gate[1]);
	for (unsigned int i = 0; i <= HELD; i++) {
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
		ck_assert_msg(workers[i].ok, "thread %u", i);
	}
	close(gate[0]);
	close(arrivals[0]);
	close(arrivals[1]);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("xts");
	TCase *tcase = tcase_create("xts");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, sectors_are_what_ieee_1619_and_an_independent_aes_make_of_them);
	tcase_add_test(tcase, the_table_of_vectors_is_what_its_generator_prints);
	tcase_add_test(tcase, any_run_of_sectors_equals_its_part_of_the_whole);
	tcase_add_test(tcase, in_place_equals_from_one_buffer_to_another);
	tcase_add_test(tcase, sectors_of_512_and_of_4096_are_different_ciphertexts);
	tcase_add_test(tcase, a_changed_bit_spoils_its_block_and_no_other);
	tcase_add_test(tcase, nothing_to_do_is_done);
	tcase_add_test(tcase, a_key_of_equal_halves_is_refused);
	tcase_add_test(tcase, a_data_unit_of_16_mib_is_the_largest);
	tcase_add_test_raise_signal(tcase, a_larger_data_unit_aborts, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_data_unit_of_less_than_a_block_aborts, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_data_unit_of_part_blocks_aborts, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_buffer_of_part_units_aborts, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_key_of_another_size_aborts, SIGABRT);
	tcase_add_loop_test(tcase, many_threads_at_once_make_what_one_makes, 0, ARRAY_SIZE(crowds));
#ifndef __SANITIZE_THREAD__    /* it delivers signals late: inside the lock */
	if (!is_small_scale()) /* valgrind runs one thread at a time */
		tcase_add_test(tcase, a_thread_that_finds_no_context_waits_for_one);
#endif
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
