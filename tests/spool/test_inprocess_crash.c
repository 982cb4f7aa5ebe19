/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_inprocess_crash.c - a power cut at any instant of a change
 *
 * Goal: after a crash anywhere in a put or a retirement, and in the replay itself, the next
 * open finds the file system as it was before or as it is after, e2fsck agrees, the files
 * that were there are there, and once the command has ended nothing free is owed or shows data.
 *
 * Method: the writes and flushes of one operation are logged, then each prefix of the log
 * is played onto a fork of the disk as it was before: what was flushed wholly, of the rest each
 * subset while they are few and a sample with a fixed seed beyond, and the last write torn.  The
 * judge knows only file names and contents, e2fsck, and what lies on the medium.  A disk whose
 * flush lies, and in a build with mutants each flush dropped in turn, must be caught.
 */
#include "base/mutant.h"
#include "tests/support/simdisk.h"
#include "tests/support/spool_rig.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_BLOCKS = 2304, SUBSETS_ALL = 4, SAMPLES = 5, KEPT_BYTES = 9000, NEW_BYTES = 70000 };

static struct spool_rig rig;
static struct blockdev *before; /* one kept file, one old file */
static char kept[KEPT_BYTES], fresh[NEW_BYTES];
static uint64_t random_state;
static uint64_t states_visited;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static void fill(char *at, size_t bytes, const char *text)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = text[i % strlen(text)];
}

static void setup(void)
{
	random_state = 20261124;
	states_visited = 0;
	fill(kept, sizeof(kept), "kept for ever; ");
	fill(fresh, sizeof(fresh), "body of the new job; ");
	before = spool_rig_make(&rig, DATA_BLOCKS);
	ck_assert_int_eq(spool_rig_open(&rig, before, false), 0);
	ck_assert_int_eq(spool_rig_put(&rig, "kept", kept, sizeof(kept)), 0);
	ck_assert_int_eq(spool_rig_put(&rig, "dir/OLDTITLE", fresh, sizeof(fresh)), 0);
	ck_assert_int_eq(spool_rig_close(&rig), 0);
}

static void teardown(void)
{
	spool_rig_done(&rig);
	before = blockdev_close(before);
}

/* --- the operations --- */

static int put_new(void)
{
	return spool_rig_put(&rig, "new/NEWTITLE", fresh, sizeof(fresh));
}

static int retire_old(void)
{
	static const char *const names[] = {"dir/OLDTITLE"};
	struct inprocess_retired retired;

	return inprocess_complete(rig.inprocess, names, 1, &retired, &rig.problem);
}

/* The operation on a fork, logged from its beginning on. */
static struct blockdev *run_logged(int (*operation)(void), bool flushes_lie, int *ret_result)
{
	struct blockdev *disk = simdisk_fork(before);

	simdisk_lie_about_flushes(disk, flushes_lie);
	simdisk_log_start(disk);
	*ret_result = spool_rig_open(&rig, disk, false);
	if (*ret_result >= 0) {
		*ret_result = operation();
		if (*ret_result >= 0)
			*ret_result = spool_rig_close(&rig);
		spool_rig_drop(&rig);
	}
	return disk;
}

/* --- the judge --- */

static bool file_is(const char *name, const char *content, size_t bytes)
{
	static char buf[NEW_BYTES];
	size_t got;

	return spool_rig_get(&rig, name, buf, sizeof(buf), &got) == 0 && got == bytes &&
	       memcmp(buf, content, bytes) == 0;
}

/* Absent, or wholly there. */
static bool is_all_or_nothing(const char *name)
{
	return !spool_rig_has(&rig, name) || file_is(name, fresh, sizeof(fresh));
}

