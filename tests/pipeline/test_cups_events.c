/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_events.c - subscriptions of a real cupsd: found again, replayed, made anew
 *
 * Goal: a job's end is heard once, what may have been missed is said, and however often we or
 * cupsd start again there is one subscription of each kind.
 * Method: a private cupsd with our notifier's name among its notifiers.
 */
#include "pipeline/cups_server.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENT "spoolguard:///run/cups/spoolguard.wake"

static struct cups_server *server;
static struct problem problem;
static struct cups_subscription subscription;
static struct cups_event events[CUPS_EVENTS_MAX];
static size_t count;
static bool missed;

static void setup(void)
{
	ck_assert_int_eq(
		cups_server_new(cupsd_rig("echo $cupsd_socket"), 5000, &server, &problem), 0);
	subscription = (struct cups_subscription){0};
}

static void teardown(void)
{
	ck_assert_int_eq(cups_server_unsubscribe(server, RECIPIENT, &problem), 0);
	cups_server_free(server);
	server = NULL;
}

static void poll_events(void)
{
	int r = cups_server_poll_events(server, &subscription, events, &count, &missed, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static int print(void)
{
	int id = cupsd_rig_number("job_submit raw $work/doc");

	cupsd_rig("job_wait %d 9", id);
	return id;
}

static int heard(int id, enum cups_job_state state)
{
	int times = 0;

	for (size_t i = 0; i < count; i++)
		times += events[i].job_id == id && events[i].state == state;
	return times;
}

static int subscription_count(void)
{
	return cupsd_rig_number(
		"ipp Get-Subscriptions \"ATTR uri printer-uri $cupsd_uri/\" "
		"'ATTR name requesting-user-name root' | grep -c 'notify-subscription-id ' || :");
}

START_TEST(a_job_that_ends_is_heard_once)
{
	int first, second;

	poll_events();
	ck_assert(missed); /* what happened before */
	first = print();
	poll_events();
	ck_assert(!missed);
	ck_assert_int_eq(heard(first, CUPS_JOB_COMPLETED), 1);
	second = print();
	poll_events();
	ck_assert(!missed);
	ck_assert_int_eq(heard(first, CUPS_JOB_COMPLETED), 0);
	ck_assert_int_eq(heard(second, CUPS_JOB_COMPLETED), 1);
	poll_events();
	ck_assert_uint_eq(count, 0);
	ck_assert(!missed);
}
END_TEST

START_TEST(the_next_process_finds_the_subscription)
{
	int id;

	poll_events();
	id = subscription.id;
	subscription = (struct cups_subscription){0};
	poll_events();
	ck_assert_int_eq(subscription.id, id);
	ck_assert(missed);
	ck_assert_int_eq(subscription_count(), 1);
}
END_TEST

START_TEST(a_restart_of_cupsd_is_said_to_be_a_gap_and_events_come_after_it)
{
	int id;

	poll_events();
	print();
	poll_events();
	cupsd_rig("cupsd_restart");
	poll_events();
	ck_assert(missed);
	id = print();
	poll_events();
	ck_assert_int_eq(heard(id, CUPS_JOB_COMPLETED), 1);
	ck_assert_int_eq(subscription_count(), 1);
}
END_TEST

START_TEST(a_subscription_that_cupsd_forgot_is_made_again)
{
	int id;

	poll_events();
	cupsd_rig("cupsd_stop; rm $cupsd_dir/etc/subscriptions.conf*; cupsd_up");
	poll_events();
	ck_assert(missed);
	id = print();
	poll_events();
	ck_assert(!missed);
	ck_assert_int_eq(heard(id, CUPS_JOB_COMPLETED), 1);
	ck_assert_int_eq(subscription_count(), 1);
}
END_TEST

START_TEST(a_count_that_began_anew_is_noticed)
{
	int id;

	poll_events();
	print();
	poll_events();
	ck_assert_int_gt(subscription.next_sequence, 1);
	subscription.next_sequence += 1000; /* as if cupsd had lost a thousand of its own */
	poll_events();
	ck_assert(missed);
	id = print();
	poll_events();
	ck_assert_int_eq(heard(id, CUPS_JOB_COMPLETED), 1);
}
END_TEST

START_TEST(more_events_than_cupsd_keeps_are_said_to_be_a_gap)
{
	poll_events();
	print();
	poll_events();
	cupsd_rig("for i in $(seq 55); do lp -d held -H indefinite $work/doc; done >/dev/null; "
		  "cancel -a -x");
	poll_events();
	ck_assert(missed);
	ck_assert_uint_gt(count, 0);
	poll_events();
	ck_assert(!missed);
}
END_TEST

START_TEST(the_notifier_is_subscribed_once)
{
	ck_assert_int_eq(cups_server_subscribe_notifier(server, RECIPIENT, &problem), 0);
	ck_assert_int_eq(cups_server_subscribe_notifier(server, RECIPIENT, &problem), 0);
	cupsd_rig("cupsd_restart");
	ck_assert_int_eq(cups_server_subscribe_notifier(server, RECIPIENT, &problem), 0);
	ck_assert_int_eq(subscription_count(), 1);
	poll_events();
	ck_assert_int_eq(subscription_count(), 2);
	ck_assert_int_eq(cups_server_unsubscribe(server, RECIPIENT, &problem), 0);
	ck_assert_int_eq(subscription_count(), 0);
}
END_TEST

START_TEST(a_notifier_that_is_not_installed_is_named)
{
	ck_assert_int_eq(
		cups_server_subscribe_notifier(server, "nosuchthing:///x", &problem), -ENXIO);
	ck_assert_ptr_nonnull(strstr(problem.text, "notifier/spoolguard"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_events");
	TCase *tc = tcase_create("cupsd");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_job_that_ends_is_heard_once);
	tcase_add_test(tc, the_next_process_finds_the_subscription);
	tcase_add_test(tc, a_restart_of_cupsd_is_said_to_be_a_gap_and_events_come_after_it);
	tcase_add_test(tc, a_subscription_that_cupsd_forgot_is_made_again);
	tcase_add_test(tc, a_count_that_began_anew_is_noticed);
	tcase_add_test(tc, more_events_than_cupsd_keeps_are_said_to_be_a_gap);
	tcase_add_test(tc, the_notifier_is_subscribed_once);
	tcase_add_test(tc, a_notifier_that_is_not_installed_is_named);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed = cupsd_rig_start("'PreserveJobFiles Yes' 'DirtyCleanInterval 0'",
		"queue_raw raw; queue_raw held; cp /bin/true $cupsd_dir/bin/notifier/spoolguard");

	if (failed)
		return failed;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? 1 : 0;
}
