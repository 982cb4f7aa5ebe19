/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cups_nonsense.c - a cupsd that answers badly, late, too much or not at all
 *
 * Goal: whatever the other end does, a question costs a bounded time and one clear error.
 * Method: a thread that listens where cupsd would, and answers as each test tells it.
 */
#include "base/clock.h"
#include "base/io.h"
#include "pipeline/cups_server.h"
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_MS    600u
#define REQUEST_BYTES 4096u
#define SLACK_MS      1500u /* of a machine with other things to do */

static char directory[] = "/var/tmp/spoolguard-cups.XXXXXX";
static char path[64];
static int listen_fd = -1;
static atomic_bool ending;
static pthread_t thread;
static void (*answer)(int fd, const uint8_t request_id[4]);
static struct cups_server *server;
static struct problem problem;

/* --- the other end --- */

static bool say(int fd, const void *data, size_t bytes)
{
	return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes && !atomic_load(&ending);
}

static bool say_text(int fd, const char *text)
{
	return say(fd, text, strlen(text));
}

/* The request comes in one or two pieces; its id lies in the eight bytes behind the header. */
static bool hear_request(int fd, uint8_t request_id[4])
{
	static uint8_t buf[REQUEST_BYTES];
	size_t got = 0;

	while (got < sizeof(buf)) {
		ssize_t n = recv(fd, buf + got, sizeof(buf) - got, 0);
		const uint8_t *body;

		if (n <= 0)
			return false;
		got += (size_t)n;
		body = memmem(buf, got, "\r\n\r\n", 4);
		if (body && (size_t)(buf + got - body) >= 4 + 8) {
			memcpy(request_id, body + 4 + 4, 4);
			return true;
		}
	}
	return false;
}

static void *serve(void *unused)
{
	(void)unused;
	while (!atomic_load(&ending)) {
		struct pollfd poll_fd = {.fd = listen_fd, .events = POLLIN};
		struct timeval patience = {.tv_sec = 2};
		uint8_t request_id[4];
		int fd;

		if (poll(&poll_fd, 1, 50) <= 0)
			continue;
		fd = accept(listen_fd, NULL, NULL);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (hear_request(fd, request_id))
			answer(fd, request_id);
		close(fd);
	}
	return NULL;
}

static void setup(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/cups.sock", directory);
	strcpy(address.sun_path, path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listen_fd, 8), 0);
	atomic_store(&ending, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	ck_assert_int_eq(cups_server_new(path, TIMEOUT_MS, &server, &problem), 0);
}

static void teardown(void)
{
	cups_server_free(server);
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
	close(listen_fd);
	unlink(path);
	rmdir(directory);
}

/* --- what is expected --- */

static void expect(int error, const char *words)
{
	struct cups_job_list list;
	uint64_t began = clock_monotonic_ns();
	int r = cups_server_list_jobs(server, CUPS_JOBS_ALL, &list, &problem);
	uint64_t took_ms = (clock_monotonic_ns() - began) / 1000000u;

	ck_assert_msg(r == error, "%d (%s) instead of %d", r, problem_text(&problem, r), error);
	ck_assert_uint_le(took_ms, TIMEOUT_MS + SLACK_MS);
	ck_assert_msg(strstr(problem.text, words), "%s", problem.text);
	ck_assert_msg(strstr(problem.text, path), "%s", problem.text);
}

#define OK_HEADER "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\n"

/* --- no HTTP --- */

static void answer_noise(int fd, const uint8_t request_id[4])
{
	uint8_t noise[4096];

	(void)request_id;
	srand(7);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)rand();
	memcpy(noise + sizeof(noise) - 4, "\r\n\r\n", 4);
	say(fd, noise, sizeof(noise));
}

START_TEST(noise_is_no_answer)
{
	answer = answer_noise;
	expect(-EPROTO, "makes no sense");
}
END_TEST

static void answer_nothing(int fd, const uint8_t request_id[4])
{
	(void)fd, (void)request_id;
}

START_TEST(one_who_hangs_up_is_not_there)
{
	answer = answer_nothing;
	expect(-ECONNREFUSED, "does not run");
}
END_TEST

static void answer_never(int fd, const uint8_t request_id[4])
{
	(void)fd, (void)request_id;
	while (!atomic_load(&ending))
		usleep(10000);
}

