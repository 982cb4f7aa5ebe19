/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test computes an answer, through the functions that the product calls, and
 * the one place that compares also holds the injection.  Inputs and answers are
 * hexadecimal, as in the publications they come from.
 */
#include "crypto/selftest.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/profile.h"
#include "crypto/random.h"
#include "crypto/signature.h"
#include "crypto/stream.h"
#include "crypto/xts.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#define ANSWER_BYTES_MAX 128
#define INPUT_BYTES_MAX	 4096

struct answer {
	uint8_t at[ANSWER_BYTES_MAX];
	size_t bytes;
};

/* Hexadecimal of the vectors below: written here, so it is well-formed. */
static size_t unhex(const char *text, void *ret_at, size_t most)
{
	size_t bytes = 0;
	int r = sodium_hex2bin(ret_at, most, text, strlen(text), NULL, &bytes, NULL);

	assert(r == 0);
	return bytes;
}

static int key_from(const char *text, struct secret **ret_key)
{
	uint8_t bytes[XTS_KEY_BYTES];

	return secret_new_copy(bytes, unhex(text, bytes, sizeof(bytes)), ret_key);
}

/* --- AES-256-XTS --- */

#define IEEE_KEY                                                                                   \
	"2718281828459045235360287471352662497757247093699959574966967627"                         \
	"3141592653589793238462643383279502884197169399375105820974944592"
#define OUR_KEY                                                                                    \
	"0708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526"                         \
	"2728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40414243444546"

/* A pattern as make_xts_vectors.py makes it goes through one data unit; SHA-256 of what comes out.
 */
static int run_xts(bool encrypt, const char *key_text, uint64_t tweak, size_t unit_bytes,
	unsigned int salt, struct answer *ret)
{
	_cleanup_secret_ struct secret *key = NULL;
	_cleanup_(xts_freep) struct xts *xts = NULL;
	uint8_t data[INPUT_BYTES_MAX];
	int r;

	for (size_t i = 0; i < unit_bytes; i++)
		data[i] = (uint8_t)(i + salt * (i >> 8));
	r = key_from(key_text, &key);
	if (r >= 0)
		r = xts_new(key, &xts);
	if (r >= 0)
		r = (encrypt ? xts_encrypt : xts_decrypt)(
			xts, tweak, 1, unit_bytes, data, data, unit_bytes);
	if (r >= 0)
		r = hash_sha256(data, unit_bytes, ret->at);
	ret->bytes = SHA256_BYTES;
	return r;
}

static int xts_encrypt_512(struct answer *ret)
{
	return run_xts(true, IEEE_KEY, 0xff, 512, 0, ret);
}

static int xts_decrypt_512(struct answer *ret)
{
	return run_xts(false, IEEE_KEY, 0xff, 512, 0, ret);
}

static int xts_encrypt_4096(struct answer *ret)
{
	return run_xts(true, OUR_KEY, 0, 4096, 31, ret);
}

static int xts_decrypt_4096(struct answer *ret)
{
	return run_xts(false, OUR_KEY, 0, 4096, 31, ret);
}

static int xts_refuse(struct answer *ret)
{
	_cleanup_secret_ struct secret *key = NULL;
	_cleanup_(xts_freep) struct xts *xts = NULL;
	int r;

	r = secret_new(XTS_KEY_BYTES, &key); /* zeros: equal halves */
	if (r < 0)
		return r;
	ret->at[0] = xts_new(key, &xts) == -EINVAL;
	ret->bytes = 1;
	return 0;
}

/* --- AES-256-GCM: test case 16 of the specification --- */

#define GCM_KEY	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define GCM_NONCE "cafebabefacedbaddecaf888"
#define GCM_AAD	  "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_PLAIN                                                                                  \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"                         \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_SEALED                                                                                 \
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"                         \
	"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
#define GCM_TAG "76fc6ece0f4e1768cddf8853bb2d551b"

