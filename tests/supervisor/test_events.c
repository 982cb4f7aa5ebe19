/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_events.c - events come into the log, and what cannot is kept, told of, or taken back
 *
 * Goal: what is added is a record with all that was said; who waits is told the truth, with the
 * place; a log that cannot be opened or written to loses nothing that memory holds and says so
 * (V2), and goes on by itself; what could not be made durable is not written later (V3).  Method: a
 * real log and real keys; a hook that refuses to open it, RLIMIT_FSIZE for the full disk, a small
 * log with LOG_STOP for the full log.
 */
#include "supervisor/events.h"
#include "base/clock.h"
#include "supervisor/log_signer.h"
#include "supervisor/supervisor_impl.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[PATH_MAX];
static struct events *events;
static struct device_keys *keys;
static struct log_signer signer;
static struct audit_log_options options;
static atomic_int refuses_to_open; /* an errno */
static atomic_int changes;

/* --- the log --- */

static int open_log(void *context, struct audit_log **ret_log, struct problem *reterr_problem)
{
	int error = atomic_load(&refuses_to_open);

	(void)context;
	if (error)
		return problem_set(reterr_problem, -error, "the test does not want it");
	return audit_log_open(directory, &signer, &options, ret_log, reterr_problem);
}

static int set_aside(void *context, struct problem *reterr_problem)
{
	(void)context;
	return audit_log_set_aside(directory, reterr_problem);
}

static void on_change(void *context)
{
	(void)context;
	atomic_fetch_add(&changes, 1);
}

static const struct events_source source = {
	.open = open_log, .set_aside = set_aside, .changed = on_change};

static void make_events(void)
{
	ck_assert_int_eq(events_new(directory, &events), 0);
}

static void start_events(void)
{
	make_events();
	ck_assert_int_eq(events_start(events, &source), 0);
}

static void setup(void)
{
	static int number;
	int null = open("/dev/null", O_WRONLY);
	struct problem problem = {""};

	snprintf(directory, sizeof(directory), "%s/events-%d-%d", scratch_path(), getpid(),
		number++);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	signal(SIGXFSZ, SIG_IGN);
	dup2(null, STDERR_FILENO); /* each event is echoed there */
	close(null);
	atomic_store(&refuses_to_open, 0);
	options = (struct audit_log_options){.readers = (gid_t)-1};
	ck_assert_int_eq(device_keys_open(directory, true, &keys, NULL, &problem), 0);
	log_signer_init(keys, &signer);
}

static void teardown(void)
{
	events_free(events);
	device_keys_free(keys);
	events = NULL;
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

/* --- what it has --- */

static size_t count(const char *kind)
{
	struct json_object *all = events_since(events, 0, SIZE_MAX, NULL);
	size_t found = 0;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *record = json_object_array_get_idx(all, i);

		found += strcmp(json_object_get_string(json_object_object_get(record, "event")),
				 kind) == 0;
	}
	json_object_put(all);
	return found;
}

/* The newest of that kind; give it to json_object_put(). */
static struct json_object *newest(const char *kind)
{
	struct json_object *all = events_since(events, 0, SIZE_MAX, NULL), *found = NULL;

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *record = json_object_array_get_idx(all, i);

		if (strcmp(json_object_get_string(json_object_object_get(record, "event")), kind) ==
			0)
			found = record;
	}
	ck_assert_ptr_nonnull(found);
	json_object_get(found);
	json_object_put(all);
	return found;
}

static bool has_recovered(int error)
{
	struct events_health health;

	for (int i = 0; i < 20000; i++) {
		events_get_health(events, &health);
		if (error ? health.error == -error : health.error == 0 && health.waiting == 0)
			return true;
		usleep(1000);
	}
	return false;
}

static void note(const char *detail)
{
	events_note(events, "volume-warning", "a-volume", "success", "%s", detail);
}

static int commit_one(struct audit_position *ret_position)
{
	const struct audit_event event = {.event = "sweep", .outcome = "begun"};

	return events_add_committed(events, &event, 1, ret_position);
}

/* --- a record --- */

START_TEST(an_event_is_a_record_with_all_that_was_said)
{
	struct json_object *data = events_data("method", "Sweep", "name", NULL, NULL), *record;
	const struct audit_event event = {
		.event = "management",
		.role = "operator",
		.uid = 1000,
		.origin = "192.0.2.7",
		.volume = "a-volume",
		.outcome = "failure",
		.detail = "bytes \xff and \x1b[0m",
		.data = data,
	};

	start_events();
	events_add(events, &event);
	json_object_put(data);
	record = newest("management");
	ck_assert_ptr_nonnull(strstr(json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN),
		"\"subject\":{\"role\":\"operator\",\"uid\":1000,\"origin\":\"192.0.2.7\"},"
		"\"object\":{\"volume\":\"a-volume\"},\"outcome\":\"failure\","
		"\"detail\":\"bytes \\\\xff and \\\\x1b[0m\",\"data\":{\"method\":\"Sweep\"},"
		"\"previous\":\""));
	json_object_put(record);
}
END_TEST

