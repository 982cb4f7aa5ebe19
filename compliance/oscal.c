/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oscal.c - the report as OSCAL assessment results (usnistgov/OSCAL, model of version 1.2.0)
 *
 * One result; of each control an observation (what was seen) and a finding (met or not) that points
 * to it.  OSCAL knows "satisfied" and "not-satisfied" only: what cannot be told is not satisfied,
 * for the reason "other", and its property "state" has our word.  There is no assessment plan;
 * the import, which the model demands, points to a resource that says so.
 *
 * Identifiers are drawn anew for each report.  A string property may be neither empty nor begin or
 * end with a blank, and a line may not be empty: what is, is left out.
 */
#include "compliance/control.h"
#include "crypto/random.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OSCAL_VERSION "1.2.0"
#define NAMESPACE     "urn:spoolguard:oscal"

static void add(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static int add_uuid(struct json_object *to, char ret_text[static RANDOM_UUID_BYTES])
{
	int r = random_uuid(ret_text);

	if (r >= 0)
		add(to, "uuid", ret_text);
	return r;
}

/* The new object stands in the array. */
static struct json_object *append(struct json_object *array)
{
	struct json_object *object = json_object_new_object();

	json_object_array_add(array, object);
	return object;
}

static struct json_object *add_array(struct json_object *to, const char *key)
{
	struct json_object *array = json_object_new_array();

	json_object_object_add(to, key, array);
	return array;
}

static struct json_object *add_object(struct json_object *to, const char *key)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(to, key, object);
	return object;
}

/* A string of the model has no blank at its ends, and no line end within. */
static void add_property(struct json_object *array, const char *name, const char *value)
{
	char text[512];
	size_t begin = strspn(value ? value : "", " \t\r\n"), bytes;
	struct json_object *property;

	snprintf(text, sizeof(text), "%s", value ? value + begin : "");
	bytes = strlen(text);
	while (bytes > 0 && strchr(" \t\r\n", text[bytes - 1]))
		text[--bytes] = '\0';
	for (char *at = text; *at; at++) {
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	}
	if (bytes == 0)
		return;
	property = append(array);
	add(property, "name", name);
	add(property, "ns", NAMESPACE);
	add(property, "value", text);
}

static void add_metadata(struct json_object *to, const struct compliance_report *report)
{
	struct json_object *metadata = add_object(to, "metadata");

	add(metadata, "title", "Technical controls of a print spool, as this device saw them");
	add(metadata, "last-modified", report->time);
	add(metadata, "version", report->time);
	add(metadata, "oscal-version", OSCAL_VERSION);
	add(metadata, "remarks",
		"A satisfied finding speaks of the device's technical part alone. What people must "
		"still show is in each finding's remarks. Clauses are paraphrased.");
}

static int add_plan(struct json_object *to)
{
	struct json_object *resource =
		append(add_array(add_object(to, "back-matter"), "resources"));
	char uuid[RANDOM_UUID_BYTES], href[RANDOM_UUID_BYTES + 1];
	int r = add_uuid(resource, uuid);

	if (r < 0)
		return r;
	add(resource, "title", "No assessment plan");
	add(resource, "description",
		"The controls are those of spoolguard's own table; \"spoolguard check\" looked at "
		"each of the chosen profile.");
	snprintf(href, sizeof(href), "#%s", uuid);
	add(add_object(to, "import-ap"), "href", href);
	return 0;
}

static int add_observation(struct json_object *array, const struct compliance_report *report,
	const struct control *control, char ret_uuid[static RANDOM_UUID_BYTES])
{
	struct json_object *observation = append(array);
	int r = add_uuid(observation, ret_uuid);

	if (r < 0)
		return r;
	add(observation, "title", control->title);
	add(observation, "description", control->evidence);
	json_object_array_add(add_array(observation, "methods"), json_object_new_string("TEST"));
	json_object_array_add(
		add_array(observation, "types"), json_object_new_string("control-objective"));
	add(observation, "collected", report->time);
	return 0;
}

static int add_finding(
	struct json_object *array, const struct control *control, const char *observation)
{
	struct json_object *finding = append(array), *properties, *target, *status;
	char uuid[RANDOM_UUID_BYTES];
	int r = add_uuid(finding, uuid);

	if (r < 0)
		return r;
	add(finding, "title", control->title);
	add(finding, "description", control->evidence);
	properties = add_array(finding, "props");
	add_property(properties, "standard", control->standard);
	add_property(properties, "clause", control->clause);
	add_property(properties, "state", control_state_name(control->state));
	target = add_object(finding, "target");
	add(target, "type", "objective-id");
	add(target, "target-id", control->id);
	status = add_object(target, "status");
	add(status, "state", control->state == CONTROL_MET ? "satisfied" : "not-satisfied");
	add(status, "reason",
		control->state == CONTROL_MET	    ? "pass"
		: control->state == CONTROL_NOT_MET ? "fail"
						    : "other");
	if (control->remedy && control->remedy[0])
		add(status, "remarks", control->remedy);
	add(append(add_array(finding, "related-observations")), "observation-uuid", observation);
	if (control->person && control->person[0])
		add(finding, "remarks", control->person);
	return 0;
}

static void add_reviewed(struct json_object *result, const struct compliance_report *report)
{
	struct json_object *reviewed = add_object(result, "reviewed-controls");
	struct json_object *selection = append(add_array(reviewed, "control-selections"));
	struct json_object *include = add_array(selection, "include-controls");

	for (size_t i = 0; i < report->count; i++)
		add(append(include), "control-id", report->controls[i].id);
}

static void add_about(struct json_object *result, const struct compliance_report *report)
{
	struct json_object *properties = add_array(result, "props");

	add_property(properties, "profile", report->profile);
	add_property(properties, "host", report->host);
	add_property(properties, "program-version", report->version);
	add_property(properties, "program-build", report->build);
	add_property(properties, "device-key-sha256", report->device_key);
	add_property(properties, "log-position", report->log_position);
}

static int add_result(struct json_object *to, const struct compliance_report *report)
{
	struct json_object *result = append(add_array(to, "results")), *observations, *findings;
	char uuid[RANDOM_UUID_BYTES];
	int r = add_uuid(result, uuid);

	if (r < 0)
		return r;
	add(result, "title", "spoolguard check");
	add(result, "description", "What was seen on the running system, control by control.");
	add(result, "start", report->time);
	add(result, "end", report->time);
	add_about(result, report);
	add_reviewed(result, report);
	observations = add_array(result, "observations");
	findings = add_array(result, "findings");
	for (size_t i = 0; i < report->count && r >= 0; i++) {
		const struct control *control = &report->controls[i];

		r = add_observation(observations, report, control, uuid);
		if (r >= 0)
			r = add_finding(findings, control, uuid);
	}
	return r;
}

int compliance_oscal(const struct compliance_report *report, struct json_object **ret_object)
{
	struct json_object *whole, *results;
	char uuid[RANDOM_UUID_BYTES];
	int r;

	if (report->count == 0)
		return -ENODATA; /* the model wants one control at least */
	whole = json_object_new_object();
	results = add_object(whole, "assessment-results");
	r = add_uuid(results, uuid);
	if (r >= 0) {
		add_metadata(results, report);
		r = add_plan(results);
	}
	if (r >= 0)
		r = add_result(results, report);
	if (r < 0) {
		json_object_put(whole);
		return r;
	}
	*ret_object = whole;
	return 0;
}
