/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an eMMC offers, and its methods: honest drives, liars, faults, power cuts; that its boot
 * partitions and RPMB stay as they are; and its registers, cut and damaged.
 *
 * Method: the model of a drive (simdrive.h) behind the command seam, in its own time.
 */
#include "drives/mmc_impl.h"
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <string.h>

enum { BYTES = 2 << 20, APART = 384 << 10, SECTOR = 512, COMMANDS_MAX = 200 };

static const enum method_kind all[] = {METHOD_MMC_SANITIZE, METHOD_MMC_SECURE_TRIM};

static struct drive_rig rig;

static void make(struct simdrive_options options)
{
	if (options.bytes == 0)
		options.bytes = BYTES;
	if (options.boot_partitions)
		options.hidden_bytes = APART;
	drive_rig_make(&rig, SIMDRIVE_MMC, &options);
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
	return (unsigned int)offers(METHOD_MMC_SANITIZE) + offers(METHOD_MMC_SECURE_TRIM);
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
	make((struct simdrive_options){.boot_partitions = true});
	ck_assert_str_eq(rig.facts.model, "SIMMMC");
	ck_assert_str_eq(rig.facts.serial, "0x12345678"); /* as sysfs has it */
	ck_assert_str_eq(rig.facts.firmware, "1.02");
	ck_assert_str_eq(rig.facts.vendor, "MID 15h");
	ck_assert_uint_eq(rig.facts.bytes, BYTES);
	ck_assert_uint_eq(rig.facts.logical_bytes, 512);
	ck_assert(rig.facts.rotation_known && rig.facts.rotation_rpm == 0);
	ck_assert(rig.facts.health_known && rig.facts.healthy);
	ck_assert_ptr_nonnull(strstr(rig.facts.health, "type A up to 20 %, type B up to 10 %"));
	ck_assert(rig.facts.mmc_boot && rig.facts.mmc_rpmb);
	ck_assert_uint_eq(rig.facts.mmc_boot_bytes, 128 << 10);
	ck_assert_uint_eq(rig.facts.mmc_rpmb_bytes, 128 << 10);
	ck_assert_uint_eq(rig.facts.mmc_general_bytes, 0);
	ck_assert_uint_eq(offers_in_all(), 2);
	ck_assert_uint_eq(rig.facts.methods[METHOD_MMC_SANITIZE].reach, REACH_DEVICE);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
	teardown();
	make((struct simdrive_options){.worn = true});
	ck_assert(rig.facts.health_known && !rig.facts.healthy);
	ck_assert_ptr_nonnull(strstr(rig.facts.health, "exceeded"));
	ck_assert(!rig.facts.mmc_boot && !rig.facts.mmc_rpmb);
}
END_TEST

/* E1 */
START_TEST(each_bit_offers_its_own)
{
	make((struct simdrive_options){.no_sanitize = true});
	ck_assert(!offers(METHOD_MMC_SANITIZE) && offers(METHOD_MMC_SECURE_TRIM));
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), -EOPNOTSUPP);
	teardown();
	make((struct simdrive_options){.no_security = true}); /* SECURE_ER_EN */
	ck_assert(offers(METHOD_MMC_SANITIZE) && !offers(METHOD_MMC_SECURE_TRIM));
	teardown();
	make((struct simdrive_options){.no_block = true}); /* SEC_GB_CL_EN */
	ck_assert(offers(METHOD_MMC_SANITIZE) && !offers(METHOD_MMC_SECURE_TRIM));
}
END_TEST

/* Each method that is not offered says why: check_said() for it is in offers(). */
START_TEST(a_memory_card_is_sent_nothing)
{
	make((struct simdrive_options){.memory_card = true});
	ck_assert_uint_eq(offers_in_all(), 0);
	ck_assert_ptr_nonnull(
		strstr(rig.facts.methods[METHOD_MMC_SANITIZE].why_not, "memory card"));
	ck_assert_uint_eq(simdrive_commands(rig.drive), 0);
	teardown();
	make((struct simdrive_options){.read_only = true});
	ck_assert_uint_eq(offers_in_all(), 0);
	ck_assert_ptr_nonnull(
		strstr(rig.facts.methods[METHOD_MMC_SANITIZE].why_not, "write-protected"));
}
END_TEST

struct damage {
	uint32_t byte;
	uint8_t flip;
	unsigned int times;
};