START_TEST(what_comes_before_the_log_is_open_comes_into_it)
{
	make_events();
	note("early");
	ck_assert_int_eq(commit_one(NULL), -ENOTCONN);
	ck_assert_uint_eq(count("volume-warning"), 1); /* from memory */
	ck_assert_int_eq(events_start(events, &source), 0);
	ck_assert_uint_eq(count("volume-warning"), 1);
	ck_assert_uint_eq(count("sweep"), 0); /* V3 */
	events_free(events);
	start_events();
	ck_assert_uint_eq(count("volume-warning"), 1);
}
END_TEST

START_TEST(who_waits_is_told_where_his_records_stand)
{
	const struct audit_event list[] = {
		{.event = "sweep", .outcome = "begun"},
		{.event = "sweep", .outcome = "success"},
		{.event = "sweep", .outcome = "failure"},
	};
	struct audit_position places[3], tip;
	struct json_object *record;

	start_events();
	note("another");
	ck_assert_int_eq(events_add_committed(events, list, 3, places), 0);
	for (int i = 1; i < 3; i++) {
		ck_assert_uint_eq(places[i].sequence, places[i - 1].sequence + 1);
		ck_assert_str_ne(places[i].sha256, places[i - 1].sha256);
	}
	ck_assert_int_eq(events_position(events, &tip), 0);
	ck_assert_uint_ge(tip.sequence, places[2].sequence);
	ck_assert_str_eq(tip.log, places[0].log);
	record = newest("sweep");
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(record, "sequence")),
		places[2].sequence);
	json_object_put(record);
}
END_TEST

START_TEST(records_come_in_portions)
{
	struct json_object *list;
	bool more = false;

	start_events();
	for (int i = 0; i < 40; i++)
		note("many");
	list = events_since(events, 3, 10, &more);
	ck_assert_uint_eq(json_object_array_length(list), 10);
	ck_assert(more);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(
				  json_object_array_get_idx(list, 0), "sequence")),
		3);
	json_object_put(list);
	list = events_since(events, 30, 1000, &more);
	ck_assert(!more);
	json_object_put(list);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_log_that_cannot_be_opened_is_said_and_tried_again)
{
	struct events_health health;
	struct audit_position tip;

	atomic_store(&refuses_to_open, EUCLEAN);
	start_events();
	note("waits");
	ck_assert(has_recovered(EUCLEAN));
	events_get_health(events, &health);
	ck_assert_str_eq(health.why, "the test does not want it");
	ck_assert_uint_eq(health.waiting, 1);
	ck_assert(events_has_failed(events));
	ck_assert_int_eq(commit_one(NULL), -EUCLEAN);
	ck_assert_int_eq(events_position(events, &tip), -EUCLEAN);
	ck_assert_uint_eq(count("volume-warning"), 1);
	ck_assert_int_eq(atomic_load(&changes), 1);
	atomic_store(&refuses_to_open, 0);
	ck_assert(has_recovered(0));
	ck_assert_int_eq(atomic_load(&changes), 2);
	ck_assert_uint_eq(count("volume-warning"), 1);
	ck_assert_uint_eq(count("sweep"), 0); /* V3 */
	ck_assert_int_eq(commit_one(NULL), 0);
}
END_TEST

START_TEST(a_late_record_says_when_it_happened)
{
	struct json_object *record, *data;

	atomic_store(&refuses_to_open, EIO);
	start_events();
	note("late");
	usleep(1100000);
	atomic_store(&refuses_to_open, 0);
	ck_assert(has_recovered(0));
	record = newest("volume-warning");
	data = json_object_object_get(record, "data");
	ck_assert_ptr_nonnull(json_object_object_get(data, "happened"));
	ck_assert_str_lt(json_object_get_string(json_object_object_get(data, "happened")),
		json_object_get_string(json_object_object_get(record, "time")));
	json_object_put(record);
}
END_TEST

START_TEST(what_memory_let_go_is_counted)
{
	struct json_object *record, *data;

	atomic_store(&refuses_to_open, EIO);
	start_events();
	for (unsigned int i = 0; i < EVENTS_MEMORY_MAX + 100; i++)
		note("flood");
	ck_assert_uint_eq(count("volume-warning"), EVENTS_MEMORY_MAX);
	atomic_store(&refuses_to_open, 0);
	ck_assert(has_recovered(0));
	ck_assert_uint_eq(count("volume-warning"), EVENTS_MEMORY_MAX);
	record = newest("log-lost");
	data = json_object_object_get(record, "data");
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(data, "count")), 100);
	json_object_put(record);
}
END_TEST

