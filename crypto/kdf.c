/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kdf.h"
#include "crypto/profile.h"
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <sodium.h>

#define PBKDF2_ITERATIONS_MIN 1000u /* SP 800-132 5.2 */
#define ARGON2_PASSES_MIN     1u
#define ARGON2_MEMORY_KIB_MIN 8u /* RFC 9106 3.1: 8 KiB for each lane */

_Static_assert(ARGON2_PASSES_MIN >= crypto_pwhash_argon2id_OPSLIMIT_MIN &&
		       ARGON2_MEMORY_KIB_MIN * 1024 >= crypto_pwhash_argon2id_MEMLIMIT_MIN &&
		       KDF_ARGON2_BYTES_MIN >= crypto_pwhash_argon2id_BYTES_MIN &&
		       KDF_ARGON2_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES,
	"what is accepted here is what libsodium accepts");

int kdf_argon2id(const struct secret *passphrase, const uint8_t salt[static KDF_ARGON2_SALT_BYTES],
	struct kdf_cost cost, size_t out_bytes, struct secret **ret_key)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	if (!profile_allows_argon2id())
		return -EPERM;
	if (out_bytes < KDF_ARGON2_BYTES_MIN || out_bytes > UINT32_MAX ||
		secret_size(passphrase) > UINT32_MAX || cost.iterations < ARGON2_PASSES_MIN ||
		cost.memory_kib < ARGON2_MEMORY_KIB_MIN)
		return -EINVAL;
	r = secret_new(out_bytes, &key);
	if (r < 0)
		return r;
	if (crypto_pwhash(secret_bytes(key), out_bytes, (const char *)secret_peek(passphrase),
		    secret_size(passphrase), salt, cost.iterations, (size_t)cost.memory_kib * 1024,
		    crypto_pwhash_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	*ret_key = key;
	key = NULL;
	return 0;
}

int kdf_pbkdf2(const struct secret *passphrase, const void *salt, size_t salt_bytes,
	struct kdf_cost cost, size_t out_bytes, struct secret **ret_key)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	if (cost.iterations < PBKDF2_ITERATIONS_MIN || cost.iterations > INT_MAX ||
		salt_bytes > INT_MAX || out_bytes > INT_MAX || secret_size(passphrase) > INT_MAX)
		return -EINVAL;
	if (profile_current() == PROFILE_HCD_CPP &&
		(salt_bytes < KDF_PBKDF2_SALT_APPROVED || out_bytes < KDF_PBKDF2_BYTES_APPROVED))
		return -EPERM;
	r = secret_new(out_bytes, &key);
	if (r < 0)
		return r;
	if (PKCS5_PBKDF2_HMAC((const char *)secret_peek(passphrase), (int)secret_size(passphrase),
		    salt, (int)salt_bytes, (int)cost.iterations, EVP_sha256(), (int)out_bytes,
		    secret_bytes(key)) != 1)
		return -EIO;
	*ret_key = key;
	key = NULL;
	return 0;
}
