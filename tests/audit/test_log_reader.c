/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_reader.c - records of a directory, one after the other
 *
 * Goal: each record once, in order, from the one that is wanted on, also while the log grows and
 * drops segments; what is no record is told, and passed over.
 */
#include "audit/log_format.h"
#include "audit/log_reader.h"
#include "base/io.h"
#include "tests/support/log_maker.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[512], audit[600];
static struct log_reader *reader;

static void make(uint64_t records, uint64_t per_segment, uint64_t drop)
{
	const struct log_maker_options options = {
		.records = records, .records_per_segment = per_segment, .drop = drop};
	struct trust trust;

	snprintf(directory, sizeof(directory), "%s/%d", scratch_path(), (int)getpid());
	snprintf(audit, sizeof(audit), "%s/audit", directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	log_maker_make(directory, &options, &trust);
}

static void teardown(void)
{
	log_reader_free(reader);
	reader = NULL;
}

static void open_from(uint64_t from)
{
	struct problem problem = {""};
	int r;

	teardown();
	r = log_reader_open(audit, from, &reader, &problem);
	if (r < 0)
		ck_abort_msg("%s", problem_text(&problem, r));
}

/* The number of the next record; 0 at the end. */
static uint64_t next(void)
{
	struct audit_record record;
	uint64_t sequence;
	int r = log_reader_next(reader, &record);

	if (r == 0)
		return 0;
	ck_assert_int_eq(r, 1);
	sequence = record.stamp.sequence;
	audit_record_done(&record);
	return sequence;
}

static void expect(uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++)
		ck_assert_uint_eq(next(), i);
}

static const char *segment_path(uint64_t segment)
{
	static char path[700];
	char name[LOG_NAME_BYTES];

	snprintf(
		path, sizeof(path), "%s/%s", audit, log_file_name(LOG_SEGMENT_FILE, segment, name));
	return path;
}

static void append(uint64_t segment, const char *text, size_t bytes)
{
	_cleanup_close_ int fd =
		open(segment_path(segment), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, bytes), 0);
}

/* A record's line with that number, whose link is nobody's. */
static size_t make_line(uint64_t sequence, char text[static 1024])
{
	const struct audit_event event = {.event = "selftest", .outcome = "success"};
	struct audit_stamp stamp = {
		.sequence = sequence, .boot = "0b0b0b0b-0000-4000-8000-00000000000b"};
	size_t bytes;
	char *line;

	memset(stamp.previous, 'a', AUDIT_HEX_BYTES - 1);
	ck_assert_int_eq(audit_record_encode(&event, &stamp, &line), 0);
	bytes = strlen(line);
	memcpy(text, line, bytes + 1);
	free(line);
	return bytes;
}

START_TEST(every_record_comes_once_from_the_wanted_one_on)
{
	static const uint64_t from[] = {0, 1, 2, 40, 41, 79, 80, 81, 99, 100};

	make(100, 40, 0);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		open_from(from[i]);
		expect(from[i] ? from[i] : 1, 100);
		ck_assert_uint_eq(next(), 0);
		ck_assert_uint_eq(next(), 0);
	}
	open_from(101);
	ck_assert_uint_eq(next(), 0);
}
END_TEST

START_TEST(the_line_is_what_stands_in_the_file)
{
	struct audit_record record;
	const char *line;
	size_t bytes;

	make(10, 5, 0);
	open_from(0);
	while (log_reader_next(reader, &record) == 1) {
		char begin[64];

		line = log_reader_line(reader, &bytes);
		snprintf(begin, sizeof(begin), "{\"sequence\":%" PRIu64 ",", record.stamp.sequence);
		ck_assert_int_eq(strncmp(line, begin, strlen(begin)), 0);
		ck_assert_int_eq(line[bytes - 1], '}');
		audit_record_done(&record);
	}
}
END_TEST

START_TEST(one_segment_alone_is_read_too)
{
	char path[700];

	make(100, 40, 0);
	snprintf(path, sizeof(path), "%s", segment_path(2));
	ck_assert_int_eq(log_reader_open(path, 0, &reader, NULL), 0);
	expect(41, 80);
	ck_assert_uint_eq(next(), 0);
}
END_TEST

