/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/message.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void message_done(struct message *message)
{
	json_object_put(message->object);
	*message = (struct message){.object = NULL};
}

static bool is_flag(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
	       json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* An absent string is NULL; one of another type is an error. */
static int take_string(struct json_object *object, const char *key, const char **ret_text)
{
	struct json_object *value;

	*ret_text = NULL;
	if (!json_object_object_get_ex(object, key, &value))
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	*ret_text = json_object_get_string(value);
	return 0;
}

static int take_fields(struct message *message)
{
	int r;

	if (!json_object_is_type(message->object, json_type_object))
		return -EBADMSG;
	r = take_string(message->object, "method", &message->method);
	if (r >= 0)
		r = take_string(message->object, "error", &message->error);
	if (r < 0)
		return r;
	if (message->method && message->error)
		return -EBADMSG;
	message->more = is_flag(message->object, "more");
	message->oneway = is_flag(message->object, "oneway");
	message->continues = is_flag(message->object, "continues");
	if (!json_object_object_get_ex(message->object, "parameters", &message->parameters)) {
		message->parameters = json_object_new_object();
		if (!message->parameters)
			return -ENOMEM;
		json_object_object_add(message->object, "parameters", message->parameters);
	}
	return json_object_is_type(message->parameters, json_type_object) ? 0 : -EBADMSG;
}

int message_decode(const char *text, size_t bytes, struct message *ret_message)
{
	struct message message = {.object = NULL};
	struct json_tokener *tokener;
	int r;

	if (bytes > MESSAGE_BYTES_MAX)
		return -EBADMSG;
	tokener = json_tokener_new_ex(MESSAGE_DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	message.object = json_tokener_parse_ex(tokener, text, (int)bytes);
	r = message.object && json_tokener_get_parse_end(tokener) == bytes ? take_fields(&message)
									   : -EBADMSG;
	json_tokener_free(tokener);
	if (r < 0) {
		message_done(&message);
		return r;
	}
	*ret_message = message;
	return 0;
}

/* name: of the method or the error; flag: a member that is true.  Both with what they belong to, or
 * NULL. */
static int encode(const char *key, const char *name, const char *flag,
	struct json_object *parameters, char **ret_text)
{
	struct json_object *object = json_object_new_object();
	const char *text;

	if (!object) {
		json_object_put(parameters);
		return -ENOMEM;
	}
	if (key)
		json_object_object_add(object, key, json_object_new_string(name));
	json_object_object_add(
		object, "parameters", parameters ? parameters : json_object_new_object());
	if (flag)
		json_object_object_add(object, flag, json_object_new_boolean(true));
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	*ret_text = text ? strdup(text) : NULL;
	json_object_put(object);
	return *ret_text ? 0 : -ENOMEM;
}

int message_encode_call(const char *method, struct json_object *parameters, char **ret_text)
{
	return encode("method", method, NULL, parameters, ret_text);
}

int message_encode_call_more(const char *method, struct json_object *parameters, char **ret_text)
{
	return encode("method", method, "more", parameters, ret_text);
}

int message_encode_reply(struct json_object *parameters, char **ret_text)
{
	return encode(NULL, NULL, NULL, parameters, ret_text);
}

int message_encode_reply_continues(struct json_object *parameters, char **ret_text)
{
	return encode(NULL, NULL, "continues", parameters, ret_text);
}

int message_encode_error(const char *error, struct json_object *parameters, char **ret_text)
{
	return encode("error", error, NULL, parameters, ret_text);
}

bool message_get_u64(struct json_object *parameters, const char *key, uint64_t *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
		!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	/* json-c makes the greatest number of whatever is greater: that one is not believed. */
	if (json_object_get_uint64(value) == UINT64_MAX)
		return false;
	*ret_value = json_object_get_uint64(value);
	return true;
}

bool message_get_string(struct json_object *parameters, const char *key, const char **ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
		!json_object_is_type(value, json_type_string))
		return false;
	*ret_value = json_object_get_string(value);
	return true;
}

bool message_get_bool(struct json_object *parameters, const char *key, bool *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
		!json_object_is_type(value, json_type_boolean))
		return false;
	*ret_value = json_object_get_boolean(value);
	return true;
}
