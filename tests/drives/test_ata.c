/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ATA drive offers, and each of its methods: honest drives, liars, faults, power cuts; and
 * that no drive is left locked with a password that nobody knows.
 *
 * Method: the model of a drive (simdrive.h) behind the command seam, in its own time.
 */
#include "drives/ata_impl.h"
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 64 * 1024, COMMANDS_MAX = 80, FREEZE_LOCK = 0xf5 };

static const enum method_kind sanitizes[] = {
	METHOD_ATA_SANITIZE_CRYPTO, METHOD_ATA_SANITIZE_BLOCK, METHOD_ATA_SANITIZE_OVERWRITE};
static const enum method_kind erases[] = {
	METHOD_ATA_ENHANCED_SECURITY_ERASE, METHOD_ATA_SECURITY_ERASE};
static const enum method_kind all[] = {METHOD_ATA_SANITIZE_CRYPTO, METHOD_ATA_SANITIZE_BLOCK,
	METHOD_ATA_SANITIZE_OVERWRITE, METHOD_ATA_ENHANCED_SECURITY_ERASE,
	METHOD_ATA_SECURITY_ERASE};

static struct drive_rig rig;

static void make(struct simdrive_options options)
{
	if (options.bytes == 0)
		options.bytes = SMALL;
	drive_rig_make(&rig, SIMDRIVE_ATA, &options);
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

static void ask(void)
{
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
}

static void check_said(enum method_state state, const char *words)
{
	ck_assert_int_eq(rig.result.state, state);
	ck_assert_msg(strstr(rig.result.detail, words), "\"%s\"", rig.result.detail);
}

/* 1: taken; 0: refused. */
static int send_password(uint8_t code, const char *password)
{
	uint8_t page[ATA_PAGE_BYTES] = {0};
	struct ata_command command = {.command = code, .count = 1, .data = page, .to_drive = true};

	memcpy(page + 2, password, strlen(password));
	return ata_send(simdrive_port(rig.drive), &command);
}

static int send_bare(uint8_t code, uint16_t features, uint64_t lba)
{
	struct ata_command command = {
		.command = code, .extended = true, .features = features, .lba = lba};

	return ata_send(simdrive_port(rig.drive), &command);
}

/* After a power cut, by whoever has read the documentation. */
static void check_nobody_is_locked_out(void)
{
	struct ata_identity identity;

	simdrive_set_hook(rig.drive, NULL, NULL);
	simdrive_power_cut(rig.drive);
	ck_assert_int_eq(ata_identify(simdrive_port(rig.drive), &identity), 0);
	if (!identity.enabled)
		return;
	ck_assert(identity.locked);
	ck_assert_int_eq(send_password(ATA_UNLOCK, METHOD_ATA_PASSWORD), 1);
	ck_assert_int_eq(send_password(ATA_TAKE_OFF, METHOD_ATA_PASSWORD), 1);
}

static bool is_enabled(void)
{
	struct ata_identity identity;

	ck_assert_int_eq(ata_identify(simdrive_port(rig.drive), &identity), 0);
	return identity.enabled || identity.locked;
}

static void check_finished(void)
{
	check_said(METHOD_DONE, "succeeded");
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
	ck_assert(!is_enabled());
}

/* --- facts --- */

START_TEST(an_honest_drive_tells_what_it_is)
{
	make((struct simdrive_options){0});
	ck_assert(rig.facts.is_ata);
	ck_assert_str_eq(rig.facts.model, "SIMDRIVE ATA");
	ck_assert_str_eq(rig.facts.serial, "SIMATA0001");
	ck_assert_str_eq(rig.facts.firmware, "1.0");
	ck_assert_str_eq(rig.facts.wwn, "naa.5000000000000001");
	ck_assert_uint_eq(rig.facts.bytes, SMALL);
	ck_assert_uint_eq(rig.facts.native_bytes, SMALL);
	ck_assert(!rig.facts.hpa && !rig.facts.dco && !rig.facts.ama);
	ck_assert_uint_eq(rig.facts.logical_bytes, 512);
	ck_assert_uint_eq(rig.facts.physical_bytes, 4096);
	ck_assert(rig.facts.rotation_known && rig.facts.rotation_rpm == 7200);
	ck_assert(rig.facts.health_known && rig.facts.healthy && !rig.facts.opal);
	ck_assert(rig.facts.security.supported && !rig.facts.security.enabled);
	ck_assert_uint_eq(rig.facts.security.erase_s, 6 * 60);
	ck_assert_uint_eq(rig.facts.security.enhanced_erase_s, 1200 * 60);
	ck_assert_uint_eq(rig.facts.methods[METHOD_ATA_SECURITY_ERASE].estimated_s, 6 * 60);
	ck_assert(rig.facts.sanitize.idle_known && !rig.facts.sanitize.in_progress);
	ck_assert_uint_eq(offers_in_all(), 5);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
}
END_TEST

START_TEST(other_drives_tell_what_they_are)
{
	make((struct simdrive_options){.rotation_rpm = 1, .logical_bytes = 4096, .opal = true});
	ck_assert(rig.facts.rotation_known && rig.facts.rotation_rpm == 0);
	ck_assert_uint_eq(rig.facts.bytes, SMALL);
	ck_assert_uint_eq(rig.facts.logical_bytes, 4096);
	ck_assert(rig.facts.opal && !rig.facts.opal_locked && !rig.facts.opal_unknown);
	ck_assert_ptr_nonnull(strstr(facts_tcg_text(&rig.facts), "PSID revert is not supported"));
}
END_TEST

/* As Linux does, unless it was booted to let them through. */
static void filter_trusted(void *context, void *command, int result)
{
	struct scsi_command *scsi = command;
	const uint8_t invalid_field[] = {0x72, 5, 0x24, 0, 0, 0, 0, 0};

	(void)context;
	if (result != 0 || scsi->cdb[14] != ATA_TRUSTED)
		return;
	scsi->status = 2;
	scsi->sense_bytes = sizeof(invalid_field);
	memcpy(scsi->sense, invalid_field, sizeof(invalid_field));
}

START_TEST(self_encryption_that_cannot_be_asked_for_is_not_denied)
{
	make((struct simdrive_options){0});
	ck_assert_ptr_null(facts_tcg_text(&rig.facts));
	teardown();
	make((struct simdrive_options){.opal = true});
	simdrive_set_hook(rig.drive, filter_trusted, NULL);
	ask();
	ck_assert(!rig.facts.opal && rig.facts.opal_unknown);
	ck_assert_ptr_nonnull(strstr(facts_tcg_text(&rig.facts), "libata.allow_tpm"));
}
END_TEST

START_TEST(a_drive_that_is_about_to_fail_says_so)
{
	make((struct simdrive_options){.worn = true});
	ck_assert(rig.facts.health_known && !rig.facts.healthy);
	ck_assert_ptr_nonnull(strstr(rig.facts.health, "about to fail"));
}
END_TEST

START_TEST(hidden_areas_are_found)
{
	make((struct simdrive_options){.hidden_bytes = 8192});
	ck_assert(rig.facts.hpa && !rig.facts.dco);
	ck_assert_uint_eq(rig.facts.native_bytes, SMALL + 8192);
	teardown();
	make((struct simdrive_options){.hidden_bytes = 8192, .dco_hidden_bytes = 4096});
	ck_assert(rig.facts.hpa && rig.facts.dco);
	ck_assert_uint_eq(rig.facts.bytes, SMALL);
	ck_assert_uint_eq(rig.facts.native_bytes, SMALL + 12288);
}
END_TEST

/* E1 */
START_TEST(each_bit_offers_its_own)
{
	make((struct simdrive_options){.no_block = true, .no_enhanced = true});
	ck_assert(offers(METHOD_ATA_SANITIZE_CRYPTO) && !offers(METHOD_ATA_SANITIZE_BLOCK));
	ck_assert(offers(METHOD_ATA_SECURITY_ERASE));
	ck_assert(!offers(METHOD_ATA_ENHANCED_SECURITY_ERASE));
	teardown();
	make((struct simdrive_options){.no_crypto = true, .no_overwrite = true});
	ck_assert(offers(METHOD_ATA_SANITIZE_BLOCK) && !offers(METHOD_ATA_SANITIZE_CRYPTO));
	ck_assert(!offers(METHOD_ATA_SANITIZE_OVERWRITE));
	teardown();
	make((struct simdrive_options){.no_sanitize = true, .no_security = true});
	ck_assert_uint_eq(offers_in_all(), 0);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), -EOPNOTSUPP);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
}
END_TEST

