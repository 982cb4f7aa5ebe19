/* SPDX-License-Identifier: Apache-2.0 */
/*
 * custody.h - who had the drive after its last day: hand-over records beside its certificate
 *
 * FILE.custody, a line a record: {"statement":"TEXT","signature":"TEXT"}.  The statement is a
 * document of its own (audit/document.h), "spoolguard.custody/1": number, certificate and its
 * SHA-256, the SHA-256 of the statement before (null: the first), asset number and serial as the
 * certificate has them, from, to, organization, location, note, time, key.  The signature is of
 * exactly these bytes, by the next holder's own key, so that stock minisign verifies it.
 *
 *   U1  A record is believed under a key that the verifier brings.
 *   U2  One that was changed, left out, put elsewhere or is of another certificate breaks the
 *       chain.  That the end was cut off shows to nobody but the last holder.
 *   U3  Who hands over is who was handed to before.
 *
 * Errors: -EBADMSG: it is no such chain, and the problem says which record; -ENOKEY: a key that is
 * not among the holders'.  Pure.
 */
#ifndef SPOOLGUARD_DECOMMISSION_CUSTODY_H
#define SPOOLGUARD_DECOMMISSION_CUSTODY_H

#include "base/problem.h"
#include "crypto/minisign.h"
#include "decommission/record.h"
#include <json-c/json.h>

#define CUSTODY_SCHEMA	  "spoolguard.custody"
#define CUSTODY_BYTES_MAX (1u << 20)

struct custody_drive { /* borrowed */
	struct json_object *certificate;
	const char *sha256;
};

struct custody_report {
	uint32_t count;
	char holder[RECORD_TEXT_BYTES];	  /* the last "to"; "" : none */
	char sha256[RECORD_DIGEST_BYTES]; /* of the last statement; "" */
};

/* keys: the holders'; NULL: the signatures are not judged, only whether it is a chain. */
must_check int custody_verify(const char *chain, size_t bytes, const struct custody_drive *drive,
	const struct minisign_key *keys, size_t key_count, struct custody_report *ret_report,
	struct problem *reterr_problem);

struct custody_handover {
	const char *to, *organization, *location, *note; /* NULL: not given; "to" is required */
	int64_t wall_s;
};
/* after: custody_verify()'s report of the chain so far.  Gives ret_statement to free(). */
must_check int custody_statement(const struct custody_drive *drive,
	const struct custody_report *after, const struct custody_handover *handover,
	const struct minisign_key *key, char **ret_statement);
/* The line, with its newline; gives ret_line to free(). */
must_check int custody_line(const char *statement, const char *signature, char **ret_line);

#endif