static void spoil(void *context, void *command, int result)
{
	struct damage *damage = context;
	struct mmc_command *mmc = command;

	if (result != 0 || mmc->opcode != MMC_SEND_EXT_CSD || damage->times == 0)
		return;
	damage->times--;
	((uint8_t *)mmc->data)[damage->byte] ^= damage->flip;
}

/* P1, E1 */
START_TEST(a_damaged_answer_offers_nothing_more)
{
	make((struct simdrive_options){.no_sanitize = true, .no_security = true});
	for (uint32_t bit = 0; bit < MMC_EXT_CSD_BYTES * 8; bit++) {
		struct damage damage = {bit / 8, (uint8_t)(1 << bit % 8), 1};

		simdrive_set_hook(rig.drive, spoil, &damage);
		ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
		ck_assert_uint_eq(offers_in_all(), 0);
	}
}
END_TEST

START_TEST(a_drive_that_cannot_be_asked_is_an_error)
{
	make((struct simdrive_options){0});
	for (uint64_t nth = 1; nth <= 2; nth++) {
		simdrive_fail_nth(rig.drive, nth);
		ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), -EIO);
	}
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
		ck_assert_uint_eq(rig.result.status_bytes, MMC_EXT_CSD_BYTES);
		teardown();
	}
}
END_TEST

/* Sizes on the edge of a piece, and a drive smaller than one. */
START_TEST(every_sector_is_reached_whatever_the_size)
{
	static const uint64_t sizes[] = {SECTOR, 512 << 10, (512 << 10) + SECTOR,
		(8 << 20) - SECTOR, 8 << 20, (8 << 20) + SECTOR};

	for (size_t size = 0; size < ARRAY_SIZE(sizes); size++) {
		for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
			make((struct simdrive_options){.bytes = sizes[size]});
			ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
			check_finished();
			teardown();
		}
	}
}
END_TEST

/* H2, Q2 */
START_TEST(it_is_done_when_the_drive_is_ready_and_not_before)
{
	make((struct simdrive_options){.sanitize_ms = 60000});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), 0);
	check_finished();
	ck_assert(rig.result.was_seen_running);
	ck_assert_uint_ge(rig.result.took_ms, 60000);
}
END_TEST

/* Q1 */
START_TEST(boot_partitions_and_rpmb_stay_as_they_are)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.boot_partitions = true});
		ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
		check_said(METHOD_DONE, "no failure");
		ck_assert_uint_eq(drive_rig_secrets(&rig), APART / SECTOR);
		teardown();
	}
}
END_TEST

static void select_partition(uint32_t which)
{
	struct mmc_command command = {.opcode = MMC_SWITCH,
		.argument = 3u << 24 | 179u << 16 | which << 8 | 1,
		.flags = MMC_FLAGS_R1B};
	const struct command_port *port = simdrive_port(rig.drive);

	ck_assert_int_eq(port->ops->mmc(port->context, &command, 1), 0);
}

START_TEST(nothing_is_sent_while_another_partition_is_selected)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){.boot_partitions = true});
		select_partition(1);
		ck_assert_int_eq(drive_rig_perform(&rig, all[i]), -EBUSY);
		check_said(METHOD_READY, "another partition");
		ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
		/* Also in the middle. */
		select_partition(0);
		drive_rig_choose(&rig, all[i]);
		ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
		select_partition(2);
		ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
		ck_assert_int_eq(rig.result.state, METHOD_STUCK);
		ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
		teardown();
	}
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
		make((struct simdrive_options){.swallow = true});
		ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_SURVIVED);
		teardown();
	}
}
END_TEST

START_TEST(a_failed_sanitize_is_said)
{
	make((struct simdrive_options){.fail = true});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), 0);
	check_said(METHOD_FAILED, "says that it failed");
	ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
	rig.drive->options.fail = false;
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), 0);
	check_finished();
}
END_TEST

struct refusal {
	uint32_t opcode, bit;
};

static void refuse(void *context, void *command, int result)
{
	const struct refusal *refusal = context;
	struct mmc_command *mmc = command;

	for (unsigned int i = 0; result == 0 && i < (mmc->opcode == MMC_ERASE_START ? 3u : 1u); i++)
		if (mmc[i].opcode == refusal->opcode)
			mmc[i].response[0] |= 1u << refusal->bit;
}

