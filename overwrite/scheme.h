/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheme.h - overwrite schemes: data, not code
 *
 * A scheme is a name, its passes, and whose it is.  The default is 0x35, 0xCA,
 * 0x97: pattern, complement, another pattern (NCSC-TG-025 section 5.1.1), what
 * printer vendors mean by three passes.  No current standard calls several
 * passes stronger than one (NIST SP 800-88).
 */
#ifndef SPOOLGUARD_OVERWRITE_SCHEME_H
#define SPOOLGUARD_OVERWRITE_SCHEME_H

#include "base/macros.h"
#include <stdint.h>

#define SCHEME_PASSES_MAX 9

enum pass_kind {
	PASS_BYTE,   /* one byte everywhere */
	PASS_RANDOM, /* a stream that its seed makes again */
};

struct scheme_pass {
	enum pass_kind kind;
	uint8_t byte;
};

struct scheme {
	const char *name;   /* "three-pass" */
	const char *origin; /* document and section, or whose contract term it is */
	uint8_t pass_count;
	struct scheme_pass passes[SCHEME_PASSES_MAX];
};

const struct scheme *scheme_default(void);
const struct scheme *scheme_find(const char *name); /* NULL: unknown */
const struct scheme *scheme_at(size_t index);	    /* NULL past the last */

#endif
