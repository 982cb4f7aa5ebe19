/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "decommission/certificate_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int get_table(const struct field_table *table, struct json_object *object, const char *what,
	void *to, struct problem *reterr_problem)
{
	return fields_decode(table->fields, table->count, object, what, to, reterr_problem);
}

static int get_part(struct json_object *object, const char *key, const struct field_table *table,
	void *to, struct problem *reterr_problem)
{
	struct json_object *part;
	int r = field_get(object, key, json_type_object, &part, reterr_problem);

	return r < 0 ? r : get_table(table, part, key, to, reterr_problem);
}

/* An array of objects: each is decoded into its place.  take: what the table does not, or NULL. */
struct array_way {
	const char *key;
	const struct field_table *table;
	void *to;
	size_t element_bytes, most;
	int (*take)(struct json_object *object, void *element, struct problem *reterr_problem);
};

static int get_array(struct json_object *object, const struct array_way *way, uint32_t *ret_count,
	struct problem *reterr_problem)
{
	struct json_object *array, *item;
	size_t count;
	int r = field_get(object, way->key, json_type_array, &array, reterr_problem);

	if (r < 0)
		return r;
	count = json_object_array_length(array);
	if (count > way->most)
		return problem_set(reterr_problem, -EBADMSG, "its \"%s\" has too many", way->key);
	for (size_t i = 0; i < count && r >= 0; i++) {
		uint8_t *element = (uint8_t *)way->to + i * way->element_bytes;

		item = json_object_array_get_idx(array, i);
		r = get_table(way->table, item, way->key, element, reterr_problem);
		if (r >= 0 && way->take)
			r = way->take(item, element, reterr_problem);
	}
	*ret_count = (uint32_t)count;
	return r;
}

/* --- the form --- */

static int get_person(
	struct json_object *object, struct record_person *person, struct problem *reterr_problem)
{
	struct json_object *part, *uid;
	int r = get_part(object, "person", &certificate_person_table, person, reterr_problem);

	if (r < 0)
		return r;
	part = json_object_object_get(object, "person");
	if (!json_object_object_get_ex(part, "uid", &uid) ||
		(uid && !json_object_is_type(uid, json_type_int)))
		return problem_set(reterr_problem, -EBADMSG, "its \"person\" has no \"uid\"");
	person->uid = uid ? (uid_t)json_object_get_uint64(uid) : (uid_t)-1;
	return 0;
}

static int get_form(
	struct json_object *object, struct record *record, struct problem *reterr_problem)
{
	const struct array_way approvals = {"approvals", &certificate_approval_table,
		record->approvals, sizeof(record->approvals[0]), RECORD_APPROVALS_MAX, NULL};
	int r = get_table(&certificate_head_table, object, "certificate", record, reterr_problem);

	if (r >= 0)
		r = get_part(object, "media", &certificate_media_table, record, reterr_problem);
	if (r >= 0)
		r = get_part(object, "details", &certificate_details_table, record, reterr_problem);
	if (r >= 0)
		r = get_person(object, &record->operator_, reterr_problem);
	for (uint32_t i = 0; i < RECORD_APPROVALS_MAX; i++)
		record->approvals[i].person.uid = (uid_t)-1;
	return r < 0 ? r : get_array(object, &approvals, &record->approval_count, reterr_problem);
}

static int get_open(
	struct json_object *object, struct verdict *verdict, struct problem *reterr_problem)
{
	struct json_object *array, *item;
	int r = field_get(object, "open", json_type_array, &array, reterr_problem);

	if (r < 0)
		return r;
	verdict->open_count = json_object_array_length(array);
	for (size_t i = 0; i < verdict->open_count; i++) {
		item = json_object_array_get_idx(array, i);
		if (i >= VERDICT_OPEN_MAX || !json_object_is_type(item, json_type_string) ||
			json_object_get_string_len(item) >= RECORD_LINE_BYTES)
			return problem_set(reterr_problem, -EBADMSG,
				"what remains open is no list of sentences");
		strcpy(verdict->open[i], json_object_get_string(item));
	}
	return 0;
}

