/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ledger.c - what the ledger knows of jobs, and how it changes
 *
 * Goal: L1, L2, L4, L5 and the limits of ledger.h, each with a test that would see it broken; what
 * is known is the same after each restart.  Damage, cuts and failing disks are
 * test_ledger_crash.c's.
 */
#include "base/clock.h"
#include "base/io.h"
#include "supervisor/ledger_file.h"
#include "supervisor/ledger_impl.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID_A "0a0a0a0a-0000-4000-8000-00000000000a"
#define UUID_B "0b0b0b0b-0000-4000-8000-00000000000b"

static char directory[256], spool[272];
static struct ledger *ledger;
static struct secret *key, *other_key;
static struct problem problem;
static struct ledger_job job;

static void open_it(void)
{
	int r = ledger_open(directory, &ledger, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert_int_eq(ledger_set_key(ledger, UUID_A, key), 0);
}

static void reopen(void)
{
	ledger_close(ledger);
	open_it();
}

static void setup(void)
{
	static unsigned int n;

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	snprintf(spool, sizeof(spool), "%s.spool", directory);
	ck_assert_int_eq(mkdir(spool, 0700), 0);
	ck_assert_int_eq(secret_new_random(32, &key), 0);
	ck_assert_int_eq(secret_new_random(32, &other_key), 0);
	open_it();
}

static void teardown(void)
{
	ledger_job_done(&job);
	ledger_close(ledger);
	secret_free(key);
	secret_free(other_key);
}

static int add(const char *source, const char *id, enum ledger_state state, uint64_t *ret_number,
	bool *ret_known, const char *file)
{
	const struct ledger_news news = {
		.source = source,
		.id = id,
		.volume_uuid = UUID_A,
		.state = state,
		.files = &file,
		.file_count = file ? 1 : 0,
	};

	return ledger_add(ledger, &news, ret_number, ret_known, &problem);
}

/* A file that is there, as spoolers' files are. */
static const char *file_named(const char *name)
{
	static char path[8][512];
	static unsigned int turn;
	char *text = path[turn++ % 8];
	int fd;

	snprintf(text, 512, "%s/%s", spool, name);
	fd = open(text, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	return text;
}

static uint64_t seen(const char *id, const char *file)
{
	uint64_t number;
	bool known;
	int r = add("call", id, LEDGER_SEEN, &number, &known, file);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	ck_assert(!known);
	return number;
}

static void set(uint64_t number, enum ledger_state state, const char *why)
{
	ck_assert_int_eq(ledger_set(ledger, number, state, why, NULL), 0);
}

static struct json_object *receipt_of(const char *text)
{
	struct json_object *receipt = json_object_new_object();

	json_object_object_add(receipt, "result", json_object_new_string(text));
	return receipt;
}

static void retire(uint64_t number)
{
	set(number, LEDGER_RETIRING, NULL);
	ck_assert_int_eq(
		ledger_set(ledger, number, LEDGER_RETIRED, NULL, receipt_of("retired")), 0);
}

static enum ledger_state state_of(uint64_t number)
{
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_get(ledger, number, &job), 0);
	return job.state;
}

static size_t count_files(uint64_t number)
{
	size_t count;
	char **files;

	ck_assert_int_eq(ledger_files(ledger, number, &files, &count), 0);
	ledger_files_free(files, count);
	return count;
}

/* --- the way of a job --- */

START_TEST(a_job_goes_its_way_and_is_remembered)
{
	uint64_t number;
	bool known;

	ck_assert_int_eq(add("call", "7", LEDGER_BEGUN, &number, &known, NULL), 0);
	ck_assert_int_eq(state_of(number), LEDGER_BEGUN);
	ck_assert_uint_eq(seen("7", file_named("a")), number);
	reopen();
	ck_assert_int_eq(state_of(number), LEDGER_SEEN);
	ck_assert_str_eq(job.source, "call");
	ck_assert_str_eq(job.id, "7");
	ck_assert_str_eq(job.volume, UUID_A);
	ck_assert_uint_eq(job.file_count, 1);
	set(number, LEDGER_HELD, "the administrator said so");
	reopen();
	ck_assert_int_eq(state_of(number), LEDGER_HELD);
	ck_assert_str_eq(job.why, "the administrator said so");
	set(number, LEDGER_RETIRING, NULL);
	set(number, LEDGER_FAILED, "it is open\nelsewhere");
	reopen();
	ck_assert_int_eq(state_of(number), LEDGER_FAILED);
	ck_assert_str_eq(job.why, "it is open\\x0aelsewhere");
	ck_assert_uint_eq(job.attempts, 1);
	retire(number);
	reopen();
	ck_assert_int_eq(state_of(number), LEDGER_RETIRED);
	ck_assert_uint_eq(job.attempts, 2);
	ck_assert_str_eq(job.why, "");
	ck_assert_str_eq(json_object_to_json_string(job.receipt), "{ \"result\": \"retired\" }");
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_find(ledger, NULL, "7", &job), 0);
	ck_assert_uint_eq(job.number, number);
	ck_assert_int_eq(ledger_find(ledger, "cups", "7", &job), -ENOENT);
	ck_assert_int_eq(ledger_get(ledger, number + 1, &job), -ENOENT);
}
END_TEST