START_TEST(one_who_says_nothing_is_late)
{
	answer = answer_never;
	expect(-ETIMEDOUT, "did not answer");
}
END_TEST

static void answer_slow_header(int fd, const uint8_t request_id[4])
{
	(void)request_id;
	say_text(fd, "HTTP/1.1 200 OK\r\n");
	while (say_text(fd, "X"))
		usleep(20000);
}

START_TEST(a_header_that_comes_byte_by_byte_is_late)
{
	answer = answer_slow_header;
	expect(-ETIMEDOUT, "did not answer");
}
END_TEST

static void answer_endless_header(int fd, const uint8_t request_id[4])
{
	(void)request_id;
	while (say_text(fd, "X-Nonsense: nonsense and more nonsense\r\n"))
		;
}

START_TEST(a_header_without_an_end_is_no_answer)
{
	struct cups_job_list list;
	int r;

	answer = answer_endless_header;
	r = cups_server_list_jobs(server, CUPS_JOBS_ALL, &list, &problem);
	/* The kernel may hold fewer pieces than make a header too long. */
	ck_assert(r == -EPROTO || r == -ETIMEDOUT);
}
END_TEST

/* --- HTTP that is not what was asked for --- */

static const char *status_line;

static void answer_status(int fd, const uint8_t request_id[4])
{
	char text[256];

	(void)request_id;
	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status_line);
	say_text(fd, text);
}

START_TEST(a_refusal_is_told_from_nonsense)
{
	answer = answer_status;
	status_line = "403 Forbidden";
	expect(-EACCES, "refused");
	status_line = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"";
	expect(-EACCES, "refused");
	status_line = "401 Unauthorized\r\nWWW-Authenticate: PeerCred";
	expect(-EACCES, "refused");
	status_line = "426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade";
	expect(-EACCES, "refused");
	status_line = "503 Service Unavailable";
	expect(-EAGAIN, "too much to do");
	status_line = "404 Not Found";
	expect(-EPROTO, "makes no sense");
	status_line = "302 Found\r\nLocation: /";
	expect(-EPROTO, "makes no sense");
}
END_TEST

static void answer_page(int fd, const uint8_t request_id[4])
{
	(void)request_id;
	say_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n"
		     "<html><body>It works!</body></html>     ");
}

START_TEST(a_web_page_is_no_answer)
{
	answer = answer_page;
	expect(-EPROTO, "makes no sense");
}
END_TEST

/* --- IPP that is not what was asked for --- */

static const uint8_t *ipp_groups;
static size_t ipp_groups_bytes;
static int ipp_request_id_error;

/* 2.0, successful-ok, the request's id, and ipp_groups. */
static void answer_ipp(int fd, const uint8_t request_id[4])
{
	uint8_t head[8] = {2, 0, 0, 0};
	char header[256];

	memcpy(head + 4, request_id, 4);
	head[7] = (uint8_t)(head[7] + ipp_request_id_error);
	snprintf(header, sizeof(header), OK_HEADER "Content-Length: %zu\r\n\r\n",
		sizeof(head) + ipp_groups_bytes);
	if (say_text(fd, header) && say(fd, head, sizeof(head)))
		say(fd, ipp_groups, ipp_groups_bytes);
}

#define CHARSET                                                                                    \
	"\x01\x47\x00\x12"                                                                         \
	"attributes-charset\x00\x05utf-8\x48\x00\x1b"                                              \
	"attributes-natural-language\x00\x02"                                                      \
	"en"
#define JOB_ID(bytes)	 "\x21\x00\x06job-id\x00\x04" bytes
#define JOB_STATE(bytes) "\x23\x00\x09job-state\x00\x04" bytes
#define END_OF_GROUPS	 "\x03"

static void set_ipp(const char *groups, size_t bytes)
{
	answer = answer_ipp;
	ipp_groups = (const uint8_t *)groups;
	ipp_groups_bytes = bytes;
}
#define SET_IPP(text) set_ipp(text, sizeof(text) - 1)

START_TEST(a_sound_answer_is_taken)
{
	struct cups_job_list list;

	SET_IPP(CHARSET "\x02" JOB_ID("\0\0\0\7") JOB_STATE("\0\0\0\x09") "\x02" JOB_STATE(
		"\0\0\0\4") JOB_ID("\0\0\0\3") END_OF_GROUPS);
	ck_assert_int_eq(cups_server_list_jobs(server, CUPS_JOBS_ALL, &list, &problem), 0);
	ck_assert_uint_eq(list.count, 2);
	ck_assert_int_eq(list.jobs[0].id, 3);
	ck_assert_int_eq(list.jobs[0].state, CUPS_JOB_HELD);
	ck_assert_int_eq(list.jobs[1].id, 7);
	cups_job_list_done(&list);
}
END_TEST

