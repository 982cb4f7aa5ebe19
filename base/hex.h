/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hex.h - bytes as lower-case hexadecimal text
 *
 * Pure, and not constant-time: not for keys.
 */
#ifndef SPOOLGUARD_BASE_HEX_H
#define SPOOLGUARD_BASE_HEX_H

#include "base/macros.h"
#include <stdint.h>

/* Writes 2 * bytes digits and a NUL; returns text. */
char *hex_encode(const void *from, size_t bytes, char *text);

/* Exactly 2 * bytes digits, of either case.  -EINVAL. */
must_check int hex_decode(const char *text, size_t digits, void *ret_to, size_t bytes);

#endif
