/* SPDX-License-Identifier: Apache-2.0 */
#include "attached/selftest_report.h"
#include "base/clock.h"
#include "ipc/fields.h"

static struct json_object *describe(const struct harness_result *result)
{
	struct json_object *object = json_object_new_object();

	fields_add_string(object, "name", result->name);
	fields_add_string(object, "subject", result->subject);
	fields_add_bool(object, "ok", !harness_result_is_bad(result));
	fields_add_string(object, "result", harness_verdict_name(result->verdict));
	fields_add_string(object, "weight", harness_weight_name(result->weight));
	fields_add_string(object, "detail", result->detail);
	fields_add_string(object, "remedy", result->remedy);
	return object;
}

struct json_object *selftest_report_to_json(const struct harness_report *report, const char *inject)
{
	struct json_object *object = json_object_new_object(), *tests = json_object_new_array();
	char began[CLOCK_RFC3339_BYTES];

	fields_add_string(object, "schema", "spoolguard.selftest/1");
	fields_add_bool(object, "ok", report->claims);
	fields_add_bool(object, "degraded", report->degraded);
	fields_add_string(object, "id", report->id);
	fields_add_string(object, "version", SPOOLGUARD_VERSION);
	fields_add_string(object, "began", clock_rfc3339(report->began_wall_s, began));
	fields_add_u64(object, "took_ms", report->took_ms);
	if (inject)
		fields_add_string(object, "injected", inject);
	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(tests, describe(&report->results[i]));
	json_object_object_add(object, "tests", tests);
	return object;
}