static void assert_digests(uint64_t number, const char *user, const char *title)
{
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_get(ledger, number, &job), 0);
	ck_assert_str_eq(job.digests.user, user);
	ck_assert_str_eq(job.digests.title, title);
}

START_TEST(digests_of_names_are_kept_and_the_first_stays)
{
	struct ledger_news news = {.source = "call",
		.id = "17",
		.volume_uuid = UUID_A,
		.state = LEDGER_BEGUN,
		.digests = {.user = "aa"}};
	uint64_t number;
	bool known;

	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	assert_digests(number, "aa", "");
	news.state = LEDGER_SEEN;
	strcpy(news.digests.user, "bb");
	strcpy(news.digests.title, "cc");
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	assert_digests(number, "aa", "cc");
	reopen();
	assert_digests(number, "aa", "cc");
	set(number, LEDGER_RETIRING, NULL);
	retire(number);
	reopen();
	assert_digests(number, "aa", "cc");
	ck_assert_int_eq(ledger_rewrite(ledger), 0);
	reopen();
	assert_digests(number, "aa", "cc");
}
END_TEST

START_TEST(a_job_becomes_retired_from_retiring_alone_and_stays_so)
{
	uint64_t number = seen("1", file_named("a"));

	/* L1 */
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRED, NULL, NULL), -EPERM);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_BEGUN, NULL, NULL), -EPERM);
	retire(number);
	for (int state = LEDGER_BEGUN; state <= LEDGER_FAILED; state++)
		ck_assert_int_eq(
			ledger_set(ledger, number, (enum ledger_state)state, "no", NULL), -EPERM);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRED);
	ck_assert_int_eq(ledger_set(ledger, 999, LEDGER_SEEN, NULL, NULL), -ENOENT);
}
END_TEST

static char steps[64];

static int note_step(void *context, enum ledger_file_step step)
{
	static const char letters[] = "awscnrd";
	size_t length = strlen(steps);

	(void)context;
	if (length < sizeof(steps) - 1) {
		steps[length] = letters[step];
		steps[length + 1] = '\0';
	}
	return 0;
}

START_TEST(what_is_said_is_durable_before_it_is_said) /* L1, L2 */
{
	uint64_t numbers[2] = {seen("1", file_named("a")), seen("2", file_named("b"))};

	ledger_file_set_hook(note_step, NULL);
	steps[0] = '\0';
	set(numbers[0], LEDGER_RETIRING, NULL);
	ck_assert_str_eq(steps, "ws");
	steps[0] = '\0';
	set(numbers[0], LEDGER_RETIRED, NULL);
	ck_assert_str_eq(steps, "ws");
	steps[0] = '\0';
	(void)seen("3", file_named("c"));
	ck_assert_str_eq(steps, "ws");
	steps[0] = '\0';
	/* A new file is durable before it has the name, and the name before anything else. */
	ck_assert_int_eq(ledger_rewrite(ledger), 0);
	ck_assert_str_eq(steps, "nwasrd");
	ledger_file_set_hook(NULL, NULL);
}
END_TEST

