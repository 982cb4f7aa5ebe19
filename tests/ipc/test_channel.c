/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel.c - messages over a socket whose other end does as it likes
 *
 * Goal: a peer that is slow, loud, rude or gone costs one bounded buffer and one
 * error, never a crash, a hang or another peer's message.
 * Method: the far end of a socketpair is written to byte by byte, in floods, and closed
 * at every place; signals without SA_RESTART fall on whoever waits.
 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/channel.h"
#include <check.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct channel *channel;
static int peer = -1;
static char directory[] = "/tmp/spoolguard-channel.XXXXXX";
static char path[64];

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(channel_new(fds[0], &channel), 0);
	peer = fds[1];
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
}

static void teardown(void)
{
	channel_free(channel);
	channel = NULL;
	if (peer >= 0)
		close(peer);
	peer = -1;
	unlink(path);
	rmdir(directory);
}

static void hang_up(void)
{
	close(peer);
	peer = -1;
}

static void say(const char *text, size_t bytes)
{
	ck_assert_int_eq(io_write(peer, text, bytes), 0);
}

static int hear(int timeout_ms, struct message *message)
{
	return channel_receive(channel, timeout_ms, message);
}

static void assert_hears(const char *method)
{
	struct message message;

	ck_assert_int_eq(hear(5000, &message), 0);
	ck_assert_str_eq(message.method, method);
	message_done(&message);
}

/* --- in pieces, in heaps --- */

START_TEST(what_is_sent_arrives)
{
	struct channel *other;
	struct message message;
	char *text;

	ck_assert_int_eq(channel_new(peer, &other), 0);
	peer = -1;
	ck_assert_int_eq(message_encode_call("a.B", NULL, &text), 0);
	ck_assert_int_eq(channel_send(other, text), 0);
	free(text);
	assert_hears("a.B");
	channel_free(other);
	ck_assert_int_eq(hear(5000, &message), -ECONNRESET);
}
END_TEST

START_TEST(a_message_that_comes_byte_by_byte_is_one_message)
{
	static const char text[] = "{\"method\":\"slow.One\"}";
	struct message message;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		say(&text[i], 1);
		ck_assert_int_eq(hear(0, &message), -ETIMEDOUT);
	}
	say("", 1);
	assert_hears("slow.One");
}
END_TEST

START_TEST(messages_that_come_together_are_taken_one_by_one)
{
	static const char text[] = "{\"method\":\"one\"}\0{\"method\":\"two\"}\0{\"method\":";

	say(text, sizeof(text) - 1);
	assert_hears("one");
	assert_hears("two");
	say("\"three\"}", 9);
	assert_hears("three");
}
END_TEST

START_TEST(a_bad_message_does_not_take_the_next_one_with_it)
{
	static const char text[] = "no json\0\0{\"method\":\"good\"}";
	struct message message;

	say(text, sizeof(text));
	ck_assert_int_eq(hear(5000, &message), -EBADMSG);
	ck_assert_int_eq(hear(5000, &message), -EBADMSG); /* the empty one */
	assert_hears("good");
}
END_TEST

/* --- floods --- */

struct flood {
	pthread_t thread;
	int fd;
	atomic_size_t bytes;
	char byte;
};

static void *pour(void *argument)
{
	struct flood *flood = argument;
	char buf[65536];

	memset(buf, flood->byte, sizeof(buf));
	while (flood->bytes > 0) {
		size_t now = flood->bytes < sizeof(buf) ? flood->bytes : sizeof(buf);
		ssize_t n = send(flood->fd, buf, now, MSG_NOSIGNAL);

		if (n < 0)
			break;
		flood->bytes -= (size_t)n;
	}
	return NULL;
}

static void start_flood(struct flood *flood, size_t bytes, char byte)
{
	*flood = (struct flood){.fd = peer, .bytes = bytes, .byte = byte};
	ck_assert_int_eq(pthread_create(&flood->thread, NULL, pour, flood), 0);
}

