/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_policy_cups.c - what users of a real cupsd see of a hold, and of what is owed
 *
 * Goal: the reasons of policy.h stand at every queue while they are true, and go; cupsd is left in
 * peace while nothing changes; without one nothing waits.  Method: a private cupsd with two queues,
 * asked by ipptool as a client would.
 */
#include "base/clock.h"
#include "supervisor/policy.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;
static struct state *state;
static struct events *events;
static struct policy *policy;
static struct figures figures;
static char directory[] = "/tmp/spoolguard-policy.XXXXXX";

static void nothing(void *context)
{
	(void)context;
}

static void setup(void)
{
	struct policy_intake intake;
	struct policy_options with = {.config = &config, .intake = &intake};

	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* events are echoed there */
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	memset(&config, 0, sizeof(config));
	config.on_failure = CONFIG_HOLD;
	config.cups_state_reason = true;
	figures = (struct figures){.state = STATE_READY, .may_claim = true, .has_ledger = true};
	ck_assert_int_eq(state_new(nothing, NULL, &state), 0);
	state_set_testing(state, false);
	ck_assert_int_eq(events_new(directory, &events), 0);
	ck_assert_int_eq(policy_cups_new(cupsd_rig("echo $cupsd_socket"), &intake, NULL), 0);
	with.state = state;
	with.events = events;
	ck_assert_int_eq(policy_new(&with, &policy), 0);
}

static void teardown(void)
{
	char command[100];

	policy_free(policy);
	events_free(events);
	state_free(state);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static const char *reasons_of(const char *queue)
{
	return cupsd_rig("ipp Get-Printer-Attributes \"ATTR uri printer-uri "
			 "$cupsd_uri/printers/%s\" 'ATTR keyword requested-attributes "
			 "printer-state-reasons' | sed -n 's/^ *printer-state-reasons (.*) = //p'",
		queue);
}

static void shows(const char *reason)
{
	policy_update(policy, &figures);
	ck_assert_str_eq(reasons_of("one"), reason);
	ck_assert_str_eq(reasons_of("two"), reason);
}

START_TEST(displays_show_what_is_owed_while_it_is)
{
	shows("none");
	figures.oldest_owed_s = 70;
	shows("com.spoolguard-overwrite-pending-report");
	figures.owed_bytes = 2;
	config.debt_limit_bytes = 3;
	figures.owed_bytes = 4;
	policy_update(policy, &figures);
	ck_assert_ptr_nonnull(strstr(reasons_of("one"), "com.spoolguard-debt-warning"));
	ck_assert_ptr_null(strstr(reasons_of("one"), "pending"));
	figures.owed_bytes = figures.oldest_owed_s = 0;
	shows("none");
}
END_TEST

START_TEST(a_held_queue_says_why_and_takes_jobs)
{
	int id;

	figures.may_claim = false;
	policy_update(policy, &figures);
	ck_assert_ptr_nonnull(strstr(reasons_of("two"), "com.spoolguard-claims-stopped-error"));
	ck_assert_ptr_nonnull(strstr(reasons_of("two"), "paused"));
	ck_assert_ptr_nonnull(strstr(cupsd_rig("lpstat -p two"), "a self-test failed"));
	id = cupsd_rig_number("job_submit two $work/doc");
	figures.may_claim = true;
	shows("none");
	cupsd_rig("job_wait %d 9", id);
}
END_TEST

START_TEST(nothing_is_shown_where_the_configuration_says_so)
{
	figures.oldest_owed_s = 70;
	shows("com.spoolguard-overwrite-pending-report");
	config.cups_state_reason = false;
	shows("none");
}
END_TEST

static int count_requests(void)
{
	return cupsd_rig_number("wc -l <$cupsd_dir/log/access_log");
}

START_TEST(cupsd_is_asked_nothing_while_nothing_changes)
{
	int before = count_requests(), after;

	figures.oldest_owed_s = 70;
	policy_update(policy, &figures);
	after = count_requests();
	ck_assert_int_gt(after, before);
	for (int i = 0; i < 50; i++)
		policy_update(policy, &figures);
	ck_assert_int_eq(count_requests(), after);
}
END_TEST

START_TEST(a_cupsd_that_is_away_holds_up_nobody_and_is_told_when_it_is_back)
{
	uint64_t start_ns = clock_monotonic_ns();

	shows("none");
	cupsd_rig("cupsd_stop");
	figures.oldest_owed_s = 70;
	for (int i = 0; i < 3; i++)
		policy_update(policy, &figures);
	ck_assert_uint_lt(clock_monotonic_ns() - start_ns, UINT64_C(15000000000));
	cupsd_rig("cupsd_up");
	shows("com.spoolguard-overwrite-pending-report");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_cups");
	TCase *tcase = tcase_create("queues");
	SRunner *runner;
	int failed;

	failed = cupsd_rig_start("'AccessLogLevel all'", "queue_raw one; queue_raw two");
	if (failed)
		return failed;
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, displays_show_what_is_owed_while_it_is);
	tcase_add_test(tcase, a_held_queue_says_why_and_takes_jobs);
	tcase_add_test(tcase, nothing_is_shown_where_the_configuration_says_so);
	tcase_add_test(tcase, cupsd_is_asked_nothing_while_nothing_changes);
	tcase_add_test(tcase, a_cupsd_that_is_away_holds_up_nobody_and_is_told_when_it_is_back);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
