/* SPDX-License-Identifier: Apache-2.0 */
#include "compliance/control.h"
#include <errno.h>

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text ? text : ""));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static struct json_object *part_to_json(const struct control_part *part)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "id", part->id);
	add_text(object, "state", control_state_name(part->state));
	add_text(object, "evidence", part->evidence);
	add_text(object, "remedy", part->remedy);
	add_text(object, "seen", part->seen);
	add_text(object, "how", part->how);
	return object;
}

static struct json_object *control_to_json(const struct control *control)
{
	struct json_object *object = json_object_new_object(), *parts = json_object_new_array();

	add_text(object, "id", control->id);
	add_text(object, "state", control_state_name(control->state));
	add_text(object, "evidence", control->evidence);
	add_text(object, "remedy", control->remedy);
	add_text(object, "standard", control->standard);
	add_text(object, "clause", control->clause);
	add_text(object, "title", control->title);
	add_text(object, "person", control->person);
	for (size_t i = 0; i < control->part_count; i++)
		json_object_array_add(parts, part_to_json(&control->parts[i]));
	json_object_object_add(object, "parts", parts);
	return object;
}

static struct json_object *day_to_json(const struct compliance_day *day)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "day", day->day);
	add_number(object, "retired_jobs", day->retired_jobs);
	add_number(object, "failed_jobs", day->failed_jobs);
	add_number(object, "debt_bytes", day->debt_bytes);
	return object;
}

int compliance_json(const struct compliance_report *report, struct json_object **ret_object)
{
	struct json_object *object = json_object_new_object();
	struct json_object *controls = json_object_new_array(), *days = json_object_new_array();

	if (!object || !controls || !days) {
		json_object_put(object);
		json_object_put(controls);
		json_object_put(days);
		return -ENOMEM;
	}
	add_text(object, "schema", "spoolguard.check/1");
	json_object_object_add(object, "technical_controls_met",
		json_object_new_boolean(report->count > 0 && report->met == report->count));
	add_text(object, "profile", report->profile);
	add_text(object, "time", report->time);
	add_text(object, "host", report->host);
	add_text(object, "version", report->version);
	add_text(object, "build", report->build);
	add_text(object, "device_key", report->device_key);
	add_text(object, "log_position", report->log_position);
	add_number(object, "met", report->met);
	add_number(object, "not_met", report->not_met);
	add_number(object, "cannot_tell", report->cannot_tell);
	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(controls, control_to_json(&report->controls[i]));
	for (size_t i = 0; i < report->day_count; i++)
		json_object_array_add(days, day_to_json(&report->days[i]));
	json_object_object_add(object, "controls", controls);
	json_object_object_add(object, "days", days);
	*ret_object = object;
	return 0;
}