START_TEST(a_flood_without_an_end_is_cut_off_and_costs_one_buffer)
{
	struct message message;
	struct flood flood;
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, after;

	start_flood(&flood, 64u << 20, 'x');
	ck_assert_int_eq(hear(20000, &message), -EMSGSIZE);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	ck_assert_uint_le(after - before, MESSAGE_BYTES_MAX + 65536);
	ck_assert_int_eq(hear(20000, &message), -EMSGSIZE); /* and stays cut off */
	channel_free(channel);
	channel = NULL;
	pthread_join(flood.thread, NULL);
	ck_assert_uint_gt(flood.bytes, 0);
}
END_TEST

START_TEST(the_longest_message_arrives_and_its_buffer_is_given_back)
{
	static const char head[] = "{\"method\":\"", tail[] = "\"}";
	const size_t filling = MESSAGE_BYTES_MAX - sizeof(head) + 1 - sizeof(tail) + 1;
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	struct message message;
	struct flood flood;

	say(head, sizeof(head) - 1);
	start_flood(&flood, filling, 'm');
	do /* on a slow machine it takes many turns until all of it has been taken in */
		ck_assert_int_eq(hear(100, &message), -ETIMEDOUT);
	while (flood.bytes > 0);
	pthread_join(flood.thread, NULL);
	say(tail, sizeof(tail));
	ck_assert_int_eq(hear(20000, &message), 0);
	ck_assert_uint_eq(strlen(message.method), filling);
	message_done(&message);
	ck_assert_uint_le(mallinfo2().uordblks + mallinfo2().hblkhd - before, 65536);
}
END_TEST

START_TEST(a_flood_of_empty_messages_is_answered_one_by_one)
{
	struct message message;
	struct flood flood;
	uint64_t start = clock_monotonic_ns();

	start_flood(&flood, 1u << 18, '\0');
	for (size_t i = 0; i < 1u << 18; i++)
		ck_assert_int_eq(hear(20000, &message), -EBADMSG);
	pthread_join(flood.thread, NULL);
	ck_assert_int_eq(hear(0, &message), -ETIMEDOUT);
	ck_assert_uint_lt(clock_monotonic_ns() - start, 30000000000u); /* not quadratic */
}
END_TEST

/* --- gone, interrupted --- */

START_TEST(a_peer_that_goes_away_is_told_at_every_place)
{
	static const char text[] = "{\"method\":\"x\"}";
	struct message message;

	for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++) {
		teardown();
		setup();
		say(text, bytes);
		hang_up();
		ck_assert_int_eq(hear(5000, &message), -ECONNRESET);
	}
}
END_TEST

START_TEST(sending_to_nobody_is_an_error_and_no_signal)
{
	hang_up();
	ck_assert_int_eq(channel_send(channel, "{}"), -ECONNRESET);
}
END_TEST

START_TEST(a_call_that_is_never_answered_ends_with_the_peer)
{
	struct message message = {.object = NULL};

	shutdown(peer, SHUT_WR);
	ck_assert_int_eq(channel_call(channel, "a.B", NULL, &message), -ECONNRESET);
}
END_TEST

static void ignore(int number)
{
	(void)number;
}

struct waiter {
	pthread_t thread;
	int result;
};

static void *wait_for_message(void *argument)
{
	struct waiter *waiter = argument;
	struct message message;

	waiter->result = hear(10000, &message);
	if (waiter->result >= 0)
		message_done(&message);
	return NULL;
}

START_TEST(signals_do_not_disturb_a_receiver)
{
	struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */
	struct waiter waiter;

	sigaction(SIGUSR1, &action, NULL);
	ck_assert_int_eq(pthread_create(&waiter.thread, NULL, wait_for_message, &waiter), 0);
	for (unsigned int i = 0; i < 50; i++) {
		usleep(1000);
		pthread_kill(waiter.thread, SIGUSR1);
	}
	say("{}", 3);
	pthread_join(waiter.thread, NULL);
	ck_assert_int_eq(waiter.result, 0);
}
END_TEST

