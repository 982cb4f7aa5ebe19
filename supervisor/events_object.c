/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/events_object.h"
#include "base/utf8.h"
#include "ipc/fields.h"
#include <string.h>

#define TEXT_BYTES (4 * AUDIT_DETAIL_MAX)

static void add_text(struct json_object *object, const char *key, const char *text)
{
	char shown[TEXT_BYTES];

	if (text && text[0])
		json_object_object_add(object, key,
			json_object_new_string(
				utf8_printable(text, strlen(text), shown, sizeof(shown))));
}

static void add_subject(struct json_object *object, const struct audit_event *event)
{
	struct json_object *subject = json_object_new_object();

	add_text(subject, "role", event->role ? event->role : "service");
	fields_add_u64(subject, "uid", event->uid);
	add_text(subject, "origin", event->origin);
	json_object_object_add(object, "subject", subject);
}

static void add_object(struct json_object *object, const struct audit_event *event)
{
	struct json_object *of;

	if (!event->job && !event->volume && !event->drive)
		return;
	of = json_object_new_object();
	add_text(of, "job", event->job);
	add_text(of, "volume", event->volume);
	add_text(of, "drive", event->drive);
	json_object_object_add(object, "object", of);
}

static void add_data(struct json_object *object, struct json_object *data)
{
	struct json_object *copy = NULL;

	if (data && json_object_object_length(data) > 0 &&
		json_object_deep_copy(data, &copy, NULL) == 0)
		json_object_object_add(object, "data", copy);
}

struct json_object *events_object_new(const struct audit_event *event, int64_t wall_ms)
{
	struct json_object *object = json_object_new_object();
	char time[AUDIT_TIME_BYTES];

	if (!object)
		return NULL;
	add_text(object, "time", audit_time(wall_ms, time));
	add_text(object, "event", event->event);
	add_subject(object, event);
	add_object(object, event);
	add_text(object, "outcome", event->outcome);
	add_text(object, "detail", event->detail);
	add_data(object, event->data);
	return object;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *text = NULL;

	return object && json_object_object_get_ex(object, key, &text)
		       ? json_object_get_string(text)
		       : NULL;
}

void events_object_get(struct json_object *object, struct audit_event *ret_event)
{
	struct json_object *subject = json_object_object_get(object, "subject");
	struct json_object *of = json_object_object_get(object, "object");

	*ret_event = (struct audit_event){
		.event = text_of(object, "event"),
		.role = text_of(subject, "role"),
		.uid = (uid_t)json_object_get_uint64(json_object_object_get(subject, "uid")),
		.origin = text_of(subject, "origin"),
		.job = text_of(of, "job"),
		.volume = text_of(of, "volume"),
		.drive = text_of(of, "drive"),
		.outcome = text_of(object, "outcome"),
		.detail = text_of(object, "detail"),
		.data = json_object_object_get(object, "data"),
	};
}

void events_object_set_happened(struct json_object *object)
{
	struct json_object *data = json_object_object_get(object, "data");
	const char *time = text_of(object, "time");

	if (!data) {
		data = json_object_new_object();
		json_object_object_add(object, "data", data);
	}
	if (data && time)
		json_object_object_add(data, "happened", json_object_new_string(time));
}
