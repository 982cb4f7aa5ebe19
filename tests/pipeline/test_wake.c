/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_wake.c - the socket at which the notifier says that a job has ended
 *
 * Goal: the notifier's group may write to it and others may not; whatever arrives is taken in
 * bounded time; a socket that somebody removed is made again, one that is alive is not taken.
 * Method: senders in this process and in children of other users.
 */
#include "base/io.h"
#include "pipeline/wake.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SENDER	 12345
#define STRANGER 54321

static char directory[80], path[100];
static struct wake *wake;
static struct problem problem;
static int ids[WAKE_DRAIN_MAX];
static size_t count;
static bool woken;

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(scratch_path(), 0711), 0);
	ck_assert_int_eq(chmod(directory, 0711), 0);
	snprintf(path, sizeof(path), "%s/" WAKE_FILE_NAME, directory);
	ck_assert_int_eq(wake_open(path, SENDER, &wake, &problem), 0);
}

static void teardown(void)
{
	wake_close(wake);
	wake = NULL;
}

static int send_text(const char *text, size_t bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	strcpy(address.sun_path, path);
	if (sendto(fd, text, bytes, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void tell(const char *text)
{
	ck_assert_int_eq(send_text(text, strlen(text)), 0);
}

static void drain(void)
{
	ck_assert_int_eq(wake_drain(wake, ids, &count, &woken), 0);
}

START_TEST(numbers_arrive_in_order)
{
	drain();
	ck_assert(!woken);
	tell("7");
	tell("123456789");
	tell("7");
	drain();
	ck_assert(woken);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(ids[0], 7);
	ck_assert_int_eq(ids[1], 123456789);
	ck_assert_int_eq(ids[2], 7);
	drain();
	ck_assert(!woken);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(what_is_no_number_is_a_hint_without_one)
{
	static const char *const noise[] = {"0", "-1", "+1", "1 ", " 1", "1\n", "x", "12x",
		"1234567890", "99999999999999999999999999999999999999999"};

	for (size_t i = 0; i < ARRAY_SIZE(noise); i++) {
		tell(noise[i]);
		drain();
		ck_assert(woken);
		ck_assert_uint_eq(count, 0);
	}
	ck_assert_int_eq(send_text("", 0), 0);
	ck_assert_int_eq(send_text("1\0002", 3), 0);
	drain();
	ck_assert(woken);
	ck_assert_uint_eq(count, 0);
}
END_TEST

/* As this user and group, without others. */
static int send_as(uid_t uid, gid_t gid)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
			_exit(99);
		_exit(-send_text("1", 1));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

START_TEST(the_senders_group_may_write_and_nobody_else)
{
	if (getuid() != 0)
		return;
	ck_assert_int_eq(send_as(STRANGER, SENDER), 0);
	ck_assert_int_eq(send_as(STRANGER, STRANGER), -EACCES);
	drain();
	ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(a_full_queue_costs_the_sender_nothing)
{
	int sent = 0;

	while (send_text("5", 1) == 0 && sent < 100000)
		sent++;
	ck_assert_int_lt(sent, 100000);
	drain();
	ck_assert_int_eq((int)count, sent);
}
END_TEST

START_TEST(a_socket_that_was_removed_is_made_again)
{
	int before = wake_fd(wake);

	ck_assert_int_eq(wake_renew(wake, &problem), 0);
	ck_assert_int_eq(wake_fd(wake), before);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(send_text("5", 1), -ENOENT);
	ck_assert_int_eq(wake_renew(wake, &problem), 0);
	tell("5");
	drain();
	ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(a_live_socket_is_left_alone_and_a_dead_one_replaced)
{
	struct wake *other;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	ck_assert_int_eq(wake_open(path, SENDER, &other, &problem), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(problem.text, "another spoolguardd"));
	tell("5");
	drain();
	ck_assert_uint_eq(count, 1);
	wake_close(wake);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* its name stays */
	ck_assert_int_eq(wake_open(path, SENDER, &wake, &problem), 0);
	tell("5");
}
END_TEST

START_TEST(a_file_in_its_place_is_not_removed)
{
	FILE *file;
	struct stat st;

	wake_close(wake);
	wake = NULL;
	file = fopen(path, "w");
	fclose(file);
	ck_assert_int_eq(wake_open(path, SENDER, &wake, &problem), -EEXIST);
	ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(closing_removes_the_name_only_if_it_is_ours)
{
	struct stat st;
	FILE *file;

	wake_close(wake);
	ck_assert_int_lt(stat(path, &st), 0);
	ck_assert_int_eq(wake_open(path, SENDER, &wake, &problem), 0);
	ck_assert_int_eq(unlink(path), 0);
	file = fopen(path, "w");
	fclose(file);
	wake_close(wake);
	wake = NULL;
	ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(a_path_becomes_a_uri_or_is_refused)
{
	char uri[WAKE_URI_BYTES], longer[200];

	ck_assert_int_eq(wake_uri(WAKE_PATH, uri), 0);
	ck_assert_str_eq(uri, "spoolguard:///run/cups/spoolguard.wake");
	ck_assert_int_eq(wake_uri("run/cups", uri), -EINVAL);
	ck_assert_int_eq(wake_uri("/run/cups?x", uri), -EINVAL);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(wake_uri(longer, uri), -ENAMETOOLONG);
	ck_assert_int_eq(
		wake_open("/run/other.name", SENDER, &(struct wake *){0}, &problem), -EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("wake");
	TCase *tc = tcase_create("wake");

	tcase_add_unchecked_fixture(tc, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, numbers_arrive_in_order);
	tcase_add_test(tc, what_is_no_number_is_a_hint_without_one);
	tcase_add_test(tc, the_senders_group_may_write_and_nobody_else);
	tcase_add_test(tc, a_full_queue_costs_the_sender_nothing);
	tcase_add_test(tc, a_socket_that_was_removed_is_made_again);
	tcase_add_test(tc, a_live_socket_is_left_alone_and_a_dead_one_replaced);
	tcase_add_test(tc, a_file_in_its_place_is_not_removed);
	tcase_add_test(tc, closing_removes_the_name_only_if_it_is_ours);
	tcase_add_test(tc, a_path_becomes_a_uri_or_is_refused);
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
