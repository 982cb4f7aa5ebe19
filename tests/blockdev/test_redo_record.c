/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_redo_record.c - a redo record's bytes
 *
 * Goal: a record is what docs/ONDISK.md says, reads back as it was, and no flipped bit, other
 * key or other volume passes for one.
 *
 * Method: records are read by a second reader written from the documentation, headers are
 * made by a second writer, and every bit of a header is turned over in turn.
 */
#include "base/bytes.h"
#include "blockdev/redo_record.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES = 3, DISCARDS = 2, BLOCKS = 1 + 1 + WRITES };

static struct layout layout;
static struct secret *key;
static uint8_t contents[WRITES][BLOCK_BYTES];
static uint8_t blocks[BLOCKS * BLOCK_BYTES];
static struct redo_header header;

static void setup(void)
{
	struct redo_write writes[WRITES];
	struct redo_record record = {.sequence = 77, .writes = writes, .write_count = WRITES};

	ck_assert_int_eq(layout_plan(0, LAYOUT_BLOCKS_PER_PAGE, 4096, 8192, &layout), 0);
	memset(layout.volume_id, 0xa5, sizeof(layout.volume_id));
	ck_assert_int_eq(secret_new_random(64, &key), 0);
	for (size_t i = 0; i < WRITES; i++) {
		memset(contents[i], (int)('a' + i), BLOCK_BYTES);
		writes[i] = (struct redo_write){1000 * i + 5, contents[i]};
	}
	memset(record.anchor, 0x33, sizeof(record.anchor));
	ck_assert_int_eq(extent_list_add(&record.discards, (struct extent){7, 3}), 0);
	ck_assert_int_eq(extent_list_add(&record.discards, (struct extent){70, 30}), 0);
	ck_assert_uint_eq(1 + redo_body_blocks(WRITES, DISCARDS), BLOCKS);
	ck_assert_int_eq(redo_record_encode(&record, &layout, key, blocks), 0);
	extent_list_done(&record.discards);
}

static void teardown(void)
{
	secret_free(key);
	key = NULL;
}

static int decode_header(void)
{
	return redo_header_decode(blocks, &layout, key, &header);
}

START_TEST(a_record_reads_back_as_it_was)
{
	struct redo_record record;

	ck_assert_int_eq(decode_header(), 0);
	ck_assert_uint_eq(header.sequence, 77);
	ck_assert_uint_eq(header.body_blocks, BLOCKS - 1);
	ck_assert_int_eq(redo_record_decode(blocks, &header, &layout, key, &record), 0);
	ck_assert_uint_eq(record.write_count, WRITES);
	for (size_t i = 0; i < WRITES; i++) {
		ck_assert_uint_eq(record.writes[i].block, 1000 * i + 5);
		ck_assert_mem_eq(record.writes[i].content, contents[i], BLOCK_BYTES);
	}
	ck_assert_uint_eq(record.discards.count, DISCARDS);
	ck_assert_uint_eq(record.discards.items[1].first, 70);
	ck_assert_uint_eq(record.discards.items[1].count, 30);
	ck_assert(bytes_are(record.anchor, sizeof(record.anchor), 0x33));
	redo_record_done(&record);
}
END_TEST

/* --- by the documentation --- */

static struct aead *documented_key(void)
{
	struct secret *record_key;
	struct aead *aead;

	ck_assert_int_eq(
		hash_hkdf_sha256(key, blocks + 64, 32, "spoolguard redo v1", 32, &record_key), 0);
	ck_assert_int_eq(aead_new(record_key, &aead), 0);
	secret_free(record_key);
	return aead;
}

static size_t documented_associated(size_t end, uint8_t *out)
{
	memcpy(out, blocks, end);
	memcpy(out + end, layout.volume_id, 16);
	return end + 16;
}

