/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_cites.h"
#include "audit/log_reader.h"
#include "audit/log_verify.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct search {
	const struct log_cites *cites;
	bool anchored;
	uint64_t record; /* that names it; 0: not yet found */
};

/* With the newline that ends it. */
static int digest_line(const struct log_reader *reader, char ret_hex[static AUDIT_HEX_BYTES])
{
	_cleanup_(hash_freep) struct hash *hash = NULL;
	uint8_t digest[SHA256_BYTES];
	size_t bytes;
	const char *line = log_reader_line(reader, &bytes);
	int r;

	r = hash_new(&hash);
	if (r >= 0)
		r = hash_update(hash, line, bytes);
	if (r >= 0)
		r = hash_update(hash, "\n", 1);
	if (r >= 0)
		r = hash_finish(hash, digest);
	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

static int check_anchor(
	struct search *search, const struct log_reader *reader, struct problem *reterr_problem)
{
	char sha256[AUDIT_HEX_BYTES];
	int r;

	r = digest_line(reader, sha256);
	if (r < 0)
		return r;
	if (strcmp(sha256, search->cites->sha256) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: its record %" PRIu64
			" has another digest than the %s says",
			search->cites->sequence, search->cites->what);
	search->anchored = true;
	return 0;
}

static int check_record(
	struct search *search, const struct audit_record *record, struct problem *reterr_problem)
{
	int r = search->cites->names(search->cites->context, record, reterr_problem);

	if (r > 0)
		search->record = record->stamp.sequence;
	return r;
}

static int walk(struct search *search, struct log_reader *reader, struct problem *reterr_problem)
{
	struct audit_record record;
	int r = 0;

	while (r >= 0 && search->record == 0) {
		r = log_reader_next(reader, &record);
		if (r == 0)
			break;
		if (r < 0)
			return problem_set(
				reterr_problem, r, "the log cannot be read: %s", strerror(-r));
		if (record.stamp.sequence == search->cites->sequence)
			r = check_anchor(search, reader, reterr_problem);
		else
			r = check_record(search, &record, reterr_problem);
		audit_record_done(&record);
	}
	return r < 0 ? r : 0;
}

static int judge_verdict(const struct log_verdict *verdict, const struct log_cites *cites,
	struct problem *reterr_problem)
{
	if (!verdict->good)
		return problem_set(reterr_problem, -EBADMSG, "the log does not verify: %s",
			verdict->count > 0 ? verdict->findings[0].text : "see audit verify");
	if (strcmp(verdict->log, cites->log) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it names the log %.36s, and this is %.36s",
			cites->log, verdict->log);
	if (cites->sequence < verdict->first_sequence)
		return problem_set(reterr_problem, -ENODATA,
			"cannot tell: the log's records before %" PRIu64
			" were dropped, the %s stands at %" PRIu64,
			verdict->first_sequence, cites->what, cites->sequence);
	if (cites->sequence > verdict->last_sequence)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it names record %" PRIu64
			", and the log ends at %" PRIu64 " (cut, or an older copy)",
			cites->sequence, verdict->last_sequence);
	return 0;
}

static int verify_log(const struct log_cites *cites, const char *directory,
	const char *position_path, const struct trust *trusted, bool *ret_root_enrolled,
	struct problem *reterr_problem)
{
	struct log_verdict verdict = {.good = false};
	int r;

	r = log_verify(directory, position_path, trusted, &verdict, reterr_problem);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	r = judge_verdict(&verdict, cites, reterr_problem);
	*ret_root_enrolled = verdict.root_enrolled;
	log_verdict_done(&verdict);
	return r;
}

int log_cites(const struct log_cites *cites, const char *directory, const char *position_path,
	const struct trust *trusted, uint64_t *ret_record, bool *ret_root_enrolled,
	struct problem *reterr_problem)
{
	struct search search = {.cites = cites};
	struct log_reader *reader;
	bool root_enrolled = false;
	int r;

	r = verify_log(cites, directory, position_path, trusted, &root_enrolled, reterr_problem);
	if (r >= 0)
		r = log_reader_open(directory, cites->sequence, &reader, reterr_problem);
	if (r < 0)
		return r;
	r = walk(&search, reader, reterr_problem);
	log_reader_free(reader);
	if (r < 0)
		return r;
	if (!search.anchored)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it has no record %" PRIu64, cites->sequence);
	if (search.record == 0)
		return problem_set(reterr_problem, -EBADMSG,
			"no record \"%s\" of this log names it", cites->record);
	*ret_record = search.record;
	*ret_root_enrolled = root_enrolled;
	return 0;
}
