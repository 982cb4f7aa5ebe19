/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_aead.c - AES-256-GCM: what does not authenticate is not opened
 *
 * Goal: every change of nonce, associated data, ciphertext or tag is -EBADMSG
 * and leaves no plaintext; one context serves many messages, whatever came
 * before.  Method: one message, every bit of it turned over.  The published
 * vectors are in test_cavp.c and in the self-test.
 */
#include "crypto/aead.h"
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 100, ASSOCIATED = 20 };

static struct secret *key;
static struct aead *aead;
static uint8_t nonce[AEAD_NONCE_BYTES], associated[ASSOCIATED], tag[AEAD_TAG_BYTES];
static uint8_t plain[BYTES], sealed[BYTES], out[BYTES];

static void setup(void)
{
	ck_assert_int_eq(secret_new_random(AEAD_KEY_BYTES, &key), 0);
	ck_assert_int_eq(aead_new(key, &aead), 0);
	memset(nonce, 3, sizeof(nonce));
	memset(associated, 4, sizeof(associated));
	memset(plain, 5, sizeof(plain));
	ck_assert_int_eq(
		aead_seal(aead, nonce, associated, ASSOCIATED, plain, BYTES, sealed, tag), 0);
}

static void teardown(void)
{
	aead_free(aead);
	secret_free(key);
}

static int open_it(void)
{
	memset(out, 0xee, sizeof(out));
	return aead_open(aead, nonce, associated, ASSOCIATED, sealed, BYTES, out, tag);
}

static void assert_opens(void)
{
	ck_assert_int_eq(open_it(), 0);
	ck_assert_mem_eq(out, plain, BYTES);
}

static void assert_refused(void)
{
	static const uint8_t zeros[BYTES];

	ck_assert_int_eq(open_it(), -EBADMSG);
	ck_assert_mem_eq(out, zeros, BYTES);
}

START_TEST(every_changed_bit_of_a_message_is_refused_and_leaves_zeros)
{
	struct {
		uint8_t *at;
		size_t bytes;
	} parts[] = {{nonce, sizeof(nonce)}, {associated, sizeof(associated)},
		{sealed, sizeof(sealed)}, {tag, sizeof(tag)}};

	for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
		for (size_t bit = 0; bit < 8 * parts[part].bytes; bit++) {
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_refused();
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_opens(); /* a refusal does not spoil the context */
	}
}
END_TEST

START_TEST(a_shorter_message_or_less_associated_data_is_refused)
{
	ck_assert_int_eq(
		aead_open(aead, nonce, associated, ASSOCIATED, sealed, BYTES - 1, out, tag),
		-EBADMSG);
	ck_assert_int_eq(
		aead_open(aead, nonce, associated, ASSOCIATED - 1, sealed, BYTES, out, tag),
		-EBADMSG);
	ck_assert_int_eq(aead_open(aead, nonce, NULL, 0, sealed, BYTES, out, tag), -EBADMSG);
	assert_opens();
}
END_TEST

START_TEST(another_key_does_not_open_it)
{
	_cleanup_secret_ struct secret *other_key = NULL;
	_cleanup_(aead_freep) struct aead *other = NULL;

	ck_assert_int_eq(secret_new_random(AEAD_KEY_BYTES, &other_key), 0);
	ck_assert_int_eq(aead_new(other_key, &other), 0);
	ck_assert_int_eq(
		aead_open(other, nonce, associated, ASSOCIATED, sealed, BYTES, out, tag), -EBADMSG);
}
END_TEST

START_TEST(a_reused_context_seals_as_a_new_one_does)
{
	for (unsigned int i = 0; i < 20; i++) {
		_cleanup_(aead_freep) struct aead *fresh = NULL;
		uint8_t by_fresh[BYTES], fresh_tag[AEAD_TAG_BYTES];
		size_t bytes = i * 5, associated_bytes = i; /* lengths of before leave no trace */

		nonce[0] = (uint8_t)i;
		ck_assert_int_eq(aead_new(key, &fresh), 0);
		ck_assert_int_eq(aead_seal(fresh, nonce, associated, associated_bytes, plain, bytes,
					 by_fresh, fresh_tag),
			0);
		ck_assert_int_eq(aead_seal(aead, nonce, associated, associated_bytes, plain, bytes,
					 sealed, tag),
			0);
		ck_assert(bytes == 0 || memcmp(sealed, by_fresh, bytes) == 0);
		ck_assert_mem_eq(tag, fresh_tag, sizeof(tag));
	}
}
END_TEST

START_TEST(in_place_and_empty_messages_work)
{
	memcpy(out, plain, BYTES);
	ck_assert_int_eq(aead_seal(aead, nonce, associated, ASSOCIATED, out, BYTES, out, tag), 0);
	ck_assert_mem_eq(out, sealed, BYTES);
	ck_assert_int_eq(aead_open(aead, nonce, associated, ASSOCIATED, out, BYTES, out, tag), 0);
	ck_assert_mem_eq(out, plain, BYTES);

	ck_assert_int_eq(aead_seal(aead, nonce, NULL, 0, NULL, 0, NULL, tag), 0);
	ck_assert_int_eq(aead_open(aead, nonce, NULL, 0, NULL, 0, NULL, tag), 0);
	tag[15] ^= 1;
	ck_assert_int_eq(aead_open(aead, nonce, NULL, 0, NULL, 0, NULL, tag), -EBADMSG);
}
END_TEST

START_TEST(more_bytes_than_openssl_can_count_are_refused)
{
	const size_t many = (size_t)INT_MAX + 1;

	ck_assert_int_eq(
		aead_seal(aead, nonce, associated, ASSOCIATED, plain, many, out, tag), -EINVAL);
	ck_assert_int_eq(aead_seal(aead, nonce, associated, many, plain, BYTES, out, tag), -EINVAL);
	ck_assert_int_eq(
		aead_open(aead, nonce, associated, ASSOCIATED, sealed, many, out, tag), -EINVAL);
	ck_assert_int_eq(
		aead_open(aead, nonce, associated, many, sealed, BYTES, out, tag), -EINVAL);
}
END_TEST

START_TEST(a_key_of_another_size_aborts)
{
	_cleanup_secret_ struct secret *small = NULL;
	struct aead *made;

	ck_assert_int_eq(secret_new_random(16, &small), 0);
	(void)!aead_new(small, &made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aead");
	TCase *tcase = tcase_create("aead");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_changed_bit_of_a_message_is_refused_and_leaves_zeros);
	tcase_add_test(tcase, a_shorter_message_or_less_associated_data_is_refused);
	tcase_add_test(tcase, another_key_does_not_open_it);
	tcase_add_test(tcase, a_reused_context_seals_as_a_new_one_does);
	tcase_add_test(tcase, in_place_and_empty_messages_work);
	tcase_add_test(tcase, more_bytes_than_openssl_can_count_are_refused);
	tcase_add_test_raise_signal(tcase, a_key_of_another_size_aborts, SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
