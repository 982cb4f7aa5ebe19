/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_policy.c - new jobs are held when they must be, released when they may be, never rejected
 *
 * Goal: each cause holds, with its reason, and lets go when it is gone; limits have a way back that
 * is not their way there; a hold that a crash left is taken back or kept (Q3); orders that fail
 * are given again; whoever waits is told when all stands.  Method: an intake that notes what it is
 * told.
 */
#include "supervisor/policy.h"
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A queue, as CUPS would have it. */
static struct {
	bool held;
	char reason[256];
	const char *keyword;
	int holds, releases, tells;
	int error;    /* of the next orders */
	int printing; /* a hold is not complete for so many calls */
	bool freed;
} queue;

static struct config config;
static struct state *state;
static struct events *events;
static struct policy *policy;
static struct figures figures;
static char directory[] = "/tmp/spoolguard-policy.XXXXXX";

static int hold(
	void *context, const char *reason, bool *ret_complete, struct problem *reterr_problem)
{
	(void)context;
	queue.holds++;
	if (queue.error)
		return problem_set(reterr_problem, queue.error, "the queue says no");
	queue.held = true;
	snprintf(queue.reason, sizeof(queue.reason), "%s", reason);
	*ret_complete = queue.printing-- <= 0;
	return 0;
}

static int release(void *context, struct problem *reterr_problem)
{
	(void)context;
	queue.releases++;
	if (queue.error)
		return problem_set(reterr_problem, queue.error, "the queue says no");
	queue.held = false;
	return 0;
}

static int tell(void *context, const char *keyword, struct problem *reterr_problem)
{
	(void)context;
	queue.tells++;
	if (queue.error)
		return problem_set(reterr_problem, queue.error, "the queue says no");
	queue.keyword = keyword;
	return 0;
}

static void done(void *context)
{
	(void)context;
	queue.freed = true;
}

static const struct policy_intake intake = {hold, release, tell, done, NULL};

static void nothing(void *context)
{
	(void)context;
}