static int run_gcm(bool seal, const char *input, uint8_t damage, struct answer *ret)
{
	_cleanup_secret_ struct secret *key = NULL;
	_cleanup_(aead_freep) struct aead *aead = NULL;
	uint8_t nonce[AEAD_NONCE_BYTES], associated[20], tag[AEAD_TAG_BYTES];
	int r;

	(void)unhex(GCM_NONCE, nonce, sizeof(nonce));
	(void)unhex(GCM_AAD, associated, sizeof(associated));
	(void)unhex(GCM_TAG, tag, sizeof(tag));
	tag[0] ^= damage;
	ret->bytes = unhex(input, ret->at, sizeof(ret->at));
	r = key_from(GCM_KEY, &key);
	if (r >= 0)
		r = aead_new(key, &aead);
	if (r < 0)
		return r;
	if (!seal)
		return aead_open(aead, nonce, associated, sizeof(associated), ret->at, ret->bytes,
			ret->at, tag);
	r = aead_seal(aead, nonce, associated, sizeof(associated), ret->at, ret->bytes, ret->at,
		ret->at + ret->bytes);
	ret->bytes += AEAD_TAG_BYTES;
	return r;
}

static int gcm_seal(struct answer *ret)
{
	return run_gcm(true, GCM_PLAIN, 0, ret);
}

static int gcm_open(struct answer *ret)
{
	return run_gcm(false, GCM_SEALED, 0, ret);
}

static int gcm_refuse(struct answer *ret)
{
	int r = run_gcm(false, GCM_SEALED, 1, ret);

	ret->at[0] = r == -EBADMSG;
	ret->bytes = 1;
	return r < 0 && r != -EBADMSG ? r : 0;
}

/* --- Hashes and keys derived --- */

static int sha256(struct answer *ret)
{
	ret->bytes = SHA256_BYTES;
	return hash_sha256("abc", 3, ret->at);
}

static int hmac(struct answer *ret)
{
	static const char message[] = "what do ya want for nothing?";
	_cleanup_secret_ struct secret *key = NULL;
	int r = secret_new_copy("Jefe", 4, &key);

	ret->bytes = SHA256_BYTES;
	return r < 0 ? r : hash_hmac_sha256(key, message, strlen(message), ret->at);
}

static int take(const struct secret *key, struct answer *ret)
{
	memcpy(ret->at, secret_peek(key), secret_size(key));
	ret->bytes = secret_size(key);
	return 0;
}

static int hkdf(struct answer *ret)
{
	_cleanup_secret_ struct secret *key = NULL, *derived = NULL;
	uint8_t salt[13];
	int r;

	(void)unhex("000102030405060708090a0b0c", salt, sizeof(salt));
	r = key_from("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", &key);
	if (r >= 0)
		r = hash_hkdf_sha256(key, salt, sizeof(salt),
			"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9", 42, &derived);
	return r < 0 ? r : take(derived, ret);
}

static int pbkdf2(struct answer *ret)
{
	static const char salt[] = "saltSALTsaltSALTsaltSALTsaltSALTsalt";
	_cleanup_secret_ struct secret *passphrase = NULL, *derived = NULL;
	int r;

	r = secret_new_copy("passwordPASSWORDpassword", 24, &passphrase);
	if (r >= 0)
		r = kdf_pbkdf2(passphrase, salt, strlen(salt),
			(struct kdf_cost){.iterations = 4096}, 40, &derived);
	return r < 0 ? r : take(derived, ret);
}

static int argon2id(struct answer *ret)
{
	_cleanup_secret_ struct secret *passphrase = NULL, *derived = NULL;
	uint8_t salt[KDF_ARGON2_SALT_BYTES];
	int r;

	(void)unhex("000102030405060708090a0b0c0d0e0f", salt, sizeof(salt));
	r = secret_new_copy("correct horse", 13, &passphrase);
	if (r >= 0)
		r = kdf_argon2id(passphrase, salt,
			(struct kdf_cost){.iterations = 2, .memory_kib = 256}, 32, &derived);
	return r < 0 ? r : take(derived, ret);
}

/* --- Ed25519: RFC 8032 7.1 TEST 3 --- */

