/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c - the audit log: opened, added to, committed, closed, turned, bounded
 *
 * Goal: B1, B4 and B6 of log.h, what the log says of itself, and who may read it.
 * Method: a real log below the scratch directory, read back record by record.
 */
#include "tests/audit/log_fixture.h"

static void small_segments(void)
{
	options.segment_bytes = SMALL;
	options.size_bytes = 8 * SMALL;
}

/* --- open, add, commit, close --- */

START_TEST(a_new_log_begins_with_its_start)
{
	struct wanted wanted = {.event = "audit-started", .detail = "a new log"};

	open_log();
	ck_assert_uint_eq(walk(look_for, &wanted), 1);
	ck_assert_uint_eq(wanted.first.sequence, 1);
	ck_assert_uint_eq(tip().sequence, 1);
	ck_assert_uint_eq(tip().segment, 1);
}
END_TEST

START_TEST(what_was_committed_is_there_and_where_it_was_said_to_be)
{
	struct audit_position position, now;

	open_log();
	ck_assert_int_eq(add_at("cups 1", &position), 0);
	ck_assert_uint_eq(position.sequence, 2);
	ck_assert_uint_eq(tip().sequence, 1);
	ck_assert_int_eq(audit_log_commit(audit_log, position.sequence), 0);
	now = tip();
	ck_assert(is_same(&now, &position));
	ck_assert_uint_eq(count_of("job-retired", NULL), 1);
	ck_assert_int_eq(audit_log_commit(audit_log, 3), -EINVAL);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), 0);
}
END_TEST

START_TEST(the_position_file_names_the_newest_durable_record)
{
	struct audit_position position, found;

	open_log();
	ck_assert_uint_eq(read_position().sequence, 1);
	ck_assert_int_eq(add_at("cups 1", &position), 0);
	ck_assert_uint_eq(read_position().sequence, 1);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), 0);
	found = read_position();
	ck_assert(is_same(&found, &position));
}
END_TEST

START_TEST(a_log_that_was_closed_goes_on)
{
	open_log();
	add("cups 1");
	close_log();
	ck_assert_uint_eq(count_of("audit-stopped", NULL), 1);
	open_log();
	ck_assert_uint_eq(count_of("audit-started", "after an orderly stop"), 1);
	add_and_commit("cups 2");
	ck_assert_uint_eq(walk(NULL, NULL), 5);
	ck_assert_uint_eq(count_of("audit-recovered", NULL), 0);
}
END_TEST

START_TEST(two_do_not_write_to_one_log)
{
	struct audit_log *second;

	open_log();
	ck_assert_int_eq(
		audit_log_open(directory, &signer.signer, &options, &second, &problem), -EBUSY);
	ck_assert_ptr_nonnull(strstr(problem.text, "in use"));
	ck_assert_int_eq(audit_log_set_aside(directory, &problem), -EBUSY);
}
END_TEST

START_TEST(the_readers_group_may_read_and_nobody_else)
{
	static const char *const files[] = {"audit/log.json", "audit/log.json.minisig",
		"audit/segment-00000001.jsonl", "audit/segment-00000002.jsonl",
		"audit/head-00000001.json", "audit/head-00000001.json.minisig", "audit-position"};
	const mode_t mask = umask(0);
	struct stat st;

	if (geteuid() != 0)
		return;
	for (int with_group = 0; with_group < 2; with_group++) {
		options.readers = with_group ? 4 : (gid_t)-1;
		open_log();
		add("cups 1");
		ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			ck_assert_int_eq(stat(path_of(files[i]), &st), 0);
			ck_assert_msg(
				(st.st_mode & 07777) == (with_group ? 0640 : 0600), "%s", files[i]);
			ck_assert(!with_group || st.st_gid == 4);
		}
		ck_assert_int_eq(stat(path_of("audit"), &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, with_group ? 0750 : 0700);
		close_log();
		log_teardown();
		log_setup();
	}
	umask(mask);
}
END_TEST

