/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.h - text from outside: is it UTF-8, and how is it shown on a terminal?
 *
 * Pure.
 */
#ifndef SPOOLGUARD_BASE_UTF8_H
#define SPOOLGUARD_BASE_UTF8_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

/* The code point at "at" (left > 0 bytes from there on); returns its length, 0 if it is none (RFC
 * 3629). */
size_t utf8_decode(const uint8_t *at, size_t left, uint32_t *ret_point);
bool utf8_is_valid(const void *text, size_t bytes);

/*
 * Text that is safe on a terminal: control characters, and bytes that are no UTF-8, become \xNN;
 * a backslash stays.  Cut to fit, never inside a character; returns buf.
 */
const char *utf8_printable(const void *text, size_t bytes, char *buf, size_t buf_bytes);

#endif
