/* SPDX-License-Identifier: Apache-2.0 */
#include "overwrite/scheme.h"
#include <string.h>

#define BYTE(b)                                                                                    \
	{                                                                                          \
		PASS_BYTE, (b)                                                                     \
	}
#define RANDOM                                                                                     \
	{                                                                                          \
		PASS_RANDOM, 0                                                                     \
	}

/* The first is the default. */
static const struct scheme schemes[] = {
	{"three-pass",
		"pattern, complement, another pattern: NCSC-TG-025 5.1.1; the printer vendors' "
		"three passes",
		3, {BYTE(0x35), BYTE(0xca), BYTE(0x97)}},
	{"zero", "one pass of zeros", 1, {BYTE(0x00)}},
	{"random", "one pass of random bytes", 1, {RANDOM}},
	{"dod-5220.22-m",
		"character, complement, random: pattern set after DoD 5220.22-M; a contract demand",
		3, {BYTE(0x55), BYTE(0xaa), RANDOM}},
	{"hp", "0x48, 0xB7, random: pattern set after HP's Secure Sanitize Erase", 3,
		{BYTE(0x48), BYTE(0xb7), RANDOM}},
	{"ricoh-nsa", "random, random, zeros: pattern set after Ricoh's NSA method", 3,
		{RANDOM, RANDOM, BYTE(0x00)}},
	{"kyocera", "random, random, zeros: pattern set after Kyocera's Data Security Kit", 3,
		{RANDOM, RANDOM, BYTE(0x00)}},
	{"ar-380-19", "random, fixed, complement: pattern set after AR 380-19", 3,
		{RANDOM, BYTE(0x55), BYTE(0xaa)}},
};

const struct scheme *scheme_default(void)
{
	return &schemes[0];
}

const struct scheme *scheme_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strcmp(schemes[i].name, name) == 0)
			return &schemes[i];
	}
	return NULL;
}

const struct scheme *scheme_at(size_t index)
{
	return index < ARRAY_SIZE(schemes) ? &schemes[index] : NULL;
}
