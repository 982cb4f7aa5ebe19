/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log_crash.c - the audit log after crashes, power cuts and failures
 *
 * Goal: B1 to B6 of log.h.  Whatever happened, the log opens, has every record that a commit
 * acknowledged, and goes on.
 *
 * Method: one scenario that opens, adds, commits, turns segments, drops the oldest and closes, on a
 * log that is nearly full.  (With SPOOLGUARD_LOG_CRASH_ALL=1 no step is left out.)  It is stopped
 * before each of its steps in turn, files and keys alike; then what a power cut could leave
 * (tests/support/power_cut.h) is opened.  Then each step fails once while the scenario goes on. And
 * the open segment is cut and damaged at every byte.
 */
#include "tests/audit/log_fixture.h"
#include "tests/support/power_cut.h"

#define BIG_BYTES 6900 /* of data: two such records fill a segment */

static char prepared[300];
static struct memory_signer prepared_signer;
static struct audit_position acknowledged;

static int add_big(void)
{
	struct audit_event event = {.event = "job-retired", .outcome = "success", .job = "cups 1"};
	char text[BIG_BYTES + 1];
	int r;

	memset(text, 'x', BIG_BYTES);
	text[BIG_BYTES] = '\0';
	event.data = json_object_new_object();
	json_object_object_add(event.data, "text", json_object_new_string(text));
	r = audit_log_add(audit_log, &event, NULL);
	json_object_put(event.data);
	return r;
}

static int commit(void)
{
	int r = audit_log_commit(audit_log, 0);

	if (r >= 0)
		acknowledged = tip();
	return r;
}

/* The first failure, if one is to end it. */
static int run_scenario(bool to_the_end)
{
	int r, first = try_open();

	if (first < 0)
		return first;
	acknowledged = tip();
	for (int i = 0; i < 9 && (first >= 0 || to_the_end); i++) {
		r = i == 2 ? add_at("cups 2", NULL) : add_big();
		if (r >= 0 && i % 3 == 2)
			r = commit();
		if (r >= 0 && i == 5)
			r = audit_log_close_segment(audit_log);
		if (r >= 0 && i == 6)
			r = audit_log_tick(audit_log);
		first = first < 0 ? first : r;
	}
	return first;
}

/* A log that is about to drop its oldest segment, and has a line that was torn. */
static void prepare(void)
{
	char name[64];
	int fd;

	options.segment_bytes = SMALL;
	options.size_bytes = 8 * SMALL;
	open_log();
	while (state().bytes < 6 * SMALL - BIG_BYTES) {
		ck_assert_int_eq(add_big(), 0);
		ck_assert_int_eq(commit(), 0);
	}
	ck_assert_uint_eq(state().dropped_segments, 0);
	snprintf(name, sizeof(name), "audit/segment-%08" PRIu64 ".jsonl", tip().segment);
	close_log();
	fd = open(path_of(name), O_WRONLY | O_APPEND);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "{\"seq", 5), 5);
	close(fd);
	snprintf(prepared, sizeof(prepared), "%s.prepared", directory);
	run("mv '%s' '%s'", directory, prepared);
	memory_signer_copy(&prepared_signer, &signer);
}

static void start_from_prepared(void)
{
	log_files_set_hook(NULL, NULL);
	run("rm -rf '%s' '%s.left' && cp -r '%s' '%s'", directory, directory, prepared, directory);
	memory_signer_done(&signer);
	memory_signer_copy(&signer, &prepared_signer);
	acknowledged = (struct audit_position){.sequence = 0};
	power_cut_watch(directory);
}

/* --- stopped before a step --- */

struct stop {
	uint64_t left; /* steps until it stops */
	bool is_stopped;
};

static int stop_at_key(void *context)
{
	struct stop *stop = context;

	if (stop->is_stopped)
		return -ECANCELED;
	stop->is_stopped = --stop->left == 0;
	return stop->is_stopped ? -EIO : 0;
}

static int stop_at_step(void *context, enum log_step step, int fd)
{
	int r = stop_at_key(context);

	if (r < 0)
		return r;
	if (step == LOG_STEP_SYNC)
		power_cut_note_sync(fd);
	else if (step == LOG_STEP_SYNC_DIRECTORY)
		power_cut_note_sync_directory(fd);
	return 0;
}

/* What the records say, in one walk. */
struct gathered {
	bool has_acknowledged;
	uint64_t torn, cut, orderly, newest_dropped;
};

static void gather_acknowledged(struct gathered *gathered, const struct audit_record *record)
{
	uint8_t digest[SHA256_BYTES];
	char hex[AUDIT_HEX_BYTES], *line;

	if (record->stamp.sequence != acknowledged.sequence)
		return;
	ck_assert_int_eq(audit_record_encode(&record->event, &record->stamp, &line), 0);
	ck_assert_int_eq(hash_sha256(line, strlen(line), digest), 0);
	free(line);
	ck_assert_str_eq(hex_encode(digest, sizeof(digest), hex), acknowledged.sha256);
	gathered->has_acknowledged = true;
}

