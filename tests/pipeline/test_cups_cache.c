/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_cache.c - job.cache loses the jobs that are gone, and nothing else
 *
 * By files in the format that cupsd 2.4.2 writes.
 */
#include "base/io.h"
#include "pipeline/cups_cache.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD	  "# Job cache file for CUPS v2.4.2\n# Written by cupsd\nNextJobId 21\n"
#define ENTRY(id) "<Job " id ">\nState 9\nUsername ada\nName title\nNumFiles 1\n</Job>\n"

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", scratch_path(), name);
	return path;
}

static void write_file(const char *name, const char *text, int age_s)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	struct timespec times[2];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

static const char *read_file(const char *name)
{
	static char text[4096];
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	size_t bytes;

	if (fd < 0)
		return NULL;
	ck_assert_int_eq(io_read_to_end(fd, text, sizeof(text) - 1, &bytes), 0);
	text[bytes] = '\0';
	close(fd);
	return text;
}

static void setup(void)
{
	static const char *const names[] = {
		"job.cache", "job.cache.O", "job.cache.N", "job.cache.spoolguard"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlink(path_of(names[i]));
}

START_TEST(entries_of_known_jobs_and_the_next_number_stay_byte_for_byte)
{
	char text[] = HEAD ENTRY("7") ENTRY("8") ENTRY("70");
	const int known[] = {8, 3};
	size_t bytes = cups_cache_strip(text, strlen(text), known, 2);

	ck_assert_uint_eq(bytes, strlen(HEAD ENTRY("8")));
	ck_assert_mem_eq(text, HEAD ENTRY("8"), bytes);
}
END_TEST

START_TEST(a_text_that_ends_anywhere_is_no_trouble)
{
	const char whole[] = HEAD ENTRY("7") ENTRY("8");

	for (size_t length = 0; length < sizeof(whole); length++) {
		char *text = malloc(length + 1);

		memcpy(text, whole, length);
		ck_assert_uint_le(cups_cache_strip(text, length, NULL, 0), length);
		free(text);
	}
}
END_TEST

START_TEST(the_old_file_becomes_the_last_version_and_the_new_one_has_its_mode)
{
	struct stat st;

	write_file("job.cache", HEAD ENTRY("7"), 60);
	ck_assert_int_eq(chmod(path_of("job.cache"), 0640), 0);
	ck_assert_int_eq(cups_cache_forget(scratch_path(), NULL, 0, NULL), 0);
	ck_assert_str_eq(read_file("job.cache"), HEAD);
	ck_assert_int_eq(stat(path_of("job.cache"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	ck_assert_str_eq(read_file("job.cache.O"), HEAD ENTRY("7"));
	ck_assert_ptr_null(read_file("job.cache.spoolguard"));
}
END_TEST

START_TEST(nothing_is_written_where_there_is_nothing_to_forget)
{
	const int known[] = {7};

	ck_assert_int_eq(cups_cache_forget(scratch_path(), known, 1, NULL), 0);
	write_file("job.cache", HEAD ENTRY("7"), 60);
	ck_assert_int_eq(cups_cache_forget(scratch_path(), known, 1, NULL), 0);
	ck_assert_ptr_null(read_file("job.cache.O"));
}
END_TEST

START_TEST(what_cupsd_has_just_written_or_is_writing_is_left_alone)
{
	write_file("job.cache", HEAD ENTRY("7"), 0);
	ck_assert_int_eq(cups_cache_forget(scratch_path(), NULL, 0, NULL), -EAGAIN);
	write_file("job.cache", HEAD ENTRY("7"), 60);
	write_file("job.cache.N", HEAD, 0);
	ck_assert_int_eq(cups_cache_forget(scratch_path(), NULL, 0, NULL), -EAGAIN);
	ck_assert_str_eq(read_file("job.cache"), HEAD ENTRY("7"));
	ck_assert_ptr_null(read_file("job.cache.spoolguard"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cups_cache");
	TCase *tcase = tcase_create("cups_cache");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, entries_of_known_jobs_and_the_next_number_stay_byte_for_byte);
	tcase_add_test(tcase, a_text_that_ends_anywhere_is_no_trouble);
	tcase_add_test(tcase, the_old_file_becomes_the_last_version_and_the_new_one_has_its_mode);
	tcase_add_test(tcase, nothing_is_written_where_there_is_nothing_to_forget);
	tcase_add_test(tcase, what_cupsd_has_just_written_or_is_writing_is_left_alone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
