/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/token.h"
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_DEPTH_MAX 4
#define TOKEN_BYTES_MAX 4096u

static void add_u64(struct json_object *object, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_object_object_add(object, key, json_object_new_string(text));
}

int token_encode(const struct keystore_token *token, char **ret_json)
{
	struct json_object *object = json_object_new_object();
	const char *text;

	if (!object)
		return -ENOMEM;
	json_object_object_add(object, "type", json_object_new_string(TOKEN_TYPE));
	json_object_object_add(object, "keyslots", json_object_new_array());
	json_object_object_add(object, "version", json_object_new_int(TOKEN_VERSION));
	add_u64(object, "superblock_offset", token->superblock_offset_bytes);
	json_object_object_add(object, "scheme", json_object_new_string(token->scheme));
	json_object_object_add(
		object, "profile", json_object_new_string(profile_name(token->profile)));
	json_object_object_add(
		object, "filled_before", json_object_new_boolean(token->filled_before));
	json_object_object_add(object, "backups", json_object_new_int64(token->backups));
	add_u64(object, "key_generation", token->key_generation);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	*ret_json = text ? strdup(text) : NULL;
	json_object_put(object);
	return *ret_json ? 0 : -ENOMEM;
}

static bool get(struct json_object *object, const char *key, enum json_type type,
	struct json_object **ret_value)
{
	return json_object_object_get_ex(object, key, ret_value) &&
	       json_object_is_type(*ret_value, type);
}

static bool get_u64(struct json_object *object, const char *key, uint64_t *ret_value)
{
	struct json_object *value;
	const char *text;
	char *end;

	if (!get(object, key, json_type_string, &value))
		return false;
	text = json_object_get_string(value);
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* JSON strings may hold a zero byte; ours do not. */
static bool get_scheme(struct json_object *object, char ret_scheme[static LAYOUT_SCHEME_BYTES])
{
	struct json_object *value;
	const char *text;

	if (!get(object, "scheme", json_type_string, &value))
		return false;
	text = json_object_get_string(value);
	if (text[0] == '\0' || strlen(text) != (size_t)json_object_get_string_len(value) ||
		strlen(text) >= LAYOUT_SCHEME_BYTES)
		return false;
	memset(ret_scheme, 0, LAYOUT_SCHEME_BYTES);
	memcpy(ret_scheme, text, strlen(text));
	return true;
}

static int decode_object(struct json_object *object, struct keystore_token *token)
{
	struct json_object *value;
	int64_t number;

	if (!get(object, "type", json_type_string, &value) ||
		strcmp(json_object_get_string(value), TOKEN_TYPE) != 0)
		return -EBADMSG;
	if (!get(object, "version", json_type_int, &value))
		return -EBADMSG;
	number = json_object_get_int64(value);
	if (number > TOKEN_VERSION)
		return -EPROTONOSUPPORT;
	if (number < 1)
		return -EBADMSG;
	token->version = (int)number;
	if (!get_u64(object, "superblock_offset", &token->superblock_offset_bytes) ||
		!get_u64(object, "key_generation", &token->key_generation))
		return -EBADMSG;
	if (!get_scheme(object, token->scheme))
		return -EBADMSG;
	if (!get(object, "profile", json_type_string, &value) ||
		profile_from_name(json_object_get_string(value), &token->profile) < 0)
		return -EBADMSG;
	if (!get(object, "filled_before", json_type_boolean, &value))
		return -EBADMSG;
	token->filled_before = json_object_get_boolean(value);
	if (!get(object, "backups", json_type_int, &value))
		return -EBADMSG;
	number = json_object_get_int64(value);
	if (number < 0 || number > UINT32_MAX)
		return -EBADMSG;
	token->backups = (uint32_t)number;
	token->present = true;
	return 0;
}

int token_decode(const char *json, struct keystore_token *ret_token)
{
	struct keystore_token token = {.present = false};
	struct json_tokener *tokener;
	struct json_object *object;
	size_t bytes = strnlen(json, TOKEN_BYTES_MAX + 1);
	int r;

	if (bytes > TOKEN_BYTES_MAX)
		return -EBADMSG;
	tokener = json_tokener_new_ex(TOKEN_DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, json, (int)bytes + 1);
	r = object && json_object_is_type(object, json_type_object) ? decode_object(object, &token)
								    : -EBADMSG;
	json_object_put(object);
	json_tokener_free(tokener);
	if (r >= 0)
		*ret_token = token;
	return r;
}
