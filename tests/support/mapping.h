/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.h - what the kernel says of a process's memory (/proc/PID/smaps)
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_MAPPING_H
#define SPOOLGUARD_TESTS_SUPPORT_MAPPING_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* A sanitizer's runtime answers mlock() without asking the kernel. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LOCKS_ARE_REAL = 0 };
#else
enum { LOCKS_ARE_REAL = 1 };
#endif

struct mapping {
	unsigned long first, end;
	char access[5];
	bool is_stack, is_locked, is_undumpable;
	bool has_pages; /* in memory or in swap */
};

/* Of a process; never NULL: fails the test instead. */
FILE *mapping_open(pid_t pid);

/* One mapping after another; false after the last. */
bool mapping_next(FILE *smaps, struct mapping *ret_mapping);

/* The one of this process that holds the address; fails the test if there is none. */
struct mapping mapping_of(const void *at);

#endif