static void gather_record(void *context, const struct audit_record *record)
{
	const struct audit_event *event = &record->event;
	struct gathered *gathered = context;
	struct json_object *value;

	gather_acknowledged(gathered, record);
	if (strcmp(event->event, "audit-recovered") == 0) {
		gathered->torn += strstr(event->detail, "not finished") != NULL;
		gathered->cut += strstr(event->detail, "was cut") != NULL;
	} else if (strcmp(event->event, "audit-started") == 0) {
		gathered->orderly += strcmp(event->detail, "after an orderly stop") == 0;
	} else if (strcmp(event->event, "log-dropped") == 0) {
		ck_assert(json_object_object_get_ex(event->data, "segment", &value));
		if (json_object_get_uint64(value) > gathered->newest_dropped)
			gathered->newest_dropped = json_object_get_uint64(value);
	}
}

static struct gathered gather(void)
{
	struct gathered gathered = {.has_acknowledged = acknowledged.sequence == 0};

	(void)walk(gather_record, &gathered);
	return gathered;
}

/* B1, B3, B6: nothing that was acknowledged is lost, audit-position was not ahead, and what is gone
 * was named before. */
static struct gathered judge_records(uint64_t step, int kind)
{
	const struct gathered gathered = gather();

	ck_assert_msg(gathered.has_acknowledged,
		"step %" PRIu64 ", %d: record %" PRIu64 " was lost", step, kind,
		acknowledged.sequence);
	ck_assert_msg(
		gathered.cut == 0, "step %" PRIu64 ", %d: audit-position was ahead", step, kind);
	ck_assert_msg(state().dropped_segments <= gathered.newest_dropped,
		"step %" PRIu64 ", %d: segment %" PRIu64 " is gone", step, kind,
		state().dropped_segments);
	return gathered;
}

/* B4: what lies there before anybody mends it. */
static void judge_keys(uint64_t step)
{
	for (uint64_t n = signer.advances + 2; n < signer.advances + 4; n++)
		ck_assert_msg(size_of_segment(n) == 0,
			"step %" PRIu64 ": segment %" PRIu64 " has records and an older key lives",
			step, n);
}

static void judge_what_is_left(uint64_t step, enum power_cut kind)
{
	int r;

	judge_keys(step);
	r = try_open();
	ck_assert_msg(r == 0, "step %" PRIu64 ", %d: %s", step, kind, problem.text);
	r = judge_records(step, kind).torn > 0;
	ck_assert(r || acknowledged.sequence == 0);
	judge_heads(tip().segment - 1);
	verify();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(add_big(), 0);
	ck_assert_int_eq(commit(), 0);
	close_log();
	open_log();
	ck_assert_uint_ge(judge_records(step, kind).orderly, 1);
	judge_heads(tip().segment - 1);
	verify();
	close_log();
}

/* false: the scenario has fewer steps. */
static bool stop_before(uint64_t step, enum power_cut kind)
{
	struct stop stop = {.left = step};
	char left[400];

	start_from_prepared();
	signer.before = stop_at_key;
	signer.context = &stop;
	log_files_set_hook(stop_at_step, &stop);
	(void)run_scenario(false);
	close_log();
	log_files_set_hook(NULL, NULL);
	signer.before = NULL;
	if (!stop.is_stopped)
		return false;
	snprintf(left, sizeof(left), "%s.left", directory);
	power_cut_leave(kind, step, left);
	run("rm -r '%s' && mv '%s' '%s'", directory, left, directory);
	judge_what_is_left(step, kind);
	return true;
}

static void stop_before_each(enum power_cut kind)
{
	/* The other two kinds rarely find what the first does not. */
	const uint64_t steps = stride() * (kind == POWER_CUT_LOST ? 3 : 7);
	uint64_t step = 1;

	prepare();
	while (stop_before(step, kind))
		step += has_time() ? 1 : steps;
	ck_assert_uint_gt(step, 60);
}

START_TEST(after_the_death_of_the_process_before_any_step_the_log_goes_on)
{
	stop_before_each(POWER_CUT_KEPT);
}
END_TEST

START_TEST(after_a_power_cut_that_lost_all_that_was_not_flushed_the_log_goes_on)
{
	stop_before_each(POWER_CUT_LOST);
}
END_TEST

START_TEST(after_a_power_cut_that_lost_some_of_it_the_log_goes_on)
{
	stop_before_each(POWER_CUT_MIXED);
}
END_TEST

/* --- a step fails, and the scenario goes on --- */

struct failing {
	uint64_t left;
	int error;
	bool has_failed, was_flush;
};

static int fail_key(void *context)
{
	struct failing *failing = context;

	if (--failing->left > 0)
		return 0;
	failing->left = UINT64_MAX;
	failing->has_failed = true;
	return failing->error;
}

static int fail_step(void *context, enum log_step step, int fd)
{
	struct failing *failing = context;
	int r = fail_key(context);

	(void)fd;
	if (r < 0)
		failing->was_flush = step == LOG_STEP_SYNC || step == LOG_STEP_SYNC_DIRECTORY;
	return r;
}

