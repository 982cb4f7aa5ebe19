/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_verdict.c - what may be said of a drive, and every way in which it must be lowered
 *
 * Goal: each method reaches on each medium what the sources say and no more; and of a record of
 * which all is well, one thing that is not is enough to lower the verdict (V1, V2) and is listed
 * (V3).  Method: the table written out once more; a good record, spoiled in one place at a time.
 */
#include "decommission/verdict.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct record *record;
static struct verdict verdict;

/* A disk: SANITIZE ended well, three passes were read back. */
static void setup(void)
{
	struct record_overwrite *overwrite;

	ck_assert_int_eq(record_new(&record), 0);
	overwrite = &record->overwrite;
	record->bytes = 1 << 20;
	record->class = DRIVE_ROTATIONAL;
	record->overwrite_promise = DRIVE_CLEAR;
	strcpy(record->overwrite_reason, "it rotates");
	strcpy(record->overwrite_clause, "SP 800-88r2 3.1.1");
	strcpy(record->transport, "sata");
	record->selftest_ok = true;
	for (int i = 0; i < RECORD_SEARCH; i++)
		record->steps[i].state = RECORD_DONE;
	record->methods[0] = (struct record_method){
		.kind = METHOD_ATA_SANITIZE_OVERWRITE,
		.state = METHOD_DONE,
		.drive_said_done = true,
		.witnessed = true,
		.judged = true,
		.ended_wall_s = 1,
		.witness = {.taken = 2000, .held_data = 1900, .verdict = WITNESS_CHANGED},
	};
	record->method_count = 1;
	strcpy(overwrite->scheme, "three-pass");
	overwrite->pass_count = 3;
	for (int i = 0; i < 3; i++)
		overwrite->passes[i].durable_wall_s = 1;
	overwrite->block_bytes = 512;
	overwrite->requested_bytes = overwrite->written_bytes = overwrite->durable_bytes =
		overwrite->read_bytes = overwrite->verified_bytes = 1 << 20;
}

static void teardown(void)
{
	record_free(record);
	record = NULL;
}

static enum drive_sanitization judge(void)
{
	verdict_judge(record, &verdict);
	return verdict.reached;
}

static bool is_open(const char *words)
{
	for (size_t i = 0; i < verdict.open_count; i++) {
		if (strstr(verdict.open[i], words))
			return true;
	}
	return false;
}

static const struct verdict_part *part(const char *means)
{
	for (size_t i = 0; i < verdict.part_count; i++) {
		if (strstr(verdict.parts[i].means, means))
			return &verdict.parts[i];
	}
	ck_abort_msg("no part %s", means);
	return NULL;
}

#define P DRIVE_PURGE
#define C DRIVE_CLEAR
#define N DRIVE_NEITHER

static const struct {
	enum method_kind kind;
	enum drive_sanitization disk, flash, emmc;
	const char *clause_on_flash; /* NULL: not asked */
} rows[] = {
	{METHOD_NVME_SANITIZE_CRYPTO, P, P, N, "IEEE 2883-2022"},
	{METHOD_NVME_SANITIZE_BLOCK, P, P, N, "IEEE 2883-2022"},
	{METHOD_NVME_SANITIZE_OVERWRITE, P, P, N, "IEEE 2883-2022"},
	{METHOD_NVME_FORMAT_CRYPTO, C, C, N, "SP 800-88r1"},
	{METHOD_NVME_FORMAT_USER_DATA, C, C, N, "SP 800-88r1"},
	{METHOD_ATA_SANITIZE_CRYPTO, P, P, N, "IEEE 2883-2022"},
	{METHOD_ATA_SANITIZE_BLOCK, P, P, N, "IEEE 2883-2022"},
	{METHOD_ATA_SANITIZE_OVERWRITE, P, C, N, ""},
	{METHOD_ATA_ENHANCED_SECURITY_ERASE, P, C, N, "SP 800-88r1"},
	{METHOD_ATA_SECURITY_ERASE, C, C, N, "SP 800-88r1"},
	{METHOD_SCSI_SANITIZE_CRYPTO, P, P, N, ""},
	{METHOD_SCSI_SANITIZE_BLOCK, P, P, N, ""},
	{METHOD_SCSI_SANITIZE_OVERWRITE, P, P, N, ""},
	{METHOD_MMC_SANITIZE, C, C, C, NULL},
	{METHOD_MMC_SECURE_TRIM, C, C, C, NULL},
	{METHOD_SECURE_DISCARD, N, N, N, NULL},
};

