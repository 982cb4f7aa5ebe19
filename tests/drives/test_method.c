/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of methods, and the way from start to end that all methods share.
 *
 * Method: a port that is a secure discard and a clock, and whose answers a test sets.
 */
#include "drives/method.h"
#include <check.h>
#include <errno.h>
#include <string.h>

enum { MIB = 1 << 20 };

struct fake {
	uint64_t now_ms, bytes, covered_bytes, calls;
	int probe, answer;
	uint64_t fails_from; /* call; 0: never */
	uint64_t records, records_before_call;
	int record_answer;
	bool ended;
};

static struct fake fake;
static struct drive_facts facts;
static struct method_result result;

static int secure_discard(void *context, uint64_t first_byte, uint64_t bytes)
{
	struct fake *self = context;

	if (bytes == 0)
		return self->probe;
	self->calls++;
	self->records_before_call = self->records;
	if (self->fails_from > 0 && self->calls >= self->fails_from)
		return self->answer;
	ck_assert_uint_eq(first_byte, self->covered_bytes);
	self->covered_bytes += bytes;
	return 0;
}

static uint64_t now_ms(void *context)
{
	return ((struct fake *)context)->now_ms;
}

static void sleep_ms(void *context, uint32_t ms)
{
	((struct fake *)context)->now_ms += ms;
}

static const struct command_port_ops ops = {
	.secure_discard = secure_discard, .now_ms = now_ms, .sleep_ms = sleep_ms};
static struct command_port port = {.ops = &ops, .context = &fake, .interface = INTERFACE_BLOCK};

static int record(void *context, enum method_kind kind, const char *step, bool done)
{
	struct fake *self = context;

	ck_assert_int_eq(kind, METHOD_SECURE_DISCARD);
	ck_assert_str_eq(step, METHOD_STEP_ERASE);
	if (self->record_answer < 0)
		return self->record_answer;
	self->records++;
	self->ended = self->ended || done;
	return 0;
}

static struct method_run run = {.port = &port,
	.facts = &facts,
	.kind = METHOD_SECURE_DISCARD,
	.record = record,
	.context = &fake};

static void setup(void)
{
	fake = (struct fake){.answer = -EIO};
	port.bytes = 1000 * MIB + 512;
	run.limits = (struct method_limits){0};
	ck_assert_int_eq(facts_ask(&port, &facts), 0);
}

START_TEST(every_name_leads_back_to_its_method)
{
	enum method_kind kind;

	for (unsigned int i = 0; i < METHOD_KINDS; i++) {
		ck_assert_int_eq(method_parse(method_name((enum method_kind)i), &kind), 0);
		ck_assert_uint_eq(kind, i);
	}
	ck_assert_int_eq(method_parse("nvme-sanitize", &kind), -EINVAL);
	ck_assert_int_eq(method_parse("", &kind), -EINVAL);
}
END_TEST

START_TEST(a_secure_discard_covers_every_byte_once)
{
	ck_assert(facts.methods[METHOD_SECURE_DISCARD].offered);
	ck_assert_int_eq(method_start(&run, &result), 0);
	ck_assert_int_eq(result.state, METHOD_RUNNING);
	ck_assert_uint_eq(fake.calls, 0);
	ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
	ck_assert_int_eq(result.state, METHOD_DONE);
	ck_assert_uint_eq(fake.covered_bytes, port.bytes);
	ck_assert(fake.ended);
}
END_TEST

START_TEST(a_small_device_is_covered_too)
{
	port.bytes = 4096;
	ck_assert_int_eq(facts_ask(&port, &facts), 0);
	ck_assert_int_eq(method_start(&run, &result), 0);
	ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
	ck_assert_int_eq(result.state, METHOD_DONE);
	ck_assert_uint_eq(fake.covered_bytes, port.bytes);
}
END_TEST

