/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_run.c - a drive's last day with drives that are honest, lie, fail, hang, leave and refuse
 *
 * Goal: what a drive does not do is named as failed and followed by the next means (X3); what it
 * refuses is listed (X4); the wrong drive is not touched (X1); the numbers are what happened.
 * Method: the models of drives behind decommission_rig.h, which also asserts X1 and X2 at each
 * change of a drive.  The power is cut in test_run_cut.c.
 */
#include "tests/support/decommission_rig.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 65536, SECTORS = BYTES / 512 };

static struct decommission_rig rig;

static void teardown(void)
{
	decommission_rig_unmake(&rig);
}

static void make(enum simdrive_kind kind, struct simdrive_options options)
{
	if (options.bytes == 0)
		options.bytes = BYTES;
	decommission_rig_make(&rig, kind, &options);
}

static const struct record_progress *step(enum record_step which)
{
	return &rig.record->steps[which];
}

static const struct record_method *method(uint32_t index)
{
	ck_assert_uint_lt(index, rig.record->method_count);
	return &rig.record->methods[index];
}

static const struct record_method *last(void)
{
	return method(rig.record->method_count - 1);
}

static void run_to_the_end(void)
{
	int r = decommission_rig_run(&rig);

	ck_assert_msg(r == 0, "%s", problem_text(&rig.problem, r));
	ck_assert_int_eq(step(RECORD_CERTIFICATE)->state, RECORD_PENDING);
	for (int i = 0; i < RECORD_CERTIFICATE; i++)
		ck_assert(step((enum record_step)i)->state >= RECORD_DONE &&
			  step((enum record_step)i)->ended_wall_s > 0);
}

static void check_overwritten(void)
{
	const struct record_overwrite *overwrite = &rig.record->overwrite;

	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_DONE);
	ck_assert_uint_eq(decommission_rig_showing(&rig, 0x97), decommission_rig_sectors(&rig));
	ck_assert_uint_eq(overwrite->requested_bytes, 512 * decommission_rig_sectors(&rig));
	ck_assert_uint_eq(overwrite->written_bytes, overwrite->requested_bytes);
	ck_assert_uint_eq(overwrite->durable_bytes, overwrite->requested_bytes);
	ck_assert_uint_eq(overwrite->verified_bytes, overwrite->requested_bytes);
	ck_assert_uint_eq(overwrite->pass_count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(overwrite->passes[i].durable_wall_s, 0);
}

/* --- honest --- */

START_TEST(an_honest_drive_forgets_by_its_best_means_and_is_overwritten)
{
	static const enum simdrive_kind kinds[] = {SIMDRIVE_NVME, SIMDRIVE_ATA, SIMDRIVE_SCSI};
	static const enum method_kind best[] = {METHOD_NVME_SANITIZE_CRYPTO,
		METHOD_ATA_SANITIZE_CRYPTO, METHOD_SCSI_SANITIZE_CRYPTO};

	make(kinds[_i], (struct simdrive_options){0});
	run_to_the_end();
	ck_assert_uint_eq(rig.record->method_count, 1);
	ck_assert_int_eq(last()->kind, best[_i]);
	ck_assert_int_eq(last()->state, METHOD_DONE);
	ck_assert(last()->judged && last()->drive_said_done);
	ck_assert_int_eq(last()->witness.verdict, WITNESS_CHANGED);
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_DONE);
	check_overwritten();
	ck_assert_uint_eq(rig.keys_destroyed, 2);
	ck_assert_uint_eq(rig.intakes, 1);
	ck_assert_uint_eq(rig.record->jobs_retired, 3);
}
END_TEST

START_TEST(a_drive_without_commands_is_overwritten)
{
	decommission_rig_make_block(&rig, &(struct simdrive_options){.bytes = BYTES + 512});
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_NOT_NEEDED);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
	check_overwritten();
}
END_TEST

START_TEST(a_drive_with_no_volume_needs_no_keys_destroyed)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.record->volume_count = 0;
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_INTAKE)->state, RECORD_NOT_NEEDED);
	ck_assert_int_eq(step(RECORD_KEYS)->state, RECORD_NOT_NEEDED);
	ck_assert_uint_eq(rig.intakes + rig.keys_destroyed, 0);
	check_overwritten();
}
END_TEST

