/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors.h - test vectors in the layout of NIST's .rsp files
 *
 *   # comment
 *   [ENCRYPT]              a section
 *   [Keylen = 256]         a field of every record of the section
 *   COUNT = 0              the first field of a record
 *   Key = 00ff
 *   FAIL                   a field without a value
 *
 * A record begins with the field that the caller names and ends before the
 * next one, so that blank lines inside it do no harm.  Lines end with LF, CR
 * or both.  A broken file aborts: this is a test.
 */
#ifndef SPOOLGUARD_TESTS_SUPPORT_VECTORS_H
#define SPOOLGUARD_TESTS_SUPPORT_VECTORS_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

/* Debian: python3-cryptography-vectors */
#define VECTORS_PACKAGE "/usr/lib/python3/dist-packages/cryptography_vectors/"

struct vectors;
struct hex {
	uint8_t *at; /* never NULL; the record's */
	size_t bytes;
};

/* NULL if there is no such file.  first: the name of a record's first field. */
struct vectors *vectors_open(const char *path, const char *first);
void vectors_close(struct vectors *vectors);
DEFINE_CLEANUP(struct vectors *, vectors_close)

/* To the next record; false after the last. */
bool vectors_next(struct vectors *vectors);

/* "" before the first section */
const char *vectors_section(const struct vectors *vectors);
bool vectors_has(const struct vectors *vectors, const char *name);

/* Aborts if the record has no such field, or it is no number or no hexadecimal. */
const char *vectors_text(const struct vectors *vectors, const char *name);
uint64_t vectors_number(const struct vectors *vectors, const char *name);
struct hex vectors_hex(struct vectors *vectors, const char *name);

#endif