static int get_verdict(
	struct json_object *object, struct verdict *verdict, struct problem *reterr_problem)
{
	const struct array_way parts = {"parts", &certificate_part_table, verdict->parts,
		sizeof(verdict->parts[0]), ARRAY_SIZE(verdict->parts), NULL};
	struct json_object *part;
	uint32_t count = 0;
	int r = get_part(object, "verdict", &certificate_verdict_table, verdict, reterr_problem);

	if (r < 0)
		return r;
	part = json_object_object_get(object, "verdict");
	r = get_array(part, &parts, &count, reterr_problem);
	verdict->part_count = count;
	return r < 0 ? r : get_open(part, verdict, reterr_problem);
}

/* --- what was done --- */

static int get_steps(
	struct json_object *object, struct record *record, struct problem *reterr_problem)
{
	const struct array_way steps = {"steps", &certificate_step_table, record->steps,
		sizeof(record->steps[0]), RECORD_STEPS, NULL};
	uint32_t count;
	int r = get_array(object, &steps, &count, reterr_problem);

	if (r >= 0 && count != RECORD_STEPS)
		return problem_set(reterr_problem, -EBADMSG, "its \"steps\" are not all there");
	return r;
}

static int get_status(struct json_object *object, const char *key, uint8_t *to, uint32_t *bytes,
	struct problem *reterr_problem)
{
	struct json_object *value;
	size_t digits;

	if (!json_object_object_get_ex(object, key, &value))
		return problem_set(reterr_problem, -EBADMSG, "a method has no \"%s\"", key);
	*bytes = 0;
	if (!value)
		return 0;
	digits = json_object_is_type(value, json_type_string)
			 ? (size_t)json_object_get_string_len(value)
			 : 1;
	if (digits % 2 != 0 || digits > 2 * METHOD_STATUS_BYTES ||
		hex_decode(json_object_get_string(value), digits, to, digits / 2) < 0)
		return problem_set(
			reterr_problem, -EBADMSG, "a method's \"%s\" is no hexadecimal", key);
	*bytes = (uint32_t)(digits / 2);
	return 0;
}

static int take_method(struct json_object *object, void *element, struct problem *reterr_problem)
{
	struct record_method *method = element;
	uint32_t before;
	int r = get_status(object, "status_before", method->status_before, &before, reterr_problem);

	if (r >= 0)
		r = get_status(object, "status_after", method->status_after, &method->status_bytes,
			reterr_problem);
	if (r < 0)
		return r;
	method->judged = json_object_object_get(object, "witness") != NULL;
	return method->judged ? get_part(object, "witness", &certificate_witness_table,
					&method->witness, reterr_problem)
			      : 0;
}

static int take_pass(struct json_object *object, void *element, struct problem *reterr_problem)
{
	struct record_pass *pass = element;
	struct json_object *pattern;
	int r = field_get(object, "pattern", json_type_string, &pattern, reterr_problem);
	const char *text = r < 0 ? "" : json_object_get_string(pattern);

	if (r < 0)
		return r;
	pass->kind = strcmp(text, "random") == 0 ? PASS_RANDOM : PASS_BYTE;
	if (pass->kind == PASS_BYTE && (strlen(text) != 4 || strncmp(text, "0x", 2) != 0 ||
					       hex_decode(text + 2, 2, &pass->byte, 1) < 0))
		return problem_set(reterr_problem, -EBADMSG, "a pass has no pattern that is known");
	return 0;
}

static int get_overwrite(struct json_object *object, struct record_overwrite *overwrite,
	struct problem *reterr_problem)
{
	const struct array_way passes = {"passes", &certificate_pass_table, overwrite->passes,
		sizeof(overwrite->passes[0]), SCHEME_PASSES_MAX, take_pass};
	struct json_object *part;
	int r = get_part(
		object, "overwrite", &certificate_overwrite_table, overwrite, reterr_problem);

	if (r < 0)
		return r;
	part = json_object_object_get(object, "overwrite");
	r = get_array(part, &passes, &overwrite->pass_count, reterr_problem);
	if (r >= 0)
		r = field_get_extents(part, "refused", &overwrite->refused, NULL, reterr_problem);
	return r < 0 ? r
		     : field_get_extents(
			       part, "mismatched", &overwrite->mismatched, NULL, reterr_problem);
}