START_TEST(what_was_not_asked_for_is_skipped_and_said)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.own_methods = false;
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_SKIPPED);
	ck_assert_uint_eq(simdrive_changes(rig.drive), 0);
	check_overwritten();
	teardown();
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.overwrite = false;
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_SKIPPED);
	ck_assert_uint_eq(rig.writes, 0);
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_DONE);
}
END_TEST

START_TEST(keys_that_live_on_are_told_and_the_rest_is_done)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.keys_live = true;
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_KEYS)->state, RECORD_FAILED);
	ck_assert_ptr_nonnull(strstr(step(RECORD_KEYS)->detail, "2 of 2 volumes"));
	ck_assert_str_eq(rig.record->volumes[0].detail, "the slots cannot be written");
	check_overwritten();
}
END_TEST

/* --- drives that do not what they say --- */

START_TEST(a_liar_is_named_and_every_means_is_tried)
{
	static const enum simdrive_kind kinds[] = {SIMDRIVE_NVME, SIMDRIVE_ATA, SIMDRIVE_SCSI};
	static const uint32_t offered[] = {5, 5, 3};

	make(kinds[_i], (struct simdrive_options){.lie = true});
	run_to_the_end();
	ck_assert_uint_eq(rig.record->method_count, offered[_i]);
	for (uint32_t i = 0; i < offered[_i]; i++) {
		ck_assert_int_eq(method(i)->state, METHOD_FAILED);
		ck_assert(method(i)->drive_said_done && method(i)->judged);
		ck_assert_int_eq(method(i)->witness.verdict, WITNESS_SURVIVED);
		ck_assert_ptr_nonnull(strstr(method(i)->detail, "says that it is done"));
	}
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_FAILED);
	check_overwritten();
}
END_TEST

START_TEST(a_method_that_fails_is_followed_by_the_next)
{
	static const enum simdrive_kind kinds[] = {SIMDRIVE_NVME, SIMDRIVE_ATA, SIMDRIVE_SCSI};

	make(kinds[_i], (struct simdrive_options){.fail = true});
	run_to_the_end();
	ck_assert_uint_gt(rig.record->method_count, 1);
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_FAILED);
	for (uint32_t i = 0; i < rig.record->method_count; i++)
		ck_assert_int_eq(method(i)->state, METHOD_FAILED);
}
END_TEST

START_TEST(a_residue_at_the_end_is_seen)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){.residue_bytes = 1024});
	run_to_the_end();
	ck_assert_int_eq(method(0)->state, METHOD_FAILED);
	ck_assert_uint_eq(method(0)->witness.survived, 2);
	check_overwritten();
}
END_TEST

START_TEST(a_drive_that_hangs_is_given_up_and_nothing_is_claimed)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){.hang_at = 1});
	run_to_the_end();
	ck_assert_int_eq(method(0)->state, METHOD_STUCK);
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_FAILED);
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_FAILED); /* it cannot be written */
	ck_assert_uint_eq(rig.record->overwrite.written_bytes, 0);
}
END_TEST

START_TEST(what_is_not_offered_is_not_tried)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){.no_sanitize = true});
	run_to_the_end();
	ck_assert_int_eq(method(0)->kind, METHOD_NVME_FORMAT_CRYPTO);
	ck_assert_uint_eq(rig.record->method_count, 1);
	teardown();
	make(SIMDRIVE_NVME, (struct simdrive_options){.no_sanitize = true, .no_format = true});
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_NOT_NEEDED);
	teardown();
	make(SIMDRIVE_ATA, (struct simdrive_options){.no_sanitize = true, .no_enhanced = true});
	run_to_the_end();
	ck_assert_int_eq(last()->kind, METHOD_ATA_SECURITY_ERASE);
	ck_assert_int_eq(last()->state, METHOD_DONE);
}
END_TEST

