/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exporter.c - the audit log is handed on, whatever becomes of who takes it
 *
 * Goal: E1 to E4 of exporter.h: every record once and in order while nobody dies; none missing, and
 * none out of order but for those that come again, when the receiver or the exporter does.
 * Method: a log is written as files; a socket of ours is the receiver: away, slow, closed with
 * unread datagrams, back.  The exporter is killed in a process of its own.
 */
#include "audit/log_format.h"
#include "base/durable.h"
#include "supervisor/exporter.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS      30000
#define RECORDS_MAX   4096
#define MESSAGE_BYTES 65536

static char directory[] = "/tmp/spoolguard-exporter.XXXXXX";
static char socket_path[200], file_path[200];
static _Atomic uint64_t durable; /* what the log calls durable */
static uint64_t written;
static int receiver = -1;
static uint64_t seen[2 * RECORDS_MAX]; /* as they arrived */
static size_t seen_count;
static struct exporter *exporter;

/* --- a log --- */

static void path_of(const char *name, char path[static 200])
{
	snprintf(path, 200, "%s/%s", directory, name);
}

static void begin_log(const char *uuid)
{
	struct log_root root = {.wall_ms = 1795510800123};
	char path[200], text[LOG_HEAD_BYTES_MAX];

	strcpy(root.log, uuid);
	memset(root.device.id, 1, sizeof(root.device.id));
	root.key = root.device;
	(void)log_root_encode(&root, text);
	path_of("audit/log.json", path);
	ck_assert_int_eq(durable_write(path, text), 0);
}

static char *make_line(uint64_t sequence)
{
	struct audit_stamp stamp = {.sequence = sequence, .wall_ms = 1795510800123};
	struct audit_event event = {.event = "job-retired",
		.job = "cups 12",
		.outcome = "success",
		.detail = "a \"b\""};
	char *line;

	strcpy(stamp.boot, "0a1b2c3d-aaaa-4bbb-8ccc-ddddeeeeffff");
	memset(stamp.previous, 'a', 64);
	stamp.previous[64] = '\0';
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), 0);
	return line;
}

static void write_records(uint64_t segment, uint64_t count)
{
	char name[LOG_NAME_BYTES], path[200];
	FILE *out;

	snprintf(path, sizeof(path), "%s/audit/%s", directory,
		log_file_name(LOG_SEGMENT_FILE, segment, name));
	out = fopen(path, "a");
	ck_assert_ptr_nonnull(out);
	for (uint64_t i = 0; i < count; i++) {
		char *line = make_line(++written);

		fputs(line, out);
		free(line);
	}
	ck_assert_int_eq(fclose(out), 0);
}

static void add_records(uint64_t count)
{
	write_records(1, count);
	durable = written;
	if (exporter)
		exporter_wake(exporter);
}

static uint64_t newest(void *context)
{
	(void)context;
	return durable;
}

/* --- a receiver --- */

