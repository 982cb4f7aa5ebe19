/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an NVMe drive offers, and each of its methods: honest drives, liars, faults, power cuts.
 *
 * Method: the model of a drive (simdrive.h) behind the command seam, in its own time.
 */
#include "drives/facts.h"
#include "tests/support/drive_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SMALL = 64 * 1024,
	COMMANDS_MAX = 60,
	RESTRICTED_BLOCK_ERASE = 2,
	BLOCK_ERASE = 2 | 1 << 3,
};

static const enum method_kind sanitizes[] = {
	METHOD_NVME_SANITIZE_CRYPTO, METHOD_NVME_SANITIZE_BLOCK, METHOD_NVME_SANITIZE_OVERWRITE};
static const enum method_kind all[] = {METHOD_NVME_SANITIZE_CRYPTO, METHOD_NVME_SANITIZE_BLOCK,
	METHOD_NVME_SANITIZE_OVERWRITE, METHOD_NVME_FORMAT_CRYPTO, METHOD_NVME_FORMAT_USER_DATA};

static struct drive_rig rig;

static void make(struct simdrive_options options)
{
	if (options.bytes == 0)
		options.bytes = SMALL;
	drive_rig_make(&rig, SIMDRIVE_NVME, &options);
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

static void teardown(void)
{
	drive_rig_unmake(&rig);
}

static void check_finished(void)
{
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}

/* --- facts --- */

START_TEST(an_honest_drive_tells_what_it_is)
{
	make((struct simdrive_options){.sanitize_ms = 90000});
	ck_assert_str_eq(rig.facts.model, "SIMDRIVE NVME");
	ck_assert_str_eq(rig.facts.serial, "SIMNVME0001");
	ck_assert_str_eq(rig.facts.firmware, "1.0");
	ck_assert_str_eq(rig.facts.wwn, "eui.5000000000000001");
	ck_assert_uint_eq(rig.facts.bytes, SMALL);
	ck_assert_uint_eq(rig.facts.native_bytes, SMALL);
	ck_assert_uint_eq(rig.facts.logical_bytes, 512);
	ck_assert(rig.facts.rotation_known && rig.facts.rotation_rpm == 0);
	ck_assert(rig.facts.health_known && rig.facts.healthy);
	ck_assert_str_eq(rig.facts.health, "100 % spare, 3 % of its life used");
	ck_assert(rig.facts.sanitize.idle_known && !rig.facts.sanitize.in_progress);
	ck_assert(!rig.facts.opal);
	ck_assert_uint_eq(rig.facts.namespace_count, 1);
	ck_assert(rig.facts.namespaces_known);
	ck_assert_uint_eq(offers_in_all(), 5);
	ck_assert_uint_eq(rig.facts.methods[METHOD_NVME_SANITIZE_BLOCK].estimated_s, 90);
	ck_assert_int_eq(rig.facts.methods[METHOD_NVME_SANITIZE_BLOCK].reach, REACH_SUBSYSTEM);
	ck_assert_int_eq(rig.facts.methods[METHOD_NVME_FORMAT_CRYPTO].reach, REACH_NAMESPACE);
}
END_TEST

START_TEST(asking_changes_nothing)
{
	make((struct simdrive_options){.opal = true});
	ck_assert_uint_gt(simdrive_commands(rig.drive), 0);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
}
END_TEST

/* E1 */
START_TEST(what_fna_denies_is_not_offered_even_if_the_drive_would_take_it)
{
	make((struct simdrive_options){.no_crypto = true, .crypto_accepted_without_fna = true});
	ck_assert(!offers(METHOD_NVME_FORMAT_CRYPTO));
	ck_assert(!offers(METHOD_NVME_SANITIZE_CRYPTO));
	ck_assert(offers(METHOD_NVME_FORMAT_USER_DATA));
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), -EOPNOTSUPP);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
}
END_TEST