/* Y1: the fixed format has no room for "completed". */
START_TEST(a_status_that_does_not_come_whole_offers_no_sanitize)
{
	make((struct simdrive_options){.fixed_sense = true});
	ck_assert_uint_eq(offers_in_all(), 3 + 2); /* nothing was ever sanitized: all is zero */
	drive_rig_choose(&rig, METHOD_ATA_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ask();
	ck_assert_uint_eq(offers_in_all(), 2);
	ck_assert(!rig.facts.sanitize.idle_known);
	simdrive_advance(rig.drive, 5000);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), 0);
	check_said(METHOD_DONE, "succeeded");
}
END_TEST

/* --- damaged answers --- */

struct damage {
	uint32_t byte;
	uint8_t flip;
	unsigned int times;
};

static void spoil(void *context, void *command, int result)
{
	struct damage *damage = context;
	struct scsi_command *scsi = command;

	if (result != 0 || scsi->cdb[14] != ATA_IDENTIFY || damage->times == 0)
		return;
	damage->times--;
	((uint8_t *)scsi->data)[damage->byte] ^= damage->flip;
}

/* P1, E1: once, the other answer tells; always, the checksum does. */
START_TEST(a_damaged_identity_offers_nothing)
{
	for (unsigned int times = 1; times <= 2; times++) {
		make((struct simdrive_options){0});
		for (uint32_t bit = 0; bit < ATA_PAGE_BYTES * 8; bit++) {
			struct damage damage = {bit / 8, (uint8_t)(1 << bit % 8), times};

			/* Without its signature a checksum is none. */
			if (times == 2 && damage.byte == 510)
				continue;
			simdrive_set_hook(rig.drive, spoil, &damage);
			ask();
			ck_assert(!rig.facts.is_ata);
			ck_assert_uint_eq(offers_in_all(), 0);
			ck_assert_str_eq(rig.facts.serial, "");
		}
		teardown();
	}
}
END_TEST

