/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies behind an HPA, an accessible max address or a configuration overlay is opened and
 * overwritten, whatever fails and whenever the power does; and what stays hidden is told.
 *
 * Method: the model of an ATA drive (simdrive.h) full of a secret, its hidden sectors too.
 */
#include "drives/hidden.h"
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 64 * 1024, HIDDEN = 8192, OVERLAID = 4096, SECTOR = 512, COMMANDS_MAX = 60 };

static struct drive_rig rig;
static struct hidden_run run;
static struct hidden_result result;

static int record(void *context, enum method_kind kind, const char *step, bool done)
{
	(void)context;
	(void)done;
	ck_assert_uint_eq(kind, METHOD_KINDS);
	ck_assert(strcmp(step, "lift-hpa") == 0 || strcmp(step, "lift-ama") == 0 ||
		  strcmp(step, "restore-dco") == 0);
	if (rig.fail_note > 0 && --rig.fail_note == 0)
		return -ENOSPC;
	rig.notes++;
	return 0;
}

static void make(struct simdrive_options options)
{
	options.bytes = SMALL;
	drive_rig_make(&rig, SIMDRIVE_ATA, &options);
	run = (struct hidden_run){.port = simdrive_port(rig.drive),
		.permanent = true,
		.restore_dco = true,
		.record = record};
}

static void teardown(void)
{
	drive_rig_unmake(&rig);
}

static void ask(void)
{
	ck_assert_int_eq(facts_ask(run.port, &rig.facts), 0);
}

static void lift(void)
{
	ck_assert_int_eq(hidden_lift(&run, &rig.facts, &result), 0);
	ck_assert_str_ne(result.detail, "");
}

/* What can be reached, is. */
static void overwrite(void)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;
	uint8_t pattern[SECTOR];

	memset(pattern, 0x97, sizeof(pattern));
	ck_assert_int_eq(simdrive_medium(rig.drive, &medium), 0);
	for (uint64_t block = 0; block < blockdev_blocks(medium); block++)
		ck_assert_int_eq(
			blockdev_write(medium, (struct extent){block, 1}, pattern, sizeof(pattern)),
			0);
}

static void check_all_overwritten(uint64_t bytes)
{
	ck_assert(result.lifted);
	ck_assert_uint_eq(result.bytes_after, bytes);
	ck_assert_uint_eq(result.bytes_native, bytes);
	ck_assert_uint_eq(result.bytes_of_device, bytes);
	ck_assert_uint_eq(rig.facts.bytes, bytes);
	overwrite();
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}

static const struct simdrive_options hiding[] = {
	{.hidden_bytes = HIDDEN},
	{.hidden_bytes = HIDDEN, .ama = true},
	{.hidden_bytes = HIDDEN, .short_addresses = true},
	{.dco_hidden_bytes = OVERLAID},
	{.hidden_bytes = HIDDEN, .dco_hidden_bytes = OVERLAID},
	{.hidden_bytes = HIDDEN, .dco_hidden_bytes = OVERLAID, .ama = true},
	{.hidden_bytes = HIDDEN, .dco_hidden_bytes = OVERLAID, .logical_bytes = 4096},
};

static uint64_t native_of(const struct simdrive_options *options)
{
	return SMALL + options->hidden_bytes + options->dco_hidden_bytes;
}

/* Without it the secret survives: the test sees what it is for. */
START_TEST(what_is_hidden_survives_an_overwrite)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding) - 1; i++) {
		make(hiding[i]);
		overwrite();
		ck_assert_uint_eq(
			drive_rig_secrets(&rig), (native_of(&hiding[i]) - SMALL) / SECTOR);
		teardown();
	}
}
END_TEST