START_TEST(each_bit_of_sanicap_offers_its_own)
{
	make((struct simdrive_options){.no_block = true});
	ck_assert(offers(METHOD_NVME_SANITIZE_CRYPTO) && !offers(METHOD_NVME_SANITIZE_BLOCK));
	teardown();
	make((struct simdrive_options){.no_overwrite = true});
	ck_assert(offers(METHOD_NVME_SANITIZE_BLOCK) && !offers(METHOD_NVME_SANITIZE_OVERWRITE));
	teardown();
	make((struct simdrive_options){.no_sanitize = true, .no_format = true});
	ck_assert_uint_eq(offers_in_all(), 0);
}
END_TEST

START_TEST(an_opal_drive_is_known)
{
	make((struct simdrive_options){.opal = true});
	ck_assert(rig.facts.opal && !rig.facts.opal_locked);
}
END_TEST

START_TEST(a_sanitize_under_way_is_told)
{
	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	simdrive_advance(rig.drive, 1000);
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	ck_assert(rig.facts.sanitize.in_progress && !rig.facts.sanitize.failed);
	ck_assert_uint_eq(rig.facts.sanitize.progress, 32768);
}
END_TEST

START_TEST(every_namespace_is_listed)
{
	make((struct simdrive_options){.namespaces = 3, .nsid = 2});
	ck_assert_uint_eq(rig.facts.nsid, 2);
	ck_assert_uint_eq(rig.facts.namespace_count, 3);
	ck_assert_uint_eq(rig.facts.namespaces[2], 3);
	ck_assert_str_eq(rig.facts.wwn, "eui.5000000000000002");
}
END_TEST

START_TEST(a_list_that_is_too_long_is_not_known)
{
	make((struct simdrive_options){.namespaces = FACTS_NAMESPACES_MAX + 1, .bytes = 512});
	ck_assert(!rig.facts.namespaces_known);
	ck_assert_uint_eq(rig.facts.namespace_count, 0);
}
END_TEST

START_TEST(the_controller_alone_offers_no_format)
{
	make((struct simdrive_options){.nsid = UINT32_MAX});
	ck_assert(offers(METHOD_NVME_SANITIZE_CRYPTO));
	ck_assert(!offers(METHOD_NVME_FORMAT_CRYPTO));
}
END_TEST

/* --- damaged answers --- */

struct damage {
	uint8_t opcode, cns;
	uint32_t byte;
	uint8_t xor ;
	unsigned int times; /* of those answers */
};

static void spoil(void *context, void *command, int result)
{
	struct damage *damage = context;
	struct nvme_command *nvme = command;

	if (result != 0 || nvme->opcode != damage->opcode || (nvme->cdw10 & 0xff) != damage->cns ||
		damage->times == 0)
		return;
	damage->times--;
	((uint8_t *)nvme->data)[damage->byte] ^= damage->xor ;
}

static void ask_damaged(struct damage damage)
{
	simdrive_set_hook(rig.drive, spoil, &damage);
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	simdrive_set_hook(rig.drive, NULL, NULL);
}

static uint32_t step(void)
{
	return getenv("SPOOLGUARD_TEST_SCALE") ? 13 : 1;
}

/* P1, E1: a page has no checksum, so it is asked for twice. */
START_TEST(a_page_that_is_damaged_once_offers_nothing)
{
	make((struct simdrive_options){.no_crypto = true, .no_block = true, .no_format = true});
	for (uint32_t byte = 0; byte < 3072; byte += step()) {
		ask_damaged((struct damage){0x06, 0x01, byte, 0xff, 1});
		ck_assert_uint_eq(offers_in_all(), 0);
		ck_assert_str_eq(rig.facts.serial, "");
	}
}
END_TEST

