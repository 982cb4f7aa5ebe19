/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "decommission/certificate_impl.h"
#include <errno.h>

static int add_table(struct json_object *object, const struct field_table *table, const void *from)
{
	return fields_encode(table->fields, table->count, from, object);
}

static int add_part(struct json_object *object, const char *key, const struct field_table *table,
	const void *from)
{
	struct json_object *made;
	int r = field_add_object(object, key, &made);

	return r < 0 ? r : add_table(made, table, from);
}

static int append_object(struct json_object *array, struct json_object **ret_made)
{
	struct json_object *made = json_object_new_object();
	int r = field_append(array, made);

	if (r >= 0)
		*ret_made = made;
	return r;
}

/* --- the form: SP 800-88r1 appendix G, SP 800-88r2 4.6 --- */

static int add_person(
	struct json_object *object, const char *key, const struct record_person *person)
{
	struct json_object *made;
	int r = field_add_object(object, key, &made);

	if (r >= 0)
		r = add_table(made, &certificate_person_table, person);
	if (r >= 0 && person->uid == (uid_t)-1)
		r = field_add_null(made, "uid");
	else if (r >= 0)
		r = field_add(made, "uid", json_object_new_uint64(person->uid));
	/* By hand, on the printed page: never here. */
	if (r >= 0)
		r = field_add_null(made, "signature");
	return r;
}

static int add_validation(struct json_object *object)
{
	static const char *const keys[] = {
		"name", "title", "organization", "location", "contact", "date", "signature"};
	struct json_object *made;
	int r = field_add_object(object, "validation", &made);

	for (size_t i = 0; i < ARRAY_SIZE(keys) && r >= 0; i++)
		r = field_add_null(made, keys[i]);
	return r;
}

static int add_details(
	struct json_object *object, const struct record *record, const struct verdict *verdict)
{
	struct certificate_derived derived;
	struct json_object *made;
	int r = field_add_object(object, "details", &made);

	certificate_derive(record, verdict, &derived);
	if (r >= 0)
		r = verdict->reached == DRIVE_NEITHER
			    ? field_add_null(made, "method")
			    : field_add_text(
				      made, "method", drive_sanitization_name(verdict->reached));
	if (r >= 0)
		r = field_add_text(made, "technique", verdict->means);
	if (r >= 0)
		r = field_add_text(made, "technique_details", derived.technique_details);
	if (r >= 0)
		r = field_add_text(made, "tool", derived.tool);
	if (r >= 0)
		r = derived.read_back ? field_add_text(made, "verification",
						record_verify_name(record->overwrite.verify))
				      : field_add_null(made, "verification");
	return r < 0 ? r : add_table(made, &certificate_details_table, record);
}

static int add_form(
	struct json_object *object, const struct record *record, const struct verdict *verdict)
{
	int r = add_table(object, &certificate_head_table, record);

	if (r >= 0)
		r = add_part(object, "media", &certificate_media_table, record);
	if (r >= 0)
		r = add_details(object, record, verdict);
	if (r >= 0)
		r = add_person(object, "person", &record->operator_);
	return r < 0 ? r : add_validation(object);
}

static int add_approvals(struct json_object *object, const struct record *record)
{
	struct json_object *array, *made;
	int r = field_add_array(object, "approvals", &array);

	for (uint32_t i = 0; i < record->approval_count && r >= 0; i++) {
		r = append_object(array, &made);
		if (r >= 0)
			r = add_table(made, &certificate_approval_table, &record->approvals[i]);
	}
	return r;
}

static int add_verdict(struct json_object *object, const struct verdict *verdict)
{
	struct json_object *made, *array, *part;
	int r = field_add_object(object, "verdict", &made);

	if (r >= 0)
		r = add_table(made, &certificate_verdict_table, verdict);
	if (r >= 0)
		r = field_add_array(made, "parts", &array);
	for (size_t i = 0; i < verdict->part_count && r >= 0; i++) {
		r = append_object(array, &part);
		if (r >= 0)
			r = add_table(part, &certificate_part_table, &verdict->parts[i]);
	}
	if (r >= 0)
		r = field_add_array(made, "open", &array);
	for (size_t i = 0; i < verdict->open_count && r >= 0; i++)
		r = field_append(array, json_object_new_string(verdict->open[i]));
	return r;
}

/* --- what was done --- */

static int add_reaches(struct json_object *object, const struct record *record)
{
	struct json_object *array, *made;
	int r = field_add_array(object, "reaches", &array);

	for (uint32_t i = 0; i < record->reach_count && r >= 0; i++) {
		r = append_object(array, &made);
		if (r >= 0)
			r = add_table(made, &certificate_reach_table, &record->reaches[i]);
	}
	return r;
}

static int add_steps(struct json_object *object, const struct record *record)
{
	struct json_object *array, *made;
	int r = field_add_array(object, "steps", &array);

	for (unsigned int i = 0; i < RECORD_STEPS && r >= 0; i++) {
		r = append_object(array, &made);
		if (r >= 0)
			r = field_add_text(made, "step", record_step_name((enum record_step)i));
		if (r >= 0)
			r = add_table(made, &certificate_step_table, &record->steps[i]);
	}
	return r;
}

