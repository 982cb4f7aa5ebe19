/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_retire_jobs.c - batches of jobs, their hooks and their receipts
 *
 * Goal: a job's fate is its own (Q1); what a hook frees is covered by the barrier (Q2); a
 * receipt says what is so (Q3); between two runs nothing is held (Q4).
 * Method: a real volume; the hooks are the test's.
 */
#include "attached/retire_jobs.h"
#include "tests/support/attached_fixture.h"
#include <dirent.h>
#include <signal.h>

static struct job_list jobs;
static struct retire_session *session;
static struct retire_options options;
static struct retire_result result;
static struct problem problem;

static void setup_volume(void)
{
	attach_volume_of("96M");
}

static void setup(void)
{
	int r = retire_session_open(&state, &session, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static void teardown(void)
{
	job_list_done(&jobs);
	retire_session_close(session);
}

static void add(const char *id, const char *path)
{
	ck_assert_int_eq(job_list_add(&jobs, id, path), 0);
}

static void run(void)
{
	int r = retire_session_run(session, &jobs, &options, &result, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_int_eq(result.barrier_error, 0);
}

START_TEST(one_job_s_failure_fails_no_other)
{
	const char *held;
	int fd;

	add("good", make_file("a", 100000));
	add("missing", "/nonexistent/file");
	add("half", make_file("b", 5000));
	held = make_file("held", 9000);
	add("half", held);
	add("good too", make_file("c", 1));
	fd = open(held, O_RDONLY);
	run();
	close(fd);
	ck_assert(result.receipts[0].retired);
	ck_assert(!result.receipts[1].retired);
	ck_assert(!result.receipts[2].retired);
	ck_assert(result.receipts[3].retired);
	ck_assert_str_eq(result.receipts[3].id, "good too");
	ck_assert_uint_eq(result.receipts[0].removed_files, 1);
	ck_assert_uint_eq(result.receipts[0].bytes, 100000);
	ck_assert_uint_gt(result.receipts[0].total.verified_blocks, 0);
	ck_assert_uint_gt(result.receipts[0].barrier_epoch, 0);
	ck_assert_uint_eq(result.receipts[2].files, 2);
	ck_assert_uint_eq(result.receipts[2].removed_files, 1);
	ck_assert_int_eq(result.files[1].error, -ENOENT);
	ck_assert_int_eq(result.files[3].error, -EBUSY);
	ck_assert_str_ne(result.files[3].problem.text, "");
	ck_assert(exists("held") && !exists("a") && !exists("b") && !exists("c"));
	retire_result_done(&result);
}
END_TEST

START_TEST(a_file_that_may_be_gone_fails_nothing_and_is_told)
{
	struct json_object *object;

	options.may_be_gone = true;
	add("1", make_file("a", 5000));
	add("1", "/nonexistent/file");
	add("2", make_file("b", 5000));
	run();
	ck_assert(result.receipts[0].retired && result.receipts[1].retired);
	ck_assert_uint_eq(result.receipts[0].files, 2);
	ck_assert_uint_eq(result.receipts[0].removed_files, 1);
	ck_assert_uint_eq(result.receipts[0].gone_files, 1);
	object = job_receipt_to_json(&result.receipts[0]);
	ck_assert_uint_eq(volumes_status_u64(object, "gone_files"), 1);
	ck_assert_str_eq(volumes_status_string(object, "result"), "retired");
	ck_assert_str_eq(volumes_status_string(object, "schema"), "spoolguard.job/1");
	json_object_put(object);
	object = job_receipt_to_json(&result.receipts[1]);
	ck_assert(!json_object_object_get(object, "gone_files"));
	json_object_put(object);
	retire_result_done(&result);
}
END_TEST

/* --- hooks --- */

static struct {
	size_t before, removed;
	size_t refused_before, refused_removed; /* jobs */
	uint64_t freed_bytes;
} hooked;

static int before(void *context, size_t job)
{
	ck_assert_ptr_eq(context, &hooked);
	ck_assert_uint_eq(hooked.removed, 0);
	ck_assert_uint_eq(job, hooked.before++);
	ck_assert(exists("a") && exists("b") && exists("c"));
	return job == hooked.refused_before ? -EAGAIN : 0;
}

static int removed(void *context, size_t job, const struct job_receipt *so_far, bool whole)
{
	ck_assert_ptr_eq(context, &hooked);
	ck_assert_uint_ne(job, hooked.refused_before);
	ck_assert(whole);
	ck_assert(!so_far->retired);
	ck_assert_uint_eq(so_far->removed_files, 1);
	if (hooked.freed_bytes > 0)
		ck_assert_int_eq(unlink(make_file("record", hooked.freed_bytes)), 0);
	hooked.removed++;
	return job == hooked.refused_removed ? -EIO : 0;
}

static void set_hooks(size_t refused_before, size_t refused_removed)
{
	hooked.refused_before = refused_before;
	hooked.refused_removed = refused_removed;
	options.hooks =
		(struct retire_hooks){.before = before, .removed = removed, .context = &hooked};
	add("1", make_file("a", 5000));
	add("2", make_file("b", 5000));
	add("3", make_file("c", 5000));
}

START_TEST(a_hook_that_says_no_leaves_its_job_alone_and_no_other)
{
	set_hooks(1, SIZE_MAX);
	options.wait_ms = 10000; /* -EAGAIN is no reason to wait */
	run();
	ck_assert_uint_eq(hooked.before, 3);
	ck_assert_uint_eq(hooked.removed, 2);
	ck_assert(result.receipts[0].retired && !result.receipts[1].retired &&
		  result.receipts[2].retired);
	ck_assert(!exists("a") && exists("b") && !exists("c"));
	ck_assert_int_eq(result.files[1].error, -EAGAIN);
	ck_assert_uint_eq(result.receipts[1].erased_files, 0);
	ck_assert_uint_lt(result.receipts[0].took_ms, 9000);
	retire_result_done(&result);
}
END_TEST

START_TEST(a_job_that_its_spooler_does_not_forget_is_not_retired)
{
	set_hooks(SIZE_MAX, 2);
	run();
	ck_assert_uint_eq(hooked.removed, 3);
	ck_assert(result.receipts[0].retired && result.receipts[1].retired &&
		  !result.receipts[2].retired);
	ck_assert_uint_eq(result.receipts[2].removed_files, 1);
	retire_result_done(&result);
}
END_TEST

START_TEST(what_a_hook_frees_is_covered)
{
	uint64_t live = status_of_volume("live");

	hooked.freed_bytes = 4 << 20; /* 1024 blocks each */
	set_hooks(SIZE_MAX, SIZE_MAX);
	run();
	ck_assert_uint_eq(hooked.removed, 3);
	ck_assert_uint_eq(status_of_volume("residue"), 0);
	ck_assert_uint_lt(status_of_volume("live"), live + 512);
	ck_assert_uint_eq(result.receipts[0].backlog_blocks, 0);
	retire_result_done(&result);
}
END_TEST

/* --- the session --- */

static bool holds_the_mount(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct stat mounted, st;
	struct dirent *entry;
	bool found = false;

	ck_assert_int_eq(stat(mount_point, &mounted), 0);
	while ((entry = readdir(directory)))
		found |= fstat(atoi(entry->d_name), &st) == 0 && st.st_dev == mounted.st_dev;
	closedir(directory);
	return found;
}

START_TEST(a_session_runs_again_and_again_and_holds_nothing_between)
{
	for (int i = 0; i < 3; i++) {
		add("same id", make_file("a", 5000));
		run();
		ck_assert(result.receipts[0].retired);
		ck_assert(!holds_the_mount());
		retire_result_done(&result);
		job_list_done(&jobs);
	}
	run(); /* of an empty list only the barrier is left */
	retire_result_done(&result);
}
END_TEST

START_TEST(a_job_without_files_is_retired_by_the_barrier)
{
	size_t job;

	ck_assert_int_eq(job_list_add_job(&jobs, "1", &job), 0);
	ck_assert_uint_eq(job, 0);
	add("2", make_file("a", 5000));
	run();
	ck_assert(result.receipts[0].retired && result.receipts[1].retired);
	ck_assert_uint_eq(result.receipts[0].files, 0);
	ck_assert_uint_gt(result.receipts[0].barrier_epoch, 0);
	ck_assert_str_eq(result.receipts[0].id, "1");
	retire_result_done(&result);
}
END_TEST

/* The last test: there is no volume any more. */
START_TEST(of_a_volume_whose_process_died_no_job_is_retired)
{
	struct retire_session *other;
	int r;

	size_t job;

	ck_assert_int_eq(job_list_add_job(&jobs, "1", &job), 0);
	add("2", make_file("a", 5000));
	ck_assert_int_eq(kill((pid_t)status_of_volume("process"), SIGKILL), 0);
	r = retire_session_run(session, &jobs, &options, &result, &problem);
	if (r == 0) {
		ck_assert_int_lt(result.barrier_error, 0);
		ck_assert_str_ne(result.barrier_problem.text, "");
		ck_assert(!result.receipts[0].retired && !result.receipts[1].retired);
		retire_result_done(&result);
	}
	ck_assert_int_eq(retire_session_open(&state, &other, &problem), -ESRCH);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("retire_jobs");
	TCase *tcase = tcase_create("batches");
	SRunner *runner;
	int failed;

	if (why_skipped()) {
		printf("skipped: %s\n", why_skipped());
		return 77;
	}
	tcase_add_unchecked_fixture(tcase, setup_volume, detach_it);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, one_job_s_failure_fails_no_other);
	tcase_add_test(tcase, a_file_that_may_be_gone_fails_nothing_and_is_told);
	tcase_add_test(tcase, a_hook_that_says_no_leaves_its_job_alone_and_no_other);
	tcase_add_test(tcase, a_job_that_its_spooler_does_not_forget_is_not_retired);
	tcase_add_test(tcase, what_a_hook_frees_is_covered);
	tcase_add_test(tcase, a_session_runs_again_and_again_and_holds_nothing_between);
	tcase_add_test(tcase, a_job_without_files_is_retired_by_the_barrier);
	tcase_add_test(tcase, of_a_volume_whose_process_died_no_job_is_retired);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