static const char *judge_open(void)
{
	static char why[PROBLEM_TEXT_BYTES + 64];

	if (!file_is("kept", kept, sizeof(kept)))
		return "the kept file is not what it was";
	if (!is_all_or_nothing("new/NEWTITLE") || !is_all_or_nothing("dir/OLDTITLE"))
		return "a file is there in part";
	if (spool_rig_has(&rig, "new/NEWTITLE") && !spool_rig_has(&rig, "dir/OLDTITLE"))
		return "both operations at once";
	if (!spool_rig_has(&rig, "dir/OLDTITLE") && spool_rig_count(&rig, "OLDTITLE", 8) != 0)
		return "the name of the retired file is still there";
	if (!spool_rig_is_whole(&rig))
		return "e2fsck finds fault";
	if (inprocess_settle(rig.inprocess, &rig.problem) < 0) {
		snprintf(why, sizeof(why), "settling: %s", rig.problem.text);
		return why;
	}
	return spool_rig_is_paid(&rig) ? NULL : "something free is owed or shows data";
}

/* NULL: the disk recovers to before or after. */
static const char *judge(struct blockdev *disk)
{
	static char why[PROBLEM_TEXT_BYTES + 64];
	const char *wrong;
	int r;

	states_visited++;
	r = spool_rig_open(&rig, disk, false);
	if (r < 0) {
		snprintf(why, sizeof(why), "open: %s", problem_text(&rig.problem, r));
		return why;
	}
	wrong = rig.outcome > REDO_REPLAYED ? "the record is called damaged or foreign"
					    : judge_open();
	spool_rig_drop(&rig);
	return wrong;
}

/* --- crash states --- */

struct crash {
	struct blockdev *log;
	struct blockdev *fork;
	uint64_t violations;
	bool report;
};

static void play(struct crash *crash, uint64_t end, uint64_t durable, uint64_t mask, uint64_t torn)
{
	const struct simdisk_event *event;

	simdisk_reset(crash->fork);
	for (uint64_t i = 0; i < end; i++) {
		bool kept_whole = i < durable || mask >> ((i - durable) % 64) & 1;

		event = simdisk_log_event(crash->log, i);
		if (event->kind != SIMDISK_EVENT_WRITE || !kept_whole)
			continue;
		simdisk_apply(crash->fork, event, 0,
			i + 1 == end && torn ? torn : simdisk_event_sectors(event));
	}
}

static void visit(struct crash *crash, uint64_t end, uint64_t durable, uint64_t mask, uint64_t torn)
{
	const char *wrong;

	play(crash, end, durable, mask, torn);
	wrong = judge(crash->fork);
	if (!wrong)
		return;
	crash->violations++;
	if (crash->report)
		fprintf(stderr, "crash after event %llu (durable %llu, kept %llx, torn %llu): %s\n",
			(unsigned long long)end, (unsigned long long)durable,
			(unsigned long long)mask, (unsigned long long)torn, wrong);
}

static void visit_subsets(struct crash *crash, uint64_t end)
{
	uint64_t durable = simdisk_log_durable(crash->log, end);
	uint64_t loose = end - durable;
	const struct simdisk_event *last = end ? simdisk_log_event(crash->log, end - 1) : NULL;

	if (last && last->kind != SIMDISK_EVENT_WRITE)
		return; /* no other state than after the write before it, but fewer of them */
	if (loose <= SUBSETS_ALL) {
		for (uint64_t mask = 0; mask < 1u << loose; mask++)
			visit(crash, end, durable, mask, 0);
	} else {
		visit(crash, end, durable, ~0ull, 0);
		visit(crash, end, durable, 0, 0);
		for (int i = 0; i < SAMPLES; i++)
			visit(crash, end, durable, (uint64_t)next_random() << 32 | next_random(),
				0);
	}
	if (last && simdisk_event_sectors(last) > 1)
		visit(crash, end, durable, ~0ull,
			1 + next_random() % (simdisk_event_sectors(last) - 1));
}

