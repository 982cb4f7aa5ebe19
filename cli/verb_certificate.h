/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_certificate.h - what the files of the verb "certificate" share: one file a sub-command
 */
#ifndef SPOOLGUARD_CLI_VERB_CERTIFICATE_H
#define SPOOLGUARD_CLI_VERB_CERTIFICATE_H

#include "audit/document.h"
#include "audit/trust.h"
#include "cli/cli.h"
#include "decommission/certificate.h"
#include "decommission/custody.h"

/* Each is run with the sub-command's name in argv[0], and returns an enum cli_exit. */
int certificate_show(int argc, char **argv);
int certificate_verify(int argc, char **argv);
int certificate_render_verb(int argc, char **argv);
int certificate_handover(int argc, char **argv);

/* Returns CLI_USAGE. */
int certificate_usage(const char *format, ...) format_printf(1, 2);

/*
 * FILE, and what it says.  trust: under whose key it has to verify; NULL: it is not verified, its
 * signature need not be there, and nothing may be believed.  Errors of document_verify() (the
 * verifier's "not good" is -EBADMSG alone).
 */
struct certificate_file {
	struct document document;
	struct json_object *object;
	char sha256[RECORD_DIGEST_BYTES];
};
must_check int certificate_file_read(const char *path, const char *signature,
	const struct trust *trust, struct certificate_file *ret_file,
	struct problem *reterr_problem);
void certificate_file_done(struct certificate_file *file);

/* FILE.custody.  -ENAMETOOLONG. */
must_check int certificate_custody_path(
	const char *file, char *ret_path, size_t bytes, struct problem *reterr_problem);
/* Gives ret_chain to free().  -ENOENT: there is none. */
must_check int certificate_custody_load(
	const char *file, char **ret_chain, size_t *ret_bytes, struct problem *reterr_problem);
/* holders: their public keys; NULL: only whether it is a chain.  -EBADMSG: it is not good. */
must_check int certificate_custody_check(const char *file, const char *holders,
	const struct certificate_file *certificate, struct custody_report *ret_report,
	struct problem *reterr_problem);

/* For people.  -EBADMSG: it is no certificate. */
must_check int certificate_print(struct json_object *certificate, struct problem *reterr_problem);

#endif
