/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_json.c - a structure as a JSON object and back, by a table of its members
 *
 * Integers of every width that a table names go through get_number() and put_number(): the
 * member's own bytes say how wide it is.
 */
#include "base/hex.h"
#include "base/utf8.h"
#include "decommission/record_fields.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum { RUNS_MAX = 1 << 17, TEXT_MAX = 1024 };

static const void *member(const struct field *field, const void *base, size_t index)
{
	return (const char *)base + field->offset + index * field->bytes;
}

static uint64_t number_of(const void *at, size_t bytes)
{
	uint64_t u64;
	uint32_t u32;

	if (bytes == sizeof(uint8_t))
		return *(const uint8_t *)at;
	if (bytes == sizeof(u32)) {
		memcpy(&u32, at, sizeof(u32));
		return u32;
	}
	assert(bytes == sizeof(u64));
	memcpy(&u64, at, sizeof(u64));
	return u64;
}

static int set_number(void *at, size_t bytes, uint64_t value)
{
	uint32_t u32 = (uint32_t)value;

	if (bytes < sizeof(value) && value >> (8 * bytes) != 0)
		return -EBADMSG;
	if (bytes == sizeof(uint8_t))
		*(uint8_t *)at = (uint8_t)value;
	else if (bytes == sizeof(u32))
		memcpy(at, &u32, sizeof(u32));
	else
		memcpy(at, &value, sizeof(value));
	return 0;
}

static uint64_t count_of(const struct field *field, const void *base)
{
	uint32_t count;

	if (field->count_offset == FIELD_ALL)
		return field->most;
	memcpy(&count, (const char *)base + field->count_offset, sizeof(count));
	assert(count <= field->most);
	return count;
}

/* --- writing --- */

static struct json_object *put_text(const char *text, size_t room)
{
	char safe[TEXT_MAX];

	assert(room <= sizeof(safe) && memchr(text, '\0', room));
	if (utf8_is_valid(text, strlen(text)))
		return json_object_new_string(text);
	return json_object_new_string(utf8_printable(text, strlen(text), safe, room));
}

static struct json_object *put_bytes(const struct field *field, const void *base)
{
	char text[2 * METHOD_STATUS_BYTES + 1];
	uint64_t count = count_of(field, base);

	assert(field->most <= METHOD_STATUS_BYTES);
	return json_object_new_string(hex_encode(member(field, base, 0), (size_t)count, text));
}

/* Adds to an array or object; takes value. */
static int append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) >= 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int put_run(struct json_object *array, struct extent run)
{
	struct json_object *pair = json_object_new_array();
	int r = pair ? append(pair, json_object_new_uint64(run.first)) : -ENOMEM;

	if (r >= 0)
		r = append(pair, json_object_new_uint64(run.count));
	if (r >= 0)
		return append(array, pair);
	json_object_put(pair);
	return r;
}

static struct json_object *put_runs(const struct extent_list *list)
{
	struct json_object *array = json_object_new_array();
	int r = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < list->count && r >= 0; i++)
		r = put_run(array, list->items[i]);
	if (r >= 0)
		return array;
	json_object_put(array);
	return NULL;
}

static struct json_object *put_object(const struct field *fields, const void *base)
{
	struct json_object *object = json_object_new_object();

	if (object && field_put_all(object, fields, base) >= 0)
		return object;
	json_object_put(object);
	return NULL;
}

static struct json_object *put_array(const struct field *field, const void *base)
{
	struct json_object *array = json_object_new_array();
	uint64_t count = count_of(field, base);
	int r = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = append(array, put_object(field->fields, member(field, base, i)));
	if (r >= 0)
		return array;
	json_object_put(array);
	return NULL;
}

static struct json_object *put_name(const struct field *field, const void *at)
{
	uint64_t value = number_of(at, field->bytes);

	assert(value < field->most);
	return json_object_new_string(field->name_of((unsigned int)value));
}

static struct json_object *put(const struct field *field, const void *base)
{
	const void *at = member(field, base, 0);

	switch (field->type) {
	case FIELD_TEXT:
		return put_text(at, field->bytes);
	case FIELD_U64:
	case FIELD_U32:
		return json_object_new_uint64(number_of(at, field->bytes));
	case FIELD_I64:
		return json_object_new_int64((int64_t)number_of(at, field->bytes));
	case FIELD_BOOL:
		return json_object_new_boolean(*(const bool *)at);
	case FIELD_NAME:
		return put_name(field, at);
	case FIELD_BYTES:
		return put_bytes(field, base);
	case FIELD_RUNS:
		return put_runs(at);
	case FIELD_OBJECT:
		return put_object(field->fields, at);
	case FIELD_ARRAY:
		return put_array(field, base);
	}
	return NULL;
}

int field_put_all(struct json_object *object, const struct field *fields, const void *base)
{
	for (const struct field *field = fields; field->name; field++) {
		struct json_object *value = put(field, base);

		if (!value)
			return -ENOMEM;
		if (json_object_object_add(object, field->name, value) < 0) {
			json_object_put(value);
			return -ENOMEM;
		}
	}
	return 0;
}

/* --- reading --- */

