/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_durable.c - small files that are replaced whole
 *
 * Goal: a reader finds the new text or the old one, also after a failure; nothing is left over.
 * Method: real files below the scratch directory.
 */
#include "base/durable.h"
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

static char path[PATH_MAX], fresh[PATH_MAX], buf[64];

static void setup(void)
{
	scratch_make();
	snprintf(path, sizeof(path), "%s/file", scratch_path());
	snprintf(fresh, sizeof(fresh), "%s/file.new", scratch_path());
}

static void teardown(void)
{
	scratch_remove();
}

START_TEST(what_was_written_last_is_read)
{
	struct stat st;

	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(durable_write(path, "one, and a long one\n"), 0);
	ck_assert_int_eq(durable_write(path, "two\n"), 0);
	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "two\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_lt(access(fresh, F_OK), 0);
	ck_assert_int_eq(durable_remove(path), 0);
	ck_assert_int_eq(durable_remove(path), 0);
	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), -ENOENT);
}
END_TEST

START_TEST(a_write_that_fails_leaves_what_was_there)
{
	ck_assert_int_eq(durable_write(path, "before"), 0);
	ck_assert_int_eq(mkdir(fresh, 0700), 0);
	ck_assert_int_eq(durable_write(path, "after"), -EISDIR);
	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "before");
	rmdir(fresh);
	ck_assert_int_eq(durable_write("/nonexistent/file", "x"), -ENOENT);
}
END_TEST

START_TEST(a_link_is_not_followed_nor_a_text_with_a_nul_believed)
{
	int fd;

	ck_assert_int_eq(symlink("elsewhere", fresh), 0);
	ck_assert_int_eq(durable_write(path, "x"), -ELOOP);
	unlink(fresh);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), -ELOOP);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "a\0b", 3), 3);
	close(fd);
	ck_assert_int_eq(durable_read(path, buf, sizeof(buf)), -EBADMSG);
	ck_assert_int_eq(durable_read(path, buf, 3), -EFBIG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("durable");
	TCase *tc = tcase_create("durable");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_written_last_is_read);
	tcase_add_test(tc, a_write_that_fails_leaves_what_was_there);
	tcase_add_test(tc, a_link_is_not_followed_nor_a_text_with_a_nul_believed);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
