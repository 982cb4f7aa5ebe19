/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_events.c - events are written, kept, and told of when they cannot be written
 *
 * Goal: a line is whole JSON with a number that goes on over restarts; a full disk or a
 * read-only directory loses no event from memory and says so (V2), leaves no half line, and what
 * waited is written when there is room; the file is bounded.  Method: RLIMIT_FSIZE is the full
 * disk, a directory that is a file the one that cannot be written to.
 */
#include "base/io.h"
#include "supervisor/events.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[PATH_MAX], path[PATH_MAX], older[PATH_MAX];
static struct events *events;

static void open_events(void)
{
	ck_assert_int_eq(events_new(directory, &events), 0);
}

static void setup(void)
{
	static int number;
	int null = open("/dev/null", O_WRONLY);

	snprintf(directory, sizeof(directory), "%s/events-%d-%d", scratch_path(), getpid(),
		number++);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	snprintf(path, sizeof(path), "%.4000s/events", directory);
	snprintf(older, sizeof(older), "%.4000s/events.1", directory);
	signal(SIGXFSZ, SIG_IGN);
	dup2(null, STDERR_FILENO); /* each event is echoed there */
	close(null);
	open_events();
}

static void teardown(void)
{
	events_free(events);
}

static char *read_file(const char *name)
{
	FILE *file = fopen(name, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	ck_assert_ptr_nonnull(file);
	n = getdelim(&text, &size, 0, file);
	fclose(file);
	return n < 0 ? strdup("") : text;
}

/* Every line is an object, and numbers grow by one; returns how many lines there are. */
static int judge_file(const char *name, uint64_t first)
{
	char *text = read_file(name), *save = NULL;
	int lines = 0;

	ck_assert(text[0] == '\0' || text[strlen(text) - 1] == '\n');
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct json_object *object = json_tokener_parse(line);

		ck_assert_msg(object, "%s", line);
		ck_assert_uint_eq(
			json_object_get_uint64(json_object_object_get(object, "sequence")),
			first + (uint64_t)lines);
		json_object_put(object);
		lines++;
	}
	free(text);
	return lines;
}

/* Meanwhile nothing may be asserted: Check keeps its own notes in a file. */
static void limit_file(rlim_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		abort();
	limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		abort();
}

static size_t in_memory(uint64_t since)
{
	struct json_object *list = events_since(events, since);
	size_t count = json_object_array_length(list);

	json_object_put(list);
	return count;
}

START_TEST(an_event_is_one_line_of_json)
{
	const struct event event = {
		.event = "refused",
		.role = "operator",
		.uid = 1000,
		.object = "volume \"spool\"\n",
		.outcome = "refused",
		.detail = "bytes \xff and \x1b[0m",
	};
	struct json_object *object;
	char *text;

	events_add(events, &event);
	text = read_file(path);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	object = json_tokener_parse(text);
#define FIELD(key) json_object_get_string(json_object_object_get(object, key))
	ck_assert_str_eq(FIELD("event"), "refused");
	ck_assert_str_eq(FIELD("role"), "operator");
	ck_assert_str_eq(FIELD("uid"), "1000");
	ck_assert_str_eq(FIELD("object"), "volume \"spool\"\\x0a");
	ck_assert_str_eq(FIELD("outcome"), "refused");
	ck_assert_str_eq(FIELD("detail"), "bytes \\xff and \\x1b[0m");
	ck_assert_str_eq(FIELD("sequence"), "1");
	ck_assert_uint_eq(strlen(FIELD("time")), 20);
#undef FIELD
	json_object_put(object);
	free(text);
	ck_assert(!events_has_failed(events));
}
END_TEST

START_TEST(numbers_go_on_over_a_restart)
{
	for (int i = 0; i < 5; i++)
		events_note(events, "started", NULL, "done", "number %d", i);
	events_free(events);
	open_events();
	events_note(events, "started", NULL, "done", NULL);
	ck_assert_int_eq(judge_file(path, 1), 6);
	ck_assert_uint_eq(in_memory(0), 1); /* memory begins anew */
}
END_TEST

START_TEST(a_line_that_a_crash_cut_short_swallows_none)
{
	char *text;
	int fd;

	events_note(events, "started", NULL, "done", NULL);
	events_free(events);
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_eq(io_write(fd, "{\"time\":\"20", 11), 0);
	close(fd);
	open_events();
	events_note(events, "started", NULL, "done", NULL);
	text = read_file(path);
	ck_assert_ptr_nonnull(strstr(text, "{\"time\":\"20\n{\"time\":"));
	ck_assert_ptr_nonnull(strstr(text, "\"sequence\":2"));
	free(text);
}
END_TEST

START_TEST(memory_gives_the_newest)
{
	struct json_object *list;

	for (unsigned int i = 0; i < EVENTS_MEMORY_MAX + 10; i++)
		events_note(events, "n", NULL, "done", NULL);
	ck_assert_uint_eq(in_memory(0), EVENTS_MEMORY_MAX);
	ck_assert_uint_eq(in_memory(EVENTS_MEMORY_MAX + 8), 3);
	ck_assert_uint_eq(in_memory(EVENTS_MEMORY_MAX + 11), 0);
	list = events_since(events, 0);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(
				  json_object_array_get_idx(list, 0), "sequence")),
		11);
	json_object_put(list);
	ck_assert_int_eq(judge_file(path, 1), EVENTS_MEMORY_MAX + 10);
}
END_TEST

