/* SPDX-License-Identifier: Apache-2.0 */
/*
 * residue_canary.h - random words that stand for a job's text, its title and its user's name
 *
 * Made anew for each run, so that a match is of no earlier one.  The document is a PDF of one page
 * whose stream is not compressed: its bytes are the same in the document file, in what passes a PDF
 * on, and in a title that a program takes out of it (also as UTF-16).
 *
 *   W1  The words are kept under a mask; they are in clear in what is revealed, in the document and
 *       in a search, each of which is wiped when it is freed.
 *
 * Errors: -ENOMEM, and what random_bytes() says.  Threads: any, one at a time for each canary.
 */
#ifndef SPOOLGUARD_CLI_RESIDUE_CANARY_H
#define SPOOLGUARD_CLI_RESIDUE_CANARY_H

#include "base/search.h"
#include "crypto/secret.h"
#include "volume/client.h"

enum canary_word { CANARY_TEXT, CANARY_TITLE, CANARY_USER, CANARY_WORDS };

#define CANARY_WORD_BYTES 24u /* small letters: a login name, a file's name, and 112 bits */

struct residue_canary;

must_check int residue_canary_new(struct residue_canary **ret_canary);
void residue_canary_free(struct residue_canary *canary);
DEFINE_CLEANUP(struct residue_canary *, residue_canary_free)

/* With a NUL behind it. */
must_check int residue_canary_reveal(
	const struct residue_canary *canary, enum canary_word word, struct secret **ret_text);
/* The PDF; a file of some dozen blocks. */
must_check int residue_canary_document(
	const struct residue_canary *canary, struct secret **ret_document);

/* All words, in their order. */
must_check int residue_canary_search(
	const struct residue_canary *canary, struct search **ret_search);
/* The same for the volume's process: mask and strings. */
void residue_canary_mask(const struct residue_canary *canary, struct client_search *what);

const char *canary_word_name(enum canary_word word); /* "text", "title", "user" */

#endif
