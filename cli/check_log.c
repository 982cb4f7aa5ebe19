/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_log.h"
#include "blockdev/blockdev.h"
#include "ipc/fields.h"
#include <string.h>

#define MS_PER_S 1000

/* --- one record --- */

static uint64_t number_of(const struct audit_event *event, const char *key)
{
	struct json_object *value = NULL;

	if (event->data)
		(void)json_object_object_get_ex(event->data, key, &value);
	return json_object_get_uint64(value);
}

static bool is_success(const struct audit_event *event)
{
	return strcmp(event->outcome, "success") == 0;
}

static void count_kind(struct check_log *log, const struct audit_event *event)
{
	for (size_t i = 0; i < CHECK_LOG_KINDS_MAX && audit_event_kinds[i].name; i++) {
		if (strcmp(audit_event_kinds[i].name, event->event) != 0)
			continue;
		log->kinds[i]++;
		log->from_host += event->origin || (audit_event_kinds[i].subject == AUDIT_BY_HOST &&
							   audit_event_kinds[i].from_host);
		return;
	}
}

static void set_last(struct check_log_last *last, const struct audit_record *record)
{
	const char *outcome = record->event.outcome;

	if (strcmp(outcome, "begun") == 0 || strcmp(outcome, "progress") == 0)
		return;
	last->count++;
	last->wall_ms = record->stamp.wall_ms;
	strncpy(last->outcome, outcome, sizeof(last->outcome) - 1);
}

/* One that could not tell is no success, and has found nothing. */
static void set_last_residue(struct check_log *log, const struct audit_record *record)
{
	static const char cannot_tell[] = "cannot tell";

	set_last(&log->residue, record);
	if (record->event.detail && strcmp(record->event.detail, cannot_tell) == 0)
		strcpy(log->residue.outcome, cannot_tell);
}

static void add_to_day(struct check_log *log, const struct audit_record *record)
{
	struct compliance_day *day = check_days_at(&log->days, record->stamp.wall_ms);
	uint64_t owed = number_of(&record->event, "owed_blocks") * BLOCK_BYTES;

	if (!day)
		return;
	day->retired_jobs +=
		strcmp(record->event.event, "job-retired") == 0 && is_success(&record->event);
	day->failed_jobs += strcmp(record->event.event, "job-failed") == 0;
	day->debt_bytes = owed > day->debt_bytes ? owed : day->debt_bytes;
}

void check_log_add(struct check_log *log, const struct audit_record *record)
{
	const struct audit_event *event = &record->event;

	log->records++;
	count_kind(log, event);
	add_to_day(log, record);
	if (strcmp(event->event, "audit-started") == 0)
		log->is_open = true;
	else if (strcmp(event->event, "audit-stopped") == 0)
		log->is_open = false;
	else if (strcmp(event->event, "wipe") == 0)
		set_last(&log->wipe, record);
	else if (strcmp(event->event, "residue-check") == 0)
		set_last_residue(log, record);
}

/* --- facts --- */

struct json_object *check_log_events(const struct check_log *log)
{
	struct json_object *value = json_object_new_object(), *kinds = json_object_new_object();

	for (size_t i = 0; i < CHECK_LOG_KINDS_MAX && audit_event_kinds[i].name; i++) {
		if (log->kinds[i] > 0)
			fields_add_u64(kinds, audit_event_kinds[i].name, log->kinds[i]);
	}
	fields_add_u64(value, "records", log->records);
	json_object_object_add(value, "kinds", kinds);
	fields_add_u64(value, "from_host", log->from_host);
	return value;
}

static struct json_object *last_to_json(const struct check_log_last *last)
{
	struct json_object *value = json_object_new_object();
	char time[AUDIT_TIME_BYTES];

	fields_add_u64(value, "count", last->count);
	fields_add_string(value, "outcome", last->outcome);
	fields_add_string(value, "time", last->count ? audit_time(last->wall_ms, time) : "");
	return value;
}

struct json_object *check_log_wipe(const struct check_log *log)
{
	return last_to_json(&log->wipe);
}

struct json_object *check_log_residue(const struct check_log *log, int64_t now_s)
{
	struct json_object *value = last_to_json(&log->residue);
	int64_t age_s = now_s - log->residue.wall_ms / MS_PER_S;

	fields_add_u64(value, "age_seconds", age_s > 0 ? (uint64_t)age_s : 0);
	return value;
}
