/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_crash.c - the promises P2, P3 and P4 in every crash that random work allows
 *
 * A simulated disk records what the residue map and the eraser write and flush; the
 * explorer makes each medium that a power cut could leave (tests/support/crash), and
 * an oracle that shares no code with the map judges it.
 *
 *   SPOOLGUARD_CRASH_STATES   at least so many crash states (120,000)
 *   SPOOLGUARD_CRASH_SECONDS  ... or as many as are reached by then (60; 0: no limit)
 *   SPOOLGUARD_CRASH_SEED     of the first workload; a failure names its own
 *   SPOOLGUARD_CRASH_JOBS     processes (2)
 *
 * Time limit: 400 s
 */
#include "tests/support/crash/campaign.h"
#include "tests/support/crash/faults.h"
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Sanitizers and valgrind make each state many times slower. */
static bool is_small(void)
{
	return getenv("SPOOLGUARD_TEST_SCALE") != NULL;
}

static void run_campaign(const char *only, uint64_t states)
{
	struct crash_campaign campaign = {
		.seed = crash_setting("SPOOLGUARD_CRASH_SEED", (uint64_t)time(NULL)),
		.states = states,
		.seconds = crash_setting("SPOOLGUARD_CRASH_SECONDS", 60),
		.processes = (unsigned int)crash_setting("SPOOLGUARD_CRASH_JOBS", 2),
		.only = only,
		.brief = is_small(),
	};
	struct crash_verdict verdict = {""};
	struct crash_stats stats;

	printf("SPOOLGUARD_CRASH_SEED=%" PRIu64 "\n", campaign.seed);
	crash_campaign_run(&campaign, &stats, &verdict);
	printf("crash states: %" PRIu64 " visited after %" PRIu64 " events, %" PRIu64
	       " distinct and judged, %" PRIu64 " swept and paid, %" PRIu64
	       " with a damaged slot more\n",
		stats.visited, stats.events, stats.distinct, stats.paid, stats.rotted);
	ck_assert_msg(!crash_is_wrong(&verdict), "%s", verdict.text);
	ck_assert_uint_gt(stats.distinct, 0);
}

START_TEST(every_crash_state_keeps_the_promises)
{
	run_campaign(NULL, crash_setting("SPOOLGUARD_CRASH_STATES", is_small() ? 800 : 120000));
}
END_TEST

/* Also for the thread sanitizer. */
START_TEST(so_does_every_one_of_several_threads)
{
	run_campaign("threads", is_small() ? 400 : 8000);
}
END_TEST

/* The control: if it did not fail, the oracle would be blind. */
START_TEST(a_disk_whose_flush_lies_is_caught)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct crash_campaign campaign = {
			.seed = seed * 1000, .states = 20000, .lying = true, .quiet = true};
		struct crash_verdict verdict = {""};
		struct crash_stats stats;

		crash_campaign_run(&campaign, &stats, &verdict);
		ck_assert_msg(crash_is_wrong(&verdict), "seed %" PRIu64 ": not caught", seed);
		printf("lying disk: caught after %" PRIu64 " states: %s\n", stats.visited,
			verdict.text);
	}
}
END_TEST

START_TEST(every_single_io_error_is_reported_and_loses_nothing)
{
	const struct crash_fault_sweep *sweep = &crash_fault_sweeps[_i];
	struct crash_verdict verdict = {""};
	uint64_t runs = 0;

	for (uint64_t seed = 1; seed <= (is_small() ? 1 : 4); seed++)
		runs += crash_fault_sweep_run(sweep, seed, &verdict);

	printf("%s: %" PRIu64 " runs\n", sweep->name, runs);
	ck_assert_msg(!crash_is_wrong(&verdict), "%s", verdict.text);
	ck_assert_uint_gt(runs, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash states");
	TCase *tcase = tcase_create("crash states");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 24 * 3600);
	tcase_add_test(tcase, a_disk_whose_flush_lies_is_caught);
	tcase_add_loop_test(tcase, every_single_io_error_is_reported_and_loses_nothing, 0,
		(int)crash_fault_sweep_count);
	tcase_add_test(tcase, so_does_every_one_of_several_threads);
	tcase_add_test(tcase, every_crash_state_keeps_the_promises);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