#define ED_SEED	  "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
#define ED_PUBLIC "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
#define ED_SIGNATURE                                                                               \
	"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"                         \
	"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"

static const uint8_t ed_message[] = {0xaf, 0x82};

static int ed25519_sign(struct answer *ret)
{
	_cleanup_secret_ struct secret *seed = NULL;
	int r = key_from(ED_SEED, &seed);

	if (r >= 0)
		r = signature_public(seed, ret->at);
	if (r >= 0)
		r = signature_sign(
			seed, ed_message, sizeof(ed_message), ret->at + SIGNATURE_PUBLIC_BYTES);
	ret->bytes = SIGNATURE_PUBLIC_BYTES + SIGNATURE_BYTES;
	return r;
}

static int verify(uint8_t damage)
{
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES], signature[SIGNATURE_BYTES];

	(void)unhex(ED_PUBLIC, public_key, sizeof(public_key));
	(void)unhex(ED_SIGNATURE, signature, sizeof(signature));
	signature[0] ^= damage;
	return signature_verify(public_key, ed_message, sizeof(ed_message), signature);
}

static int ed25519_verify(struct answer *ret)
{
	ret->at[0] = verify(0) == 0;
	ret->bytes = 1;
	return 0;
}

static int ed25519_refuse(struct answer *ret)
{
	ret->at[0] = verify(1) == -EBADMSG;
	ret->bytes = 1;
	return 0;
}

/* --- Random --- */

static int run_stream(const char *seed_text, uint64_t offset, size_t bytes, uint8_t *out)
{
	_cleanup_secret_ struct secret *seed = NULL;
	_cleanup_(stream_freep) struct stream *stream = NULL;
	int r = key_from(seed_text, &seed);

	if (r >= 0)
		r = stream_new(seed, &stream);
	return r < 0 ? r : stream_generate(stream, offset, out, bytes);
}

static int stream_first(struct answer *ret)
{
	ret->bytes = 16;
	return run_stream("8000000000000000000000000000000000000000000000000000000000000000", 0,
		ret->bytes, ret->at);
}

static int stream_far(struct answer *ret)
{
	uint8_t out[1000];
	int r = run_stream("0708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526",
		9223372036854775813u, sizeof(out), out);

	ret->bytes = SHA256_BYTES;
	return r < 0 ? r : hash_sha256(out, sizeof(out), ret->at);
}

/* SP 800-90B 4.4's repetition count, cut down to one draw of 256 bits after another. */
static int generator(struct answer *ret)
{
	uint8_t draws[2][32];
	int r = random_bytes(draws, sizeof(draws));

	ret->at[0] = !secret_is_equal(draws[0], draws[1], sizeof(draws[0]));
	ret->bytes = 1;
	secret_wipe(draws, sizeof(draws));
	return r;
}

#define YES "01"