/* E1 */
START_TEST(no_bit_but_the_one_that_is_named_offers_more)
{
	make((struct simdrive_options){.no_crypto = true, .no_block = true, .no_format = true});
	for (uint32_t bit = 0; bit < 4096 * 8; bit += step()) {
		bool is_sanicap = bit >= 328 * 8 && bit < 328 * 8 + 2;
		bool is_format = bit == 256 * 8 + 1;

		ask_damaged((struct damage){0x06, 0x01, bit / 8, (uint8_t)(1 << bit % 8), 2});
		ck_assert_uint_le(offers_in_all(), is_sanicap || is_format ? 2 : 1);
	}
}
END_TEST

START_TEST(a_status_log_that_is_none_offers_no_sanitize)
{
	make((struct simdrive_options){0});
	ask_damaged((struct damage){0x02, 0x81, 2, 0x07, 1});
	ck_assert_uint_eq(offers_in_all(), 2);
	ck_assert(!rig.facts.sanitize.idle_known);
}
END_TEST

START_TEST(a_damaged_namespace_is_no_namespace)
{
	make((struct simdrive_options){0});
	for (uint32_t byte = 0; byte < 4096; byte += step()) {
		ask_damaged((struct damage){0x06, 0x00, byte, 0xff, 1});
		ck_assert_uint_le(offers_in_all(), 5);
		ck_assert(rig.facts.logical_bytes == 0 || rig.facts.logical_bytes == 512);
	}
}
END_TEST

/* P1: what is asked and does not come is not known. */
START_TEST(each_question_that_fails_makes_nothing_better)
{
	uint64_t nth = 1;

	make((struct simdrive_options){.opal = true});
	for (;; nth++) {
		int r;

		simdrive_fail_nth(rig.drive, nth);
		r = facts_ask(simdrive_port(rig.drive), &rig.facts);
		if (!simdrive_fired(rig.drive))
			break;
		ck_assert(r == -EIO || r == 0);
		ck_assert(r == -EIO || offers_in_all() < 5 || !rig.facts.opal ||
			  !rig.facts.health_known || !rig.facts.namespaces_known);
	}
	ck_assert_uint_gt(nth, 6);
}
END_TEST

/* --- honest drives --- */

START_TEST(each_method_of_an_honest_drive_leaves_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		make((struct simdrive_options){0});
		ck_assert_int_eq(drive_rig_witness(&rig, all[i]), WITNESS_CHANGED);
		ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
		ck_assert_uint_eq(rig.begun, 1);
		ck_assert_uint_eq(rig.done, 1);
		ck_assert_uint_eq(simdrive_changes(rig.drive), 1);
		teardown();
	}
}
END_TEST

/* H2 */
START_TEST(it_is_done_when_the_drive_says_so_and_not_before)
{
	make((struct simdrive_options){.sanitize_ms = 10000});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_RUNNING);
	ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
	ck_assert(rig.result.was_seen_running);
	ck_assert_uint_ge(rig.result.took_ms, 10000);
	ck_assert_uint_eq(rig.result.status_bytes, METHOD_STATUS_BYTES);
	ck_assert_mem_ne(rig.result.status_before, rig.result.status_after, METHOD_STATUS_BYTES);
}
END_TEST

START_TEST(nothing_can_be_read_while_it_runs)
{
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	uint8_t sector[512];

	make((struct simdrive_options){0});
	ck_assert_int_eq(simdrive_medium(rig.drive, &bd), 0);
	ck_assert_int_eq(blockdev_read(bd, (struct extent){0, 1}, sector, sizeof(sector)), 0);
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_CRYPTO);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(blockdev_read(bd, (struct extent){0, 1}, sector, sizeof(sector)), -EIO);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(blockdev_read(bd, (struct extent){0, 1}, sector, sizeof(sector)), 0);
}
END_TEST

START_TEST(a_sanitize_takes_every_namespace)
{
	make((struct simdrive_options){.namespaces = 3, .nsid = 2});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_CRYPTO), 0);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}
END_TEST