/* How many states are neither before nor after.  stride 1: after each event. */
static uint64_t sweep(int (*operation)(void), bool flushes_lie, uint64_t stride, bool report)
{
	struct crash crash = {.report = report};
	int r;

	crash.log = run_logged(operation, flushes_lie, &r);
	if (r < 0 && report)
		ck_abort_msg("the operation itself failed: %s", problem_text(&rig.problem, r));
	crash.fork = simdisk_fork(before);
	for (uint64_t end = 0; end <= simdisk_log_count(crash.log); end += stride)
		visit_subsets(&crash, end);
	blockdev_close(crash.fork);
	blockdev_close(crash.log);
	return crash.violations;
}

START_TEST(a_put_happens_wholly_or_not_at_all)
{
	ck_assert_uint_eq(sweep(put_new, false, 1, true), 0);
	printf("%llu crash states of a put\n", (unsigned long long)states_visited);
}
END_TEST

START_TEST(a_retirement_happens_wholly_or_not_at_all)
{
	ck_assert_uint_eq(sweep(retire_old, false, 1, true), 0);
	printf("%llu crash states of a retirement\n", (unsigned long long)states_visited);
}
END_TEST

START_TEST(a_disk_whose_flush_lies_is_caught)
{
	ck_assert_uint_gt(sweep(retire_old, true, 3, false), 0);
}
END_TEST

/* --- a crash in the replay --- */

static int only_open(void)
{
	return 0;
}

/* Where the record is durable and nothing of it is in place. */
static struct blockdev *disk_with_record(void)
{
	struct crash crash = {.report = true};
	struct extent header = {rig.layout.redo.first, 1};
	uint64_t end;
	int r;

	crash.log = run_logged(retire_old, false, &r);
	ck_assert_int_eq(r, 0);
	for (end = 0; end < simdisk_log_count(crash.log); end++) {
		const struct simdisk_event *event = simdisk_log_event(crash.log, end);

		if (event->kind == SIMDISK_EVENT_WRITE && event->at.first == header.first)
			break;
	}
	ck_assert_uint_lt(end, simdisk_log_count(crash.log));
	crash.fork = simdisk_fork(before);
	play(&crash, end + 1, end + 1, 0, 0);
	blockdev_close(crash.log);
	return crash.fork;
}

START_TEST(a_crash_in_the_replay_is_replayed_again)
{
	struct blockdev *first = before, *recorded = disk_with_record();
	uint64_t violations;

	before = recorded;
	violations = sweep(only_open, false, 1, true);
	before = first;
	ck_assert_uint_eq(violations, 0);
	ck_assert_int_eq(spool_rig_open(&rig, recorded, false), 0);
	ck_assert_int_eq(rig.outcome, REDO_REPLAYED);
	ck_assert(!spool_rig_has(&rig, "dir/OLDTITLE"));
	spool_rig_drop(&rig);
	blockdev_close(recorded);
}
END_TEST

START_TEST(a_record_is_not_replayed_over_foreign_writes)
{
	struct blockdev *disk = disk_with_record();
	uint8_t block[BLOCK_BYTES];
	struct residue_parts parts;

	/* Somebody mounts it: the superblock's mount count changes. */
	rig.disk = disk;
	parts = (struct residue_parts){
		.device = disk, .layout = &rig.layout, .volume_key = rig.key};
	ck_assert_int_eq(residue_open(&parts, &rig.residue, &rig.opened, NULL), 0);
	ck_assert_int_eq(residue_read(rig.residue, (struct extent){0, 1}, block), 0);
	block[1024 + 0x34] ^= 1;
	ck_assert_int_eq(
		residue_write(rig.residue, (struct extent){0, 1}, block, &(struct extent){0, 0}),
		0);
	ck_assert_int_eq(residue_close_orderly(rig.residue), 0);
	spool_rig_drop(&rig);

	ck_assert_int_eq(spool_rig_open_volume(&rig, disk, false), 0);
	ck_assert_int_eq(rig.outcome, REDO_FOREIGN);
	spool_rig_drop(&rig);
	ck_assert_int_eq(spool_rig_open_volume(&rig, disk, false), 0);
	ck_assert_int_eq(rig.outcome, REDO_NONE);
	spool_rig_drop(&rig);
	blockdev_close(disk);
}
END_TEST

