/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/receipt_check.h"
#include "audit/log_reader.h"
#include "audit/log_verify.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void receipt_found_done(struct receipt_found *found)
{
	json_object_put(found->receipt);
	*found = (struct receipt_found){.receipt = NULL};
}

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!object || !json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static uint64_t number_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!object || !json_object_object_get_ex(object, name, &value) ||
		!json_object_is_type(value, json_type_int))
		return 0;
	return json_object_get_uint64(value);
}

static int check_signature(const struct receipt_check *check, const struct document *document,
	struct json_object **ret_receipt, struct problem *reterr_problem)
{
	int r = document_verify(document->text, document->bytes, document->signature,
		document->signature_bytes, &check->trusted->device, RECEIPT_CHECK_SCHEMA,
		ret_receipt, reterr_problem);

	return r == -ENOKEY || r == -EINVAL || r == -EFBIG ? -EBADMSG : r;
}

static int check_job(const struct receipt_check *check, struct json_object *receipt,
	struct problem *reterr_problem)
{
	const char *source = text_of(receipt, "source"), *id = text_of(receipt, "id");

	if ((!check->source || strcmp(source, check->source) == 0) &&
		(!check->id || strcmp(id, check->id) == 0))
		return 0;
	return problem_set(
		reterr_problem, -EBADMSG, "another job's: it is of %.60s/%.250s", source, id);
}

/* --- the log --- */

/* A record that the receipt speaks of, and what the log says of it. */
struct search {
	struct json_object *receipt;
	char sha256[AUDIT_HEX_BYTES]; /* of the document */
	uint64_t anchor;	      /* sequence number */
	const char *anchor_sha256;
	bool anchored;
	uint64_t record; /* that names it; 0: not yet found */
};

static int digest_of(const void *bytes, size_t count, char ret_hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(bytes, count, digest);

	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

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
	if (strcmp(sha256, search->anchor_sha256) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: its record %" PRIu64
			" has another digest than the receipt says",
			search->anchor);
	search->anchored = true;
	return 0;
}

static int check_naming(
	struct search *search, const struct audit_record *record, struct problem *reterr_problem)
{
	struct json_object *data = record->event.data;

	if (strcmp(record->event.event, "job-retired") != 0 ||
		strcmp(text_of(data, "receipt"), text_of(search->receipt, "receipt")) != 0)
		return 0;
	if (strcmp(text_of(data, "receipt_sha256"), search->sha256) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"record %" PRIu64 " of the log names this receipt with another digest",
			record->stamp.sequence);
	/* By its number: the record's object may have been cut. */
	if (number_of(data, "number") != number_of(search->receipt, "job") ||
		strcmp(text_of(data, "source"), text_of(search->receipt, "source")) != 0 ||
		strcmp(record->event.outcome, "success") != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"record %" PRIu64 " of the log names this receipt for another job, or does "
			"not say that it was retired",
			record->stamp.sequence);
	search->record = record->stamp.sequence;
	return 0;
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
		if (record.stamp.sequence == search->anchor)
			r = check_anchor(search, reader, reterr_problem);
		else
			r = check_naming(search, &record, reterr_problem);
		audit_record_done(&record);
	}
	return r < 0 ? r : 0;
}

static int judge_verdict(const struct log_verdict *verdict, const struct search *search,
	struct problem *reterr_problem)
{
	const char *log = text_of(json_object_object_get(search->receipt, "log"), "id");

	if (!verdict->good)
		return problem_set(reterr_problem, -EBADMSG, "the log does not verify: %s",
			verdict->count > 0 ? verdict->findings[0].text : "see audit verify");
	if (strcmp(verdict->log, log) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it names the log %.36s, and this is %.36s", log,
			verdict->log);
	if (search->anchor < verdict->first_sequence)
		return problem_set(reterr_problem, -ENODATA,
			"cannot tell: the log's records before %" PRIu64
			" were dropped, the receipt stands at %" PRIu64,
			verdict->first_sequence, search->anchor);
	if (search->anchor > verdict->last_sequence)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it names record %" PRIu64
			", and the log ends at %" PRIu64 " (cut, or an older copy)",
			search->anchor, verdict->last_sequence);
	return 0;
}

static int verify_log(const struct receipt_check *check, const struct search *search,
	bool *ret_root_enrolled, struct problem *reterr_problem)
{
	struct log_verdict verdict = {.good = false};
	int r;

	r = log_verify(check->log, check->position_path, check->trusted, &verdict, reterr_problem);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	r = judge_verdict(&verdict, search, reterr_problem);
	*ret_root_enrolled = verdict.root_enrolled;
	log_verdict_done(&verdict);
	return r;
}

static int check_log(const struct receipt_check *check, struct search *search,
	struct receipt_found *found, struct problem *reterr_problem)
{
	struct log_reader *reader;
	int r;

	r = verify_log(check, search, &found->root_enrolled, reterr_problem);
	if (r >= 0)
		r = log_reader_open(check->log, search->anchor, &reader, reterr_problem);
	if (r < 0)
		return r;
	r = walk(search, reader, reterr_problem);
	log_reader_free(reader);
	if (r < 0)
		return r;
	if (!search->anchored)
		return problem_set(reterr_problem, -EBADMSG,
			"not anchored in this log: it has no record %" PRIu64, search->anchor);
	if (search->record == 0)
		return problem_set(
			reterr_problem, -EBADMSG, "no record \"job-retired\" of this log names it");
	found->record = search->record;
	return 0;
}

int receipt_check(const struct receipt_check *check, const struct document *document,
	struct receipt_found *ret_found, struct problem *reterr_problem)
{
	struct receipt_found found = {.receipt = NULL};
	struct search search = {.anchored = false};
	struct json_object *log;
	int r;

	r = check_signature(check, document, &found.receipt, reterr_problem);
	if (r < 0)
		return r;
	r = check_job(check, found.receipt, reterr_problem);
	if (r >= 0)
		r = digest_of(document->text, document->bytes, search.sha256);
	if (r >= 0 && check->log) {
		log = json_object_object_get(found.receipt, "log");
		search.receipt = found.receipt;
		search.anchor = number_of(log, "sequence");
		search.anchor_sha256 = text_of(log, "sha256");
		r = check_log(check, &search, &found, reterr_problem);
	}
	if (r < 0) {
		receipt_found_done(&found);
		return r;
	}
	*ret_found = found;
	return 0;
}
