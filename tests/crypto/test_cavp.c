/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cavp.c - the algorithms against published vectors
 *
 * Goal: what is encrypted, hashed, derived and signed here is what the
 * standards say.  Method: NIST's CAVP files, RFC 4231 and 5869, and the
 * Ed25519 authors' 1,024 signatures, as Debian's python3-cryptography-vectors
 * holds them.  Each test counts what it ran, so that a file read wrongly does
 * not pass for a file of right answers.  Without the package: skipped (77).
 */
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/signature.h"
#include "crypto/stream.h"
#include "crypto/xts.h"
#include "tests/support/vectors.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77 };

/* Under tools that make everything slower the longest files are read in part. */
static bool is_small_scale(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

static struct vectors *open_vectors(const char *file, const char *first)
{
	char path[512];
	struct vectors *vectors;

	snprintf(path, sizeof(path), VECTORS_PACKAGE "%s", file);
	vectors = vectors_open(path, first);
	ck_assert_msg(vectors != NULL, "%s is missing", path);
	return vectors;
}

static struct secret *secret_of(struct hex hex)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new_copy(hex.at, hex.bytes, &secret), 0);
	return secret;
}

static bool same(struct hex expected, const void *got)
{
	return memcmp(expected.at, got, expected.bytes) == 0;
}

/*
 * Tweaks as data unit numbers, which is how a disk counts.  Units that are not
 * whole AES blocks (140 and 250 bits) have no place on a disk (X2): left out.
 */
START_TEST(xts_agrees_with_cavp_both_ways)
{
	_cleanup_(vectors_closep) struct vectors *v =
		open_vectors("ciphers/AES/XTS/tweak-dataunitseqno/XTSGenAES256.rsp", "COUNT");
	unsigned int encrypted = 0, decrypted = 0, partial = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *key = secret_of(vectors_hex(v, "Key"));
		_cleanup_(xts_freep) struct xts *xts = NULL;
		struct hex plain = vectors_hex(v, "PT"), cipher = vectors_hex(v, "CT");
		uint64_t tweak = vectors_number(v, "DataUnitSeqNumber");
		uint8_t out[64];

		if (vectors_number(v, "DataUnitLen") % 128 != 0) {
			partial++;
			continue;
		}
		ck_assert_int_eq(xts_new(key, &xts), 0);
		if (strcmp(vectors_section(v), "ENCRYPT") == 0) {
			ck_assert_int_eq(
				xts_encrypt(xts, tweak, 1, plain.bytes, plain.at, out, plain.bytes),
				0);
			ck_assert_msg(same(cipher, out), "ENCRYPT %s", vectors_text(v, "COUNT"));
			encrypted++;
		} else {
			ck_assert_int_eq(xts_decrypt(xts, tweak, 1, cipher.bytes, cipher.at, out,
						 cipher.bytes),
				0);
			ck_assert_msg(same(plain, out), "DECRYPT %s", vectors_text(v, "COUNT"));
			decrypted++;
		}
	}
	ck_assert_uint_eq(encrypted, 300);
	ck_assert_uint_eq(decrypted, 300);
	ck_assert_uint_eq(partial, 400);
}
END_TEST

/* Of the shapes in the files: 96-bit nonces and 128-bit tags, the only ones used here. */
static bool is_our_shape(const struct vectors *v)
{
	return vectors_number(v, "IVlen") == 8 * AEAD_NONCE_BYTES &&
	       vectors_number(v, "Taglen") == 8 * AEAD_TAG_BYTES;
}