/* L2 */
START_TEST(what_is_opened_and_overwritten_is_gone)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding) - 1; i++) {
		make(hiding[i]);
		lift();
		ck_assert_uint_eq(result.bytes_before, SMALL);
		ck_assert(result.dco == (hiding[i].dco_hidden_bytes > 0));
		ck_assert(result.ama == hiding[i].ama);
		ck_assert(result.hpa == (hiding[i].hidden_bytes > 0 && !hiding[i].ama));
		check_all_overwritten(native_of(&hiding[i]));
		ck_assert_ptr_null(strstr(result.detail, "until the drive loses power"));
		/* It lasts. */
		simdrive_power_cut(rig.drive);
		ask();
		ck_assert_uint_eq(rig.facts.bytes, native_of(&hiding[i]));
		ck_assert(!rig.facts.hpa && !rig.facts.ama && !rig.facts.dco);
		teardown();
	}
}
END_TEST

START_TEST(sectors_of_4096_bytes_are_counted_as_such)
{
	_cleanup_(blockdev_closep) struct blockdev *medium = NULL;

	make(hiding[ARRAY_SIZE(hiding) - 1]);
	lift();
	ck_assert(result.lifted);
	ck_assert_uint_eq(result.bytes_after, SMALL + HIDDEN + OVERLAID);
	ck_assert_int_eq(simdrive_medium(rig.drive, &medium), 0);
	ck_assert_uint_eq(blockdev_blocks(medium), (SMALL + HIDDEN + OVERLAID) / 4096);
}
END_TEST

/* L4 */
START_TEST(what_is_opened_for_a_while_is_hidden_after_a_power_cut)
{
	make(hiding[0]);
	run.permanent = false;
	lift();
	ck_assert_ptr_nonnull(strstr(result.detail, "until the drive loses power"));
	simdrive_power_cut(rig.drive);
	ask();
	ck_assert(rig.facts.hpa && rig.facts.bytes == SMALL);
	lift();
	check_all_overwritten(SMALL + HIDDEN);
}
END_TEST

/* L3 */
START_TEST(an_overlay_is_restored_only_if_that_is_asked_for)
{
	make(hiding[4]);
	run.restore_dco = false;
	lift();
	ck_assert(!result.lifted && result.hpa && result.dco);
	ck_assert_uint_eq(result.bytes_after, SMALL + HIDDEN);
	ck_assert_uint_eq(result.bytes_native, SMALL + HIDDEN + OVERLAID);
	ck_assert_ptr_nonnull(strstr(result.detail, "4.0 KiB stay hidden"));
	ck_assert_ptr_nonnull(strstr(result.detail, "not asked for"));
	overwrite();
	ck_assert_uint_eq(drive_rig_secrets(&rig), OVERLAID / SECTOR);
}
END_TEST

START_TEST(what_the_drive_refuses_is_told)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding); i++) {
		struct simdrive_options options = hiding[i];

		options.hidden_frozen = true;
		make(options);
		lift();
		ck_assert(!result.lifted);
		ck_assert_uint_eq(result.bytes_after, SMALL);
		ck_assert_ptr_nonnull(strstr(result.detail, "aborted"));
		ck_assert_ptr_nonnull(strstr(result.detail, "stay hidden"));
		teardown();
	}
}
END_TEST

/* L2 */
START_TEST(a_drive_that_says_so_and_opens_nothing_is_found_out)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding); i++) {
		struct simdrive_options options = hiding[i];

		options.swallow = true;
		make(options);
		lift();
		ck_assert(!result.lifted);
		ck_assert_ptr_nonnull(strstr(result.detail, "stay hidden"));
		teardown();
	}
}
END_TEST

START_TEST(where_nothing_is_hidden_nothing_is_sent)
{
	static const enum simdrive_kind kinds[] = {SIMDRIVE_ATA, SIMDRIVE_SCSI, SIMDRIVE_NVME};
	static const char *const words[] = {"nothing is hidden", "no command", "no command"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct simdrive_options options = {.bytes = SMALL};

		drive_rig_make(&rig, kinds[i], &options);
		run = (struct hidden_run){.port = simdrive_port(rig.drive), .record = record};
		lift();
		ck_assert(!result.lifted);
		ck_assert_msg(strstr(result.detail, words[i]), "%s", result.detail);
		ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
		ck_assert_uint_eq(rig.notes, 0);
		teardown();
	}
}
END_TEST

