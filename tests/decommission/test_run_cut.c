/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_run_cut.c - the power goes at every instant of a drive's last day
 *
 * Goal: at whatever call, command, write, flush or record the power goes, before it is done or
 * after, the run that is taken up from the durable record comes to the same end as one that was
 * never cut (X5): keys dead first (X2), nothing changed before it was recorded (X1), 0x97
 * everywhere, and the record says that it was taken up.  Method: decommission_rig.h counts
 * instants; the cut goes from the first to the last.
 */
#include "tests/support/decommission_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct decommission_rig rig;

/* Where everything is slower a seventh of the instants is tried; which, differs from drive to
 * drive. */
static uint64_t stride(void)
{
	return getenv("SPOOLGUARD_TEST_SCALE") ? 7 : 1;
}

static const struct {
	enum simdrive_kind kind;
	bool no_commands;
	struct simdrive_options options;
	enum method_kind forgets; /* METHOD_KINDS: none */
	bool lies;		  /* the last method of it */
} drives[] = {
	{SIMDRIVE_NVME, false, {.bytes = 65536}, METHOD_NVME_SANITIZE_CRYPTO, false},
	{SIMDRIVE_NVME, false, {.bytes = 65536, .no_sanitize = true}, METHOD_NVME_FORMAT_CRYPTO,
		false},
	{SIMDRIVE_NVME, false, {.bytes = 65536, .lie = true}, METHOD_KINDS, true},
	{SIMDRIVE_ATA, false, {.bytes = 65536}, METHOD_ATA_SANITIZE_CRYPTO, false},
	{SIMDRIVE_ATA, false, {.bytes = 65536, .no_sanitize = true},
		METHOD_ATA_ENHANCED_SECURITY_ERASE, false},
	{SIMDRIVE_ATA, false, {.bytes = 65536, .hidden_bytes = 8192, .no_security = true},
		METHOD_ATA_SANITIZE_CRYPTO, false},
	{SIMDRIVE_SCSI, false, {.bytes = 65536}, METHOD_SCSI_SANITIZE_CRYPTO, false},
	{SIMDRIVE_SCSI, true, {.bytes = 65536 + 512}, METHOD_KINDS, false},
};

static void make(size_t which)
{
	if (drives[which].no_commands)
		decommission_rig_make_block(&rig, &drives[which].options);
	else
		decommission_rig_make(&rig, drives[which].kind, &drives[which].options);
}

static const struct record_method *last(void)
{
	return &rig.record->methods[rig.record->method_count - 1];
}

static void check_end(size_t which)
{
	const struct record *record = rig.record;
	const struct record_progress *steps = record->steps;

	ck_assert_int_eq(steps[RECORD_INTAKE].state, RECORD_DONE);
	ck_assert_int_eq(steps[RECORD_KEYS].state, RECORD_DONE);
	ck_assert_int_eq(steps[RECORD_OVERWRITE].state, RECORD_DONE);
	ck_assert_int_eq(steps[RECORD_SEARCH].state, RECORD_NOT_NEEDED);
	ck_assert_int_eq(steps[RECORD_CERTIFICATE].state, RECORD_PENDING);
	ck_assert_uint_eq(decommission_rig_showing(&rig, 0x97), decommission_rig_sectors(&rig));
	ck_assert_uint_eq(record->overwrite.verified_bytes, record->overwrite.requested_bytes);
	ck_assert_uint_eq(record->overwrite.requested_bytes, 512 * decommission_rig_sectors(&rig));
	if (drives[which].no_commands)
		ck_assert_int_eq(steps[RECORD_SANITIZE].state, RECORD_NOT_NEEDED);
	else if (drives[which].lies) {
		ck_assert_int_eq(steps[RECORD_SANITIZE].state, RECORD_FAILED);
		for (uint32_t i = 0; i < record->method_count; i++)
			ck_assert_int_eq(record->methods[i].state, METHOD_FAILED);
	} else {
		ck_assert_int_eq(steps[RECORD_SANITIZE].state, RECORD_DONE);
		ck_assert_int_eq(last()->kind, drives[which].forgets);
		ck_assert_int_eq(last()->state, METHOD_DONE);
	}
}

/* Whichever step was under way says that it was taken up once. */
static void check_resumes(const bool *begun)
{
	for (int step = 0; step < RECORD_STEPS; step++)
		ck_assert_uint_eq(rig.record->steps[step].resumes, begun[step]);
}

static bool cut_and_take_up(size_t which, uint64_t nth, bool keeps, uint32_t off_ms)
{
	bool begun[RECORD_STEPS];
	int r;

	make(which);
	rig.cut_at = nth;
	rig.keeps_unflushed = keeps;
	r = decommission_rig_run(&rig);
	if (!rig.is_off) {
		ck_assert_int_eq(r, 0);
		check_end(which);
		return false;
	}
	decommission_rig_boot(&rig, off_ms);
	for (int step = 0; step < RECORD_STEPS; step++)
		begun[step] = rig.record->steps[step].state == RECORD_BEGUN;
	r = decommission_rig_run(&rig);
	ck_assert_msg(r == 0, "drive %zu, cut at %llu: %s", which, (unsigned long long)nth,
		problem_text(&rig.problem, r));
	check_end(which);
	check_resumes(begun);
	return true;
}

START_TEST(a_cut_at_every_instant_is_taken_up)
{
	const size_t which = (size_t)_i;
	uint64_t nth = stride() > 1 ? 1 + which % stride() : 1;

	while (cut_and_take_up(which, nth, nth % 2 == 0, nth % 3 == 0 ? 3600u * 1000u : 0)) {
		decommission_rig_unmake(&rig);
		nth += stride();
		ck_assert_uint_lt(nth, 100000);
	}
	ck_assert_uint_gt(nth, 50);
	decommission_rig_unmake(&rig);
}
END_TEST

/* Cut, taken up, and cut again at the same place. */
START_TEST(a_second_cut_is_taken_up_too)
{
	const size_t which = (size_t)_i;

	for (uint64_t nth = 3;; nth += 7 * stride()) {
		bool fired;

		make(which);
		rig.cut_at = nth;
		(void)!decommission_rig_run(&rig);
		fired = rig.is_off;
		if (fired) {
			decommission_rig_boot(&rig, 0);
			rig.cut_at = rig.instants + nth / 2 + 1;
			(void)!decommission_rig_run(&rig);
			decommission_rig_boot(&rig, 0);
			ck_assert_int_eq(decommission_rig_run(&rig), 0);
			check_end(which);
		}
		decommission_rig_unmake(&rig);
		if (!fired)
			break;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("run_cut");
	TCase *tcase = tcase_create("run_cut");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 1200);
	tcase_add_loop_test(tcase, a_cut_at_every_instant_is_taken_up, 0, (int)ARRAY_SIZE(drives));
	tcase_add_loop_test(tcase, a_second_cut_is_taken_up_too, 0, (int)ARRAY_SIZE(drives));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
