/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_follow.c - rounds over a real cupsd: what is over, what waits, what is nobody's
 *
 * Goal: every job that ended is listed with all its files, no other is, and nothing is an orphan
 * that cupsd might still print.
 * Method: a private cupsd with the directives that CUPS has by default (but PreserveJobFiles), so
 * that a kill -9 loses what it loses in life.
 */
#include "base/clock.h"
#include "pipeline/cups_cache.h"
#include "pipeline/cups_follow.h"
#include "tests/support/cupsd_rig.h"
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[512];
static char root[600], temp[600], cache[600];
static struct cups_server *server;
static struct cups_follow *follow;
static struct cups_follow_options options;
static struct cups_follow_list list;
static struct problem problem;

static void setup(void)
{
	strcpy(directory, cupsd_rig("echo $cupsd_dir"));
	snprintf(root, sizeof(root), "%s/spool", directory);
	snprintf(temp, sizeof(temp), "%s/spool/tmp", directory);
	snprintf(cache, sizeof(cache), "%s/cache", directory);
	ck_assert_int_eq(
		cups_server_new(cupsd_rig("echo $cupsd_socket"), 1500, &server, &problem), 0);
	options = (struct cups_follow_options){
		.spool = {root, temp, cache}, .server = server, .orphan_s = 0};
	ck_assert_int_eq(cups_follow_new(&options, &follow), 0);
}

static void teardown(void)
{
	cups_follow_list_done(&list);
	cups_follow_free(follow);
	cups_server_free(server);
}

/* The last round was made with other options. */
static void set_options(uint64_t orphan_s, bool keep_history)
{
	options.orphan_s = orphan_s;
	options.keep_history = keep_history;
	cups_follow_free(follow);
	ck_assert_int_eq(cups_follow_new(&options, &follow), 0);
}

