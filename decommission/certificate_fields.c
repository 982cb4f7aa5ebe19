/* SPDX-License-Identifier: Apache-2.0 */
#include "decommission/certificate_fields.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/utf8.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- one member --- */

int field_add(struct json_object *object, const char *key, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

int field_append(struct json_object *array, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_array_add(array, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

int field_add_null(struct json_object *object, const char *key)
{
	return json_object_object_add(object, key, NULL) < 0 ? -ENOMEM : 0;
}

int field_add_text(struct json_object *object, const char *key, const char *text)
{
	size_t length = strlen(text), shown_bytes = 4 * length + 1;
	_cleanup_free_ char *shown = NULL;

	if (length == 0)
		return field_add_null(object, key);
	if (!utf8_is_valid(text, length)) {
		shown = malloc(shown_bytes);
		if (!shown)
			return -ENOMEM;
		text = utf8_printable(text, length, shown, shown_bytes);
	}
	return field_add(object, key, json_object_new_string(text));
}

int field_add_object(struct json_object *object, const char *key, struct json_object **ret_made)
{
	struct json_object *made = json_object_new_object();
	int r = field_add(object, key, made);

	if (r >= 0)
		*ret_made = made;
	return r;
}

int field_add_array(struct json_object *object, const char *key, struct json_object **ret_made)
{
	struct json_object *made = json_object_new_array();
	int r = field_add(object, key, made);

	if (r >= 0)
		*ret_made = made;
	return r;
}

int field_get(struct json_object *object, const char *key, enum json_type type,
	struct json_object **ret_value, struct problem *reterr_problem)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		return problem_set(reterr_problem, -EBADMSG, "it has no \"%s\"", key);
	if (!json_object_is_type(value, type))
		return problem_set(reterr_problem, -EBADMSG, "its \"%s\" is no %s", key,
			json_type_to_name(type));
	*ret_value = value;
	return 0;
}

/* --- by tables --- */

static int encode_time(struct json_object *object, const char *key, int64_t wall_s)
{
	char text[CLOCK_RFC3339_BYTES];

	return wall_s == 0 ? field_add_null(object, key)
			   : field_add_text(object, key, clock_rfc3339(wall_s, text));
}

static int encode(const struct field *field, const uint8_t *at, struct json_object *object)
{
	int64_t time_s;
	uint64_t u64;
	uint32_t u32;

	if (field->kind == FIELD_TEXT)
		return field_add_text(object, field->key, (const char *)at);
	if (field->kind == FIELD_FLAG)
		return field_add(object, field->key, json_object_new_boolean(*(const bool *)at));
	if (field->kind == FIELD_U64) {
		memcpy(&u64, at, sizeof(u64));
		return field_add(object, field->key, json_object_new_uint64(u64));
	}
	if (field->kind == FIELD_TIME) {
		memcpy(&time_s, at, sizeof(time_s));
		return encode_time(object, field->key, time_s);
	}
	memcpy(&u32, at, sizeof(u32));
	if (field->kind == FIELD_U32)
		return field_add(object, field->key, json_object_new_uint64(u32));
	return field_add_text(object, field->key, field->name(u32));
}

static size_t bytes_of(enum field_kind kind)
{
	return kind == FIELD_FLAG			 ? sizeof(bool)
	       : kind == FIELD_U64 || kind == FIELD_TIME ? sizeof(uint64_t)
							 : sizeof(uint32_t);
}

int fields_encode(
	const struct field *fields, size_t count, const void *from, struct json_object *object)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		assert(fields[i].kind == FIELD_TEXT || fields[i].bytes == bytes_of(fields[i].kind));
		r = encode(&fields[i], (const uint8_t *)from + fields[i].offset, object);
	}
	return r;
}

static int decode_text(const struct field *field, struct json_object *value, uint8_t *to)
{
	size_t length = 0;

	if (value && !json_object_is_type(value, json_type_string))
		return -EBADMSG;
	if (value)
		length = (size_t)json_object_get_string_len(value);
	if (length >= field->bytes || (value && strlen(json_object_get_string(value)) != length))
		return -EBADMSG;
	memset(to, 0, field->bytes);
	if (value)
		memcpy(to, json_object_get_string(value), length);
	return 0;
}

static int decode_time(struct json_object *value, uint8_t *to)
{
	char again[CLOCK_RFC3339_BYTES];
	struct tm tm = {.tm_sec = 0};
	int64_t wall_s = 0;
	const char *text, *end;

	if (value) {
		if (!json_object_is_type(value, json_type_string))
			return -EBADMSG;
		text = json_object_get_string(value);
		end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
		wall_s = timegm(&tm);
		/* One time has one text. */
		if (!end || *end != '\0' || wall_s == 0 ||
			strcmp(text, clock_rfc3339(wall_s, again)) != 0)
			return -EBADMSG;
	}
	memcpy(to, &wall_s, sizeof(wall_s));
	return 0;
}

static int decode_number(struct json_object *value, uint64_t max, uint64_t *ret_number)
{
	const char *text;

	if (!json_object_is_type(value, json_type_int))
		return -EBADMSG;
	text = json_object_get_string(value);
	*ret_number = json_object_get_uint64(value);
	return !text || text[0] == '-' || *ret_number > max ? -EBADMSG : 0;
}

static int decode_name(const struct field *field, struct json_object *value, uint8_t *to)
{
	const char *name;

	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	for (uint32_t i = 0; (name = field->name(i)) != NULL; i++) {
		if (strcmp(name, json_object_get_string(value)) == 0) {
			memcpy(to, &i, sizeof(i));
			return 0;
		}
	}
	return -EBADMSG;
}

static int decode(const struct field *field, struct json_object *value, uint8_t *to)
{
	uint64_t u64 = 0;
	uint32_t u32;
	bool flag;
	int r;

	if (field->kind == FIELD_TEXT)
		return decode_text(field, value, to);
	if (field->kind == FIELD_TIME)
		return decode_time(value, to);
	if (field->kind == FIELD_NAME)
		return decode_name(field, value, to);
	if (field->kind == FIELD_FLAG) {
		if (!json_object_is_type(value, json_type_boolean))
			return -EBADMSG;
		flag = json_object_get_boolean(value);
		memcpy(to, &flag, sizeof(flag));
		return 0;
	}
	r = decode_number(value, field->kind == FIELD_U32 ? UINT32_MAX : UINT64_MAX, &u64);
	u32 = (uint32_t)u64;
	if (field->kind == FIELD_U32)
		memcpy(to, &u32, sizeof(u32));
	else
		memcpy(to, &u64, sizeof(u64));
	return r;
}

int fields_decode(const struct field *fields, size_t count, struct json_object *object,
	const char *what, void *ret_to, struct problem *reterr_problem)
{
	struct json_object *value;
	int r;

	if (!json_object_is_type(object, json_type_object))
		return problem_set(reterr_problem, -EBADMSG, "its \"%s\" is no object", what);
	for (size_t i = 0; i < count; i++) {
		if (!json_object_object_get_ex(object, fields[i].key, &value))
			return problem_set(reterr_problem, -EBADMSG, "its \"%s\" has no \"%s\"",
				what, fields[i].key);
		r = decode(&fields[i], value, (uint8_t *)ret_to + fields[i].offset);
		if (r < 0)
			return problem_set(reterr_problem, r,
				"what its \"%s\" has as \"%s\" means nothing", what, fields[i].key);
	}
	return 0;
}
