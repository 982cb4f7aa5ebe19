/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kdf.h - keys from passphrases: Argon2id (RFC 9106) and PBKDF2-HMAC-SHA-256 (SP 800-132)
 *
 * The LUKS2 key slots derive through libcryptsetup; these two are for secrets
 * that spoolguard itself wraps, and for the known-answer tests.
 *
 * Errors: -EINVAL for a cost or a length outside of what is said here, -EPERM
 * where the profile forbids it (profile.h), -ENOMEM, -EIO if OpenSSL fails.
 * Threads: any.
 */
#ifndef SPOOLGUARD_CRYPTO_KDF_H
#define SPOOLGUARD_CRYPTO_KDF_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

struct kdf_cost {
	uint32_t iterations; /* Argon2id: passes, at least 1; PBKDF2: iterations, at least 1000 */
	uint32_t memory_kib; /* Argon2id only: at least 8; one lane */
};

#define KDF_ARGON2_SALT_BYTES	  16
#define KDF_ARGON2_BYTES_MIN	  16
#define KDF_PBKDF2_SALT_APPROVED  16 /* SP 800-132 5.1: 128 bits */
#define KDF_PBKDF2_BYTES_APPROVED 14 /* SP 800-132 5: 112 bits */

/* -EPERM in a profile without Argon2id. */
must_check int kdf_argon2id(const struct secret *passphrase,
	const uint8_t salt[static KDF_ARGON2_SALT_BYTES], struct kdf_cost cost, size_t out_bytes,
	struct secret **ret_key);

/* -EPERM in the hcd-cpp profile if the salt or the key is shorter than is approved. */
must_check int kdf_pbkdf2(const struct secret *passphrase, const void *salt, size_t salt_bytes,
	struct kdf_cost cost, size_t out_bytes, struct secret **ret_key);

#endif