static bool fail_once(uint64_t step, int error)
{
	struct failing failing = {.left = step, .error = error};
	int r;

	start_from_prepared();
	signer.before = fail_key;
	signer.context = &failing;
	log_files_set_hook(fail_step, &failing);
	r = run_scenario(true);
	log_files_set_hook(NULL, NULL);
	signer.before = NULL;
	if (!failing.has_failed) {
		ck_assert_int_eq(r, 0);
		return false;
	}
	/* Want of room is no defect, unless a flush has it: without a new start it goes on. */
	if (audit_log && (state().error == 0 || (error == -ENOSPC && !failing.was_flush))) {
		r = add_big();
		ck_assert_msg(r == 0, "step %" PRIu64 ": %d", step, r);
		r = commit();
		ck_assert_msg(r == 0, "step %" PRIu64 ": commit %d", step, r);
		ck_assert_int_eq(state().error, 0);
	}
	close_log();
	r = try_open();
	ck_assert_msg(r == 0, "step %" PRIu64 ": %s", step, problem.text);
	(void)judge_records(step, error);
	judge_heads(tip().segment - 1);
	verify();
	ck_assert_int_eq(add_big(), 0);
	ck_assert_int_eq(commit(), 0);
	close_log();
	return true;
}

static void fail_each(int error)
{
	uint64_t step = 1;

	prepare();
	while (fail_once(step, error))
		step += has_time() ? 1 : 4 * stride();
	ck_assert_uint_gt(step, 60);
}

START_TEST(a_failure_of_any_step_loses_nothing_that_was_acknowledged)
{
	fail_each(-EIO);
}
END_TEST

START_TEST(want_of_room_at_any_step_loses_nothing_and_passes)
{
	fail_each(-ENOSPC);
}
END_TEST

static int fail_sync(void *context, enum log_step step, int fd)
{
	(void)context;
	(void)fd;
	return step == LOG_STEP_SYNC ? -EIO : 0;
}

START_TEST(after_a_failed_fsync_nothing_is_added_until_the_log_is_opened_anew)
{
	open_log();
	add("cups 1");
	log_files_set_hook(fail_sync, NULL);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), -EIO);
	log_files_set_hook(NULL, NULL);
	ck_assert_int_eq(add_at("cups 2", NULL), -EIO);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), -EIO);
	ck_assert_int_eq(audit_log_tick(audit_log), -EIO);
	ck_assert_int_eq(state().error, -EIO);
	ck_assert_uint_eq(tip().sequence, 1);
	ck_assert_uint_eq(read_position().sequence, 1);
	close_log();
	open_log();
	ck_assert_uint_eq(count_of("job-retired", NULL), 1); /* it was in the file all the same */
	add_and_commit("cups 2");
}
END_TEST

struct writes {
	uint64_t count;
	ino_t segment;
};

static int count_writes(void *context, enum log_step step, int fd)
{
	struct writes *writes = context;
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	writes->count += step == LOG_STEP_WRITE && st.st_ino == writes->segment;
	return 0;
}

START_TEST(what_a_failed_fsync_may_have_left_in_memory_alone_is_written_again)
{
	struct writes writes = {.count = 0};
	struct stat st;

	open_log();
	add("cups 1");
	log_files_set_hook(fail_sync, NULL);
	ck_assert_int_eq(audit_log_commit(audit_log, 0), -EIO);
	log_files_set_hook(NULL, NULL);
	close_log();
	ck_assert_int_eq(stat(path_of("audit/segment-00000001.jsonl"), &st), 0);
	writes.segment = st.st_ino;
	log_files_set_hook(count_writes, &writes);
	open_log();
	ck_assert_uint_eq(writes.count, 2); /* and the records of this start */
	log_files_set_hook(NULL, NULL);
	close_log();
	writes.count = 0;
	log_files_set_hook(count_writes, &writes);
	open_log();
	ck_assert_uint_eq(writes.count, 1);
}
END_TEST

static void setup(void)
{
	log_setup();
}

static void teardown(void)
{
	log_teardown();
	memory_signer_done(&prepared_signer);
	power_cut_forget();
	if (*prepared)
		run("rm -rf '%s' '%s' '%s.left'", prepared, directory, directory);
	*prepared = '\0';
}

int main(void)
{
	Suite *suite = suite_create("log_crash");
	TCase *tc = tcase_create("crash");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tc, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, after_the_death_of_the_process_before_any_step_the_log_goes_on);
	tcase_add_test(tc, after_a_power_cut_that_lost_all_that_was_not_flushed_the_log_goes_on);
	tcase_add_test(tc, after_a_power_cut_that_lost_some_of_it_the_log_goes_on);
	tcase_add_test(tc, a_failure_of_any_step_loses_nothing_that_was_acknowledged);
	tcase_add_test(tc, want_of_room_at_any_step_loses_nothing_and_passes);
	tcase_add_test(tc, after_a_failed_fsync_nothing_is_added_until_the_log_is_opened_anew);
	tcase_add_test(tc, what_a_failed_fsync_may_have_left_in_memory_alone_is_written_again);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
