/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kdf.c - keys from keys and from passphrases, and what is refused
 *
 * Goal: PBKDF2-HMAC-SHA-256 is that of RFC 7914 section 11, Argon2id that of
 * RFC 9106, HKDF that of RFC 5869 (its vectors are in test_cavp.c), and each
 * error is the one that the header names.  Method: for Argon2id the reference
 * implementation (libargon2, which libcryptsetup uses) first has to give RFC
 * 9106's answer, then libsodium has to agree with it where libsodium can: one
 * lane, no secret, no associated data.
 *
 * Not under qemu-user: a limit of memory would be the emulator's
 */
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/profile.h"
#include "tests/support/mapping.h"
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct secret *passphrase;
static const uint8_t salt[KDF_ARGON2_SALT_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static struct secret *secret_of(const char *text)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new_copy(text, strlen(text), &secret), 0);
	return secret;
}

static void setup(void)
{
	passphrase = secret_of("correct horse battery staple");
}

static void teardown(void)
{
	secret_free(passphrase);
	ck_assert_int_eq(profile_set(PROFILE_STANDARD, NULL), 0);
}

/* --- PBKDF2 --- */

/* RFC 7914 section 11; its first vector has one iteration, which is refused here. */
START_TEST(pbkdf2_agrees_with_rfc_7914)
{
	static const uint8_t expected[] = {0x4d, 0xdc, 0xd8, 0xf6, 0x0b, 0x98, 0xbe, 0x21, 0x83,
		0x0c, 0xee, 0x5e, 0xf2, 0x27, 0x01, 0xf9, 0x64, 0x1a, 0x44, 0x18, 0xd0, 0x4c, 0x04,
		0x14, 0xae, 0xff, 0x08, 0x87, 0x6b, 0x34, 0xab, 0x56, 0xa1, 0xd4, 0x25, 0xa1, 0x22,
		0x58, 0x33, 0x54, 0x9a, 0xdb, 0x84, 0x1b, 0x51, 0xc9, 0xb3, 0x17, 0x6a, 0x27, 0x2b,
		0xde, 0xbb, 0xa1, 0xd0, 0x78, 0x47, 0x8f, 0x62, 0xb3, 0x97, 0xf3, 0x3c, 0x8d};
	_cleanup_secret_ struct secret *password = secret_of("Password"), *key = NULL;

	ck_assert_int_eq(
		kdf_pbkdf2(password, "NaCl", 4, (struct kdf_cost){.iterations = 80000}, 64, &key),
		0);
	ck_assert_uint_eq(secret_size(key), 64);
	ck_assert_mem_eq(secret_peek(key), expected, 64);
}
END_TEST

START_TEST(pbkdf2_refuses_what_is_too_cheap_or_too_large)
{
	static const struct {
		size_t salt_bytes, out_bytes;
		uint32_t iterations;
	} bad[] = {{16, 32, 0}, {16, 32, 999}, {16, 32, (uint32_t)INT_MAX + 1},
		{(size_t)INT_MAX + 1, 32, 1000}, {16, (size_t)INT_MAX + 1, 1000}};
	struct secret *key = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(kdf_pbkdf2(passphrase, salt, bad[i].salt_bytes,
					 (struct kdf_cost){.iterations = bad[i].iterations},
					 bad[i].out_bytes, &key),
			-EINVAL);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(
		kdf_pbkdf2(passphrase, salt, 16, (struct kdf_cost){.iterations = 1000}, 32, &key),
		0);
	secret_free(key);
}
END_TEST

START_TEST(the_hcd_cpp_profile_refuses_short_salts_and_keys)
{
	const struct kdf_cost cost = {.iterations = 1000};
	struct secret *key = NULL;

	ck_assert_int_eq(kdf_pbkdf2(passphrase, salt, 15, cost, 13, &key), 0);
	secret_free(key);
	key = NULL;
	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(kdf_pbkdf2(passphrase, salt, 15, cost, 32, &key), -EPERM);
	ck_assert_int_eq(kdf_pbkdf2(passphrase, salt, 16, cost, 13, &key), -EPERM);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(kdf_pbkdf2(passphrase, salt, 16, cost, 14, &key), 0);
	secret_free(key);
}
END_TEST

/* --- Argon2id --- */

