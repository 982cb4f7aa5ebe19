/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - what systemd hears from us
 *
 * Goal: each message is what sd_notify(3) and systemd.service(5) ask for, to a path or an
 * abstract name; nobody who listens, or a listener that went away or does not read, is no
 * error; children inherit nothing; a watchdog that is somebody else's is not fed; a thread that
 * stands still is seen.
 */
#include "supervisor/notify.h"
#include "supervisor/pulse.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[] = "/tmp/spoolguard-notify.XXXXXX";
static char path[100];
static int listener;
static struct notify *notify;

static void listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 2};
	size_t length = strlen(name);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		0);
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setenv("NOTIFY_SOCKET", name, 1);
}

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/notify", directory);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	listener = -1;
	notify = NULL;
}

static void teardown(void)
{
	notify_free(notify);
	close(listener);
	unlink(path);
	rmdir(directory);
}

static const char *heard(void)
{
	static char text[1024];
	ssize_t n = recv(listener, text, sizeof(text) - 1, 0);

	ck_assert_msg(n >= 0, "nothing was heard: %s", strerror(errno));
	text[n] = '\0';
	return text;
}

static bool is_silent(void)
{
	char byte;

	return recv(listener, &byte, 1, MSG_DONTWAIT) < 0;
}

static void each_message(void)
{
	unsigned long long us = 0;
	char surplus;

	notify_ready(notify);
	ck_assert_str_eq(heard(), "READY=1");
	notify_status(notify, "DEGRADED: swap is not encrypted (+2 more)");
	ck_assert_str_eq(heard(), "STATUS=DEGRADED: swap is not encrypted (+2 more)");
	notify_reloading(notify);
	ck_assert_int_eq(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%llu%c", &us, &surplus), 1);
	ck_assert_uint_le(us, clock_monotonic_ns() / 1000);
	ck_assert_uint_gt(us, clock_monotonic_ns() / 1000 - 2000000);
	notify_extend(notify, 30000);
	ck_assert_str_eq(heard(), "EXTEND_TIMEOUT_USEC=30000000");
	notify_stopping(notify);
	ck_assert_str_eq(heard(), "STOPPING=1");
	ck_assert(is_silent());
}

START_TEST(messages_go_to_a_path)
{
	listen_at(path);
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert(notify_has_listener(notify));
	each_message();
}
END_TEST

START_TEST(messages_go_to_an_abstract_name)
{
	char name[64];

	snprintf(name, sizeof(name), "@spoolguard-test-%d", getpid());
	listen_at(name);
	ck_assert_int_eq(notify_new(&notify), 0);
	each_message();
}
END_TEST

START_TEST(a_status_is_one_line_whatever_it_says)
{
	char text[2000];

	listen_at(path);
	ck_assert_int_eq(notify_new(&notify), 0);
	notify_status(notify, "a\nREADY=1\x1b");
	ck_assert_str_eq(heard(), "STATUS=a\\x0aREADY=1\\x1b");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_status(notify, text);
	ck_assert_uint_lt(strlen(heard()), 600);
}
END_TEST

START_TEST(nobody_who_listens_is_no_error)
{
	static const char too_long[] =
		"/1234567890123456789012345678901234567890123456789012345678901234567890"
		"12345678901234567890123456789012345678901234567890";
	static const char *const names[] = {"", "relative", "@", "/nonexistent/socket", too_long};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		ck_assert_int_eq(notify_new(&notify), 0);
		notify_ready(notify);
		notify_status(notify, "x");
		notify_watchdog(notify);
		notify_free(notify);
	}
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert(!notify_has_listener(notify));
	ck_assert_uint_eq(notify_watchdog_ms(notify), 0);
	notify_stopping(notify);
}
END_TEST

START_TEST(a_listener_that_does_not_read_holds_nobody_up)
{
	listen_at(path);
	ck_assert_int_eq(notify_new(&notify), 0);
	for (int i = 0; i < 100000; i++)
		notify_status(notify, "again");
	close(listener);
	listener = -1;
	notify_status(notify, "and gone");
}
END_TEST

START_TEST(children_inherit_nothing)
{
	listen_at(path);
	setenv("WATCHDOG_USEC", "1000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
}
END_TEST

START_TEST(the_watchdog_is_fed_at_half_its_interval)
{
	listen_at(path);
	setenv("WATCHDOG_USEC", "30000000", 1);
	ck_assert_int_eq(notify_new(&notify), 0);
	ck_assert_uint_eq(notify_watchdog_ms(notify), 15000);
	notify_watchdog(notify);
	ck_assert_str_eq(heard(), "WATCHDOG=1");
}
END_TEST

START_TEST(anothers_watchdog_is_not_ours_to_feed)
{
	static const struct {
		const char *us, *pid;
	} others[] = {{"30000000", "1"}, {"", NULL}, {"x", NULL}, {"-5", NULL}, {"30 s", NULL}};

	listen_at(path);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		setenv("NOTIFY_SOCKET", path, 1);
		setenv("WATCHDOG_USEC", others[i].us, 1);
		if (others[i].pid)
			setenv("WATCHDOG_PID", others[i].pid, 1);
		ck_assert_int_eq(notify_new(&notify), 0);
		ck_assert_uint_eq(notify_watchdog_ms(notify), 0);
		notify_watchdog(notify);
		ck_assert(is_silent());
		notify_free(notify);
		notify = NULL;
	}
}
END_TEST

START_TEST(a_thread_that_stands_still_is_seen_and_one_that_rests_is_not)
{
	struct pulse pulse = {0};

	ck_assert(pulse_is_alive(&pulse)); /* not begun */
	pulse_beat(&pulse, 60000);
	ck_assert(pulse_is_alive(&pulse));
	pulse_beat(&pulse, 1);
	usleep(5000);
	ck_assert(!pulse_is_alive(&pulse));
	pulse_rest(&pulse);
	ck_assert(pulse_is_alive(&pulse));
	pulse_beat(&pulse, 60000);
	ck_assert(pulse_is_alive(&pulse));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = tcase_create("datagrams");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, messages_go_to_a_path);
	tcase_add_test(tcase, messages_go_to_an_abstract_name);
	tcase_add_test(tcase, a_status_is_one_line_whatever_it_says);
	tcase_add_test(tcase, nobody_who_listens_is_no_error);
	tcase_add_test(tcase, a_listener_that_does_not_read_holds_nobody_up);
	tcase_add_test(tcase, children_inherit_nothing);
	tcase_add_test(tcase, the_watchdog_is_fed_at_half_its_interval);
	tcase_add_test(tcase, anothers_watchdog_is_not_ours_to_feed);
	tcase_add_test(tcase, a_thread_that_stands_still_is_seen_and_one_that_rests_is_not);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
