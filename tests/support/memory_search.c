/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_search.h"
#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (1u << 20)

unsigned int memory_count(const uint8_t *at, size_t bytes, const void *needle, size_t needle_bytes)
{
	unsigned int found = 0;
	const uint8_t *end = at + bytes, *hit;

	while ((hit = memmem(at, (size_t)(end - at), needle, needle_bytes))) {
		found++;
		at = hit + 1;
	}
	return found;
}

struct memory_found memory_search(pid_t pid, const void *bytes, size_t count)
{
	static uint8_t chunk[CHUNK + MEMORY_SEARCH_BYTES_MAX];
	FILE *smaps = mapping_open(pid);
	struct memory_found found = {0};
	struct mapping m;
	char path[64];
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(mem, 0);
	while (mapping_next(smaps, &m)) {
		/* A sanitizer's shadow is terabytes of nothing. */
		if (m.access[0] != 'r' || !m.has_pages || m.end - m.first > 1ul << 30)
			continue;
		for (unsigned long at = m.first; at < m.end; at += CHUNK) {
			size_t some = m.end - at < CHUNK + count ? m.end - at : CHUNK + count;
			ssize_t n = pread(mem, chunk, some, (off_t)at);
			unsigned int hits =
				n > 0 ? memory_count(chunk, (size_t)n, bytes, count) : 0;

			found.anywhere += hits;
			found.locked += m.is_locked || !LOCKS_ARE_REAL ? hits : 0;
			found.dumpable += m.is_undumpable ? 0 : hits;
			found.on_stack += m.is_stack ? hits : 0;
		}
	}
	fclose(smaps);
	close(mem);
	return found;
}
