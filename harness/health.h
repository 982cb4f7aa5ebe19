/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - the health tests of a noise source: NIST SP 800-90B section 4.4
 *
 * A sample is a byte.  The cutoffs follow from the min-entropy H that is claimed for a sample, in
 * bits (more than 0, at most 8), and from alpha = 2^-20, the chance that a source which has that
 * entropy fails by accident:
 *
 *   4.4.1  repetition count     C = 1 + ceil(-log2(alpha) / H)
 *   4.4.2  adaptive proportion  window W = 512; C = 1 + CRITBINOM(W, 2^-H, 1 - alpha), that is the
 *                               least C with P(X >= C) <= alpha for X of Binomial(W, 2^-H)
 *
 * (The binomial tail is summed from its far end in logarithms: no term is lost to underflow.)
 * Pure.
 */
#ifndef SPOOLGUARD_HARNESS_HEALTH_H
#define SPOOLGUARD_HARNESS_HEALTH_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_ALPHA_BITS 20u	/* alpha = 2^-20 */
#define HEALTH_WINDOW	  512u	/* for samples that are no single bits */
#define HEALTH_SAMPLES	  1024u /* at start-up at least so many (4.3, requirement 4) */

unsigned int health_repetition_cutoff(double min_entropy);
unsigned int health_proportion_cutoff(double min_entropy);

/* The longest run of one value; the source fails if it reaches the cutoff. */
unsigned int health_longest_run(const uint8_t *samples, size_t count);

/*
 * How often, at most, a window's first value occurs in it (each window of HEALTH_WINDOW samples,
 * one behind the other; what is left over is not looked at); the source fails if it reaches the
 * cutoff.
 */
unsigned int health_most_frequent(const uint8_t *samples, size_t count);

#endif
