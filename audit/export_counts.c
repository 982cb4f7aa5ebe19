/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/export_counts.h"
#include "audit/event_table.h"
#include "base/metric_text.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KINDS_MAX   128u
#define VOLUMES_MAX 32u

static const char *const outcomes[] = {"success", "failure", "denied", "begun", "progress"};

struct debt {
	char volume[AUDIT_OBJECT_BYTES];
	uint64_t blocks;
};

struct export_counts {
	uint64_t by_kind[KINDS_MAX][ARRAY_SIZE(outcomes)];
	uint64_t records, first, last;
	int64_t last_wall_ms;
	struct debt debts[VOLUMES_MAX];
	size_t debt_count;
};

int export_counts_new(struct export_counts **ret_counts)
{
	*ret_counts = calloc(1, sizeof(**ret_counts));
	return *ret_counts ? 0 : -ENOMEM;
}

void export_counts_free(struct export_counts *counts)
{
	free(counts);
}

static void take_debt(struct export_counts *counts, const struct audit_event *event)
{
	struct json_object *blocks;
	struct debt *debt = counts->debts;

	if (!event->volume || strlen(event->volume) >= sizeof(debt->volume) ||
		!json_object_object_get_ex(event->data, "owed_blocks", &blocks) ||
		!json_object_is_type(blocks, json_type_int))
		return;
	while (debt < counts->debts + counts->debt_count &&
		strcmp(debt->volume, event->volume) != 0)
		debt++;
	if (debt == counts->debts + VOLUMES_MAX)
		return;
	if (debt == counts->debts + counts->debt_count)
		counts->debt_count++;
	strcpy(debt->volume, event->volume);
	debt->blocks = json_object_get_uint64(blocks);
}

void export_counts_add(struct export_counts *counts, const struct audit_record *record)
{
	const struct audit_event_kind *kind = audit_event_find(record->event.event);

	for (size_t i = 0;
		kind && kind - audit_event_kinds < (ptrdiff_t)KINDS_MAX && i < ARRAY_SIZE(outcomes);
		i++)
		counts->by_kind[kind - audit_event_kinds][i] +=
			strcmp(outcomes[i], record->event.outcome) == 0;
	if (counts->records++ == 0)
		counts->first = record->stamp.sequence;
	counts->last = record->stamp.sequence;
	counts->last_wall_ms = record->stamp.wall_ms;
	take_debt(counts, &record->event);
}

static void add_records(FILE *out, const struct export_counts *counts)
{
	metric_text_begin(out, METRIC_OPENMETRICS, "log_records_total", "counter",
		"Records of the audit log, by event and outcome.");
	for (size_t i = 0; i < KINDS_MAX && audit_event_kinds[i].name; i++) {
		for (size_t outcome = 0; outcome < ARRAY_SIZE(outcomes); outcome++) {
			if (counts->by_kind[i][outcome] > 0)
				fprintf(out,
					"spoolguard_log_records_total{event=\"%s\",outcome=\"%s\"} "
					"%" PRIu64 "\n",
					audit_event_kinds[i].name, outcomes[outcome],
					counts->by_kind[i][outcome]);
		}
	}
}

static uint64_t count_of(const struct export_counts *counts, const char *event, bool success)
{
	const uint64_t *by_outcome = counts->by_kind[audit_event_find(event) - audit_event_kinds];

	return success ? by_outcome[0] : by_outcome[1];
}

static void add_debts(FILE *out, const struct export_counts *counts)
{
	if (counts->debt_count == 0)
		return;
	metric_text_begin(out, METRIC_OPENMETRICS, "log_owed_blocks", "gauge",
		"Blocks of a volume that were still owed passes, as a record said last.");
	for (size_t i = 0; i < counts->debt_count; i++)
		metric_text_sample(out, "log_owed_blocks", "volume", counts->debts[i].volume,
			counts->debts[i].blocks);
}

static void add_all(FILE *out, const struct export_counts *counts)
{
	const enum metric_text text = METRIC_OPENMETRICS;

	add_records(out, counts);
	metric_text_add(out, text, "log_jobs_retired_total", "counter",
		"Jobs that were retired with success.", count_of(counts, "job-retired", true));
	metric_text_add(out, text, "log_jobs_failed_total", "counter",
		"Times that a job could not be retired.", count_of(counts, "job-failed", false));
	metric_text_add(out, text, "log_first_record", "gauge",
		"Number of the oldest record that is there.", counts->first);
	metric_text_add(out, text, "log_last_record", "gauge", "Number of the newest record.",
		counts->last);
	metric_text_add(out, text, "log_last_record_timestamp_seconds", "gauge",
		"When the newest record was written.", (uint64_t)(counts->last_wall_ms / 1000));
	add_debts(out, counts);
	metric_text_end(out, text);
}

char *export_counts_format(const struct export_counts *counts)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out)
		return NULL;
	add_all(out, counts);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
