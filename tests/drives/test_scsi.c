/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a SCSI drive offers, and each of its methods: honest drives, liars, faults, power cuts; and
 * its pages, cut and damaged.
 *
 * Method: the model of a drive (simdrive.h) behind the command seam, in its own time.
 */
#include "drives/scsi_pages.h"
#include "drives/scsi_sense.h"
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <string.h>

enum { SMALL = 64 * 1024, COMMANDS_MAX = 80, SANITIZE = 0x48, REPORT_CODES = 0xa3 };

static const enum method_kind all[] = {
	METHOD_SCSI_SANITIZE_CRYPTO, METHOD_SCSI_SANITIZE_BLOCK, METHOD_SCSI_SANITIZE_OVERWRITE};

static struct drive_rig rig;

static void make(struct simdrive_options options)
{
	if (options.bytes == 0)
		options.bytes = SMALL;
	drive_rig_make(&rig, SIMDRIVE_SCSI, &options);
}

static void teardown(void)
{
	drive_rig_unmake(&rig);
}

static bool offers(enum method_kind kind)
{
	const struct method_offer *offer = &rig.facts.methods[kind];

	ck_assert(offer->offered == (offer->why_not[0] == '\0'));
	return offer->offered;
}

static unsigned int offers_in_all(void)
{
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		count += offers(all[i]);
	return count;
}

static void check_said(enum method_state state, const char *words)
{
	ck_assert_msg(rig.result.state == state && strstr(rig.result.detail, words), "%s: \"%s\"",
		method_state_name(rig.result.state), rig.result.detail);
}

static void check_finished(void)
{
	check_said(METHOD_DONE, "no failure");
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}

/* --- facts --- */

START_TEST(an_honest_drive_tells_what_it_is)
{
	make((struct simdrive_options){0});
	ck_assert(!rig.facts.is_ata);
	ck_assert_str_eq(rig.facts.vendor, "SIMDRIVE");
	ck_assert_str_eq(rig.facts.model, "SIMDRIVE SCSI");
	ck_assert_str_eq(rig.facts.serial, "SIMSCSI0001");
	ck_assert_str_eq(rig.facts.wwn, "naa.5000c50000000002");
	ck_assert_uint_eq(rig.facts.bytes, SMALL);
	ck_assert_uint_eq(rig.facts.logical_bytes, 512);
	ck_assert_uint_eq(rig.facts.physical_bytes, 4096);
	ck_assert(rig.facts.rotation_known && rig.facts.rotation_rpm == 7200);
	ck_assert(rig.facts.sanitize.idle_known && !rig.facts.sanitize.in_progress);
	ck_assert_uint_eq(offers_in_all(), 3);
	ck_assert(!offers(METHOD_ATA_SECURITY_ERASE) && !offers(METHOD_ATA_SANITIZE_BLOCK));
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
}
END_TEST

START_TEST(health_and_self_encryption_are_told)
{
	make((struct simdrive_options){.opal = true});
	ck_assert(rig.facts.health_known && rig.facts.healthy);
	ck_assert_ptr_nonnull(strstr(rig.facts.health, "no failure is foreseen, 31 degrees C"));
	ck_assert(rig.facts.opal && !rig.facts.opal_locked);
	teardown();
	make((struct simdrive_options){.worn = true});
	ck_assert(rig.facts.health_known && !rig.facts.healthy);
	ck_assert_ptr_nonnull(strstr(rig.facts.health, "about to fail"));
	ck_assert(!rig.facts.opal && !facts_tcg_text(&rig.facts));
}
END_TEST

/* E1 */
START_TEST(each_service_action_offers_its_own)
{
	make((struct simdrive_options){.no_block = true});
	ck_assert(offers(METHOD_SCSI_SANITIZE_CRYPTO) && !offers(METHOD_SCSI_SANITIZE_BLOCK));
	teardown();
	make((struct simdrive_options){.no_crypto = true, .no_overwrite = true});
	ck_assert(offers(METHOD_SCSI_SANITIZE_BLOCK) && offers_in_all() == 1);
	teardown();
	make((struct simdrive_options){.no_sanitize = true});
	ck_assert_uint_eq(offers_in_all(), 0);
	teardown();
	make((struct simdrive_options){.no_format = true}); /* and no REPORT ... CODES */
	ck_assert_uint_eq(offers_in_all(), 0);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_BLOCK), -EOPNOTSUPP);
}
END_TEST

struct damage {
	uint8_t opcode;
	uint32_t byte;
	uint8_t flip;
	unsigned int times;
};