START_TEST(many_jobs_change_with_one_fsync_or_none_does)
{
	uint64_t numbers[3] = {seen("1", file_named("a")), seen("2", file_named("b")), 999};
	struct json_object *receipts[2] = {receipt_of("one"), receipt_of("two")};

	ck_assert_int_eq(ledger_set_many(ledger, numbers, 3, LEDGER_RETIRING, NULL, NULL), -ENOENT);
	ck_assert_int_eq(state_of(numbers[0]), LEDGER_SEEN);
	ledger_file_set_hook(note_step, NULL);
	steps[0] = '\0';
	ck_assert_int_eq(ledger_set_many(ledger, numbers, 2, LEDGER_RETIRING, NULL, NULL), 0);
	ck_assert_int_eq(ledger_set_many(ledger, numbers, 2, LEDGER_RETIRED, NULL, receipts), 0);
	ck_assert_str_eq(steps, "wsws");
	ledger_file_set_hook(NULL, NULL);
	reopen();
	ck_assert_int_eq(state_of(numbers[1]), LEDGER_RETIRED);
	ck_assert_str_eq(json_object_to_json_string(job.receipt), "{ \"result\": \"two\" }");
	ck_assert_int_eq(ledger_set_many(ledger, numbers, 0, LEDGER_SEEN, NULL, NULL), 0);
}
END_TEST

START_TEST(a_note_is_seen_and_costs_no_write)
{
	uint64_t number = seen("1", file_named("a"));

	ledger_file_set_hook(note_step, NULL);
	steps[0] = '\0';
	ledger_note(ledger, number, "held: no self-test has passed");
	ck_assert_str_eq(steps, "");
	ledger_file_set_hook(NULL, NULL);
	ck_assert_int_eq(state_of(number), LEDGER_SEEN);
	ck_assert_str_eq(job.why, "held: no self-test has passed");
	ledger_note(ledger, number, NULL);
	ledger_note(ledger, 999, "nobody");
	(void)state_of(number);
	ck_assert_str_eq(job.why, "");
}
END_TEST

/* --- names --- */

static bool directory_holds(const char *text)
{
	char command[640];

	snprintf(command, sizeof(command), "grep -rqaF -e '%s' '%s'", text, directory);
	return system(command) == 0;
}

START_TEST(names_are_readable_with_the_volumes_key_alone) /* L4 */
{
	uint64_t number = seen("1", file_named("payroll_q3.pdf"));
	size_t count;
	char **files;

	retire(seen("2", file_named("notice_of_termination.pdf")));
	ck_assert(!directory_holds("payroll"));
	ck_assert(!directory_holds("termination"));
	ck_assert(!directory_holds("7061796")); /* in hexadecimal */
	ck_assert_int_eq(ledger_rewrite(ledger), 0);
	ck_assert(!directory_holds("payroll"));
	reopen();
	ck_assert_int_eq(ledger_files(ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_ptr_nonnull(strstr(files[0], "/payroll_q3.pdf"));
	ledger_files_free(files, count);
	ledger_drop_key(ledger, UUID_A);
	ck_assert_int_eq(ledger_files(ledger, number, &files, &count), -ENOKEY);
	ck_assert_int_eq(ledger_set_key(ledger, UUID_A, other_key), 0);
	ck_assert_int_eq(ledger_files(ledger, number, &files, &count), -EBADMSG);
}
END_TEST

START_TEST(without_the_volumes_key_no_file_is_taken)
{
	const char *file = file_named("a");
	struct ledger_counts counts;
	uint64_t number;
	bool known;

	ledger_drop_key(ledger, UUID_A);
	ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &number, &known, file), -ENOKEY);
	ledger_count(ledger, &counts);
	ck_assert_uint_eq(counts.by_state[LEDGER_SEEN], 0);
	ck_assert_int_eq(add("call", "1", LEDGER_BEGUN, &number, &known, NULL), 0);
	ck_assert_int_eq(ledger_set_key(ledger, UUID_A, key), 0);
	ck_assert_uint_eq(seen("1", file), number);
}
END_TEST