static void make_policy(const struct policy_intake *with)
{
	const struct policy_options options = {&config, state, events, with};

	ck_assert_int_eq(policy_new(&options, &policy), 0);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* events are echoed there */
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	memset(&queue, 0, sizeof(queue));
	memset(&config, 0, sizeof(config));
	config.on_failure = CONFIG_HOLD;
	config.cups_state_reason = true;
	figures = (struct figures){.state = STATE_READY, .may_claim = true, .has_ledger = true};
	ck_assert_int_eq(state_new(nothing, NULL, &state), 0);
	state_set_testing(state, false);
	ck_assert_int_eq(events_new(directory, &events), 0);
	make_policy(&intake);
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

static bool state_says(const char *words)
{
	struct json_object *object = state_to_json(state);
	bool says = strstr(json_object_to_json_string(object), words) != NULL;

	json_object_put(object);
	return says;
}

static void holds(const char *words)
{
	char reason[POLICY_REASON_BYTES], line[512];

	policy_update(policy, &figures);
	ck_assert(queue.held);
	ck_assert_msg(strstr(queue.reason, words), "%s", queue.reason);
	ck_assert(policy_is_holding(policy, reason));
	ck_assert_str_eq(reason, queue.reason);
	ck_assert_str_eq(state_text(state_get(state)), "DEGRADED");
	ck_assert_ptr_nonnull(strstr(state_line(state, line, sizeof(line)), words));
}

static void lets_go(void)
{
	policy_update(policy, &figures);
	ck_assert(!queue.held);
	ck_assert(!policy_is_holding(policy, NULL));
	ck_assert_str_eq(state_text(state_get(state)), "READY");
}

START_TEST(nothing_is_held_without_a_cause)
{
	lets_go();
	ck_assert_int_eq(queue.holds, 0);
	ck_assert_int_eq(queue.releases, 1); /* what a crash may have left (Q3) */
	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(policy_update(policy, &figures), 2000);
	ck_assert_int_eq(queue.releases, 1); /* and CUPS is left in peace */
	ck_assert_int_eq(queue.tells, 1);
	ck_assert_ptr_null(queue.keyword);
}
END_TEST

START_TEST(stopped_claims_hold_until_they_are_allowed_again)
{
	lets_go();
	figures.may_claim = false;
	holds("self-test");
	ck_assert_str_eq(queue.keyword, "com.spoolguard-claims-stopped-error");
	figures.may_claim = true;
	lets_go();
	ck_assert_ptr_null(queue.keyword);
}
END_TEST

START_TEST(jobs_go_on_without_receipts_if_the_configuration_wants_it)
{
	config.on_failure = CONFIG_CONTINUE_WITHOUT_RECEIPTS;
	figures.may_claim = false;
	lets_go();
	ck_assert_str_eq(queue.keyword, "com.spoolguard-claims-stopped-error");
}
END_TEST

START_TEST(a_debt_over_its_limit_holds_until_it_is_well_below)
{
	config.debt_limit_bytes = 1000u << 20;
	figures.owed_bytes = 1000u << 20;
	lets_go();
	figures.owed_bytes++;
	holds("1000.0 MiB");
	ck_assert_str_eq(queue.keyword, "com.spoolguard-debt-warning");
	figures.owed_bytes = 950u << 20;
	holds("wait to be overwritten");
	figures.owed_bytes = 900u << 20;
	lets_go();
	figures.owed_bytes = 950u << 20; /* and not again before the limit */
	lets_go();
}
END_TEST

START_TEST(the_age_of_a_job_holds_too)
{
	config.debt_limit_age_s = 600;
	figures.oldest_open_s = 601;
	holds("limit 10 min");
	figures.oldest_open_s = 541;
	holds("waited");
	figures.oldest_open_s = 540;
	lets_go();
	config.debt_limit_age_s = 0;
	figures.oldest_open_s = UINT64_MAX;
	lets_go();
}
END_TEST

START_TEST(what_is_owed_for_a_minute_is_shown_on_displays)
{
	figures.oldest_open_s = 59;
	figures.oldest_owed_s = 59;
	lets_go();
	ck_assert_ptr_null(queue.keyword);
	figures.oldest_owed_s = 60;
	lets_go();
	ck_assert_str_eq(queue.keyword, "com.spoolguard-overwrite-pending-report");
	figures.oldest_open_s = 60;
	figures.oldest_owed_s = 0;
	for (int i = 0; i < 10; i++)
		lets_go();
	ck_assert_str_eq(queue.keyword, "com.spoolguard-overwrite-pending-report");
	ck_assert_int_eq(queue.tells, 2);
	figures.oldest_open_s = 0;
	lets_go();
	ck_assert_ptr_null(queue.keyword);
	ck_assert_int_eq(queue.tells, 3);
}
END_TEST

START_TEST(displays_are_told_nothing_if_the_configuration_says_so)
{
	figures.oldest_owed_s = 1000;
	lets_go();
	ck_assert_ptr_nonnull(queue.keyword);
	config.cups_state_reason = false; /* by a reload */
	lets_go();
	ck_assert_ptr_null(queue.keyword);
	figures.may_claim = false;
	holds("self-test");
	ck_assert_ptr_null(queue.keyword);
}
END_TEST

START_TEST(a_full_ledger_holds_and_no_job_is_refused)
{
	figures.open_jobs = LEDGER_OPEN_MAX;
	holds("no more can be recorded");
	figures.open_jobs = LEDGER_OPEN_MAX - LEDGER_OPEN_MAX / 15;
	holds("no more can be recorded");
	figures.open_jobs = LEDGER_OPEN_MAX / 2;
	lets_go();
}
END_TEST

START_TEST(the_largest_limits_do_not_wrap)
{
	config.debt_limit_bytes = UINT64_MAX;
	config.debt_limit_age_s = UINT64_MAX;
	figures.owed_bytes = figures.oldest_open_s = UINT64_MAX - 1;
	lets_go();
	config.debt_limit_bytes = 1;
	figures.owed_bytes = 2;
	holds("limit 1 bytes");
	figures.owed_bytes = 1;
	lets_go();
}
END_TEST

START_TEST(what_a_crash_left_held_is_kept_if_it_is_due)
{
	queue.held = true; /* by the process before us */
	figures.state = STATE_SELF_TEST;
	figures.may_claim = false;
	policy_update(policy, &figures);
	ck_assert(queue.held); /* nothing is changed before the tests say something */
	ck_assert_int_eq(queue.holds + queue.releases + queue.tells, 0);
	figures.state = STATE_DEGRADED;
	holds("self-test");
	ck_assert_int_eq(queue.releases, 0);
}
END_TEST

START_TEST(what_a_crash_left_held_is_taken_back_if_it_is_not)
{
	queue.held = true;
	figures.state = STATE_SELF_TEST;
	figures.may_claim = false;
	policy_update(policy, &figures);
	ck_assert(queue.held);
	figures.state = STATE_READY;
	figures.may_claim = true;
	lets_go();
}
END_TEST

START_TEST(an_order_that_fails_is_given_again)
{
	figures.may_claim = false;
	queue.error = -ETIMEDOUT;
	ck_assert_int_le(policy_update(policy, &figures), 1000);
	ck_assert(!queue.held);
	ck_assert(policy_is_holding(policy, NULL));
	ck_assert(state_says("the queue says no"));
	queue.error = 0;
	holds("self-test");
	ck_assert(!state_says("the queue says no"));
}
END_TEST

START_TEST(a_cupsd_that_is_not_there_is_no_reason_of_ours)
{
	queue.error = -ECONNREFUSED;
	policy_update(policy, &figures);
	ck_assert_str_eq(state_text(state_get(state)), "READY");
	queue.error = 0;
	policy_update(policy, &figures);
	ck_assert_int_eq(queue.releases, 2); /* asked again when it is */
}
END_TEST

START_TEST(a_hold_that_is_not_complete_is_ordered_again)
{
	queue.printing = 2;
	figures.may_claim = false;
	ck_assert_int_le(policy_update(policy, &figures), 1000);
	ck_assert_int_le(policy_update(policy, &figures), 1000);
	ck_assert_int_gt(policy_update(policy, &figures), 1000);
	ck_assert_int_eq(queue.holds, 3);
}
END_TEST

static atomic_bool stop;

static void *update(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		policy_update(policy, &figures);
		usleep(10000);
	}
	return NULL;
}

