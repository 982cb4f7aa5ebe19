/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/log_format.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4

/* --- names --- */

static const struct {
	const char *before, *after;
} names[] = {
	[LOG_SEGMENT_FILE] = {"segment-", ".jsonl"},
	[LOG_HEAD_FILE] = {"head-", ".json"},
	[LOG_HEAD_SIGNATURE_FILE] = {"head-", ".json" LOG_SIGNATURE_END},
};

const char *log_file_name(enum log_file file, uint64_t segment, char buf[static LOG_NAME_BYTES])
{
	snprintf(buf, LOG_NAME_BYTES, "%s%08" PRIu64 "%s", names[file].before, segment,
		names[file].after);
	return buf;
}

uint64_t log_file_number(enum log_file file, const char *name)
{
	const size_t before = strlen(names[file].before);
	char again[LOG_NAME_BYTES];
	uint64_t number;

	if (strncmp(name, names[file].before, before) != 0)
		return 0;
	number = strtoull(name + before, NULL, 10);
	if (number > LOG_SEGMENT_MAX || strcmp(log_file_name(file, number, again), name) != 0)
		return 0;
	return number;
}

/* --- members --- */

static struct json_object *parse(const char *text, size_t bytes)
{
	struct json_tokener *tokener;
	struct json_object *object;

	if (bytes < 2 || bytes > LOG_HEAD_BYTES_MAX || text[bytes - 1] != '\n')
		return NULL;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, (int)bytes - 1);
	if (object && (json_tokener_get_parse_end(tokener) != bytes - 1 ||
			      !json_object_is_type(object, json_type_object))) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

static const char *get_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_string) ||
		strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		return NULL;
	return json_object_get_string(value);
}

/* 0, and false, if it is no such number. */
static bool take_number(struct json_object *object, const char *key, uint64_t *ret_number)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_int) ||
		(json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0))
		return false;
	*ret_number = json_object_get_uint64(value);
	return true;
}

static bool take_digest(
	struct json_object *object, const char *key, char ret_hex[static AUDIT_HEX_BYTES])
{
	const char *text = get_text(object, key);

	if (!text || strspn(text, "0123456789abcdef") != AUDIT_HEX_BYTES - 1 ||
		text[AUDIT_HEX_BYTES - 1] != '\0')
		return false;
	memcpy(ret_hex, text, AUDIT_HEX_BYTES);
	return true;
}

static bool take_log(struct json_object *object, char ret_log[static AUDIT_BOOT_BYTES])
{
	const char *text = get_text(object, "log");

	if (!text || strspn(text, "0123456789abcdef-") != AUDIT_BOOT_BYTES - 1 ||
		text[AUDIT_BOOT_BYTES - 1] != '\0')
		return false;
	memcpy(ret_log, text, AUDIT_BOOT_BYTES);
	return true;
}

static bool take_key(struct json_object *object, const char *key, struct minisign_key *ret_key)
{
	const char *text = get_text(object, key);

	return text && minisign_key_decode(text, strlen(text), ret_key) == 0;
}

static bool take_time(struct json_object *object, int64_t *ret_wall_ms)
{
	const char *text = get_text(object, "time");

	return text && audit_time_decode(text, ret_wall_ms) == 0;
}

/* Gives ret_object.  A newer version is told apart from what is none of ours. */
static int open_object(
	const char *text, size_t bytes, const char *schema, struct json_object **ret_object)
{
	struct json_object *object = parse(text, bytes);
	const char *found = object ? get_text(object, "schema") : NULL;
	size_t name = strlen(schema) - 1; /* with the "/" */
	int r = 0;

	if (!found || strncmp(found, schema, name) != 0)
		r = -EBADMSG;
	else if (strcmp(found, schema) != 0)
		r = -EPROTONOSUPPORT;
	if (r < 0)
		json_object_put(object);
	else
		*ret_object = object;
	return r;
}

/* --- the three texts --- */

int log_root_decode(const char *text, size_t bytes, struct log_root *ret_root)
{
	struct json_object *object;
	struct log_root root;
	uint64_t segment = 0;
	bool whole;
	int r;

	r = open_object(text, bytes, LOG_ROOT_SCHEMA, &object);
	if (r < 0)
		return r;
	whole = take_log(object, root.log) && take_time(object, &root.wall_ms) &&
		take_key(object, "device", &root.device) && take_key(object, "key", &root.key) &&
		take_number(object, "segment", &segment);
	json_object_put(object);
	if (!whole || segment != 1)
		return -EBADMSG;
	*ret_root = root;
	return 0;
}

static bool take_head(struct json_object *object, struct log_head *head)
{
	uint64_t next = 0;

	return take_log(object, head->log) && take_number(object, "segment", &head->segment) &&
	       take_number(object, "first", &head->first) &&
	       take_number(object, "last", &head->last) &&
	       take_number(object, "records", &head->records) &&
	       take_number(object, "bytes", &head->bytes) &&
	       take_digest(object, "sha256", head->sha256) &&
	       take_digest(object, "last_record", head->last_record) &&
	       take_digest(object, "previous_head", head->previous_head) &&
	       take_time(object, &head->wall_ms) && take_number(object, "next_segment", &next) &&
	       take_key(object, "next_key", &head->next_key) && head->segment > 0 &&
	       head->segment < LOG_SEGMENT_MAX && next == head->segment + 1 &&
	       head->last < UINT64_MAX;
}

int log_head_decode(const char *text, size_t bytes, struct log_head *ret_head)
{
	struct json_object *object;
	struct log_head head;
	bool whole;
	int r;

	r = open_object(text, bytes, LOG_HEAD_SCHEMA, &object);
	if (r < 0)
		return r;
	whole = take_head(object, &head);
	json_object_put(object);
	if (!whole)
		return -EBADMSG;
	*ret_head = head;
	return 0;
}

/* Where there is a check, it holds. */
static bool is_checked(struct json_object *object, const char *text, size_t bytes)
{
	static const char before[] = ",\"check\"";
	const char *at = memmem(text, bytes, before, strlen(before));
	char check[AUDIT_HEX_BYTES], found[AUDIT_HEX_BYTES];
	uint8_t digest[SHA256_BYTES];

	if (!at)
		return true;
	return take_digest(object, "check", check) &&
	       hash_sha256(text, (size_t)(at - text), digest) == 0 &&
	       strcmp(hex_encode(digest, sizeof(digest), found), check) == 0;
}

int log_position_decode(const char *text, size_t bytes, struct audit_position *ret_position)
{
	struct json_object *object;
	struct audit_position position;
	bool whole;
	int r;

	r = open_object(text, bytes, LOG_POSITION_SCHEMA, &object);
	if (r < 0)
		return r;
	whole = take_log(object, position.log) &&
		take_number(object, "segment", &position.segment) &&
		take_number(object, "sequence", &position.sequence) &&
		take_digest(object, "sha256", position.sha256) && is_checked(object, text, bytes);
	json_object_put(object);
	if (!whole)
		return -EBADMSG;
	*ret_position = position;
	return 0;
}