START_TEST(a_full_disk_stops_nobody_and_loses_nothing)
{
	bool failed = false;

	start_events();
	note("before");
	ck_assert_uint_eq(count("volume-warning"), 1);
	limit_file(100);
	note("meanwhile");
	for (int i = 0; i < 20000 && !failed; i++) {
		usleep(1000);
		failed = events_has_failed(events);
	}
	note("meanwhile too");
	limit_file(RLIM_INFINITY);
	ck_assert(failed);
	ck_assert(has_recovered(0));
	note("after");
	ck_assert_uint_eq(count("volume-warning"), 4);
	ck_assert_uint_eq(count("log-lost"), 0);
}
END_TEST

START_TEST(a_log_that_is_full_and_stops_takes_nothing_until_it_is_set_aside)
{
	struct problem problem = {""};
	struct audit_position first, second;
	int r = 0;

	options.segment_bytes = AUDIT_SEGMENT_BYTES_MIN;
	options.size_bytes = 8 * AUDIT_SEGMENT_BYTES_MIN;
	options.when_full = LOG_STOP;
	start_events();
	ck_assert_int_eq(commit_one(&first), 0);
	for (int i = 0; i < 2000 && r == 0; i++)
		r = commit_one(NULL);
	ck_assert_int_eq(r, -EDQUOT);
	ck_assert(events_has_failed(events));
	note("waits");
	ck_assert_int_eq(events_set_aside(events, &problem), 0);
	ck_assert(has_recovered(0));
	ck_assert_int_eq(commit_one(&second), 0);
	ck_assert_str_ne(first.log, second.log);
	ck_assert_uint_eq(count("volume-warning"), 1);
	ck_assert_uint_eq(count("log-set-aside"), 1);
}
END_TEST

START_TEST(other_options_take_effect_when_it_is_opened_again)
{
	int r = 0;

	options.segment_bytes = AUDIT_SEGMENT_BYTES_MIN;
	options.size_bytes = 8 * AUDIT_SEGMENT_BYTES_MIN;
	options.when_full = LOG_STOP;
	start_events();
	for (int i = 0; i < 2000 && r == 0; i++)
		r = commit_one(NULL);
	ck_assert_int_eq(r, -EDQUOT);
	options.size_bytes = 68 * AUDIT_SEGMENT_BYTES_MIN;
	events_reopen(events);
	ck_assert(has_recovered(0));
	ck_assert_int_eq(commit_one(NULL), 0);
}
END_TEST

/* --- contracts and threads --- */

START_TEST(a_kind_of_no_table_is_a_broken_contract)
{
	make_events();
	events_note(events, "no-such-kind", NULL, "success", NULL);
}
END_TEST

START_TEST(a_member_of_no_table_is_a_broken_contract)
{
	struct json_object *data = events_data("title", "payroll", NULL);

	make_events();
	events_add(
		events, &(struct audit_event){.event = "sweep", .outcome = "begun", .data = data});
}
END_TEST

static void *note_many(void *argument)
{
	for (int i = 0; i < 100; i++)
		note(argument);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(commit_one(NULL), 0);
	return NULL;
}

START_TEST(any_thread_may_add)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];

	start_events();
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, note_many, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(count("volume-warning"), 400);
	ck_assert_uint_eq(count("sweep"), 80);
	ck_assert_uint_eq(count("log-lost"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = tcase_create("the log and memory");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_event_is_a_record_with_all_that_was_said);
	tcase_add_test(tcase, what_comes_before_the_log_is_open_comes_into_it);
	tcase_add_test(tcase, who_waits_is_told_where_his_records_stand);
	tcase_add_test(tcase, records_come_in_portions);
	tcase_add_test(tcase, a_log_that_cannot_be_opened_is_said_and_tried_again);
	tcase_add_test(tcase, a_late_record_says_when_it_happened);
	tcase_add_test(tcase, what_memory_let_go_is_counted);
	tcase_add_test(tcase, a_full_disk_stops_nobody_and_loses_nothing);
	tcase_add_test(tcase, a_log_that_is_full_and_stops_takes_nothing_until_it_is_set_aside);
	tcase_add_test(tcase, other_options_take_effect_when_it_is_opened_again);
	tcase_add_test_raise_signal(tcase, a_kind_of_no_table_is_a_broken_contract, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_member_of_no_table_is_a_broken_contract, SIGABRT);
	tcase_add_test(tcase, any_thread_may_add);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
