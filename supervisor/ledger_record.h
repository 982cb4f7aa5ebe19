/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_record.h - one line of the ledger: encoded and decoded
 *
 *   {"check":"0123456789abcdef","kind":"head","version":1,"next":18,"retired":4}
 *   {"check":...,"kind":"job","job":17,"source":"cups","id":"123","volume":UUID,"uid":0,
 *    "state":"retiring","seen":S,"changed":S,"attempts":1,"files":2,"why":"...","receipt":{...}}
 *   {"check":...,"kind":"job",...,"user_digest":"64 digits","title_digest":"64 digits",
 *    "document":"the signed receipt's text","signature":"..."}
 *   {"check":...,"kind":"files","job":17,"volume":UUID,"count":2,"salt":"64 digits","nonce":5,
 *    "sealed":"..."}
 *
 * A line is JSON; check is the first 64 bits of the SHA-256 of what follows its comma, up to
 * the closing brace.  A job's line says all that is known of it but the names of its files, so that
 * any of its lines may be lost.  A signed receipt is kept as the text that was signed; the receipt
 * is then what that text says, with the schema of receipts ("spoolguard.job/1"). "files" lines add
 * up.  Keys that are not known are passed over.
 *
 * Pure.  -EBADMSG: damaged; -EPROTONOSUPPORT: whole, and of a newer version.
 */
#ifndef SPOOLGUARD_SUPERVISOR_LEDGER_RECORD_H
#define SPOOLGUARD_SUPERVISOR_LEDGER_RECORD_H

#include "crypto/aead.h"
#include "supervisor/ledger.h"

#define LEDGER_VERSION	      1u
#define LEDGER_LINE_BYTES_MAX (64u << 10) /* with its newline */
#define LEDGER_SALT_BYTES     32u
#define LEDGER_SEALED_MAX     (24u << 10) /* names and tag */
/* Every line begins so, and inside of a line it cannot stand. */
#define LEDGER_LINE_BEGINNING "{\"check\":\""

enum ledger_kind { LEDGER_KIND_HEAD, LEDGER_KIND_JOB, LEDGER_KIND_FILES };

struct ledger_head {
	uint64_t next;	  /* no number from here on was used */
	uint64_t retired; /* jobs that were retired and are not in this file */
};

struct ledger_sealed {
	uint64_t number;
	char volume[LEDGER_VOLUME_BYTES];
	size_t count; /* names in it */
	uint8_t salt[LEDGER_SALT_BYTES];
	uint64_t nonce;
	uint8_t *bytes; /* owned: what is sealed, then the tag */
	size_t size;
};

struct ledger_record {
	enum ledger_kind kind;
	struct ledger_head head;
	struct ledger_job job; /* receipt: owned, or NULL; lost_files is not in a line */
	struct ledger_sealed sealed;
};
void ledger_record_done(struct ledger_record *record);

/* Gives a text to free(), with its newline.  -EMSGSIZE: too long a line (a receipt); -EINVAL:
 * text that is no UTF-8, a receipt that is too deep; -ENOMEM. */
must_check int ledger_record_encode(const struct ledger_record *record, char **ret_line);

/* bytes: without the newline. */
must_check int ledger_record_decode(
	const char *line, size_t bytes, struct ledger_record *ret_record);

/* Its check is right; it may be of a newer version. */
bool ledger_record_is_whole(const char *line, size_t bytes);

#endif