START_TEST(a_job_has_as_many_files_as_is_said)
{
	static char text[LEDGER_FILES_MAX + 1][64];
	static const char *files[LEDGER_FILES_MAX + 1];
	struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID_A,
		.state = LEDGER_SEEN,
		.files = files,
		.file_count = LEDGER_FILES_MAX + 1};
	uint64_t number;
	bool known;

	for (size_t i = 0; i <= LEDGER_FILES_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "/spool/a-name-of-some-length-%zu", i);
		files[i] = text[i];
	}
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), -E2BIG);
	news.file_count--;
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	news.files++;
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), -E2BIG);
	news.file_count--;
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	reopen();
	ck_assert_uint_eq(count_files(number), LEDGER_FILES_MAX);
	retire(number);
}
END_TEST

/* --- the same job, or another --- */

START_TEST(the_same_id_is_the_same_job_until_it_is_retired) /* L5 */
{
	const char *a = file_named("a"), *b = file_named("b");
	const char *three[] = {b, a, b};
	const struct ledger_news twice = {.source = "call",
		.id = "1",
		.volume_uuid = UUID_A,
		.state = LEDGER_SEEN,
		.files = three,
		.file_count = 3};
	uint64_t number = seen("1", a), again, other;
	bool known;

	ck_assert_uint_eq(seen("1", a), number);
	ck_assert_uint_eq(count_files(number), 1);
	ck_assert_int_eq(ledger_add(ledger, &twice, &again, &known, &problem), 0);
	ck_assert_uint_eq(again, number);
	ck_assert_uint_eq(count_files(number), 2);
	ck_assert_int_eq(add("cups", "1", LEDGER_SEEN, &other, &known, a), 0);
	ck_assert_uint_ne(other, number);
	set(number, LEDGER_HELD, "why");
	ck_assert_uint_eq(seen("1", NULL), number);
	ck_assert_int_eq(state_of(number), LEDGER_HELD);
	ck_assert_int_eq(add("call", "1", LEDGER_BEGUN, &again, &known, NULL), 0);
	ck_assert_uint_eq(again, number);
	ck_assert_int_eq(state_of(number), LEDGER_HELD);
	retire(number);
	/* Its files are still there: they are another's, or were written again. */
	again = seen("1", a);
	ck_assert_uint_ne(again, number);
	ck_assert_int_eq(ledger_find(ledger, "call", "1", &job), 0);
	ck_assert_uint_eq(job.number, again);
}
END_TEST

START_TEST(a_retired_job_with_nothing_new_is_known) /* L5 */
{
	const char *a = file_named("a");
	uint64_t number = seen("1", a), again;
	bool known;

	retire(number);
	ck_assert_int_eq(unlink(a), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &again, &known, a), 0);
		ck_assert_uint_eq(again, number);
		ck_assert(known);
		ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &again, &known, NULL), 0);
		ck_assert_uint_eq(again, number);
		ck_assert(known);
		reopen();
	}
	/* A file that the retired one did not have, though it is gone: somebody has to look. */
	again = seen("1", "/spool/never-heard-of");
	ck_assert_uint_ne(again, number);
	retire(again);
	/* A job that begins is new. */
	ck_assert_int_eq(add("call", "1", LEDGER_BEGUN, &number, &known, NULL), 0);
	ck_assert(!known);
	ck_assert_uint_ne(again, number);
}
END_TEST

