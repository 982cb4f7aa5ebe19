/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t utf8_decode(const uint8_t *at, size_t left, uint32_t *ret_point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point;
	size_t length;

	if (at[0] < 0x80) {
		*ret_point = at[0];
		return 1;
	}
	if (at[0] < 0xc0 || at[0] > 0xf7)
		return 0;
	length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (length > left)
		return 0;
	point = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fu);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	*ret_point = point;
	return length;
}

bool utf8_is_valid(const void *text, size_t bytes)
{
	const uint8_t *at = text;
	size_t length;
	uint32_t point;

	for (size_t i = 0; i < bytes; i += length) {
		length = utf8_decode(at + i, bytes - i, &point);
		if (length == 0)
			return false;
	}
	return true;
}

const char *utf8_printable(const void *text, size_t bytes, char *buf, size_t buf_bytes)
{
	const uint8_t *at = text;
	size_t used = 0, length;
	uint32_t point;

	assert(buf_bytes > 0);
	for (size_t i = 0; i < bytes; i += length) {
		bool plain;

		length = utf8_decode(at + i, bytes - i, &point);
		/* C0, DEL and C1: each may begin a sequence that a terminal obeys. */
		plain = length > 0 && point >= 0x20 && !(point >= 0x7f && point < 0xa0);
		if (!plain)
			length = 1;
		if (used + (plain ? length : 4) >= buf_bytes)
			break;
		if (plain)
			memcpy(buf + used, at + i, length);
		else
			snprintf(buf + used, buf_bytes - used, "\\x%02x", at[i]);
		used += plain ? length : 4;
	}
	buf[used] = '\0';
	return buf;
}
