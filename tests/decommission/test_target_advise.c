/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is recommended for a drive, and the most that is promised of it: never more than the table
 * at the head of target_advise.c allows.
 *
 * Method: targets made by hand, of each class, with each set of offers that matters.
 */
#include "decommission/target.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct target *target;
static struct target_advice advice;

static void setup(void)
{
	target = calloc(1, sizeof(*target));
	ck_assert_ptr_nonnull(target);
	target->facts_known = true;
	strcpy(target->overwrite.reason, "sdb: because");
}

static void teardown(void)
{
	target_free(target);
}

static void offer(enum method_kind kind)
{
	target->facts.methods[kind].offered = true;
}

static void add_reach(const struct target_reach *reach)
{
	target->reaches = calloc(1, sizeof(*target->reaches));
	ck_assert_ptr_nonnull(target->reaches);
	target->reaches[0] = *reach;
	target->reach_count = 1;
}

static void expect(enum method_kind method, enum drive_sanitization verdict, const char *word)
{
	advice = target_advise(target);
	ck_assert_msg(advice.method == method, "%s: %s",
		advice.method == METHOD_KINDS ? "overwrite" : method_name(advice.method),
		advice.why);
	ck_assert_msg(advice.verdict == verdict, "%s: %s", drive_sanitization_name(advice.verdict),
		advice.why);
	ck_assert_msg(strstr(advice.why, word), "\"%s\" does not say \"%s\"", advice.why, word);
}

START_TEST(nothing_is_promised_where_the_medium_cannot_be_seen)
{
	static const enum drive_class classes[] = {DRIVE_UNKNOWN, DRIVE_VIRTUAL, DRIVE_NETWORK,
		DRIVE_MEMORY, DRIVE_LOOP, DRIVE_FILE, DRIVE_PARTITION, DRIVE_MAPPED, DRIVE_RAID};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		for (unsigned int kind = 0; kind <= METHOD_KINDS; kind++)
			ck_assert_int_eq(
				target_promise((enum method_kind)kind, classes[i]), DRIVE_NEITHER);
	}
}
END_TEST

