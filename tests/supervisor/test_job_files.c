/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_job_files.c - which files a job consists of; its words for people; the ledger's key
 *
 * Goal: O1 to O3 of job_files.h; what is said of a file does not name it; the key of the ledger is
 * made once, and believed only if it is ours.
 */
#include "base/io.h"
#include "supervisor/job_files.h"
#include "supervisor/job_why.h"
#include "supervisor/ledger_key.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER 12345u

static char top[256];
static struct job_files found;
static struct job_files_options options;
static const char *names[8];

static const char *at(const char *name)
{
	static char path[16][512];
	static unsigned int turn;
	char *text = path[turn++ % 16];

	snprintf(text, 512, "%s/%s", top, name);
	return text;
}

static void make_file(const char *name, uid_t uid)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, name, strlen(name)), 0);
	ck_assert_int_eq(fchown(fd, uid, 0), 0);
	close(fd);
}

static void make_directory(const char *name, uid_t uid)
{
	ck_assert_int_eq(mkdir(at(name), 0755), 0);
	ck_assert_int_eq(chown(at(name), uid, 0), 0);
}

static void setup(void)
{
	static unsigned int n;
	struct stat st;

	snprintf(top, sizeof(top), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	ck_assert_int_eq(mkdir(top, 0755), 0);
	ck_assert_int_eq(stat(top, &st), 0);
	options = (struct job_files_options){.names = names, .device = st.st_dev};
}

static void teardown(void)
{
	job_files_done(&found);
}

static void find(size_t count)
{
	job_files_done(&found);
	options.name_count = count;
	ck_assert_int_eq(job_files_find(&options, &found), 0);
}

/* The file that is found by that name can be opened by its path, and holds what it should. */
static bool has(const char *name)
{
	char text[64] = "";
	size_t bytes;
	int fd;

	for (size_t i = 0; i < found.count; i++) {
		if (strcmp(found.files[i].name, at(name)) != 0)
			continue;
		fd = open(found.files[i].path, O_RDONLY | O_NOFOLLOW);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(io_read_to_end(fd, text, sizeof(text) - 1, &bytes), 0);
		close(fd);
		return strcmp(text, name) == 0;
	}
	return false;
}

START_TEST(single_files_are_found_once)
{
	make_file("a", 0);
	make_file("b", 0);
	names[0] = at("a");
	names[1] = at("b");
	names[2] = at("a");
	names[3] = at("c");
	names[4] = at("d/e");
	names[5] = at("a/b");
	find(6);
	ck_assert_uint_eq(found.count, 2);
	ck_assert(has("a") && has("b"));
	ck_assert_uint_eq(found.gone, 3);
	ck_assert_uint_eq(found.refused, 0);
}
END_TEST

START_TEST(directories_are_walked_and_links_are_not_followed) /* O1 */
{
	make_directory("in", 0);
	make_directory("in/deep", 0);
	make_directory("out", 0);
	make_file("in/a", 0);
	make_file("in/deep/b", 0);
	make_file("out/c", 0);
	ck_assert_int_eq(symlink(at("out"), at("in/link")), 0);
	ck_assert_int_eq(symlink(at("out/c"), at("in/file")), 0);
	ck_assert_int_eq(mkfifo(at("in/fifo"), 0600), 0);
	names[0] = at("in/");
	names[1] = at("in/a");
	names[2] = at("never/");
	find(3);
	ck_assert_uint_eq(found.count, 2);
	ck_assert(has("in/a") && has("in/deep/b"));
	ck_assert_uint_eq(found.gone, 0);
}
END_TEST

START_TEST(beginnings_of_names_are_found)
{
	make_file("7-a", 0);
	make_directory("7-d", 0);
	make_file("7-d/b", 0);
	make_file("70", 0);
	make_file("6-7-a", 0);
	names[0] = at("7-//");
	find(1);
	ck_assert_uint_eq(found.count, 2);
	ck_assert(has("7-a") && has("7-d/b"));
	names[0] = at("//"); /* no beginning at all: not everything */
	find(1);
	ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(other_mounts_are_not_entered) /* O1 */
{
	make_directory("in", 0);
	make_directory("in/mounted", 0);
	make_file("in/a", 0);
	if (mount("tmpfs", at("in/mounted"), "tmpfs", 0, "size=64k") < 0)
		return; /* not root */
	make_file("in/mounted/b", 0);
	names[0] = at("in/");
	names[1] = at("in/mounted/b");
	find(2);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_uint_eq(found.refused, 1);
	ck_assert_int_eq(found.refusal, -EXDEV);
	job_files_done(&found);
	ck_assert_int_eq(umount(at("in/mounted")), 0);
}
END_TEST

START_TEST(a_users_job_reaches_no_file_of_others) /* O2 */
{
	if (getuid() != 0)
		return;
	options.uid = USER;
	make_directory("theirs", USER);
	make_directory("others", 0);
	make_file("theirs/a", USER);
	make_file("others/b", 0);
	make_file("others/7-mine", USER);
	make_file("others/7-not", 0);
	ck_assert_int_eq(symlink(at("others"), at("theirs/link")), 0);
	names[0] = at("theirs/a");
	names[1] = at("others/b");
	names[2] = at("theirs/link/b");
	names[3] = at("others/");
	names[4] = at("theirs/link/");
	names[5] = at("others/7-//");
	find(6);
	ck_assert_uint_eq(found.count, 2);
	ck_assert(has("theirs/a") && has("others/7-mine"));
	ck_assert_uint_eq(found.refused, 4);
	/* root may have a link in the path */
	options.uid = 0;
	names[0] = at("theirs/link/b");
	find(1);
	ck_assert_uint_eq(found.count, 1);
}
END_TEST

START_TEST(what_was_looked_at_is_what_is_opened) /* O2 */
{
	char text[64] = "";
	size_t bytes;
	int fd;

	make_directory("dir", 0);
	make_file("dir/a", 0);
	make_directory("other", 0);
	make_file("other/a", 0);
	names[0] = at("dir/a");
	find(1);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_int_eq(rename(at("dir"), at("moved")), 0);
	ck_assert_int_eq(symlink(at("other"), at("dir")), 0);
	fd = open(found.files[0].path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, text, sizeof(text) - 1, &bytes), 0);
	close(fd);
	ck_assert_str_eq(text, "dir/a");
}
END_TEST

static bool skips(void *context, const char *name)
{
	return strcmp(name, context) == 0;
}

START_TEST(what_is_done_with_is_not_looked_for)
{
	char done[512];

	make_file("a", 0);
	names[0] = at("a");
	names[1] = at("done");
	strcpy(done, at("done"));
	options.skip = skips;
	options.context = done;
	find(2);
	ck_assert_uint_eq(found.count, 1);
	ck_assert_uint_eq(found.gone, 0);
}
END_TEST

START_TEST(the_walk_ends) /* O3 */
{
	char name[256];

	make_directory("many", 0);
	for (unsigned int i = 0; i < JOB_FILES_MAX + 5; i++) {
		snprintf(name, sizeof(name), "many/%u", i);
		make_file(name, 0);
	}
	names[0] = at("many/");
	find(1);
	ck_assert_uint_eq(found.count, JOB_FILES_MAX);
	ck_assert(found.is_cut);
	make_directory("deep", 0);
	strcpy(name, "deep");
	for (unsigned int i = 0; i <= JOB_FILES_DEPTH_MAX; i++) {
		strcat(name, "/d");
		make_directory(name, 0);
	}
	names[0] = at("deep/");
	find(1);
	ck_assert(found.is_cut);
	make_directory("wide", 0);
	for (unsigned int i = 0; i < JOB_FILES_DIRECTORIES_MAX; i++) {
		snprintf(name, sizeof(name), "wide/%u", i);
		make_directory(name, 0);
	}
	names[0] = at("wide/");
	find(1);
	ck_assert(found.is_cut);
	ck_assert_uint_le(found.directory_count, JOB_FILES_DIRECTORIES_MAX);
}
END_TEST

START_TEST(what_is_cleared_is_empty_and_stays)
{
	size_t left = 99;

	make_directory("in", 0);
	make_directory("in/deep", 0);
	make_directory("in/deep/deeper", 0);
	make_file("keep", 0);
	ck_assert_int_eq(symlink(at("keep"), at("in/deep/link")), 0);
	ck_assert_int_eq(mkfifo(at("in/fifo"), 0600), 0);
	make_directory("7-d", 0);
	names[0] = at("in/");
	names[1] = at("7-//");
	options.name_count = 2;
	ck_assert_int_eq(job_files_clear(&options, &left), 0);
	ck_assert_uint_eq(left, 0);
	ck_assert_int_eq(rmdir(at("in")), 0);
	ck_assert_int_eq(access(at("keep"), F_OK), 0);
	ck_assert_int_lt(access(at("7-d"), F_OK), 0);
	make_directory("in", 0);
	make_directory("in/deep", 0);
	make_file("in/deep/file", 0);
	ck_assert_int_eq(job_files_clear(&options, &left), 0);
	ck_assert_uint_eq(left, 1);
	ck_assert_int_eq(access(at("in/deep/file"), F_OK), 0);
}
END_TEST

/* --- words --- */

START_TEST(no_word_names_the_file)
{
	char buf[64];

	ck_assert_str_eq(
		job_why_without_names("/proc/self/fd/7/payroll.pdf is open in cp",
			"/spool/payroll.pdf", "/proc/self/fd/7/payroll.pdf", buf, sizeof(buf)),
		"a file is open in cp");
	ck_assert_str_eq(
		job_why_without_names("cannot open payroll.pdf: /spool/payroll.pdf.",
			"/spool/payroll.pdf", "/proc/self/fd/7/payroll.pdf", buf, sizeof(buf)),
		"cannot open a file: a file.");
	ck_assert_str_eq(
		job_why_without_names("/fd/7/a is open as a", "/s/a", "/fd/7/a", buf, sizeof(buf)),
		"a file is open as a file");
	ck_assert_str_eq(
		job_why_without_names("/fd/7/a is large", "/s/a", "/fd/7/a", buf, 5), "a fi");
}
END_TEST

/* --- the key --- */

static struct problem problem;

START_TEST(a_key_is_made_once)
{
	_cleanup_secret_ struct secret *first = NULL, *second = NULL;
	struct stat st;

	ck_assert_int_eq(ledger_key_get(top, &first, &problem), 0);
	ck_assert_uint_eq(secret_size(first), LEDGER_KEY_BYTES);
	ck_assert_int_eq(ledger_key_get(top, &second, &problem), 0);
	ck_assert(secret_is_equal(secret_peek(first), secret_peek(second), LEDGER_KEY_BYTES));
	ck_assert_int_eq(stat(at(".spoolguard"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(at(".spoolguard/ledger.key"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_lt(access(at(".spoolguard/ledger.key.new"), F_OK), 0);
}
END_TEST

START_TEST(a_key_that_is_not_ours_is_refused)
{
	struct secret *key = NULL;

	make_directory("elsewhere", 0);
	ck_assert_int_eq(symlink(at("elsewhere"), at(".spoolguard")), 0);
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	ck_assert_int_eq(unlink(at(".spoolguard")), 0);
	make_file(".spoolguard", 0);
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	ck_assert_int_eq(unlink(at(".spoolguard")), 0);
	make_directory(".spoolguard", 0); /* 0755 */
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	ck_assert_int_eq(chmod(at(".spoolguard"), 0700), 0);
	make_file("target", 0);
	ck_assert_int_eq(symlink(at("target"), at(".spoolguard/ledger.key")), 0);
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	ck_assert_int_eq(unlink(at(".spoolguard/ledger.key")), 0);
	ck_assert_int_eq(mkfifo(at(".spoolguard/ledger.key"), 0600), 0);
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	ck_assert_int_eq(unlink(at(".spoolguard/ledger.key")), 0);
	make_file(".spoolguard/ledger.key", 0); /* too short */
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(problem.text, "ledger.key"));
	if (getuid() == 0) {
		ck_assert_int_eq(chown(at(".spoolguard/ledger.key"), USER, 0), 0);
		ck_assert_int_eq(ledger_key_get(top, &key, &problem), -EPERM);
	}
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(a_key_that_a_crash_left_half_made_is_made_again)
{
	struct secret *key = NULL;

	make_directory(".spoolguard", 0);
	ck_assert_int_eq(chmod(at(".spoolguard"), 0700), 0);
	make_file(".spoolguard/ledger.key.new", 0);
	ck_assert_int_eq(ledger_key_get(top, &key, &problem), 0);
	ck_assert_int_lt(access(at(".spoolguard/ledger.key.new"), F_OK), 0);
	secret_free(key);
	ck_assert_int_eq(ledger_key_get(at("nowhere"), &key, &problem), -ENOENT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		single_files_are_found_once,
		directories_are_walked_and_links_are_not_followed,
		beginnings_of_names_are_found,
		other_mounts_are_not_entered,
		a_users_job_reaches_no_file_of_others,
		what_was_looked_at_is_what_is_opened,
		what_is_done_with_is_not_looked_for,
		the_walk_ends,
		what_is_cleared_is_empty_and_stays,
		no_word_names_the_file,
		a_key_is_made_once,
		a_key_that_is_not_ours_is_refused,
		a_key_that_a_crash_left_half_made_is_made_again,
	};
	Suite *suite = suite_create("job_files");
	TCase *tcase = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
