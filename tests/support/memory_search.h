/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_search.h - where a process that is stopped has some bytes in its memory
 *
 * Who searches has the bytes openly, and so is another process.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_MEMORY_SEARCH_H
#define SPOOLGUARD_TESTS_SUPPORT_MEMORY_SEARCH_H

#include "tests/support/mapping.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MEMORY_SEARCH_BYTES_MAX 64u

/* How often: at all, in locked pages, in pages that a core dump has, on a stack. */
struct memory_found {
	unsigned int anywhere, locked, dumpable, on_stack;
};

/* In memory of our own. */
unsigned int memory_count(const uint8_t *at, size_t bytes, const void *needle, size_t needle_bytes);
struct memory_found memory_search(pid_t pid, const void *bytes, size_t count);

#endif