START_TEST(what_is_appended_comes_and_half_a_line_waits)
{
	char line[1024];
	size_t bytes;

	make(100, 40, 0);
	open_from(90);
	expect(90, 100);
	ck_assert_uint_eq(next(), 0);
	bytes = make_line(101, line);
	for (size_t i = 0; i < bytes - 1; i++) {
		append(3, line + i, 1);
		ck_assert_uint_eq(next(), 0);
	}
	append(3, line + bytes - 1, 1);
	ck_assert_uint_eq(next(), 101);
	ck_assert_uint_eq(next(), 0);

	/* The end of a segment and the beginning of the next come together. */
	append(3, line, make_line(102, line));
	append(4, line, make_line(103, line));
	ck_assert_uint_eq(next(), 102);
	ck_assert_uint_eq(next(), 103);
	ck_assert_uint_eq(next(), 0);
}
END_TEST

START_TEST(segments_that_are_dropped_meanwhile_are_passed_over)
{
	make(100, 20, 0);
	open_from(0);
	expect(1, 10);
	ck_assert_int_eq(unlink(segment_path(1)), 0);
	ck_assert_int_eq(unlink(segment_path(2)), 0);
	expect(11, 20); /* it is still open */
	expect(41, 100);
	ck_assert_uint_eq(next(), 0);
}
END_TEST

START_TEST(what_is_no_record_is_told_and_passed_over)
{
	struct audit_record record;
	char line[1024];
	char *large = malloc(3 * AUDIT_LINE_MAX);
	size_t bytes;

	make(10, 100, 0);
	append(1, "nonsense\n\n", 10);
	append(1, line, make_line(11, line));
	memset(large, 'x', 3 * AUDIT_LINE_MAX);
	large[3 * AUDIT_LINE_MAX - 1] = '\n';
	append(1, large, 3 * AUDIT_LINE_MAX);
	append(1, line, make_line(12, line));
	append(1, "half", 4);
	append(2, line, make_line(13, line));
	open_from(0);
	expect(1, 10);
	ck_assert_int_eq(log_reader_next(reader, &record), -EBADMSG);
	ck_assert_int_eq(strncmp(log_reader_line(reader, &bytes), "nonsense", 8), 0);
	ck_assert_uint_eq(bytes, 8);
	ck_assert_int_eq(log_reader_next(reader, &record), -EBADMSG);
	ck_assert_uint_eq(next(), 11);
	ck_assert_int_eq(log_reader_next(reader, &record), -EBADMSG);
	ck_assert_uint_eq(next(), 12);
	ck_assert_int_eq(log_reader_next(reader, &record), -EBADMSG);
	ck_assert_uint_eq(next(), 13);
	ck_assert_uint_eq(next(), 0);
	free(large);
}
END_TEST

START_TEST(a_log_that_is_not_begun_has_no_records_yet)
{
	char line[1024];
	struct problem problem = {""};

	make(10, 100, 0);
	ck_assert_int_eq(unlink(segment_path(1)), 0);
	open_from(0);
	ck_assert_uint_eq(next(), 0);
	append(1, line, make_line(1, line));
	ck_assert_uint_eq(next(), 1);
	teardown();
	ck_assert_int_eq(log_reader_open("/nonexistent", 0, &reader, &problem), -ENOENT);
	ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_reader");
	TCase *tcase = tcase_create("log_reader");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_record_comes_once_from_the_wanted_one_on);
	tcase_add_test(tcase, the_line_is_what_stands_in_the_file);
	tcase_add_test(tcase, one_segment_alone_is_read_too);
	tcase_add_test(tcase, what_is_appended_comes_and_half_a_line_waits);
	tcase_add_test(tcase, segments_that_are_dropped_meanwhile_are_passed_over);
	tcase_add_test(tcase, what_is_no_record_is_told_and_passed_over);
	tcase_add_test(tcase, a_log_that_is_not_begun_has_no_records_yet);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
