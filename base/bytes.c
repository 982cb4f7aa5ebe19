/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t get(const uint8_t *at, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static void put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

uint16_t bytes_get_le16(const uint8_t *at)
{
	return (uint16_t)get(at, 2);
}

uint32_t bytes_get_le32(const uint8_t *at)
{
	return (uint32_t)get(at, 4);
}

uint64_t bytes_get_le64(const uint8_t *at)
{
	return get(at, 8);
}

void bytes_put_le16(uint8_t *at, uint16_t value)
{
	put(at, value, 2);
}

void bytes_put_le32(uint8_t *at, uint32_t value)
{
	put(at, value, 4);
}

void bytes_put_le64(uint8_t *at, uint64_t value)
{
	put(at, value, 8);
}

/* A run is uniform if it equals itself shifted by one byte: memcmp is faster than any loop of ours.
 */
bool bytes_are_uniform(const void *at, size_t count)
{
	const uint8_t *bytes = at;

	return count < 2 || memcmp(bytes, bytes + 1, count - 1) == 0;
}

bool bytes_are(const void *at, size_t count, uint8_t value)
{
	const uint8_t *bytes = at;

	return count == 0 || (bytes[0] == value && bytes_are_uniform(at, count));
}

int bytes_add(uint64_t a, uint64_t b, uint64_t *ret_sum)
{
	if (a > UINT64_MAX - b)
		return -EOVERFLOW;
	*ret_sum = a + b;
	return 0;
}

int bytes_multiply(uint64_t a, uint64_t b, uint64_t *ret_product)
{
	if (b != 0 && a > UINT64_MAX / b)
		return -EOVERFLOW;
	*ret_product = a * b;
	return 0;
}

uint64_t bytes_align_down(uint64_t value, uint64_t alignment)
{
	return value & ~(alignment - 1);
}

uint64_t bytes_align_up(uint64_t value, uint64_t alignment)
{
	return bytes_align_down(value + alignment - 1, alignment);
}

static const char units[] = "KMGT";

int bytes_parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t value = 0, digit;
	const char *at = text;
	const char *unit;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		digit = (uint64_t)(*at - '0');
		if (bytes_multiply(value, 10, &value) < 0 || bytes_add(value, digit, &value) < 0)
			return -ERANGE;
	}
	if (*at != '\0') {
		unit = strchr(units, *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
		if (!unit || at[1] != '\0')
			return -EINVAL;
		if (bytes_multiply(value, 1ull << (10 * (unit - units + 1)), &value) < 0)
			return -ERANGE;
	}
	*ret_bytes = value;
	return 0;
}

const char *bytes_format_size(uint64_t bytes, char *buf, size_t buf_bytes)
{
	double value = (double)bytes;
	int unit = -1;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, buf_bytes, "%" PRIu64 " bytes", bytes);
	else
		snprintf(buf, buf_bytes, "%.1f %ciB", value, units[unit]);
	return buf;
}
