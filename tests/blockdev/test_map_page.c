/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map_page.c - one sealed page, and the states that a map page holds
 *
 * Goal: the bytes are those of docs/ONDISK.md; nothing but the very page that was
 * sealed, at its place, in its volume, is ever believed.
 * Method: vectors made with Python (hmac, and AESGCM of the cryptography module);
 * each bit flipped; pages moved, cut, and of other keys.
 */
#include "base/bytes.h"
#include "blockdev/block_state.h"
#include "blockdev/map_page.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * key = bytes(range(64)); salt = bytes(0x40 + i for i in range(32)); id = bytes(0xa0 + i for i in
 * range(16)); okm = hmac(hmac(salt, key), b"spoolguard map v1\\x01"); body[i] = 7 * i & 255;
 * nonce 5, kind 1, page 7, generation 9; AESGCM(okm).encrypt(nonce, body, header + id)
 */
static const uint8_t tag_version_1[] = {0x9b, 0xfa, 0x0b, 0x3e, 0x35, 0x7f, 0x65, 0x08, 0x50, 0x82,
	0xb6, 0x60, 0xcd, 0x16, 0x35, 0xd9};
static const uint8_t tag_version_2[] = {0xd4, 0x82, 0x0a, 0x02, 0xc5, 0xb5, 0x2f, 0x5c, 0x0a, 0xa0,
	0x8f, 0x1b, 0xff, 0xbb, 0xaf, 0xaa};
static const uint8_t first_of_body[] = {0x63, 0x05, 0x07, 0x8e, 0xd5, 0x0c, 0x2a, 0xac, 0x11, 0x70,
	0x3e, 0xfb, 0xa4, 0x06, 0xee, 0x5e};
static const uint8_t digest_of_body[] = {0x68, 0x5a, 0x48, 0x0f, 0x27, 0xa7, 0x52, 0xad, 0xf8, 0xf0,
	0x08, 0xb6, 0x9b, 0x66, 0xf2, 0xd8, 0x9a, 0x82, 0xb7, 0x1b, 0xa8, 0xfe, 0x8b, 0x4a, 0xb7,
	0x8f, 0x88, 0x44, 0x33, 0x62, 0x44, 0x93};

static struct secret *key, *other_key;
static uint8_t volume_id[LAYOUT_UUID_BYTES];
static struct map_sealer *sealer;
static uint8_t body[MAP_PAGE_BODY_BYTES], out[MAP_PAGE_BODY_BYTES], page[BLOCK_BYTES];
static const struct map_page_id id = {MAP_PAGE_STATES, 7};
static uint64_t generation;

static void setup(void)
{
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &key), 0);
	bytes[0] ^= 1;
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &other_key), 0);
	for (size_t i = 0; i < sizeof(volume_id); i++)
		volume_id[i] = (uint8_t)(0xa0 + i);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(7 * i);
	ck_assert_int_eq(map_sealer_new(key, volume_id, &sealer), 0);
	generation = 0;
}

static void teardown(void)
{
	map_sealer_free(sealer);
	secret_free(key);
	secret_free(other_key);
}

static int decode(struct map_page_id as)
{
	return map_page_decode(sealer, as, page, &generation, out);
}

/* The vector: sealed with Python's header, our AEAD under a key derived step by step. */
static void make_vector(uint16_t version, const uint8_t *tag)
{
	_cleanup_secret_ struct secret *derived = NULL;
	_cleanup_(aead_freep) struct aead *aead = NULL;
	uint8_t associated[80 + LAYOUT_UUID_BYTES];
	uint8_t salt[32], digest[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)(0x40 + i);
	memset(page, 0, sizeof(page));
	memcpy(page, "SPGDMAP1", 8);
	bytes_put_le16(page + 8, version);
	bytes_put_le16(page + 10, 1);
	bytes_put_le64(page + 16, 7);
	bytes_put_le64(page + 24, 9);
	memcpy(page + 32, salt, 32);
	bytes_put_le64(page + 64, 5);
	memcpy(associated, page, 80);
	memcpy(associated + 80, volume_id, sizeof(volume_id));
	ck_assert_int_eq(hash_hkdf_sha256(key, salt, 32, "spoolguard map v1", 32, &derived), 0);
	ck_assert_int_eq(aead_new(derived, &aead), 0);
	ck_assert_int_eq(aead_seal(aead, page + 64, associated, sizeof(associated), body,
				 sizeof(body), page + 256, page + 80),
		0);
	ck_assert_mem_eq(page + 80, tag, 16);
	ck_assert_mem_eq(page + 256, first_of_body, sizeof(first_of_body));
	ck_assert_int_eq(hash_sha256(page + 256, sizeof(body), digest), 0);
	ck_assert_mem_eq(digest, digest_of_body, sizeof(digest));
}