START_TEST(each_method_reaches_what_the_sources_say)
{
	static const enum drive_class nothing[] = {
		DRIVE_UNKNOWN, DRIVE_VIRTUAL, DRIVE_NETWORK, DRIVE_LOOP, DRIVE_MEMORY, DRIVE_RAID};

	ck_assert_uint_eq(ARRAY_SIZE(rows), METHOD_KINDS);
	record->steps[RECORD_OVERWRITE].state = RECORD_SKIPPED;
	record->namespaces_known = true;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		record->methods[0].kind = rows[i].kind;
		record->class = DRIVE_ROTATIONAL;
		ck_assert_int_eq(judge(), rows[i].disk);
		record->class = DRIVE_EMMC;
		ck_assert_int_eq(judge(), rows[i].emmc);
		record->class = DRIVE_FLASH;
		ck_assert_int_eq(judge(), rows[i].flash);
		if (rows[i].clause_on_flash)
			ck_assert_str_eq(verdict.parts[0].clause, rows[i].clause_on_flash);
		for (size_t k = 0; k < ARRAY_SIZE(nothing); k++) {
			record->class = nothing[k];
			ck_assert_int_eq(judge(), DRIVE_NEITHER);
			ck_assert_str_eq(verdict.parts[0].clause, "");
			ck_assert_str_ne(verdict.reason, "");
		}
	}
}
END_TEST

START_TEST(the_best_means_is_the_drives)
{
	ck_assert_int_eq(judge(), DRIVE_PURGE);
	ck_assert_str_eq(verdict.means, "ATA SANITIZE, overwrite");
	ck_assert_uint_eq(verdict.part_count, 2);
	ck_assert_int_eq(part("overwrite (three-pass)")->reached, DRIVE_CLEAR);
	ck_assert_str_eq(part("overwrite (three-pass)")->clause, "SP 800-88r2 3.1.1");
	ck_assert(is_open("rests on what the drive says"));
	record->method_count = 0;
	ck_assert_int_eq(judge(), DRIVE_CLEAR);
	ck_assert_str_eq(verdict.means, "overwrite (three-pass)");
	record->class = DRIVE_FLASH;
	record->overwrite_promise = DRIVE_NEITHER;
	ck_assert_int_eq(judge(), DRIVE_NEITHER);
	ck_assert_str_eq(verdict.means, "");
	ck_assert(is_open("remnants must be assumed"));
	record->overwrite_promise = DRIVE_PURGE; /* no record can say that */
	ck_assert_int_eq(judge(), DRIVE_CLEAR);
}
END_TEST

START_TEST(nothing_done_is_nothing_reached)
{
	teardown();
	ck_assert_int_eq(record_new(&record), 0);
	ck_assert_int_eq(judge(), DRIVE_NEITHER);
	ck_assert_uint_eq(verdict.part_count, 0);
	ck_assert_str_eq(verdict.reason, "nothing was done to the drive");
}
END_TEST

/* --- lowered --- */

