/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 from libsodium: its verification refuses small-order keys and
 * non-canonical signatures, and minisign, which others verify with, uses it too.
 */
#include "crypto/signature.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

int signature_public(const struct secret *seed, uint8_t ret_public[static SIGNATURE_PUBLIC_BYTES])
{
	_cleanup_secret_ struct secret *full = NULL;
	int r;

	assert(secret_size(seed) == SIGNATURE_SEED_BYTES);
	r = secret_new(crypto_sign_SECRETKEYBYTES, &full);
	if (r < 0)
		return r;
	return crypto_sign_seed_keypair(ret_public, secret_bytes(full), secret_peek(seed)) == 0
		       ? 0
		       : -EIO;
}

int signature_sign(const struct secret *seed, const void *message, size_t bytes,
	uint8_t ret_signature[static SIGNATURE_BYTES])
{
	_cleanup_secret_ struct secret *full = NULL;
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES];
	int r;

	assert(secret_size(seed) == SIGNATURE_SEED_BYTES);
	r = secret_new(crypto_sign_SECRETKEYBYTES, &full);
	if (r < 0)
		return r;
	if (crypto_sign_seed_keypair(public_key, secret_bytes(full), secret_peek(seed)) != 0 ||
		crypto_sign_detached(ret_signature, NULL, message, bytes, secret_peek(full)) != 0)
		return -EIO;
	return 0;
}

int signature_verify(const uint8_t public_key[static SIGNATURE_PUBLIC_BYTES], const void *message,
	size_t bytes, const uint8_t signature[static SIGNATURE_BYTES])
{
	return crypto_sign_verify_detached(signature, message, bytes, public_key) == 0 ? 0
										       : -EBADMSG;
}

int signature_key_new(struct secret **ret_seed, uint8_t ret_public[static SIGNATURE_PUBLIC_BYTES])
{
	static const char trial[] = "pairwise consistency test";
	_cleanup_secret_ struct secret *seed = NULL;
	uint8_t public_key[SIGNATURE_PUBLIC_BYTES], signature[SIGNATURE_BYTES];
	int r;

	r = secret_new_random(SIGNATURE_SEED_BYTES, &seed);
	if (r >= 0)
		r = signature_public(seed, public_key);
	if (r >= 0)
		r = signature_sign(seed, trial, sizeof(trial), signature);
	if (r >= 0)
		r = signature_verify(public_key, trial, sizeof(trial), signature);
	if (r < 0)
		return r;
	memcpy(ret_public, public_key, sizeof(public_key));
	*ret_seed = seed;
	seed = NULL;
	return 0;
}
