/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aead.h - AES-256-GCM (NIST SP 800-38D), context reused
 *
 * A nonce is never used twice with one key: the caller counts.
 * Errors: -EINVAL for more than INT_MAX bytes; -ENOMEM; -EIO if OpenSSL fails.
 * Threads: one caller at a time for each context.
 */
#ifndef SPOOLGUARD_CRYPTO_AEAD_H
#define SPOOLGUARD_CRYPTO_AEAD_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define AEAD_KEY_BYTES	 32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES	 16

struct aead;

/* key: AEAD_KEY_BYTES. */
must_check int aead_new(const struct secret *key, struct aead **ret_aead);
void aead_free(struct aead *aead);
DEFINE_CLEANUP(struct aead *, aead_free)

/* out may equal in; either may be NULL for 0 bytes. */
must_check int aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
	const void *associated, size_t associated_bytes, const void *in, size_t bytes, void *out,
	uint8_t ret_tag[static AEAD_TAG_BYTES]);

/* -EBADMSG if it does not authenticate.  out is zeros after every error but -EINVAL. */
must_check int aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
	const void *associated, size_t associated_bytes, const void *in, size_t bytes, void *out,
	const uint8_t tag[static AEAD_TAG_BYTES]);

#endif
