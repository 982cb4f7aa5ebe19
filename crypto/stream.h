/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - random bytes that can be made again from a seed, at any offset
 *
 * AES-256-CTR under the seed, counter = byte offset / 16 (NIST SP 800-38A):
 * an overwrite pass with random data is verified by making it again.
 * Threads: one caller at a time.
 */
#ifndef SPOOLGUARD_CRYPTO_STREAM_H
#define SPOOLGUARD_CRYPTO_STREAM_H

#include "base/macros.h"
#include "crypto/secret.h"
#include <stdint.h>

#define STREAM_SEED_BYTES 32

struct stream;

must_check int stream_new(const struct secret *seed, struct stream **ret_stream);
void stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)

/* offset is in bytes and a multiple of 16. */
must_check int stream_generate(struct stream *stream, uint64_t offset, void *buf, size_t bytes);

#endif
