/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/receipt_check.h"
#include "audit/log_cites.h"
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

struct naming {
	struct json_object *receipt;
	char sha256[AUDIT_HEX_BYTES]; /* of the document */
};

static int digest_of(const void *bytes, size_t count, char ret_hex[static AUDIT_HEX_BYTES])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(bytes, count, digest);

	if (r >= 0)
		(void)hex_encode(digest, sizeof(digest), ret_hex);
	return r;
}

static int names(void *context, const struct audit_record *record, struct problem *reterr_problem)
{
	const struct naming *naming = context;
	struct json_object *data = record->event.data;

	if (strcmp(record->event.event, "job-retired") != 0 ||
		strcmp(text_of(data, "receipt"), text_of(naming->receipt, "receipt")) != 0)
		return 0;
	if (strcmp(text_of(data, "receipt_sha256"), naming->sha256) != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"record %" PRIu64 " of the log names this receipt with another digest",
			record->stamp.sequence);
	/* By its number: the record's object may have been cut. */
	if (number_of(data, "number") != number_of(naming->receipt, "job") ||
		strcmp(text_of(data, "source"), text_of(naming->receipt, "source")) != 0 ||
		strcmp(record->event.outcome, "success") != 0)
		return problem_set(reterr_problem, -EBADMSG,
			"record %" PRIu64 " of the log names this receipt for another job, or does "
			"not say that it was retired",
			record->stamp.sequence);
	return 1;
}

static int check_log(const struct receipt_check *check, struct naming *naming,
	struct receipt_found *found, struct problem *reterr_problem)
{
	struct json_object *log = json_object_object_get(naming->receipt, "log");
	const struct log_cites cites = {
		.what = "receipt",
		.log = text_of(log, "id"),
		.sequence = number_of(log, "sequence"),
		.sha256 = text_of(log, "sha256"),
		.names = names,
		.context = naming,
		.record = "job-retired",
	};

	return log_cites(&cites, check->log, check->position_path, check->trusted, &found->record,
		&found->root_enrolled, reterr_problem);
}

int receipt_check(const struct receipt_check *check, const struct document *document,
	struct receipt_found *ret_found, struct problem *reterr_problem)
{
	struct receipt_found found = {.receipt = NULL};
	struct naming naming;
	int r;

	r = check_signature(check, document, &found.receipt, reterr_problem);
	if (r < 0)
		return r;
	naming.receipt = found.receipt;
	r = check_job(check, found.receipt, reterr_problem);
	if (r >= 0)
		r = digest_of(document->text, document->bytes, naming.sha256);
	if (r >= 0 && check->log)
		r = check_log(check, &naming, &found, reterr_problem);
	if (r < 0) {
		receipt_found_done(&found);
		return r;
	}
	*ret_found = found;
	return 0;
}