START_TEST(a_format_takes_its_namespace_or_all_as_fna_says)
{
	make((struct simdrive_options){.namespaces = 3, .nsid = 2});
	ck_assert_int_eq(drive_rig_witness(&rig, METHOD_NVME_FORMAT_USER_DATA), WITNESS_CHANGED);
	ck_assert_ptr_nonnull(strstr(rig.result.detail, "for namespace 2 and no other"));
	ck_assert_uint_eq(drive_rig_secrets(&rig), 2 * SMALL / 512);
	teardown();
	make((struct simdrive_options){.namespaces = 3, .nsid = 2, .fna_all = true});
	ck_assert_int_eq(rig.facts.methods[METHOD_NVME_FORMAT_USER_DATA].reach, REACH_SUBSYSTEM);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_USER_DATA), 0);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}
END_TEST

START_TEST(a_format_keeps_the_sector_size)
{
	make((struct simdrive_options){.logical_bytes = 4096});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), 0);
	ck_assert_uint_eq(rig.drive->options.logical_bytes, 4096);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}
END_TEST

START_TEST(a_drive_that_cannot_keep_its_blocks_is_not_asked_to)
{
	make((struct simdrive_options){.no_deallocate_inhibited = true});
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		drive_rig_fill(&rig);
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		ck_assert_int_eq(rig.result.state, METHOD_DONE);
		ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
		ck_assert_uint_eq(rig.begun, 2);
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
	}
}
END_TEST

/* H4 */
START_TEST(a_residue_at_the_end_is_seen)
{
	make((struct simdrive_options){.residue_bytes = 8192});
	ck_assert_int_eq(drive_rig_witness(&rig, METHOD_NVME_SANITIZE_BLOCK), WITNESS_SURVIVED);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 16);
}
END_TEST

/* H2: the command "succeeds". */
START_TEST(a_bridge_that_swallows_a_sanitize_has_failed)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		make((struct simdrive_options){.swallow = true});
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		ck_assert_int_eq(rig.result.state, METHOD_FAILED);
		ck_assert_ptr_nonnull(strstr(rig.result.detail, "came to nothing"));
		teardown();
	}
}
END_TEST

START_TEST(a_bridge_that_swallows_a_format_is_found_by_the_witness)
{
	make((struct simdrive_options){.swallow = true});
	ck_assert_int_eq(drive_rig_witness(&rig, METHOD_NVME_FORMAT_CRYPTO), WITNESS_SURVIVED);
}
END_TEST

/* N1 */
START_TEST(an_older_success_is_not_taken_for_this_one)
{
	make((struct simdrive_options){0});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_BLOCK), 0);
	drive_rig_fill(&rig);
	rig.drive->options.swallow = true;
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_BLOCK), 0);
	ck_assert_int_eq(rig.result.state, METHOD_FAILED);
}
END_TEST

START_TEST(another_method_s_success_is_not_taken_for_this_one_s)
{
	make((struct simdrive_options){0});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_BLOCK), 0);
	rig.drive->options.swallow = true;
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_CRYPTO), 0);
	ck_assert_int_eq(rig.result.state, METHOD_FAILED);
	ck_assert_ptr_nonnull(strstr(rig.result.detail, "another sanitize"));
}
END_TEST

START_TEST(failure_mode_is_left_and_another_way_is_open)
{
	_cleanup_(blockdev_closep) struct blockdev *bd = NULL;
	uint8_t sector[512];

	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		make((struct simdrive_options){.fail = true});
		ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
		ck_assert_int_eq(rig.result.state, METHOD_FAILED);
		ck_assert(!rig.drive->sanitize.failed);
		ck_assert_uint_eq(rig.done, 1);
		ck_assert_int_eq(simdrive_medium(rig.drive, &bd), 0);
		ck_assert_int_eq(
			blockdev_read(bd, (struct extent){0, 1}, sector, sizeof(sector)), 0);
		bd = blockdev_close(bd);
		rig.drive->options.fail = false;
		ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), 0);
		ck_assert_int_eq(rig.result.state, METHOD_DONE);
		teardown();
	}
}
END_TEST