/* H3 */
START_TEST(whatever_is_not_plainly_a_success_is_none)
{
	static const uint32_t opcodes[] = {MMC_ERASE_START, MMC_ERASE_END, MMC_ERASE, MMC_SWITCH};

	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		for (uint32_t bit = 0; bit < 32; bit++) {
			struct refusal refusal = {opcodes[i], bit};

			if (!(MMC_R1_ERRORS >> bit & 1))
				continue;
			make((struct simdrive_options){0});
			simdrive_set_hook(rig.drive, refuse, &refusal);
			ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), 0);
			check_said(METHOD_FAILED, "refuses");
			teardown();
		}
	}
}
END_TEST

/* P3 */
START_TEST(a_drive_that_stays_busy_is_stuck)
{
	make((struct simdrive_options){.hang_at = 30000});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_MMC_SANITIZE), 0);
	ck_assert_int_eq(rig.result.state, METHOD_STUCK);
	ck_assert_uint_eq(rig.done, 0);
}
END_TEST

/* --- records, faults and power cuts at every command --- */

/* H1 */
static void check_recorded(void *context, void *command, int result)
{
	(void)context;
	(void)command;
	if (result != 1 && simdrive_changes(rig.drive) > 0)
		ck_assert_uint_eq(rig.begun, 1);
}

START_TEST(every_change_is_recorded_before_it_is_sent)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){0});
		drive_rig_choose(&rig, all[i]);
		simdrive_set_hook(rig.drive, check_recorded, NULL);
		ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
		ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
		check_finished();
		teardown();
		for (uint64_t nth = 1; nth <= 2; nth++) {
			make((struct simdrive_options){0});
			rig.fail_note = nth;
			ck_assert_int_eq(drive_rig_perform(&rig, all[i]), -ENOSPC);
			ck_assert(nth > 1 || simdrive_changes(rig.drive) == 0);
			teardown();
		}
	}
}
END_TEST

START_TEST(each_command_that_is_lost_is_sent_again)
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

/* Q3.  Between erase and sanitize all reads as zeros, and all of it is still there. */
START_TEST(a_power_cut_at_every_command_is_taken_up)
{
	bool was_between = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		bool fired = true;

		for (uint64_t nth = 1; fired; nth++) {
			make((struct simdrive_options){0});
			simdrive_vanish(rig.drive, nth);
			(void)!drive_rig_perform(&rig, all[i]);
			fired = simdrive_fired(rig.drive);
			if (fired) {
				was_between |= rig.drive->unmapped[BYTES / SECTOR - 1] &&
					       drive_rig_secrets(&rig) == BYTES / SECTOR;
				simdrive_power_cut(rig.drive);
				ck_assert_int_eq(drive_rig_take_up(&rig), 0);
			}
			check_finished();
			teardown();
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
	ck_assert(was_between);
}
END_TEST

/* --- registers --- */

static struct mmc_registers registers(void)
{
	struct mmc_registers read;
	const struct command_port *port = simdrive_port(rig.drive);

	ck_assert_int_eq(port->ops->mmc_registers(port->context, &read), 0);
	return read;
}

START_TEST(registers_that_are_damaged_are_none)
{
	struct mmc_registers whole, damaged;
	struct mmc_card card;

	make((struct simdrive_options){0});
	whole = registers();
	ck_assert_int_eq(mmc_card_decode(&whole, &card), 0);
	for (unsigned int bit = 0; bit < 15 * 8; bit++) {
		damaged = whole;
		damaged.cid[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(mmc_card_decode(&damaged, &card), -EBADMSG);
		damaged = whole;
		damaged.csd[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(mmc_card_decode(&damaged, &card), -EBADMSG);
	}
	/* A controller that keeps the checksum to itself. */
	damaged = whole;
	damaged.cid[15] = damaged.csd[15] = 0;
	ck_assert_int_eq(mmc_card_decode(&damaged, &card), 0);
}
END_TEST

/* CRC7 of CMD0 and CMD17 in the SD and MMC specifications' example: 4Ah, 2Ah. */
START_TEST(the_checksum_is_the_standard_s)
{
	static const uint8_t command_0[5] = {0x40}, command_17[5] = {0x51};

	ck_assert_uint_eq(mmc_crc7(command_0, sizeof(command_0)), 0x4a);
	ck_assert_uint_eq(mmc_crc7(command_17, sizeof(command_17)), 0x2a);
}
END_TEST

START_TEST(extended_registers_are_read_by_their_revision)
{
	static uint8_t page[MMC_EXT_CSD_BYTES];
	struct mmc_extended extended;

	for (size_t bytes = 0; bytes < sizeof(page); bytes += 64)
		ck_assert_int_eq(mmc_extended_decode(page, bytes, &extended), -EBADMSG);
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), -EBADMSG);
	page[231] = 0x51;
	page[214] = 0x80; /* 8388608 sectors: 4 GiB */
	page[267] = page[268] = page[269] = 1;
	page[192] = 4;
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), 0);
	ck_assert(extended.counts_sectors && !extended.secure_erase && !extended.sanitize);
	ck_assert_uint_eq(extended.bytes, UINT64_C(4) << 30);
	page[192] = 5;
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), 0);
	ck_assert(extended.secure_erase && extended.trim && !extended.sanitize);
	page[192] = 6;
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), 0);
	ck_assert(extended.sanitize && !extended.health_known);
	page[192] = 7;
	page[143] = 2;
	page[221] = page[224] = 1;
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), 0);
	ck_assert(extended.health_known && extended.healthy);
	ck_assert_uint_eq(extended.general_bytes, 1 << 20);
	page[214] = 0x40; /* 2 GiB: addresses are bytes */
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), 0);
	ck_assert(!extended.counts_sectors);
	page[192] = 0xff;
	ck_assert_int_eq(mmc_extended_decode(page, sizeof(page), &extended), -EBADMSG);
}
END_TEST

