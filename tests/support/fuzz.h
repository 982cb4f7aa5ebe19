/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - one fuzz target, two ways to run it
 *
 * A file test_fuzz_NAME.c defines LLVMFuzzerTestOneInput() and fuzz_seeds().
 *
 *   "make fuzz"  links it with clang's libFuzzer, which starts from the seeds
 *   "make test"  links it with the main() of fuzz.c: every seed, and a fixed number of
 *                changed copies of each, made from a fixed random seed; "--write DIR"
 *                writes the seeds as files
 *
 * A target aborts when what it checks does not hold.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_FUZZ_H
#define SPOOLGUARD_TESTS_SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Gives every seed to fuzz_seed(). */
void fuzz_seeds(void);
void fuzz_seed(const void *data, size_t bytes);

/* As assert(), also where asserts would be off. */
static inline void fuzz_require(int holds)
{
	if (!holds)
		abort();
}

#endif