static void no_end(void)
{
	record->methods[0].ended_wall_s = 0;
}
static void has_failed(void)
{
	record->methods[0].state = METHOD_FAILED;
}
static void stuck(void)
{
	record->methods[0].state = METHOD_STUCK;
}
static void not_said(void)
{
	record->methods[0].drive_said_done = false;
}
static void not_judged(void)
{
	record->methods[0].judged = false;
}
static void not_witnessed(void)
{
	record->methods[0].witnessed = false;
}
static void unreadable(void)
{
	record->methods[0].witness.verdict = WITNESS_UNREADABLE;
	record->methods[0].witness.unreadable_after = 3;
}
static void saw_nothing(void)
{
	record->methods[0].witness.verdict = WITNESS_SAW_NOTHING;
	record->methods[0].witness.held_data = 0;
}
static void survivor(void)
{
	record->methods[0].witness.verdict = WITNESS_SURVIVED;
	record->methods[0].witness.survived = 1;
}
/* A liar before, and one that all is well of behind. */
static void survivor_of_another(void)
{
	record->methods[1] = record->methods[0];
	record->method_count = 2;
	survivor();
	record->methods[0].state = METHOD_FAILED;
}
static void hit(void)
{
	record->search_count = 1;
	record->searches[0].hits = 1;
	strcpy(record->searches[0].label, "canary");
}
static void hidden(void)
{
	record->hidden.hpa = true;
}
static void hidden_by_size(void)
{
	record->hidden.bytes_native = record->bytes + 512;
}
static void opal_locked(void)
{
	record->opal_locked = true;
}
static void refused(void)
{
	ck_assert_int_eq(extent_list_add(&record->overwrite.refused, (struct extent){7, 1}), 0);
}
static void mismatched(void)
{
	ck_assert_int_eq(extent_list_add(&record->overwrite.mismatched, (struct extent){7, 1}), 0);
}
static void not_durable(void)
{
	record->overwrite.durable_bytes -= 512;
}
static void not_written(void)
{
	record->overwrite.written_bytes -= 512;
}
static void pass_missing(void)
{
	record->overwrite.passes[1].durable_wall_s = 0;
}
static void no_passes(void)
{
	record->overwrite.pass_count = 0;
}
static void not_read(void)
{
	record->overwrite.verify = RECORD_VERIFY_NONE;
	record->overwrite.read_bytes = record->overwrite.verified_bytes = 0;
}
static void not_verified(void)
{
	record->overwrite.verified_bytes -= 512;
}
static void not_requested(void)
{
	record->bytes += 512;
}
static void step_failed(void)
{
	record->steps[RECORD_OVERWRITE].state = RECORD_FAILED;
}
static void other_namespace(void)
{
	strcpy(record->transport, "nvme");
	record->namespaces_known = true;
	record->reach_count = 1;
	strcpy(record->reaches[0].what, "namespace 2");
}
static void unlisted_namespaces(void)
{
	strcpy(record->transport, "nvme");
}

/* method, overwrite: what they reach then; of the good record Purge and Clear. */
static const struct {
	const char *name;
	void (*spoil)(void);
	enum drive_sanitization method, overwrite;
	const char *open; /* NULL: not asked */
} lowered[] = {
	{"no end", no_end, N, C, NULL},
	{"failed", has_failed, N, C, NULL},
	{"stuck", stuck, N, C, "its end is not known"},
	{"not said", not_said, N, C, NULL},
	{"not judged", not_judged, N, C, "was not looked at"},
	{"not witnessed", not_witnessed, N, C, NULL},
	{"unreadable", unreadable, N, C, "could not be read afterwards"},
	{"saw nothing", saw_nothing, N, C, NULL},
	{"survivor", survivor, N, C, "showed what they had shown"},
	{"survivor of another", survivor_of_another, N, C, "showed what they had shown"},
	{"hit", hit, N, N, "The search found \"canary\" 1 times"},
	{"hidden", hidden, N, N, "is hidden (HPA"},
	{"hidden by size", hidden_by_size, N, N, "is hidden"},
	{"opal locked", opal_locked, N, N, "is locked"},
	{"refused", refused, P, N, "were refused, and may hold"},
	{"mismatched", mismatched, P, N, "read back otherwise"},
	{"not durable", not_durable, P, N, NULL},
	{"not written", not_written, P, N, NULL},
	{"pass missing", pass_missing, P, N, NULL},
	{"no passes", no_passes, P, N, NULL},
	{"not read", not_read, P, N, "0 were read back"},
	{"not verified", not_verified, P, N, NULL},
	{"not requested", not_requested, P, N, NULL},
	{"step failed", step_failed, P, N, NULL},
	{"other namespace", other_namespace, P, N, "namespace 2"},
	{"unlisted namespaces", unlisted_namespaces, P, N, "does not list all"},
};

START_TEST(one_thing_that_is_not_well_is_enough)
{
	enum drive_sanitization best;

	lowered[_i].spoil();
	best = judge();
	for (size_t i = 0; i < verdict.part_count; i++) {
		const bool is_method = !strstr(verdict.parts[i].means, "overwrite (");

		ck_assert_msg(verdict.parts[i].reached ==
				      (is_method ? lowered[_i].method : lowered[_i].overwrite),
			"%s: part %zu", lowered[_i].name, i);
		ck_assert_str_ne(verdict.parts[i].reason, "");
		if (verdict.parts[i].reached == DRIVE_NEITHER)
			ck_assert_str_eq(verdict.parts[i].clause, "");
	}
	ck_assert_int_eq(best, lowered[_i].method > lowered[_i].overwrite ? lowered[_i].method
									  : lowered[_i].overwrite);
	ck_assert(!lowered[_i].open || is_open(lowered[_i].open));
}
END_TEST