static const struct field searched[] = {
	U64_FIELD("searched_bytes", struct record, searched_bytes),
	U64_FIELD("unreadable_bytes", struct record, unreadable_bytes),
};
static const struct field_table searched_table = {searched, ARRAY_SIZE(searched)};

static int get_search(
	struct json_object *object, struct record *record, struct problem *reterr_problem)
{
	const struct array_way texts = {"texts", &certificate_search_table, record->searches,
		sizeof(record->searches[0]), RECORD_SEARCH_MAX, NULL};
	int r = get_part(object, "search", &searched_table, record, reterr_problem);

	return r < 0 ? r
		     : get_array(json_object_object_get(object, "search"), &texts,
			       &record->search_count, reterr_problem);
}

static int get_deeds(
	struct json_object *object, struct record *record, struct problem *reterr_problem)
{
	const struct array_way arrays[] = {
		{"volumes", &certificate_volume_table, record->volumes, sizeof(record->volumes[0]),
			RECORD_VOLUMES_MAX, NULL},
		{"methods", &certificate_method_table, record->methods, sizeof(record->methods[0]),
			RECORD_METHODS_MAX, take_method},
		{"reaches", &certificate_reach_table, record->reaches, sizeof(record->reaches[0]),
			RECORD_REACHES_MAX, NULL},
	};
	uint32_t *const counts[] = {
		&record->volume_count, &record->method_count, &record->reach_count};
	int r = get_steps(object, record, reterr_problem);

	for (size_t i = 0; i < ARRAY_SIZE(arrays) && r >= 0; i++)
		r = get_array(object, &arrays[i], counts[i], reterr_problem);
	if (r >= 0)
		r = get_overwrite(object, &record->overwrite, reterr_problem);
	return r < 0 ? r : get_search(object, record, reterr_problem);
}

/* --- what it rests on --- */

static int get_position(struct json_object *log, const char *key, struct record_log *position,
	struct problem *reterr_problem)
{
	struct json_object *value;

	if (!json_object_object_get_ex(log, key, &value))
		return problem_set(reterr_problem, -EBADMSG, "its \"log\" has no \"%s\"", key);
	return value ? get_table(&certificate_log_table, value, key, position, reterr_problem) : 0;
}

static int get_grounds(
	struct json_object *object, struct record *record, struct problem *reterr_problem)
{
	const struct {
		const char *key;
		const struct field_table *table;
	} parts[] = {
		{"jobs", &certificate_jobs_table},
		{"hidden", &certificate_hidden_table},
		{"promise", &certificate_promise_table},
		{"selftest", &certificate_selftest_table},
		{"program", &certificate_program_table},
	};
	struct json_object *log = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++)
		r = get_part(object, parts[i].key, parts[i].table, record, reterr_problem);
	if (r >= 0)
		r = field_get(object, "log", json_type_object, &log, reterr_problem);
	if (r >= 0)
		r = get_position(log, "before", &record->log_before, reterr_problem);
	return r < 0 ? r : get_position(log, "after", &record->log_after, reterr_problem);
}

int certificate_decode(struct json_object *certificate, struct record **ret_record,
	struct verdict *ret_verdict, struct problem *reterr_problem)
{
	struct record *record = NULL;
	int r = record_new(&record);

	if (r < 0)
		return problem_set(reterr_problem, r, "%s", strerror(-r));
	memset(ret_verdict, 0, sizeof(*ret_verdict));
	r = get_form(certificate, record, reterr_problem);
	if (r >= 0)
		r = get_verdict(certificate, ret_verdict, reterr_problem);
	if (r >= 0)
		r = get_deeds(certificate, record, reterr_problem);
	if (r >= 0)
		r = get_grounds(certificate, record, reterr_problem);
	if (r < 0) {
		record_free(record);
		return r;
	}
	snprintf(record->identity.model, sizeof(record->identity.model), "%.*s",
		(int)sizeof(record->identity.model) - 1, record->model);
	record->identity.bytes = record->bytes;
	*ret_record = record;
	return 0;
}
