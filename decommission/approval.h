/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval.h - dual control: a second person signs what is going to die
 *
 * The first real run of a drive whose policy asks for approvals writes a request and ends: one JSON
 * line ("spoolguard.decommission-request/1": id, drive's serial, WWN, size and model, volumes,
 * steps, methods, scheme, who asks, when, until when).  An approver looks at it, and signs exactly
 * these bytes with a key of his own (minisign format, so that stock minisign can do it too):
 * "spoolguard decommission approve ID --sign KEY", or FILE.minisig brought along.  The next run
 * finds enough approvals and goes on.
 *
 *   Q1  An approval is a signature by a key that the policy lists; a uid alone never counts, the
 *       same key never counts twice, and the requester's own key never counts.
 *   Q2  It is for this id, this drive and this plan, within the window; later it is refused and the
 *       request has to be made anew.
 *   Q3  Both are in the certificate, with the digest of what was signed.
 *
 * Errors: -EKEYREJECTED (not listed, the requester's, forged), -ETIME (too late, or too early by a
 * clock that jumped), -EEXIST (that key has approved), -ENOENT, -EBADMSG.
 */
#ifndef SPOOLGUARD_DECOMMISSION_APPROVAL_H
#define SPOOLGUARD_DECOMMISSION_APPROVAL_H

#include "crypto/minisign.h"
#include "decommission/record.h"

#define APPROVAL_WINDOW_S 86400 /* default */

struct approval_policy {
	uint32_t required; /* 0: no dual control */
	uint32_t window_s;
	const struct minisign_key *approvers; /* listed */
	size_t approver_count;
	const char (*names)[RECORD_TEXT_BYTES]; /* of each, from the list's comments */
};

/* The list: minisign public keys, each behind its "untrusted comment:" line, which names the
 * person. */
must_check int approval_list_load(
	const char *path, struct approval_policy *ret_policy, struct problem *reterr_problem);
void approval_list_done(struct approval_policy *policy);

/* Gives ret_text to free(): the bytes that are signed. */
must_check int approval_request(
	const struct record *record, int64_t now_wall_s, uint32_t window_s, char **ret_text);
/* Adds to the record's approvals. */
must_check int approval_accept(struct record *record, const char *request, size_t request_bytes,
	const char *signature, size_t signature_bytes, const struct approval_policy *policy,
	int64_t now_wall_s, struct problem *reterr_problem);

#endif