START_TEST(a_frozen_drive_is_overwritten_all_the_same)
{
	make(SIMDRIVE_ATA, (struct simdrive_options){.no_sanitize = true, .frozen = true});
	run_to_the_end();
	ck_assert(step(RECORD_SANITIZE)->state == RECORD_FAILED ||
		  step(RECORD_SANITIZE)->state == RECORD_NOT_NEEDED);
	check_overwritten();
}
END_TEST

START_TEST(what_a_method_would_reach_besides_keeps_it_from_being_tried)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){.namespaces = 2});
	run_to_the_end(); /* the other one was not named */
	for (uint32_t i = 0; i < rig.record->method_count; i++) {
		if (method(i)->kind <= METHOD_NVME_SANITIZE_OVERWRITE)
			ck_assert_ptr_nonnull(strstr(method(i)->detail, "not tried"));
	}
	ck_assert_int_eq(last()->kind, METHOD_NVME_FORMAT_CRYPTO);
	ck_assert_int_eq(last()->state, METHOD_DONE);
	ck_assert_uint_eq(decommission_rig_secrets(&rig), SECTORS); /* the other's */
	teardown();
	make(SIMDRIVE_NVME, (struct simdrive_options){.namespaces = 2});
	rig.record->reach_count = 1;
	strcpy(rig.record->reaches[0].what, "namespace 2");
	rig.record->reaches[0].in_use = true;
	run_to_the_end();
	ck_assert_ptr_nonnull(strstr(method(0)->detail, "in use"));
	ck_assert_uint_eq(decommission_rig_secrets(&rig), SECTORS);
	teardown();
	make(SIMDRIVE_NVME, (struct simdrive_options){.namespaces = 2});
	rig.record->reach_count = 1;
	strcpy(rig.record->reaches[0].what, "namespace 2");
	run_to_the_end();
	ck_assert_int_eq(method(0)->state, METHOD_DONE);
	ck_assert_uint_eq(decommission_rig_secrets(&rig), 0);
}
END_TEST

START_TEST(what_the_plan_leaves_out_is_not_tried_and_said)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.leave_out[METHOD_NVME_SANITIZE_CRYPTO] = true;
	run_to_the_end();
	ck_assert_int_eq(method(0)->kind, METHOD_NVME_SANITIZE_CRYPTO);
	ck_assert_ptr_nonnull(strstr(method(0)->detail, "plan leaves it out"));
	ck_assert(!method(0)->erase_begun);
	ck_assert_int_eq(method(1)->kind, METHOD_NVME_SANITIZE_BLOCK);
	ck_assert_int_eq(method(1)->state, METHOD_DONE);
}
END_TEST

START_TEST(what_was_hidden_is_opened_and_overwritten)
{
	make(SIMDRIVE_ATA, (struct simdrive_options){.hidden_bytes = 8192});
	run_to_the_end();
	ck_assert(rig.record->hidden.lifted && rig.record->hidden.hpa);
	ck_assert_uint_eq(rig.record->hidden.bytes_before, BYTES);
	ck_assert_uint_eq(rig.record->hidden.bytes_after, BYTES + 8192);
	check_overwritten();
}
END_TEST

START_TEST(a_bridge_that_swallows_commands_is_found_out)
{
	make(SIMDRIVE_ATA, (struct simdrive_options){.swallow = true});
	run_to_the_end();
	for (uint32_t i = 0; i < rig.record->method_count; i++)
		ck_assert_int_ne(method(i)->state, METHOD_DONE);
	check_overwritten();
}
END_TEST

/* --- media that refuse --- */

START_TEST(a_bad_sector_is_listed_and_its_neighbours_are_overwritten)
{
	static const uint64_t places[] = {0, SECTORS / 2, SECTORS - 1};
	const struct record_overwrite *overwrite;

	make(SIMDRIVE_NVME, (struct simdrive_options){.no_sanitize = true, .no_format = true});
	rig.bad = (struct extent){places[_i], 1};
	run_to_the_end();
	overwrite = &rig.record->overwrite;
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_FAILED);
	ck_assert_uint_eq(overwrite->refused.count, 1);
	ck_assert_uint_eq(overwrite->refused.items[0].first, places[_i]);
	ck_assert_uint_eq(overwrite->refused.items[0].count, 1);
	ck_assert_uint_eq(overwrite->written_bytes, BYTES - 512);
	ck_assert_uint_eq(overwrite->verified_bytes, BYTES - 512);
	ck_assert_uint_eq(decommission_rig_showing(&rig, 0x97), SECTORS - 1);
	ck_assert_uint_eq(decommission_rig_secrets(&rig), 1);
}
END_TEST

