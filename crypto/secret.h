/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - the only place where key bytes live
 *
 *   [ guard page | locked, undumpable pages ... secret | guard page ]
 *
 * Memory from libsodium's sodium_malloc: locked, excluded from core dumps,
 * guarded on both sides, wiped on free.
 *
 *   S1  A secret that could not be locked is not handed out (-ENOMEM).
 *   S2  secret_free wipes before it unmaps.
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

/* Shortens (a passphrase read into a larger buffer); bytes <= secret_size. */
void secret_truncate(struct secret *secret, size_t bytes);

/* Wipes memory that is not a secret, in a way the compiler keeps. */
void secret_wipe(void *at, size_t bytes);

/* Constant-time; both of bytes length. */
must_check bool secret_is_equal(const void *a, const void *b, size_t bytes);

/* Reads fd to its end (at most max_bytes, else -EFBIG) straight into locked memory. */
must_check int secret_read_fd(int fd, size_t max_bytes, struct secret **ret_secret);

#endif
