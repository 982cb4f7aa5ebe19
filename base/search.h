/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search.h - are these strings anywhere in a stream of bytes?
 *
 * Each string is looked for as it is given and, if it is valid UTF-8, also as UTF-16
 * in both byte orders (PDF keeps titles and names so).  Case matters.
 *
 *   S1  A match is found wherever it lies: pieces of a stream that adjoin are searched
 *       as if they were one.
 *   S2  Strings shorter than SEARCH_BYTES_MIN are refused: ciphertext shows them by chance.
 *   S3  What is freed is wiped first: whoever searches leaves no copy of what was searched for.
 *
 * Matches of one string in one form that overlap may be counted once; UTF-16 text between
 * zero bytes may match in both byte orders.
 * Threads: a search may be shared once it is filled; a stream is one thread's.
 */
#ifndef SPOOLGUARD_BASE_SEARCH_H
#define SPOOLGUARD_BASE_SEARCH_H

#include "base/macros.h"
#include <stdint.h>

#define SEARCH_BYTES_MIN 4u
#define SEARCH_BYTES_MAX 1024u
#define SEARCH_COUNT_MAX 1024u

enum search_form { SEARCH_AS_GIVEN, SEARCH_UTF16LE, SEARCH_UTF16BE, SEARCH_FORM_COUNT };

struct search;

must_check int search_new(struct search **ret_search);
void search_free(struct search *search);
DEFINE_CLEANUP(struct search *, search_free)

/* -EINVAL: shorter than SEARCH_BYTES_MIN; -EFBIG: longer than SEARCH_BYTES_MAX; -E2BIG: too many.
 */
must_check int search_add(struct search *search, const void *text, size_t bytes);
size_t search_count(const struct search *search);
/* The string as given; borrowed. */
const uint8_t *search_text(const struct search *search, size_t index, size_t *ret_bytes);
const char *search_form_name(enum search_form form);

/* How often all strings are expected in random bytes, by chance. */
double search_chance_hits(const struct search *search, uint64_t bytes);

struct search_hit {
	size_t index; /* which string */
	enum search_form form;
	uint64_t offset; /* of its first byte in the stream */
	size_t bytes;
};

typedef void (*search_found)(void *context, const struct search_hit *hit);

/* found is called once for each match, not in the order of their offsets. */
struct search_stream;
must_check int search_stream_new(const struct search *search, search_found found, void *context,
	struct search_stream **ret_stream);
void search_stream_free(struct search_stream *stream);
DEFINE_CLEANUP(struct search_stream *, search_stream_free)

/* The piece of the stream at offset.  One that does not begin where the last one ended begins anew.
 */
void search_stream_feed(
	struct search_stream *stream, uint64_t offset, const void *piece, size_t bytes);

#endif
