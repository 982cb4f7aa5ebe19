/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/wipe_record.h"
#include "base/durable.h"
#include "base/io.h"
#include "ipc/fields.h"
#include "ipc/message.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT	     1u
#define RECORD_BYTES (1u << 20) /* 4096 jobs with long ids */

static const char *const step_texts[WIPE_STEPS] = {
	[WIPE_PLANNED] = "planned",
	[WIPE_INTAKE] = "intake",
	[WIPE_ERASE] = "erase",
	[WIPE_SETTLE] = "settle",
	[WIPE_ACCOUNT] = "account",
	[WIPE_SHEET] = "sheet",
};

const char *wipe_record_step_text(enum wipe_step step)
{
	assert((size_t)step < ARRAY_SIZE(step_texts));
	return step_texts[step];
}

void wipe_record_done(struct wipe_record *record)
{
	json_object_put(record->jobs);
	record->jobs = NULL;
}

/* --- faults and notes --- */

static void add_line(char lines[][WIPE_FAULT_BYTES], size_t *count, const char *text)
{
	for (size_t i = 0; i < *count && i < WIPE_FAULTS_MAX; i++) {
		if (strcmp(lines[i], text) == 0)
			return;
	}
	if (*count < WIPE_FAULTS_MAX)
		strcpy(lines[*count], text);
	(*count)++;
}

void wipe_record_add_fault(struct wipe_record *record, const char *format, ...)
{
	char text[WIPE_FAULT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add_line(record->faults, &record->fault_count, text);
}

void wipe_record_add_note(struct wipe_record *record, const char *format, ...)
{
	char text[WIPE_FAULT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add_line(record->notes, &record->note_count, text);
}

/* --- numbers --- */

#define NUMBER(member) offsetof(struct wipe_numbers, member)

static const struct {
	const char *key;
	size_t offset;
} numbers[] = {
	{"files", NUMBER(files)},
	{"bytes", NUMBER(bytes)},
	{"cut_files", NUMBER(cut_files)},
	{"cut_bytes", NUMBER(cut_bytes)},
	{"links", NUMBER(links)},
	{"left_files", NUMBER(left_files)},
	{"later_files", NUMBER(later_files)},
	{"requested_blocks", NUMBER(blocks.requested_blocks)},
	{"written_blocks", NUMBER(blocks.written_blocks)},
	{"durable_blocks", NUMBER(blocks.durable_blocks)},
	{"verified_blocks", NUMBER(blocks.verified_blocks)},
	{"lost_blocks", NUMBER(blocks.lost_blocks)},
	{"not_owed_blocks", NUMBER(blocks.not_owed_blocks)},
	{"refused_blocks", NUMBER(blocks.refused_blocks)},
	{"freed_blocks", NUMBER(freed_blocks)},
	{"owed_blocks", NUMBER(owed_blocks)},
	{"epoch", NUMBER(epoch)},
	{"slots_destroyed", NUMBER(slots_destroyed)},
	{"header_backups", NUMBER(header_backups)},
};

struct json_object *wipe_numbers_to_json(const struct wipe_numbers *from)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t value;

		memcpy(&value, (const char *)from + numbers[i].offset, sizeof(value));
		fields_add_u64(object, numbers[i].key, value);
	}
	fields_add_u64(object, "passes", from->blocks.passes);
	return object;
}

static bool numbers_from_json(struct json_object *object, struct wipe_numbers *to)
{
	uint64_t passes;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t value;

		if (!message_get_u64(object, numbers[i].key, &value))
			return false;
		memcpy((char *)to + numbers[i].offset, &value, sizeof(value));
	}
	if (!message_get_u64(object, "passes", &passes) || passes > SCHEME_PASSES_MAX)
		return false;
	to->blocks.passes = (uint32_t)passes;
	return true;
}

/* --- the record --- */

static struct json_object *lines_to_json(
	const char lines[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES], size_t count)
{
	struct json_object *list = json_object_new_array(), *holder;

	for (size_t i = 0; i < count && i < WIPE_FAULTS_MAX; i++) {
		holder = json_object_new_object();
		fields_add_string(holder, "text", lines[i]);
		json_object_array_add(list, holder);
	}
	return list;
}

static struct json_object *places_to_json(const struct wipe_record *record)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < record->place_count; i++) {
		const struct wipe_place *place = &record->places[i];
		struct json_object *object = json_object_new_object();

