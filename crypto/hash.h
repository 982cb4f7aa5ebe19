/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - SHA-256 (FIPS 180-4), HMAC-SHA-256 (FIPS 198-1) and HKDF-SHA-256 (RFC 5869)
 *
 * Errors: -ENOMEM; -EIO if OpenSSL fails; others where they are named.
 * Threads: any, but one caller at a time for each struct hash.
 */
#ifndef SPOOLGUARD_CRYPTO_HASH_H
#define SPOOLGUARD_CRYPTO_HASH_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define SHA256_BYTES 32

must_check int hash_sha256(const void *data, size_t bytes, uint8_t ret_digest[static SHA256_BYTES]);

/* Many pieces.  After hash_finish only hash_free may follow. */
struct hash;
must_check int hash_new(struct hash **ret_hash);
must_check int hash_update(struct hash *hash, const void *data, size_t bytes);
must_check int hash_finish(struct hash *hash, uint8_t ret_digest[static SHA256_BYTES]);
void hash_free(struct hash *hash);
DEFINE_CLEANUP(struct hash *, hash_free)

/* -EINVAL for a key of more than INT_MAX bytes. */
must_check int hash_hmac_sha256(const struct secret *key, const void *data, size_t bytes,
	uint8_t ret_mac[static SHA256_BYTES]);

/*
 * info names the use ("spoolguard map v1"); salt may be NULL with 0 bytes.
 * -EINVAL for an empty key, or more than HKDF_BYTES_MAX bytes asked for.
 */
#define HKDF_BYTES_MAX (255u * SHA256_BYTES)
must_check int hash_hkdf_sha256(const struct secret *key, const void *salt, size_t salt_bytes,
	const char *info, size_t out_bytes, struct secret **ret_key);

#endif
