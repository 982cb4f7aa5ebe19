/* SPDX-License-Identifier: Apache-2.0 */
/* J3: audit-position, by which a cut end shows. */
#include "audit/log_verify_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SET_ASIDE "/audit.set-aside-"

int log_verify_may_not_read(const char *path, const char *what, struct problem *reterr_problem)
{
	return problem_set(reterr_problem, -EACCES,
		"%s: %s may not be read by you: run as root, or be in the group of the auditors, "
		"to which the log's files belong",
		path, what);
}

int log_verify_read_position(const char *path, const char *position_path,
	struct audit_position *ret_position, struct problem *reterr_problem)
{
	struct log_bytes text = {.at = NULL};
	char beside[PATH_MAX];
	int r;

	/* What is beside a log that was set aside is the new log's. */
	if (!position_path && strstr(path, SET_ASIDE))
		return 0;
	if (snprintf(beside, sizeof(beside), "%s/..", path) >= (int)sizeof(beside))
		return problem_set(reterr_problem, -ENAMETOOLONG, "%s: the name is too long", path);
	r = log_bytes_read(position_path ? NULL : beside,
		position_path ? position_path : LOG_POSITION_NAME, LOG_HEAD_BYTES_MAX, &text);
	if (r >= 0)
		r = log_position_decode(text.at, text.bytes, ret_position);
	log_bytes_done(&text);
	if (r >= 0)
		return 1;
	if ((r == -ENOENT || r == -ENOTDIR) && !position_path)
		return 0;
	if (r == -EBADMSG || r == -EPROTONOSUPPORT || r == -EFBIG)
		return -EBADMSG;
	if (r == -EACCES && !position_path)
		return log_verify_may_not_read(path, LOG_POSITION_NAME, reterr_problem);
	return problem_set(reterr_problem, r, "%s: %s; it says where the log ends",
		position_path ? position_path : LOG_POSITION_NAME, strerror(-r));
}

void log_verify_judge_position(struct log_verifier *verifier)
{
	const struct audit_position *position = verifier->position;
	struct log_verdict *verdict = verifier->verdict;
	struct log_chain *chain = &verifier->chain;
	const uint64_t segment = verifier->listing.last;
	bool fits;

	if (!position || (verdict->log[0] && strcmp(position->log, verdict->log) != 0)) {
		log_chain_settle(chain, true);
		if (position)
			log_verdict_add(verdict, LOG_CUT, &(struct log_place){0},
				"audit-position is of another log");
		return;
	}
	if (position->sequence > verdict->last_sequence) {
		log_chain_settle(chain, true);
		log_verdict_add(verdict, LOG_CUT,
			&(struct log_place){segment, 0, verdict->last_sequence + 1},
			"the log ends with record %" PRIu64 ", and audit-position has record "
			"%" PRIu64,
			verdict->last_sequence, position->sequence);
		return;
	}
	if (!chain->wanted_digest[0] && position->sequence < verdict->first_sequence) {
		/* Its segment made room, perhaps while we read: there is nothing to compare. */
		log_chain_settle(chain, true);
		return;
	}
	fits = strcmp(chain->wanted_digest, position->sha256) == 0;
	log_chain_settle(chain, position->sequence != verdict->last_sequence || fits);
	if (!fits)
		log_chain_blame(chain, &(struct log_place){segment, 0, position->sequence},
			"audit-position has another digest for it");
}
