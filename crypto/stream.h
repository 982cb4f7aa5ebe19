/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - random bytes that can be made again from a seed, at any offset
 *
 * AES-256-CTR under the seed, counter = byte offset / 16 (NIST SP 800-38A):
 * an overwrite pass with random data is verified by making it again.
 *
 *   T1  The byte at an offset depends on the seed and the offset alone: not on
 *       the pieces in which it is asked for, nor on what was asked for before.
 *
 * Errors: -ENOMEM; -EIO if OpenSSL fails, and the buffer then holds nothing of use.
 * Threads: one caller at a time for each stream; streams of one seed are equal.
 */
#ifndef SPOOLGUARD_CRYPTO_STREAM_H
#define SPOOLGUARD_CRYPTO_STREAM_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define STREAM_SEED_BYTES 32

struct stream;

/* seed: STREAM_SEED_BYTES. */
must_check int stream_new(const struct secret *seed, struct stream **ret_stream);
void stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)

/* offset is in bytes. */
must_check int stream_generate(struct stream *stream, uint64_t offset, void *buf, size_t bytes);

#endif
