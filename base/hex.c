/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include <errno.h>

char *hex_encode(const void *from, size_t bytes, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = from;

	for (size_t i = 0; i < bytes; i++) {
		text[2 * i] = digits[at[i] >> 4];
		text[2 * i + 1] = digits[at[i] & 15];
	}
	text[2 * bytes] = '\0';
	return text;
}

static int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

int hex_decode(const char *text, size_t digits, void *ret_to, size_t bytes)
{
	uint8_t *to = ret_to;

	if (digits != 2 * bytes)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		if (value_of(text[i]) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value_of(text[2 * i]) << 4 | value_of(text[2 * i + 1]));
	return 0;
}
