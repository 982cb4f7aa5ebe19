/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_cache.c - entries of forgotten jobs in a job.cache, and nothing else, are taken out
 *
 * Goal: what cupsd has forgotten is gone from the file, what it knows or may know stays as it was,
 * and so do the file's length and time. Method: files of our own, also ones that a title makes
 * strange; test_cups_follow.c has cupsd's.
 */
#include "pipeline/cups_cache.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD  "# Job cache file for CUPS v2.4.2\nNextJobId 72\n"
#define KNOWN "<Job 7>\nState 3\nUsername anna\nName seven\n</Job>\n"
#define GONE  "<Job 71>\nState 9\nUsername berta\nName seventy-one\n</Job>\n"

static char directory[PATH_MAX - 64], path[PATH_MAX];
static struct problem problem;
static int asked, failing_id;

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/job.cache", directory);
	asked = failing_id = 0;
}

static void write_text(const char *text)
{
	const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000, .tv_nsec = 5}};
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
}

static const char *read_text(void)
{
	static char text[4096];
	FILE *file = fopen(path, "r");
	size_t bytes;

	ck_assert_ptr_nonnull(file);
	bytes = fread(text, 1, sizeof(text) - 1, file);
	text[bytes] = '\0';
	fclose(file);
	return text;
}

/* Only job 7 is known. */
static int ask(void *context, int job_id, bool *ret_forgotten)
{
	ck_assert_ptr_null(context);
	asked++;
	if (job_id == failing_id)
		return -ETIMEDOUT;
	*ret_forgotten = job_id != 7;
	return 0;
}

static size_t clear(void)
{
	size_t cleared = SIZE_MAX;
	int r = cups_cache_clear(directory, ask, NULL, &cleared, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	return cleared;
}

START_TEST(what_is_forgotten_goes_and_what_is_known_stays)
{
	struct stat before, after;

	write_text(HEAD GONE KNOWN GONE);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_uint_eq(clear(), 2);
	ck_assert_ptr_null(strstr(read_text(), "berta"));
	ck_assert_ptr_null(strstr(read_text(), "71"));
	ck_assert_ptr_nonnull(strstr(read_text(), HEAD));
	ck_assert_ptr_nonnull(strstr(read_text(), "\n" KNOWN));
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	ck_assert_uint_eq(clear(), 0);
}
END_TEST

START_TEST(without_an_answer_for_each_the_file_stays_as_it_was)
{
	size_t cleared = 5;

	write_text(HEAD GONE KNOWN);
	failing_id = 7;
	ck_assert_int_eq(cups_cache_clear(directory, ask, NULL, &cleared, &problem), -ETIMEDOUT);
	ck_assert_uint_eq(cleared, 5);
	ck_assert_str_eq(read_text(), HEAD GONE KNOWN);
}
END_TEST

START_TEST(titles_of_many_lines_go_whole)
{
	write_text(HEAD "<Job 8>\nName a\n</Job>\nsecret <Job 7>\n</Job>\nmore\n" KNOWN
			"<Job 9>\nName cut");
	ck_assert_uint_eq(clear(), 2);
	ck_assert_ptr_null(strstr(read_text(), "secret"));
	ck_assert_ptr_null(strstr(read_text(), "more"));
	ck_assert_ptr_null(strstr(read_text(), "cut"));
	ck_assert_ptr_nonnull(strstr(read_text(), KNOWN));
}
END_TEST

START_TEST(what_is_no_entry_stays)
{
	static const char *const texts[] = {"", "<Job ", "<Job 8", "<Job >\n", "<Job x>\n",
		" <Job 8>\n", "<Job 0>\n", "<Job 99999999999999999999>\n", HEAD};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(texts[i]);
		ck_assert_uint_eq(clear(), 0);
		ck_assert_str_eq(read_text(), texts[i]);
	}
	ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(a_file_that_is_not_there_has_no_entries_and_a_link_is_not_followed)
{
	char other[PATH_MAX];
	size_t cleared;

	ck_assert_uint_eq(clear(), 0);
	write_text(GONE);
	snprintf(other, sizeof(other), "%.4000s/other", directory);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink("other", path), 0);
	ck_assert_int_eq(cups_cache_clear(directory, ask, NULL, &cleared, &problem), -ELOOP);
	ck_assert_str_eq(read_text(), GONE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cups_cache");
	TCase *tc = tcase_create("file");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, what_is_forgotten_goes_and_what_is_known_stays);
	tcase_add_test(tc, without_an_answer_for_each_the_file_stays_as_it_was);
	tcase_add_test(tc, titles_of_many_lines_go_whole);
	tcase_add_test(tc, what_is_no_entry_stays);
	tcase_add_test(tc, a_file_that_is_not_there_has_no_entries_and_a_link_is_not_followed);
	suite_add_tcase(s, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