static void spoil(void *context, void *command, int result)
{
	struct damage *damage = context;
	struct scsi_command *scsi = command;

	if (result != 0 || scsi->cdb[0] != damage->opcode || damage->times == 0 ||
		damage->byte >= scsi->data_bytes)
		return;
	damage->times--;
	((uint8_t *)scsi->data)[damage->byte] ^= damage->flip;
}

/* P1, E1 */
START_TEST(a_damaged_answer_offers_nothing_more)
{
	make((struct simdrive_options){.no_sanitize = true});
	for (uint32_t bit = 0; bit < 64 * 8; bit++) {
		struct damage damage = {REPORT_CODES, bit / 8, (uint8_t)(1 << bit % 8), 1};

		simdrive_set_hook(rig.drive, spoil, &damage);
		ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
		ck_assert_uint_eq(offers_in_all(), 0);
	}
}
END_TEST

START_TEST(each_question_that_fails_makes_nothing_better)
{
	make((struct simdrive_options){.opal = true});
	for (uint64_t nth = 1;; nth++) {
		int r;

		simdrive_fail_nth(rig.drive, nth);
		r = facts_ask(simdrive_port(rig.drive), &rig.facts);
		if (!simdrive_fired(rig.drive))
			break;
		ck_assert_uint_lt(nth, COMMANDS_MAX);
		ck_assert(r == -EIO || offers_in_all() < 3 || rig.facts.serial[0] == '\0' ||
			  rig.facts.wwn[0] == '\0' || !rig.facts.rotation_known ||
			  rig.facts.logical_bytes == 0 || !rig.facts.health_known ||
			  !rig.facts.opal || !rig.facts.sanitize.idle_known);
	}
}
END_TEST

/* --- honest drives --- */

START_TEST(each_method_of_an_honest_drive_leaves_nothing)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
			make((struct simdrive_options){.fixed_sense = fixed > 0});
			ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_CHANGED);
			check_finished();
			ck_assert_uint_eq(rig.begun, 1);
			ck_assert_uint_eq(rig.done, 1);
			ck_assert_uint_eq(simdrive_changes(rig.drive), 1);
			teardown();
		}
	}
}
END_TEST

/* H2 */
START_TEST(it_is_done_when_the_drive_says_so_and_not_before)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		make((struct simdrive_options){.sanitize_ms = 10000, .fixed_sense = fixed > 0});
		drive_rig_choose(&rig, METHOD_SCSI_SANITIZE_BLOCK);
		ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
		check_said(METHOD_RUNNING, "begun");
		simdrive_advance(rig.drive, 5000);
		ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
		ck_assert(rig.facts.sanitize.in_progress);
		ck_assert_uint_eq(rig.facts.sanitize.progress, 32768);
		ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
		check_finished();
		ck_assert(rig.result.was_seen_running);
		teardown();
	}
}
END_TEST

START_TEST(another_sanitize_is_not_disturbed)
{
	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_SCSI_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_CRYPTO), -EBUSY);
	ck_assert_uint_eq(rig.notes, 0);
}
END_TEST

/* --- liars and failures --- */

/* H4, E2 */
START_TEST(a_liar_says_done_and_the_witness_knows_better)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.lie = true});
		ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_SURVIVED);
		teardown();
		make((struct simdrive_options){.residue_bytes = 8192});
		ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_SURVIVED);
		teardown();
	}
}
END_TEST

/* V1 */
START_TEST(a_bridge_that_swallows_a_sanitize_has_failed)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.swallow = true});
		ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
		check_said(METHOD_FAILED, "came to nothing");
		teardown();
	}
}
END_TEST

START_TEST(a_failed_sanitize_is_said_and_its_state_left)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
			make((struct simdrive_options){.fail = true, .fixed_sense = fixed > 0});
			ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
			check_said(METHOD_FAILED, "sanitize failed");
			ck_assert(!rig.drive->sanitize.failed);
			ck_assert_uint_eq(rig.done, 1);
			rig.drive->options.fail = false;
			ck_assert_int_eq(drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_CRYPTO), 0);
			check_finished();
			teardown();
		}
	}
}
END_TEST

struct answer {
	uint8_t status, key, asc;
	uint16_t host_status;
};

static void answer_sanitize(void *context, void *command, int result)
{
	const struct answer *answer = context;
	struct scsi_command *scsi = command;
	uint8_t sense[8] = {0x72, answer->key, answer->asc};

	if (result != 0 || scsi->cdb[0] != SANITIZE)
		return;
	rig.drive->sanitize.running = false;
	scsi->status = answer->status;
	scsi->host_status = answer->host_status;
	scsi->sense_bytes = answer->key ? sizeof(sense) : 0;
	memcpy(scsi->sense, sense, sizeof(sense));
}