static void sanitize_and_fail(uint32_t cdw10)
{
	struct nvme_command command = {.opcode = 0x84, .cdw10 = cdw10};

	rig.drive->options.fail = true;
	ck_assert_int_eq(simdrive_port(rig.drive)->ops->nvme_admin(rig.drive, &command), 0);
	ck_assert_uint_eq(command.status, 0);
	simdrive_advance(rig.drive, 5000);
	rig.drive->options.fail = false;
	ck_assert(rig.drive->sanitize.failed);
}

START_TEST(restricted_failure_that_another_left_is_got_out_of)
{
	make((struct simdrive_options){0});
	sanitize_and_fail(RESTRICTED_BLOCK_ERASE);
	ck_assert_int_eq(facts_ask(simdrive_port(rig.drive), &rig.facts), 0);
	ck_assert(rig.facts.sanitize.failed);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_CRYPTO), 0);
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
	ck_assert_uint_eq(drive_rig_secrets(&rig), 0);
}
END_TEST

START_TEST(a_format_leaves_failure_mode_first)
{
	make((struct simdrive_options){0});
	sanitize_and_fail(BLOCK_ERASE);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), 0);
	check_finished();
	teardown();

	/* Restricted, it cannot be left so. */
	make((struct simdrive_options){0});
	sanitize_and_fail(RESTRICTED_BLOCK_ERASE);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), 0);
	ck_assert_int_eq(rig.result.state, METHOD_FAILED);
}
END_TEST

START_TEST(a_format_that_fails_is_said)
{
	make((struct simdrive_options){.fail = true});
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_USER_DATA), 0);
	ck_assert_int_eq(rig.result.state, METHOD_FAILED);
	ck_assert_ptr_nonnull(strstr(rig.result.detail, "internal error"));
}
END_TEST

/* P3 */
START_TEST(a_drive_that_hangs_is_stuck)
{
	const uint32_t at[] = {1, 30000, 65535};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		make((struct simdrive_options){.hang_at = at[i]});
		ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_BLOCK), 0);
		ck_assert_int_eq(rig.result.state, METHOD_STUCK);
		ck_assert_uint_ge(rig.result.took_ms, 120 * 1000);
		ck_assert_uint_lt(rig.result.took_ms, 130 * 1000);
		ck_assert_uint_eq(rig.done, 0);
		teardown();
	}
}
END_TEST

/* P3 */
START_TEST(a_drive_that_crawls_runs_out_of_time)
{
	make((struct simdrive_options){.sanitize_ms = 1000 * 3600 * 10});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	rig.run.limits.whole_s = 7200;
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_STUCK);
	ck_assert_uint_eq(rig.result.took_ms, 7200 * 1000);
}
END_TEST

/* P3: hours are no harm while it gets on. */
START_TEST(a_drive_that_gets_on_is_not_stuck)
{
	make((struct simdrive_options){.sanitize_ms = 1000 * 3600 * 10});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	rig.run.limits.without_progress_s = 60;
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
}
END_TEST

/* P1: at once, as nobody will answer through this port again. */
START_TEST(a_drive_that_is_gone_is_lost)
{
	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	simdrive_vanish(rig.drive, 1);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_LOST);
	ck_assert_uint_lt(rig.result.took_ms, 2000);
	ck_assert_uint_eq(rig.done, 0);
}
END_TEST

static void deallocate(void *context, void *command, int result)
{
	struct nvme_command *nvme = command;
	uint8_t *page = nvme->data;

	(void)context;
	if (result == 0 && nvme->opcode == 0x02 && (nvme->cdw10 & 0xff) == 0x81 &&
		(page[2] & 7) == 1)
		page[2] = 4;
}

START_TEST(a_success_that_unmapped_its_blocks_is_one)
{
	make((struct simdrive_options){0});
	simdrive_set_hook(rig.drive, deallocate, NULL);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_BLOCK), 0);
	check_finished();
	ck_assert_ptr_nonnull(strstr(rig.result.detail, "unmapped"));
}
END_TEST

