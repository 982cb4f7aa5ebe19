/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.h - a signed statement: a receipt or a certificate, and its signature beside it
 *
 *   FILE          one JSON object on one line, with its newline; first member "schema"
 *   FILE.minisig  the device's signature of exactly these bytes (crypto/minisign.h); its trusted
 *                 comment: "spoolguard SCHEMA ID"
 *
 * So "minisign -V -p device.pub -m FILE" verifies it anywhere.
 *
 *   C1  A document is believed under a key that the caller brings, never under one that it holds.
 *   C2  What was signed is what is shown: it is decoded from the verified bytes.
 *
 * Errors: -EBADMSG, -ENOKEY, -EINVAL of minisign.h; -EPROTONOSUPPORT: another schema or a newer
 * version; -EFBIG: more than DOCUMENT_BYTES_MAX.
 */
#ifndef SPOOLGUARD_AUDIT_DOCUMENT_H
#define SPOOLGUARD_AUDIT_DOCUMENT_H

#include "base/problem.h"
#include "crypto/minisign.h"
#include <json-c/json.h>

#define DOCUMENT_BYTES_MAX (1u << 20)

/* The exact bytes that are signed; gives ret_text to free(). */
must_check int document_encode(struct json_object *object, char **ret_text);

/* schema: "spoolguard.receipt", of any minor version known.  Gives ret_object to json_object_put().
 */
must_check int document_verify(const char *text, size_t bytes, const char *signature,
	size_t signature_bytes, const struct minisign_key *trusted, const char *schema,
	struct json_object **ret_object, struct problem *reterr_problem);

/* FILE and its signature (NULL: FILE.minisig), unjudged. */
struct document {
	char *text, *signature; /* owned */
	size_t bytes, signature_bytes;
};
void document_done(struct document *document);
must_check int document_load(const char *path, const char *signature_path,
	struct document *ret_document, struct problem *reterr_problem);

/* Loads, and verifies. */
must_check int document_read(const char *path, const char *signature_path,
	const struct minisign_key *trusted, const char *schema, struct json_object **ret_object,
	struct problem *reterr_problem);

#endif