START_TEST(what_each_method_promises_on_each_medium)
{
	static const struct {
		enum method_kind kind;
		enum drive_sanitization disk, flash, emmc;
	} rows[] = {
		{METHOD_NVME_SANITIZE_CRYPTO, DRIVE_PURGE, DRIVE_PURGE, DRIVE_NEITHER},
		{METHOD_NVME_SANITIZE_BLOCK, DRIVE_PURGE, DRIVE_PURGE, DRIVE_NEITHER},
		{METHOD_NVME_FORMAT_CRYPTO, DRIVE_CLEAR, DRIVE_CLEAR, DRIVE_NEITHER},
		{METHOD_NVME_FORMAT_USER_DATA, DRIVE_CLEAR, DRIVE_CLEAR, DRIVE_NEITHER},
		{METHOD_ATA_SANITIZE_OVERWRITE, DRIVE_PURGE, DRIVE_CLEAR, DRIVE_NEITHER},
		{METHOD_ATA_SANITIZE_BLOCK, DRIVE_PURGE, DRIVE_PURGE, DRIVE_NEITHER},
		{METHOD_ATA_ENHANCED_SECURITY_ERASE, DRIVE_PURGE, DRIVE_CLEAR, DRIVE_NEITHER},
		{METHOD_ATA_SECURITY_ERASE, DRIVE_CLEAR, DRIVE_CLEAR, DRIVE_NEITHER},
		{METHOD_SCSI_SANITIZE_BLOCK, DRIVE_PURGE, DRIVE_PURGE, DRIVE_NEITHER},
		{METHOD_MMC_SANITIZE, DRIVE_CLEAR, DRIVE_CLEAR, DRIVE_CLEAR},
		{METHOD_MMC_SECURE_TRIM, DRIVE_CLEAR, DRIVE_CLEAR, DRIVE_CLEAR},
		{METHOD_SECURE_DISCARD, DRIVE_NEITHER, DRIVE_NEITHER, DRIVE_NEITHER},
		{METHOD_KINDS, DRIVE_NEITHER, DRIVE_NEITHER, DRIVE_NEITHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(target_promise(rows[i].kind, DRIVE_ROTATIONAL), rows[i].disk);
		ck_assert_int_eq(target_promise(rows[i].kind, DRIVE_ZONED), rows[i].disk);
		ck_assert_int_eq(target_promise(rows[i].kind, DRIVE_FLASH), rows[i].flash);
		ck_assert_int_eq(target_promise(rows[i].kind, DRIVE_EMMC), rows[i].emmc);
	}
}
END_TEST

START_TEST(of_what_promises_the_most_the_first_is_recommended)
{
	target->class = DRIVE_FLASH;
	offer(METHOD_NVME_FORMAT_CRYPTO);
	expect(METHOD_NVME_FORMAT_CRYPTO, DRIVE_CLEAR, "flash");
	offer(METHOD_NVME_SANITIZE_OVERWRITE);
	expect(METHOD_NVME_SANITIZE_OVERWRITE, DRIVE_PURGE, "Purge");
	offer(METHOD_NVME_SANITIZE_BLOCK);
	expect(METHOD_NVME_SANITIZE_BLOCK, DRIVE_PURGE, "nvme-sanitize-block");
}
END_TEST

START_TEST(a_disk_without_methods_is_overwritten)
{
	target->class = DRIVE_ROTATIONAL;
	target->overwrite.overwrite = DRIVE_CLEAR;
	expect(METHOD_KINDS, DRIVE_CLEAR, "in place: Clear");
	/* What promises less than the overwrite is no recommendation. */
	offer(METHOD_SECURE_DISCARD);
	expect(METHOD_KINDS, DRIVE_CLEAR, "promise no more");
	offer(METHOD_ATA_ENHANCED_SECURITY_ERASE);
	expect(METHOD_ATA_ENHANCED_SECURITY_ERASE, DRIVE_PURGE, "Purge");
}
END_TEST

START_TEST(flash_without_methods_reaches_neither)
{
	target->class = DRIVE_FLASH;
	expect(METHOD_KINDS, DRIVE_NEITHER, "sdb: because");
}
END_TEST

START_TEST(a_virtual_drive_may_try_and_claims_nothing)
{
	target->class = DRIVE_NETWORK;
	offer(METHOD_NVME_SANITIZE_BLOCK);
	expect(METHOD_NVME_SANITIZE_BLOCK, DRIVE_NEITHER, "neither Clear nor Purge");
}
END_TEST

START_TEST(a_method_that_would_take_others_along_is_not_recommended)
{
	target->class = DRIVE_FLASH;
	offer(METHOD_NVME_SANITIZE_BLOCK);
	target->facts.methods[METHOD_NVME_SANITIZE_BLOCK].reach = REACH_SUBSYSTEM;
	offer(METHOD_NVME_FORMAT_USER_DATA);
	target->facts.methods[METHOD_NVME_FORMAT_USER_DATA].reach = REACH_NAMESPACE;
	add_reach(&(struct target_reach){.what = "namespace 2", .device = "/dev/nvme0n2"});
	expect(METHOD_NVME_SANITIZE_BLOCK, DRIVE_PURGE, "Purge");
	target->reaches[0].in_use = true;
	expect(METHOD_NVME_FORMAT_USER_DATA, DRIVE_CLEAR, "Clear");
	target->reaches[0].untouched = true;
	expect(METHOD_NVME_SANITIZE_BLOCK, DRIVE_PURGE, "Purge");
	/* Nobody can tell of what has no device. */
	target->reaches[0] = (struct target_reach){.what = "namespace 2"};
	target->facts.methods[METHOD_NVME_FORMAT_USER_DATA].offered = false;
	expect(METHOD_KINDS, DRIVE_NEITHER, "in use or not known beside it");
}
END_TEST

START_TEST(what_was_not_asked_offers_nothing)
{
	target->class = DRIVE_FLASH;
	offer(METHOD_NVME_SANITIZE_BLOCK);
	target->facts_known = false;
	expect(METHOD_KINDS, DRIVE_NEITHER, "could not be asked");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decommission/target_advise");
	TCase *tcase = tcase_create("advise");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nothing_is_promised_where_the_medium_cannot_be_seen);
	tcase_add_test(tcase, what_each_method_promises_on_each_medium);
	tcase_add_test(tcase, of_what_promises_the_most_the_first_is_recommended);
	tcase_add_test(tcase, a_disk_without_methods_is_overwritten);
	tcase_add_test(tcase, flash_without_methods_reaches_neither);
	tcase_add_test(tcase, a_virtual_drive_may_try_and_claims_nothing);
	tcase_add_test(tcase, a_method_that_would_take_others_along_is_not_recommended);
	tcase_add_test(tcase, what_was_not_asked_offers_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