START_TEST(gcm_seals_as_cavp_says)
{
	_cleanup_(vectors_closep) struct vectors *v =
		open_vectors("ciphers/AES/GCM/gcmEncryptExtIV256.rsp", "Count");
	unsigned int sealed = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *key = NULL;
		_cleanup_(aead_freep) struct aead *aead = NULL;
		struct hex plain = vectors_hex(v, "PT"), aad = vectors_hex(v, "AAD");
		uint8_t out[128], tag[AEAD_TAG_BYTES];

		if (!is_our_shape(v))
			continue;
		key = secret_of(vectors_hex(v, "Key"));
		ck_assert_int_eq(aead_new(key, &aead), 0);
		ck_assert_int_eq(aead_seal(aead, vectors_hex(v, "IV").at, aad.at, aad.bytes,
					 plain.at, plain.bytes, out, tag),
			0);
		ck_assert(same(vectors_hex(v, "CT"), out));
		ck_assert(same(vectors_hex(v, "Tag"), tag));
		sealed++;
	}
	ck_assert_uint_eq(sealed, 375);
}
END_TEST

START_TEST(gcm_opens_and_refuses_as_cavp_says)
{
	_cleanup_(vectors_closep) struct vectors *v =
		open_vectors("ciphers/AES/GCM/gcmDecrypt256.rsp", "Count");
	unsigned int opened = 0, refused = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *key = NULL;
		_cleanup_(aead_freep) struct aead *aead = NULL;
		struct hex cipher = vectors_hex(v, "CT"), aad = vectors_hex(v, "AAD");
		uint8_t out[128];
		int r;

		if (!is_our_shape(v))
			continue;
		key = secret_of(vectors_hex(v, "Key"));
		ck_assert_int_eq(aead_new(key, &aead), 0);
		r = aead_open(aead, vectors_hex(v, "IV").at, aad.at, aad.bytes, cipher.at,
			cipher.bytes, out, vectors_hex(v, "Tag").at);
		if (vectors_has(v, "FAIL")) {
			ck_assert_int_eq(r, -EBADMSG);
			refused++;
		} else {
			ck_assert_int_eq(r, 0);
			ck_assert(same(vectors_hex(v, "PT"), out));
			opened++;
		}
	}
	ck_assert_uint_eq(opened + refused, 375);
	ck_assert_uint_gt(refused, 100);
	ck_assert_uint_gt(opened, 100);
}
END_TEST

static const char *const sha_files[] = {
	"hashes/SHA2/SHA256ShortMsg.rsp", "hashes/SHA2/SHA256LongMsg.rsp"};

START_TEST(sha256_agrees_with_cavp_whole_and_in_pieces)
{
	_cleanup_(vectors_closep) struct vectors *v = open_vectors(sha_files[_i], "Len");
	unsigned int messages = 0;

	while (vectors_next(v)) {
		_cleanup_(hash_freep) struct hash *hash = NULL;
		struct hex message = vectors_hex(v, "Msg"), expected = vectors_hex(v, "MD");
		size_t bytes = vectors_number(v, "Len") / 8;
		uint8_t digest[SHA256_BYTES];

		ck_assert_int_eq(hash_sha256(message.at, bytes, digest), 0);
		ck_assert(same(expected, digest));

		ck_assert_int_eq(hash_new(&hash), 0);
		for (size_t at = 0, piece = 1; at < bytes; at += piece, piece = piece % 67 + 1) {
			if (piece > bytes - at)
				piece = bytes - at;
			ck_assert_int_eq(hash_update(hash, message.at + at, piece), 0);
		}
		ck_assert_int_eq(hash_finish(hash, digest), 0);
		ck_assert(same(expected, digest));
		messages++;
	}
	ck_assert_uint_ge(messages, 64);
}
END_TEST