START_TEST(a_timeout_is_kept_in_spite_of_signals)
{
	struct sigaction action = {.sa_handler = ignore};
	uint64_t start = clock_monotonic_ns();
	struct message message;

	sigaction(SIGALRM, &action, NULL);
	ualarm(5000, 5000);
	ck_assert_int_eq(hear(100, &message), -ETIMEDOUT);
	ualarm(0, 0);
	ck_assert_uint_ge(clock_monotonic_ns() - start, 95000000u);
	ck_assert_uint_lt(clock_monotonic_ns() - start, 5000000000u);
}
END_TEST

/* --- sockets with names --- */

START_TEST(a_listening_socket_is_its_owners_alone)
{
	struct channel *client, *server;
	struct stat st;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int fd;

	umask(0);
	ck_assert_int_eq(channel_listen(path, &fd), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(umask(022), 0); /* the mask was put back */
	ck_assert_int_eq(channel_connect(path, &client), 0);
	ck_assert_int_eq(channel_new(accept(fd, NULL, NULL), &server), 0);
	ck_assert_int_eq(channel_peer(server, &uid, &gid, &pid), 0);
	ck_assert_uint_eq(uid, getuid());
	ck_assert_uint_eq(gid, getgid());
	ck_assert_int_eq(pid, getpid());
	channel_free(client);
	channel_free(server);
	close(fd);
}
END_TEST

START_TEST(a_dead_socket_is_replaced_and_a_live_one_is_not)
{
	struct channel *client;
	int first, second = -1;

	ck_assert_int_eq(channel_listen(path, &first), 0);
	ck_assert_int_eq(channel_listen(path, &second), -EADDRINUSE);
	ck_assert_int_eq(second, -1);
	ck_assert_int_eq(channel_connect(path, &client), 0); /* the live one still listens */
	channel_free(client);
	close(first); /* as a crash does: the name stays */
	ck_assert_int_eq(channel_connect(path, &client), -ECONNREFUSED);
	ck_assert_int_eq(channel_listen(path, &second), 0);
	ck_assert_int_eq(channel_connect(path, &client), 0);
	channel_free(client);
	close(second);
}
END_TEST

START_TEST(a_file_in_the_sockets_place_is_left_alone)
{
	FILE *file = fopen(path, "w");
	int fd = -1;

	ck_assert_ptr_nonnull(file);
	fclose(file);
	ck_assert_int_eq(channel_listen(path, &fd), -EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_name_that_is_too_long_or_absent_is_an_error)
{
	struct channel *client;
	char name[200];
	int fd;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(channel_listen(name, &fd), -ENAMETOOLONG);
	ck_assert_int_eq(channel_connect(name, &client), -ENAMETOOLONG);
	ck_assert_int_eq(channel_connect(path, &client), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tcase = tcase_create("peers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_is_sent_arrives);
	tcase_add_test(tcase, a_message_that_comes_byte_by_byte_is_one_message);
	tcase_add_test(tcase, messages_that_come_together_are_taken_one_by_one);
	tcase_add_test(tcase, a_bad_message_does_not_take_the_next_one_with_it);
	tcase_add_test(tcase, a_flood_without_an_end_is_cut_off_and_costs_one_buffer);
	tcase_add_test(tcase, the_longest_message_arrives_and_its_buffer_is_given_back);
	tcase_add_test(tcase, a_flood_of_empty_messages_is_answered_one_by_one);
	tcase_add_test(tcase, a_peer_that_goes_away_is_told_at_every_place);
	tcase_add_test(tcase, sending_to_nobody_is_an_error_and_no_signal);
	tcase_add_test(tcase, a_call_that_is_never_answered_ends_with_the_peer);
	tcase_add_test(tcase, signals_do_not_disturb_a_receiver);
	tcase_add_test(tcase, a_timeout_is_kept_in_spite_of_signals);
	tcase_add_test(tcase, a_listening_socket_is_its_owners_alone);
	tcase_add_test(tcase, a_dead_socket_is_replaced_and_a_live_one_is_not);
	tcase_add_test(tcase, a_file_in_the_sockets_place_is_left_alone);
	tcase_add_test(tcase, a_name_that_is_too_long_or_absent_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
