/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe_plan.c - what would die: files by the directories in the volume's root, and the report
 */
#include "base/problem.h"
#include "supervisor/wipe_impl.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORIES_MAX 256u /* that are named; of more the files count in "..." */

struct count {
	struct wipe *wipe;
	struct json_object *last; /* the entry of the last file: they come together */
	char last_name[NAME_MAX + 1];
};

/* --- counting --- */

static struct json_object *find_entry(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);

		if (strcmp(json_object_get_string(json_object_object_get(entry, "directory")),
			    name) == 0)
			return entry;
	}
	return NULL;
}

static struct json_object *entry_of(struct count *count, const char *name)
{
	struct json_object *list = count->wipe->directories, *entry;

	if (count->last && strcmp(count->last_name, name) == 0)
		return count->last;
	entry = find_entry(list, name);
	if (!entry && json_object_array_length(list) >= DIRECTORIES_MAX) {
		name = "...";
		entry = find_entry(list, name);
	}
	if (!entry) {
		entry = json_object_new_object();
		fields_add_string(entry, "directory", name);
		fields_add_u64(entry, "files", 0);
		fields_add_u64(entry, "bytes", 0);
		json_object_array_add(list, entry);
	}
	snprintf(count->last_name, sizeof(count->last_name), "%s", name);
	count->last = entry;
	return entry;
}

static void add(struct json_object *entry, const char *key, uint64_t value)
{
	struct json_object *field = json_object_object_get(entry, key);

	json_object_set_uint64(field, json_object_get_uint64(field) + value);
}

static int on_entry(void *context, const struct wipe_entry *found)
{
	struct count *count = context;
	struct json_object *entry;

	if (!S_ISREG(found->st.stx_mode))
		return 0;
	entry = entry_of(count, found->top[0] ? found->top : ".");
	add(entry, "files", 1);
	add(entry, "bytes", found->st.stx_size);
	count->wipe->plan_files++;
	count->wipe->plan_bytes += found->st.stx_size;
	return 0;
}

static void name_retained(struct wipe *wipe)
{
	const struct config_volume *volume = wipe->volume;

	wipe->retained = json_object_new_array();
	for (size_t i = 0; i < volume->retain_count && !wipe->record.full; i++)
		json_object_array_add(wipe->retained, json_object_new_string(volume->retain[i]));
}

int wipe_plan(struct wipe *wipe, struct problem *reterr_problem)
{
	struct count count = {.wipe = wipe};
	const struct wipe_walk_options options = {
		.mount = wipe->runtime.mount,
		.device = wipe->device,
		.retain_of = wipe->record.full ? NULL : wipe->volume,
		.entry = on_entry,
		.context = &count,
	};
	struct wipe_walk_report walked;
	int r;

	wipe->directories = json_object_new_array();
	name_retained(wipe);
	r = wipe_walk(&options, &walked, reterr_problem);
	if (r < 0)
		return r;
	if (!wipe->record.full && walked.retained < wipe->volume->retain_count)
		wipe_record_add_note(&wipe->record,
			"of the %zu directories that are to be retained %llu are there",
			wipe->volume->retain_count, (unsigned long long)walked.retained);
	if (walked.covered > 0)
		wipe_record_add_note(&wipe->record,
			"something is mounted over %llu places of the spool: what lies beneath is "
			"not seen",
			(unsigned long long)walked.covered);
	return 0;
}

/* --- the report --- */

static struct json_object *list_lines(
	const char lines[WIPE_FAULTS_MAX][WIPE_FAULT_BYTES], size_t count)
{
	struct json_object *list = json_object_new_array();
	size_t shown = count < WIPE_FAULTS_MAX ? count : WIPE_FAULTS_MAX;

	for (size_t i = 0; i < shown; i++) {
		struct json_object *holder = json_object_new_object();

		fields_add_string(holder, "text", lines[i]);
		json_object_array_add(
			list, json_object_get(json_object_object_get(holder, "text")));
		json_object_put(holder);
	}
	return list;
}

static void add_times(const struct wipe_record *record, struct json_object *report)
{
	char text[CLOCK_RFC3339_BYTES];

	fields_add_string(report, "began", clock_rfc3339(record->began_wall_s, text));
	if (record->ended_wall_s > 0)
		fields_add_string(report, "ended", clock_rfc3339(record->ended_wall_s, text));
	fields_add_u64(report, "resumed", record->resumed);
	fields_add_bool(report, "scheduled", record->scheduled);
}

static void add_sheet(const struct wipe *wipe, struct json_object *report)
{
	struct json_object *sheet;

	if (!wipe->queue[0])
		return;
	sheet = json_object_new_object();
	fields_add_string(sheet, "queue", wipe->queue);
	fields_add_u64(sheet, "job", (uint64_t)wipe->record.sheet_job);
	fields_add_string(sheet, "state",
		wipe->sheet_state[0] ? wipe->sheet_state
		: wipe->sheet_owed   ? "not printed yet"
				     : "not printed");
	json_object_object_add(report, "sheet", sheet);
}

struct json_object *wipe_report(const struct wipe *wipe, bool dry_run)
{
	const struct wipe_record *record = &wipe->record;
	struct json_object *report = json_object_new_object();

	fields_add_string(report, "schema", "spoolguard.wipe-spool/1");
	fields_add_string(report, "volume", record->volume);
	fields_add_string(report, "uuid", record->uuid);
	if (record->new_uuid[0])
		fields_add_string(report, "new_uuid", record->new_uuid);
	fields_add_string(report, "mode", record->full ? "full" : "standard");
	fields_add_bool(report, "dry_run", dry_run);
	fields_add_string(report, "result",
		dry_run			   ? "nothing was touched"
		: record->fault_count == 0 ? "successful"
					   : "failed");
	add_times(record, report);
	json_object_object_add(report, "jobs",
		record->jobs ? json_object_get(record->jobs) : json_object_new_array());
	fields_add_u64(report, "job_count", record->job_count);
	json_object_object_add(report, "directories",
		wipe->directories ? json_object_get(wipe->directories) : json_object_new_array());
	json_object_object_add(report, "retained",
		wipe->retained ? json_object_get(wipe->retained) : json_object_new_array());
	fields_add_u64(report, "files", wipe->plan_files);
	fields_add_u64(report, "bytes", wipe->plan_bytes);
	if (!dry_run)
		json_object_object_add(report, "numbers", wipe_numbers_to_json(&record->numbers));
	json_object_object_add(report, "faults", list_lines(record->faults, record->fault_count));
	json_object_object_add(report, "notes", list_lines(record->notes, record->note_count));
	add_sheet(wipe, report);
	return report;
}

struct json_object *wipe_report_for_disk(const struct wipe *wipe)
{
	struct json_object *report = wipe_report(wipe, false);

	json_object_object_del(report, "directories");
	json_object_object_del(report, "jobs");
	return report;
}