START_TEST(each_question_that_fails_makes_nothing_better)
{
	make((struct simdrive_options){.opal = true, .hidden_bytes = 8192});
	for (uint64_t nth = 1;; nth++) {
		int r;

		simdrive_fail_nth(rig.drive, nth);
		r = facts_ask(simdrive_port(rig.drive), &rig.facts);
		if (!simdrive_fired(rig.drive))
			break;
		ck_assert_uint_lt(nth, COMMANDS_MAX);
		ck_assert(r == -EIO || r == 0);
		ck_assert(r == -EIO || offers_in_all() < 5 || !rig.facts.opal ||
			  !rig.facts.health_known || rig.facts.native_bytes == 0);
	}
	simdrive_fail_nth(rig.drive, 0);
}
END_TEST

static void bridge(void *context, void *command, int result)
{
	struct scsi_command *scsi = command;

	if (result == 0) {
		scsi->status = *(uint8_t *)context;
		scsi->sense_bytes = 0;
	}
}

START_TEST(what_takes_no_ata_commands_is_not_taken_for_an_ata_drive)
{
	uint8_t status = 2;

	make((struct simdrive_options){0});
	simdrive_set_hook(rig.drive, bridge, &status);
	ask();
	ck_assert(!rig.facts.is_ata);
	ck_assert_uint_eq(offers_in_all(), 0);
}
END_TEST

static void attention(void *context, void *command, int result)
{
	const uint8_t sense[18] = {0x70, 0, 6, [7] = 10, [12] = 0x29};
	struct scsi_command *scsi = command;
	unsigned int *left = context;

	if (result != 0 || *left == 0)
		return;
	--*left;
	scsi->status = 2;
	scsi->sense_bytes = sizeof(sense);
	memcpy(scsi->sense, sense, sizeof(sense));
}