static void next_round(void)
{
	int r;

	cups_follow_list_done(&list);
	r = cups_follow_round(follow, &list, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static const struct cups_finished_job *finished(int id)
{
	for (size_t i = 0; i < list.finished_count; i++) {
		if (list.finished[i].job.id == id)
			return &list.finished[i];
	}
	return NULL;
}

static const struct cups_job *waiting(int id)
{
	for (size_t i = 0; i < list.waiting_count; i++) {
		if (list.waiting[i].id == id)
			return &list.waiting[i];
	}
	return NULL;
}

static int submit(const char *queue)
{
	return cupsd_rig_number("job_submit %s $work/doc", queue);
}

static int count_of(const struct cups_finished_job *job, enum cups_file_kind kind)
{
	int count = 0;

	for (size_t i = 0; i < job->file_count; i++)
		count += job->files[i].kind == kind && job->files[i].job_id == job->job.id;
	return count;
}

static bool still_finished(int id)
{
	bool is_finished;

	ck_assert_int_eq(cups_follow_is_finished(server, id, &is_finished, &problem), 0);
	return is_finished;
}

/* --- what ended --- */

START_TEST(each_end_is_listed_with_the_files_that_it_left)
{
	int done = submit("raw"), failed = submit("bad"), cancelled = submit("slow");
	int two = cupsd_rig_number("job_submit raw $work/doc $work/doc");

	cupsd_rig("job_wait %d 9; job_wait %d 8; job_wait %d 5; cancel %d; job_wait %d 7; job_wait "
		  "%d 9",
		done, failed, cancelled, cancelled, cancelled, two);
	next_round();
	ck_assert_int_eq(finished(done)->job.state, CUPS_JOB_COMPLETED);
	ck_assert_int_eq(finished(failed)->job.state, CUPS_JOB_ABORTED);
	ck_assert_int_eq(finished(cancelled)->job.state, CUPS_JOB_CANCELED);
	ck_assert_int_eq(count_of(finished(done), CUPS_FILE_DOCUMENT), 1);
	ck_assert_int_eq(count_of(finished(failed), CUPS_FILE_DOCUMENT), 1);
	ck_assert_int_eq(count_of(finished(cancelled), CUPS_FILE_DOCUMENT), 1);
	ck_assert_int_eq(count_of(finished(two), CUPS_FILE_DOCUMENT), 2);
	ck_assert(!finished(done)->is_orphan && !finished(done)->files_missing);
	ck_assert(still_finished(done));
	cupsd_rig("cupsd_restart"); /* in order: the control files are written */
	next_round();
	ck_assert_int_eq(count_of(finished(two), CUPS_FILE_CONTROL), 1);
	ck_assert_int_eq(count_of(finished(two), CUPS_FILE_DOCUMENT), 2);
}
END_TEST

START_TEST(a_job_whose_files_were_removed_is_listed_until_it_is_purged)
{
	int id = submit("raw");

	cupsd_rig("job_wait %d 9", id);
	next_round();
	for (size_t i = 0; i < finished(id)->file_count; i++)
		ck_assert_int_eq(unlink(finished(id)->files[i].path), 0);
	next_round();
	ck_assert(finished(id)->files_missing);
	ck_assert_int_eq(count_of(finished(id), CUPS_FILE_DOCUMENT), 0);
	ck_assert_int_eq(cups_server_purge_job(server, id, &problem), 0);
	next_round();
	ck_assert_ptr_null(finished(id));
	ck_assert_ptr_null(waiting(id));
}
END_TEST

START_TEST(with_history_kept_only_documents_are_listed_and_only_once)
{
	int id = submit("raw");

	cupsd_rig("job_wait %d 9; cupsd_restart", id);
	set_options(0, true);
	next_round();
	ck_assert_int_eq(count_of(finished(id), CUPS_FILE_DOCUMENT), 1);
	ck_assert_int_eq(count_of(finished(id), CUPS_FILE_CONTROL), 0);
	ck_assert_int_eq(unlink(finished(id)->files[0].path), 0);
	next_round();
	ck_assert_ptr_null(finished(id));
}
END_TEST

/* --- what waits --- */

START_TEST(a_job_that_waits_says_why_and_is_not_finished)
{
	int held = cupsd_rig_number("LP_OPTIONS='-H indefinite' job_submit raw $work/doc");
	int timed = cupsd_rig_number(
		"LP_OPTIONS=\"-H $(date -u -d '+1 hour' +%%H:%%M)\" job_submit raw $work/doc");
	int printing = submit("slow"), behind = submit("slow");
	char why[CUPS_WHY_BYTES];

	cupsd_rig("job_wait %d 5", printing);
	next_round();
	ck_assert_ptr_null(finished(held));
	ck_assert_str_eq(
		cups_follow_why(waiting(held), why), "it is held until somebody releases it");
	ck_assert_ptr_nonnull(strstr(cups_follow_why(waiting(timed), why), "it is held until "));
	ck_assert_str_eq(cups_follow_why(waiting(printing), why), "it is being printed");
	ck_assert_str_eq(cups_follow_why(waiting(behind), why), "it waits for its printer");
	ck_assert_int_gt(waiting(held)->created_s, clock_wall_s() - 60);
	ck_assert(!still_finished(held) && !still_finished(printing));
	cupsd_rig("cupsdisable slow");
	next_round();
	ck_assert_str_eq(cups_follow_why(waiting(behind), why), "its printer is stopped");
	cupsd_rig("cupsenable slow; cancel -a -x");
}
END_TEST

START_TEST(a_job_that_is_restarted_between_round_and_touch_is_found_out)
{
	int id = submit("slow");

	cupsd_rig("job_wait %d 9", id);
	next_round();
	ck_assert_ptr_nonnull(finished(id));
	cupsd_rig("ipp Restart-Job \"ATTR uri job-uri $cupsd_uri/jobs/%d\" "
		  "'ATTR name requesting-user-name root' >/dev/null",
		id);
	ck_assert(!still_finished(id));
	next_round();
	ck_assert_ptr_null(finished(id));
	ck_assert_ptr_nonnull(waiting(id));
	cupsd_rig("job_wait %d 9", id);
}
END_TEST

/* --- what is nobody's --- */

START_TEST(a_kill_within_half_a_minute_leaves_an_orphan_that_is_found_in_time)
{
	int id;

	cupsd_rig("cancel -a -x; cupsd_restart");
	id = submit("raw");
	cupsd_rig("job_wait %d 9; cupsd_kill; cupsd_up", id);
	set_options(1, false);
	next_round();
	ck_assert_ptr_null(finished(id));
	ck_assert_ptr_null(waiting(id));
	sleep(1);
	next_round();
	ck_assert_ptr_nonnull(finished(id));
	ck_assert(finished(id)->is_orphan);
	ck_assert_int_eq(count_of(finished(id), CUPS_FILE_DOCUMENT), 1);
	ck_assert(still_finished(id));
	ck_assert_int_eq(unlink(finished(id)->files[0].path), 0);
	next_round();
	ck_assert_ptr_null(finished(id));
}
END_TEST

START_TEST(a_file_that_changes_is_no_orphan_yet)
{
	set_options(1, false);
	cupsd_rig("echo x >$cupsd_spool_dir/d07777-001");
	next_round();
	sleep(1);
	cupsd_rig("echo x >>$cupsd_spool_dir/d07777-001");
	next_round();
	ck_assert_ptr_null(finished(7777));
	sleep(1);
	next_round();
	ck_assert_ptr_nonnull(finished(7777));
	cupsd_rig("rm $cupsd_spool_dir/d07777-001");
}
END_TEST

START_TEST(without_an_answer_nothing_is_listed)
{
	cupsd_rig("echo x >$cupsd_spool_dir/d07777-001; cupsd_stop");
	ck_assert_int_eq(cups_follow_round(follow, &list, &problem), -ECONNREFUSED);
	cupsd_rig("cupsd_up; cupsd_hang");
	ck_assert_int_eq(cups_follow_round(follow, &list, &problem), -ETIMEDOUT);
	cupsd_rig("cupsd_resume");
	next_round();
	ck_assert_ptr_nonnull(finished(7777));
	cupsd_rig("rm $cupsd_spool_dir/d07777-001");
}
END_TEST

START_TEST(in_another_cupsds_directory_nothing_is_an_orphan)
{
	char other[PATH_MAX];
	int id = submit("raw");

	cupsd_rig("job_wait %d 9; mkdir -p $work/other; echo x >$work/other/d07777-001", id);
	strcpy(other, cupsd_rig("echo $work/other"));
	options.spool.request_root = other;
	set_options(0, false);
	next_round();
	ck_assert_ptr_null(finished(7777));
	ck_assert(finished(id)->files_missing);
}
END_TEST

START_TEST(uploads_and_temporaries_are_loose_when_nobody_has_them_open)
{
	char path[PATH_MAX];
	FILE *file;

	cupsd_rig("cd $cupsd_spool_dir && echo x >0000abcd && echo x >tmp/gs_open && "
		  "echo x >tmp/gs_left && : >tmp/empty; cd - >/dev/null");
	snprintf(path, sizeof(path), "%s/gs_open", temp);
	file = fopen(path, "r");
	next_round();
	ck_assert_uint_eq(list.loose_count, 2);
	ck_assert_ptr_nonnull(strstr(list.loose[0]->path, "/0000abcd"));
	ck_assert_ptr_nonnull(strstr(list.loose[1]->path, "/gs_left"));
	fclose(file);
	next_round();
	ck_assert_uint_eq(list.loose_count, 3);
	cupsd_rig("cd $cupsd_spool_dir && rm 0000abcd tmp/*; cd - >/dev/null");
}
END_TEST

START_TEST(the_last_version_of_the_cache_is_to_be_settled)
{
	int id = submit("raw");

	cupsd_rig("job_wait %d 9; cupsd_restart; cupsd_restart", id);
	next_round();
	ck_assert_uint_eq(list.settle_count, 1);
	ck_assert_ptr_nonnull(strstr(list.settle[0]->path, "/job.cache.O"));
}
END_TEST

static int ask_cupsd(void *context, int job_id, bool *ret_forgotten)
{
	enum cups_job_state state;
	int r = cups_server_job_state(server, job_id, &state, &problem);

	(void)context;
	*ret_forgotten = r == -ESRCH;
	return r == -ESRCH ? 0 : r;
}

/* CUPS 2.4.2 writes nothing when a job is purged. */
START_TEST(a_purged_job_is_taken_out_of_the_cache_and_its_number_is_not_used_again)
{
	int kept = submit("raw"), purged = submit("raw");
	size_t cleared = 99;

	cupsd_rig("job_wait %d 9; job_wait %d 9; cupsd_restart", kept, purged);
	ck_assert_int_eq(
		cups_cache_clear(options.spool.cache, ask_cupsd, NULL, &cleared, &problem), 0);
	ck_assert_uint_eq(cleared, 0);
	ck_assert_int_eq(cups_server_purge_job(server, purged, &problem), 0);
	cupsd_rig("grep -q '<Job %d>' $cupsd_dir/cache/job.cache", purged);
	ck_assert_int_eq(
		cups_cache_clear(options.spool.cache, ask_cupsd, NULL, &cleared, &problem), 0);
	ck_assert_uint_eq(cleared, 1);
	cupsd_rig("! grep -q '<Job %d>' $cupsd_dir/cache/job.cache", purged);
	cupsd_rig("cupsd_kill; cupsd_up; job_wait %d 9", kept);
	ck_assert_int_gt(submit("raw"), purged);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_follow");
	TCase *tc = tcase_create("cupsd");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_end_is_listed_with_the_files_that_it_left);
	tcase_add_test(tc, a_job_whose_files_were_removed_is_listed_until_it_is_purged);
	tcase_add_test(tc, with_history_kept_only_documents_are_listed_and_only_once);
	tcase_add_test(tc, a_job_that_waits_says_why_and_is_not_finished);
	tcase_add_test(tc, a_job_that_is_restarted_between_round_and_touch_is_found_out);
	tcase_add_test(tc, a_kill_within_half_a_minute_leaves_an_orphan_that_is_found_in_time);
	tcase_add_test(tc, a_file_that_changes_is_no_orphan_yet);
	tcase_add_test(tc, without_an_answer_nothing_is_listed);
	tcase_add_test(tc, in_another_cupsds_directory_nothing_is_an_orphan);
	tcase_add_test(tc, uploads_and_temporaries_are_loose_when_nobody_has_them_open);
	tcase_add_test(tc, the_last_version_of_the_cache_is_to_be_settled);
	tcase_add_test(tc, a_purged_job_is_taken_out_of_the_cache_and_its_number_is_not_used_again);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed = cupsd_rig_start(
		"'PreserveJobFiles Yes'", "queue_raw raw; queue_raw slow 0.5; queue_failing bad");

	if (failed)
		return failed;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	cupsd_rig_stop();
	return failed ? 1 : 0;
}
