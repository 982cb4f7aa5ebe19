/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_threads.c - the audit log with many callers at once
 *
 * Goal: B1 of log.h with threads: numbers have no gap, each record is durable when its commit
 * returns, commits are grouped, and asking for the state waits for no medium.
 *
 * Method: 8 threads that add and commit while segments turn and are dropped, and one that asks and
 * ticks; in the thread sanitizer too.
 */
#include "tests/audit/log_fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define THREADS	    8
#define RECORDS	    250 /* of each */
#define RECORDS_SAN 60

static atomic_uint syncs;
static atomic_bool done;
static _Atomic uint64_t highest;

static unsigned int records(void)
{
	return is_small_scale() ? RECORDS_SAN : RECORDS;
}

static int count_syncs(void *context, enum log_step step, int fd)
{
	(void)context;
	(void)fd;
	if (step == LOG_STEP_SYNC) {
		usleep(200); /* as a disk would need: others come meanwhile */
		syncs++;
	}
	return 0;
}

struct caller {
	pthread_t thread;
	unsigned int number;
	const char *what; /* went wrong; NULL: nothing */
};

static void start(struct caller *caller, unsigned int number, void *(*run_it)(void *context))
{
	*caller = (struct caller){.number = number};
	ck_assert_int_eq(pthread_create(&caller->thread, NULL, run_it, caller), 0);
}

static void wait_for(struct caller *caller)
{
	ck_assert_int_eq(pthread_join(caller->thread, NULL), 0);
	ck_assert_msg(caller->what == NULL, "%s", caller->what);
}

static void *add_and_wait(void *context)
{
	struct caller *caller = context;

	for (unsigned int i = 0; i < records(); i++) {
		struct audit_position position;
		char job[64];

		snprintf(job, sizeof(job), "cups %u-%u", caller->number, i);
		if (add_at(job, &position) < 0 ||
			audit_log_commit(audit_log, position.sequence) < 0)
			caller->what = "add or commit failed";
		else if (tip().sequence < position.sequence)
			caller->what = "a commit returned before its record was durable";
	}
	return NULL;
}

static void *ask_and_tick(void *context)
{
	struct caller *caller = context;

	while (!done) {
		uint64_t now = tip().sequence;

		if (now < highest)
			caller->what = "the tip went back";
		highest = now;
		if (state().error < 0 || audit_log_tick(audit_log) < 0)
			caller->what = "it failed";
		usleep(500);
	}
	return NULL;
}

static void run_threads(void)
{
	struct caller callers[THREADS], asking;

	done = false;
	highest = 0;
	syncs = 0;
	log_files_set_hook(count_syncs, NULL);
	start(&asking, 0, ask_and_tick);
	for (unsigned int i = 0; i < THREADS; i++)
		start(&callers[i], i, add_and_wait);
	for (unsigned int i = 0; i < THREADS; i++)
		wait_for(&callers[i]);
	done = true;
	wait_for(&asking);
	log_files_set_hook(NULL, NULL);
}

START_TEST(many_threads_write_one_log_without_a_gap)
{
	options.segment_bytes = SMALL;
	options.size_bytes = 1000 * SMALL;
	open_log();
	run_threads();
	ck_assert_uint_eq(count_of("job-retired", NULL), THREADS * records());
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
	judge_heads(tip().segment - 1);
	verify();
	ck_assert_uint_lt(syncs, THREADS * records() / 2); /* several share a flush */
	close_log();
	open_log();
	ck_assert_uint_eq(count_of("audit-recovered", NULL), 0);
}
END_TEST

START_TEST(many_threads_and_a_log_that_drops_its_oldest_segments)
{
	options.segment_bytes = SMALL;
	options.size_bytes = 8 * SMALL;
	open_log();
	run_threads();
	ck_assert_uint_gt(walk(NULL, NULL), 0);
	ck_assert(records() == RECORDS_SAN || state().dropped_segments > 0);
	judge_heads(tip().segment - 1);
	verify();
}
END_TEST

static void *commit_in_vain(void *context)
{
	struct audit_position position;
	struct caller *caller = context;

	if (add_at("cups 1", &position) == 0 && audit_log_commit(audit_log, position.sequence) == 0)
		caller->what = "it was acknowledged";
	return NULL;
}

static int fail_slowly(void *context, enum log_step step, int fd)
{
	(void)context;
	(void)fd;
	if (step != LOG_STEP_SYNC)
		return 0;
	usleep(20000);
	return -EIO;
}

START_TEST(who_waits_for_a_flush_that_fails_is_told)
{
	struct caller callers[THREADS];

	open_log();
	log_files_set_hook(fail_slowly, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		start(&callers[i], i, commit_in_vain);
	for (unsigned int i = 0; i < THREADS; i++)
		wait_for(&callers[i]);
	log_files_set_hook(NULL, NULL);
	ck_assert_int_eq(state().error, -EIO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_threads");
	TCase *tc = tcase_create("threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, log_setup, log_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, many_threads_write_one_log_without_a_gap);
	tcase_add_test(tc, many_threads_and_a_log_that_drops_its_oldest_segments);
	tcase_add_test(tc, who_waits_for_a_flush_that_fails_is_told);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