START_TEST(a_full_disk_loses_nothing_that_memory_holds)
{
	bool failed;
	int whole;

	for (int i = 0; i < 3; i++)
		events_note(events, "before", NULL, "done", NULL);
	limit_file(700); /* the fourth or so is cut in the middle */
	for (int i = 0; i < 20; i++)
		events_note(events, "meanwhile", NULL, "done", "a detail that takes some room");
	failed = events_has_failed(events);
	limit_file(RLIM_INFINITY);
	ck_assert(failed);
	whole = judge_file(path, 1); /* no half line */
	ck_assert_int_ge(whole, 3);
	ck_assert_int_lt(whole, 23);
	ck_assert_uint_eq(in_memory(0), 23);
	ck_assert(!events_has_failed(events)); /* asked again, it finds that there is room */
	ck_assert_int_eq(judge_file(path, 1), 23);
}
END_TEST

START_TEST(what_memory_let_go_is_counted)
{
	bool failed;
	char *text;

	events_note(events, "before", NULL, "done", NULL);
	limit_file(10);
	for (unsigned int i = 0; i < EVENTS_MEMORY_MAX + 100; i++)
		events_note(events, "meanwhile", NULL, "done", NULL);
	failed = events_has_failed(events);
	limit_file(RLIM_INFINITY);
	ck_assert(failed);
	events_note(events, "after", NULL, "done", NULL);
	ck_assert(!events_has_failed(events));
	text = read_file(path);
	/* of 1 + 1124 + 1 events, 1024 are in memory and one was written: 101 are lost */
	ck_assert_ptr_nonnull(strstr(text, "\"events-lost\""));
	ck_assert_ptr_nonnull(strstr(text, "101 events"));
	ck_assert_ptr_nonnull(strstr(text, "\"after\""));
	free(text);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_to_is_no_end)
{
	events_free(events);
	ck_assert_int_eq(events_new("/proc/self", &events), 0);
	ck_assert(events_has_failed(events));
	events_note(events, "started", NULL, "done", NULL);
	ck_assert(events_has_failed(events));
	ck_assert_uint_eq(in_memory(0), 1);
}
END_TEST

START_TEST(a_directory_that_comes_later_gets_what_waited)
{
	char later[PATH_MAX], name[PATH_MAX];

	events_free(events);
	snprintf(later, sizeof(later), "%.4000s/later", directory);
	snprintf(name, sizeof(name), "%.4000s/later/events", directory);
	ck_assert_int_eq(events_new(later, &events), 0);
	events_note(events, "one", NULL, "done", NULL);
	ck_assert(events_has_failed(events));
	ck_assert_int_eq(mkdir(later, 0700), 0);
	events_note(events, "two", NULL, "done", NULL);
	ck_assert(!events_has_failed(events));
	ck_assert_int_eq(judge_file(name, 1), 2);
}
END_TEST

START_TEST(the_file_is_bounded_and_its_predecessor_kept)
{
	struct stat st, st1;
	char detail[1000];
	unsigned int wanted = EVENTS_FILE_BYTES / 1000 + 500;

	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	for (unsigned int i = 0; i < wanted; i++)
		events_note(events, "n", NULL, "done", "%s", detail);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(stat(older, &st1), 0);
	ck_assert_int_le(st.st_size, EVENTS_FILE_BYTES);
	ck_assert_int_le(st1.st_size, EVENTS_FILE_BYTES);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert(!events_has_failed(events));
	ck_assert_int_gt(judge_file(older, 1), 0);
	events_free(events);
	open_events();
	events_note(events, "last", NULL, "done", NULL);
	{
		struct json_object *list = events_since(events, 0);

		ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(
					  json_object_array_get_idx(list, 0), "sequence")),
			wanted + 1);
		json_object_put(list);
	}
}
END_TEST

static void *note_many(void *argument)
{
	for (int i = 0; i < 200; i++)
		events_note(events, argument, NULL, "done", "%d", i);
	return NULL;
}

START_TEST(any_thread_may_add)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, note_many, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(judge_file(path, 1), 800);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = tcase_create("the file and memory");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_event_is_one_line_of_json);
	tcase_add_test(tcase, numbers_go_on_over_a_restart);
	tcase_add_test(tcase, a_line_that_a_crash_cut_short_swallows_none);
	tcase_add_test(tcase, memory_gives_the_newest);
	tcase_add_test(tcase, a_full_disk_loses_nothing_that_memory_holds);
	tcase_add_test(tcase, what_memory_let_go_is_counted);
	tcase_add_test(tcase, a_directory_that_cannot_be_written_to_is_no_end);
	tcase_add_test(tcase, a_directory_that_comes_later_gets_what_waited);
	tcase_add_test(tcase, the_file_is_bounded_and_its_predecessor_kept);
	tcase_add_test(tcase, any_thread_may_add);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