static const struct test {
	const char *name;
	int (*run)(struct answer *ret);
	const char *expected;
	const char *detail;
} tests[] = {
	{"aes-256-xts encrypt 512", xts_encrypt_512,
		"e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364",
		"SHA-256 of the ciphertext; IEEE 1619-2007 vector 10"},
	{"aes-256-xts decrypt 512", xts_decrypt_512,
		"ca3606816acd8baebb2ec449addece25868d7628ad122756ce42641af59caa25",
		"SHA-256 of the plaintext; make_xts_vectors.py, key and tweak of IEEE 1619-2007 "
		"vector 10"},
	{"aes-256-xts encrypt 4096", xts_encrypt_4096,
		"c96ec98c6846b77388e0cd21e923faf00d7e23be620862bce075edee4246045b",
		"SHA-256 of the ciphertext; make_xts_vectors.py"},
	{"aes-256-xts decrypt 4096", xts_decrypt_4096,
		"d338ba50751c17314dc6cc88db10a8c2b3a9a62d58bf882edf1d4e82c641d2bd",
		"SHA-256 of the plaintext; make_xts_vectors.py"},
	{"aes-256-xts refuse", xts_refuse, YES, "a key of equal halves; SP 800-38E, FIPS 140-3 IG"},
	{"aes-256-gcm seal", gcm_seal, GCM_SEALED GCM_TAG,
		"ciphertext and tag; the GCM specification, test case 16"},
	{"aes-256-gcm open", gcm_open, GCM_PLAIN, "plaintext; the GCM specification, test case 16"},
	{"aes-256-gcm refuse", gcm_refuse, YES,
		"a changed tag; the GCM specification, test case 16"},
	{"sha-256", sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"digest of \"abc\"; FIPS 180-4 example"},
	{"hmac-sha-256", hmac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"RFC 4231 test case 2"},
	{"hkdf-sha-256", hkdf,
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
		"34007208d5b887185865",
		"RFC 5869 test case 1"},
	{"pbkdf2-hmac-sha-256", pbkdf2,
		"348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1"
		"c635518c7dac47e9",
		"RFC 6070's fifth input, with SHA-256"},
	{"argon2id", argon2id, "c11a4774080bb0957f9a6612fe2e3ad2fcf34fb26d939a4b822698b4cb427478",
		"2 passes, 256 KiB, one lane; the reference implementation of RFC 9106"},
	{"ed25519 sign", ed25519_sign, ED_PUBLIC ED_SIGNATURE,
		"public key and signature; RFC 8032 7.1 TEST 3"},
	{"ed25519 verify", ed25519_verify, YES, "RFC 8032 7.1 TEST 3"},
	{"ed25519 refuse", ed25519_refuse, YES, "a changed signature; RFC 8032 7.1 TEST 3"},
	{"aes-256-ctr stream", stream_first, "e35a6dcb19b201a01ebcfa8aa22b5759",
		"the first block; NIST CAVP ECBVarKey256 count 0"},
	{"aes-256-ctr stream far", stream_far,
		"dd4b86267076041154396734aa767cb61348f8fc59a82e40ba356f19ac4daad6",
		"SHA-256 of 1000 bytes at offset 2^63 + 5; make_xts_vectors.py"},
	{"random generator", generator, YES, "two draws of 256 bits differ"},
};

_Static_assert(ARRAY_SIZE(tests) <= SELFTEST_MAX, "the results of all tests fit");

static const struct test *injected;

static bool is_right(const struct test *test)
{
	struct answer answer = {.bytes = 0};
	uint8_t expected[ANSWER_BYTES_MAX];
	size_t bytes = unhex(test->expected, expected, sizeof(expected));

	if (test->run(&answer) < 0)
		return false;
	if (test == injected)
		answer.at[0] ^= 1;
	return answer.bytes == bytes && secret_is_equal(answer.at, expected, bytes);
}

static bool is_used(const struct test *test)
{
	return test->run != argon2id || profile_allows_argon2id();
}

static const struct test *test_at(size_t index)
{
	for (const struct test *test = tests; test < tests + ARRAY_SIZE(tests); test++) {
		if (is_used(test) && index-- == 0)
			return test;
	}
	return NULL;
}

const char *selftest_name(size_t index)
{
	const struct test *test = test_at(index);

	return test ? test->name : NULL;
}

int selftest_run_at(size_t index, struct selftest_result *ret_result)
{
	const struct test *test = test_at(index);

	if (!test)
		return -ENOENT;
	*ret_result = (struct selftest_result){test->name, is_right(test), test->detail};
	return 0;
}

int selftest_run(struct selftest_result results[static SELFTEST_MAX], size_t *ret_count)
{
	size_t count = 0;
	int r = 0;

	while (count < SELFTEST_MAX && selftest_run_at(count, &results[count]) >= 0) {
		if (!results[count++].ok)
			r = -EBADMSG;
	}
	*ret_count = count;
	return r;
}

int selftest_inject(const char *name)
{
	if (!name) {
		injected = NULL;
		return 0;
	}
	for (const struct test *test = tests; test < tests + ARRAY_SIZE(tests); test++) {
		if (strcmp(test->name, name) == 0) {
			injected = test;
			return 0;
		}
	}
	return -EINVAL;
}
