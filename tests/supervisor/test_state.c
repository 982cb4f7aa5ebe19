/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_state.c - the service's state follows from its reasons
 *
 * Goal: each state of the diagram in state.h is reached and left as drawn there; nothing is
 * claimed before the first test has passed, nor while a reason stops claims (E1, E2); a change
 * is told once and no change is not told; whoever is told may ask.
 */
#include "base/utf8.h"
#include "supervisor/state.h"
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct state *state;
static int told;
static char line[256];

static void on_change(void *context)
{
	ck_assert_ptr_eq(context, &told);
	told++;
	(void)state_line(state, line, sizeof(line)); /* no lock is held */
}

static void setup(void)
{
	told = 0;
	ck_assert_int_eq(state_new(on_change, &told, &state), 0);
}

static void teardown(void)
{
	state_free(state);
}

static void is(enum state_name name, bool may_claim)
{
	ck_assert_str_eq(state_text(state_get(state)), state_text(name));
	ck_assert_int_eq(state_may_claim(state), may_claim);
}

static void begin(void)
{
	state_set_testing(state, false);
	is(STATE_READY, true);
	told = 0;
}

START_TEST(nothing_is_claimed_before_the_first_test)
{
	is(STATE_SELF_TEST, false);
	state_raise(state, STATE_LOCKS, "volume:a", "locked");
	is(STATE_SELF_TEST, false);
	state_set_wiping(state, true);
	is(STATE_SELF_TEST, false);
	state_set_wiping(state, false);
	state_set_testing(state, false);
	is(STATE_LOCKED, true);
}
END_TEST

START_TEST(a_failed_test_stops_claims_until_it_is_taken_back)
{
	begin();
	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "AES is wrong; see to the memory");
	is(STATE_DEGRADED, false);
	state_raise(state, STATE_LOCKS, "volume:a", "locked");
	is(STATE_LOCKED, false);
	state_set_wiping(state, true);
	is(STATE_WIPING, false);
	state_set_wiping(state, false);
	state_clear(state, "volume:a");
	state_clear(state, "self"); /* no prefix here */
	is(STATE_DEGRADED, false);
	state_clear(state, "selftest");
	is(STATE_READY, true);
}
END_TEST

START_TEST(locked_and_degraded_and_wiping_go_over_one_another)
{
	begin();
	state_raise(state, STATE_ATTENTION, "swap", "swap is not encrypted; turn it off");
	is(STATE_DEGRADED, true);
	state_raise(state, STATE_LOCKS, "volume:a", "volume a is locked");
	is(STATE_LOCKED, true);
	state_set_wiping(state, true);
	is(STATE_WIPING, true);
	state_set_stopped(state);
	is(STATE_STOPPED, true);
	ck_assert_str_eq(line, "STOPPED");
}
END_TEST

START_TEST(a_reason_is_replaced_by_its_key)
{
	begin();
	state_raise(state, STATE_ATTENTION, "volume:a", "stuck blocks");
	state_raise(state, STATE_LOCKS, "volume:a", "gone");
	is(STATE_LOCKED, true);
	ck_assert_str_eq(line, "LOCKED: gone");
	state_raise(state, STATE_ATTENTION, "volume:a", "back, with %d stuck", 3);
	ck_assert_str_eq(line, "DEGRADED: back, with 3 stuck");
	state_clear(state, "volume:a");
	ck_assert_str_eq(line, "READY");
}
END_TEST

START_TEST(a_prefix_clears_all_of_its_own_and_no_other)
{
	begin();
	state_raise(state, STATE_ATTENTION, "selftest:a", "a");
	state_raise(state, STATE_STOPS_CLAIMS, "selftest:b", "b");
	state_raise(state, STATE_ATTENTION, "swap", "s");
	state_clear_all(state, "selftest:");
	is(STATE_DEGRADED, true);
	ck_assert_str_eq(line, "DEGRADED: s");
	state_clear_all(state, "selftest:");
	state_clear_all(state, "");
	is(STATE_READY, true);
}
END_TEST