START_TEST(options_that_make_no_log_are_refused_in_words)
{
	options.segment_bytes = SMALL - 1;
	ck_assert_int_eq(try_open(), -EINVAL);
	options.segment_bytes = SMALL;
	options.size_bytes = 8 * SMALL - 1;
	ck_assert_int_eq(try_open(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(problem.text, "8 segments"));
	options.size_bytes = 8 * SMALL;
	ck_assert_int_eq(try_open(), 0);
	close_log();
	options = (struct audit_log_options){.size_bytes = 256 << 10, .readers = (gid_t)-1};
	ck_assert_int_eq(try_open(), 0);
}
END_TEST

/* --- segments --- */

/* Enough records to fill so many segments. */
static void fill_segments(uint64_t count)
{
	const uint64_t until = tip().segment + count;

	while (tip().segment < until)
		add_and_commit("cups 1 0123456789012345678901234567890123456789");
}

START_TEST(full_segments_are_closed_by_signed_heads_that_chain_on)
{
	small_segments();
	open_log();
	fill_segments(4);
	ck_assert_uint_eq(tip().segment, 5);
	ck_assert_uint_eq(signer.advances, 4);
	judge_heads(4);
	verify();
	ck_assert_uint_eq(count_of("log-segment-closed", NULL), 4);
	for (uint64_t n = 1; n <= 4; n++)
		ck_assert_uint_gt(size_of_segment(n), SMALL - 1000);
	close_log();
	open_log();
	judge_heads(4);
	verify();
}
END_TEST

START_TEST(a_segment_is_closed_on_demand_unless_it_holds_nothing)
{
	open_log();
	ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
	ck_assert_uint_eq(tip().segment, 2);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
	ck_assert_uint_eq(tip().segment, 2);
	add("cups 1");
	ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
	ck_assert_uint_eq(tip().segment, 3);
	judge_heads(2);
	verify();
}
END_TEST

START_TEST(an_old_segment_is_closed_by_a_tick)
{
	options.segment_age_s = 1;
	open_log();
	add("cups 1");
	ck_assert_int_eq(audit_log_tick(audit_log), 0);
	ck_assert_uint_eq(tip().sequence, 2); /* it commits, too */
	ck_assert_uint_eq(tip().segment, 1);
	while (tip().segment == 1) {
		usleep(50000);
		ck_assert_int_eq(audit_log_tick(audit_log), 0);
	}
	judge_heads(1);
	verify();
}
END_TEST

START_TEST(no_record_of_the_next_segment_is_there_while_the_old_key_lives)
{
	small_segments();
	open_log();
	for (uint64_t n = 1; n <= 3; n++) {
		while (tip().segment == n) {
			add_and_commit("cups 1");
			ck_assert_uint_eq(signer.advances, tip().segment - 1);
		}
	}
}
END_TEST

/* --- full --- */

START_TEST(the_oldest_segments_make_room_and_leave_their_heads)
{
	small_segments();
	open_log();
	for (uint64_t n = 1; n <= 20; n++) {
		struct audit_log_state now;

		fill_segments(1);
		now = state();
		ck_assert_uint_le(now.bytes, now.size_bytes);
		ck_assert_uint_eq(now.dropped_segments + now.segments, tip().segment);
	}
	ck_assert_uint_eq(tip().segment, 21);
	ck_assert_uint_ge(state().dropped_segments, 13);
	ck_assert_uint_eq(size_of_segment(state().dropped_segments), 0);
	ck_assert_uint_gt(size_of_segment(state().dropped_segments + 1), 0);
	judge_heads(20);
	verify();
	ck_assert_uint_gt(count_of("log-dropped", NULL), 0);
	ck_assert_uint_gt(count_of("log-nearly-full", NULL) + 1, 0);
	close_log();
	open_log();
	ck_assert_uint_ge(state().dropped_segments, 13);
}
END_TEST

START_TEST(the_newest_record_of_a_drop_names_the_newest_dropped_segment)
{
	char detail[64];

	small_segments();
	open_log();
	fill_segments(12);
	snprintf(detail, sizeof(detail), "segment %" PRIu64 ",", state().dropped_segments);
	ck_assert_uint_eq(count_of("log-dropped", detail), 1);
	snprintf(detail, sizeof(detail), "segment %" PRIu64 ",", state().dropped_segments + 1);
	ck_assert_uint_eq(count_of("log-dropped", detail), 0);
}
END_TEST

START_TEST(at_eighty_percent_there_is_one_warning)
{
	small_segments();
	options.when_full = LOG_STOP;
	open_log();
	for (unsigned int n = 0; !state().nearly_full; n++) {
		if (n % 64 == 0)
			ck_assert_uint_eq(count_of("log-nearly-full", NULL), 0);
		add_and_commit("cups 1");
	}
	for (int i = 0; i < 20; i++)
		add_and_commit("cups 1");
	ck_assert_uint_eq(count_of("log-nearly-full", NULL), 1);
	ck_assert_uint_ge(state().bytes, 8 * SMALL / 5 * 4);
	ck_assert_uint_le(state().bytes, 8 * SMALL / 5 * 4 + 10000);
	close_log();
	open_log();
	ck_assert_uint_eq(count_of("log-nearly-full", NULL), 1);
}
END_TEST

START_TEST(a_log_that_stops_refuses_every_further_record_and_loses_none)
{
	struct audit_position last = {.sequence = 0};
	uint64_t sequence;
	int r;

	small_segments();
	options.when_full = LOG_STOP;
	open_log();
	while ((r = add_at("cups 1", &last)) == 0)
		;
	ck_assert_int_eq(r, -EDQUOT);
	ck_assert(state().stopped);
	ck_assert_int_eq(state().error, -EDQUOT);
	ck_assert_uint_le(state().bytes, state().size_bytes);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(add_at("cups 2", NULL), -EDQUOT);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), 0);
	ck_assert_int_eq(audit_log_tick(audit_log), -EDQUOT);
	sequence = tip().sequence;
	ck_assert_uint_ge(sequence, last.sequence);
	ck_assert_uint_eq(walk(NULL, NULL), sequence);
	judge_heads(8);
	verify();
	close_log();
	ck_assert_int_eq(try_open(), -EDQUOT);
	ck_assert_ptr_nonnull(strstr(problem.text, "full"));
	options.size_bytes = 9 * SMALL;
	open_log();
	add_and_commit("cups 3");
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
	ck_assert(!state().stopped);
	ck_assert_int_eq(state().error, 0);
}
END_TEST

