/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_spool.c - names in a spool directory, and what is listed of it
 *
 * Goal: each name that cupsd makes is known for what it is, no other is, and nothing that is not a
 * regular file in these directories is ever listed.
 * Method: directories of our own with files of every kind; test_cups_follow.c has cupsd's.
 */
#include "base/clock.h"
#include "pipeline/cups_spool.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[PATH_MAX - 64], temp[PATH_MAX - 32], cache[PATH_MAX - 32];
static struct cups_spool spool;
static struct cups_file_list list;
static struct problem problem;

static void setup(void)
{
	snprintf(root, sizeof(root), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(temp, sizeof(temp), "%s/tmp", root);
	snprintf(cache, sizeof(cache), "%s/cache", root);
	ck_assert_int_eq(mkdir(temp, 0700), 0);
	ck_assert_int_eq(mkdir(cache, 0700), 0);
	spool = (struct cups_spool){.request_root = root, .temp = temp, .cache = cache};
}

static void teardown(void)
{
	cups_file_list_done(&list);
}

static void make(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void scan(void)
{
	int r;

	cups_file_list_done(&list);
	r = cups_spool_scan(&spool, &list, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static const char *name_of(const struct cups_file *file)
{
	return strrchr(file->path, '/') + 1;
}

/* --- names --- */

START_TEST(each_name_that_cupsd_makes_is_known)
{
	static const struct {
		const char *name;
		enum cups_file_kind kind;
		int job_id, document;
	} known[] = {
		{"d00001-001", CUPS_FILE_DOCUMENT, 1, 1},
		{"d00042-017", CUPS_FILE_DOCUMENT, 42, 17},
		{"d123456-1000", CUPS_FILE_DOCUMENT, 123456, 1000},
		{"c00001", CUPS_FILE_CONTROL, 1, 0},
		{"c00001.N", CUPS_FILE_CONTROL, 1, 0},
		{"c00001.O", CUPS_FILE_CONTROL, 1, 0},
		{"c1000000", CUPS_FILE_CONTROL, 1000000, 0},
		{"a00007", CUPS_FILE_AUTH, 7, 0},
		{"00000000", CUPS_FILE_UPLOAD, 0, 0},
		{"0000002a", CUPS_FILE_UPLOAD, 0, 0},
		{"deadbeef", CUPS_FILE_UPLOAD, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		enum cups_file_kind kind;
		int job_id, document;

		ck_assert_msg(cups_spool_parse_name(known[i].name, &kind, &job_id, &document), "%s",
			known[i].name);
		ck_assert_int_eq(kind, known[i].kind);
		ck_assert_int_eq(job_id, known[i].job_id);
		ck_assert_int_eq(document, known[i].document);
	}
}
END_TEST

START_TEST(no_other_name_is)
{
	static const char *const unknown[] = {"", "d", "d1-001", "d0001-001", "d00001-01", "d00001",
		"d00001-", "d00001-001x", "d00001-001.O", "d00000-001", "d00001-000", "d-0001-001",
		"d+0001-001", "d 0001-001", "d99999999999-001", "x00001-001", "c0001", "c00000",
		"c00001x", "c00001.", "c00001.NN", "c00001-001", "a0001", "c99999999999",
		"0000002A", "0000002", "0000002ab", "0000002g", "job.cache", "tmp",
		"d00001-99999999999"};

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		enum cups_file_kind kind;
		int job_id, document;

		ck_assert_msg(!cups_spool_parse_name(unknown[i], &kind, &job_id, &document), "%s",
			unknown[i]);
	}
}
END_TEST

/* --- scans --- */

START_TEST(files_are_listed_by_job_with_documents_first)
{
	const struct cups_file *files;
	size_t count;

	make(root, "c00002", "control");
	make(root, "d00002-002", "b");
	make(root, "d00002-001", "aa");
	make(root, "d00001-001", "x");
	make(root, "a00002", "secret");
	make(root, "0000001f", "upload");
	make(root, "README", "no");
	make(temp, "gs_abc", "temp");
	make(cache, "job.cache", "now");
	make(cache, "job.cache.O", "before");
	make(cache, "job.cache.N", "next");
	make(cache, "remote.cache.O", "no");
	scan();
	ck_assert_uint_eq(list.count, 9);
	files = cups_file_list_of_job(&list, 2, &count);
	ck_assert_uint_eq(count, 4);
	ck_assert_str_eq(name_of(&files[0]), "d00002-001");
	ck_assert_uint_eq(files[0].bytes, 2);
	ck_assert_int_ge(files[0].changed_s, clock_wall_s() - 10);
	ck_assert_str_eq(name_of(&files[1]), "d00002-002");
	ck_assert_str_eq(name_of(&files[2]), "c00002");
	ck_assert_str_eq(name_of(&files[3]), "a00002");
	cups_file_list_of_job(&list, 1, &count);
	ck_assert_uint_eq(count, 1);
	cups_file_list_of_job(&list, 3, &count);
	ck_assert_uint_eq(count, 0);
	files = cups_file_list_of_job(&list, 0, &count);
	ck_assert_uint_eq(count, 4);
	ck_assert_str_eq(name_of(&files[0]), "0000001f");
	ck_assert_str_eq(name_of(&files[1]), "job.cache.N");
	ck_assert_int_eq(files[1].kind, CUPS_FILE_TEMP); /* cupsd may be about to rename it */
	ck_assert_str_eq(name_of(&files[2]), "gs_abc");
	ck_assert_int_eq(files[2].kind, CUPS_FILE_TEMP);
	ck_assert_str_eq(name_of(&files[3]), "job.cache.O");
	ck_assert_int_eq(files[3].kind, CUPS_FILE_SETTLE);
}
END_TEST

START_TEST(links_devices_and_directories_are_not_listed)
{
	char path[PATH_MAX];

	make(cache, "victim", "precious");
	snprintf(path, sizeof(path), "%s/d00001-001", root);
	ck_assert_int_eq(symlink("cache/victim", path), 0);
	snprintf(path, sizeof(path), "%s/d00002-001", root);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/d00003-001", root);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/link", temp);
	ck_assert_int_eq(symlink("../cache", path), 0);
	scan();
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(a_spool_that_is_a_link_is_refused)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/spool", root);
	ck_assert_int_eq(symlink("tmp", path), 0);
	spool.request_root = path;
	ck_assert_int_lt(cups_spool_scan(&spool, &list, &problem), 0);
	ck_assert_ptr_nonnull(strstr(problem.text, path));
}
END_TEST

START_TEST(directories_in_the_temporary_one_are_looked_into_to_a_depth)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/a", temp);
	for (int i = 0; i < 15; i++) {
		ck_assert_int_eq(mkdir(path, 0700), 0);
		make(path, "file", "x");
		strcat(path, "/a");
	}
	scan();
	ck_assert_uint_eq(list.count, 15);
	ck_assert(!list.is_cut);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	make(path, "file", "x");
	scan();
	ck_assert_uint_eq(list.count, 15);
	ck_assert(list.is_cut);
}
END_TEST

START_TEST(only_the_spool_has_to_be_there)
{
	ck_assert_int_eq(rmdir(temp), 0);
	ck_assert_int_eq(rmdir(cache), 0);
	scan();
	ck_assert_uint_eq(list.count, 0);
	spool.temp = spool.cache = NULL;
	scan();
	ck_assert_int_eq(rmdir(root), 0);
	ck_assert_int_eq(cups_spool_scan(&spool, &list, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, root));
}
END_TEST

/* --- open or not --- */

START_TEST(a_file_that_somebody_has_open_is_known_and_left_alone)
{
	char path[PATH_MAX];
	bool is_open;
	int fd;

	make(temp, "x", "text");
	snprintf(path, sizeof(path), "%s/x", temp);
	ck_assert_int_eq(cups_spool_is_open(path, &is_open), 0);
	ck_assert(!is_open);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(cups_spool_is_open(path, &is_open), 0);
	ck_assert(is_open);
	close(fd);
	ck_assert_int_eq(cups_spool_is_open(path, &is_open), 0);
	ck_assert(!is_open);
	unlink(path);
	ck_assert_int_eq(cups_spool_is_open(path, &is_open), 0);
	ck_assert(!is_open);
	ck_assert_int_eq(symlink("y", path), 0);
	ck_assert_int_lt(cups_spool_is_open(path, &is_open), 0);
}
END_TEST

/* --- job.cache --- */

static Suite *suite(void)
{
	Suite *s = suite_create("cups_spool");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, each_name_that_cupsd_makes_is_known);
	tcase_add_test(tc, no_other_name_is);
	suite_add_tcase(s, tc);

	tc = tcase_create("files");
	tcase_add_unchecked_fixture(tc, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, files_are_listed_by_job_with_documents_first);
	tcase_add_test(tc, links_devices_and_directories_are_not_listed);
	tcase_add_test(tc, a_spool_that_is_a_link_is_refused);
	tcase_add_test(tc, directories_in_the_temporary_one_are_looked_into_to_a_depth);
	tcase_add_test(tc, only_the_spool_has_to_be_there);
	tcase_add_test(tc, a_file_that_somebody_has_open_is_known_and_left_alone);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
