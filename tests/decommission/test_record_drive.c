/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_record_drive.c - what was seen of the drive is all in the record, and knows it again
 *
 * Goal: nothing that the run compares or the verdict weighs is left out of the record (a serial
 * that is left out is another drive, a locked range that is left out a claim too much); a drive is
 * known again, also when a hidden area of it was opened, and another one is not.
 */
#include "decommission/record.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct target *target;
static struct record *record;
static struct problem problem;

static void setup(void)
{
	target = calloc(1, sizeof(*target));
	ck_assert_ptr_nonnull(target);
	ck_assert_int_eq(record_new(&record), 0);
	strcpy(target->path, "/dev/sdx");
	strcpy(target->identity.serial, "SERIAL-1");
	strcpy(target->identity.key, "k1");
	target->identity.bytes = 1000;
	target->class = DRIVE_FLASH;
	target->facts.bytes = 1000;
	strcpy(target->facts.serial, "Serial 1");
	strcpy(target->facts.wwn, "eui.1");
}

static void teardown(void)
{
	free(target->reaches);
	free(target);
	record_free(record);
}

static void reach(size_t count)
{
	target->reaches = calloc(count, sizeof(*target->reaches));
	ck_assert_ptr_nonnull(target->reaches);
	target->reach_count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(target->reaches[i].what, sizeof(target->reaches[i].what), "namespace %zu",
			i + 2);
		strcpy(target->reaches[i].device, "/dev/nvme0n2");
		target->reaches[i].in_use = true;
	}
}

START_TEST(what_is_compared_and_weighed_is_in_it)
{
	struct drive_facts *facts = &target->facts;

	facts->opal = facts->opal_locked = facts->namespaces_known = true;
	facts->several_controllers = facts->mmc_boot = facts->mmc_rpmb = true;
	facts->health_known = true;
	reach(1);
	record_fill_drive(record, target);
	ck_assert_str_eq(record->serial, "Serial 1");
	ck_assert_str_eq(record->identity.serial, "SERIAL-1");
	ck_assert_str_eq(record->wwn, "eui.1");
	ck_assert_int_eq(record->class, DRIVE_FLASH);
	ck_assert_uint_eq(record->bytes, 1000);
	ck_assert(record->opal && record->opal_locked && record->namespaces_known);
	ck_assert(record->several_controllers && record->mmc_boot && record->mmc_rpmb);
	ck_assert_str_eq(record->health_before, "healthy");
	ck_assert_uint_eq(record->reach_count, 1);
	ck_assert_str_eq(record->reaches[0].what, "namespace 2");
	ck_assert_str_eq(record->reaches[0].device, "/dev/nvme0n2");
	ck_assert(record->reaches[0].in_use && !record->reaches[0].untouched);
	ck_assert(!record->reaches_cut);
}
END_TEST

START_TEST(more_than_it_has_room_for_is_told)
{
	reach(RECORD_REACHES_MAX + 1);
	record_fill_drive(record, target);
	ck_assert_uint_eq(record->reach_count, RECORD_REACHES_MAX);
	ck_assert(record->reaches_cut);
}
END_TEST

START_TEST(what_the_drive_does_not_tell_the_system_may)
{
	target->facts = (struct drive_facts){.interface = INTERFACE_BLOCK};
	strcpy(target->stack.layers[0].wwn, "naa.7");
	strcpy(target->identity.model, "A MODEL");
	record_fill_drive(record, target);
	ck_assert_str_eq(record->serial, "");
	ck_assert_str_eq(record->wwn, "naa.7");
	ck_assert_str_eq(record->model, "A MODEL");
	ck_assert_uint_eq(record->bytes, 1000);
	ck_assert_uint_eq(record->logical_bytes, 512);
}
END_TEST

static void expect(int error)
{
	ck_assert_int_eq(record_compare_drive(record, target, &problem), error);
}

START_TEST(it_is_known_again_and_another_is_not)
{
	record_fill_drive(record, target);
	expect(0);
	strcpy(target->facts.wwn, "eui.2");
	expect(-ESTALE);
	strcpy(target->facts.wwn, "eui.1");
	strcpy(target->identity.serial, "SERIAL-2");
	expect(-ESTALE);
}
END_TEST

START_TEST(it_is_larger_only_once_a_hidden_area_was_begun)
{
	record_fill_drive(record, target);
	target->identity.bytes = 2000;
	expect(-ESTALE);
	strcpy(record->hidden.step, "hpa");
	expect(0);
	record->hidden.bytes_native = 2000;
	expect(0);
	target->identity.bytes = 2001;
	expect(-ESTALE);
	target->identity.bytes = 999;
	expect(-ESTALE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record_drive");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_compared_and_weighed_is_in_it);
	tcase_add_test(tcase, more_than_it_has_room_for_is_told);
	tcase_add_test(tcase, what_the_drive_does_not_tell_the_system_may);
	tcase_add_test(tcase, it_is_known_again_and_another_is_not);
	tcase_add_test(tcase, it_is_larger_only_once_a_hidden_area_was_begun);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
