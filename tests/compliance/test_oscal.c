/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_oscal.c - the report as OSCAL assessment results
 *
 * Goal: it fits the public schema, and says of each control what the report says.
 * Method: a fixed report; python3-jsonschema holds it against what is used of NIST's schema
 * (oscal-assessment-results.schema.json); documents that are damaged on purpose do not fit.
 */
#include "tests/compliance/report_fixture.h"
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

#define VALIDATE                                                                                   \
	"python3 tests/tools/validate_json.py "                                                    \
	"tests/compliance/oscal-assessment-results.schema.json"

static struct json_object *document;

static void setup(void)
{
	ck_assert_int_eq(compliance_oscal(&fixture_report, &document), 0);
}

static void teardown(void)
{
	json_object_put(document);
	document = NULL;
}

static struct json_object *get(struct json_object *of, const char *key)
{
	struct json_object *value = NULL;

	ck_assert_msg(json_object_object_get_ex(of, key, &value), "%s", key);
	return value;
}

static struct json_object *result(void)
{
	return json_object_array_get_idx(get(get(document, "assessment-results"), "results"), 0);
}

/* 0, 1 or 3, as validate_json.py says. */
static int validate(void)
{
	FILE *to = popen(VALIDATE " >/dev/null 2>&1", "we");
	int status;

	ck_assert_ptr_nonnull(to);
	fputs(json_object_to_json_string(document), to);
	status = pclose(to);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(it_fits_the_public_schema)
{
	int r = validate();

	if (r == 3 || r == 127)
		fputs("test_oscal: skipped: no python3-jsonschema\n", stderr);
	else
		ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(damage_does_not_fit)
{
	if (validate() != 0)
		return; /* told above */
	json_object_object_add(result(), "start", json_object_new_string("yesterday"));
	ck_assert_int_eq(validate(), 1);
	json_object_object_add(result(), "start", json_object_new_string("2026-11-24T09:00:00Z"));
	ck_assert_int_eq(validate(), 0);
	json_object_object_add(result(), "verdict", json_object_new_string("met"));
	ck_assert_int_eq(validate(), 1);
	json_object_object_del(result(), "verdict");
	json_object_object_del(result(), "reviewed-controls");
	ck_assert_int_eq(validate(), 1);
}
END_TEST

START_TEST(each_control_has_its_finding_and_what_was_seen)
{
	static const char *const states[] = {"satisfied", "not-satisfied", "not-satisfied"};
	static const char *const reasons[] = {"pass", "fail", "other"};
	struct json_object *findings = get(result(), "findings");
	struct json_object *observations = get(result(), "observations");

	ck_assert_uint_eq(json_object_array_length(findings), 3);
	ck_assert_uint_eq(json_object_array_length(observations), 3);
	for (size_t i = 0; i < 3; i++) {
		struct json_object *finding = json_object_array_get_idx(findings, i);
		struct json_object *observation = json_object_array_get_idx(observations, i);
		struct json_object *target = get(finding, "target");
		struct json_object *status = get(target, "status");
		struct json_object *related =
			json_object_array_get_idx(get(finding, "related-observations"), 0);

		ck_assert_str_eq(
			json_object_get_string(get(target, "target-id")), fixture_controls[i].id);
		ck_assert_str_eq(json_object_get_string(get(status, "state")), states[i]);
		ck_assert_str_eq(json_object_get_string(get(status, "reason")), reasons[i]);
		ck_assert_str_eq(json_object_get_string(get(related, "observation-uuid")),
			json_object_get_string(get(observation, "uuid")));
		ck_assert_str_eq(json_object_get_string(get(observation, "description")),
			fixture_controls[i].evidence);
	}
}
END_TEST

START_TEST(identifiers_are_drawn_anew)
{
	struct json_object *again;
	const char *first = json_object_get_string(get(result(), "uuid"));

	ck_assert_int_eq(compliance_oscal(&fixture_report, &again), 0);
	ck_assert_ptr_null(strstr(json_object_to_json_string(again), first));
	json_object_put(again);
}
END_TEST

START_TEST(a_report_of_nothing_is_none)
{
	struct compliance_report empty = fixture_report;
	struct json_object *none;

	empty.count = 0;
	ck_assert_int_eq(compliance_oscal(&empty, &none), -ENODATA);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oscal");
	TCase *tcase = tcase_create("results");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_fits_the_public_schema);
	tcase_add_test(tcase, damage_does_not_fit);
	tcase_add_test(tcase, each_control_has_its_finding_and_what_was_seen);
	tcase_add_test(tcase, identifiers_are_drawn_anew);
	tcase_add_test(tcase, a_report_of_nothing_is_none);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