static void open_receiver(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	ck_assert_uint_lt(strlen(socket_path), sizeof(address.sun_path));
	strcpy(address.sun_path, socket_path);
	unlink(socket_path);
	receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(receiver, 0);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void close_receiver(void)
{
	close(receiver);
	receiver = -1;
}

static uint64_t number_in(const char *message)
{
	const char *at = strstr(message, "[spoolguard@");
	uint64_t sequence = 0;

	if (at)
		ck_assert_int_eq(
			sscanf(at, "[spoolguard@32473 sequence=\"%" SCNu64 "\"", &sequence), 1);
	else if ((at = strstr(message, "\nSPOOLGUARD_SEQUENCE=")))
		ck_assert_int_eq(sscanf(at, "\nSPOOLGUARD_SEQUENCE=%" SCNu64, &sequence), 1);
	ck_assert_msg(sequence > 0, "no number in %s", message);
	return sequence;
}

/* Takes what comes until that number has, or time is up. */
static void receive_up_to(uint64_t sequence)
{
	static char message[MESSAGE_BYTES];
	struct pollfd poll_fd = {.fd = receiver, .events = POLLIN};
	ssize_t n;

	while (seen_count == 0 || seen[seen_count - 1] != sequence) {
		ck_assert_msg(poll(&poll_fd, 1, LIMIT_MS) == 1, "record %" PRIu64 " does not come",
			sequence);
		n = recv(receiver, message, sizeof(message) - 1, 0);
		ck_assert_int_gt(n, 0);
		message[n] = '\0';
		ck_assert_uint_lt(seen_count, ARRAY_SIZE(seen));
		seen[seen_count++] = number_in(message);
	}
}

/* Each from 1 on; one that came before may come again, but nothing is left out.  Returns how many
 * came again. */
static uint64_t check_seen(uint64_t last)
{
	uint64_t highest = 0, again = 0;

	for (size_t i = 0; i < seen_count; i++) {
		ck_assert_msg(
			seen[i] <= highest + 1, "%" PRIu64 " after %" PRIu64, seen[i], highest);
		ck_assert_msg(i == 0 || seen[i] == seen[i - 1] + 1 || seen[i] <= highest, "order");
		again += seen[i] <= highest;
		highest = seen[i] > highest ? seen[i] : highest;
	}
	ck_assert_uint_eq(highest, last);
	return again;
}

/* --- the exporter --- */

static void start(enum exporter_kind kind, const char *target)
{
	const struct exporter_options options = {
		.kind = kind,
		.state_directory = directory,
		.target = target,
		.newest = newest,
	};

	ck_assert_int_eq(exporter_new(&options, &exporter), 0);
}

static void stop(void)
{
	exporter_free(exporter);
	exporter = NULL;
}

static struct exporter_status status(void)
{
	struct exporter_status now;

	exporter_get_status(exporter, &now);
	return now;
}

static void wait_for_confirmed(uint64_t sequence)
{
	for (int i = 0; i < LIMIT_MS && status().confirmed != sequence; i++)
		usleep(1000);
	ck_assert_uint_eq(status().confirmed, sequence);
}

/* Also of what comes again. */
static void receive_until_confirmed(uint64_t sequence)
{
	static char message[MESSAGE_BYTES];
	ssize_t n;

	for (int i = 0; i < LIMIT_MS && status().confirmed != sequence; i++) {
		while ((n = recv(receiver, message, sizeof(message) - 1, 0)) > 0) {
			message[n] = '\0';
			ck_assert_uint_lt(seen_count, ARRAY_SIZE(seen));
			seen[seen_count++] = number_in(message);
		}
		usleep(1000);
	}
	ck_assert_uint_eq(status().confirmed, sequence);
}

static bool place_says(const char *text)
{
	char path[200], place[200];

	path_of("export.syslog", path);
	return durable_read(path, place, sizeof(place)) >= 0 && strstr(place, text);
}

static void setup(void)
{
	char path[200];

	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	path_of("audit", path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	path_of("socket", socket_path);
	path_of("mirror.db", file_path);
	written = 0;
	durable = 0;
	seen_count = 0;
	begin_log("7a5f0c3e-1111-4222-8333-444455556666");
}

static void teardown(void)
{
	char command[100];

	stop();
	if (receiver >= 0)
		close_receiver();
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

/* --- while nobody dies --- */

START_TEST(every_record_arrives_once_and_in_order)
{
	open_receiver();
	add_records(100);
	start(_i == 0 ? EXPORTER_SYSLOG : EXPORTER_JOURNAL, socket_path);
	receive_up_to(100);
	add_records(200);
	receive_up_to(300);
	wait_for_confirmed(300);
	ck_assert_str_eq(status().away.text, "");
	stop();
	add_records(1);
	start(_i == 0 ? EXPORTER_SYSLOG : EXPORTER_JOURNAL, socket_path);
	receive_up_to(301);
	wait_for_confirmed(301);
	ck_assert_uint_eq(check_seen(301), 0);
}
END_TEST

START_TEST(a_receiver_that_comes_later_gets_all)
{
	add_records(500);
	start(EXPORTER_SYSLOG, socket_path);
	for (int i = 0; i < LIMIT_MS && !status().away.text[0]; i++)
		usleep(1000);
	ck_assert_ptr_nonnull(strstr(status().away.text, "nobody takes records at"));
	ck_assert_uint_gt(status().behind_ms, 0);
	add_records(500);
	open_receiver();
	receive_up_to(1000);
	wait_for_confirmed(1000);
	ck_assert_uint_eq(status().behind_ms, 0);
	ck_assert_uint_eq(check_seen(1000), 0);
}
END_TEST

START_TEST(what_is_not_durable_is_not_sent)
{
	open_receiver();
	write_records(1, 10);
	durable = 7;
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(7);
	wait_for_confirmed(7);
	durable = 10;
	exporter_wake(exporter);
	receive_up_to(10);
	ck_assert_uint_eq(check_seen(10), 0);
}
END_TEST

START_TEST(a_slow_receiver_holds_nobody_up)
{
	open_receiver();
	start(EXPORTER_SYSLOG, socket_path);
	add_records(3000); /* more than a socket takes */
	receive_up_to(5);
	usleep(100000);
	ck_assert_uint_lt(status().confirmed, 3000);
	receive_up_to(3000);
	wait_for_confirmed(3000);
	ck_assert_uint_eq(check_seen(3000), 0);
}
END_TEST

START_TEST(it_ends_although_nobody_reads_and_says_no_more_than_is_true)
{
	open_receiver();
	add_records(3000);
	start(EXPORTER_SYSLOG, socket_path);
	usleep(100000);
	stop();
	ck_assert(!place_says("\"sequence\"")); /* nothing was read */
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(3000);
	wait_for_confirmed(3000);
	(void)check_seen(3000);
}
END_TEST

START_TEST(where_its_place_cannot_be_written_it_goes_on)
{
	char path[200];

	path_of("export.syslog.new", path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	open_receiver();
	add_records(200);
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(200);
	wait_for_confirmed(200);
	ck_assert_ptr_nonnull(strstr(status().away.text, "cannot be written"));
	close_receiver();
	add_records(10);
	for (int i = 0; i < LIMIT_MS && !strstr(status().away.text, "has ended"); i++)
		usleep(1000);
	open_receiver();
	receive_up_to(210);
	wait_for_confirmed(210);
	ck_assert_uint_eq(check_seen(210), 0);
	ck_assert_int_eq(rmdir(path), 0);
	add_records(1);
	receive_up_to(211);
	wait_for_confirmed(211);
	ck_assert_str_eq(status().away.text, "");
	ck_assert(place_says("211"));
}
END_TEST

/* --- somebody dies --- */

START_TEST(what_a_dead_receiver_had_not_read_is_sent_again)
{
	open_receiver();
	add_records(20);
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(20);
	wait_for_confirmed(20);
	add_records(30);
	receive_up_to(25);
	usleep(50000); /* the others are in its queue */
	close_receiver();
	if (_i == 1)
		unlink(socket_path);
	for (int i = 0; i < LIMIT_MS && !status().away.text[0]; i++)
		usleep(1000);
	open_receiver();
	receive_up_to(50);
	wait_for_confirmed(50);
	ck_assert_uint_le(check_seen(50), 5); /* 21 to 25 */
}
END_TEST

/* One that is exchanged between two looks, as by a quick restart. */
START_TEST(a_receiver_that_is_exchanged_is_noticed)
{
	open_receiver();
	add_records(50);
	start(EXPORTER_SYSLOG, socket_path);
	usleep(50000);
	close_receiver();
	open_receiver();
	receive_up_to(50);
	wait_for_confirmed(50);
	(void)check_seen(50);
}
END_TEST

START_TEST(killed_at_any_time_nothing_is_left_out)
{
	open_receiver();
	add_records(400);
	for (int round = 0; round < 12; round++) {
		pid_t child = fork();

		if (child == 0) {
			start(EXPORTER_SYSLOG, socket_path);
			for (;;)
				pause();
		}
		usleep((useconds_t)(1000 + round * 700));
		if (seen_count < 300)
			receive_up_to((uint64_t)(round + 1) * 25);
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
	}
	start(EXPORTER_SYSLOG, socket_path);
	receive_until_confirmed(400);
	(void)check_seen(400);
}
END_TEST

/* --- the log --- */

START_TEST(another_log_is_sent_from_its_beginning)
{
	char path[200];

	open_receiver();
	add_records(10);
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(10);
	wait_for_confirmed(10);
	snprintf(path, sizeof(path), "%s/audit/segment-00000001.jsonl", directory);
	ck_assert_int_eq(unlink(path), 0);
	begin_log("11111111-1111-4222-8333-444455556666");
	written = 0;
	durable = 0;
	seen_count = 0;
	add_records(3);
	receive_up_to(3);
	wait_for_confirmed(3);
	ck_assert_uint_eq(check_seen(3), 0);
	ck_assert(place_says("11111111-1111"));
}
END_TEST

START_TEST(what_the_log_dropped_is_counted)
{
	char path[200];

	open_receiver();
	add_records(10);
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(10);
	wait_for_confirmed(10);
	stop();
	written = 15;
	snprintf(path, sizeof(path), "%s/audit/segment-00000001.jsonl", directory);
	ck_assert_int_eq(unlink(path), 0);
	write_records(2, 5);
	durable = written;
	start(EXPORTER_SYSLOG, socket_path);
	receive_up_to(20);
	wait_for_confirmed(20);
	ck_assert_uint_eq(status().skipped, 5);
	ck_assert_uint_eq(seen[10], 16);
}
END_TEST

/* --- the mirror --- */

static int64_t ask(const char *question)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	int64_t answer;

	ck_assert_int_eq(sqlite3_open_v2(file_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, LIMIT_MS);
	ck_assert_int_eq(sqlite3_prepare_v2(db, question, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	answer = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return answer;
}

START_TEST(the_mirror_has_every_record)
{
	add_records(100);
	start(EXPORTER_SQLITE, file_path);
	wait_for_confirmed(100);
	stop();
	add_records(50);
	start(EXPORTER_SQLITE, file_path);
	wait_for_confirmed(150);
	ck_assert_int_eq(ask("SELECT count(*) FROM events"), 150);
	ck_assert_int_eq(ask("SELECT max(sequence) FROM events"), 150);
	ck_assert_int_eq(ask("SELECT count(*) FROM jobs WHERE state = 'retired'"), 1);
}
END_TEST

START_TEST(a_reader_that_holds_the_mirror_is_waited_for)
{
	sqlite3 *db;

	add_records(1);
	start(EXPORTER_SQLITE, file_path);
	wait_for_confirmed(1);
	ck_assert_int_eq(sqlite3_open(file_path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN; SELECT * FROM events", NULL, NULL, NULL), 0);
	add_records(10);
	usleep(100000);
	ck_assert_uint_eq(status().confirmed, 1);
	sqlite3_close(db);
	wait_for_confirmed(11);
}
END_TEST

START_TEST(a_file_that_is_no_mirror_stays_as_it_is)
{
	static const char *const texts[] = {"this is no database, but somebody's letter\n", ""};
	char text[200];
	FILE *out;
	sqlite3 *db;

	if (_i == 0) {
		out = fopen(file_path, "w");
		ck_assert_ptr_nonnull(out);
		fputs(texts[0], out);
		fclose(out);
	} else {
		ck_assert_int_eq(sqlite3_open(file_path, &db), SQLITE_OK);
		ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE theirs(x)", NULL, NULL, NULL), 0);
		sqlite3_close(db);
	}
	add_records(1);
	start(EXPORTER_SQLITE, file_path);
	for (int i = 0; i < LIMIT_MS && !status().away.text[0]; i++)
		usleep(1000);
	ck_assert_ptr_nonnull(strstr(status().away.text, "is no mirror of an audit log"));
	stop();
	if (_i == 0) {
		ck_assert_int_eq(durable_read(file_path, text, sizeof(text)), 0);
		ck_assert_str_eq(text, texts[0]);
	} else {
		ck_assert_int_eq(ask("SELECT count(*) FROM sqlite_master"), 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exporter");
	TCase *tcase = tcase_create("exporter");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_record_arrives_once_and_in_order, 0, 2);
	tcase_add_test(tcase, a_receiver_that_comes_later_gets_all);
	tcase_add_test(tcase, what_is_not_durable_is_not_sent);
	tcase_add_test(tcase, a_slow_receiver_holds_nobody_up);
	tcase_add_test(tcase, it_ends_although_nobody_reads_and_says_no_more_than_is_true);
	tcase_add_test(tcase, where_its_place_cannot_be_written_it_goes_on);
	tcase_add_loop_test(tcase, what_a_dead_receiver_had_not_read_is_sent_again, 0, 2);
	tcase_add_test(tcase, a_receiver_that_is_exchanged_is_noticed);
	tcase_add_test(tcase, killed_at_any_time_nothing_is_left_out);
	tcase_add_test(tcase, another_log_is_sent_from_its_beginning);
	tcase_add_test(tcase, what_the_log_dropped_is_counted);
	tcase_add_test(tcase, the_mirror_has_every_record);
	tcase_add_test(tcase, a_reader_that_holds_the_mirror_is_waited_for);
	tcase_add_loop_test(tcase, a_file_that_is_no_mirror_stays_as_it_is, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
