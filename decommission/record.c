/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/record.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "decommission/record_fields.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_NAME  "spoolguard.decommission"
#define SCHEMA	     SCHEMA_NAME "/1"
#define HEAD	     "{\"schema\":\"" SCHEMA_NAME "/"
#define TAIL_OPEN    ",\"sha256\":\""
#define TAIL_CLOSE   "\"}\n"
#define DIGEST_CHARS (2 * SHA256_BYTES)
#define TAIL_BYTES   (sizeof(TAIL_OPEN) - 1 + DIGEST_CHARS + sizeof(TAIL_CLOSE) - 1)
#define DEPTH_MAX    8
#define PLAIN	     (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

int record_new(struct record **ret_record)
{
	uint8_t id[(RECORD_ID_BYTES - 1) / 2];
	struct record *record;
	int r = random_bytes(id, sizeof(id));

	if (r < 0)
		return r;
	record = calloc(1, sizeof(*record));
	if (!record)
		return -ENOMEM;
	hex_encode(id, sizeof(id), record->id);
	record->operator_.uid = (uid_t)-1;
	*ret_record = record;
	return 0;
}

void record_free(struct record *record)
{
	if (!record)
		return;
	extent_list_done(&record->overwrite.refused);
	extent_list_done(&record->overwrite.mismatched);
	free(record);
}

const char *record_key(const struct record *record)
{
	return record->identity.key[0] ? record->identity.key : record->id;
}

/* --- encoding --- */

static int digest_of(const char *text, size_t bytes, char ret_digest[static DIGEST_CHARS + 1])
{
	uint8_t digest[SHA256_BYTES];
	int r = hash_sha256(text, bytes, digest);

	if (r >= 0)
		hex_encode(digest, sizeof(digest), ret_digest);
	return r;
}

/* whole: the object's text, with its brace at the end, in place of which the tail comes. */
static int seal(const char *whole, char **ret_text)
{
	const size_t body = strlen(whole) - 1;
	char digest[DIGEST_CHARS + 1];
	int r = digest_of(whole, body, digest);

	if (r < 0)
		return r;
	r = asprintf(ret_text, "%.*s" TAIL_OPEN "%s" TAIL_CLOSE, (int)body, whole, digest);
	return r < 0 ? -ENOMEM : 0;
}

int record_encode(const struct record *record, char **ret_text)
{
	struct json_object *object = json_object_new_object();
	struct json_object *schema = json_object_new_string(SCHEMA);
	const char *whole;
	int r = object && schema ? 0 : -ENOMEM;

	if (r >= 0 && json_object_object_add(object, "schema", schema) < 0)
		r = -ENOMEM;
	if (r >= 0) {
		schema = NULL; /* the object's now */
		r = field_put_all(object, record_fields, record);
	}
	if (r >= 0) {
		whole = json_object_to_json_string_ext(object, PLAIN);
		r = whole ? seal(whole, ret_text) : -ENOMEM;
	}
	json_object_put(schema);
	json_object_put(object);
	return r;
}

/* --- decoding --- */

/* J6, without a look at what the members are: the tail is there, and its digest fits. */
static int check_seal(const char *text, size_t bytes)
{
	const char *tail = text + bytes - TAIL_BYTES;
	char digest[DIGEST_CHARS + 1];
	int r;

	if (bytes < sizeof(HEAD) + TAIL_BYTES || memchr(text, '\0', bytes) ||
		strncmp(text, HEAD, sizeof(HEAD) - 1) != 0 ||
		strncmp(tail, TAIL_OPEN, sizeof(TAIL_OPEN) - 1) != 0 ||
		strncmp(text + bytes - (sizeof(TAIL_CLOSE) - 1), TAIL_CLOSE,
			sizeof(TAIL_CLOSE) - 1) != 0)
		return -EBADMSG;
	r = digest_of(text, bytes - TAIL_BYTES, digest);
	if (r < 0)
		return r;
	return strncmp(tail + sizeof(TAIL_OPEN) - 1, digest, DIGEST_CHARS) == 0 ? 0 : -EBADMSG;
}

static int parse(const char *text, size_t bytes, struct json_object **ret_object)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;
	bool whole;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)bytes);
	whole = object && json_tokener_get_parse_end(tokener) == bytes;
	json_tokener_free(tokener);
	if (!whole) {
		json_object_put(object);
		return -EBADMSG;
	}
	*ret_object = object;
	return 0;
}

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdef")] == '\0';
}

/* What no type tells. */
static bool is_possible(const struct record *record)
{
	const struct record_overwrite *overwrite = &record->overwrite;

	return strlen(record->id) == RECORD_ID_BYTES - 1 && is_hex(record->id) &&
	       is_hex(record->identity.key) && /* it names files */
	       overwrite->reached.pass <= overwrite->pass_count;
}

static int decode_members(struct json_object *object, struct record **ret_record)
{
	struct json_object *schema;
	struct record *record;
	int r;

	if (!json_object_object_get_ex(object, "schema", &schema) ||
		!json_object_is_type(schema, json_type_string))
		return -EBADMSG;
	if (strcmp(json_object_get_string(schema), SCHEMA) != 0)
		return -EPROTONOSUPPORT;
	record = calloc(1, sizeof(*record));
	if (!record)
		return -ENOMEM;
	r = field_get_all(object, 2, record_fields, record); /* schema, sha256 */
	if (r >= 0 && !is_possible(record))
		r = -EBADMSG;
	if (r < 0) {
		record_free(record);
		return r;
	}
	*ret_record = record;
	return 0;
}

int record_decode(const char *text, size_t bytes, struct record **ret_record)
{
	struct json_object *object;
	int r = check_seal(text, bytes);

	if (r >= 0)
		r = parse(text, bytes - 1, &object);
	if (r < 0)
		return r;
	r = decode_members(object, ret_record);
	json_object_put(object);
	return r;
}