START_TEST(the_documented_bytes_are_read)
{
	make_vector(1, tag_version_1);
	ck_assert_int_eq(decode(id), 0);
	ck_assert_uint_eq(generation, 9);
	ck_assert_mem_eq(out, body, sizeof(body));
}
END_TEST

START_TEST(the_documented_bytes_are_written)
{
	static const uint8_t zeros[256];

	ck_assert_int_eq(map_page_encode(sealer, id, 0x1122334455667788, body, page), 0);
	ck_assert_mem_eq(page, "SPGDMAP1", 8);
	ck_assert_uint_eq(bytes_get_le16(page + 8), 1);
	ck_assert_uint_eq(bytes_get_le16(page + 10), 1);
	ck_assert_uint_eq(bytes_get_le32(page + 12), 0);
	ck_assert_uint_eq(bytes_get_le64(page + 16), 7);
	ck_assert_uint_eq(bytes_get_le64(page + 24), 0x1122334455667788);
	ck_assert(!bytes_are_uniform(page + 32, 32));
	ck_assert_uint_eq(bytes_get_le64(page + 64), 0);
	ck_assert_mem_eq(page + 72, zeros, 8);
	ck_assert_mem_eq(page + 96, zeros, 160);
	ck_assert_int_eq(map_page_encode(sealer, id, 1, body, page), 0);
	ck_assert_uint_eq(bytes_get_le64(page + 64), 1); /* the nonce counts */
}
END_TEST

START_TEST(what_is_sealed_opens_and_two_sealings_differ)
{
	uint8_t again[BLOCK_BYTES];

	ck_assert_int_eq(map_page_encode(sealer, id, 3, body, page), 0);
	ck_assert_int_eq(map_page_encode(sealer, id, 3, body, again), 0);
	ck_assert(memcmp(page + 256, again + 256, sizeof(body)) != 0);
	ck_assert_int_eq(decode(id), 0);
	ck_assert_uint_eq(generation, 3);
	ck_assert_mem_eq(out, body, sizeof(body));
}
END_TEST

START_TEST(every_flipped_bit_is_damage)
{
	ck_assert_int_eq(map_page_encode(sealer, id, 3, body, page), 0);
	for (size_t byte = 0; byte < BLOCK_BYTES; byte++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			page[byte] ^= (uint8_t)(1u << bit);
			ck_assert_msg(decode(id) == -EBADMSG, "byte %zu bit %u", byte, bit);
			page[byte] ^= (uint8_t)(1u << bit);
		}
	}
	ck_assert_uint_eq(generation, 0);
	ck_assert_int_eq(decode(id), 0);
}
END_TEST

START_TEST(a_page_is_believed_at_its_place_alone)
{
	struct map_sealer *elsewhere;

	ck_assert_int_eq(map_page_encode(sealer, id, 3, body, page), 0);
	ck_assert_int_eq(decode((struct map_page_id){MAP_PAGE_STATES, 8}), -EBADMSG);
	ck_assert_int_eq(decode((struct map_page_id){MAP_PAGE_VOLUME, 7}), -EBADMSG);
	ck_assert_int_eq(decode((struct map_page_id){MAP_PAGE_STUCK, 7}), -EBADMSG);
	/* another volume of the same key: formatted twice from one backup of the header */
	volume_id[3] ^= 1;
	ck_assert_int_eq(map_sealer_new(key, volume_id, &elsewhere), 0);
	ck_assert_int_eq(map_page_decode(elsewhere, id, page, &generation, out), -EBADMSG);
	map_sealer_free(elsewhere);
	volume_id[3] ^= 1;
	ck_assert_int_eq(map_sealer_new(other_key, volume_id, &elsewhere), 0);
	ck_assert_int_eq(map_page_decode(elsewhere, id, page, &generation, out), -EBADMSG);
	map_sealer_free(elsewhere);
	/* and the header alone is not changed in passing */
	bytes_put_le64(page + 16, 8);
	ck_assert_int_eq(decode((struct map_page_id){MAP_PAGE_STATES, 8}), -EBADMSG);
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
	make_vector(2, tag_version_2);
	ck_assert_int_eq(decode(id), -EPROTONOSUPPORT);
	page[300] ^= 1;
	ck_assert_int_eq(decode(id), -EBADMSG);
	make_vector(1, tag_version_1);
	bytes_put_le16(page + 8, 2); /* only says so */
	ck_assert_int_eq(decode(id), -EBADMSG);
	bytes_put_le16(page + 8, 0);
	ck_assert_int_eq(decode(id), -EBADMSG);
}
END_TEST

