/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_facts_selftest.c - self-tests that touch no medium, and the host's condition, now
 */
#include "attached/selftest_report.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "harness/harness.h"
#include "volume/runtime.h"
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#define OURS                                                                                       \
	(HARNESS_ALGORITHMS | HARNESS_RANDOM | HARNESS_PATTERNS | HARNESS_MEMORY | HARNESS_PROGRAMS)
#define CORE_DUMPS "host/core-dumps"
#define MOUNTS_MAX CONFIG_VOLUMES_MAX

/* --- one run --- */

static struct json_object *take_tests(struct harness_report *report)
{
	struct json_object *whole = selftest_report_to_json(report, NULL);
	struct json_object *value = json_object_new_object();

	cli_add_string(value, "id", report->id);
	json_object_object_add(
		value, "tests", json_object_get(json_object_object_get(whole, "tests")));
	json_object_put(whole);
	return value;
}

static void run(struct check *check, const char *fact, const struct harness_options *options,
	struct json_object **ret_value)
{
	_cleanup_(harness_report_freep) struct harness_report *report = NULL;
	struct problem problem = {""};
	int r = harness_run(options, &report, &problem);

	*ret_value = NULL;
	if (r < 0)
		check_no_fact(check, fact, "spoolguard selftest", "%s", problem_text(&problem, r));
	else
		*ret_value = take_tests(report);
}

static void add_selftest(struct check *check)
{
	const struct harness_options options = {.groups = OURS};
	struct json_object *value;

	run(check, "selftest", &options, &value);
	if (value)
		check_fact(check, "selftest", "self-tests in this command's process", value);
}

/* --- the host --- */

/* The service's own limit on core dumps is what counts, not that of whoever runs the check. */
static struct json_object *core_dumps_of_service(struct json_object *status)
{
	struct json_object *test, *reasons = json_object_object_get(status, "reasons");

	if (!json_object_object_get(status, "selftest"))
		return NULL;
	test = json_object_new_object();
	cli_add_string(test, "name", CORE_DUMPS);
	cli_add_string(test, "result", "ok");
	cli_add_string(test, "detail", "the service's last self-test has nothing against it");
	cli_add_string(test, "remedy", "");
	for (size_t i = 0; reasons && i < json_object_array_length(reasons); i++) {
		struct json_object *reason = json_object_array_get_idx(reasons, i);

		if (strcmp(service_client_text(reason, "key"), "selftest:" CORE_DUMPS) != 0)
			continue;
		cli_add_string(test, "result", "failed");
		cli_add_string(test, "detail", service_client_text(reason, "text"));
		cli_add_string(test, "remedy",
			"set LimitCORE=0 for spoolguardd and cups, and "
			"kernel.core_pattern=|/bin/false");
	}
	return test;
}

static void replace_core_dumps(struct check *check, struct json_object *value)
{
	struct json_object *tests = json_object_object_get(value, "tests");
	struct json_object *other = check->status ? core_dumps_of_service(check->status) : NULL;

	for (size_t i = 0; other && i < json_object_array_length(tests); i++) {
		if (strcmp(service_client_text(json_object_array_get_idx(tests, i), "name"),
			    CORE_DUMPS) != 0)
			continue;
		json_object_array_put_idx(tests, i, other);
		return;
	}
	json_object_put(other);
}

static void add_conditions(struct check *check)
{
	struct harness_volume volumes[MOUNTS_MAX];
	static struct runtime_state states[MOUNTS_MAX];
	struct harness_options options = {.groups = HARNESS_CONDITIONS,
		.volumes = volumes,
		.host_root = check->options->host_root};
	struct json_object *value;

	while (!options.host_root && options.volume_count < MOUNTS_MAX &&
		runtime_at(options.volume_count, &states[options.volume_count]) >= 0) {
		struct runtime_state *state = &states[options.volume_count];

		volumes[options.volume_count++] = (struct harness_volume){.name = state->path,
			.path = state->path,
			.mount = state->mount[0] ? state->mount : NULL};
	}
	run(check, "conditions", &options, &value);
	if (!value)
		return;
	replace_core_dumps(check, value);
	check_fact(check, "conditions", "/proc and /sys", value);
}

static void add_clock(struct check *check)
{
	struct timex timex = {.modes = 0};
	struct json_object *value;

	if (adjtimex(&timex) < 0) {
		check_no_fact(check, "clock", "run it outside of a sandbox",
			"the kernel does not say how its clock is kept");
		return;
	}
	value = json_object_new_object();
	cli_add_bool(value, "synchronised", !(timex.status & STA_UNSYNC));
	check_fact(check, "clock", "adjtimex", value);
}

void check_facts_selftest(struct check *check)
{
	add_selftest(check);
	add_conditions(check);
	add_clock(check);
}