static int get_text(struct json_object *value, char *at, size_t room)
{
	const char *text = json_object_get_string(value);
	size_t length = (size_t)json_object_get_string_len(value);

	if (!json_object_is_type(value, json_type_string) || strlen(text) != length ||
		length >= room)
		return -EBADMSG;
	memcpy(at, text, length + 1);
	return 0;
}

/* json-c gives the nearest number that fits for one that does not, and sets errno. */
static int get_unsigned(struct json_object *value, void *at, size_t bytes)
{
	if (!json_object_is_type(value, json_type_int) ||
		(json_object_get_int64(value) < 0 && json_object_get_uint64(value) == 0))
		return -EBADMSG;
	return set_number(at, bytes, json_object_get_uint64(value));
}

static int get_signed(struct json_object *value, void *at, size_t bytes)
{
	int64_t number = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) ||
		(number == INT64_MAX && json_object_get_uint64(value) > (uint64_t)INT64_MAX))
		return -EBADMSG;
	return set_number(at, bytes, (uint64_t)number);
}

static int get_bool(struct json_object *value, bool *at)
{
	if (!json_object_is_type(value, json_type_boolean))
		return -EBADMSG;
	*at = json_object_get_boolean(value);
	return 0;
}

static int get_name(const struct field *field, struct json_object *value, void *at)
{
	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	for (unsigned int i = 0; i < field->most; i++) {
		if (strcmp(field->name_of(i), json_object_get_string(value)) == 0)
			return set_number(at, field->bytes, i);
	}
	return -EBADMSG;
}

static int set_count(const struct field *field, void *base, size_t count)
{
	uint32_t number = (uint32_t)count;

	if (count > field->most || (field->count_offset == FIELD_ALL && count != field->most))
		return -EBADMSG;
	if (field->count_offset != FIELD_ALL)
		memcpy((char *)base + field->count_offset, &number, sizeof(number));
	return 0;
}

static int get_bytes(const struct field *field, struct json_object *value, void *base)
{
	size_t digits = (size_t)json_object_get_string_len(value);
	int r;

	if (!json_object_is_type(value, json_type_string) || digits % 2 != 0)
		return -EBADMSG;
	r = set_count(field, base, digits / 2);
	if (r >= 0)
		r = hex_decode(json_object_get_string(value), digits, (char *)base + field->offset,
			digits / 2);
	return r < 0 ? -EBADMSG : 0;
}

static int get_run(struct json_object *pair, struct extent_list *list)
{
	struct extent run;
	int r;

	if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
		return -EBADMSG;
	r = get_unsigned(json_object_array_get_idx(pair, 0), &run.first, sizeof(run.first));
	if (r >= 0)
		r = get_unsigned(json_object_array_get_idx(pair, 1), &run.count, sizeof(run.count));
	if (r < 0 || run.count == 0)
		return -EBADMSG;
	r = extent_list_add(list, run);
	return r == -EINVAL ? -EBADMSG : r;
}

/* E1: as a list is written, it is sorted, disjoint and not adjacent. */
static int get_runs(struct json_object *value, struct extent_list *list)
{
	size_t count;
	int r = 0;

	if (!json_object_is_type(value, json_type_array) ||
		json_object_array_length(value) > RUNS_MAX)
		return -EBADMSG;
	count = json_object_array_length(value);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = get_run(json_object_array_get_idx(value, i), list);
	return r < 0 ? r : list->count == count ? 0 : -EBADMSG;
}

static int get_array(const struct field *field, struct json_object *value, void *base)
{
	size_t count;
	int r;

	if (!json_object_is_type(value, json_type_array))
		return -EBADMSG;
	count = json_object_array_length(value);
	r = set_count(field, base, count);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = field_get_all(json_object_array_get_idx(value, i), 0, field->fields,
			(char *)base + field->offset + i * field->bytes);
	return r;
}

static int get(const struct field *field, struct json_object *value, void *base)
{
	void *at = (char *)base + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		return get_text(value, at, field->bytes);
	case FIELD_U64:
	case FIELD_U32:
		return get_unsigned(value, at, field->bytes);
	case FIELD_I64:
		return get_signed(value, at, field->bytes);
	case FIELD_BOOL:
		return get_bool(value, at);
	case FIELD_NAME:
		return get_name(field, value, at);
	case FIELD_BYTES:
		return get_bytes(field, value, base);
	case FIELD_RUNS:
		return get_runs(value, at);
	case FIELD_OBJECT:
		return field_get_all(value, 0, field->fields, at);
	case FIELD_ARRAY:
		return get_array(field, value, base);
	}
	return -EBADMSG;
}

int field_get_all(struct json_object *object, size_t others, const struct field *fields, void *base)
{
	struct json_object *value;
	size_t count = 0;
	int r = 0;

	if (!json_object_is_type(object, json_type_object))
		return -EBADMSG;
	for (const struct field *field = fields; field->name && r >= 0; field++, count++) {
		if (!json_object_object_get_ex(object, field->name, &value))
			return -EBADMSG;
		r = get(field, value, base);
	}
	if (r >= 0 && (size_t)json_object_object_length(object) != count + others)
		r = -EBADMSG;
	return r;
}