/* A card of 4 GiB, answered by nobody but this hook. */
static uint32_t last_end;

static int only_large(void *context, struct mmc_command *commands, uint32_t count)
{
	(void)context;
	for (uint32_t i = 0; i < count; i++) {
		commands[i].response[0] = 4u << 9 | 1u << 8;
		if (commands[i].opcode == MMC_ERASE_END)
			last_end = commands[i].argument;
		if (commands[i].opcode != MMC_SEND_EXT_CSD)
			continue;
		memset(commands[i].data, 0, MMC_EXT_CSD_BYTES);
		((uint8_t *)commands[i].data)[192] = 8;
		((uint8_t *)commands[i].data)[214] = 0x80;
		((uint8_t *)commands[i].data)[231] = 0x51;
	}
	return 0;
}

START_TEST(large_drives_are_addressed_in_sectors)
{
	struct command_port_ops ops;
	struct command_port port;

	make((struct simdrive_options){0});
	port = *simdrive_port(rig.drive);
	ops = *port.ops;
	ops.mmc = only_large;
	port.ops = &ops;
	ck_assert_int_eq(facts_ask(&port, &rig.facts), 0);
	drive_rig_choose(&rig, METHOD_MMC_SANITIZE);
	rig.run.port = &port;
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	check_said(METHOD_DONE, "no failure");
	ck_assert_uint_eq(last_end, (1u << 23) - 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("mmc");
	Suite *suite = suite_create("mmc");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, an_honest_drive_tells_what_it_is);
	tcase_add_test(tcase, each_bit_offers_its_own);
	tcase_add_test(tcase, a_memory_card_is_sent_nothing);
	tcase_add_test(tcase, a_damaged_answer_offers_nothing_more);
	tcase_add_test(tcase, a_drive_that_cannot_be_asked_is_an_error);
	tcase_add_test(tcase, each_method_of_an_honest_drive_leaves_nothing);
	tcase_add_test(tcase, every_sector_is_reached_whatever_the_size);
	tcase_add_test(tcase, it_is_done_when_the_drive_is_ready_and_not_before);
	tcase_add_test(tcase, boot_partitions_and_rpmb_stay_as_they_are);
	tcase_add_test(tcase, nothing_is_sent_while_another_partition_is_selected);
	tcase_add_test(tcase, a_liar_says_done_and_the_witness_knows_better);
	tcase_add_test(tcase, a_failed_sanitize_is_said);
	tcase_add_test(tcase, whatever_is_not_plainly_a_success_is_none);
	tcase_add_test(tcase, a_drive_that_stays_busy_is_stuck);
	tcase_add_test(tcase, every_change_is_recorded_before_it_is_sent);
	tcase_add_test(tcase, each_command_that_is_lost_is_sent_again);
	tcase_add_test(tcase, a_power_cut_at_every_command_is_taken_up);
	tcase_add_test(tcase, registers_that_are_damaged_are_none);
	tcase_add_test(tcase, the_checksum_is_the_standard_s);
	tcase_add_test(tcase, extended_registers_are_read_by_their_revision);
	tcase_add_test(tcase, large_drives_are_addressed_in_sectors);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