/* SHAVS 6.4: each of 100 checkpoints is 1000 digests of the last three. */
START_TEST(sha256_holds_the_monte_carlo_chain)
{
	_cleanup_(vectors_closep) struct vectors *v =
		open_vectors("hashes/SHA2/SHA256Monte.rsp", "COUNT");
	static const uint8_t seed[SHA256_BYTES] = {0x6d, 0x1e, 0x72, 0xad, 0x03, 0xdd, 0xeb, 0x5d,
		0xe8, 0x91, 0xe5, 0x72, 0xe2, 0x39, 0x6f, 0x8d, 0xa0, 0x15, 0xd8, 0x99, 0xef, 0x0e,
		0x79, 0x50, 0x31, 0x52, 0xd6, 0x01, 0x0a, 0x3f, 0xe6, 0x91};
	uint8_t last[4][SHA256_BYTES];
	const unsigned int most = is_small_scale() ? 5 : 100;
	unsigned int checkpoints = 0;

	memcpy(last[3], seed, sizeof(seed));
	while (checkpoints < most && vectors_next(v)) {
		for (unsigned int i = 0; i < 3; i++)
			memcpy(last[i], last[3], SHA256_BYTES);
		for (unsigned int i = 0; i < 1000; i++) {
			ck_assert_int_eq(hash_sha256(last, sizeof(last[0]) * 3, last[3]), 0);
			memmove(last[0], last[1], sizeof(last[0]) * 3);
		}
		ck_assert(same(vectors_hex(v, "MD"), last[3]));
		checkpoints++;
	}
	ck_assert_uint_eq(checkpoints, most);
}
END_TEST

START_TEST(hmac_agrees_with_rfc_4231)
{
	_cleanup_(vectors_closep) struct vectors *v =
		open_vectors("HMAC/rfc-4231-sha256.txt", "Len");
	unsigned int macs = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *key = secret_of(vectors_hex(v, "Key"));
		struct hex message = vectors_hex(v, "Msg");
		uint8_t mac[SHA256_BYTES];

		ck_assert_int_eq(hash_hmac_sha256(key, message.at, message.bytes, mac), 0);
		ck_assert(same(vectors_hex(v, "MD"), mac));
		macs++;
	}
	ck_assert_uint_eq(macs, 6);
}
END_TEST

static const struct {
	const char *file;
	unsigned int count;
} hkdf_files[] = {{"KDF/rfc-5869-HKDF-SHA256.txt", 3}, {"KDF/hkdf-generated.txt", 1}};

START_TEST(hkdf_agrees_with_rfc_5869)
{
	_cleanup_(vectors_closep) struct vectors *v = open_vectors(hkdf_files[_i].file, "COUNT");
	unsigned int keys = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *key = secret_of(vectors_hex(v, "IKM"));
		_cleanup_secret_ struct secret *out = NULL;
		struct hex salt = vectors_hex(v, "salt"), info = vectors_hex(v, "info");
		char text[128];

		/* The product's "info" is text; none of these vectors has a zero byte in it. */
		memcpy(text, info.at, info.bytes);
		text[info.bytes] = '\0';
		ck_assert_uint_eq(strlen(text), info.bytes);
		ck_assert_int_eq(hash_hkdf_sha256(key, salt.bytes ? salt.at : NULL, salt.bytes,
					 text, vectors_number(v, "L"), &out),
			0);
		ck_assert_uint_eq(secret_size(out), vectors_hex(v, "OKM").bytes);
		ck_assert(same(vectors_hex(v, "OKM"), secret_peek(out)));
		keys++;
	}
	ck_assert_uint_eq(keys, hkdf_files[_i].count);
}
END_TEST