/* --- set aside --- */

START_TEST(a_log_that_is_set_aside_is_kept_and_the_new_one_has_its_digest)
{
	char command[1500], printed[80] = "", detail[64] = "";
	struct wanted wanted = {.event = "log-set-aside"};
	struct audit_position before;
	FILE *pipe;

	open_log();
	add_and_commit("cups 1");
	ck_assert_int_eq(audit_log_close_segment(audit_log), 0);
	close_log();
	before = read_position();
	ck_assert_int_eq(audit_log_set_aside(directory, &problem), 0);
	ck_assert_int_eq(audit_log_set_aside(directory, &problem), -ENOENT);
	open_log();
	ck_assert_str_ne(tip().log, before.log);
	ck_assert_uint_eq(signer.restarts, 1);
	ck_assert_uint_eq(walk(look_for, &wanted), 2);
	ck_assert_uint_eq(wanted.found, 1);
	ck_assert_uint_eq(wanted.first.sequence, 1);
	ck_assert_uint_eq(count_of("audit-recovered", NULL), 0);
	snprintf(command, sizeof(command),
		"cd '%s'/audit.set-aside-* && basename \"$PWD\" && LC_ALL=C sha256sum * | "
		"sha256sum",
		directory);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%63s %64s", detail, printed), 2);
	pclose(pipe);
	ck_assert_uint_eq(count_of("log-set-aside", detail), 1);
	{
		char text[4096];
		size_t bytes;

		read_text("audit/segment-00000001.jsonl", text, sizeof(text) - 1, &bytes);
		ck_assert_ptr_nonnull(strstr(text, printed));
	}
	close_log();
	open_log();
	ck_assert_uint_eq(count_of("log-set-aside", NULL), 1);
	ck_assert_uint_eq(signer.restarts, 1);
}
END_TEST

START_TEST(a_log_that_is_gone_is_missed)
{
	char command[600];
	uint64_t last;

	open_log();
	add_and_commit("cups 1");
	close_log();
	last = read_position().sequence;
	snprintf(command, sizeof(command), "rm -r '%s/audit'", directory);
	ck_assert_int_eq(system(command), 0);
	open_log();
	snprintf(command, sizeof(command), "knows record %" PRIu64, last);
	ck_assert_uint_eq(count_of("audit-recovered", command), 1);
	ck_assert_uint_eq(signer.restarts, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, log_setup, log_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_new_log_begins_with_its_start);
	tcase_add_test(tc, what_was_committed_is_there_and_where_it_was_said_to_be);
	tcase_add_test(tc, the_position_file_names_the_newest_durable_record);
	tcase_add_test(tc, a_log_that_was_closed_goes_on);
	tcase_add_test(tc, two_do_not_write_to_one_log);
	tcase_add_test(tc, the_readers_group_may_read_and_nobody_else);
	tcase_add_test(tc, options_that_make_no_log_are_refused_in_words);
	tcase_add_test(tc, full_segments_are_closed_by_signed_heads_that_chain_on);
	tcase_add_test(tc, a_segment_is_closed_on_demand_unless_it_holds_nothing);
	tcase_add_test(tc, an_old_segment_is_closed_by_a_tick);
	tcase_add_test(tc, no_record_of_the_next_segment_is_there_while_the_old_key_lives);
	tcase_add_test(tc, the_oldest_segments_make_room_and_leave_their_heads);
	tcase_add_test(tc, the_newest_record_of_a_drop_names_the_newest_dropped_segment);
	tcase_add_test(tc, at_eighty_percent_there_is_one_warning);
	tcase_add_test(tc, a_log_that_stops_refuses_every_further_record_and_loses_none);
	tcase_add_test(tc, a_log_that_is_set_aside_is_kept_and_the_new_one_has_its_digest);
	tcase_add_test(tc, a_log_that_is_gone_is_missed);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
