/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_policy.c - the policy that CUPS ships: root over the socket may do all we need
 *
 * Goal: with an unchanged cupsd.conf nobody is asked for a password, and who is not root is refused
 * and told so.
 * Method: a private cupsd with the policy of CUPS; jobs of another user; a child that is nobody.
 */
#include "pipeline/cups_server.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

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

static void assert_done(int r)
{
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static int submit_as_another(void)
{
	int id = cupsd_rig_number("LP_OPTIONS='-U somebody' job_submit raw $work/doc");

	for (int tries = 0; tries < 100; tries++) {
		enum cups_job_state state;

		assert_done(cups_server_job_state(server, id, &state, &problem));
		if (state == CUPS_JOB_COMPLETED)
			return id;
		usleep(50000);
	}
	ck_abort_msg("job %d does not end", id);
	return 0;
}

START_TEST(root_may_see_and_purge_the_jobs_of_others)
{
	int id = submit_as_another();
	struct cups_job job;

	assert_done(cups_server_get_job(server, id, &job, &problem));
	ck_assert(job.is_preserved);
	ck_assert_str_eq(job.queue, "raw");
	ck_assert_int_gt(job.completed_s, 0);
	assert_done(cups_server_purge_job(server, id, &problem));
	ck_assert_int_eq(cups_server_get_job(server, id, &job, &problem), -ESRCH);
}
END_TEST

START_TEST(root_may_hold_queues_and_set_reasons)
{
	assert_done(cups_server_hold_new_jobs(server, "waits", false, &hold, &problem));
	ck_assert_uint_eq(hold.is_held, 1);
	assert_done(cups_server_set_reason(server, "com.spoolguard-x-warning", &problem));
	assert_done(cups_server_set_reason(server, NULL, &problem));
	assert_done(cups_server_release_new_jobs(server, &hold, &problem));
	ck_assert_uint_eq(hold.is_held, 0);
}
END_TEST

START_TEST(root_may_subscribe_and_hears_of_the_jobs_of_others)
{
	struct cups_subscription subscription = {0};
	static struct cups_event events[CUPS_EVENTS_MAX];
	size_t count;
	bool missed, heard = false;
	int id;

	assert_done(
		cups_server_poll_events(server, &subscription, events, &count, &missed, &problem));
	id = submit_as_another();
	assert_done(
		cups_server_poll_events(server, &subscription, events, &count, &missed, &problem));
	for (size_t i = 0; i < count; i++)
		heard = heard || (events[i].job_id == id && events[i].state == CUPS_JOB_COMPLETED);
	ck_assert(heard);
	assert_done(cups_server_unsubscribe(server, "spoolguard:///x", &problem));
}
END_TEST

START_TEST(one_who_is_not_root_is_refused_in_words)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(2);
		if (cups_server_hold_new_jobs(server, "x", false, &hold, &problem) != -EACCES)
			_exit(3);
		_exit(strstr(problem.text, "run as root") ? 0 : 4);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_policy");
	TCase *tc = tcase_create("system");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, root_may_see_and_purge_the_jobs_of_others);
	tcase_add_test(tc, root_may_hold_queues_and_set_reasons);
	tcase_add_test(tc, root_may_subscribe_and_hears_of_the_jobs_of_others);
	tcase_add_test(tc, one_who_is_not_root_is_refused_in_words);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	setenv("cupsd_policy", "system", 1);
	failed = cupsd_rig_start("'PreserveJobFiles Yes' 'DirtyCleanInterval 0'", "queue_raw raw");
	if (failed)
		return failed;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? 1 : 0;
}