START_TEST(a_rotted_record_is_noticed_and_given_up)
{
	struct blockdev *disk = disk_with_record();
	uint8_t block[BLOCK_BYTES];

	for (uint64_t at = 0; at < 2; at++) { /* header, body */
		struct blockdev *fork = simdisk_fork(disk);

		simdisk_flip(fork, (rig.layout.redo.first + at) * BLOCK_BYTES + 100, 3);
		ck_assert_int_eq(spool_rig_open_volume(&rig, fork, false), 0);
		ck_assert_int_eq(rig.outcome, REDO_DAMAGED);
		spool_rig_drop(&rig);
		simdisk_peek(fork, (struct extent){rig.layout.redo.first, 1}, block);
		ck_assert_int_eq(block[0], 0);
		blockdev_close(fork);
	}
	blockdev_close(disk);
}
END_TEST

/* --- errors --- */

/* Each operation of the disk (or each step-th) fails in turn: an error or success, and the next
 * open is whole. */
static void fail_each(int (*operation)(void), unsigned int ops, uint64_t step)
{
	for (uint64_t nth = 1;; nth += step) {
		struct blockdev *disk = simdisk_fork(before);
		const char *wrong;
		bool fired;
		int r;

		r = spool_rig_open(&rig, disk, false);
		ck_assert_int_eq(r, 0);
		simdisk_fail_nth(disk, ops, nth, EIO);
		r = operation();
		if (r >= 0)
			r = spool_rig_close(&rig);
		else if (spool_rig_close(&rig) < 0)
			spool_rig_drop(&rig);
		fired = simdisk_fired(disk);
		simdisk_replug(disk);
		wrong = judge(disk);
		ck_assert_msg(!wrong, "operation %llu fails (it said %d): %s",
			(unsigned long long)nth, r, wrong);
		blockdev_close(disk);
		states_visited++;
		if (!fired)
			break;
	}
}

START_TEST(a_failed_write_flush_or_read_leaves_the_file_system_whole)
{
	fail_each(put_new, SIMDISK_WRITE, 1);
	fail_each(put_new, SIMDISK_FLUSH, 1);
	fail_each(put_new, SIMDISK_READ, 5);
	fail_each(retire_old, SIMDISK_WRITE, 1);
	fail_each(retire_old, SIMDISK_FLUSH, 1);
	fail_each(retire_old, SIMDISK_READ, 37); /* a thousand are of the journal */
	printf("%llu failures\n", (unsigned long long)states_visited);
}
END_TEST

#ifdef SPOOLGUARD_MUTANTS
START_TEST(every_flush_that_is_left_out_is_caught)
{
	for (int m = MUTANT_COUNT; m < MUTANT_REDO_END; m++) {
		uint64_t violations;

		mutant_active = (enum mutant)m;
		violations = sweep(put_new, false, 1, false) + sweep(retire_old, false, 1, false);
		mutant_active = MUTANT_NONE;
		printf("mutant %d: %llu violations\n", m, (unsigned long long)violations);
		ck_assert_msg(violations > 0, "mutant %d was not caught", m);
	}
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("in-process, crashes");
	TCase *tcase = tcase_create("crashes");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_put_happens_wholly_or_not_at_all);
	tcase_add_test(tcase, a_retirement_happens_wholly_or_not_at_all);
	tcase_add_test(tcase, a_disk_whose_flush_lies_is_caught);
	tcase_add_test(tcase, a_crash_in_the_replay_is_replayed_again);
	tcase_add_test(tcase, a_record_is_not_replayed_over_foreign_writes);
	tcase_add_test(tcase, a_rotted_record_is_noticed_and_given_up);
	tcase_add_test(tcase, a_failed_write_flush_or_read_leaves_the_file_system_whole);
#ifdef SPOOLGUARD_MUTANTS
	tcase_add_test(tcase, every_flush_that_is_left_out_is_caught);
#endif
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