/* H3: "unsupported" comes in many forms. */
START_TEST(whatever_is_not_plainly_a_success_is_none)
{
	struct answer answers[] = {{2, 5, 0x20, 0}, {2, 4, 0x44, 0}, {0, 0, 0, 7}, {2, 0, 0, 0},
		{8, 0, 0, 0}, {0x18, 0, 0, 0}, {2, 1, 0, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		int r;

		make((struct simdrive_options){0});
		simdrive_set_hook(rig.drive, answer_sanitize, &answers[i]);
		r = drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_BLOCK);
		if (answers[i].host_status != 0) {
			ck_assert_int_eq(r, -EIO);
			ck_assert_int_eq(rig.result.state, METHOD_LOST);
		} else {
			ck_assert_int_eq(r, 0);
			check_said(METHOD_FAILED, "refuses");
		}
		ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
		teardown();
	}
}
END_TEST

/* Each command but INQUIRY is told of a reset first, REQUEST SENSE as its data. */
static void attention(void *context, void *command, int result)
{
	struct scsi_command *scsi = command;
	const uint8_t sense[18] = {0x70, 0, 6, [7] = 10, [12] = 0x29};
	unsigned int *count = context;

	if (result != 0 || scsi->cdb[0] == 0x12 || scsi->cdb[0] == SANITIZE || ++*count % 2 == 0)
		return;
	if (scsi->cdb[0] == 0x03) {
		memcpy(scsi->data, sense, sizeof(sense));
		scsi->residual_bytes = scsi->data_bytes - (uint32_t)sizeof(sense);
		return;
	}
	scsi->status = 2;
	scsi->sense_bytes = sizeof(sense);
	memcpy(scsi->sense, sense, sizeof(sense));
}

START_TEST(what_is_told_of_a_reset_is_no_answer)
{
	unsigned int count = 1; /* the first command asks for an ATA drive */

	make((struct simdrive_options){0});
	simdrive_set_hook(rig.drive, attention, &count);
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	ck_assert_uint_eq(offers_in_all(), 3);
	ck_assert_uint_eq(rig.facts.logical_bytes, 512);
	ck_assert(rig.facts.sanitize.idle_known);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_BLOCK), 0);
	check_finished();
}
END_TEST

/* P3 */
START_TEST(a_drive_that_hangs_is_stuck)
{
	make((struct simdrive_options){.hang_at = 30000});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_SCSI_SANITIZE_BLOCK), 0);
	ck_assert_int_eq(rig.result.state, METHOD_STUCK);
	ck_assert_uint_eq(rig.done, 0);
}
END_TEST

/* --- records, faults and power cuts at every command --- */

/* H1 */
static void check_recorded(void *context, void *command, int result)
{
	const struct scsi_command *scsi = command;

	(void)context;
	if (result == 1 && scsi->cdb[0] == SANITIZE)
		ck_assert_uint_gt(rig.notes, simdrive_changes(rig.drive));
}

START_TEST(every_change_is_recorded_before_it_is_sent)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint64_t left = 0;

		for (uint64_t nth = 1; left == 0; nth++) {
			int r;

			make((struct simdrive_options){.fail = true});
			simdrive_set_hook(rig.drive, check_recorded, NULL);
			rig.fail_note = nth;
			r = drive_rig_perform(&rig, all[i]);
			left = rig.fail_note;
			ck_assert_int_eq(r, left == 0 ? -ENOSPC : 0);
			ck_assert_int_ne(rig.result.state, METHOD_DONE);
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

START_TEST(each_command_that_is_lost_is_told_and_taken_up)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		bool fired = true;

		for (uint64_t nth = 1; fired; nth++) {
			int r;

			make((struct simdrive_options){0});
			simdrive_fail_nth(rig.drive, nth);
			r = drive_rig_perform(&rig, all[i]);
			fired = simdrive_fired(rig.drive);
			if (r < 0) {
				ck_assert_int_ne(rig.result.state, METHOD_DONE);
				ck_assert_int_eq(drive_rig_take_up(&rig), 0);
			}
			check_finished();
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* V2 */
START_TEST(a_power_cut_at_every_command_is_taken_up)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (uint32_t hours = 0; hours < 2; hours++) {
			bool fired = true;

			for (uint64_t nth = 1; fired; nth++) {
				make((struct simdrive_options){0});
				simdrive_vanish(rig.drive, nth);
				(void)!drive_rig_perform(&rig, all[i]);
				fired = simdrive_fired(rig.drive);
				if (fired) {
					ck_assert_int_ne(rig.result.state, METHOD_DONE);
					simdrive_power_cut(rig.drive);
					simdrive_advance(rig.drive, hours * 3600u * 1000u);
					ck_assert_int_eq(drive_rig_take_up(&rig), 0);
				}
				check_finished();
				teardown();
				ck_assert_uint_lt(nth, COMMANDS_MAX);
			}
		}
	}
}
END_TEST

