/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_job_list.c - lists of jobs from outside: whatever stands in them, whole or refused by line
 *
 * Goal: lines of one job need not adjoin, a path may hold anything but a newline, and a line
 * that is none is named by its number.  Method: files made by the test.
 */
#include "attached/job_list.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];
static struct job_list list;
static struct problem problem;

static int read_text(const char *text, size_t bytes)
{
	const char *directory = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%.40s/job-list.XXXXXX", directory ? directory : "/tmp");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, bytes), (ssize_t)bytes);
	close(fd);
	return job_list_read(&list, path, &problem);
}

static void teardown(void)
{
	job_list_done(&list);
	unlink(path);
	problem.text[0] = '\0';
}

START_TEST(lines_of_one_job_need_not_adjoin)
{
	const char text[] = "7\ta\n8\tb\n7\tc d\te\n\n9\tf";

	ck_assert_int_eq(read_text(text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(list.count, 4);
	ck_assert_uint_eq(list.jobs, 3);
	ck_assert_uint_eq(list.entries[0].job, 0);
	ck_assert_uint_eq(list.entries[1].job, 1);
	ck_assert_uint_eq(list.entries[2].job, 0);
	ck_assert_str_eq(list.entries[2].path, "c d\te");
	ck_assert_str_eq(list.entries[3].id, "9");
}
END_TEST

START_TEST(a_line_that_is_none_is_named_by_its_number)
{
	static const char *const wrong[] = {"1\ta\nno tab\n", "1\ta\n\tno id\n", "1\ta\n2\t\n"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(read_text(wrong[i], strlen(wrong[i])), -EINVAL);
		ck_assert_ptr_nonnull(strstr(problem.text, "line 2"));
		teardown();
	}
}
END_TEST

START_TEST(an_id_has_a_largest_length)
{
	char text[JOB_ID_BYTES_MAX + 8];

	memset(text, 'x', sizeof(text));
	strcpy(text + JOB_ID_BYTES_MAX, "\tp\n");
	ck_assert_int_eq(read_text(text, strlen(text)), 0);
	teardown();
	memset(text, 'x', sizeof(text));
	strcpy(text + JOB_ID_BYTES_MAX + 1, "\tp\n");
	ck_assert_int_eq(read_text(text, strlen(text)), -EINVAL);
}
END_TEST

START_TEST(a_job_has_at_most_so_many_files)
{
	for (size_t i = 0; i < JOB_LIST_FILES_MAX; i++)
		ck_assert_int_eq(job_list_add(&list, "1", "p"), 0);
	ck_assert_int_eq(job_list_add(&list, "1", "p"), -E2BIG);
}
END_TEST

START_TEST(a_list_that_is_not_there_is_named)
{
	ck_assert_int_eq(job_list_read(&list, "/nonexistent/list", &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent/list"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job_list");
	TCase *tcase = tcase_create("lists");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, lines_of_one_job_need_not_adjoin);
	tcase_add_test(tcase, a_line_that_is_none_is_named_by_its_number);
	tcase_add_test(tcase, an_id_has_a_largest_length);
	tcase_add_test(tcase, a_job_has_at_most_so_many_files);
	tcase_add_test(tcase, a_list_that_is_not_there_is_named);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