START_TEST(another_sanitize_is_not_disturbed)
{
	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_SANITIZE_CRYPTO), -EBUSY);
	ck_assert_ptr_nonnull(strstr(rig.result.detail, "wait"));
	ck_assert_int_eq(method_resume(&rig.run, &rig.result), -EBUSY);
	ck_assert_uint_eq(rig.notes, 0);
	ck_assert_int_eq(drive_rig_perform(&rig, METHOD_NVME_FORMAT_CRYPTO), -EBUSY);
	ck_assert_uint_gt(drive_rig_secrets(&rig), 0);
}
END_TEST

static bool stop(void *context, const struct progress *progress)
{
	(void)context;
	ck_assert_str_eq(progress->what, "nvme-sanitize-block");
	return true;
}

START_TEST(who_stops_waiting_leaves_the_drive_at_it)
{
	struct progress_sink sink = {stop, NULL};

	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	ck_assert_int_eq(method_wait(&rig.run, &sink, &rig.result), -ECANCELED);
	ck_assert(rig.drive->sanitize.running);
	ck_assert_int_eq(drive_rig_take_up(&rig), 0);
	ck_assert_int_eq(rig.result.state, METHOD_DONE);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 1);
}
END_TEST

/* --- records --- */

/* H1: a change that arrives has a record of its own. */
static void check_recorded(void *context, void *command, int result)
{
	const struct nvme_command *nvme = command;

	(void)context;
	if (result == 1 && (nvme->opcode == 0x84 || nvme->opcode == 0x80))
		ck_assert_uint_gt(rig.notes, simdrive_changes(rig.drive));
}

START_TEST(every_change_is_recorded_before_it_is_sent)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (unsigned int fails = 0; fails < 2; fails++) {
			make((struct simdrive_options){
				.fail = fails > 0, .no_deallocate_inhibited = true});
			simdrive_set_hook(rig.drive, check_recorded, NULL);
			ck_assert_int_eq(drive_rig_perform(&rig, all[i]), 0);
			ck_assert_uint_gt(simdrive_changes(rig.drive), 0);
			teardown();
		}
	}
}
END_TEST

/* H1 */
START_TEST(a_record_that_fails_stops_it_there)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (uint64_t nth = 1;; nth++) {
			uint64_t left;
			int r;

			make((struct simdrive_options){.fail = true});
			simdrive_set_hook(rig.drive, check_recorded, NULL);
			rig.fail_note = nth;
			r = drive_rig_perform(&rig, all[i]);
			left = rig.fail_note;
			if (left == 0) {
				ck_assert_int_eq(r, -ENOSPC);
				ck_assert_uint_le(simdrive_changes(rig.drive), rig.notes);
			}
			teardown();
			if (left > 0)
				break;
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* --- faults and power cuts at every command --- */

/* P1: a command that was not delivered tells nothing; who takes it up comes to the true end. */
START_TEST(each_command_that_is_lost_is_told_and_taken_up)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (uint64_t nth = 1;; nth++) {
			bool fired;
			int r;

			make((struct simdrive_options){0});
			simdrive_fail_nth(rig.drive, nth);
			r = drive_rig_perform(&rig, all[i]);
			fired = simdrive_fired(rig.drive);
			if (r < 0) {
				ck_assert_int_eq(r, -EIO);
				ck_assert_int_ne(rig.result.state, METHOD_DONE);
				ck_assert(rig.begun == 0 || rig.result.state == METHOD_LOST);
				ck_assert_int_eq(drive_rig_take_up(&rig), 0);
			}
			check_finished();
			teardown();
			if (!fired)
				break;
			ck_assert_uint_lt(nth, COMMANDS_MAX);
		}
	}
}
END_TEST