START_TEST(the_body_is_what_the_documentation_says)
{
	static uint8_t body[(BLOCKS - 1) * BLOCK_BYTES];
	uint8_t nonce[12] = {0}, associated[128];
	struct aead *aead = documented_key();
	size_t bytes = documented_associated(96, associated);

	ck_assert_mem_eq(blocks, "SPGDRED1", 8);
	ck_assert_uint_eq(bytes_get_le32(blocks + 8), 1);
	ck_assert_uint_eq(bytes_get_le64(blocks + 16), 77);
	ck_assert_uint_eq(bytes_get_le64(blocks + 24), WRITES);
	ck_assert_uint_eq(bytes_get_le64(blocks + 32), DISCARDS);
	ck_assert_uint_eq(bytes_get_le64(blocks + 40), BLOCKS - 1);
	ck_assert(bytes_are(blocks + 128, BLOCK_BYTES - 128, 0));
	ck_assert_int_eq(aead_open(aead, nonce, associated, bytes, blocks + BLOCK_BYTES,
				 sizeof(body), body, blocks + 96),
		0);
	aead_free(aead);
	ck_assert(bytes_are(body, 256, 0x33));
	ck_assert_uint_eq(bytes_get_le64(body + 256 + 16), 2005);
	ck_assert_uint_eq(bytes_get_le64(body + 256 + 24), 7);
	ck_assert_uint_eq(bytes_get_le64(body + 256 + 32), 3);
	ck_assert(bytes_are(body + 256 + 24 + 32, BLOCK_BYTES - 256 - 24 - 32, 0));
	ck_assert_mem_eq(body + BLOCK_BYTES, contents, sizeof(contents));
}
END_TEST

/* A header as another program would seal it. */
static void seal_header(void)
{
	uint8_t nonce[12] = {1}, associated[128], nothing = 0;
	struct aead *aead = documented_key();
	size_t bytes = documented_associated(112, associated);

	ck_assert_int_eq(
		aead_seal(aead, nonce, associated, bytes, &nothing, 0, &nothing, blocks + 112), 0);
	aead_free(aead);
}

START_TEST(a_newer_version_is_told_from_damage)
{
	bytes_put_le32(blocks + 8, 2);
	ck_assert_int_eq(decode_header(), -EBADMSG);
	seal_header();
	ck_assert_int_eq(decode_header(), -EPROTONOSUPPORT);
}
END_TEST

START_TEST(numbers_that_do_not_fit_are_damage_even_if_sealed)
{
	static const struct {
		size_t at;
		uint64_t value;
	} wrong[] = {{24, WRITES + 1}, {24, UINT64_MAX}, {24, 1u << 20}, {32, 1000},
		{32, UINT64_MAX}, {40, 0}, {40, BLOCKS}, {40, UINT64_MAX}, {40, 1u << 20}};

	bytes_put_le64(blocks + wrong[_i].at, wrong[_i].value);
	seal_header();
	ck_assert_int_eq(decode_header(), -EBADMSG);
}
END_TEST

/* --- damage --- */

START_TEST(no_flipped_bit_of_the_header_passes)
{
	for (size_t bit = 0; bit < 128 * 8; bit++) {
		int r;

		blocks[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r = decode_header();
		ck_assert_int_eq(r, bit < 64 ? -ENODATA : -EBADMSG);
		blocks[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(decode_header(), 0);
}
END_TEST

START_TEST(no_flipped_bit_of_the_body_passes)
{
	static uint8_t copy[sizeof(blocks)];
	struct redo_record record;

	ck_assert_int_eq(decode_header(), 0);
	for (size_t bit = BLOCK_BYTES * 8; bit < sizeof(blocks) * 8; bit += 997) {
		memcpy(copy, blocks, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(
			redo_record_decode(copy, &header, &layout, key, &record), -EBADMSG);
	}
}
END_TEST

START_TEST(another_key_or_volume_does_not_pass)
{
	struct secret *other;

	layout.volume_id[3] ^= 1;
	ck_assert_int_eq(decode_header(), -EBADMSG);
	layout.volume_id[3] ^= 1;
	ck_assert_int_eq(secret_new_random(64, &other), 0);
	ck_assert_int_eq(redo_header_decode(blocks, &layout, other, &header), -EBADMSG);
	secret_free(other);
}
END_TEST

START_TEST(an_area_without_a_record_says_so)
{
	static const uint8_t patterns[] = {0x00, 0x35, 0x97, 0xff};

	for (size_t i = 0; i < sizeof(patterns); i++) {
		memset(blocks, patterns[i], BLOCK_BYTES);
		ck_assert_int_eq(decode_header(), -ENODATA);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redo_record");
	TCase *tcase = tcase_create("bytes");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_record_reads_back_as_it_was);
	tcase_add_test(tcase, the_body_is_what_the_documentation_says);
	tcase_add_test(tcase, a_newer_version_is_told_from_damage);
	tcase_add_loop_test(tcase, numbers_that_do_not_fit_are_damage_even_if_sealed, 0, 9);
	tcase_add_test(tcase, no_flipped_bit_of_the_header_passes);
	tcase_add_test(tcase, no_flipped_bit_of_the_body_passes);
	tcase_add_test(tcase, another_key_or_volume_does_not_pass);
	tcase_add_test(tcase, an_area_without_a_record_says_so);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
