/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_jobs.c - jobs of a real cupsd: listed, purged, cancelled, printed
 *
 * Goal: what cups_server says of a job is what cupsd does with it, and a cupsd that is gone, comes
 * back or hangs costs one error and a bounded time.
 * Method: a private instance of the system's cupsd; its spool directory is the judge.
 */
#include "base/clock.h"
#include "pipeline/cups_server.h"
#include "pipeline/cups_server_impl.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 1000u

static struct cups_server *server;
static struct problem problem;

static void setup(void)
{
	ck_assert_int_eq(
		cups_server_new(cupsd_rig("echo $cupsd_socket"), TIMEOUT_MS, &server, &problem), 0);
}

static void teardown(void)
{
	cups_server_free(server);
	server = NULL;
}

static struct cups_job_list list_of(enum cups_which_jobs which)
{
	struct cups_job_list list;
	int r = cups_server_list_jobs(server, which, &list, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	return list;
}

/* In the list of that kind, or NULL; valid until the next call. */
static const struct cups_job *find(enum cups_which_jobs which, int id)
{
	static struct cups_job found;
	struct cups_job_list list = list_of(which);
	const struct cups_job *job = NULL;

	for (size_t i = 0; i < list.count; i++) {
		if (list.jobs[i].id == id) {
			found = list.jobs[i];
			job = &found;
		}
	}
	cups_job_list_done(&list);
	return job;
}

static int submit(const char *queue)
{
	return cupsd_rig_number("job_submit %s $work/doc", queue);
}

static int submit_and_wait(const char *queue, int state)
{
	int id = submit(queue);

	cupsd_rig("job_wait %d %d", id, state);
	return id;
}

static void assert_in_spool(const char *pattern, int count)
{
	ck_assert_int_eq(cupsd_rig_number("spool_files | grep -c '%s' || :", pattern), count);
}

/* --- lists --- */

START_TEST(each_way_to_end_has_its_state)
{
	int done = submit_and_wait("raw", CUPS_JOB_COMPLETED);
	int failed = submit_and_wait("bad", CUPS_JOB_ABORTED);
	int cancelled = submit("slow");
	const struct cups_job *job;

	cupsd_rig("job_wait %d 5; cancel %d; job_wait %d 7", cancelled, cancelled, cancelled);
	job = find(CUPS_JOBS_FINISHED, done);
	ck_assert_ptr_nonnull(job);
	ck_assert_int_eq(job->state, CUPS_JOB_COMPLETED);
	ck_assert(job->is_preserved && cups_job_is_finished(job));
	ck_assert_int_eq(job->document_count, 1);
	ck_assert_int_eq(job->kib, 1);
	ck_assert_str_eq(job->queue, "raw");
	ck_assert_int_gt(job->completed_s, clock_wall_s() - 60);
	ck_assert_int_le(job->created_s, job->completed_s);
	ck_assert_int_eq(find(CUPS_JOBS_FINISHED, failed)->state, CUPS_JOB_ABORTED);
	ck_assert_int_eq(find(CUPS_JOBS_FINISHED, cancelled)->state, CUPS_JOB_CANCELED);
	ck_assert_ptr_null(find(CUPS_JOBS_WAITING, done));
	ck_assert_ptr_nonnull(find(CUPS_JOBS_ALL, done));
}
END_TEST

START_TEST(a_job_that_waits_says_why)
{
	int id = cupsd_rig_number("LP_OPTIONS='-H indefinite' job_submit raw $work/doc");
	const struct cups_job *job = find(CUPS_JOBS_WAITING, id);

	ck_assert_ptr_nonnull(job);
	ck_assert_int_eq(job->state, CUPS_JOB_HELD);
	ck_assert_str_eq(job->hold_until, "indefinite");
	ck_assert_str_eq(job->reason, "job-hold-until-specified");
	ck_assert(!cups_job_is_finished(job));
	ck_assert_ptr_null(find(CUPS_JOBS_FINISHED, id));
	ck_assert_int_eq(cups_server_purge_job(server, id, &problem), 0);
}
END_TEST

START_TEST(a_job_of_two_documents_is_one_job)
{
	int id = cupsd_rig_number("job_submit raw $work/doc $work/doc");

	cupsd_rig("job_wait %d 9", id);
	ck_assert_int_eq(find(CUPS_JOBS_FINISHED, id)->document_count, 2);
	assert_in_spool("^d[0-9]*-002$", 1);
	ck_assert_int_eq(cups_server_purge_job(server, id, &problem), 0);
	assert_in_spool("^d[0-9]*-002$", 0);
}
END_TEST

START_TEST(a_job_that_is_restarted_is_not_finished)
{
	int id = submit_and_wait("slow", CUPS_JOB_COMPLETED);
	enum cups_job_state state;

	cupsd_rig("ipp Restart-Job \"ATTR uri job-uri $cupsd_uri/jobs/%d\" "
		  "'ATTR name requesting-user-name root' >/dev/null",
		id);
	ck_assert_int_eq(cups_server_job_state(server, id, &state, &problem), 0);
	ck_assert_int_lt(state, CUPS_JOB_CANCELED);
	ck_assert_ptr_null(find(CUPS_JOBS_FINISHED, id));
	cupsd_rig("job_wait %d 9", id);
}
END_TEST

START_TEST(more_jobs_than_a_page_has_are_all_listed_once)
{
	struct cups_job_list list;

	cupsd_rig("for i in $(seq 7); do lp -d held -H indefinite $work/doc >/dev/null; done");
	server->page_jobs = 3;
	list = list_of(CUPS_JOBS_ALL);
	ck_assert_uint_ge(list.count, 7);
	for (size_t i = 1; i < list.count; i++)
		ck_assert_int_lt(list.jobs[i - 1].id, list.jobs[i].id);
	ck_assert(!list.is_cut);
	ck_assert_int_eq((int)list.count, cupsd_rig_number("spool_files | grep -c '^c'"));
	cups_job_list_done(&list);
	list = list_of(CUPS_JOBS_WAITING);
	ck_assert_uint_eq(list.count, 7);
	cups_job_list_done(&list);
	cupsd_rig("cancel -a -x");
}
END_TEST

/* --- orders --- */

START_TEST(a_purged_job_is_gone_with_its_files_and_purging_it_again_is_no_failure)
{
	int id = submit_and_wait("raw", CUPS_JOB_COMPLETED);
	struct cups_job job;
	char name[32];

	snprintf(name, sizeof(name), "^d%05d-", id);
	assert_in_spool(name, 1);
	ck_assert_int_eq(cups_server_purge_job(server, id, &problem), 0);
	assert_in_spool(name, 0);
	ck_assert_int_eq(cups_server_get_job(server, id, &job, &problem), -ESRCH);
	ck_assert_int_eq(cups_server_purge_job(server, id, &problem), 0);
	ck_assert_int_eq(cups_server_purge_job(server, 999999, &problem), 0);
}
END_TEST

START_TEST(a_cancelled_job_stays_known_and_one_that_ended_before_is_no_failure)
{
	int id = submit("slow"), done;
	enum cups_job_state state;

	ck_assert_int_eq(cups_server_cancel_job(server, id, &problem), 0);
	cupsd_rig("job_wait %d 7", id);
	done = submit_and_wait("raw", CUPS_JOB_COMPLETED);
	ck_assert_int_eq(cups_server_cancel_job(server, done, &problem), 0);
	ck_assert_int_eq(cups_server_job_state(server, done, &state, &problem), 0);
	ck_assert_int_eq(state, CUPS_JOB_COMPLETED);
	ck_assert_int_eq(cups_server_cancel_job(server, 999999, &problem), 0);
}
END_TEST

START_TEST(a_sheet_from_memory_is_printed)
{
	static const char sheet[] = "All of it was overwritten.\n";
	enum cups_job_state state;
	int id;

	ck_assert_int_eq(cups_server_print(server, "raw", "Sheet", "text/plain", sheet,
				 sizeof(sheet) - 1, &id, &problem),
		0);
	cupsd_rig("job_wait %d 9", id);
	ck_assert_int_eq(cups_server_job_state(server, id, &state, &problem), 0);
	ck_assert_int_eq(state, CUPS_JOB_COMPLETED);
	ck_assert_str_eq(
		cupsd_rig("cat $cupsd_spool_dir/d%05d-001", id), "All of it was overwritten.");
	ck_assert_int_eq(
		cups_server_print(server, "nosuchqueue", "Sheet", NULL, sheet, 1, &id, &problem),
		-ESRCH);
}
END_TEST

START_TEST(a_job_that_is_submitted_on_hold_is_its_users_and_waits_until_it_is_released)
{
	const struct cups_submission submission = {.queue = "raw",
		.title = "Held-Title",
		.user = "helduser",
		.format = "text/plain",
		.held = true};
	enum cups_job_state state;
	int id;

	ck_assert_int_eq(cups_server_submit(server, &submission, "held\n", 5, &id, &problem), 0);
	ck_assert_int_eq(cups_server_job_state(server, id, &state, &problem), 0);
	ck_assert_int_eq(state, CUPS_JOB_HELD);
	ck_assert_str_eq(cupsd_rig("lpstat -o | grep -c helduser"), "1");
	ck_assert_int_eq(cups_server_release_job(server, id, &problem), 0);
	cupsd_rig("job_wait %d 9", id);
	ck_assert_int_eq(cups_server_release_job(server, 999999, &problem), -ESRCH);
}
END_TEST

START_TEST(the_default_queue_is_taken_or_else_the_first)
{
	char queue[CUPS_QUEUE_BYTES];

	ck_assert_int_eq(cups_server_any_queue(server, queue, &problem), 0);
	ck_assert_int_eq(cups_server_find_queue(server, queue, &problem), 0);
	cupsd_rig("lpadmin -d slow");
	ck_assert_int_eq(cups_server_any_queue(server, queue, &problem), 0);
	ck_assert_str_eq(queue, "slow");
	cupsd_rig("lpadmin -x slow && queue_raw slow 0.5");
}
END_TEST

START_TEST(a_queue_is_there_or_not)
{
	ck_assert_int_eq(cups_server_find_queue(server, "raw", &problem), 0);
	ck_assert_int_eq(cups_server_find_queue(server, "nosuchqueue", &problem), -ESRCH);
	ck_assert_ptr_nonnull(strstr(problem.text, "no queue \"nosuchqueue\""));
}
END_TEST

/* --- cupsd comes and goes --- */

START_TEST(a_restart_between_two_questions_is_not_noticed)
{
	int id;

	ck_assert_int_eq(cups_server_ping(server, &problem), 0);
	cupsd_rig("cupsd_restart");
	ck_assert_int_eq(cups_server_ping(server, &problem), 0);
	cupsd_rig("cupsd_restart");
	/* Also by what must not be sent twice. */
	ck_assert_int_eq(
		cups_server_print(server, "raw", "Sheet", NULL, "x\n", 2, &id, &problem), 0);
}
END_TEST

START_TEST(nobody_there_is_said_at_once)
{
	cupsd_rig("cupsd_stop");
	ck_assert_int_eq(cups_server_ping(server, &problem), -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(problem.text, "start it"));
	cupsd_rig("cupsd_up");
	ck_assert_int_eq(cups_server_ping(server, &problem), 0);
}
END_TEST

static void assert_late(int r, uint64_t began_ns)
{
	uint64_t took_ms = (clock_monotonic_ns() - began_ns) / 1000000u;

	ck_assert_int_eq(r, -ETIMEDOUT);
	ck_assert_uint_ge(took_ms, TIMEOUT_MS - 50);
	ck_assert_uint_le(took_ms, TIMEOUT_MS + 1000);
	ck_assert_ptr_nonnull(strstr(problem.text, "did not answer within"));
}

START_TEST(a_cupsd_that_hangs_costs_the_time_that_was_given)
{
	uint64_t began;

	ck_assert_int_eq(cups_server_ping(server, &problem), 0);
	cupsd_rig("cupsd_hang");
	began = clock_monotonic_ns();
	assert_late(cups_server_ping(server, &problem), began); /* on the old connection */
	began = clock_monotonic_ns();
	assert_late(cups_server_ping(server, &problem), began); /* on a new one */
	cupsd_rig("cupsd_resume");
	ck_assert_int_eq(cups_server_ping(server, &problem), 0);
}
END_TEST

START_TEST(a_port_is_an_address_too)
{
	struct cups_server *other;

	ck_assert_int_eq(cups_server_new(cupsd_rig("echo 127.0.0.1:$cupsd_port"), TIMEOUT_MS,
				 &other, &problem),
		0);
	ck_assert_int_eq(cups_server_ping(other, &problem), 0);
	cups_server_free(other);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_jobs");
	TCase *tc = tcase_create("cupsd");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_way_to_end_has_its_state);
	tcase_add_test(tc, a_job_that_waits_says_why);
	tcase_add_test(tc, a_job_of_two_documents_is_one_job);
	tcase_add_test(tc, a_job_that_is_restarted_is_not_finished);
	tcase_add_test(tc, more_jobs_than_a_page_has_are_all_listed_once);
	tcase_add_test(tc, a_purged_job_is_gone_with_its_files_and_purging_it_again_is_no_failure);
	tcase_add_test(tc, a_cancelled_job_stays_known_and_one_that_ended_before_is_no_failure);
	tcase_add_test(tc, a_sheet_from_memory_is_printed);
	tcase_add_test(
		tc, a_job_that_is_submitted_on_hold_is_its_users_and_waits_until_it_is_released);
	tcase_add_test(tc, the_default_queue_is_taken_or_else_the_first);
	tcase_add_test(tc, a_queue_is_there_or_not);
	tcase_add_test(tc, a_restart_between_two_questions_is_not_noticed);
	tcase_add_test(tc, nobody_there_is_said_at_once);
	tcase_add_test(tc, a_cupsd_that_hangs_costs_the_time_that_was_given);
	tcase_add_test(tc, a_port_is_an_address_too);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed = cupsd_rig_start("'PreserveJobFiles Yes' 'DirtyCleanInterval 0'",
		"queue_raw raw; queue_raw slow 0.5; queue_raw held; queue_failing bad");

	if (failed)
		return failed;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? 1 : 0;
}
