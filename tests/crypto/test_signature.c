/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_signature.c - Ed25519: what was not signed does not verify
 *
 * Goal: every change of message, signature or key is -EBADMSG, and so are the
 * signatures and keys that a lax verifier lets pass.  Method: one signature,
 * every bit of it turned over.  RFC 8032's vectors are in the self-test, 1,024
 * more in test_cavp.c.
 */
#include "crypto/signature.h"
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct secret *seed;
static uint8_t public_key[SIGNATURE_PUBLIC_BYTES], signature[SIGNATURE_BYTES];
static uint8_t message[50] = "a receipt";

static void setup(void)
{
	ck_assert_int_eq(signature_key_new(&seed, public_key), 0);
	ck_assert_int_eq(signature_sign(seed, message, sizeof(message), signature), 0);
}

static void teardown(void)
{
	secret_free(seed);
}

static int verify(void)
{
	return signature_verify(public_key, message, sizeof(message), signature);
}

START_TEST(a_new_key_signs_and_its_public_key_verifies)
{
	uint8_t again[SIGNATURE_PUBLIC_BYTES];

	ck_assert_uint_eq(secret_size(seed), SIGNATURE_SEED_BYTES);
	ck_assert_int_eq(verify(), 0);
	ck_assert_int_eq(signature_public(seed, again), 0);
	ck_assert_mem_eq(again, public_key, sizeof(again));
}
END_TEST

START_TEST(every_changed_bit_is_refused)
{
	struct {
		uint8_t *at;
		size_t bytes;
	} parts[] = {{public_key, sizeof(public_key)}, {message, sizeof(message)},
		{signature, sizeof(signature)}};

	for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
		for (size_t bit = 0; bit < 8 * parts[part].bytes; bit++) {
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			ck_assert_int_eq(verify(), -EBADMSG);
			parts[part].at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	ck_assert_int_eq(verify(), 0);
	ck_assert_int_eq(
		signature_verify(public_key, message, sizeof(message) - 1, signature), -EBADMSG);
}
END_TEST

START_TEST(another_key_signs_differently_and_does_not_verify)
{
	_cleanup_secret_ struct secret *other = NULL;
	uint8_t other_public[SIGNATURE_PUBLIC_BYTES], other_signature[SIGNATURE_BYTES];

	ck_assert_int_eq(signature_key_new(&other, other_public), 0);
	ck_assert_mem_ne(other_public, public_key, sizeof(public_key));
	ck_assert_int_eq(signature_sign(other, message, sizeof(message), other_signature), 0);
	ck_assert_int_eq(
		signature_verify(public_key, message, sizeof(message), other_signature), -EBADMSG);
}
END_TEST

/* S + L verifies too where S is not checked to be below the group's order (RFC 8032 5.1.7). */
START_TEST(a_signature_made_over_by_adding_the_order_is_refused)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
		0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0x10};
	unsigned int carry = 0;

	for (size_t i = 0; i < sizeof(order); i++) {
		carry += (unsigned int)signature[32 + i] + order[i];
		signature[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	ck_assert_uint_eq(carry, 0);
	ck_assert_int_eq(verify(), -EBADMSG);
}
END_TEST

/* Under the neutral element, S = 0 and R = neutral "sign" every message. */
START_TEST(a_public_key_of_small_order_is_refused)
{
	memset(public_key, 0, sizeof(public_key));
	public_key[0] = 1;
	memset(signature, 0, sizeof(signature));
	signature[0] = 1;
	ck_assert_int_eq(verify(), -EBADMSG);
}
END_TEST

START_TEST(an_empty_message_is_signed)
{
	ck_assert_int_eq(signature_sign(seed, NULL, 0, signature), 0);
	ck_assert_int_eq(signature_verify(public_key, NULL, 0, signature), 0);
	ck_assert_int_eq(verify(), -EBADMSG);
}
END_TEST

static struct secret *small_seed(void)
{
	struct secret *small;

	ck_assert_int_eq(secret_new_random(16, &small), 0);
	return small;
}

START_TEST(signing_with_a_seed_of_another_size_aborts)
{
	(void)!signature_sign(small_seed(), message, sizeof(message), signature);
}
END_TEST

START_TEST(the_public_key_of_a_seed_of_another_size_aborts)
{
	(void)!signature_public(small_seed(), public_key);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signature");
	TCase *tcase = tcase_create("signature");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, a_new_key_signs_and_its_public_key_verifies);
	tcase_add_test(tcase, every_changed_bit_is_refused);
	tcase_add_test(tcase, another_key_signs_differently_and_does_not_verify);
	tcase_add_test(tcase, a_signature_made_over_by_adding_the_order_is_refused);
	tcase_add_test(tcase, a_public_key_of_small_order_is_refused);
	tcase_add_test(tcase, an_empty_message_is_signed);
	tcase_add_test_raise_signal(tcase, signing_with_a_seed_of_another_size_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		tcase, the_public_key_of_a_seed_of_another_size_aborts, SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