START_TEST(a_drive_smaller_than_it_says_is_told)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){.smaller = true});
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_FAILED);
	ck_assert_uint_gt(extent_list_blocks(&rig.record->overwrite.refused), 0);
	ck_assert_uint_lt(rig.record->overwrite.written_bytes, BYTES);
}
END_TEST

START_TEST(a_read_only_drive_is_told)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){
				    .read_only = true, .no_sanitize = true, .no_format = true});
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_FAILED);
	ck_assert_uint_eq(rig.record->overwrite.written_bytes, 0);
	ck_assert_uint_eq(decommission_rig_secrets(&rig), SECTORS);
}
END_TEST

/* --- drives that leave --- */

START_TEST(a_drive_that_leaves_and_comes_back_is_gone_on_with)
{
	for (uint64_t write = 1; write <= 3; write++) { /* one for each pass */
		make(SIMDRIVE_NVME, (struct simdrive_options){0});
		rig.leave_at = write;
		run_to_the_end();
		check_overwritten();
		ck_assert_uint_eq(rig.leave_at, 0);
		teardown();
	}
}
END_TEST

START_TEST(a_drive_that_leaves_at_any_command_is_gone_on_with)
{
	static const enum simdrive_kind kinds[] = {SIMDRIVE_NVME, SIMDRIVE_ATA, SIMDRIVE_SCSI};

	for (uint64_t nth = 1;; nth++) {
		bool fired;

		make(kinds[_i], (struct simdrive_options){0});
		simdrive_fail_nth(rig.drive, nth); /* a reset: not delivered */
		if (decommission_rig_run(&rig) < 0) {
			ck_assert(simdrive_fired(rig.drive));
			ck_assert_int_eq(decommission_rig_run(&rig), 0);
		}
		fired = simdrive_fired(rig.drive);
		ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_DONE);
		check_overwritten();
		teardown();
		if (!fired)
			break;
		ck_assert_uint_lt(nth, 1000);
	}
}
END_TEST

START_TEST(a_drive_that_stays_away_leaves_the_step_begun)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.stays_away = true;
	ck_assert_int_eq(decommission_rig_run(&rig), -ENODEV);
	ck_assert_int_eq(step(RECORD_SANITIZE)->state, RECORD_BEGUN);
	ck_assert_str_ne(rig.problem.text, "");
	rig.stays_away = false;
	run_to_the_end();
	ck_assert_uint_eq(step(RECORD_SANITIZE)->resumes, 1);
	check_overwritten();
}
END_TEST

static void spoil_serial(struct record *record)
{
	strcpy(record->serial, "ANOTHER");
}

static void spoil_wwn(struct record *record)
{
	strcpy(record->wwn, "eui.0000000000000000");
}

static void spoil_size(struct record *record)
{
	record->bytes += 512;
}

START_TEST(another_drive_is_not_touched)
{
	static void (*const spoil[])(struct record *) = {spoil_serial, spoil_wwn, spoil_size};

	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	spoil[_i](rig.record);
	ck_assert_int_eq(decommission_rig_run(&rig), -ESTALE);
	ck_assert_uint_eq(simdrive_changes(rig.drive) + rig.writes, 0);
	ck_assert_uint_eq(decommission_rig_secrets(&rig), SECTORS);
	ck_assert_ptr_nonnull(strstr(rig.problem.text, "another drive"));
}
END_TEST

/* At a resume too, in the middle of the overwrite. */
START_TEST(another_drive_at_a_resume_is_not_touched)
{
	uint64_t writes;

	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.record->steps[RECORD_OVERWRITE].state = RECORD_PENDING;
	rig.leave_at = 2;
	rig.fail_save = 0;
	rig.request.own_methods = false;
	run_to_the_end();
	/* The same record, as if cut in pass 2, meets a drive of another serial. */
	rig.record->steps[RECORD_OVERWRITE].state = RECORD_BEGUN;
	rig.record->steps[RECORD_SEARCH].state = RECORD_PENDING;
	rig.record->overwrite.reached = (struct sanitize_position){1, 0};
	spoil_serial(rig.record);
	writes = rig.writes;
	ck_assert_int_eq(decommission_rig_run(&rig), -ESTALE);
	ck_assert_uint_eq(rig.writes, writes);
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_BEGUN);
}
END_TEST

