/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_verify_impl.h - what the parts of log_verify*.c share: keys and heads, records, the end
 */
#ifndef SPOOLGUARD_AUDIT_LOG_VERIFY_IMPL_H
#define SPOOLGUARD_AUDIT_LOG_VERIFY_IMPL_H

#include "audit/log_chain.h"
#include "audit/log_format.h"
#include "audit/log_listing.h"

struct log_verifier {
	const char *path;
	const struct trust *trusted;
	const struct audit_position *position; /* NULL: not known */
	struct log_verdict *verdict;
	struct log_listing listing;
	struct log_bytes text, signature;
	struct log_chain chain;

	char beginning[AUDIT_HEX_BYTES]; /* the digest of log.json; "": not to be believed */
	bool has_root;			 /* its key is known */
	struct minisign_key root;
	struct log_head *heads; /* owned; those that are vouched for: of segment 1, 2, ... */
	size_t head_count;
	size_t heads_room;
	bool heads_end;			   /* one is not vouched for: none behind it is looked at */
	char newest_head[AUDIT_HEX_BYTES]; /* the digest of the last of heads; of none: beginning */
};

/* log.json: fills beginning, has_root, root.  < 0: it could not be looked at; what does not fit is
 * in the verdict. */
must_check int log_verify_root(struct log_verifier *verifier, struct problem *reterr_problem);
/* Each head of the listing by the key that the one before it names; again: those that are new. */
must_check int log_verify_heads(struct log_verifier *verifier, struct problem *reterr_problem);
/* The head of a segment, if it is vouched for; else NULL. */
const struct log_head *log_verify_head(const struct log_verifier *verifier, uint64_t segment);

/* Reads name.  1: it is in text; 0: there is none. */
must_check int log_verify_read(const struct log_verifier *verifier, const char *name,
	size_t most_bytes, struct log_bytes *text, struct problem *reterr_problem);

/* Of the file named, or the one beside path.  1: it is known; 0: there is none, and none was named;
 * -EBADMSG: it is no position. */
must_check int log_verify_read_position(const char *path, const char *position_path,
	struct audit_position *ret_position, struct problem *reterr_problem);
void log_verify_judge_position(struct log_verifier *verifier);

/* Returns -EACCES. */
int log_verify_may_not_read(const char *path, const char *what, struct problem *reterr_problem);

#endif