START_TEST(directories_and_beginnings_are_gone_when_nothing_is_there) /* L5 */
{
	char directory_name[300], beginning[300];
	uint64_t number, again;
	bool known;

	snprintf(directory_name, sizeof(directory_name), "%s/tmp/", spool);
	snprintf(beginning, sizeof(beginning), "%s/7-//", spool);
	ck_assert_int_eq(mkdir(directory_name, 0700), 0);
	number = seen("1", directory_name);
	ck_assert_uint_eq(seen("1", beginning), number);
	retire(number);
	ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &again, &known, directory_name), 0);
	ck_assert(known && again == number);
	ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &again, &known, beginning), 0);
	ck_assert(known && again == number);
	(void)file_named("7-x");
	again = seen("1", beginning);
	ck_assert_uint_ne(again, number);
	number = again;
	ck_assert_uint_eq(seen("1", directory_name), number);
	retire(number);
	(void)file_named("tmp/x");
	again = seen("1", directory_name);
	ck_assert_uint_ne(again, number);
}
END_TEST

START_TEST(files_that_come_while_a_job_is_being_retired_are_not_lost)
{
	uint64_t number = seen("1", file_named("a"));

	set(number, LEDGER_RETIRING, NULL);
	ck_assert_uint_eq(seen("1", file_named("b")), number);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRED, NULL, NULL), -EAGAIN);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRING);
	set(number, LEDGER_RETIRING, NULL);
	ck_assert_uint_eq(count_files(number), 2);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRED, NULL, NULL), 0);
}
END_TEST

START_TEST(what_is_no_job_is_refused)
{
	char id[LEDGER_ID_BYTES + 1], file[PATH_MAX + 1];
	const char *files[] = {file};
	struct ledger_news news = {
		.source = "call", .id = id, .volume_uuid = UUID_A, .state = LEDGER_SEEN};
	uint64_t number;
	bool known;

	memset(id, 'x', LEDGER_ID_BYTES);
	id[LEDGER_ID_BYTES] = '\0';
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), -EINVAL);
	ck_assert_int_eq(add("call", "", LEDGER_SEEN, &number, &known, NULL), -EINVAL);
	ck_assert_int_eq(add("call", "a\nb", LEDGER_SEEN, &number, &known, NULL), -EINVAL);
	ck_assert_int_eq(add("call", "a\x7f", LEDGER_SEEN, &number, &known, NULL), -EINVAL);
	ck_assert_int_eq(add("call", "\xc3", LEDGER_SEEN, &number, &known, NULL), -EINVAL);
	ck_assert_int_eq(add("", "1", LEDGER_SEEN, &number, &known, NULL), -EINVAL);
	ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &number, &known, "b"), -EINVAL);
	ck_assert_int_eq(add("call", "1", LEDGER_SEEN, &number, &known, ""), -EINVAL);
	id[LEDGER_ID_BYTES - 1] = '\0';
	news.files = files;
	news.file_count = 1;
	memset(file, '/', PATH_MAX);
	file[PATH_MAX] = '\0';
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), -EINVAL);
	file[PATH_MAX - 1] = '\0';
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	reopen();
	ck_assert_int_eq(ledger_find(ledger, "call", id, &job), 0);
	ck_assert_uint_eq(count_files(number), 1);
}
END_TEST

START_TEST(another_users_job_is_not_added_to)
{
	const char *file = file_named("a");
	struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID_A,
		.uid = 1000,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = 1};
	uint64_t number, again;
	bool known;

	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	news.uid = 1001;
	ck_assert_int_eq(ledger_add(ledger, &news, &again, &known, &problem), -EPERM);
	news.uid = 0;
	ck_assert_int_eq(ledger_add(ledger, &news, &again, &known, &problem), 0);
	ck_assert_uint_eq(again, number);
	retire(number);
	ck_assert_int_eq(unlink(file), 0);
	/* And its receipt is not told. */
	news.uid = 1001;
	ck_assert_int_eq(ledger_add(ledger, &news, &again, &known, &problem), 0);
	ck_assert_uint_ne(again, number);
}
END_TEST

