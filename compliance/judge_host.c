/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_host.c - the self-tests, and what the machine around us does with memory
 */
#include "compliance/judge.h"
#include <string.h>

static void judge_test(struct json_object *test, const char *name, struct judged *out)
{
	const char *result, *detail, *remedy;

	if (!judge_text(test, "result", out, &result) ||
		!judge_text(test, "detail", out, &detail) ||
		!judge_text(test, "remedy", out, &remedy))
		return;
	if (strcmp(result, "failed") == 0)
		judged_not_met(out, remedy[0] ? remedy : "spoolguard selftest", "%s failed: %s",
			name, detail);
	else if (strcmp(result, "ok") != 0 && strcmp(result, "skipped") != 0)
		judged_cannot_tell(out, remedy[0] ? remedy : "spoolguard selftest",
			"%s could not be made: %s", name, detail);
}

void judge_tests(
	struct json_object *value, const char *prefix, const char *what, struct judged *out)
{
	struct json_object *tests;
	const char *name;
	size_t count = 0;

	if (!judge_array(value, "tests", out, &tests))
		return;
	for (size_t i = 0; i < json_object_array_length(tests); i++) {
		struct json_object *test = json_object_array_get_idx(tests, i);

		if (!judge_text(test, "name", out, &name) ||
			strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		judge_test(test, name, out);
		count++;
	}
	if (count > 0)
		judged_met(out, "%s: %zu test%s passed", what, count, count == 1 ? "" : "s");
	else
		judged_cannot_tell(out, "spoolguard selftest", "%s: no such test was made", what);
}

/* --- self-tests of the subsystem --- */

static void judge_selftest(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *id, *time;
	bool passed;

	if (!judge_bool(values[0], "selftest_ok", out, &passed) ||
		!judge_text(values[0], "selftest_id", out, &id) ||
		!judge_text(values[0], "selftest_time", out, &time))
		return;
	if (!passed)
		judged_not_met(out, "spoolguard selftest says which, and what to do",
			"the service's self-test of %s failed (%.16s)", time, id);
	else
		judged_met(out, "the service's self-test of %s passed (%.16s)", time, id);
}

static void judge_programs(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "program/", "our programs against their manifest", out);
}

const struct part part_selftest = {"self-test", {"service"}, judge_selftest};
const struct part part_programs = {"programs", {"selftest"}, judge_programs};

/* --- the machine --- */

static void judge_swap(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "host/swap", "no swap in clear", out);
}

static void judge_hibernation(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "host/hibernation", "no image of memory in clear", out);
}

static void judge_core_dumps(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "host/core-dumps", "no core dumps", out);
}

static void judge_host(struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	judge_tests(values[0], "host/kernel", "the kernel", out);
	judge_tests(values[0], "host/hard-links", "hard links", out);
	judge_tests(values[0], "host/mount-options", "mounts of volumes", out);
}

const struct part part_swap = {"swap", {"conditions"}, judge_swap};
const struct part part_hibernation = {"hibernation", {"conditions"}, judge_hibernation};
const struct part part_core_dumps = {"core-dumps", {"conditions"}, judge_core_dumps};
const struct part part_host = {"host", {"conditions"}, judge_host};

static void judge_sandbox(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	bool no_new, filtered;

	if (!judge_bool(values[0], "no_new_privileges", out, &no_new) ||
		!judge_bool(values[0], "filtered", out, &filtered))
		return;
	if (!no_new || !filtered)
		judged_not_met(out, "start it by its unit: systemctl start spoolguardd",
			"the service runs without its sandbox (%s)",
			no_new ? "no filter of system calls" : "it may gain privileges");
	else
		judged_met(
			out, "the service gains no privileges, and its system calls are filtered");
}

const struct part part_sandbox = {"sandbox", {"sandbox"}, judge_sandbox};

/* --- how it is set --- */

static void judge_fail_closed(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *on_failure;

	if (!judge_text(values[0], "on_failure", out, &on_failure))
		return;
	if (strcmp(on_failure, "hold") != 0)
		judged_not_met(out, "set on_failure = hold in [service]",
			"when a self-test fails jobs are printed all the same (on_failure = %s)",
			on_failure);
	else
		judged_met(out, "when a self-test fails new jobs wait");
}

static void judge_retest(
	struct json_object *const values[static JUDGE_FACTS_MAX], struct judged *out)
{
	const char *schedule;

	if (!judge_text(values[0], "selftest_schedule", out, &schedule))
		return;
	if (strcmp(schedule, "off") == 0)
		judged_not_met(out, "set selftest = daily 03:30 in [service]",
			"self-tests run at start only");
	else
		judged_met(out, "self-tests run at start and on schedule (%s)", schedule);
}

const struct part part_fail_closed = {"fail-closed", {"settings"}, judge_fail_closed};
const struct part part_retest = {"retest", {"settings"}, judge_retest};