START_TEST(blank_and_random_blocks_are_no_pages)
{
	for (unsigned int byte = 0; byte < 256; byte += 51) {
		memset(page, (int)byte, sizeof(page));
		ck_assert_int_eq(decode(id), -EBADMSG);
	}
}
END_TEST

START_TEST(pages_of_many_attaches_are_read)
{
	enum { ATTACHES = 40 }; /* more than derived keys are kept */
	static uint8_t pages[ATTACHES][BLOCK_BYTES];

	for (size_t i = 0; i < ATTACHES; i++) {
		struct map_sealer *earlier;

		ck_assert_int_eq(map_sealer_new(key, volume_id, &earlier), 0);
		ck_assert_int_eq(map_page_encode(earlier, id, i, body, pages[i]), 0);
		map_sealer_free(earlier);
	}
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < ATTACHES; i++) {
			ck_assert_int_eq(
				map_page_decode(sealer, id, pages[i], &generation, out), 0);
			ck_assert_uint_eq(generation, i);
		}
	}
}
END_TEST

/* --- states and their codes --- */

START_TEST(codes_and_states_agree_with_the_table)
{
	static const struct {
		enum block_state state;
		uint8_t code;
	} table[] = {
		{STATE_UNKNOWN, 1},
		{STATE_CLEAN, 2},
		{STATE_CLEARED, 2},
		{STATE_OPENING, 3},
		{STATE_MARKED, 3},
		{STATE_OPEN, 3},
		{STATE_WRITTEN, 3},
		{STATE_FLUSHING, 3},
		{STATE_SUSPECT, 3},
		{STATE_LIVE, 4},
		{STATE_FRESH, 5},
		{STATE_RESIDUE, 5},
		{STATE_ERASING, 5},
		{STATE_UNKNOWN_CLEAN, 6},
	};
	enum block_state state;

	ck_assert_uint_eq(ARRAY_SIZE(table), STATE_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ck_assert_uint_eq(block_state_to_code(table[i].state), table[i].code);
		ck_assert(block_state_from_code(table[i].code, &state));
		/* P2: what comes back is never cleaner than what was recorded */
		if (state == STATE_CLEAN)
			ck_assert(table[i].state == STATE_CLEAN || table[i].state == STATE_CLEARED);
		ck_assert_uint_eq(block_state_to_code(state), table[i].code);
	}
	ck_assert(!block_state_from_code(0, &state));
	for (unsigned int code = 7; code < 256; code++)
		ck_assert(!block_state_from_code((uint8_t)code, &state));
}
END_TEST

START_TEST(no_state_both_holds_data_and_is_owed)
{
	for (unsigned int s = 0; s < STATE_COUNT; s++)
		ck_assert(!(block_state_has_data((enum block_state)s) &&
			    block_state_is_owed((enum block_state)s)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map_page");
	TCase *tcase = tcase_create("pages and states");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_documented_bytes_are_read);
	tcase_add_test(tcase, the_documented_bytes_are_written);
	tcase_add_test(tcase, what_is_sealed_opens_and_two_sealings_differ);
	tcase_add_test(tcase, every_flipped_bit_is_damage);
	tcase_add_test(tcase, a_page_is_believed_at_its_place_alone);
	tcase_add_test(tcase, a_newer_version_is_told_from_damage);
	tcase_add_test(tcase, blank_and_random_blocks_are_no_pages);
	tcase_add_test(tcase, pages_of_many_attaches_are_read);
	tcase_add_test(tcase, codes_and_states_agree_with_the_table);
	tcase_add_test(tcase, no_state_both_holds_data_and_is_owed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