/* The drive is gone from the nth command on; hours later (or at once) the power is back. */
static bool cut_and_take_up(enum method_kind kind, uint64_t nth, uint32_t hours)
{
	bool fired;
	int r;

	simdrive_vanish(rig.drive, nth);
	r = drive_rig_perform(&rig, kind);
	fired = simdrive_fired(rig.drive);
	if (fired) {
		ck_assert(r == -ENODEV || rig.result.state == METHOD_LOST);
		simdrive_power_cut(rig.drive);
		simdrive_advance(rig.drive, hours * 3600u * 1000u);
		r = drive_rig_take_up(&rig);
	}
	ck_assert_int_eq(r, 0);
	return fired;
}

START_TEST(a_power_cut_at_every_command_is_taken_up)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (uint32_t hours = 0; hours < 2; hours++) {
			bool fired = true;

			for (uint64_t nth = 1; fired; nth++) {
				make((struct simdrive_options){0});
				fired = cut_and_take_up(all[i], nth, hours);
				check_finished();
				teardown();
				ck_assert_uint_lt(nth, COMMANDS_MAX);
			}
		}
	}
}
END_TEST

/* N2: recorded, cut off before it was sent, and the log speaks of an older success. */
START_TEST(an_older_success_does_not_end_what_was_cut)
{
	for (size_t i = 0; i < ARRAY_SIZE(sanitizes); i++) {
		bool fired = true;

		for (uint64_t nth = 1; fired; nth++) {
			make((struct simdrive_options){0});
			ck_assert_int_eq(drive_rig_perform(&rig, sanitizes[i]), 0);
			drive_rig_fill(&rig);
			fired = cut_and_take_up(sanitizes[i], nth, 0);
			check_finished();
			teardown();
		}
	}
}
END_TEST

START_TEST(a_failure_before_the_cut_does_not_end_it)
{
	bool fired = true;

	for (uint64_t nth = 1; fired; nth++) {
		make((struct simdrive_options){0});
		sanitize_and_fail(RESTRICTED_BLOCK_ERASE);
		fired = cut_and_take_up(METHOD_NVME_SANITIZE_BLOCK, nth, 0);
		check_finished();
		teardown();
	}
}
END_TEST

/* LOST is polled again: a reset in the middle is no end. */
START_TEST(silence_in_the_middle_is_waited_out_until_the_limit)
{
	make((struct simdrive_options){.sanitize_ms = 20000});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	simdrive_fail_nth(rig.drive, 3);
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert(simdrive_fired(rig.drive));
	check_finished();
}
END_TEST

static int never_answers(void *context, struct nvme_command *command)
{
	(void)context;
	(void)command;
	return -ETIMEDOUT;
}

/* P1, P3: silence is neither success nor failure, and has an end. */
START_TEST(silence_without_end_is_lost)
{
	struct command_port_ops ops;
	struct command_port port;

	make((struct simdrive_options){0});
	drive_rig_choose(&rig, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method_start(&rig.run, &rig.result), 0);
	port = *simdrive_port(rig.drive);
	ops = *port.ops;
	ops.nvme_admin = never_answers;
	port.ops = &ops;
	rig.run.port = &port;
	ck_assert_int_eq(method_wait(&rig.run, NULL, &rig.result), 0);
	ck_assert_int_eq(rig.result.state, METHOD_LOST);
	ck_assert_uint_ge(rig.result.took_ms, 120 * 1000);
	ck_assert_uint_eq(rig.done, 0);
	rig.run.port = simdrive_port(rig.drive);
	ck_assert_int_eq(drive_rig_take_up(&rig), 0);
	check_finished();
	ck_assert_uint_eq(simdrive_changes(rig.drive), 1);
}
END_TEST

/* --- the suite --- */