/* --- records that cannot be kept --- */

START_TEST(a_record_that_cannot_be_kept_stops_everything)
{
	for (uint64_t nth = 1;; nth++) {
		int r;

		make(SIMDRIVE_NVME, (struct simdrive_options){0});
		rig.fail_save = nth;
		r = decommission_rig_run(&rig);
		if (rig.fail_save > 0) {
			ck_assert_int_eq(r, 0);
			break;
		}
		ck_assert_int_eq(r, -ENOSPC);
		ck_assert_int_eq(decommission_rig_run(&rig), 0);
		check_overwritten();
		teardown();
		ck_assert_uint_lt(nth, 200);
	}
}
END_TEST

START_TEST(a_record_whose_steps_are_out_of_order_is_refused)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.record->steps[RECORD_SANITIZE].state = RECORD_BEGUN;
	ck_assert_int_eq(decommission_rig_run(&rig), -EBADMSG);
	ck_assert_uint_eq(rig.saves + simdrive_changes(rig.drive), 0);
}
END_TEST

/* --- cancelled --- */

static unsigned int cancel_after;

static bool maybe_cancel(void *context, const struct progress *progress)
{
	(void)context;
	(void)progress;
	return cancel_after > 0 && --cancel_after == 0;
}

static const struct progress_sink sink = {maybe_cancel, NULL};

START_TEST(an_interruption_at_any_report_is_taken_up)
{
	for (unsigned int nth = 1;; nth++) {
		int r;

		make(SIMDRIVE_NVME, (struct simdrive_options){0});
		rig.request.sink = &sink;
		cancel_after = nth;
		r = decommission_rig_run(&rig);
		if (cancel_after > 0) {
			ck_assert_int_eq(r, 0);
			break;
		}
		ck_assert_int_eq(r, -ECANCELED);
		ck_assert_ptr_nonnull(strstr(rig.problem.text, "interrupted"));
		ck_assert_int_eq(decommission_rig_run(&rig), 0);
		check_overwritten();
		teardown();
	}
	cancel_after = 0;
}
END_TEST

/* --- schemes and reading back --- */

START_TEST(each_random_pass_leaves_the_digest_of_its_seed)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	strcpy(rig.record->overwrite.scheme, "dod-5220.22-m");
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_DONE);
	for (uint32_t i = 0; i < rig.record->overwrite.pass_count; i++) {
		const struct record_pass *pass = &rig.record->overwrite.passes[i];

		ck_assert_uint_eq(strlen(pass->seed_sha256), pass->kind == PASS_RANDOM ? 64 : 0);
	}
	ck_assert_uint_eq(rig.record->overwrite.verified_bytes, BYTES);
}
END_TEST

START_TEST(a_scheme_that_is_unknown_is_refused)
{
	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	strcpy(rig.record->overwrite.scheme, "seven-and-a-half");
	ck_assert_int_eq(decommission_rig_run(&rig), -EINVAL);
	ck_assert_uint_eq(rig.writes, 0);
}
END_TEST

START_TEST(what_was_to_be_read_back_was)
{
	static const enum record_verify ways[] = {RECORD_VERIFY_FULL, RECORD_VERIFY_STRATIFIED,
		RECORD_VERIFY_HCD, RECORD_VERIFY_NONE};

	make(SIMDRIVE_NVME, (struct simdrive_options){.bytes = 16 << 20});
	rig.record->overwrite.verify = ways[_i];
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_DONE);
	switch (ways[_i]) {
	case RECORD_VERIFY_FULL:
		ck_assert_uint_eq(rig.record->overwrite.read_bytes, 16 << 20);
		break;
	case RECORD_VERIFY_NONE:
		ck_assert_uint_eq(rig.record->overwrite.read_bytes, 0);
		break;
	case RECORD_VERIFY_STRATIFIED:
		ck_assert_uint_ge(rig.record->overwrite.read_bytes, (16 << 20) / 10);
		ck_assert_uint_lt(rig.record->overwrite.read_bytes, (16 << 20) / 5);
		break;
	case RECORD_VERIFY_HCD:
		ck_assert_uint_ge(
			rig.record->overwrite.read_bytes, 512 * (2049 + 259 + 1025 + 2500));
		break;
	}
}
END_TEST