START_TEST(what_the_kernel_does_not_know_is_not_offered)
{
	fake.probe = -EOPNOTSUPP;
	ck_assert_int_eq(facts_ask(&port, &facts), 0);
	ck_assert(!facts.methods[METHOD_SECURE_DISCARD].offered);
	ck_assert_str_ne(facts.methods[METHOD_SECURE_DISCARD].why_not, "");
	ck_assert_int_eq(method_start(&run, &result), -EOPNOTSUPP);
	ck_assert_int_eq(method_resume(&run, &result), -EOPNOTSUPP);
	ck_assert_uint_eq(fake.calls + fake.records, 0);
}
END_TEST

/* H1 */
START_TEST(what_cannot_be_recorded_is_not_begun)
{
	fake.record_answer = -ENOSPC;
	ck_assert_int_eq(method_start(&run, &result), -ENOSPC);
	ck_assert_int_eq(result.state, METHOD_READY);
	ck_assert_uint_eq(fake.calls, 0);
}
END_TEST

/* H1 */
START_TEST(the_record_is_there_before_the_first_piece)
{
	ck_assert_int_eq(method_start(&run, &result), 0);
	ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
	ck_assert_uint_eq(fake.records_before_call, 1);
	ck_assert_uint_eq(fake.records, 2);
}
END_TEST

START_TEST(each_piece_that_fails_ends_it)
{
	for (uint64_t nth = 1; nth <= 64; nth++) {
		setup();
		fake.fails_from = nth;
		ck_assert_int_eq(method_start(&run, &result), 0);
		ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
		ck_assert_int_eq(result.state, METHOD_FAILED);
		ck_assert_ptr_nonnull(strstr(result.detail, "discard at byte"));
		ck_assert_uint_eq(fake.calls, nth);
	}
}
END_TEST

struct stopper {
	uint64_t after, seen_bytes;
};

static bool stop_after(void *context, const struct progress *progress)
{
	struct stopper *stopper = context;

	ck_assert_uint_eq(progress->total_bytes, port.bytes);
	ck_assert_uint_ge(progress->done_bytes, stopper->seen_bytes);
	stopper->seen_bytes = progress->done_bytes;
	return stopper->after-- == 0;
}

START_TEST(what_was_stopped_is_waited_for_again)
{
	struct stopper stopper = {.after = 10};
	struct progress_sink sink = {stop_after, &stopper};

	ck_assert_int_eq(method_start(&run, &result), 0);
	ck_assert_int_eq(method_wait(&run, &sink, &result), -ECANCELED);
	ck_assert_int_eq(result.state, METHOD_RUNNING);
	ck_assert_uint_eq(fake.calls, 11);
	ck_assert(!fake.ended);
	ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
	ck_assert_int_eq(result.state, METHOD_DONE);
	ck_assert_uint_eq(fake.covered_bytes, port.bytes);
}
END_TEST

START_TEST(the_whole_has_a_limit)
{
	run.limits = (struct method_limits){.whole_s = 20};
	ck_assert_int_eq(method_start(&run, &result), 0);
	ck_assert_int_eq(method_wait(&run, NULL, &result), 0);
	ck_assert_int_eq(result.state, METHOD_STUCK);
	ck_assert_uint_eq(fake.calls, 21);
	ck_assert_uint_eq(result.took_ms, 20000);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("method");
	Suite *suite = suite_create("method");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, every_name_leads_back_to_its_method);
	tcase_add_test(tcase, a_secure_discard_covers_every_byte_once);
	tcase_add_test(tcase, a_small_device_is_covered_too);
	tcase_add_test(tcase, what_the_kernel_does_not_know_is_not_offered);
	tcase_add_test(tcase, what_cannot_be_recorded_is_not_begun);
	tcase_add_test(tcase, the_record_is_there_before_the_first_piece);
	tcase_add_test(tcase, each_piece_that_fails_ends_it);
	tcase_add_test(tcase, what_was_stopped_is_waited_for_again);
	tcase_add_test(tcase, the_whole_has_a_limit);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