START_TEST(a_job_lies_on_one_volume)
{
	const char *file = file_named("a");
	struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID_B,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = 1};
	uint64_t numbers[4], number = seen("1", file_named("b"));
	bool known;

	ck_assert_int_eq(ledger_set_key(ledger, UUID_B, other_key), 0);
	ck_assert_int_eq(ledger_add(ledger, &news, numbers, &known, &problem), -EXDEV);
	news.id = "2";
	ck_assert_int_eq(ledger_add(ledger, &news, numbers, &known, &problem), 0);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_SEEN, UUID_A, numbers, 4), 1);
	ck_assert_uint_eq(numbers[0], number);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_SEEN, NULL, numbers, 4), 2);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_SEEN, NULL, numbers, 1), 1);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_HELD, NULL, numbers, 4), 0);
}
END_TEST

START_TEST(with_a_volumes_key_its_open_jobs_end)
{
	uint64_t first = seen("1", file_named("a")), second = seen("2", file_named("b"));
	uint64_t number;
	bool known;

	set(second, LEDGER_HELD, "why");
	ck_assert_int_eq(ledger_forget_volume(ledger, UUID_A, "its key was destroyed"), 0);
	ck_assert_int_eq(state_of(first), LEDGER_RETIRED);
	ck_assert_ptr_null(job.receipt);
	ck_assert_int_eq(add("call", "3", LEDGER_SEEN, &number, &known, "/a"), -ENOKEY);
	reopen();
	ck_assert_int_eq(state_of(second), LEDGER_RETIRED);
	ck_assert_str_eq(job.why, "its key was destroyed");
}
END_TEST

/* --- for years --- */

START_TEST(no_number_is_used_twice)
{
	uint64_t last = 0;
	char id[16];

	for (int i = 0; i < 30; i++) {
		uint64_t number;

		snprintf(id, sizeof(id), "%d", i);
		number = seen(id, NULL);
		ck_assert_uint_gt(number, last);
		last = number;
		retire(number);
		if (i % 3 == 0)
			ck_assert_int_eq(ledger_rewrite(ledger), 0);
		reopen();
	}
}
END_TEST

static void write_file(const char *text, size_t bytes)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/ledger", directory);
	fd = open(path, O_WRONLY | O_TRUNC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, bytes), 0);
	close(fd);
}

static void make_jobs(struct ledger_lines *lines, size_t count, enum ledger_state state)
{
	struct ledger_record record = {.kind = LEDGER_KIND_HEAD, .head = {.next = 1}};
	struct ledger_span span;

	ck_assert_int_eq(ledger_lines_add(lines, &record, &span), 0);
	for (uint64_t i = 1; i <= count; i++) {
		struct ledger_job *one = &record.job;

		record.kind = LEDGER_KIND_JOB;
		*one = (struct ledger_job){
			.number = i, .seen_wall_s = 1795463000, .changed_wall_s = 1795463000};
		strcpy(one->source, "cups");
		snprintf(one->id, sizeof(one->id), "%" PRIu64, i);
		strcpy(one->volume, UUID_A);
		one->state = LEDGER_SEEN;
		ck_assert_int_eq(ledger_lines_add(lines, &record, &span), 0);
		if (state == LEDGER_SEEN)
			continue;
		one->state = LEDGER_RETIRING;
		ck_assert_int_eq(ledger_lines_add(lines, &record, &span), 0);
		if (state == LEDGER_RETIRING)
			continue;
		one->state = state;
		one->receipt = receipt_of("retired");
		ck_assert_int_eq(ledger_lines_add(lines, &record, &span), 0);
		ledger_job_done(one);
	}
}