START_TEST(what_is_told_of_a_reset_is_no_answer)
{
	unsigned int left = 2;

	make((struct simdrive_options){0});
	simdrive_set_hook(rig.drive, attention, &left);
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	ck_assert(rig.facts.is_ata);
	ck_assert_uint_eq(offers_in_all(), 5);
	left = 1000; /* without end it is none either */
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	ck_assert_uint_eq(offers_in_all(), 0);
}
END_TEST

/* P2: "good" without registers is no answer to what has its answer in them. */
START_TEST(a_bridge_without_registers_offers_no_sanitize)
{
	uint8_t status = 0;

	make((struct simdrive_options){.hidden_bytes = 8192});
	simdrive_set_hook(rig.drive, bridge, &status);
	ask();
	ck_assert(rig.facts.is_ata && !rig.facts.health_known);
	ck_assert_uint_eq(rig.facts.native_bytes, 0);
	ck_assert_uint_eq(offers_in_all(), 2);
}
END_TEST

/* --- honest drives --- */

START_TEST(each_method_of_an_honest_drive_leaves_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){0});
		ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_CHANGED);
		check_finished();
		ck_assert_uint_eq(rig.begun, 1);
		ck_assert_uint_eq(rig.done, 1);
		teardown();
	}
}
END_TEST

START_TEST(sanitize_and_the_enhanced_erase_reach_what_is_hidden)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.hidden_bytes = 8192, .dco_hidden_bytes = 4096});
		ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
		ck_assert_int_eq(rig.result.state, METHOD_DONE);
		ck_assert_uint_eq(drive_rig_secrets(&rig),
			all[i] == METHOD_ATA_SECURITY_ERASE ? 4096 / 512 : 0);
		teardown();
	}
}
END_TEST

/* H2 */
START_TEST(it_is_done_when_the_drive_says_so_and_not_before)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		make((struct simdrive_options){.sanitize_ms = 10000});
		drive_rig_choose(&rig, sanitizes[i]);
		ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
		check_said(METHOD_RUNNING, "begun");
		ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
		ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
		check_finished();
		ck_assert(rig.result.was_seen_running);
		ck_assert_uint_ge(rig.result.took_ms, 10000);
		teardown();
	}
}
END_TEST

START_TEST(a_sanitize_under_way_is_told_and_not_disturbed)
{
	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_ATA_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	simdrive_advance(rig.drive, 1000);
	ask();
	ck_assert(rig.facts.sanitize.in_progress && !rig.facts.sanitize.failed);
	ck_assert_uint_eq(rig.facts.sanitize.progress, 32768);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SANITIZE_CRYPTO), -EBUSY);
	ck_assert_uint_eq(rig.notes, 0);
}
END_TEST

/* --- frozen, locked --- */

START_TEST(a_frozen_drive_is_said_with_its_remedy)
{
	make((struct simdrive_options){.frozen = true});
	ck_assert(rig.facts.security.frozen);
	for (size_t i = 0; i < ARRAY_SIZE(erases); i++) {
		ck_assert_int_eq(drive_rig_perform(&rig, erases[i]), -EPERM);
		check_said(METHOD_READY, "suspend");
		ck_assert_uint_eq(rig.notes, 0);
	}
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
	simdrive_power_cut(rig.drive);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), 0);
	check_finished();
}
END_TEST

START_TEST(a_sanitize_that_is_frozen_is_said_with_its_remedy)
{
	make((struct simdrive_options){0});
	ck_assert_int_eq(send_bare(ATA_SANITIZE, 0x20, 0x46724c6b), 1);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SANITIZE_BLOCK), -EPERM);
	check_said(METHOD_READY, "off and on");
	simdrive_power_cut(rig.drive);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SANITIZE_BLOCK), 0);
	check_finished();
}
END_TEST