static void lose_registers(void *context, void *command, int answered)
{
	struct scsi_command *scsi = command;

	(void)context;
	if (answered == 0 && scsi->direction == SCSI_NO_DATA)
		scsi->status = scsi->sense_bytes = 0;
}

START_TEST(a_native_size_that_is_not_told_is_said_to_be_unknown)
{
	make(hiding[0]);
	simdrive_set_hook(rig.drive, lose_registers, NULL);
	ask();
	lift();
	ck_assert(!result.lifted && result.bytes_native == 0);
	ck_assert_ptr_nonnull(strstr(result.detail, "not known"));
}
END_TEST

/* L1 */
static void check_recorded(void *context, void *command, int answered)
{
	uint64_t *changes = context;

	(void)command;
	if (answered == 1)
		*changes = simdrive_changes(rig.drive);
	else if (simdrive_changes(rig.drive) > *changes)
		ck_assert_uint_gt(rig.notes, 0);
}

START_TEST(every_change_is_recorded_before_it_is_sent)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding); i++) {
		uint64_t left = 0;

		for (uint64_t nth = 1; left == 0; nth++) {
			uint64_t changes = 0, before;

			make(hiding[i]);
			simdrive_set_hook(rig.drive, check_recorded, &changes);
			rig.fail_note = nth;
			before = simdrive_changes(rig.drive);
			if (hidden_lift(&run, &rig.facts, &result) < 0)
				ck_assert_uint_le(simdrive_changes(rig.drive) - before, rig.notes);
			left = rig.fail_note;
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* L4 */
START_TEST(a_power_cut_at_every_command_is_taken_up)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding) - 1; i++) {
		for (unsigned int permanent = 0; permanent < 2; permanent++) {
			bool fired = true;

			for (uint64_t nth = 1; fired; nth++) {
				make(hiding[i]);
				run.permanent = permanent > 0;
				simdrive_vanish(rig.drive, nth);
				(void)!hidden_lift(&run, &rig.facts, &result);
				fired = simdrive_fired(rig.drive);
				if (fired) {
					simdrive_power_cut(rig.drive);
					ask();
					if (rig.facts.bytes < rig.facts.native_bytes)
						lift();
				}
				ck_assert_uint_eq(rig.facts.bytes, native_of(&hiding[i]));
				overwrite();
				ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
				teardown();
				ck_assert_uint_lt(nth, COMMANDS_MAX);
			}
		}
	}
}
END_TEST

START_TEST(each_command_that_is_lost_is_told)
{
	for (size_t i = 0; i < ARRAY_SIZE(hiding) - 1; i++) {
		bool fired = true;

		for (uint64_t nth = 1; fired; nth++) {
			int r;

			make(hiding[i]);
			simdrive_fail_nth(rig.drive, nth);
			r = hidden_lift(&run, &rig.facts, &result);
			fired = simdrive_fired(rig.drive);
			ck_assert(r == 0 || r == -EIO);
			if (result.lifted && r == 0)
				check_all_overwritten(native_of(&hiding[i]));
			else
				ck_assert(fired);
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("hidden");
	Suite *suite = suite_create("hidden");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, what_is_hidden_survives_an_overwrite);
	tcase_add_test(tcase, what_is_opened_and_overwritten_is_gone);
	tcase_add_test(tcase, sectors_of_4096_bytes_are_counted_as_such);
	tcase_add_test(tcase, what_is_opened_for_a_while_is_hidden_after_a_power_cut);
	tcase_add_test(tcase, an_overlay_is_restored_only_if_that_is_asked_for);
	tcase_add_test(tcase, what_the_drive_refuses_is_told);
	tcase_add_test(tcase, a_drive_that_says_so_and_opens_nothing_is_found_out);
	tcase_add_test(tcase, where_nothing_is_hidden_nothing_is_sent);
	tcase_add_test(tcase, a_native_size_that_is_not_told_is_said_to_be_unknown);
	tcase_add_test(tcase, every_change_is_recorded_before_it_is_sent);
	tcase_add_test(tcase, a_power_cut_at_every_command_is_taken_up);
	tcase_add_test(tcase, each_command_that_is_lost_is_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
