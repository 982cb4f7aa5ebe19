/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - Varlink messages: JSON objects, encoded and decoded
 *
 *   call   {"method":"io.spoolguard.volume.Status","parameters":{...}}
 *   reply  {"parameters":{...}} or {"parameters":{...},"continues":true}
 *   error  {"error":"io.spoolguard.volume.Refused","parameters":{"text":"..."}}
 *
 * Pure.  Limits: MESSAGE_BYTES_MAX bytes, MESSAGE_DEPTH_MAX levels; -EBADMSG for
 * whatever is none of the three.
 */
#ifndef SPOOLGUARD_IPC_MESSAGE_H
#define SPOOLGUARD_IPC_MESSAGE_H

#include "base/macros.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_BYTES_MAX (4u << 20)
#define MESSAGE_DEPTH_MAX 16

struct message {
	struct json_object *object;	/* owned; what follows points into it */
	const char *method;		/* call, else NULL */
	const char *error;		/* error, else NULL */
	struct json_object *parameters; /* never NULL after a decode */
	bool more;
	bool oneway; /* call: nobody wants an answer */
	bool continues;
};

void message_done(struct message *message);
must_check int message_decode(const char *text, size_t bytes, struct message *ret_message);

/* Take parameters (NULL: none); give a text to free().  -ENOMEM. */
must_check int message_encode_call(
	const char *method, struct json_object *parameters, char **ret_text);
must_check int message_encode_call_more(
	const char *method, struct json_object *parameters, char **ret_text);
must_check int message_encode_reply(struct json_object *parameters, char **ret_text);
must_check int message_encode_reply_continues(struct json_object *parameters, char **ret_text);
must_check int message_encode_error(
	const char *error, struct json_object *parameters, char **ret_text);

/* Fields of parameters: false if absent or of another type; numbers from 0 to 2^64 - 2. */
bool message_get_u64(struct json_object *parameters, const char *key, uint64_t *ret_value);
bool message_get_string(struct json_object *parameters, const char *key, const char **ret_value);
bool message_get_bool(struct json_object *parameters, const char *key, bool *ret_value);

#endif