/* U4 */
START_TEST(a_stranger_s_lock_gets_one_try)
{
	make((struct simdrive_options){0});
	ck_assert_int_eq(send_password(ATA_SET_PASSWORD, "a stranger's"), 1);
	simdrive_power_cut(rig.drive);
	ask();
	ck_assert(rig.facts.security.locked && rig.facts.security.enabled);
	for (unsigned int tries = 0; tries < 5; tries++) {
		ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), -EPERM);
		check_said(METHOD_READY, "locked");
		ck_assert_uint_eq(rig.begun, 0);
	}
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), -EPERM);
	check_said(METHOD_READY, "too many");
	simdrive_power_cut(rig.drive);
	ck_assert_int_eq(send_password(ATA_UNLOCK, "a stranger's"), 1);
}
END_TEST

START_TEST(what_an_earlier_run_locked_is_opened)
{
	make((struct simdrive_options){0});
	ck_assert_int_eq(send_password(ATA_SET_PASSWORD, METHOD_ATA_PASSWORD), 1);
	simdrive_power_cut(rig.drive);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), 0);
	check_finished();
}
END_TEST

static void refreeze(void *context, void *command, int result)
{
	const struct scsi_command *scsi = command;

	(void)context;
	if (result == 0 && scsi->cdb[14] == ATA_SET_PASSWORD)
		simdrive_set_hook(rig.drive, NULL, NULL);
	if (result == 0 && scsi->cdb[14] == ATA_SET_PASSWORD)
		ck_assert_int_eq(send_bare(FREEZE_LOCK, 0, 0), 1);
}

START_TEST(a_password_that_cannot_be_taken_off_is_named)
{
	make((struct simdrive_options){0});
	simdrive_set_hook(rig.drive, refreeze, NULL);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SECURITY_ERASE), 0);
	check_said(METHOD_FAILED, METHOD_ATA_PASSWORD);
	check_nobody_is_locked_out();
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

/* U3, T1 */
START_TEST(a_bridge_that_swallows_commands_has_failed)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.swallow = true});
		ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
		check_said(METHOD_FAILED, "came to nothing");
		teardown();
	}
}
END_TEST

static void swallow_the_erase(void *context, void *command, int result)
{
	const struct scsi_command *scsi = command;

	(void)context;
	if (result == 1 && scsi->cdb[14] == ATA_ERASE_PREPARE)
		rig.drive->options.swallow = true;
	if (result == 0 && scsi->cdb[14] == ATA_ERASE_UNIT)
		rig.drive->options.swallow = false;
}

/* U3, U2 */
START_TEST(an_erase_that_keeps_its_password_has_failed)
{
	for (size_t i = 0; i < ARRAY_SIZE(erases); i++) {
		make((struct simdrive_options){0});
		simdrive_set_hook(rig.drive, swallow_the_erase, NULL);
		ck_assert_int_eq(drive_rig_perform(&rig, erases[i]), 0);
		check_said(METHOD_FAILED, "kept its password");
		ck_assert(!is_enabled());
		teardown();
	}
}
END_TEST

/* T1 */
START_TEST(an_older_success_is_not_taken_for_this_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		make((struct simdrive_options){0});
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		drive_rig_fill(&rig);
		rig.drive->options.swallow = true;
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		check_said(METHOD_FAILED, "did not change");
		teardown();
	}
}
END_TEST

/* H3: as the kernel gives it, an abort comes in the other format than a success. */
static void abort_in_fixed_format(void *context, void *command, int result)
{
	struct scsi_command *scsi = command;
	const uint8_t *was = scsi->sense;
	const uint8_t fixed[18] = {0xf0, 0, 0xb, was[11], was[21], 0x40, was[13], 10,
		was[12] ? 0x40 : 0, was[15], was[17], was[19]};

	(void)context;
	if (result != 0 || scsi->status != 2 || was[1] != 0xb)
		return;
	memcpy(scsi->sense, fixed, sizeof(fixed));
	scsi->sense_bytes = sizeof(fixed);
}

START_TEST(a_failed_sanitize_is_said_and_its_state_left)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
			make((struct simdrive_options){.fail = true});
			simdrive_set_hook(rig.drive, fixed ? abort_in_fixed_format : NULL, NULL);
			ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
			check_said(METHOD_FAILED, "sanitize failed");
			ck_assert(!rig.drive->sanitize.failed);
			ck_assert_uint_eq(rig.done, 1);
			rig.drive->options.fail = false;
			ck_assert_int_eq(
				drive_rig_perform(&rig, METHOD_ATA_ENHANCED_SECURITY_ERASE), 0);
			check_finished();
			teardown();
		}
	}
}
END_TEST