/* One line each: seed and public key, public key, message, signature and message, all with ':'. */
START_TEST(ed25519_agrees_with_its_authors_signatures)
{
	FILE *file = fopen(VECTORS_PACKAGE "asymmetric/Ed25519/sign.input", "re");
	char *line = NULL;
	size_t capacity = 0;
	const unsigned int most = is_small_scale() ? 32 : 1024;
	unsigned int signatures = 0;

	ck_assert_ptr_nonnull(file);
	while (signatures < most && getline(&line, &capacity, file) > 0) {
		_cleanup_secret_ struct secret *seed = NULL;
		uint8_t keys[64], message[1100] = {0}, expected[64], signature[64], public_key[32];
		char *parts[4] = {NULL}, *rest = line;
		size_t bytes;

		for (unsigned int i = 0; i < 4; i++)
			parts[i] = strsep(&rest, ":");
		bytes = strlen(parts[2]) / 2;
		ck_assert_uint_le(bytes, sizeof(message));
		for (size_t i = 0; i < 64; i++) {
			ck_assert_int_eq(sscanf(parts[0] + 2 * i, "%2hhx", &keys[i]), 1);
			ck_assert_int_eq(sscanf(parts[3] + 2 * i, "%2hhx", &expected[i]), 1);
		}
		for (size_t i = 0; i < bytes; i++)
			ck_assert_int_eq(sscanf(parts[2] + 2 * i, "%2hhx", &message[i]), 1);

		seed = secret_of((struct hex){keys, SIGNATURE_SEED_BYTES});
		ck_assert_int_eq(signature_public(seed, public_key), 0);
		ck_assert_mem_eq(public_key, keys + 32, 32);
		ck_assert_int_eq(signature_sign(seed, message, bytes, signature), 0);
		ck_assert_mem_eq(signature, expected, 64);
		ck_assert_int_eq(signature_verify(public_key, message, bytes, expected), 0);
		expected[signatures % 64] ^= (uint8_t)(1u << signatures % 8);
		ck_assert_int_eq(signature_verify(public_key, message, bytes, expected), -EBADMSG);
		signatures++;
	}
	free(line);
	fclose(file);
	ck_assert_uint_eq(signatures, most);
}
END_TEST

/* A stream's first block is AES of zeros under the seed, which these files give for 272 keys. */
static const char *const ecb_files[] = {
	"ciphers/AES/ECB/ECBKeySbox256.rsp", "ciphers/AES/ECB/ECBVarKey256.rsp"};

START_TEST(a_stream_begins_with_the_block_that_cavp_gives_for_its_seed)
{
	_cleanup_(vectors_closep) struct vectors *v = open_vectors(ecb_files[_i], "COUNT");
	unsigned int seeds = 0;

	while (vectors_next(v)) {
		_cleanup_secret_ struct secret *seed = secret_of(vectors_hex(v, "KEY"));
		_cleanup_(stream_freep) struct stream *stream = NULL;
		uint8_t block[16];

		ck_assert_int_eq(stream_new(seed, &stream), 0);
		ck_assert_int_eq(stream_generate(stream, 0, block, sizeof(block)), 0);
		ck_assert(same(vectors_hex(v, "CIPHERTEXT"), block));
		seeds++;
	}
	ck_assert_uint_ge(seeds, 32);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("published vectors");
	TCase *tcase = tcase_create("vectors");
	SRunner *runner;
	int failed;

	if (access(VECTORS_PACKAGE, R_OK) < 0) {
		printf("skipped: the vectors of Debian's package python3-cryptography-vectors are "
		       "not installed\n");
		return SKIPPED;
	}
	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_test(tcase, xts_agrees_with_cavp_both_ways);
	tcase_add_test(tcase, gcm_seals_as_cavp_says);
	tcase_add_test(tcase, gcm_opens_and_refuses_as_cavp_says);
	tcase_add_loop_test(
		tcase, sha256_agrees_with_cavp_whole_and_in_pieces, 0, ARRAY_SIZE(sha_files));
	tcase_add_test(tcase, sha256_holds_the_monte_carlo_chain);
	tcase_add_test(tcase, hmac_agrees_with_rfc_4231);
	tcase_add_loop_test(tcase, hkdf_agrees_with_rfc_5869, 0, ARRAY_SIZE(hkdf_files));
	tcase_add_test(tcase, ed25519_agrees_with_its_authors_signatures);
	tcase_add_loop_test(tcase, a_stream_begins_with_the_block_that_cavp_gives_for_its_seed, 0,
		ARRAY_SIZE(ecb_files));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