/* argon2.h of the reference implementation, version 0x13 (its soname is 1). */
struct argon2_context {
	uint8_t *out;
	uint32_t out_bytes;
	uint8_t *password;
	uint32_t password_bytes;
	uint8_t *salt;
	uint32_t salt_bytes;
	uint8_t *secret;
	uint32_t secret_bytes;
	uint8_t *associated;
	uint32_t associated_bytes;
	uint32_t passes, memory_kib, lanes, threads, version;
	int (*allocate)(uint8_t **memory, size_t bytes);
	void (*deallocate)(uint8_t *memory, size_t bytes);
	uint32_t flags;
};
typedef int (*argon2_with_context)(struct argon2_context *context);
typedef int (*argon2_raw)(uint32_t passes, uint32_t memory_kib, uint32_t lanes,
	const void *password, size_t password_bytes, const void *salt, size_t salt_bytes, void *out,
	size_t out_bytes);

/* ISO C has no cast from an object pointer to a function pointer. */
static bool find_symbol(void *library, const char *name, void *ret_function)
{
	void *symbol = dlsym(library, name);

	memcpy(ret_function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

/* RFC 9106 5.3 */
static void assert_reference_is_that_of_rfc_9106(argon2_with_context run)
{
	static const uint8_t expected[32] = {0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08,
		0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6,
		0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59};
	uint8_t out[32], password[32], its_salt[16], secret[8], associated[12];
	struct argon2_context context = {
		.out = out,
		.out_bytes = sizeof(out),
		.password = memset(password, 1, sizeof(password)),
		.password_bytes = sizeof(password),
		.salt = memset(its_salt, 2, sizeof(its_salt)),
		.salt_bytes = sizeof(its_salt),
		.secret = memset(secret, 3, sizeof(secret)),
		.secret_bytes = sizeof(secret),
		.associated = memset(associated, 4, sizeof(associated)),
		.associated_bytes = sizeof(associated),
		.passes = 3,
		.memory_kib = 32,
		.lanes = 4,
		.threads = 4,
		.version = 0x13,
	};

	ck_assert_int_eq(run(&context), 0);
	ck_assert_mem_eq(out, expected, sizeof(out));
}

START_TEST(argon2id_agrees_with_rfc_9106_through_the_reference)
{
	static const struct kdf_cost costs[] = {{1, 8}, {2, 8}, {3, 32}, {1, 100}, {4, 1024}};
	void *library = dlopen("libargon2.so.1", RTLD_NOW);
	argon2_with_context with_context;
	argon2_raw raw;

	if (!library) {
		printf("libargon2 is not installed: Argon2id is compared with nothing but the "
		       "self-test's vector\n");
		return;
	}
	ck_assert(find_symbol(library, "argon2id_ctx", &with_context));
	ck_assert(find_symbol(library, "argon2id_hash_raw", &raw));
	assert_reference_is_that_of_rfc_9106(with_context);

	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		for (size_t bytes = 16; bytes <= 128; bytes += 37) {
			_cleanup_secret_ struct secret *key = NULL;
			uint8_t expected[128];

			ck_assert_int_eq(raw(costs[i].iterations, costs[i].memory_kib, 1,
						 secret_peek(passphrase), secret_size(passphrase),
						 salt, sizeof(salt), expected, bytes),
				0);
			ck_assert_int_eq(kdf_argon2id(passphrase, salt, costs[i], bytes, &key), 0);
			ck_assert_uint_eq(secret_size(key), bytes);
			ck_assert_mem_eq(secret_peek(key), expected, bytes);
		}
	}
	dlclose(library);
}
END_TEST

START_TEST(argon2id_refuses_what_is_too_cheap_or_too_short)
{
	static const struct {
		struct kdf_cost cost;
		size_t out_bytes;
	} bad[] = {{{0, 64}, 32}, {{1, 0}, 32}, {{1, 7}, 32}, {{1, 8}, 15}, {{1, 8}, SIZE_MAX}};
	struct secret *key = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(
			kdf_argon2id(passphrase, salt, bad[i].cost, bad[i].out_bytes, &key),
			-EINVAL);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(argon2id_without_the_memory_says_so)
{
	const struct rlimit small = {256u << 20, 256u << 20};
	struct secret *key = NULL;

	if (!LOCKS_ARE_REAL) /* a sanitizer needs its terabytes of shadow */
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &small), 0);
	ck_assert_int_eq(
		kdf_argon2id(passphrase, salt, (struct kdf_cost){1, 1u << 20}, 32, &key), -ENOMEM);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(the_hcd_cpp_profile_has_no_argon2id)
{
	struct secret *key = NULL;

	ck_assert_int_eq(profile_set(PROFILE_HCD_CPP, NULL), 0);
	ck_assert_int_eq(kdf_argon2id(passphrase, salt, (struct kdf_cost){1, 8}, 32, &key), -EPERM);
	ck_assert_ptr_null(key);
}
END_TEST

/* --- HKDF and the hashes --- */

START_TEST(hkdf_gives_other_keys_for_other_uses_and_salts)
{
	_cleanup_secret_ struct secret *a = NULL, *b = NULL, *c = NULL, *again = NULL;

	ck_assert_int_eq(hash_hkdf_sha256(passphrase, salt, 16, "map", 32, &a), 0);
	ck_assert_int_eq(hash_hkdf_sha256(passphrase, salt, 16, "mac", 32, &b), 0);
	ck_assert_int_eq(hash_hkdf_sha256(passphrase, salt, 11, "map", 32, &c), 0);
	ck_assert_int_eq(hash_hkdf_sha256(passphrase, salt, 16, "map", 32, &again), 0);
	ck_assert(!secret_is_equal(secret_peek(a), secret_peek(b), 32));
	ck_assert(!secret_is_equal(secret_peek(a), secret_peek(c), 32));
	ck_assert(secret_is_equal(secret_peek(a), secret_peek(again), 32));
}
END_TEST

START_TEST(hkdf_refuses_an_empty_key_and_more_than_it_can_make)
{
	_cleanup_secret_ struct secret *empty = NULL;
	struct secret *key = NULL;

	ck_assert_int_eq(secret_new(1, &empty), 0);
	secret_truncate(empty, 0);
	ck_assert_int_eq(hash_hkdf_sha256(empty, salt, 16, "map", 32, &key), -EINVAL);
	ck_assert_int_eq(
		hash_hkdf_sha256(passphrase, salt, 16, "map", HKDF_BYTES_MAX + 1, &key), -EINVAL);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(hash_hkdf_sha256(passphrase, NULL, 0, "map", HKDF_BYTES_MAX, &key), 0);
	ck_assert_uint_eq(secret_size(key), HKDF_BYTES_MAX);
	secret_free(key);
}
END_TEST

START_TEST(an_empty_message_has_its_digest_and_its_mac)
{
	static const uint8_t expected[4] = {0xe3, 0xb0, 0xc4, 0x42}; /* FIPS 180-4: e3b0c442... */
	_cleanup_(hash_freep) struct hash *hash = NULL;
	uint8_t digest[SHA256_BYTES], mac[SHA256_BYTES], other[SHA256_BYTES];

	ck_assert_int_eq(hash_sha256("", 0, digest), 0);
	ck_assert_mem_eq(digest, expected, sizeof(expected));
	ck_assert_int_eq(hash_new(&hash), 0);
	ck_assert_int_eq(hash_finish(hash, other), 0);
	ck_assert_mem_eq(digest, other, sizeof(digest));
	ck_assert_int_eq(hash_hmac_sha256(passphrase, "", 0, mac), 0);
	ck_assert_int_eq(hash_hmac_sha256(passphrase, "x", 1, other), 0);
	ck_assert_mem_ne(mac, other, sizeof(mac));
}
END_TEST

START_TEST(a_finished_hash_takes_no_more)
{
	struct hash *hash;
	uint8_t digest[SHA256_BYTES];

	ck_assert_int_eq(hash_new(&hash), 0);
	ck_assert_int_eq(hash_finish(hash, digest), 0);
	(void)!hash_update(hash, "x", 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kdf");
	TCase *tcase = tcase_create("kdf");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, pbkdf2_agrees_with_rfc_7914);
	tcase_add_test(tcase, pbkdf2_refuses_what_is_too_cheap_or_too_large);
	tcase_add_test(tcase, the_hcd_cpp_profile_refuses_short_salts_and_keys);
	tcase_add_test(tcase, argon2id_agrees_with_rfc_9106_through_the_reference);
	tcase_add_test(tcase, argon2id_refuses_what_is_too_cheap_or_too_short);
	tcase_add_test(tcase, argon2id_without_the_memory_says_so);
	tcase_add_test(tcase, the_hcd_cpp_profile_has_no_argon2id);
	tcase_add_test(tcase, hkdf_gives_other_keys_for_other_uses_and_salts);
	tcase_add_test(tcase, hkdf_refuses_an_empty_key_and_more_than_it_can_make);
	tcase_add_test(tcase, an_empty_message_has_its_digest_and_its_mac);
	tcase_add_test_raise_signal(tcase, a_finished_hash_takes_no_more, SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