/* U2 */
START_TEST(an_erase_that_fails_takes_its_password_off)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		for (size_t i = 0; i < ARRAY_SIZE(erases); i++) {
			make((struct simdrive_options){.fail = true, .fixed_sense = fixed > 0});
			ck_assert_int_eq(drive_rig_perform(&rig, erases[i]), 0);
			check_said(METHOD_FAILED, "refuses the erase");
			ck_assert(!is_enabled());
			ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
			teardown();
		}
	}
}
END_TEST

/* P3 */
START_TEST(a_drive_that_hangs_is_stuck)
{
	make((struct simdrive_options){.hang_at = 30000});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_ATA_SANITIZE_BLOCK), 0);
	ck_assert_int_eq(rig.result.state, METHOD_STUCK);
	ck_assert_uint_ge(rig.result.took_ms, 120 * 1000);
	ck_assert_uint_eq(rig.done, 0);
}
END_TEST

/* --- records, faults and power cuts at every command --- */

static bool is_change(const struct scsi_command *scsi)
{
	return (scsi->cdb[14] >= ATA_SET_PASSWORD && scsi->cdb[14] <= ATA_TAKE_OFF &&
		       scsi->cdb[14] != ATA_ERASE_UNIT) ||
	       (scsi->cdb[14] == ATA_SANITIZE && (scsi->cdb[4] != 0 || (scsi->cdb[6] & 1)));
}

static uint64_t notes_seen;

/* H1, U1: each has a record of its own; ERASE UNIT shares that of ERASE PREPARE. */
static void check_recorded(void *context, void *command, int result)
{
	(void)context;
	if (result != 1 || !is_change(command))
		return;
	ck_assert_uint_gt(rig.notes, notes_seen);
	notes_seen = rig.notes;
}

START_TEST(every_change_is_recorded_before_it_is_sent)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (unsigned int fails = 0; fails < 2; fails++) {
			make((struct simdrive_options){.fail = fails > 0});
			notes_seen = 0;
			simdrive_set_hook(rig.drive, check_recorded, NULL);
			ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
			ck_assert_uint_gt(simdrive_changes(rig.drive), 0);
			teardown();
		}
	}
}
END_TEST

/* H1 */
START_TEST(a_record_that_fails_stops_it_and_locks_nobody_out)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint64_t left = 0;

		for (uint64_t nth = 1; left == 0; nth++) {
			int r;

			make((struct simdrive_options){.fail = true});
			drive_rig_choose(&rig, all[i]);
			rig.fail_note = nth;
			r = method_start(&rig.run, &rig.result);
			if (r >= 0)
				r = method_wait(&rig.run, NULL, &rig.result);
			left = rig.fail_note;
			ck_assert_int_eq(r, left == 0 ? -ENOSPC : 0);
			ck_assert_int_ne(rig.result.state, METHOD_DONE);
			check_nobody_is_locked_out();
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
				ck_assert_int_eq(r, -EIO);
				ck_assert_int_ne(rig.result.state, METHOD_DONE);
				ck_assert_int_eq(drive_rig_take_up(&rig), 0);
			}
			simdrive_fail_nth(rig.drive, 0);
			check_finished();
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* H1, Z2: locked after it, if a password was set; and whoever takes it up comes to the true end. */
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
				simdrive_vanish(rig.drive, 0);
				check_finished();
				teardown();
				ck_assert_uint_lt(nth, COMMANDS_MAX);
			}
		}
	}
}
END_TEST

