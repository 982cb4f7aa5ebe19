/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_full.c - the audit log on a file system that is full, and one without allocation
 *
 * Goal: B5 of log.h: want of room is said at the end of a segment, loses nothing, and passes when
 * there is room again, without a new start.
 *
 * Method: a small tmpfs and a filler; for root alone.
 */
#include "tests/audit/log_fixture.h"
#include <sys/mount.h>

static bool is_mounted;

static void setup(void)
{
	log_setup();
	options.segment_bytes = SMALL;
	options.size_bytes = 64 * SMALL;
	is_mounted = mount("tmpfs", directory, "tmpfs", 0, "size=512k,mode=700") == 0;
}

static void teardown(void)
{
	log_teardown();
	if (is_mounted)
		ck_assert_int_eq(umount(directory), 0);
}

/* Takes what room there is. */
static void fill(void)
{
	static const char block[4096];
	int fd = open(path_of("filler"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	ck_assert_int_ge(fd, 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

static void make_room(void)
{
	ck_assert_int_eq(unlink(path_of("filler")), 0);
}

static uint64_t add_until_it_fails(int expected)
{
	uint64_t count = 0;
	int r;

	while ((r = add_at("cups 1", NULL)) == 0) {
		r = audit_log_commit(audit_log, 0);
		ck_assert_int_eq(r, 0); /* B5: never within a segment */
		count++;
	}
	ck_assert_int_eq(r, expected);
	return count;
}

START_TEST(a_full_disk_is_told_at_the_end_of_a_segment_and_loses_nothing)
{
	uint64_t count, before;

	if (!is_mounted)
		return;
	open_log();
	fill();
	count = add_until_it_fails(-ENOSPC);
	ck_assert_uint_gt(count, 30);
	ck_assert_uint_gt(size_of_segment(1), SMALL - 500);
	ck_assert_int_eq(state().error, -ENOSPC);
	ck_assert_uint_eq(count_of("job-retired", NULL), count);
	before = tip().sequence;
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(add_at("cups 1", NULL), -ENOSPC);
		ck_assert_int_eq(audit_log_tick(audit_log), -ENOSPC);
	}
	ck_assert_uint_eq(tip().sequence, before);
	make_room();
	ck_assert_int_eq(audit_log_tick(audit_log), 0);
	ck_assert_int_eq(state().error, 0);
	add_and_commit("cups 2");
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
	ck_assert_uint_eq(tip().segment, 2);
	judge_heads(1);
	verify();
}
END_TEST

START_TEST(an_add_alone_finds_that_there_is_room_again)
{
	if (!is_mounted)
		return;
	open_log();
	fill();
	(void)add_until_it_fails(-ENOSPC);
	make_room();
	add_and_commit("cups 2");
	ck_assert_int_eq(state().error, 0);
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
}
END_TEST

START_TEST(a_log_opens_on_a_full_disk_while_its_segment_has_room)
{
	uint64_t before;

	if (!is_mounted)
		return;
	open_log();
	add_and_commit("cups 1");
	fill();
	close_log();
	open_log();
	(void)add_until_it_fails(-ENOSPC);
	before = tip().sequence;
	close_log();
	ck_assert_int_eq(try_open(), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(problem.text, "No space"));
	make_room();
	open_log();
	ck_assert_uint_eq(count_of("audit-recovered", NULL), 0);
	ck_assert_uint_gt(tip().sequence, before);
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
}
END_TEST

static int cannot_allocate(void *context, enum log_step step, int fd)
{
	(void)context;
	(void)fd;
	return step == LOG_STEP_ALLOCATE ? -EOPNOTSUPP : 0;
}

START_TEST(where_room_cannot_be_allocated_a_line_that_did_not_fit_is_taken_back)
{
	uint64_t added = 0;
	int r;

	if (!is_mounted)
		return;
	log_files_set_hook(cannot_allocate, NULL);
	open_log();
	fill();
	do {
		ck_assert_int_eq(add_at("cups 1", NULL), 0);
		added++;
		r = audit_log_commit(audit_log, 0);
	} while (r == 0);
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_int_eq(state().error, -ENOSPC);
	ck_assert_uint_eq(count_of("job-retired", NULL), added - 1);
	ck_assert_int_eq(add_at("cups 2", NULL), 0); /* in memory, behind the other one */
	ck_assert_int_eq(audit_log_commit(audit_log, 0), -ENOSPC);
	make_room();
	ck_assert_int_eq(audit_log_tick(audit_log), 0);
	ck_assert_int_eq(state().error, 0);
	ck_assert_uint_eq(count_of("job-retired", NULL), added + 1);
	ck_assert_uint_eq(walk(NULL, NULL), tip().sequence);
	close_log();
	open_log();
	ck_assert_uint_eq(count_of("audit-recovered", NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_full");
	TCase *tc = tcase_create("full");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_full_disk_is_told_at_the_end_of_a_segment_and_loses_nothing);
	tcase_add_test(tc, an_add_alone_finds_that_there_is_room_again);
	tcase_add_test(tc, a_log_opens_on_a_full_disk_while_its_segment_has_room);
	tcase_add_test(tc, where_room_cannot_be_allocated_a_line_that_did_not_fit_is_taken_back);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