static void add_facts(TCase *tcase)
{
	tcase_add_test(tcase, an_honest_drive_tells_what_it_is);
	tcase_add_test(tcase, asking_changes_nothing);
	tcase_add_test(tcase, what_fna_denies_is_not_offered_even_if_the_drive_would_take_it);
	tcase_add_test(tcase, each_bit_of_sanicap_offers_its_own);
	tcase_add_test(tcase, an_opal_drive_is_known);
	tcase_add_test(tcase, a_sanitize_under_way_is_told);
	tcase_add_test(tcase, every_namespace_is_listed);
	tcase_add_test(tcase, a_list_that_is_too_long_is_not_known);
	tcase_add_test(tcase, the_controller_alone_offers_no_format);
	tcase_add_test(tcase, a_page_that_is_damaged_once_offers_nothing);
	tcase_add_test(tcase, no_bit_but_the_one_that_is_named_offers_more);
	tcase_add_test(tcase, a_status_log_that_is_none_offers_no_sanitize);
	tcase_add_test(tcase, a_damaged_namespace_is_no_namespace);
	tcase_add_test(tcase, each_question_that_fails_makes_nothing_better);
}

static void add_methods(TCase *tcase)
{
	tcase_add_test(tcase, each_method_of_an_honest_drive_leaves_nothing);
	tcase_add_test(tcase, it_is_done_when_the_drive_says_so_and_not_before);
	tcase_add_test(tcase, nothing_can_be_read_while_it_runs);
	tcase_add_test(tcase, a_sanitize_takes_every_namespace);
	tcase_add_test(tcase, a_format_takes_its_namespace_or_all_as_fna_says);
	tcase_add_test(tcase, a_format_keeps_the_sector_size);
	tcase_add_test(tcase, a_drive_that_cannot_keep_its_blocks_is_not_asked_to);
	tcase_add_test(tcase, a_liar_says_done_and_the_witness_knows_better);
	tcase_add_test(tcase, a_residue_at_the_end_is_seen);
	tcase_add_test(tcase, a_bridge_that_swallows_a_sanitize_has_failed);
	tcase_add_test(tcase, a_bridge_that_swallows_a_format_is_found_by_the_witness);
	tcase_add_test(tcase, an_older_success_is_not_taken_for_this_one);
	tcase_add_test(tcase, another_method_s_success_is_not_taken_for_this_one_s);
	tcase_add_test(tcase, failure_mode_is_left_and_another_way_is_open);
	tcase_add_test(tcase, restricted_failure_that_another_left_is_got_out_of);
	tcase_add_test(tcase, a_format_leaves_failure_mode_first);
	tcase_add_test(tcase, a_format_that_fails_is_said);
	tcase_add_test(tcase, a_drive_that_hangs_is_stuck);
	tcase_add_test(tcase, a_drive_that_crawls_runs_out_of_time);
	tcase_add_test(tcase, a_drive_that_gets_on_is_not_stuck);
	tcase_add_test(tcase, a_drive_that_is_gone_is_lost);
	tcase_add_test(tcase, a_success_that_unmapped_its_blocks_is_one);
	tcase_add_test(tcase, another_sanitize_is_not_disturbed);
	tcase_add_test(tcase, who_stops_waiting_leaves_the_drive_at_it);
}

static void add_faults(TCase *tcase)
{
	tcase_add_test(tcase, every_change_is_recorded_before_it_is_sent);
	tcase_add_test(tcase, a_record_that_fails_stops_it_there);
	tcase_add_test(tcase, each_command_that_is_lost_is_told_and_taken_up);
	tcase_add_test(tcase, a_power_cut_at_every_command_is_taken_up);
	tcase_add_test(tcase, an_older_success_does_not_end_what_was_cut);
	tcase_add_test(tcase, a_failure_before_the_cut_does_not_end_it);
	tcase_add_test(tcase, silence_in_the_middle_is_waited_out_until_the_limit);
	tcase_add_test(tcase, silence_without_end_is_lost);
}

int main(void)
{
	TCase *tcase = tcase_create("nvme");
	Suite *suite = suite_create("nvme");
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
