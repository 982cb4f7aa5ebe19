/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/residue_canary.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BYTES   (60u << 10)
#define DOCUMENT_BYTES (STREAM_BYTES + 4096u)
#define LINES_SHOWN    8u
#define LINE_BYTES_MAX 64u
#define OBJECTS	       5u

struct residue_canary {
	uint8_t mask[CLIENT_SEARCH_BYTES_MAX];
	uint8_t masked[CANARY_WORDS][CANARY_WORD_BYTES];
};

/* Letters that are equally likely: what does not divide is thrown again. */
static int make_word(const uint8_t *mask, uint8_t masked[static CANARY_WORD_BYTES])
{
	for (size_t i = 0; i < CANARY_WORD_BYTES;) {
		uint8_t byte;
		int r = random_bytes(&byte, 1);

		if (r < 0)
			return r;
		if (byte >= 256 / 26 * 26)
			continue;
		masked[i] = (uint8_t)(('a' + byte % 26) ^ mask[i]);
		i++;
	}
	return 0;
}

int residue_canary_new(struct residue_canary **ret_canary)
{
	struct residue_canary *canary = calloc(1, sizeof(*canary));
	int r;

	if (!canary)
		return -ENOMEM;
	r = random_bytes(canary->mask, sizeof(canary->mask));
	for (enum canary_word word = 0; word < CANARY_WORDS && r >= 0; word++)
		r = make_word(canary->mask, canary->masked[word]);
	if (r < 0) {
		residue_canary_free(canary);
		return r;
	}
	*ret_canary = canary;
	return 0;
}

void residue_canary_free(struct residue_canary *canary)
{
	if (canary)
		secret_wipe(canary, sizeof(*canary));
	free(canary);
}

int residue_canary_reveal(
	const struct residue_canary *canary, enum canary_word word, struct secret **ret_text)
{
	struct secret *text;
	int r = secret_new(CANARY_WORD_BYTES + 1, &text);

	if (r < 0)
		return r;
	for (size_t i = 0; i < CANARY_WORD_BYTES; i++)
		secret_bytes(text)[i] = canary->masked[word][i] ^ canary->mask[i];
	*ret_text = text;
	return 0;
}

/* --- the document --- */

struct document {
	struct secret *bytes;
	size_t used;
	size_t offsets[OBJECTS + 1]; /* of each object, for the table */
};

static void print(struct document *document, const char *format, ...) format_printf(2, 3);

/* What there is room for: it was measured. */
static void print(struct document *document, const char *format, ...)
{
	char *to = (char *)secret_bytes(document->bytes) + document->used;
	size_t room = secret_size(document->bytes) - document->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(to, room, format, arguments);
	va_end(arguments);
	document->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

static void begin_object(struct document *document, unsigned int number)
{
	document->offsets[number] = document->used;
	print(document, "%u 0 obj\n", number);
}

/* Lines that are shown, then comments to the end: all of it in the clear. */
static void print_stream(struct document *document, const char *text)
{
	unsigned int line = 0;
	size_t end;

	begin_object(document, 5);
	print(document, "<< /Length %u >>\nstream\n", STREAM_BYTES);
	end = document->used + STREAM_BYTES;
	print(document, "BT /F1 11 Tf 50 780 Td 15 TL (spoolguard check residue) Tj T*\n");
	while (line < LINES_SHOWN)
		print(document, "(%s %u) Tj T*\n", text, ++line);
	print(document, "ET\n");
	while (document->used + LINE_BYTES_MAX < end)
		print(document, "%% %s %u\n", text, ++line);
	print(document, "%%%*s\nendstream\nendobj\n", (int)(end - document->used - 1), "");
}

static void print_document(struct document *document, const char *text, const char *title)
{
	size_t table;

	print(document, "%%PDF-1.4\n");
	begin_object(document, 1);
	print(document, "<< /Type /Catalog /Pages 2 0 R >>\nendobj\n");
	begin_object(document, 2);
	print(document, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n");
	begin_object(document, 3);
	print(document, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R "
			"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont "
			"/Courier >> >> >> >>\nendobj\n");
	begin_object(document, 4);
	print(document, "<< /Title (%s) >>\nendobj\n", title);
	print_stream(document, text);
	table = document->used;
	print(document, "xref\n0 %u\n0000000000 65535 f \n", OBJECTS + 1);
	for (unsigned int i = 1; i <= OBJECTS; i++)
		print(document, "%010zu 00000 n \n", document->offsets[i]);
	print(document,
		"trailer\n<< /Size %u /Root 1 0 R /Info 4 0 R >>\nstartxref\n%zu\n%%%%EOF\n",
		OBJECTS + 1, table);
}

int residue_canary_document(const struct residue_canary *canary, struct secret **ret_document)
{
	_cleanup_secret_ struct secret *text = NULL, *title = NULL;
	struct document document = {.bytes = NULL};
	int r;

	r = residue_canary_reveal(canary, CANARY_TEXT, &text);
	if (r >= 0)
		r = residue_canary_reveal(canary, CANARY_TITLE, &title);
	if (r >= 0)
		r = secret_new(DOCUMENT_BYTES, &document.bytes);
	if (r < 0)
		return r;
	print_document(
		&document, (const char *)secret_peek(text), (const char *)secret_peek(title));
	secret_truncate(document.bytes, document.used);
	*ret_document = document.bytes;
	return 0;
}

/* --- searching --- */

int residue_canary_search(const struct residue_canary *canary, struct search **ret_search)
{
	_cleanup_(search_freep) struct search *search = NULL;
	int r = search_new(&search);

	for (enum canary_word word = 0; word < CANARY_WORDS && r >= 0; word++) {
		_cleanup_secret_ struct secret *text = NULL;

		r = residue_canary_reveal(canary, word, &text);
		if (r >= 0)
			r = search_add(search, secret_peek(text), CANARY_WORD_BYTES);
	}
	if (r < 0)
		return r;
	*ret_search = search;
	search = NULL;
	return 0;
}

void residue_canary_mask(const struct residue_canary *canary, struct client_search *what)
{
	memcpy(what->mask, canary->mask, sizeof(what->mask));
	for (enum canary_word word = 0; word < CANARY_WORDS; word++) {
		memcpy(what->strings[word].masked, canary->masked[word], CANARY_WORD_BYTES);
		what->strings[word].bytes = CANARY_WORD_BYTES;
	}
	what->count = CANARY_WORDS;
}

const char *canary_word_name(enum canary_word word)
{
	static const char *const names[] = {"text", "title", "user"};

	return names[word];
}