START_TEST(a_format_does_not_speak_for_other_namespaces)
{
	record->class = DRIVE_FLASH;
	record->overwrite_promise = DRIVE_NEITHER;
	record->methods[0].kind = METHOD_NVME_FORMAT_CRYPTO;
	record->namespaces_known = true;
	ck_assert_int_eq(judge(), DRIVE_CLEAR);
	record->reach_count = 1;
	strcpy(record->reaches[0].what, "namespace 2");
	ck_assert_int_eq(judge(), DRIVE_NEITHER);
	record->reach_count = 0;
	record->namespaces_known = false;
	ck_assert_int_eq(judge(), DRIVE_NEITHER);
	record->methods[0].kind = METHOD_NVME_SANITIZE_BLOCK; /* takes all of them */
	ck_assert_int_eq(judge(), DRIVE_PURGE);
}
END_TEST

START_TEST(destroyed_keys_are_performed_and_not_claimed)
{
	struct record_volume *volume = &record->volumes[0];
	const char *means = "cryptographic erase of the volumes";

	record->steps[RECORD_OVERWRITE].state = RECORD_SKIPPED;
	record->method_count = 0;
	record->volume_count = 1;
	strcpy(volume->uuid, "U-1");
	volume->slots_before = volume->slots_destroyed = 2;
	volume->copies_destroyed = volume->proven_closed = true;
	ck_assert_int_eq(judge(), DRIVE_NEITHER);
	ck_assert_ptr_nonnull(strstr(part(means)->reason, "performed, not claimed"));
	volume->backups = 2;
	volume->backups_destroyed = 1;
	volume->filled_before = true;
	(void)judge();
	ck_assert_ptr_nonnull(strstr(part(means)->reason, "header backups exist"));
	ck_assert_ptr_nonnull(strstr(part(means)->reason, "before it was encrypted"));
	ck_assert(is_open("1 header backups of volume U-1"));
	ck_assert(is_open("Something lay on volume U-1"));
	volume->slots_destroyed = 1;
	(void)judge();
	ck_assert_ptr_nonnull(strstr(part(means)->reason, "not proven"));
	ck_assert(is_open("keys of volume U-1 are not proven"));
	record->class = DRIVE_FLASH;
	(void)judge();
	ck_assert_ptr_nonnull(strstr(part(means)->reason, "overwritten on flash"));
}
END_TEST

START_TEST(what_does_not_lower_it_is_listed)
{
	record->identity.is_stand_in = true;
	strcpy(record->identity.serial, "loop7-64M-0a1b2c3d");
	record->opal = record->mmc_boot = record->mmc_rpmb = true;
	record->selftest_ok = false;
	record->jobs_not_retired = 4;
	record->unreadable_bytes = 512;
	ck_assert_int_eq(judge(), DRIVE_PURGE);
	ck_assert(is_open("loop7-64M-0a1b2c3d\" is a stand-in"));
	ck_assert(is_open("were not reverted"));
	ck_assert(is_open("boot partitions"));
	ck_assert(is_open("RPMB"));
	ck_assert(is_open("self-test"));
	ck_assert(is_open("4 jobs"));
	ck_assert(is_open("512 bytes could not be read"));
}
END_TEST

START_TEST(a_list_that_is_too_long_says_so)
{
	record->volume_count = RECORD_VOLUMES_MAX;
	(void)judge();
	ck_assert_uint_eq(verdict.open_count, VERDICT_OPEN_MAX);
	ck_assert(is_open("more than can be listed"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verdict");
	TCase *tcase = tcase_create("verdict");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_method_reaches_what_the_sources_say);
	tcase_add_test(tcase, the_best_means_is_the_drives);
	tcase_add_test(tcase, nothing_done_is_nothing_reached);
	tcase_add_loop_test(
		tcase, one_thing_that_is_not_well_is_enough, 0, (int)ARRAY_SIZE(lowered));
	tcase_add_test(tcase, a_format_does_not_speak_for_other_namespaces);
	tcase_add_test(tcase, destroyed_keys_are_performed_and_not_claimed);
	tcase_add_test(tcase, what_does_not_lower_it_is_listed);
	tcase_add_test(tcase, a_list_that_is_too_long_says_so);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