/* As the service does it: one thread updates, another waits. */
static void settles(void)
{
	pthread_t thread;

	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, update, NULL), 0);
	ck_assert_int_eq(policy_settle(policy, 10000), 0);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

START_TEST(who_holds_is_told_when_every_queue_stands)
{
	lets_go();
	ck_assert_int_eq(policy_hold(policy, "wipe", "the spool is being overwritten"), 0);
	ck_assert_int_eq(policy_settle(policy, 50), -ETIMEDOUT); /* nobody updates */
	queue.printing = 3;
	settles();
	ck_assert(queue.held);
	ck_assert_int_lt(queue.printing, 0); /* it finished its job */
	ck_assert_str_eq(queue.reason, "the spool is being overwritten");
	policy_release(policy, "wipe");
	settles();
	ck_assert(!queue.held);
}
END_TEST

/* A wipe pauses queues itself, and is over before a round has seen that it holds. */
/* How many records of that event there are. */
static int recorded(const char *event)
{
	struct json_object *list = events_since(events, 0, 100, NULL), *name;
	int count = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (json_object_object_get_ex(json_object_array_get_idx(list, i), "event", &name) &&
			strcmp(json_object_get_string(name), event) == 0)
			count++;
	}
	json_object_put(list);
	return count;
}

START_TEST(a_hold_that_was_shorter_than_a_round_is_released_too)
{
	int before;

	policy_update(policy, &figures);
	before = queue.releases;
	ck_assert_int_eq(policy_hold(policy, "wipe", "a short one"), 0);
	queue.held = true;
	policy_release(policy, "wipe");
	settles();
	ck_assert_int_eq(queue.releases, before + 1);
	ck_assert(!queue.held);
	ck_assert_int_eq(recorded("intake-held"), 1);
	ck_assert_int_eq(recorded("intake-released"), 1);
	policy_update(policy, &figures);
	ck_assert_int_eq(recorded("intake-held"), 1);
	ck_assert_int_eq(queue.releases, before + 1); /* and CUPS is left in peace */
}
END_TEST

START_TEST(of_several_who_hold_the_last_lets_go)
{
	char key[16];

	ck_assert_int_eq(policy_hold(policy, "wipe", "a wipe"), 0);
	ck_assert_int_eq(policy_hold(policy, "other", "another"), 0);
	ck_assert_int_eq(policy_hold(policy, "wipe", "a wipe goes on"), 0);
	holds("a wipe goes on");
	policy_release(policy, "wipe");
	holds("another");
	policy_release(policy, "unknown");
	holds("another");
	policy_release(policy, "other");
	lets_go();
	for (int i = 0; i < POLICY_HOLDERS_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		ck_assert_int_eq(policy_hold(policy, key, "r"), 0);
	}
	ck_assert_int_eq(policy_hold(policy, "more", "r"), -ENOBUFS);
}
END_TEST

START_TEST(without_an_intake_it_is_said_and_nothing_breaks)
{
	char line[512];

	policy_free(policy);
	ck_assert(queue.freed);
	make_policy(NULL);
	figures.may_claim = false;
	policy_update(policy, &figures);
	ck_assert(policy_is_holding(policy, NULL));
	ck_assert_ptr_nonnull(
		strstr(state_line(state, line, sizeof(line)), "nothing here can hold them"));
	ck_assert_int_eq(policy_settle(policy, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("intake");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, nothing_is_held_without_a_cause);
	tcase_add_test(tcase, stopped_claims_hold_until_they_are_allowed_again);
	tcase_add_test(tcase, jobs_go_on_without_receipts_if_the_configuration_wants_it);
	tcase_add_test(tcase, a_debt_over_its_limit_holds_until_it_is_well_below);
	tcase_add_test(tcase, the_age_of_a_job_holds_too);
	tcase_add_test(tcase, what_is_owed_for_a_minute_is_shown_on_displays);
	tcase_add_test(tcase, displays_are_told_nothing_if_the_configuration_says_so);
	tcase_add_test(tcase, a_full_ledger_holds_and_no_job_is_refused);
	tcase_add_test(tcase, the_largest_limits_do_not_wrap);
	tcase_add_test(tcase, what_a_crash_left_held_is_kept_if_it_is_due);
	tcase_add_test(tcase, what_a_crash_left_held_is_taken_back_if_it_is_not);
	tcase_add_test(tcase, an_order_that_fails_is_given_again);
	tcase_add_test(tcase, a_cupsd_that_is_not_there_is_no_reason_of_ours);
	tcase_add_test(tcase, a_hold_that_is_not_complete_is_ordered_again);
	tcase_add_test(tcase, who_holds_is_told_when_every_queue_stands);
	tcase_add_test(tcase, a_hold_that_was_shorter_than_a_round_is_released_too);
	tcase_add_test(tcase, of_several_who_hold_the_last_lets_go);
	tcase_add_test(tcase, without_an_intake_it_is_said_and_nothing_breaks);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
