/* SPDX-License-Identifier: Apache-2.0 */
#include "base/search.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* UTF-16 takes at most twice the bytes of UTF-8. */
#define NEEDLE_BYTES_MAX (2 * SEARCH_BYTES_MAX)

struct needle {
	size_t index;
	enum search_form form;
	uint8_t *bytes; /* owned */
	size_t count;
	bool is_uniform; /* one byte repeated */
};

struct search {
	struct needle *needles; /* one for each string and form */
	size_t needle_count;
	size_t *given; /* by string: which needle is it as given */
	size_t count;
	size_t longest;
};

struct search_stream {
	const struct search *search;
	search_found found;
	void *context;
	uint64_t offset; /* where the tail begins */
	size_t tail_bytes;
	uint8_t joint[2 * NEEDLE_BYTES_MAX]; /* the tail, and room for what follows it */
};

/* --- strings --- */

int search_new(struct search **ret_search)
{
	*ret_search = calloc(1, sizeof(**ret_search));
	return *ret_search ? 0 : -ENOMEM;
}

void search_free(struct search *search)
{
	if (!search)
		return;
	for (size_t i = 0; i < search->needle_count; i++) {
		explicit_bzero(search->needles[i].bytes, search->needles[i].count);
		free(search->needles[i].bytes);
	}
	free(search->needles);
	free(search->given);
	free(search);
}

static size_t put_unit(uint8_t *to, uint32_t unit, bool big)
{
	to[big ? 0 : 1] = (uint8_t)(unit >> 8);
	to[big ? 1 : 0] = (uint8_t)unit;
	return 2;
}

/* to has NEEDLE_BYTES_MAX.  0: text is not UTF-8. */
static size_t encode_utf16(const uint8_t *text, size_t bytes, bool big, uint8_t *to)
{
	size_t used = 0, length;
	uint32_t point;

	for (size_t at = 0; at < bytes; at += length) {
		length = utf8_decode(text + at, bytes - at, &point);
		if (length == 0)
			return 0;
		if (point >= 0x10000) {
			used += put_unit(to + used, 0xd800 + ((point - 0x10000) >> 10), big);
			used += put_unit(to + used, 0xdc00 + ((point - 0x10000) & 0x3ff), big);
		} else {
			used += put_unit(to + used, point, big);
		}
	}
	return used;
}

static int add_needle(
	struct search *search, enum search_form form, const uint8_t *bytes, size_t count)
{
	struct needle *needles =
		realloc(search->needles, (search->needle_count + 1) * sizeof(*needles));
	struct needle *needle;

	if (!needles)
		return -ENOMEM;
	search->needles = needles;
	needle = &needles[search->needle_count];
	*needle = (struct needle){.index = search->count,
		.form = form,
		.bytes = malloc(count),
		.count = count,
		.is_uniform = bytes_are_uniform(bytes, count)};
	if (!needle->bytes)
		return -ENOMEM;
	memcpy(needle->bytes, bytes, count);
	search->needle_count++;
	if (count > search->longest)
		search->longest = count;
	return 0;
}

int search_add(struct search *search, const void *text, size_t bytes)
{
	uint8_t utf16[NEEDLE_BYTES_MAX];
	size_t *given, count;
	int r;

	if (bytes < SEARCH_BYTES_MIN)
		return -EINVAL;
	if (bytes > SEARCH_BYTES_MAX)
		return -EFBIG;
	if (search->count == SEARCH_COUNT_MAX)
		return -E2BIG;
	given = realloc(search->given, (search->count + 1) * sizeof(*given));
	if (!given)
		return -ENOMEM;
	search->given = given;
	given[search->count] = search->needle_count;
	r = add_needle(search, SEARCH_AS_GIVEN, text, bytes);
	for (int big = 0; big < 2 && r >= 0; big++) {
		count = encode_utf16(text, bytes, big, utf16);
		if (count > 0)
			r = add_needle(search, big ? SEARCH_UTF16BE : SEARCH_UTF16LE, utf16, count);
	}
	explicit_bzero(utf16, sizeof(utf16));
	if (r >= 0)
		search->count++;
	return r;
}

size_t search_count(const struct search *search)
{
	return search->count;
}

const uint8_t *search_text(const struct search *search, size_t index, size_t *ret_bytes)
{
	const struct needle *needle = &search->needles[search->given[index]];

	*ret_bytes = needle->count;
	return needle->bytes;
}

const char *search_form_name(enum search_form form)
{
	static const char *const names[] = {"as given", "UTF-16LE", "UTF-16BE"};

	return names[form];
}

double search_chance_hits(const struct search *search, uint64_t bytes)
{
	double hits = 0;

	for (size_t i = 0; i < search->needle_count; i++) {
		double each = (double)bytes;

		for (size_t n = 0; n < search->needles[i].count; n++)
			each /= 256;
		hits += each;
	}
	return hits;
}

/* --- streams --- */

int search_stream_new(const struct search *search, search_found found, void *context,
	struct search_stream **ret_stream)
{
	struct search_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->search = search;
	stream->found = found;
	stream->context = context;
	*ret_stream = stream;
	return 0;
}

void search_stream_free(struct search_stream *stream)
{
	if (stream)
		explicit_bzero(stream, sizeof(*stream));
	free(stream);
}

/* Matches that begin before "before" and end behind "behind" (counted in the piece). */
static void search_piece(struct search_stream *stream, uint64_t offset, const uint8_t *piece,
	size_t bytes, size_t before, size_t behind)
{
	const struct search *search = stream->search;
	/* Most of a medium that was never written, or was erased. */
	bool is_uniform = bytes_are_uniform(piece, bytes);

	for (size_t i = 0; i < search->needle_count; i++) {
		const struct needle *needle = &search->needles[i];
		const uint8_t *at = piece;

		if (is_uniform && !(needle->is_uniform && needle->bytes[0] == piece[0]))
			continue;
		while ((at = memmem(at, bytes - (size_t)(at - piece), needle->bytes,
				needle->count)) != NULL) {
			size_t begins = (size_t)(at - piece);

			if (begins >= before)
				break;
			if (begins + needle->count > behind) {
				stream->found(stream->context,
					&(struct search_hit){needle->index, needle->form,
						offset + begins, needle->count});
				at += needle->count;
			} else {
				at++;
			}
		}
	}
}

void search_stream_feed(
	struct search_stream *stream, uint64_t offset, const void *piece, size_t bytes)
{
	size_t keep = stream->search->longest > 0 ? stream->search->longest - 1 : 0;
	size_t head = bytes < keep ? bytes : keep;
	size_t joined, drop;

	if (bytes == 0 || keep == 0)
		return;
	if (stream->offset + stream->tail_bytes != offset)
		stream->tail_bytes = 0;

	/* S1: across the seam; what lies on one side of it was found there, or is below. */
	memcpy(stream->joint + stream->tail_bytes, piece, head);
	joined = stream->tail_bytes + head;
	search_piece(stream, offset - stream->tail_bytes, stream->joint, joined, stream->tail_bytes,
		stream->tail_bytes);
	search_piece(stream, offset, piece, bytes, bytes, 0);

	if (bytes >= keep) {
		memcpy(stream->joint, (const uint8_t *)piece + bytes - keep, keep);
		stream->tail_bytes = keep;
	} else { /* a short piece: the old tail still matters */
		drop = joined > keep ? joined - keep : 0;
		memmove(stream->joint, stream->joint + drop, joined - drop);
		stream->tail_bytes = joined - drop;
	}
	stream->offset = offset + bytes - stream->tail_bytes;
}