		fields_add_string(object, "directory", place->directory);
		fields_add_u64(object, "uid", place->uid);
		fields_add_u64(object, "gid", place->gid);
		fields_add_u64(object, "mode", place->mode);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *encode(const struct wipe_record *record)
{
	struct json_object *object = json_object_new_object();

	fields_add_u64(object, "format", FORMAT);
	fields_add_string(object, "volume", record->volume);
	fields_add_string(object, "uuid", record->uuid);
	fields_add_string(object, "new_uuid", record->new_uuid);
	fields_add_bool(object, "full", record->full);
	fields_add_bool(object, "scheduled", record->scheduled);
	fields_add_u64(object, "uid", record->uid);
	fields_add_string(object, "role", record->role);
	fields_add_string(object, "step", wipe_record_step_text(record->step));
	fields_add_u64(object, "began", (uint64_t)record->began_wall_s);
	fields_add_u64(object, "ended", (uint64_t)record->ended_wall_s);
	fields_add_u64(object, "held_ns", record->held_wall_ns);
	fields_add_u64(object, "listed_ns", record->listed_wall_ns);
	fields_add_u64(object, "last_cups_job", (uint64_t)record->last_cups_job);
	fields_add_u64(object, "last_ledger_job", record->last_ledger_job);
	fields_add_u64(object, "job_count", record->job_count);
	fields_add_u64(object, "resumed", record->resumed);
	fields_add_u64(object, "sheet_job", (uint64_t)record->sheet_job);
	fields_add_u64(object, "fault_count", record->fault_count);
	fields_add_u64(object, "note_count", record->note_count);
	json_object_object_add(object, "jobs",
		record->jobs ? json_object_get(record->jobs) : json_object_new_array());
	json_object_object_add(object, "numbers", wipe_numbers_to_json(&record->numbers));
	json_object_object_add(object, "places", places_to_json(record));
	json_object_object_add(
		object, "faults", lines_to_json(record->faults, record->fault_count));
	json_object_object_add(object, "notes", lines_to_json(record->notes, record->note_count));
	return object;
}

static bool get_text(struct json_object *object, const char *key, char *to, size_t bytes)
{
	const char *text;

	if (!message_get_string(object, key, &text) || strlen(text) >= bytes)
		return false;
	strcpy(to, text);
	return true;
}

static bool get_number(struct json_object *object, const char *key, uint64_t max, uint64_t *ret)
{
	return message_get_u64(object, key, ret) && *ret <= max;
}

static bool get_list(
	struct json_object *object, const char *key, size_t max, struct json_object **ret_list)
{
	return json_object_object_get_ex(object, key, ret_list) &&
	       json_object_is_type(*ret_list, json_type_array) &&
	       json_object_array_length(*ret_list) <= max;
}

static bool get_lines(
	struct json_object *object, const char *key, uint64_t count, char to[][WIPE_FAULT_BYTES])
{
	struct json_object *list;

	if (!get_list(object, key, WIPE_FAULTS_MAX, &list) ||
		json_object_array_length(list) !=
			(count < WIPE_FAULTS_MAX ? count : WIPE_FAULTS_MAX))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!get_text(json_object_array_get_idx(list, i), "text", to[i], WIPE_FAULT_BYTES))
			return false;
	}
	return true;
}

static bool get_place(struct json_object *object, struct wipe_place *place)
{
	uint64_t uid, gid, mode;

	if (!get_text(object, "directory", place->directory, sizeof(place->directory)) ||
		!get_number(object, "uid", UINT32_MAX, &uid) ||
		!get_number(object, "gid", UINT32_MAX, &gid) ||
		!get_number(object, "mode", 07777, &mode))
		return false;
	place->uid = (uid_t)uid;
	place->gid = (gid_t)gid;
	place->mode = (mode_t)mode;
	return true;
}

static bool get_places(struct json_object *object, struct wipe_record *record)
{
	struct json_object *list;

	if (!get_list(object, "places", WIPE_PLACES_MAX, &list))
		return false;
	record->place_count = json_object_array_length(list);
	for (size_t i = 0; i < record->place_count; i++) {
		if (!get_place(json_object_array_get_idx(list, i), &record->places[i]))
			return false;
	}
	return true;
}

static bool get_step(struct json_object *object, enum wipe_step *ret_step)
{
	char text[16];

	if (!get_text(object, "step", text, sizeof(text)))
		return false;
	for (int i = 0; i < WIPE_STEPS; i++) {
		if (strcmp(step_texts[i], text) == 0) {
			*ret_step = (enum wipe_step)i;
			return true;
		}
	}
	return false;
}

