/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sweep_volume.c - a sweep that is watched, and one that is interrupted
 *
 * Goal: what was owed when a sweep began is paid when it returns; its progress is told while it
 * lasts; a sink that says so ends the wait, and the volume goes on paying.
 * Method: a real volume; files are written and removed.
 */
#include "attached/sweep_volume.h"
#include "tests/support/attached_fixture.h"
#include <stdatomic.h>

#define FREED_BYTES (160u << 20)
#define TRIES	    20

static atomic_uint reports;
static atomic_bool is_unwanted;
static struct sweep_report report;
static struct problem problem;

static bool take(void *context, const struct progress *progress)
{
	(void)context;
	ck_assert_uint_le(progress->done_bytes, progress->total_bytes);
	atomic_fetch_add(&reports, 1);
	return atomic_load(&is_unwanted);
}

static const struct progress_sink sink = {.report = take};

static void setup_volume(void)
{
	attach_volume_of("256M");
}

START_TEST(what_was_owed_is_paid)
{
	int r;

	ck_assert_int_eq(unlink(make_file("a", 8 << 20)), 0);
	r = sweep_volume(&state, NULL, &report, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_int_eq(report.verdict, SWEEP_WHOLE);
	ck_assert_ptr_null(report.fault);
	ck_assert(report.barrier.led);
	ck_assert_uint_eq(volumes_status_u64(report.status, "residue"), 0);
	ck_assert_uint_gt(volumes_status_u64(report.status, "erased_blocks"), 2000);
	sweep_report_done(&report);
}
END_TEST

/* Under valgrind and the like only this process is slow, and hardly ever looks in time. */
static bool is_slow(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0;
}

/* The eraser may be quicker than who looks on: then once more. */
START_TEST(a_sweep_that_is_interrupted_says_so_and_goes_on)
{
	uint64_t owed = 0;
	int r = 0;

	atomic_store(&is_unwanted, true);
	for (int i = 0; i < (is_slow() ? 1 : TRIES) && owed == 0; i++) {
		ck_assert_int_eq(unlink(make_file("a", FREED_BYTES)), 0);
		r = sweep_volume(&state, &sink, &report, &problem);
		if (r == 0)
			sweep_report_done(&report);
		else
			owed = status_of_volume("residue");
	}
	if (r < 0 || !is_slow()) {
		ck_assert_int_eq(r, -ECANCELED);
		ck_assert_uint_gt(atomic_load(&reports), 0);
		ck_assert_ptr_nonnull(strstr(problem.text, "goes on"));
	}
	if (!is_slow())
		ck_assert_uint_gt(owed, 0); /* it did not wait for the end */
	atomic_store(&is_unwanted, false);
	ck_assert_int_eq(sweep_volume(&state, &sink, &report, &problem), 0);
	ck_assert_int_eq(report.verdict, SWEEP_WHOLE);
	sweep_report_done(&report);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep_volume");
	TCase *tcase = tcase_create("sweeps");
	SRunner *runner;
	int failed;

	if (why_skipped()) {
		printf("skipped: %s\n", why_skipped());
		return 77;
	}
	tcase_add_unchecked_fixture(tcase, setup_volume, detach_it);
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, what_was_owed_is_paid);
	tcase_add_test(tcase, a_sweep_that_is_interrupted_says_so_and_goes_on);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
