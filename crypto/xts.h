/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xts.h - AES-256-XTS (IEEE 1619, NIST SP 800-38E), contexts reused
 *
 *   X1  The halves of the key differ (-EINVAL).
 *   X2  A data unit is 16 bytes to 16 MiB (2^20 AES blocks), whole blocks only here.
 *   X3  A buffer is whole data units.
 *
 * A tweak is a number below 2^64, little-endian in 16 bytes (dm-crypt's "plain64").
 * Errors: -ENOMEM; -EIO if OpenSSL fails, and the output then holds nothing of use.
 * Threads: every call may come from any thread; contexts are pooled inside.
 */
#ifndef SPOOLGUARD_CRYPTO_XTS_H
#define SPOOLGUARD_CRYPTO_XTS_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define XTS_KEY_BYTES 64

struct xts;

/* key: XTS_KEY_BYTES. */
must_check int xts_new(const struct secret *key, struct xts **ret_xts);
void xts_free(struct xts *xts);
DEFINE_CLEANUP(struct xts *, xts_free)

/*
 * Each unit_bytes-sized data unit of the buffer has the next tweak: the first
 * one's is tweak, the following ones' grow by tweak_step (dm-crypt counts
 * 512-byte sectors: 8 for units of 4096).  out may equal in.
 */
must_check int xts_encrypt(struct xts *xts, uint64_t tweak, uint64_t tweak_step, size_t unit_bytes,
	const void *in, void *out, size_t bytes);
must_check int xts_decrypt(struct xts *xts, uint64_t tweak, uint64_t tweak_step, size_t unit_bytes,
	const void *in, void *out, size_t bytes);

#endif
