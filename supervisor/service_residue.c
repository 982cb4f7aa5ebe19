/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_residue.c - RecordResidueCheck: the result of "spoolguard check residue" becomes an event
 *
 * The check is made by root outside of our sandbox; what it found is root's word, and the event
 * says whose.
 */
#include "supervisor/service_impl.h"
#include <string.h>

#define SCHEMA	   "spoolguard.residue-check/1"
#define ID_BYTES   16u
#define PLACES_MAX 64u

struct residue_result {
	const char *id, *verdict, *volume;
	uint64_t places, found;
};

static bool is_verdict(const char *text)
{
	static const char *const known[] = {"clean", "found", "not retired", "cannot tell"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i], text) == 0)
			return true;
	}
	return false;
}

static bool read_result(struct json_object *object, struct residue_result *result)
{
	struct json_object *places, *volume;
	const char *schema;

	if (!message_get_string(object, "schema", &schema) || strcmp(schema, SCHEMA) != 0 ||
		!message_get_string(object, "id", &result->id) || strlen(result->id) != ID_BYTES ||
		strspn(result->id, "0123456789abcdef") != ID_BYTES ||
		!message_get_string(object, "verdict", &result->verdict) ||
		!is_verdict(result->verdict) || !message_get_u64(object, "hits", &result->found) ||
		!json_object_object_get_ex(object, "volume", &volume) ||
		!message_get_string(volume, "name", &result->volume) ||
		!json_object_object_get_ex(object, "places", &places) ||
		!json_object_is_type(places, json_type_array))
		return false;
	result->places = json_object_array_length(places);
	return result->places <= PLACES_MAX;
}

static void note(
	struct service_call *call, struct keeper *keeper, const struct residue_result *result)
{
	struct json_object *data = events_data("name", result->volume, "id", result->id, NULL);
	char volume[KEEPER_OBJECT_BYTES];

	fields_add_u64(data, "places", result->places);
	fields_add_u64(data, "found", result->found);
	service_note(call,
		(struct audit_event){
			.event = "residue-check",
			.volume = keeper_object(keeper, volume),
			.outcome = strcmp(result->verdict, "clean") == 0 ? "success" : "failure",
			.detail = result->verdict,
			.data = data,
		});
	json_object_put(data);
}

void service_record_residue_check(struct service_call *call)
{
	struct residue_result result = {.id = NULL};
	struct keeper *keeper;
	struct json_object *object;

	if (!json_object_object_get_ex(call->parameters, "result", &object) ||
		!json_object_is_type(object, json_type_object) || !read_result(object, &result)) {
		service_bad_parameter(call, "result");
		return;
	}
	keeper = service_find_volume(call, result.volume);
	if (!keeper)
		return;
	note(call, keeper, &result);
	service_reply(call, json_object_new_object());
}