/* --- search --- */

static const char *const labels[] = {"canary", "host name"};

static struct search *texts(const char *first)
{
	struct search *search;

	ck_assert_int_eq(search_new(&search), 0);
	ck_assert_int_eq(search_add(search, first, strlen(first)), 0);
	ck_assert_int_eq(search_add(search, "printer-7", 9), 0);
	return search;
}

START_TEST(what_is_still_there_is_found_and_counted)
{
	struct search *search = texts(DECOMMISSION_RIG_SECRET);

	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.search = search;
	rig.request.search_labels = labels;
	rig.request.own_methods = rig.request.overwrite = false;
	rig.bad = (struct extent){5, 1};
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_SEARCH)->state, RECORD_FAILED);
	ck_assert_uint_eq(rig.record->search_count, 2);
	ck_assert_str_eq(rig.record->searches[0].label, "canary");
	ck_assert_uint_eq(rig.record->searches[0].hits, SECTORS - 1);
	ck_assert_uint_eq(rig.record->searches[0].first_hit, 0);
	ck_assert_uint_eq(rig.record->searches[1].hits, 0);
	ck_assert_uint_eq(rig.record->unreadable_bytes, 512);
	ck_assert_uint_eq(rig.record->searched_bytes, BYTES - 512);
	search_free(search);
}
END_TEST

START_TEST(after_the_overwrite_nothing_is_found)
{
	struct search *search = texts(DECOMMISSION_RIG_SECRET);

	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.search = search;
	rig.request.search_labels = labels;
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_SEARCH)->state, RECORD_DONE);
	ck_assert_uint_eq(rig.record->searched_bytes, BYTES);
	search_free(search);
}
END_TEST

/* J4 */
START_TEST(no_text_that_was_searched_for_is_in_the_record)
{
	struct search *search = texts(DECOMMISSION_RIG_SECRET);
	char *text;

	make(SIMDRIVE_NVME, (struct simdrive_options){0});
	rig.request.search = search;
	rig.request.search_labels = labels;
	run_to_the_end();
	ck_assert_int_eq(record_encode(rig.record, &text), 0);
	ck_assert_ptr_null(strstr(text, "printer-7"));
	ck_assert_ptr_null(strstr(text, "Quarterly"));
	free(text);
	search_free(search);
}
END_TEST

/* Interrupted between two pieces of which a text has a part each: counted once. */
START_TEST(a_search_that_was_interrupted_counts_each_match_once)
{
	struct search *search = texts(DECOMMISSION_RIG_SECRET), *other = texts("something else");
	uint64_t bytes, across = (1 << 20) - 10;
	uint8_t *medium;

	make(SIMDRIVE_NVME, (struct simdrive_options){.bytes = 3 << 20});
	medium = simdrive_bytes(rig.drive, &bytes);
	memset(medium, 0, bytes);
	memcpy(medium + across, DECOMMISSION_RIG_SECRET, strlen(DECOMMISSION_RIG_SECRET));
	memcpy(medium + across - 600, DECOMMISSION_RIG_SECRET, strlen(DECOMMISSION_RIG_SECRET));
	rig.request.search = search;
	rig.request.search_labels = labels;
	rig.request.sink = &sink;
	rig.request.own_methods = rig.request.overwrite = false;
	cancel_after = 2;
	ck_assert_int_eq(decommission_rig_run(&rig), -ECANCELED);
	ck_assert_uint_eq(rig.record->searched_bytes, 1 << 20);
	rig.request.search = other;
	ck_assert_int_eq(decommission_rig_run(&rig), -EINVAL);
	rig.request.search = search;
	run_to_the_end();
	ck_assert_uint_eq(rig.record->searches[0].hits, 2);
	ck_assert_uint_eq(rig.record->searches[0].first_hit, across - 600);
	ck_assert_uint_eq(rig.record->searched_bytes, 3 << 20);
	search_free(search);
	search_free(other);
}
END_TEST