static bool get_counts(struct json_object *object, struct wipe_record *record)
{
	uint64_t uid, began, ended, last, sheet, faults, notes;

	if (!get_number(object, "uid", UINT32_MAX, &uid) ||
		!get_number(object, "began", INT64_MAX, &began) ||
		!get_number(object, "ended", INT64_MAX, &ended) ||
		!get_number(object, "last_cups_job", INT32_MAX, &last) ||
		!get_number(object, "sheet_job", INT32_MAX, &sheet) ||
		!get_number(object, "fault_count", SIZE_MAX, &faults) ||
		!get_number(object, "note_count", SIZE_MAX, &notes) ||
		!message_get_u64(object, "held_ns", &record->held_wall_ns) ||
		!message_get_u64(object, "listed_ns", &record->listed_wall_ns) ||
		!message_get_u64(object, "last_ledger_job", &record->last_ledger_job) ||
		!message_get_u64(object, "job_count", &record->job_count) ||
		!message_get_u64(object, "resumed", &record->resumed))
		return false;
	record->uid = (uid_t)uid;
	record->began_wall_s = (int64_t)began;
	record->ended_wall_s = (int64_t)ended;
	record->last_cups_job = (int)last;
	record->sheet_job = (int)sheet;
	record->fault_count = (size_t)faults;
	record->note_count = (size_t)notes;
	return true;
}

static bool decode(struct json_object *object, struct wipe_record *record)
{
	struct json_object *jobs, *counted;
	uint64_t format;

	if (!json_object_is_type(object, json_type_object) ||
		!get_number(object, "format", FORMAT, &format) ||
		!get_text(object, "volume", record->volume, sizeof(record->volume)) ||
		!get_text(object, "uuid", record->uuid, sizeof(record->uuid)) ||
		!get_text(object, "new_uuid", record->new_uuid, sizeof(record->new_uuid)) ||
		!get_text(object, "role", record->role, sizeof(record->role)) ||
		!message_get_bool(object, "full", &record->full) ||
		!message_get_bool(object, "scheduled", &record->scheduled) ||
		!get_step(object, &record->step) || !get_counts(object, record) ||
		!get_places(object, record) ||
		!get_lines(object, "faults", record->fault_count, record->faults) ||
		!get_lines(object, "notes", record->note_count, record->notes) ||
		!get_list(object, "jobs", WIPE_JOBS_MAX, &jobs) ||
		!json_object_object_get_ex(object, "numbers", &counted) ||
		!numbers_from_json(counted, &record->numbers))
		return false;
	record->jobs = json_object_get(jobs);
	return true;
}

/* --- files --- */

static int make_path(const char *directory, const char *volume, char path[static PATH_MAX])
{
	int n = snprintf(
		path, PATH_MAX, "%s/wipe%s%s", directory, volume ? "." : "", volume ? volume : "");

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int load(const char *directory, const char *volume, struct json_object **ret_object)
{
	_cleanup_free_ char *text = malloc(RECORD_BYTES);
	char path[PATH_MAX];
	int r = text ? make_path(directory, volume, path) : -ENOMEM;

	if (r >= 0)
		r = durable_read(path, text, RECORD_BYTES);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	*ret_object = json_tokener_parse(text);
	return *ret_object ? 0 : -EBADMSG;
}

/* Takes object. */
static int save(const char *directory, const char *volume, struct json_object *object)
{
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	int r = make_path(directory, volume, path);

	if (r >= 0 && asprintf(&line, "%s\n",
			      json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN)) < 0) {
		line = NULL;
		r = -ENOMEM;
	}
	json_object_put(object);
	return r < 0 ? r : durable_write(path, line);
}

int wipe_record_load(const char *directory, struct wipe_record *ret_record)
{
	struct wipe_record *record = calloc(1, sizeof(*record));
	struct json_object *object = NULL;
	int r = record ? load(directory, NULL, &object) : -ENOMEM;

	if (r >= 0 && !decode(object, record))
		r = -EBADMSG;
	if (r >= 0)
		*ret_record = *record;
	json_object_put(object);
	free(record);
	return r;
}

int wipe_record_save(const char *directory, const struct wipe_record *record)
{
	return save(directory, NULL, encode(record));
}

int wipe_record_remove(const char *directory)
{
	char path[PATH_MAX];
	int r = make_path(directory, NULL, path);

	return r < 0 ? r : durable_remove(path);
}

int wipe_record_save_last(
	const char *directory, const char *volume, int64_t began_wall_s, struct json_object *report)
{
	struct json_object *object = json_object_new_object();

	fields_add_u64(object, "began", (uint64_t)began_wall_s);
	if (report)
		json_object_object_add(object, "report", json_object_get(report));
	return save(directory, volume, object);
}

int wipe_record_load_last(const char *directory, const char *volume, int64_t *ret_began_wall_s,
	struct json_object **ret_report)
{
	struct json_object *object = NULL, *report = NULL;
	uint64_t began;
	int r = load(directory, volume, &object);

	if (r >= 0 && (!json_object_is_type(object, json_type_object) ||
			      !get_number(object, "began", INT64_MAX, &began)))
		r = -EBADMSG;
	if (r >= 0) {
		*ret_began_wall_s = (int64_t)began;
		(void)json_object_object_get_ex(object, "report", &report);
		if (ret_report)
			*ret_report = json_object_get(report);
	}
	json_object_put(object);
	return r;
}
