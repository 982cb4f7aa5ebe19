/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_queues.c - intake held and released, and the reason on a queue's display
 *
 * Goal: a held queue takes every job and prints none; released, it prints them all, also by another
 * process, after a restart of cupsd, and after ours died.  What somebody else stopped stays so.
 * Method: a private cupsd with two queues; lp is the user.
 */
#include "base/clock.h"
#include "pipeline/cups_server.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct cups_server *server;
static struct problem problem;
static struct cups_hold hold;

static void setup(void)
{
	ck_assert_int_eq(
		cups_server_new(cupsd_rig("echo $cupsd_socket"), 5000, &server, &problem), 0);
}

static void teardown(void)
{
	cups_server_free(server);
	server = NULL;
}

static void hold_jobs(bool interrupt)
{
	int r = cups_server_hold_new_jobs(
		server, "holds jobs until its self-test has passed", interrupt, &hold, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static void release_jobs(void)
{
	int r = cups_server_release_new_jobs(server, &hold, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static void set_reason(const char *keyword)
{
	int r = cups_server_set_reason(server, keyword, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static int submit(const char *queue)
{
	return cupsd_rig_number("job_submit %s $work/doc", queue);
}

static int state_of(int id)
{
	enum cups_job_state state;

	ck_assert_int_eq(cups_server_job_state(server, id, &state, &problem), 0);
	return (int)state;
}

static const char *attribute(const char *queue, const char *name)
{
	return cupsd_rig("ipp Get-Printer-Attributes \"ATTR uri printer-uri "
			 "$cupsd_uri/printers/%s\" 'ATTR keyword requested-attributes %s' | "
			 "sed -n 's/^ *%s (.*) = //p'",
		queue, name, name);
}

/* --- intake --- */

START_TEST(a_held_queue_takes_jobs_and_prints_none_until_it_is_released)
{
	int first, second;

	hold_jobs(false);
	ck_assert_uint_eq(hold.queue_count, 2);
	ck_assert_uint_eq(hold.is_held, 2);
	ck_assert_uint_eq(hold.is_printing, 0);
	first = submit("one");
	second = submit("two");
	ck_assert_ptr_nonnull(strstr(cupsd_rig("lpstat -p one"),
		"spoolguard: holds jobs until its self-test has passed"));
	sleep(1);
	ck_assert_int_eq(state_of(first), CUPS_JOB_PENDING);
	ck_assert_int_eq(state_of(second), CUPS_JOB_PENDING);
	release_jobs();
	ck_assert_uint_eq(hold.is_held, 0);
	cupsd_rig("job_wait %d 9; job_wait %d 9", first, second);
}
END_TEST

START_TEST(a_hold_outlives_a_restart_and_is_found_by_the_next_process)
{
	int id;

	hold_jobs(false);
	cupsd_rig("cupsd_restart");
	teardown();
	setup();
	ck_assert_int_eq(cups_server_get_hold(server, &hold, &problem), 0);
	ck_assert_uint_eq(hold.is_held, 2);
	id = submit("one");
	sleep(1);
	ck_assert_int_eq(state_of(id), CUPS_JOB_PENDING);
	release_jobs();
	cupsd_rig("job_wait %d 9", id);
}
END_TEST

START_TEST(what_somebody_else_stopped_stays_stopped)
{
	cupsd_rig("cupsdisable -r 'no paper' two");
	hold_jobs(false);
	ck_assert_uint_eq(hold.is_held, 1);
	ck_assert_uint_eq(hold.is_stopped, 1);
	release_jobs();
	ck_assert_uint_eq(hold.is_stopped, 1);
	ck_assert_str_eq(attribute("two", "printer-state-message"), "no paper");
	cupsd_rig("cupsenable two");
}
END_TEST

START_TEST(a_queue_that_somebody_starts_while_it_is_held_is_held_again_by_the_next_call)
{
	hold_jobs(false);
	cupsd_rig("cupsenable one");
	ck_assert_int_eq(cups_server_get_hold(server, &hold, &problem), 0);
	ck_assert_uint_eq(hold.is_held, 1);
	hold_jobs(false);
	ck_assert_uint_eq(hold.is_held, 2);
	release_jobs();
}
END_TEST

START_TEST(a_class_prints_through_its_queues_and_is_held_with_them)
{
	int id;

	cupsd_rig(
		"lpadmin -p one -c both; lpadmin -p two -c both; cupsenable both; cupsaccept both");
	hold_jobs(false);
	ck_assert_uint_eq(hold.queue_count, 2);
	id = submit("both");
	sleep(1);
	ck_assert_int_eq(state_of(id), CUPS_JOB_PENDING);
	release_jobs();
	cupsd_rig("job_wait %d 9; lpadmin -x both", id);
}
END_TEST

START_TEST(another_reason_replaces_the_one_that_users_read)
{
	hold_jobs(false);
	ck_assert_int_eq(
		cups_server_hold_new_jobs(server, "waits\nfor room", false, &hold, &problem), 0);
	ck_assert_str_eq(attribute("one", "printer-state-message"), "spoolguard: waits for room");
	release_jobs();
	ck_assert_str_eq(attribute("one", "printer-state-message"), "");
}
END_TEST

static int lines_printed(void)
{
	return cupsd_rig_number("wc -l <$work/printed");
}

START_TEST(a_job_that_is_printing_is_printed_once_and_nothing_after_it)
{
	int printing, behind;

	cupsd_rig("lpadmin -p one -v counting:/0.6; : >$work/printed");
	printing = submit("one");
	behind = submit("one");
	cupsd_rig("job_wait %d 5", printing);
	hold_jobs(false);
	ck_assert_uint_eq(hold.is_printing, 1);
	ck_assert_uint_eq(hold.is_held, 1);
	ck_assert_int_eq(state_of(behind), CUPS_JOB_HELD);
	for (int tries = 0; !cups_hold_is_complete(&hold) && tries < 100; tries++) {
		usleep(100000);
		hold_jobs(false);
	}
	ck_assert_uint_eq(hold.is_held, 2);
	ck_assert_int_eq(state_of(printing), CUPS_JOB_COMPLETED);
	ck_assert_int_eq(lines_printed(), 1);
	release_jobs();
	/* Its hold would end by itself. */
	cupsd_rig("lp -i %d -H resume; job_wait %d 9", behind, behind);
	ck_assert_int_eq(lines_printed(), 2);
	cupsd_rig("lpadmin -p one -v slowsink:/0");
}
END_TEST

START_TEST(an_interrupted_job_waits_and_is_printed_from_its_beginning)
{
	int id;

	cupsd_rig("lpadmin -p one -v counting:/0.6; : >$work/printed");
	id = submit("one");
	cupsd_rig("job_wait %d 5; sleep 0.3", id);
	hold_jobs(true);
	ck_assert_uint_eq(hold.is_held, 2);
	ck_assert_int_eq(state_of(id), CUPS_JOB_PENDING);
	sleep(1); /* its filters have ended now */
	hold_jobs(true);
	ck_assert_str_eq(attribute("one", "printer-state-message"),
		"spoolguard: holds jobs until its self-test has passed");
	ck_assert_str_eq(
		attribute("one", "printer-state-reasons"), "com.spoolguard-hold-report,paused");
	release_jobs();
	cupsd_rig("job_wait %d 9; lpadmin -p one -v slowsink:/0", id);
	ck_assert_int_eq(lines_printed(), 2);
}
END_TEST

/* --- the reason --- */

START_TEST(a_reason_is_shown_beside_those_of_others_and_taken_off_alone)
{
	cupsd_rig("lpadmin -p one -o printer-state-reasons=media-low-warning 2>/dev/null || :; "
		  "ipp CUPS-Add-Modify-Printer \"ATTR uri printer-uri $cupsd_uri/printers/one\" "
		  "'GROUP printer-attributes-tag' "
		  "'ATTR keyword printer-state-reasons media-low-warning' >/dev/null");
	set_reason("com.spoolguard-overwrite-pending-warning");
	ck_assert_str_eq(attribute("one", "printer-state-reasons"),
		"media-low-warning,com.spoolguard-overwrite-pending-warning");
	ck_assert_str_eq(attribute("two", "printer-state-reasons"),
		"com.spoolguard-overwrite-pending-warning");
	set_reason("com.spoolguard-overwrite-failed-error");
	ck_assert_str_eq(
		attribute("two", "printer-state-reasons"), "com.spoolguard-overwrite-failed-error");
	cupsd_rig("cupsd_restart");
	ck_assert_str_eq(
		attribute("two", "printer-state-reasons"), "com.spoolguard-overwrite-failed-error");
	set_reason(NULL);
	ck_assert_str_eq(attribute("one", "printer-state-reasons"), "media-low-warning");
	ck_assert_str_eq(attribute("two", "printer-state-reasons"), "none");
}
END_TEST

START_TEST(a_reason_does_not_disturb_a_job_that_is_printing)
{
	int id;

	cupsd_rig("lpadmin -p one -v counting:/0.6; : >$work/printed");
	id = submit("one");
	cupsd_rig("job_wait %d 5", id);
	set_reason("com.spoolguard-overwrite-pending-warning");
	ck_assert_int_eq(state_of(id), CUPS_JOB_PROCESSING);
	cupsd_rig("job_wait %d 9; lpadmin -p one -v slowsink:/0", id);
	ck_assert_int_eq(lines_printed(), 1);
	set_reason(NULL);
}
END_TEST

START_TEST(a_held_queue_stays_held_when_its_reason_changes)
{
	hold_jobs(false);
	set_reason("com.spoolguard-overwrite-pending-warning");
	set_reason(NULL);
	ck_assert_int_eq(cups_server_get_hold(server, &hold, &problem), 0);
	ck_assert_uint_eq(hold.is_held, 2);
	ck_assert_str_eq(
		attribute("two", "printer-state-reasons"), "com.spoolguard-hold-report,paused");
	release_jobs();
	ck_assert_str_eq(attribute("two", "printer-state-reasons"), "none");
}
END_TEST

START_TEST(a_keyword_that_is_not_ours_is_refused)
{
	ck_assert_int_eq(cups_server_set_reason(server, "paused", &problem), -EINVAL);
	ck_assert_int_eq(cups_server_set_reason(server, "com.spoolguard-x", &problem), -EINVAL);
	ck_assert_int_eq(
		cups_server_set_reason(server, "com.spoolguard-hold-report", &problem), -EINVAL);
	ck_assert_int_eq(
		cups_server_set_reason(server, "com.spoolguard-a b-error", &problem), -EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_queues");
	TCase *tc = tcase_create("cupsd");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_held_queue_takes_jobs_and_prints_none_until_it_is_released);
	tcase_add_test(tc, a_hold_outlives_a_restart_and_is_found_by_the_next_process);
	tcase_add_test(tc, what_somebody_else_stopped_stays_stopped);
	tcase_add_test(
		tc, a_queue_that_somebody_starts_while_it_is_held_is_held_again_by_the_next_call);
	tcase_add_test(tc, a_class_prints_through_its_queues_and_is_held_with_them);
	tcase_add_test(tc, another_reason_replaces_the_one_that_users_read);
	tcase_add_test(tc, a_job_that_is_printing_is_printed_once_and_nothing_after_it);
	tcase_add_test(tc, an_interrupted_job_waits_and_is_printed_from_its_beginning);
	tcase_add_test(tc, a_reason_is_shown_beside_those_of_others_and_taken_off_alone);
	tcase_add_test(tc, a_reason_does_not_disturb_a_job_that_is_printing);
	tcase_add_test(tc, a_held_queue_stays_held_when_its_reason_changes);
	tcase_add_test(tc, a_keyword_that_is_not_ours_is_refused);
	suite_add_tcase(s, tc);
	return s;
}

/* counting:/SECONDS says each time it begins. */
#define COUNTING                                                                                   \
	"sed 's,^cat ,echo x >>\"'$work'/printed\"; cat ,' $cupsd_dir/bin/backend/slowsink "       \
	">$cupsd_dir/bin/backend/counting; chmod 700 $cupsd_dir/bin/backend/counting; "

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed = cupsd_rig_start("'PreserveJobFiles Yes' 'DirtyCleanInterval 0'",
		COUNTING "queue_raw one; queue_raw two");

	if (failed)
		return failed;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? 1 : 0;
}
