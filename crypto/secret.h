/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - the only place where key bytes live
 *
 *   [ guard page | locked, undumpable pages ... secret | guard page ]
 *
 * Memory from libsodium's sodium_malloc: locked, excluded from core dumps,
 * guarded on both sides, wiped on free.
 *
 *   S1  A secret whose memory could not be locked, or not be taken out of core
 *       dumps, is not handed out (-ENOMEM).
 *   S2  secret_free wipes before it unmaps.
 *   S3  Bytes that are not in use (allocated, or cut off by secret_truncate) are zeros.
 *
 * A cipher context (aead, xts, stream) holds the key schedule, and with it the
 * key, in OpenSSL's heap, wiped when the context is freed.  That heap is
 * neither locked nor undumpable by itself: a process that keeps such contexts
 * locks all of its memory and switches core dumps off (volume/harden.h).
 *
 * Errors: -ENOMEM (S1), -ENOSYS if libsodium cannot start.
 * Threads: different secrets from any thread; one secret by one thread at a
 * time, or by many that only read.
 */
#ifndef SPOOLGUARD_CRYPTO_SECRET_H
#define SPOOLGUARD_CRYPTO_SECRET_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

struct secret;

must_check int secret_new(size_t bytes, struct secret **ret_secret); /* zeros */
must_check int secret_new_copy(const void *from, size_t bytes, struct secret **ret_secret);
must_check int secret_new_random(size_t bytes, struct secret **ret_secret);
void secret_free(struct secret *secret); /* NULL is fine */
DEFINE_CLEANUP(struct secret *, secret_free)
#define _cleanup_secret_ _cleanup_(secret_freep)

uint8_t *secret_bytes(struct secret *secret);
const uint8_t *secret_peek(const struct secret *secret);
size_t secret_size(const struct secret *secret);

/* Shortens, and wipes what is cut off (a passphrase read into a larger buffer); bytes <=
 * secret_size. */
void secret_truncate(struct secret *secret, size_t bytes);

/* Wipes memory that is not a secret, in a way the compiler keeps. */
void secret_wipe(void *at, size_t bytes);

/* Constant-time; both of bytes length. */
must_check bool secret_is_equal(const void *a, const void *b, size_t bytes);

/* Reads fd to its end (at most max_bytes, else -EFBIG; -errno of read) straight into locked memory.
 * Nothing to read makes a secret of 0 bytes. */
must_check int secret_read_fd(int fd, size_t max_bytes, struct secret **ret_secret);

#endif