START_TEST(sixty_five_thousand_jobs_are_open_and_no_more)
{
	struct ledger_lines lines = {.text = NULL};
	static uint64_t numbers[LEDGER_OPEN_MAX];
	uint64_t number, begin_ns, took_ms;
	bool known;

	make_jobs(&lines, LEDGER_OPEN_MAX, LEDGER_RETIRING);
	write_file(lines.text, lines.bytes);
	begin_ns = clock_monotonic_ns();
	reopen();
	took_ms = (clock_monotonic_ns() - begin_ns) / 1000000u;
	printf("%u lines, %zu MiB, replayed in %" PRIu64 " ms\n", 2 * LEDGER_OPEN_MAX,
		lines.bytes >> 20, took_ms);
	ledger_lines_done(&lines);
	ck_assert_uint_lt(took_ms, 30000);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_RETIRING, UUID_A, numbers, LEDGER_OPEN_MAX),
		LEDGER_OPEN_MAX);
	ck_assert_int_eq(add("cups", "x", LEDGER_SEEN, &number, &known, NULL), -ENOBUFS);
	ck_assert_int_eq(ledger_set_many(ledger, numbers, 256, LEDGER_RETIRED, NULL, NULL), 0);
	ck_assert_int_eq(add("cups", "x", LEDGER_SEEN, &number, &known, NULL), 0);
	ck_assert_uint_eq(number, LEDGER_OPEN_MAX + 1);
}
END_TEST

START_TEST(of_those_that_are_retired_the_newest_are_remembered_and_all_are_counted)
{
	struct ledger_lines lines = {.text = NULL};
	struct ledger_counts counts;

	make_jobs(&lines, 3 * LEDGER_KEEP_DEFAULT, LEDGER_RETIRED);
	write_file(lines.text, lines.bytes);
	for (int i = 0; i < 3; i++) {
		reopen();
		ledger_count(ledger, &counts);
		ck_assert_uint_eq(counts.by_state[LEDGER_RETIRED], LEDGER_KEEP_DEFAULT);
		ck_assert_uint_eq(counts.retired_ever, 3 * LEDGER_KEEP_DEFAULT);
		ck_assert_int_eq(ledger_get(ledger, 2 * LEDGER_KEEP_DEFAULT, &job), -ENOENT);
		ck_assert_int_eq(ledger_find(ledger, "cups", "1", &job), -ENOENT);
		ck_assert_int_eq(state_of(2 * LEDGER_KEEP_DEFAULT + 1), LEDGER_RETIRED);
		ck_assert_ptr_nonnull(job.receipt);
		ck_assert_int_eq(ledger_rewrite(ledger), 0);
		ck_assert_uint_lt(ledger_file_end(ledger->file), lines.bytes / 5);
	}
	ledger_lines_done(&lines);
}
END_TEST

START_TEST(history_does_not_make_the_file_longer_for_ever)
{
	uint64_t number = seen("1", file_named("a")), longest = 0;
	char why[LEDGER_WHY_BYTES];

	retire(seen("2", file_named("b")));
	memset(why, 'w', sizeof(why));
	why[sizeof(why) - 1] = '\0';
	for (int i = 0; i < 4000; i++) {
		set(number, LEDGER_RETIRING, NULL);
		set(number, LEDGER_FAILED, why);
		if (ledger_file_end(ledger->file) > longest)
			longest = ledger_file_end(ledger->file);
	}
	ck_assert_uint_lt(longest, LEDGER_REWRITE_BYTES + 2048);
	ck_assert_uint_lt(ledger_file_end(ledger->file), longest);
	reopen();
	ck_assert_int_eq(state_of(number), LEDGER_FAILED);
	ck_assert_uint_eq(job.attempts, 4000);
	ck_assert_uint_eq(count_files(number), 1);
	ck_assert_int_eq(ledger_find(ledger, "call", "2", &job), 0);
	ck_assert_ptr_nonnull(job.receipt);
	ledger_job_done(&job);
}
END_TEST