/* What sysfs tells and the drive does not is in the record, and no word of another drive. */
START_TEST(a_name_that_the_system_alone_tells_is_no_other_drive)
{
	struct simdrive_options options = {.bytes = BYTES};

	decommission_rig_make_block(&rig, &options);
	strcpy(rig.record->wwn, "naa.5000000000000009");
	run_to_the_end();
	ck_assert_int_eq(step(RECORD_OVERWRITE)->state, RECORD_DONE);
}
END_TEST

static void add_faults(TCase *tcase)
{
	tcase_add_loop_test(tcase, a_liar_is_named_and_every_means_is_tried, 0, 3);
	tcase_add_loop_test(tcase, a_method_that_fails_is_followed_by_the_next, 0, 3);
	tcase_add_test(tcase, a_residue_at_the_end_is_seen);
	tcase_add_test(tcase, a_drive_that_hangs_is_given_up_and_nothing_is_claimed);
	tcase_add_test(tcase, what_is_not_offered_is_not_tried);
	tcase_add_test(tcase, a_frozen_drive_is_overwritten_all_the_same);
	tcase_add_test(tcase, what_a_method_would_reach_besides_keeps_it_from_being_tried);
	tcase_add_test(tcase, what_the_plan_leaves_out_is_not_tried_and_said);
	tcase_add_test(tcase, what_was_hidden_is_opened_and_overwritten);
	tcase_add_test(tcase, a_bridge_that_swallows_commands_is_found_out);
	tcase_add_loop_test(tcase, a_bad_sector_is_listed_and_its_neighbours_are_overwritten, 0, 3);
	tcase_add_test(tcase, a_drive_smaller_than_it_says_is_told);
	tcase_add_test(tcase, a_read_only_drive_is_told);
	tcase_add_test(tcase, a_drive_that_leaves_and_comes_back_is_gone_on_with);
	tcase_add_loop_test(tcase, a_drive_that_leaves_at_any_command_is_gone_on_with, 0, 3);
	tcase_add_test(tcase, a_drive_that_stays_away_leaves_the_step_begun);
	tcase_add_loop_test(tcase, another_drive_is_not_touched, 0, 3);
	tcase_add_test(tcase, another_drive_at_a_resume_is_not_touched);
	tcase_add_test(tcase, a_record_that_cannot_be_kept_stops_everything);
	tcase_add_test(tcase, a_record_whose_steps_are_out_of_order_is_refused);
	tcase_add_test(tcase, an_interruption_at_any_report_is_taken_up);
}

int main(void)
{
	Suite *suite = suite_create("run");
	TCase *tcase = tcase_create("run");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(
		tcase, an_honest_drive_forgets_by_its_best_means_and_is_overwritten, 0, 3);
	tcase_add_test(tcase, a_drive_without_commands_is_overwritten);
	tcase_add_test(tcase, a_name_that_the_system_alone_tells_is_no_other_drive);
	tcase_add_test(tcase, a_drive_with_no_volume_needs_no_keys_destroyed);
	tcase_add_test(tcase, what_was_not_asked_for_is_skipped_and_said);
	tcase_add_test(tcase, keys_that_live_on_are_told_and_the_rest_is_done);
	add_faults(tcase);
	tcase_add_test(tcase, each_random_pass_leaves_the_digest_of_its_seed);
	tcase_add_test(tcase, a_scheme_that_is_unknown_is_refused);
	tcase_add_loop_test(tcase, what_was_to_be_read_back_was, 0, 4);
	tcase_add_test(tcase, what_is_still_there_is_found_and_counted);
	tcase_add_test(tcase, after_the_overwrite_nothing_is_found);
	tcase_add_test(tcase, no_text_that_was_searched_for_is_in_the_record);
	tcase_add_test(tcase, a_search_that_was_interrupted_counts_each_match_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
