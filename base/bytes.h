/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - little-endian fields, checked arithmetic, and tests on runs of bytes
 *
 * Everything here is pure.  On-disk numbers are little-endian and are read and
 * written field by field with these functions, never by a cast.
 */
#ifndef SPOOLGUARD_BASE_BYTES_H
#define SPOOLGUARD_BASE_BYTES_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

uint16_t bytes_get_le16(const uint8_t *at);
uint32_t bytes_get_le32(const uint8_t *at);
uint64_t bytes_get_le64(const uint8_t *at);
void bytes_put_le16(uint8_t *at, uint16_t value);
void bytes_put_le32(uint8_t *at, uint32_t value);
void bytes_put_le64(uint8_t *at, uint64_t value);

/* True if all count bytes equal value.  An empty run is filled with anything. */
bool bytes_are(const void *at, size_t count, uint8_t value);

/* True if all count bytes are equal to one another: a fixed pattern or zeros, never ciphertext. */
bool bytes_are_uniform(const void *at, size_t count);

/* Checked arithmetic on numbers from outside: -EOVERFLOW instead of wrapping. */
must_check int bytes_add(uint64_t a, uint64_t b, uint64_t *ret_sum);
must_check int bytes_multiply(uint64_t a, uint64_t b, uint64_t *ret_product);

/* alignment is a power of two */
uint64_t bytes_align_up(uint64_t value, uint64_t alignment);
uint64_t bytes_align_down(uint64_t value, uint64_t alignment);

/*
 * "10G", "512M", "4096": K, M, G, T are powers of 1024; a bare number is bytes.
 * -EINVAL if it is no such number, -ERANGE if it does not fit.
 */
must_check int bytes_parse_size(const char *text, uint64_t *ret_bytes);

/* "1.5 GiB": for people.  buf of 32 bytes suffices; returns buf. */
const char *bytes_format_size(uint64_t bytes, char *buf, size_t buf_bytes);

#endif
