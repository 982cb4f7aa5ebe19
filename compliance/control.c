/* SPDX-License-Identifier: Apache-2.0 */
#include "compliance/judge.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *control_state_name(enum control_state state)
{
	switch (state) {
	case CONTROL_MET:
		return "met";
	case CONTROL_NOT_MET:
		return "not met";
	default:
		return "cannot tell";
	}
}

/* --- profiles --- */

const struct compliance_profile compliance_profiles[] = {
	{"all", "every control"},
	{"hcd", "hardcopy devices: HCD cPP v1.0e, 4 March 2024"},
	{"sp800-88", "sanitization of media: NIST SP 800-88r2"},
	{"iso27001", "ISO/IEC 27001:2022, annex A"},
	{"hipaa", "HIPAA, 45 CFR 164.310(d): device and media controls"},
	{"pci-dss", "PCI DSS v4, requirement 9.4: media"},
	{"gdpr", "GDPR, articles 5, 17 and 32"},
	{"ward", "a short one: what a department with a printer wants to know"},
	{NULL, NULL},
};

static int find_profile(const char *name, const char **ret_name, unsigned int *ret_bit)
{
	static const unsigned int bits[] = {
		~0u, IN_HCD, IN_SP800, IN_ISO, IN_HIPAA, IN_PCI, IN_GDPR, IN_WARD};

	for (size_t i = 0; compliance_profiles[i].name; i++) {
		if (strcmp(compliance_profiles[i].name, name) != 0)
			continue;
		*ret_name = compliance_profiles[i].name;
		*ret_bit = bits[i];
		return 0;
	}
	return -ENOENT;
}

/* --- a report's life --- */

static void part_done(struct control_part *part)
{
	free(part->evidence);
	free(part->remedy);
	free(part->seen);
	free(part->how);
}

static void control_done(struct control *control)
{
	for (size_t i = 0; i < control->part_count; i++)
		part_done(&control->parts[i]);
	free(control->parts);
	free(control->evidence);
	free(control->remedy);
}

void compliance_report_done(struct compliance_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		control_done(&report->controls[i]);
	free(report->controls);
	free(report->days);
	*report = (struct compliance_report){.profile = NULL};
}

/* --- a control from its parts --- */

static enum control_state worse(enum control_state a, enum control_state b)
{
	if (a == CONTROL_NOT_MET || b == CONTROL_NOT_MET)
		return CONTROL_NOT_MET;
	return a == CONTROL_CANNOT_TELL || b == CONTROL_CANNOT_TELL ? CONTROL_CANNOT_TELL
								    : CONTROL_MET;
}

/* The parts that decided, each with how and when it was seen (F2).  NULL: no memory. */
static char *join_evidence(const struct control *control)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool first = true, failed;

	if (!out)
		return NULL;
	for (size_t i = 0; i < control->part_count; i++) {
		const struct control_part *part = &control->parts[i];

		if (part->state != control->state)
			continue;
		fprintf(out, "%s%s", first ? "" : "; ", part->evidence);
		if (part->seen[0])
			fprintf(out, " [%s, %s]", part->how, part->seen);
		first = false;
	}
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static const struct control_part *first_that_decided(const struct control *control)
{
	for (size_t i = 0; i < control->part_count; i++) {
		if (control->parts[i].state == control->state)
			return &control->parts[i];
	}
	return NULL;
}

static int judge_parts(
	struct json_object *facts, const struct control_row *row, struct control *control)
{
	int r = 0;

	control->parts = calloc(CONTROL_PARTS_MAX, sizeof(*control->parts));
	if (!control->parts)
		return -ENOMEM;
	for (size_t i = 0; i < CONTROL_PARTS_MAX && row->parts[i] && r >= 0; i++) {
		r = judge_part(facts, row->parts[i], &control->parts[i]);
		if (r < 0)
			break;
		control->part_count++;
		control->state = worse(control->state, control->parts[i].state);
	}
	return r;
}

static int judge_row(
	struct json_object *facts, const struct control_row *row, struct control *control)
{
	const struct control_part *decided;
	int r;

	*control = (struct control){.id = row->id,
		.standard = row->standard,
		.clause = row->clause,
		.title = row->title,
		.person = row->person,
		.state = CONTROL_MET};
	r = judge_parts(facts, row, control);
	if (r < 0)
		return r;
	decided = first_that_decided(control);
	control->evidence = join_evidence(control);
	if (control->state != CONTROL_MET)
		control->remedy = strdup(decided->remedy);
	return control->evidence && (control->remedy || control->state == CONTROL_MET) ? 0
										       : -ENOMEM;
}

/* --- the report --- */

static void take_text(struct json_object *facts, const char *key, char *ret_text, size_t bytes)
{
	snprintf(ret_text, bytes, "%s", judge_peek(facts, key));
}

static uint64_t number_of(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

static int take_days(struct json_object *facts, struct compliance_report *report)
{
	struct json_object *days = NULL;
	size_t count;

	if (!json_object_object_get_ex(facts, "days", &days) ||
		!json_object_is_type(days, json_type_array))
		return 0;
	count = json_object_array_length(days);
	report->days = calloc(count ? count : 1, sizeof(*report->days));
	if (!report->days)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct json_object *day = json_object_array_get_idx(days, i);
		struct compliance_day *out = &report->days[report->day_count++];

		take_text(day, "day", out->day, sizeof(out->day));
		out->retired_jobs = number_of(day, "retired_jobs");
		out->failed_jobs = number_of(day, "failed_jobs");
		out->debt_bytes = number_of(day, "debt_bytes");
	}
	return 0;
}

static int judge_all(struct json_object *facts, unsigned int bit, struct compliance_report *report)
{
	size_t rows = 0;
	int r = 0;

	while (control_rows[rows].id)
		rows++;
	report->controls = calloc(rows, sizeof(*report->controls));
	if (!report->controls)
		return -ENOMEM;
	for (size_t i = 0; i < rows && r >= 0; i++) {
		struct control *control = &report->controls[report->count];

		if (!(control_rows[i].profiles & bit))
			continue;
		report->count++;
		r = judge_row(facts, &control_rows[i], control);
		report->met += control->state == CONTROL_MET;
		report->not_met += control->state == CONTROL_NOT_MET;
		report->cannot_tell += control->state == CONTROL_CANNOT_TELL;
	}
	return r;
}

int compliance_judge(
	struct json_object *facts, const char *profile, struct compliance_report *ret_report)
{
	struct compliance_report report = {.profile = NULL};
	unsigned int bit;
	int r;

	r = find_profile(profile ? profile : "all", &report.profile, &bit);
	if (r < 0)
		return r;
	take_text(facts, "time", report.time, sizeof(report.time));
	take_text(facts, "host", report.host, sizeof(report.host));
	take_text(facts, "version", report.version, sizeof(report.version));
	take_text(facts, "build", report.build, sizeof(report.build));
	take_text(facts, "device_key", report.device_key, sizeof(report.device_key));
	take_text(facts, "log_position", report.log_position, sizeof(report.log_position));
	r = take_days(facts, &report);
	if (r >= 0)
		r = judge_all(facts, bit, &report);
	if (r < 0) {
		compliance_report_done(&report);
		return r;
	}
	*ret_report = report;
	return 0;
}