START_TEST(a_clock_that_jumps_changes_nothing)
{
	static const int64_t times[] = {1795463000, 4102444800, 0, -5};
	struct ledger_lines lines = {.text = NULL};
	struct ledger_record record = {.kind = LEDGER_KIND_JOB};
	uint64_t numbers[5], number;
	struct ledger_counts counts;
	struct ledger_span span;
	struct json_object *text;

	for (uint64_t i = 0; i < 4; i++) {
		record.job = (struct ledger_job){.number = i + 1,
			.state = LEDGER_SEEN,
			.seen_wall_s = times[i],
			.changed_wall_s = times[3 - i]};
		strcpy(record.job.source, "cups");
		snprintf(record.job.id, sizeof(record.job.id), "%" PRIu64, i);
		ck_assert_int_eq(ledger_lines_add(&lines, &record, &span), 0);
	}
	write_file(lines.text, lines.bytes);
	ledger_lines_done(&lines);
	reopen();
	number = seen("now", NULL);
	ck_assert_uint_eq(number, 5);
	ck_assert_uint_eq(ledger_list(ledger, LEDGER_SEEN, NULL, numbers, 5), 5);
	for (uint64_t i = 0; i < 5; i++)
		ck_assert_uint_eq(numbers[i], i + 1);
	ledger_count(ledger, &counts);
	ck_assert_int_eq(counts.oldest_open_wall_s, -5);
	retire(2);
	ck_assert_int_eq(state_of(2), LEDGER_RETIRED);
	text = ledger_job_to_json(&job, true);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(text, "seen")),
		"2100-01-01T00:00:00Z");
	json_object_put(text);
}
END_TEST

static void *announce(void *context)
{
	const char *name = context;
	char id[32];

	for (int i = 0; i < 40; i++) {
		uint64_t number;
		bool known;

		snprintf(id, sizeof(id), "%s-%d", name, i / 2);
		ck_assert_int_eq(add("call", id, LEDGER_SEEN, &number, &known, "/a"), 0);
		if (i % 2 == 0)
			continue;
		ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRING, NULL, NULL), 0);
		ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRED, NULL, NULL), 0);
	}
	return NULL;
}

START_TEST(many_threads_announce_at_once)
{
	static char names[4][8] = {"a", "b", "c", "d"};
	struct ledger_counts counts;
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, announce, names[i]), 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	reopen();
	ledger_count(ledger, &counts);
	ck_assert_uint_eq(counts.by_state[LEDGER_RETIRED], 80);
	ck_assert_uint_eq(counts.by_state[LEDGER_SEEN], 0);
	ck_assert_int_eq(ledger_get(ledger, 80, &job), 0);
	ck_assert_int_eq(ledger_get(ledger, 81, &job), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *tcase = tcase_create("jobs");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_job_goes_its_way_and_is_remembered);
	tcase_add_test(tcase, digests_of_names_are_kept_and_the_first_stays);
	tcase_add_test(tcase, a_job_becomes_retired_from_retiring_alone_and_stays_so);
	tcase_add_test(tcase, what_is_said_is_durable_before_it_is_said);
	tcase_add_test(tcase, many_jobs_change_with_one_fsync_or_none_does);
	tcase_add_test(tcase, a_note_is_seen_and_costs_no_write);
	tcase_add_test(tcase, names_are_readable_with_the_volumes_key_alone);
	tcase_add_test(tcase, without_the_volumes_key_no_file_is_taken);
	tcase_add_test(tcase, a_job_has_as_many_files_as_is_said);
	tcase_add_test(tcase, the_same_id_is_the_same_job_until_it_is_retired);
	tcase_add_test(tcase, a_retired_job_with_nothing_new_is_known);
	tcase_add_test(tcase, directories_and_beginnings_are_gone_when_nothing_is_there);
	tcase_add_test(tcase, files_that_come_while_a_job_is_being_retired_are_not_lost);
	tcase_add_test(tcase, what_is_no_job_is_refused);
	tcase_add_test(tcase, another_users_job_is_not_added_to);
	tcase_add_test(tcase, a_job_lies_on_one_volume);
	tcase_add_test(tcase, with_a_volumes_key_its_open_jobs_end);
	tcase_add_test(tcase, no_number_is_used_twice);
	tcase_add_test(tcase, sixty_five_thousand_jobs_are_open_and_no_more);
	tcase_add_test(
		tcase, of_those_that_are_retired_the_newest_are_remembered_and_all_are_counted);
	tcase_add_test(tcase, history_does_not_make_the_file_longer_for_ever);
	tcase_add_test(tcase, a_clock_that_jumps_changes_nothing);
	tcase_add_test(tcase, many_threads_announce_at_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
