/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_in_use.c - a log that turns over while it is verified is good, and its damage is found
 *
 * Goal: whatever a writer does between two steps of log_verify(), a good log is good, and what is
 * not is not.
 *
 * Method: log_listing_read() is wrapped: behind each listing the log is gone on with until nothing
 * of it is left, as if its many heads took longer to read than that.
 */
#include "tests/audit/log_fixture.h"
#include "audit/log_listing.h"

#define SEGMENTS 8 /* that have room */

static unsigned int listings, turn_behind;

/* Until each segment that is there has made room. */
static void turn_over(void)
{
	const uint64_t until = tip().segment + 2 * SEGMENTS;

	while (tip().segment < until)
		add_and_commit("a job");
	ck_assert_int_eq(audit_log_tick(audit_log), 0);
}

int __real_log_listing_read(const char *path, struct log_listing *ret_listing);
int __wrap_log_listing_read(const char *path, struct log_listing *ret_listing);
int __wrap_log_listing_read(const char *path, struct log_listing *ret_listing)
{
	int r = __real_log_listing_read(path, ret_listing);

	if (++listings <= turn_behind)
		turn_over();
	return r;
}

static void setup(void)
{
	log_setup();
	options.segment_bytes = SMALL;
	options.size_bytes = SEGMENTS * SMALL;
	options.when_full = LOG_ROTATE;
	open_log();
	turn_over();
	listings = 0;
	turn_behind = 0;
}

START_TEST(a_log_that_is_another_one_when_its_heads_are_read_is_good)
{
	turn_behind = 1;
	verify();
	ck_assert_uint_gt(listings, 1);
}
END_TEST

/* The segments are gone behind the last listing of the first look. */
START_TEST(a_log_that_turns_over_before_its_segments_are_read_is_looked_at_again)
{
	for (turn_behind = 2; turn_behind <= 12; turn_behind += 5) {
		listings = 0;
		verify();
		ck_assert_uint_gt(listings, turn_behind);
	}
}
END_TEST

START_TEST(damage_is_found_in_a_log_that_turns_over)
{
	struct log_verdict verdict;
	struct trust trust;
	char name[LOG_NAME_BYTES];

	/* A head stays for good: that one is gone is no matter of time. */
	run("rm '%s/audit/%s'", directory, log_file_name(LOG_HEAD_FILE, 3, name));
	turn_behind = 3;
	memory_signer_trust(&signer, &trust);
	ck_assert_int_eq(log_verify(path_of("audit"), NULL, &trust, &verdict, &problem), 0);
	ck_assert(!verdict.good);
	ck_assert_uint_eq(verdict.findings[0].kind, LOG_FILE_MISSING);
	ck_assert_uint_eq(verdict.findings[0].segment, 3);
	log_verdict_done(&verdict);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_in_use");
	TCase *tc = tcase_create("in use");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, setup, log_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_log_that_is_another_one_when_its_heads_are_read_is_good);
	tcase_add_test(tc, a_log_that_turns_over_before_its_segments_are_read_is_looked_at_again);
	tcase_add_test(tc, damage_is_found_in_a_log_that_turns_over);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
