/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust.h - what an auditor was given at enrolment, and believes
 *
 * A text file as "spoolguard key public" prints it: the device's public key in minisign's format
 * (two lines; stock minisign reads these, and verifies receipts and certificates with them) and,
 * two lines further, the public key of the log's first segment.  A file with the first key alone
 * verifies documents; a log then is rooted in what the device's key signed, and that is said.
 *
 * Errors: -EINVAL: it is no such file; -errno of open and read.
 */
#ifndef SPOOLGUARD_AUDIT_TRUST_H
#define SPOOLGUARD_AUDIT_TRUST_H

#include "base/problem.h"
#include "crypto/minisign.h"

struct trust {
	struct minisign_key device;
	bool has_log_root;
	struct minisign_key log_root;
};

/* Pure. */
must_check int trust_decode(const char *text, size_t bytes, struct trust *ret_trust);
must_check int trust_read(
	const char *path, struct trust *ret_trust, struct problem *reterr_problem);

#endif
