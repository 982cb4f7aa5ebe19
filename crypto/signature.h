/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.h - Ed25519 (RFC 8032) and the constant sizes that go with it
 *
 * A seed is SIGNATURE_SEED_BYTES.
 * Errors: -ENOMEM; -EIO if the library fails; -EBADMSG where it is named.
 * Threads: any.
 */
#ifndef SPOOLGUARD_CRYPTO_SIGNATURE_H
#define SPOOLGUARD_CRYPTO_SIGNATURE_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define SIGNATURE_PUBLIC_BYTES 32
#define SIGNATURE_SEED_BYTES   32
#define SIGNATURE_BYTES	       64

/* The seed is the private key.  The pair is tried (sign and verify) before it is returned:
 * -EBADMSG if that fails. */
must_check int signature_key_new(
	struct secret **ret_seed, uint8_t ret_public[static SIGNATURE_PUBLIC_BYTES]);
must_check int signature_public(
	const struct secret *seed, uint8_t ret_public[static SIGNATURE_PUBLIC_BYTES]);
must_check int signature_sign(const struct secret *seed, const void *message, size_t bytes,
	uint8_t ret_signature[static SIGNATURE_BYTES]);

/* -EBADMSG if it is not the key's signature of the message. */
must_check int signature_verify(const uint8_t public_key[static SIGNATURE_PUBLIC_BYTES],
	const void *message, size_t bytes, const uint8_t signature[static SIGNATURE_BYTES]);

#endif