/* --- pages --- */

START_TEST(pages_that_are_cut_are_none)
{
	static const uint8_t names[16] = {0, 0x83, 0, 12, 1, 3, 0, 8, 0x50, 0, 0xc5, 0, 0, 0, 0, 2};
	static const uint8_t serial[8] = {0, 0x80, 0, 4, 'A', 'B', 'C', 'D'};
	static const uint8_t size[32] = {[6] = 1, [10] = 2};
	char text[FACTS_TEXT_BYTES];
	static const uint8_t exceptions[11] = {0x2f, 0, 0, 8, 0, 0, 3, 4, 0x0b, 1, 40};
	struct scsi_capacity capacity;
	struct scsi_health health;

	ck_assert_int_eq(scsi_names_decode(names, sizeof(names), text), 0);
	ck_assert_str_eq(text, "naa.5000c50000000002");
	ck_assert_int_eq(scsi_serial_decode(serial, sizeof(serial), text), 0);
	ck_assert_str_eq(text, "ABCD");
	ck_assert_int_eq(scsi_capacity_decode(size, sizeof(size), &capacity), 0);
	ck_assert_uint_eq(capacity.bytes, 257 * 512);
	ck_assert_int_eq(scsi_health_decode(exceptions, sizeof(exceptions), &health), 0);
	ck_assert(!health.healthy);
	for (size_t bytes = 0; bytes < sizeof(exceptions); bytes++)
		ck_assert_int_eq(scsi_health_decode(exceptions, bytes, &health), -EBADMSG);
	for (size_t bytes = 0; bytes < sizeof(names); bytes++)
		ck_assert_int_eq(scsi_names_decode(names, bytes, text), -EBADMSG);
	for (size_t bytes = 0; bytes < sizeof(serial); bytes++)
		ck_assert_int_eq(scsi_serial_decode(serial, bytes, text), -EBADMSG);
	for (size_t bytes = 0; bytes < 16; bytes++)
		ck_assert_int_eq(scsi_capacity_decode(size, bytes, &capacity), -EBADMSG);
}
END_TEST

START_TEST(progress_is_read_in_both_formats)
{
	static const uint8_t fixed[18] = {
		0x70, 0, 2, [7] = 10, [12] = 4, 0x1b, 0, 0x80, 0x12, 0x34};
	static const uint8_t described[16] = {
		0x72, 2, 4, 0x1b, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x12, 0x34};
	uint32_t progress;

	ck_assert_int_eq(scsi_sense_progress(fixed, sizeof(fixed), &progress), 0);
	ck_assert_uint_eq(progress, 0x1234);
	ck_assert_int_eq(scsi_sense_progress(described, sizeof(described), &progress), 0);
	ck_assert_uint_eq(progress, 0x1234);
	for (size_t bytes = 0; bytes < sizeof(fixed); bytes++)
		ck_assert_int_eq(scsi_sense_progress(fixed, bytes, &progress), -EBADMSG);
	for (size_t bytes = 0; bytes < sizeof(described); bytes++)
		ck_assert_int_eq(scsi_sense_progress(described, bytes, &progress), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("scsi");
	Suite *suite = suite_create("scsi");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, an_honest_drive_tells_what_it_is);
	tcase_add_test(tcase, health_and_self_encryption_are_told);
	tcase_add_test(tcase, each_service_action_offers_its_own);
	tcase_add_test(tcase, a_damaged_answer_offers_nothing_more);
	tcase_add_test(tcase, each_question_that_fails_makes_nothing_better);
	tcase_add_test(tcase, each_method_of_an_honest_drive_leaves_nothing);
	tcase_add_test(tcase, it_is_done_when_the_drive_says_so_and_not_before);
	tcase_add_test(tcase, another_sanitize_is_not_disturbed);
	tcase_add_test(tcase, a_liar_says_done_and_the_witness_knows_better);
	tcase_add_test(tcase, a_bridge_that_swallows_a_sanitize_has_failed);
	tcase_add_test(tcase, a_failed_sanitize_is_said_and_its_state_left);
	tcase_add_test(tcase, whatever_is_not_plainly_a_success_is_none);
	tcase_add_test(tcase, what_is_told_of_a_reset_is_no_answer);
	tcase_add_test(tcase, a_drive_that_hangs_is_stuck);
	tcase_add_test(tcase, every_change_is_recorded_before_it_is_sent);
	tcase_add_test(tcase, each_command_that_is_lost_is_told_and_taken_up);
	tcase_add_test(tcase, a_power_cut_at_every_command_is_taken_up);
	tcase_add_test(tcase, pages_that_are_cut_are_none);
	tcase_add_test(tcase, progress_is_read_in_both_formats);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