static int add_volumes(struct json_object *object, const struct record *record)
{
	struct json_object *array, *made;
	int r = field_add_array(object, "volumes", &array);

	for (uint32_t i = 0; i < record->volume_count && r >= 0; i++) {
		r = append_object(array, &made);
		if (r >= 0)
			r = add_table(made, &certificate_volume_table, &record->volumes[i]);
	}
	return r;
}

static int add_status(
	struct json_object *object, const char *key, const uint8_t *status, uint32_t bytes)
{
	char text[2 * METHOD_STATUS_BYTES + 1];

	if (bytes > METHOD_STATUS_BYTES)
		return -EINVAL;
	return field_add_text(object, key, hex_encode(status, bytes, text));
}

static int add_method(struct json_object *object, const struct record_method *method)
{
	int r = add_table(object, &certificate_method_table, method);

	if (r >= 0)
		r = add_status(
			object, "status_before", method->status_before, method->status_bytes);
	if (r >= 0)
		r = add_status(object, "status_after", method->status_after, method->status_bytes);
	if (r < 0)
		return r;
	return method->judged
		       ? add_part(object, "witness", &certificate_witness_table, &method->witness)
		       : field_add_null(object, "witness");
}

static int add_methods(struct json_object *object, const struct record *record)
{
	struct json_object *array, *made;
	int r = field_add_array(object, "methods", &array);

	for (uint32_t i = 0; i < record->method_count && r >= 0; i++) {
		r = append_object(array, &made);
		if (r >= 0)
			r = add_method(made, &record->methods[i]);
	}
	return r;
}

static int add_passes(struct json_object *object, const struct record_overwrite *overwrite)
{
	struct json_object *array, *made;
	char text[8];
	int r = field_add_array(object, "passes", &array);

	for (uint32_t i = 0; i < overwrite->pass_count && r >= 0; i++) {
		const struct record_pass *pass = &overwrite->passes[i];

		r = append_object(array, &made);
		if (r >= 0)
			r = field_add_text(made, "pattern", certificate_pass_text(pass, text));
		if (r >= 0)
			r = add_table(made, &certificate_pass_table, pass);
	}
	return r;
}

static int add_overwrite(struct json_object *object, const struct record_overwrite *overwrite)
{
	struct json_object *made;
	int r = field_add_object(object, "overwrite", &made);

	if (r >= 0)
		r = add_table(made, &certificate_overwrite_table, overwrite);
	if (r >= 0)
		r = add_passes(made, overwrite);
	if (r >= 0)
		r = field_add_extents(made, "refused", &overwrite->refused);
	return r < 0 ? r : field_add_extents(made, "mismatched", &overwrite->mismatched);
}

static int add_search(struct json_object *object, const struct record *record)
{
	struct json_object *made, *array, *text;
	int r = field_add_object(object, "search", &made);

	if (r >= 0)
		r = field_add(
			made, "searched_bytes", json_object_new_uint64(record->searched_bytes));
	if (r >= 0)
		r = field_add(
			made, "unreadable_bytes", json_object_new_uint64(record->unreadable_bytes));
	if (r >= 0)
		r = field_add_array(made, "texts", &array);
	for (uint32_t i = 0; i < record->search_count && r >= 0; i++) {
		r = append_object(array, &text);
		if (r >= 0)
			r = add_table(text, &certificate_search_table, &record->searches[i]);
	}
	return r;
}

static int add_deeds(struct json_object *object, const struct record *record)
{
	int r = add_steps(object, record);

	if (r >= 0)
		r = add_part(object, "jobs", &certificate_jobs_table, record);
	if (r >= 0)
		r = add_volumes(object, record);
	if (r >= 0)
		r = add_part(object, "hidden", &certificate_hidden_table, record);
	if (r >= 0)
		r = add_reaches(object, record);
	if (r >= 0)
		r = add_methods(object, record);
	if (r >= 0)
		r = add_part(object, "promise", &certificate_promise_table, record);
	if (r >= 0)
		r = add_overwrite(object, &record->overwrite);
	return r < 0 ? r : add_search(object, record);
}

/* --- what it rests on --- */

static int add_position(
	struct json_object *object, const char *key, const struct record_log *position)
{
	return position->sequence == 0 ? field_add_null(object, key)
				       : add_part(object, key, &certificate_log_table, position);
}

static int add_grounds(struct json_object *object, const struct record *record)
{
	struct json_object *log = NULL;
	int r = add_part(object, "selftest", &certificate_selftest_table, record);

	if (r >= 0)
		r = add_part(object, "program", &certificate_program_table, record);
	if (r >= 0)
		r = field_add_object(object, "log", &log);
	if (r >= 0)
		r = add_position(log, "before", &record->log_before);
	return r < 0 ? r : add_position(log, "after", &record->log_after);
}

int certificate_make(const struct record *record, const struct verdict *verdict,
	struct json_object **ret_certificate)
{
	struct json_object *object = json_object_new_object();
	int r = object ? field_add_text(object, "schema", CERTIFICATE_SCHEMA "/1") : -ENOMEM;

	if (r >= 0)
		r = add_form(object, record, verdict);
	if (r >= 0)
		r = add_approvals(object, record);
	if (r >= 0)
		r = add_verdict(object, verdict);
	if (r >= 0)
		r = add_deeds(object, record);
	if (r >= 0)
		r = add_grounds(object, record);
	if (r < 0) {
		json_object_put(object);
		return r;
	}
	*ret_certificate = object;
	return 0;
}