START_TEST(a_change_is_told_once_and_no_change_is_not)
{
	begin();
	state_raise(state, STATE_ATTENTION, "a", "text");
	ck_assert_int_eq(told, 1);
	state_raise(state, STATE_ATTENTION, "a", "text");
	ck_assert_int_eq(told, 1);
	state_raise(state, STATE_ATTENTION, "a", "other text");
	ck_assert_int_eq(told, 2);
	state_raise(state, STATE_LOCKS, "a", "other text");
	ck_assert_int_eq(told, 3);
	state_clear(state, "b");
	ck_assert_int_eq(told, 3);
	state_clear(state, "a");
	ck_assert_int_eq(told, 4);
	state_set_testing(state, false);
	ck_assert_int_eq(told, 4);
	state_set_wiping(state, true);
	state_set_wiping(state, true);
	ck_assert_int_eq(told, 5);
}
END_TEST

START_TEST(the_line_names_what_weighs_most_and_counts_the_rest)
{
	char small[12];

	begin();
	state_raise(state, STATE_ATTENTION, "swap", "swap is not encrypted");
	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "AES is wrong");
	state_raise(state, STATE_ATTENTION, "core", "core dumps are on");
	ck_assert_str_eq(line, "DEGRADED: AES is wrong (+2 more)");
	ck_assert_str_eq(state_line(state, small, sizeof(small)), "DEGRADED: A");
}
END_TEST

START_TEST(the_object_holds_every_reason)
{
	struct json_object *object, *list, *whole;

	begin();
	state_raise(state, STATE_ATTENTION, "swap", "swap \"x\" \x1b[31m");
	state_raise(state, STATE_LOCKS, "volume:a", "locked");
	whole = state_to_json(state);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(whole, "state")), "LOCKED");
	list = json_object_object_get(whole, "reasons");
	ck_assert_uint_eq(json_object_array_length(list), 2);
	object = json_object_array_get_idx(list, 1);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "key")), "volume:a");
	ck_assert_str_eq(
		json_object_get_string(json_object_object_get(object, "weight")), "locked");
	object = json_object_array_get_idx(list, 0);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "text")),
		"swap \"x\" \\x1b[31m"); /* a terminal is not steered by it */
	json_object_put(whole);
}
END_TEST

START_TEST(reasons_beyond_all_measure_are_not_forgotten)
{
	char key[32];

	begin();
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "key:%d", i);
		state_raise(state, STATE_ATTENTION, key, "text");
	}
	is(STATE_DEGRADED, true);
	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "AES is wrong");
	is(STATE_DEGRADED, false);
	state_clear_all(state, "");
	is(STATE_DEGRADED, false); /* whoever raised it found no place: it counts until a restart */
}
END_TEST

static void *worry(void *argument)
{
	char key[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "%s:%d", (const char *)argument, i % 7);
		state_raise(state, STATE_ATTENTION, key, "number %d", i);
		state_clear(state, key);
		json_object_put(state_to_json(state));
	}
	return NULL;
}

static void nothing(void *context)
{
	(void)context;
}

START_TEST(any_thread_may_raise_and_clear)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];

	state_free(state);
	ck_assert_int_eq(state_new(nothing, NULL, &state), 0);
	state_set_testing(state, false);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, worry, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	is(STATE_READY, true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("reasons");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, nothing_is_claimed_before_the_first_test);
	tcase_add_test(tcase, a_failed_test_stops_claims_until_it_is_taken_back);
	tcase_add_test(tcase, locked_and_degraded_and_wiping_go_over_one_another);
	tcase_add_test(tcase, a_reason_is_replaced_by_its_key);
	tcase_add_test(tcase, a_prefix_clears_all_of_its_own_and_no_other);
	tcase_add_test(tcase, a_change_is_told_once_and_no_change_is_not);
	tcase_add_test(tcase, the_line_names_what_weighs_most_and_counts_the_rest);
	tcase_add_test(tcase, the_object_holds_every_reason);
	tcase_add_test(tcase, reasons_beyond_all_measure_are_not_forgotten);
	tcase_add_test(tcase, any_thread_may_raise_and_clear);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
