/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/health.h"
#include <assert.h>
#include <math.h>

unsigned int health_repetition_cutoff(double min_entropy)
{
	assert(min_entropy > 0 && min_entropy <= 8);
	return 1 + (unsigned int)ceil(HEALTH_ALPHA_BITS / min_entropy);
}

/* log P(X = k) for X of Binomial(HEALTH_WINDOW, p). */
static double log_probability(unsigned int k, double p)
{
	double n = HEALTH_WINDOW;

	return lgamma(n + 1) - lgamma(k + 1.0) - lgamma(n - k + 1) + k * log(p) +
	       (n - k) * log1p(-p);
}

unsigned int health_proportion_cutoff(double min_entropy)
{
	double p = exp2(-min_entropy), alpha = exp2(-(double)HEALTH_ALPHA_BITS), tail = 0;
	unsigned int k = HEALTH_WINDOW + 1;

	assert(min_entropy > 0 && min_entropy <= 8);
	while (k > 0) {
		tail += exp(log_probability(k - 1, p));
		if (tail > alpha)
			break;
		k--;
	}
	return k;
}

unsigned int health_longest_run(const uint8_t *samples, size_t count)
{
	unsigned int longest = 0, run = 0;

	for (size_t i = 0; i < count; i++) {
		run = i > 0 && samples[i] == samples[i - 1] ? run + 1 : 1;
		if (run > longest)
			longest = run;
	}
	return longest;
}

unsigned int health_most_frequent(const uint8_t *samples, size_t count)
{
	unsigned int most = 0;

	for (size_t at = 0; at + HEALTH_WINDOW <= count; at += HEALTH_WINDOW) {
		unsigned int found = 0;

		for (size_t i = 0; i < HEALTH_WINDOW; i++)
			found += samples[at + i] == samples[at];
		if (found > most)
			most = found;
	}
	return most;
}
