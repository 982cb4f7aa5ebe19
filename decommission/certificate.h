/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate.h - the certificate of sanitization of one drive
 *
 *   FILE          canonical JSON, one line, "schema":"spoolguard.certificate/1" (audit/document.h)
 *   FILE.minisig  signed by the device's key, or in standalone use by the workbench's
 *   FILE.pdf      the same on one page, with a plot of the medium: made from FILE alone
 *   FILE.custody  hand-over records, each chained to the last and signed by the next holder
 *
 * It has every field of SP 800-88r1 appendix G and SP 800-88r2 4.6, those that nobody filled in as
 * null, and: drive identity, build, self-test, passes, what was requested, written, durable and
 * verified, refused sectors, status logs before and after, verdict and what remains open, log
 * position, who performed and who approved.
 *
 *   F1  Pure functions of a record; nothing is said that is not in it.
 *   F2  It is verified under a key that the verifier brings, without the device and the service.
 *   F3  The PDF is rendered from verified bytes, carries the SHA-256 of them, and says that the
 *       JSON is what is signed.
 *   F4  A stand-in for a serial is marked as one, everywhere.
 */
#ifndef SPOOLGUARD_DECOMMISSION_CERTIFICATE_H
#define SPOOLGUARD_DECOMMISSION_CERTIFICATE_H

#include "crypto/minisign.h"
#include "decommission/record.h"
#include "decommission/verdict.h"
#include <json-c/json.h>

#define CERTIFICATE_SCHEMA "spoolguard.certificate"

/* Gives to json_object_put(). */
must_check int certificate_make(const struct record *record, const struct verdict *verdict,
	struct json_object **ret_certificate);

/* sign: device_keys_sign(), or another key's. */
struct certificate_signer {
	int (*sign)(void *context, const void *message, size_t bytes, const char *trusted_comment,
		char **ret_signature);
	const struct minisign_key *public_key;
	void *context;
};
/* Writes FILE and FILE.minisig, each whole or not at all, verified before they get their names;
 * ret_sha256: of FILE.  -EEXIST: a file is there; unless it is the certificate of this very run, by
 * this signer, that a cut-off run wrote: it stays as it is, and that is success. */
must_check int certificate_write(struct json_object *certificate, const char *path,
	const struct certificate_signer *signer, char ret_sha256[static RECORD_DIGEST_BYTES],
	struct problem *reterr_problem);

/* Back: all that a record has and a certificate says.  Gives ret_record to record_free().
 * -EBADMSG: it is no certificate that certificate_make() made; the problem says where. */
must_check int certificate_decode(struct json_object *certificate, struct record **ret_record,
	struct verdict *ret_verdict, struct problem *reterr_problem);
/*
 * Does it agree with itself?  Its numbers fit one another (verified <= durable <= written <=
 * requested, lists, lengths, times), what its form says is what its facts say, it has the approvals
 * that it needs, and its verdict is no better than the best of its parts, than what such facts can
 * carry at most, by rules of its own, and than verdict_judge() finds from them.
 * -EBADMSG: no, and in what.
 */
must_check int certificate_check(struct json_object *certificate, struct problem *reterr_problem);

/*
 * The page: a PDF of one page A4, the same bytes for the same certificate (and fonts).  signer:
 * under whose key it was verified; NULL: it was not, and the page says so across it.  sha256: of
 * FILE. Gives ret_pdf to free().
 */
must_check int certificate_render(struct json_object *certificate, const char *sha256,
	const struct minisign_key *signer, char **ret_pdf, size_t *ret_bytes,
	struct problem *reterr_problem);

#endif