static void answer_in_pieces(int fd, const uint8_t request_id[4])
{
	uint8_t head[8] = {2, 0, 0, 0};

	memcpy(head + 4, request_id, 4);
	say_text(fd, "HTTP/1.1 200 OK\r\nContent-");
	usleep(30000);
	say_text(fd, "Type: application/ipp\r\nContent-Length: 9\r");
	usleep(50000);
	say_text(fd, "\n\r");
	usleep(50000);
	say_text(fd, "\n");
	usleep(30000);
	say(fd, head, 3);
	usleep(30000);
	say(fd, head + 3, 5);
	say_text(fd, END_OF_GROUPS);
}

START_TEST(an_answer_that_comes_in_pieces_is_taken)
{
	struct cups_job_list list;
	int r;

	answer = answer_in_pieces;
	r = cups_server_list_jobs(server, CUPS_JOBS_ALL, &list, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(an_answer_to_another_question_is_none)
{
	SET_IPP(CHARSET END_OF_GROUPS);
	ipp_request_id_error = 1;
	expect(-EPROTO, "makes no sense");
	ipp_request_id_error = 0;
}
END_TEST

START_TEST(a_job_that_cannot_be_is_no_answer)
{
	SET_IPP(CHARSET "\x02" JOB_ID("\0\0\0\0") JOB_STATE("\0\0\0\x09") END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
	SET_IPP(CHARSET "\x02" JOB_ID("\xff\xff\xff\xff") JOB_STATE("\0\0\0\x09") END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
	SET_IPP(CHARSET "\x02" JOB_ID("\0\0\0\7") JOB_STATE("\0\0\1\0") END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
	SET_IPP(CHARSET "\x02" JOB_STATE("\0\0\0\x09") END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
	SET_IPP(CHARSET "\x02" JOB_ID("\0\0\0\7") END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
	SET_IPP(CHARSET "\x02"
			"\x42\x00\x06job-id\x00\x01"
			"7" END_OF_GROUPS);
	expect(-EPROTO, "makes no sense");
}
END_TEST

START_TEST(an_answer_that_breaks_off_is_none)
{
	static const char whole[] =
		CHARSET "\x02" JOB_ID("\0\0\0\7") JOB_STATE("\0\0\0\x09") END_OF_GROUPS;

	for (size_t bytes = 0; bytes < sizeof(whole) - 1; bytes += 7) {
		set_ipp(whole, bytes);
		expect(-EPROTO, "makes no sense");
	}
}
END_TEST

static void answer_slow_body(int fd, const uint8_t request_id[4])
{
	uint8_t head[8] = {2, 0, 0, 0};

	memcpy(head + 4, request_id, 4);
	say_text(fd, OK_HEADER "Content-Length: 100000\r\n\r\n");
	say(fd, head, sizeof(head));
	say(fd, CHARSET, sizeof(CHARSET) - 1);
	while (say(fd, "\x02" JOB_ID("\0\0\0\7"), 1 + 3 + 6 + 2 + 4))
		usleep(20000);
}

START_TEST(a_body_that_comes_slowly_is_late)
{
	answer = answer_slow_body;
	expect(-ETIMEDOUT, "did not answer");
}
END_TEST

static void answer_large(int fd, const uint8_t request_id[4])
{
	static const char job[] = "\x02" JOB_ID("\0\0\0\7") JOB_STATE("\0\0\0\x09");
	static uint8_t all[200000];
	uint8_t *at = all + sprintf((char *)all, OK_HEADER "Content-Length: %zu\r\n\r\n",
				    8 + 3000 * (sizeof(job) - 1) + 1);

	memcpy(at, (const uint8_t[]){2, 0, 0, 0}, 4);
	memcpy(at + 4, request_id, 4);
	at += 8;
	for (int i = 0; i < 3000; i++, at += sizeof(job) - 1)
		memcpy(at, job, sizeof(job) - 1);
	*at++ = 3;
	say(fd, all, (size_t)(at - all));
}

START_TEST(a_large_answer_in_one_piece_is_taken)
{
	struct cups_job_list list;
	int r;

	answer = answer_large;
	r = cups_server_list_jobs(server, CUPS_JOBS_WAITING, &list, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_uint_eq(list.count, 1); /* all have one id */
	cups_job_list_done(&list);
}
END_TEST

static void answer_endless_body(int fd, const uint8_t request_id[4])
{
	static const char chunk[] = "12\r\n\x02"
				    "\x21\x00\x06job-id\x00\x04\0\0\0\7\r\n";
	uint8_t head[8] = {2, 0, 0, 0};

	memcpy(head + 4, request_id, 4);
	say_text(fd, OK_HEADER "Transfer-Encoding: chunked\r\n\r\n8\r\n");
	say(fd, head, sizeof(head));
	say_text(fd, "\r\n");
	while (say(fd, chunk, sizeof(chunk) - 1))
		;
}

START_TEST(a_body_without_an_end_is_no_answer)
{
	struct cups_job_list list;
	int r;

	answer = answer_endless_body;
	r = cups_server_list_jobs(server, CUPS_JOBS_ALL, &list, &problem);
	ck_assert(r == -EPROTO || r == -ETIMEDOUT);
}
END_TEST

/* Each value of a collection is a collection. */
START_TEST(collections_in_collections_are_no_answer)
{
	static char nested[200000];
	size_t at = sizeof(CHARSET) - 1;
	static const char begin[] = "\x34\0\1x\0\0\x4a\0\0\0\1y";

	memcpy(nested, CHARSET "\x02", at + 1);
	at++;
	while (at + sizeof(begin) < sizeof(nested)) {
		memcpy(nested + at, begin, sizeof(begin) - 1);
		at += sizeof(begin) - 1;
	}
	set_ipp(nested, at);
	expect(-EPROTO, "makes no sense");
}
END_TEST

/* --- addresses --- */

START_TEST(an_address_that_is_none_is_refused)
{
	static const char *const bad[] = {
		"", "cups", "host:", ":631", "host:0", "host:65536", "host:631x", "host:-1"};
	struct cups_server *other;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(cups_server_new(bad[i], 100, &other, &problem), -EINVAL);
}
END_TEST

START_TEST(nobody_there_is_said_at_once)
{
	struct cups_server *other;
	uint64_t began = clock_monotonic_ns();

	ck_assert_int_eq(cups_server_new("/nonexistent/cups.sock", 60000, &other, &problem), 0);
	ck_assert_int_eq(cups_server_ping(other, &problem), -ECONNREFUSED);
	cups_server_free(other);
	ck_assert_int_eq(cups_server_new("127.0.0.1:1", 60000, &other, &problem), 0);
	ck_assert_int_eq(cups_server_ping(other, &problem), -ECONNREFUSED);
	cups_server_free(other);
	ck_assert_uint_le((clock_monotonic_ns() - began) / 1000000u, 5000);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cups_nonsense");
	TCase *tc = tcase_create("peer");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, noise_is_no_answer);
	tcase_add_test(tc, one_who_hangs_up_is_not_there);
	tcase_add_test(tc, one_who_says_nothing_is_late);
	tcase_add_test(tc, a_header_that_comes_byte_by_byte_is_late);
	tcase_add_test(tc, a_header_without_an_end_is_no_answer);
	tcase_add_test(tc, a_refusal_is_told_from_nonsense);
	tcase_add_test(tc, a_web_page_is_no_answer);
	tcase_add_test(tc, a_sound_answer_is_taken);
	tcase_add_test(tc, an_answer_that_comes_in_pieces_is_taken);
	tcase_add_test(tc, a_large_answer_in_one_piece_is_taken);
	tcase_add_test(tc, an_answer_to_another_question_is_none);
	tcase_add_test(tc, a_job_that_cannot_be_is_no_answer);
	tcase_add_test(tc, an_answer_that_breaks_off_is_none);
	tcase_add_test(tc, a_body_that_comes_slowly_is_late);
	tcase_add_test(tc, a_body_without_an_end_is_no_answer);
	tcase_add_test(tc, collections_in_collections_are_no_answer);
	suite_add_tcase(s, tc);

	tc = tcase_create("address");
	tcase_add_test(tc, an_address_that_is_none_is_refused);
	tcase_add_test(tc, nobody_there_is_said_at_once);
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
