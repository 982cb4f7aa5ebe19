/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_receipts.h"
#include "audit/document.h"
#include "ipc/fields.h"
#include <string.h>

#define SCHEMA "spoolguard.receipt"

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		(void)json_object_object_get_ex(object, key, &value);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* False: it is not there. */
static bool get_number(struct json_object *receipt, const char *key, uint64_t *ret_number)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(receipt, json_type_object) ||
		!json_object_object_get_ex(receipt, key, &value) ||
		!json_object_is_type(value, json_type_int))
		return false;
	*ret_number = json_object_get_uint64(value);
	return true;
}

/* retirement.h: requested is the sum of written, lost, not owed and refused. */
static bool is_whole(struct json_object *receipt)
{
	uint64_t requested, written, durable, verified, lost, not_owed, refused, unjudged;

	if (!get_number(receipt, "requested_blocks", &requested) ||
		!get_number(receipt, "written_blocks", &written) ||
		!get_number(receipt, "durable_blocks", &durable) ||
		!get_number(receipt, "verified_blocks", &verified) ||
		!get_number(receipt, "lost_blocks", &lost) ||
		!get_number(receipt, "not_owed_blocks", &not_owed) ||
		!get_number(receipt, "refused_blocks", &refused) ||
		!get_number(receipt, "unjudged_blocks", &unjudged) ||
		strcmp(text_of(receipt, "result"), "retired") != 0)
		return false;
	if (refused > 0 || unjudged > 0 || durable < written ||
		written + lost + not_owed < requested)
		return false;
	if (strcmp(text_of(receipt, "verify"), "full") == 0)
		return verified >= durable;
	return durable == 0 || verified > 0;
}

/* NULL: it is not signed by that key.  Gives. */
static struct json_object *verified_receipt(
	struct json_object *job, const struct minisign_key *trusted)
{
	const char *document = text_of(job, "document"), *signature = text_of(job, "signature");
	struct json_object *receipt = NULL;

	if (!trusted || !document[0] ||
		document_verify(document, strlen(document), signature, strlen(signature), trusted,
			SCHEMA, &receipt, NULL) < 0)
		return NULL;
	return receipt;
}

void check_receipts_add(struct check_receipts *receipts, struct json_object *job,
	const struct minisign_key *trusted)
{
	struct json_object *verified = verified_receipt(job, trusted), *receipt = verified;

	if (!receipt)
		(void)json_object_object_get_ex(job, "receipt", &receipt);
	receipts->looked_at++;
	receipts->not_signed += !verified;
	receipts->fell_short += !is_whole(receipt);
	json_object_put(verified);
}

struct json_object *check_receipts_to_json(const struct check_receipts *receipts)
{
	struct json_object *value = json_object_new_object();

	fields_add_u64(value, "looked_at", receipts->looked_at);
	fields_add_u64(value, "short", receipts->fell_short);
	fields_add_u64(value, "unsigned", receipts->not_signed);
	return value;
}