/* U1, U2 */
START_TEST(a_power_cut_at_every_command_of_a_failing_erase_locks_nobody_out)
{
	for (size_t i = 0; i < ARRAY_SIZE(erases); i++) {
		bool fired = true;

		for (uint64_t nth = 1; fired; nth++) {
			make((struct simdrive_options){.fail = true});
			simdrive_vanish(rig.drive, nth);
			(void)!drive_rig_perform(&rig, erases[i]);
			fired = simdrive_fired(rig.drive);
			ck_assert_int_ne(rig.result.state, METHOD_DONE);
			check_nobody_is_locked_out();
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* T2 */
START_TEST(an_older_success_does_not_end_what_was_cut)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		make((struct simdrive_options){0});
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		drive_rig_fill(&rig);
		simdrive_vanish(rig.drive, 2); /* the command itself */
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), -ENODEV);
		ck_assert_int_eq(rig.result.state, METHOD_LOST);
		simdrive_power_cut(rig.drive);
		ck_assert_int_eq(drive_rig_take_up(&rig), 0);
		check_finished();
		teardown();
	}
}
END_TEST

/* --- the suite --- */

static void add_facts(TCase *tcase)
{
	tcase_add_test(tcase, an_honest_drive_tells_what_it_is);
	tcase_add_test(tcase, other_drives_tell_what_they_are);
	tcase_add_test(tcase, self_encryption_that_cannot_be_asked_for_is_not_denied);
	tcase_add_test(tcase, a_drive_that_is_about_to_fail_says_so);
	tcase_add_test(tcase, hidden_areas_are_found);
	tcase_add_test(tcase, each_bit_offers_its_own);
	tcase_add_test(tcase, a_status_that_does_not_come_whole_offers_no_sanitize);
	tcase_add_test(tcase, a_damaged_identity_offers_nothing);
	tcase_add_test(tcase, each_question_that_fails_makes_nothing_better);
	tcase_add_test(tcase, what_takes_no_ata_commands_is_not_taken_for_an_ata_drive);
	tcase_add_test(tcase, what_is_told_of_a_reset_is_no_answer);
	tcase_add_test(tcase, a_bridge_without_registers_offers_no_sanitize);
}

static void add_methods(TCase *tcase)
{
	tcase_add_test(tcase, each_method_of_an_honest_drive_leaves_nothing);
	tcase_add_test(tcase, sanitize_and_the_enhanced_erase_reach_what_is_hidden);
	tcase_add_test(tcase, it_is_done_when_the_drive_says_so_and_not_before);
	tcase_add_test(tcase, a_sanitize_under_way_is_told_and_not_disturbed);
	tcase_add_test(tcase, a_frozen_drive_is_said_with_its_remedy);
	tcase_add_test(tcase, a_sanitize_that_is_frozen_is_said_with_its_remedy);
	tcase_add_test(tcase, a_stranger_s_lock_gets_one_try);
	tcase_add_test(tcase, what_an_earlier_run_locked_is_opened);
	tcase_add_test(tcase, a_password_that_cannot_be_taken_off_is_named);
	tcase_add_test(tcase, a_liar_says_done_and_the_witness_knows_better);
	tcase_add_test(tcase, a_bridge_that_swallows_commands_has_failed);
	tcase_add_test(tcase, an_erase_that_keeps_its_password_has_failed);
	tcase_add_test(tcase, an_older_success_is_not_taken_for_this_one);
	tcase_add_test(tcase, a_failed_sanitize_is_said_and_its_state_left);
	tcase_add_test(tcase, an_erase_that_fails_takes_its_password_off);
	tcase_add_test(tcase, a_drive_that_hangs_is_stuck);
}

static void add_faults(TCase *tcase)
{
	tcase_add_test(tcase, every_change_is_recorded_before_it_is_sent);
	tcase_add_test(tcase, a_record_that_fails_stops_it_and_locks_nobody_out);
	tcase_add_test(tcase, each_command_that_is_lost_is_told_and_taken_up);
	tcase_add_test(tcase, a_power_cut_at_every_command_is_taken_up);
	tcase_add_test(tcase, a_power_cut_at_every_command_of_a_failing_erase_locks_nobody_out);
	tcase_add_test(tcase, an_older_success_does_not_end_what_was_cut);
}

int main(void)
{
	TCase *tcase = tcase_create("ata");
	Suite *suite = suite_create("ata");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	add_facts(tcase);
	add_methods(tcase);
	add_faults(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
