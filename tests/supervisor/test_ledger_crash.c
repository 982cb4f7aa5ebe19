/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ledger_crash.c - the ledger after cuts, rot, full disks, failures and crashes
 *
 * Goal: L3 and L6 of ledger.h.  After whatever happened to the file, what was acknowledged is
 * known, what failed is not, and the ledger goes on.
 *
 * Method: one scenario of calls that meets every kind of line.  After each call that
 * succeeded the model is what the ledger then knows; the file is cut at every byte, has
 * every byte damaged, has its n-th step fail, and its process die before the n-th step, and each
 * time a new ledger has to know what the model knows.
 */
#include "base/io.h"
#include "supervisor/ledger_file.h"
#include "supervisor/ledger_impl.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID  "0a0a0a0a-0000-4000-8000-00000000000a"
#define JOBS  6
#define CALLS 24

/* --- the scenario, and what is known after each of its calls --- */

struct known {
	struct ledger_job jobs[JOBS + 1]; /* by number; number 0: there is none */
	size_t names[JOBS + 1];
	bool receipt[JOBS + 1];
};

static char directory[256], copy[272];
static struct ledger *ledger;
static struct secret *key;

static int open_at(const char *path)
{
	struct problem problem = {""};
	int r = ledger_open(path, &ledger, &problem);

	if (r >= 0)
		ck_assert_int_eq(ledger_set_key(ledger, UUID, key), 0);
	else
		ledger = NULL;
	return r;
}

static void close_it(void)
{
	ledger_close(ledger);
	ledger = NULL;
}

static void look(struct known *known)
{
	memset(known, 0, sizeof(*known));
	for (uint64_t number = 1; number <= JOBS; number++) {
		struct ledger_job *job = &known->jobs[number];
		char **files;

		if (ledger_get(ledger, number, job) < 0)
			continue;
		known->receipt[number] = job->receipt != NULL;
		ledger_job_done(job);
		if (ledger_files(ledger, number, &files, &known->names[number]) >= 0)
			ledger_files_free(files, known->names[number]);
	}
}

static bool is_same_job(const struct known *a, const struct known *b, uint64_t number)
{
	const struct ledger_job *x = &a->jobs[number], *y = &b->jobs[number];

	return x->number == y->number && x->state == y->state && x->attempts == y->attempts &&
	       x->file_count == y->file_count && x->lost_files == y->lost_files &&
	       x->uid == y->uid && strcmp(x->source, y->source) == 0 && strcmp(x->id, y->id) == 0 &&
	       strcmp(x->volume, y->volume) == 0 && strcmp(x->why, y->why) == 0 &&
	       a->names[number] == b->names[number] && a->receipt[number] == b->receipt[number];
}

static bool is_same(const struct known *a, const struct known *b)
{
	for (uint64_t number = 1; number <= JOBS; number++) {
		if (!is_same_job(a, b, number))
			return false;
	}
	return true;
}

static int add(const char *id, enum ledger_state state, size_t files)
{
	static const char *const names[] = {"/spool/a", "/spool/b", "/spool/c"};
	const struct ledger_news news = {
		.source = "call",
		.id = id,
		.volume_uuid = UUID,
		.state = state,
		.files = names,
		.file_count = files,
	};
	struct problem problem;
	uint64_t number;
	bool known;

	return ledger_add(ledger, &news, &number, &known, &problem);
}

static int set(const char *id, enum ledger_state state, const char *why)
{
	struct json_object *receipt = NULL;
	struct ledger_job job;
	uint64_t number;

	if (ledger_find(ledger, "call", id, &job) < 0)
		return -ENOENT;
	number = job.number;
	ledger_job_done(&job);
	if (state == LEDGER_RETIRED) {
		receipt = json_object_new_object();
		json_object_object_add(receipt, "result", json_object_new_string("retired"));
	}
	return ledger_set(ledger, number, state, why, receipt);
}

static int set_two(enum ledger_state state)
{
	struct ledger_job job;
	uint64_t numbers[2];

	for (size_t i = 0; i < 2; i++) {
		if (ledger_find(ledger, "call", i ? "3" : "2", &job) < 0)
			return -ENOENT;
		numbers[i] = job.number;
		ledger_job_done(&job);
	}
	return ledger_set_many(ledger, numbers, 2, state, NULL, NULL);
}

static int call(size_t n)
{
	switch (n) {
	case 0:
		return add("1", LEDGER_BEGUN, 0);
	case 1:
		return add("1", LEDGER_BEGUN, 1);
	case 2:
		return add("1", LEDGER_SEEN, 2);
	case 3:
		return add("2", LEDGER_SEEN, 1);
	case 4:
		return add("3", LEDGER_SEEN, 3);
	case 5:
		return set("1", LEDGER_RETIRING, NULL);
	case 6:
		return set("1", LEDGER_FAILED, "it is open elsewhere");
	case 7:
		return set_two(LEDGER_RETIRING);
	case 8:
		return set_two(LEDGER_RETIRED);
	case 9:
		return add("4", LEDGER_SEEN, 1);
	case 10:
		return set("4", LEDGER_HELD, "somebody held it");
	case 11:
		return set("1", LEDGER_RETIRING, NULL);
	case 12:
		return set("1", LEDGER_RETIRED, NULL);
	case 13:
		return add("5", LEDGER_BEGUN, 2);
	case 14:
		return set("4", LEDGER_SEEN, NULL);
	case 15:
		return add("4", LEDGER_SEEN, 2);
	default:
		return -ERANGE;
	}
}

static bool is_for_two(size_t n)
{
	return n == 7 || n == 8;
}

static struct known model[CALLS + 1]; /* after so many calls */
static uint64_t ends[CALLS + 1];      /* of the file */
static size_t calls;

static void record_scenario(void)
{
	ck_assert_int_eq(open_at(directory), 0);
	look(&model[0]);
	ends[0] = ledger_file_end(ledger->file);
	for (calls = 0;; calls++) {
		int r = call(calls);

		if (r == -ERANGE)
			break;
		ck_assert_int_eq(r, 0);
		look(&model[calls + 1]);
		ends[calls + 1] = ledger_file_end(ledger->file);
	}
	close_it();
}

static char *content;
static size_t content_bytes;

static void read_content(void)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/ledger", directory);
	content = malloc(65536);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_read_to_end(fd, content, 65536, &content_bytes), 0);
	close(fd);
}

static void write_copy(const char *data, size_t bytes)
{
	char path[300];
	int fd;

	ck_assert(mkdir(copy, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/ledger", copy);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, data, bytes), 0);
	close(fd);
}

/* How far apart the bytes are that are tried, where everything is slower. */
static size_t stride(void)
{
	const char *scale = getenv("SPOOLGUARD_TEST_SCALE");

	return scale && strcmp(scale, "small") == 0 ? 13 : 1;
}

static void setup(void)
{
	static unsigned int n;

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	snprintf(copy, sizeof(copy), "%s.copy", directory);
	ck_assert_int_eq(secret_new_random(32, &key), 0);
	ledger = NULL;
}

static void teardown(void)
{
	ledger_file_set_hook(NULL, NULL);
	close_it();
	secret_free(key);
	key = NULL;
	free(content);
	content = NULL;
}

/* --- L3 --- */

/* As it was before a call, or after it: of a call for two jobs one may be as after it. */
static bool is_between(const struct known *now, size_t done)
{
	for (uint64_t number = 1; number <= JOBS; number++) {
		if (!is_same_job(now, &model[done], number) &&
			(!is_for_two(done) || !is_same_job(now, &model[done + 1], number)))
			return false;
	}
	return true;
}

START_TEST(after_a_cut_at_any_byte_the_calls_before_it_are_known)
{
	struct known now;
	size_t done = 0;

	record_scenario();
	read_content();
	ck_assert_uint_eq(ends[calls], content_bytes);
	for (size_t cut = 0; cut <= content_bytes; cut += stride()) {
		struct ledger_job job;

		while (done < calls && ends[done + 1] <= cut)
			done++;
		write_copy(content, cut);
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_msg(ledger_damaged_lines(ledger) == 0, "cut at %zu", cut);
		look(&now);
		ck_assert_msg(is_between(&now, done), "cut at %zu", cut);
		/* It goes on, and what was cut off stays away. */
		ck_assert_int_eq(add("new", LEDGER_SEEN, 3), 0);
		(void)!set("1", LEDGER_HELD, NULL);
		close_it();
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
		ck_assert_int_eq(ledger_find(ledger, "call", "new", &job), 0);
		ck_assert_uint_eq(job.file_count, 3);
		ck_assert_uint_eq(model[done].jobs[job.number].number, 0);
		if (model[done].jobs[1].number > 0) {
			ck_assert_int_eq(ledger_get(ledger, 1, &job), 0);
			ledger_job_done(&job);
			ck_assert_uint_eq(job.file_count, model[done].jobs[1].file_count);
		}
		close_it();
	}
}
END_TEST

START_TEST(zeros_behind_the_last_line_are_cut_off)
{
	struct known now;

	record_scenario();
	read_content();
	memset(content + content_bytes, 0, 5000);
	write_copy(content, content_bytes + 5000);
	ck_assert_int_eq(open_at(copy), 0);
	ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
	look(&now);
	ck_assert(is_same(&now, &model[calls]));
	ck_assert_uint_eq(ledger_file_end(ledger->file), content_bytes);
}
END_TEST

/* Is the line at this byte about that job?  Damage to a newline costs no line at all. */
static bool is_about(size_t at, uint64_t number)
{
	char text[32];
	size_t first = at, end = at;

	if (content[at] == '\n')
		return false;
	while (first > 0 && content[first - 1] != '\n')
		first--;
	while (content[end] != '\n')
		end++;
	snprintf(text, sizeof(text), "\"job\":%" PRIu64 ",", number);
	return memmem(content + first, end - first, text, strlen(text)) != NULL;
}

/* 1: that damage cost a job that had one line alone. */
static size_t check_damaged(size_t at)
{
	struct known now;
	struct ledger_job job;
	size_t gone = 0;

	ck_assert_int_eq(open_at(copy), 0);
	ck_assert_msg(ledger_damaged_lines(ledger) >= 1, "damage at %zu is not seen", at);
	look(&now);
	for (uint64_t number = 1; number <= JOBS; number++) {
		if (is_about(at, number)) {
			gone += now.jobs[number].number == 0;
			/* Never retired as if it had had less files. */
			ck_assert(now.jobs[number].lost_files == 0 ||
				  now.jobs[number].state == LEDGER_HELD ||
				  now.jobs[number].state == LEDGER_RETIRED);
		} else {
			ck_assert_msg(is_same_job(&now, &model[calls], number),
				"job %" PRIu64 " after damage at %zu", number, at);
		}
	}
	ck_assert_int_eq(add("new", LEDGER_SEEN, 0), 0);
	ck_assert_int_eq(ledger_find(ledger, "call", "new", &job), 0);
	ck_assert_uint_gt(job.number, 5);
	close_it();
	/* What is left was written anew. */
	ck_assert_int_eq(open_at(copy), 0);
	ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
	ck_assert_int_eq(ledger_find(ledger, "call", "new", &job), 0);
	close_it();
	return gone;
}

START_TEST(a_flipped_bit_in_any_line_costs_no_other_job)
{
	char path[300];
	struct stat st;
	size_t gone = 0;

	record_scenario();
	read_content();
	snprintf(path, sizeof(path), "%s/ledger.damaged", copy);
	for (size_t at = 0; at < content_bytes; at += stride()) {
		char bit = (char)(1 << at % 8);

		content[at] ^= bit;
		write_copy(content, content_bytes);
		content[at] ^= bit;
		gone += check_damaged(at);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq((size_t)st.st_size, content_bytes);
	}
	/* Every job of the scenario has several lines, or names. */
	ck_assert_uint_eq(gone, 0);
}
END_TEST

START_TEST(a_line_that_is_gone_costs_no_other_job)
{
	record_scenario();
	read_content();
	for (size_t at = 0, end; at < content_bytes; at = end) {
		end = (size_t)((char *)memchr(content + at, '\n', content_bytes - at) - content) +
		      1;
		{
			char *hole = malloc(content_bytes);

			memcpy(hole, content, content_bytes);
			memset(hole + at, 0, end - at);
			write_copy(hole, content_bytes);
			free(hole);
		}
		if (end == content_bytes)
			break; /* the last is torn, and cut off */
		(void)check_damaged(at);
	}
}
END_TEST

START_TEST(a_job_whose_names_were_lost_is_held)
{
	struct ledger_job job;
	size_t at;

	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(add("1", LEDGER_SEEN, 2), 0);
	close_it();
	read_content();
	at = (size_t)((char *)memmem(content, content_bytes, "sealed", 6) - content);
	content[at] ^= 1;
	write_copy(content, content_bytes);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_int_eq(ledger_find(ledger, "call", "1", &job), 0);
		ck_assert_int_eq(job.state, LEDGER_HELD);
		ck_assert_uint_eq(job.lost_files, 2);
		ck_assert_ptr_nonnull(strstr(job.why, "lost"));
		close_it();
	}
}
END_TEST

START_TEST(names_whose_job_was_lost_are_a_job_that_is_held)
{
	struct ledger_job job;
	size_t at;

	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(add("1", LEDGER_SEEN, 2), 0);
	close_it();
	read_content();
	at = (size_t)((char *)memmem(content, content_bytes, "\"state\"", 7) - content);
	content[at] ^= 1;
	write_copy(content, content_bytes);
	ck_assert_int_eq(open_at(copy), 0);
	ck_assert_int_eq(ledger_find(ledger, "lost", "1", &job), 0);
	ck_assert_int_eq(job.state, LEDGER_HELD);
	ck_assert_str_eq(job.volume, UUID);
	ck_assert_uint_eq(job.file_count, 2);
	ck_assert_uint_eq(job.lost_files, 0);
}
END_TEST

START_TEST(a_number_that_stands_in_a_damaged_line_alone_is_not_used_again)
{
	struct ledger_job job;
	size_t at;

	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(add("1", LEDGER_SEEN, 0), 0);
	ck_assert_int_eq(add("2", LEDGER_SEEN, 0), 0);
	close_it();
	read_content();
	for (int i = 0; i < 2; i++) {
		at = (size_t)((char *)memmem(content, content_bytes, "\"uid\"", 5) - content);
		content[at] ^= 1;
	}
	write_copy(content, content_bytes);
	ck_assert_int_eq(open_at(copy), 0);
	ck_assert_uint_eq(ledger_damaged_lines(ledger), 2);
	ck_assert_int_eq(add("3", LEDGER_SEEN, 0), 0);
	ck_assert_int_eq(ledger_find(ledger, "call", "3", &job), 0);
	ck_assert_uint_eq(job.number, 3);
}
END_TEST

START_TEST(garbage_of_any_length_is_survived)
{
	static const size_t lengths[] = {
		1, 100, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20};

	record_scenario();
	read_content();
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t bytes = lengths[i] + 1 + content_bytes;
		char *file = malloc(bytes);
		struct known now;

		memset(file, 'g', lengths[i]);
		file[lengths[i]] = '\n';
		memcpy(file + lengths[i] + 1, content, content_bytes);
		write_copy(file, bytes);
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_uint_ge(ledger_damaged_lines(ledger), 1);
		look(&now);
		ck_assert_msg(is_same(&now, &model[calls]), "%zu bytes of garbage", lengths[i]);
		close_it();
		write_copy(file, lengths[i]); /* alone, and without a newline */
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_int_eq(add("1", LEDGER_SEEN, 1), 0);
		close_it();
		free(file);
	}
}
END_TEST

START_TEST(a_ledger_of_a_newer_version_is_left_alone)
{
	static const char newer[] =
		"{\"check\":\"8aaf3d4e453a5628\",\"kind\":\"head\",\"version\":2}\n";
	char path[300];
	struct stat st;

	write_copy(newer, sizeof(newer) - 1);
	ck_assert_int_eq(open_at(copy), -EPROTONOSUPPORT);
	snprintf(path, sizeof(path), "%s/ledger", copy);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((size_t)st.st_size, sizeof(newer) - 1);
}
END_TEST

/* --- L6 --- */

struct nth {
	unsigned int left; /* steps until it strikes; 0: it has */
	int error;
};

static int fail_nth(void *context, enum ledger_file_step step)
{
	struct nth *nth = context;

	(void)step;
	return nth->left > 0 && --nth->left == 0 ? -nth->error : 0;
}

/* Calls of the scenario, a rewrite among them; what succeeded is done to a second ledger too. */
static size_t run_with_faults(struct known *ret_known)
{
	size_t failed = 0;

	for (size_t i = 0; i < calls; i++) {
		failed += call(i) < 0;
		if (i == 6 || i == 12)
			failed += ledger_rewrite(ledger) < 0;
	}
	look(ret_known);
	return failed;
}

static void fail_each_step(int error)
{
	struct nth nth = {.left = 1, .error = error};
	struct known known, again;
	char command[400];

	record_scenario();
	for (unsigned int n = 1;; n++) {
		size_t failed;
		int r;

		snprintf(command, sizeof(command), "rm -rf '%s'", copy);
		ck_assert_int_eq(system(command), 0);
		nth = (struct nth){n, error};
		ledger_file_set_hook(fail_nth, &nth);
		r = open_at(copy);
		if (r < 0) {
			ck_assert_uint_eq(nth.left, 0);
			continue;
		}
		failed = run_with_faults(&known);
		ledger_file_set_hook(NULL, NULL);
		close_it();
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_msg(ledger_damaged_lines(ledger) == 0, "step %u", n);
		look(&again);
		ck_assert_msg(is_same(&known, &again), "step %u", n);
		if (failed == 0)
			ck_assert_msg(is_same(&known, &model[calls]), "step %u", n);
		close_it();
		if (nth.left > 0)
			break;
	}
}

START_TEST(a_failure_of_any_step_leaves_what_is_known_and_what_is_written_the_same)
{
	fail_each_step(EIO);
}
END_TEST

START_TEST(want_of_room_at_any_step_leaves_what_is_known_and_what_is_written_the_same)
{
	fail_each_step(ENOSPC);
}
END_TEST

static int fail_always(void *context, enum ledger_file_step step)
{
	return step == *(enum ledger_file_step *)context ? -EIO : 0;
}

START_TEST(after_a_failed_fsync_nothing_is_believed_until_all_is_written_anew)
{
	enum ledger_file_step step = LEDGER_FILE_SYNC;
	struct ledger_job job;

	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(add("1", LEDGER_SEEN, 1), 0);
	ledger_file_set_hook(fail_always, &step);
	ck_assert_int_eq(set("1", LEDGER_RETIRING, NULL), -EIO);
	ck_assert_int_eq(ledger_find(ledger, "call", "1", &job), 0);
	ck_assert_int_eq(job.state, LEDGER_SEEN);
	ck_assert(ledger_file_has_failed(ledger->file));
	ck_assert_int_eq(add("2", LEDGER_SEEN, 1), -EIO);
	step = LEDGER_FILE_CREATE; /* it cannot be written anew */
	ck_assert_int_eq(add("2", LEDGER_SEEN, 1), -EIO);
	ledger_file_set_hook(NULL, NULL);
	ck_assert_int_eq(add("2", LEDGER_SEEN, 1), 0);
	ck_assert(!ledger_file_has_failed(ledger->file));
	close_it();
	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(ledger_find(ledger, "call", "2", &job), 0);
}
END_TEST

/* --- the process dies --- */

struct shared {
	size_t acknowledged; /* calls */
};

static int die_at_nth(void *context, enum ledger_file_step step)
{
	struct nth *nth = context;

	(void)step;
	if (--nth->left == 0)
		_exit(42);
	return 0;
}

static void run_and_die(struct shared *shared, unsigned int n)
{
	struct nth nth = {.left = n};

	ledger_file_set_hook(die_at_nth, &nth);
	if (open_at(copy) < 0)
		_exit(1);
	for (size_t i = 0; i < calls; i++) {
		if (call(i) < 0)
			_exit(1);
		shared->acknowledged = i + 1;
		if ((i == 6 || i == 12) && ledger_rewrite(ledger) < 0)
			_exit(1);
	}
	_exit(0);
}

START_TEST(a_process_that_dies_before_any_step_left_what_it_had_acknowledged)
{
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char command[400];
	struct known now;
	int status = 0;

	ck_assert_ptr_ne(shared, MAP_FAILED);
	record_scenario();
	for (unsigned int n = 1; status == 0 || WEXITSTATUS(status) == 42; n++) {
		pid_t child;

		snprintf(command, sizeof(command), "rm -rf '%s'", copy);
		ck_assert_int_eq(system(command), 0);
		shared->acknowledged = 0;
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0)
			run_and_die(shared, n);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		ck_assert_int_eq(open_at(copy), 0);
		ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
		look(&now);
		ck_assert_msg(is_same(&now, &model[shared->acknowledged]) ||
				      (shared->acknowledged < calls &&
					      is_same(&now, &model[shared->acknowledged + 1])),
			"died before step %u", n);
		close_it();
		if (WEXITSTATUS(status) == 0)
			break;
	}
	ck_assert_uint_eq(shared->acknowledged, calls);
	munmap(shared, sizeof(*shared));
}
END_TEST

/* --- the state directory --- */

static bool mount_small(void)
{
	return mkdir(directory, 0700) == 0 &&
	       mount("tmpfs", directory, "tmpfs", 0, "size=2m,mode=700") == 0;
}

/* The name of a file that takes what room there is. */
static void fill(void)
{
	char path[300], block[4096] = {0};
	int fd;

	snprintf(path, sizeof(path), "%s/filler", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

START_TEST(on_a_full_disk_jobs_come_to_their_end_and_none_is_taken)
{
	struct ledger_counts counts;
	char path[300], id[16];

	if (!mount_small())
		return; /* not root */
	ck_assert_int_eq(open_at(directory), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "%d", i);
		ck_assert_int_eq(add(id, LEDGER_SEEN, 3), 0);
	}
	fill();
	close_it(); /* also after a restart */
	ck_assert_int_eq(open_at(directory), 0);
	fill();
	for (int i = 0; i < 1000; i++) {
		int r;

		snprintf(id, sizeof(id), "new-%d", i);
		r = add(id, LEDGER_SEEN, 3);
		if (r == 0) /* what was allocated for a step more */
			continue;
		ck_assert_int_eq(r, -ENOSPC);
		break;
	}
	ledger_count(ledger, &counts);
	ck_assert_uint_lt(counts.by_state[LEDGER_SEEN], 400);
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "%d", i);
		ck_assert_int_eq(set(id, LEDGER_RETIRING, NULL), 0);
		ck_assert_int_eq(set(id, LEDGER_FAILED, "it is open elsewhere"), 0);
		ck_assert_int_eq(set(id, LEDGER_RETIRING, NULL), 0);
		ck_assert_int_eq(set(id, LEDGER_RETIRED, NULL), 0);
	}
	close_it();
	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
	ledger_count(ledger, &counts);
	ck_assert_uint_eq(counts.by_state[LEDGER_RETIRED], 20);
	snprintf(path, sizeof(path), "%s/filler", directory);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(add("after", LEDGER_SEEN, 3), 0);
	close_it();
	ck_assert_int_eq(umount(directory), 0);
}
END_TEST

START_TEST(what_does_not_fit_is_wholly_unknown)
{
	struct ledger_counts counts;
	char id[16];
	int r = 0;

	if (!mount_small())
		return;
	ck_assert_int_eq(open_at(directory), 0);
	fill();
	for (int i = 0; r == 0; i++) {
		snprintf(id, sizeof(id), "%d", i);
		r = add(id, LEDGER_SEEN, 3);
	}
	ck_assert_int_eq(r, -ENOSPC);
	ledger_count(ledger, &counts);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(add(id, LEDGER_SEEN, 3), -ENOSPC);
	close_it();
	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_uint_eq(ledger_damaged_lines(ledger), 0);
	{
		struct ledger_counts again;

		ledger_count(ledger, &again);
		ck_assert_uint_eq(again.by_state[LEDGER_SEEN], counts.by_state[LEDGER_SEEN]);
	}
	close_it();
	ck_assert_int_eq(umount(directory), 0);
}
END_TEST

START_TEST(a_read_only_directory_is_refused_in_words)
{
	struct problem problem = {""};

	if (!mount_small())
		return;
	ck_assert_int_eq(
		mount(NULL, directory, NULL, MS_REMOUNT | MS_RDONLY, "size=2m,mode=700"), 0);
	ck_assert_int_eq(ledger_open(directory, &ledger, &problem), -EROFS);
	ck_assert_ptr_nonnull(strstr(problem.text, directory));
	ck_assert_int_eq(umount(directory), 0);
}
END_TEST

START_TEST(a_directory_that_becomes_read_only_changes_nothing_that_is_known)
{
	struct ledger_job job;

	if (!mount_small())
		return;
	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(add("1", LEDGER_SEEN, 3), 0);
	ck_assert_int_eq(ledger_rewrite(ledger), 0);
	/* The open file keeps the file system from that: a lazily mounted one stands in. */
	{
		enum ledger_file_step step = LEDGER_FILE_WRITE;

		ledger_file_set_hook(fail_always, &step);
		ck_assert_int_eq(add("2", LEDGER_SEEN, 3), -EIO);
		ck_assert_int_eq(set("1", LEDGER_RETIRING, NULL), -EIO);
		ledger_file_set_hook(NULL, NULL);
	}
	ck_assert_int_eq(ledger_find(ledger, "call", "1", &job), 0);
	ck_assert_int_eq(job.state, LEDGER_SEEN);
	ck_assert_int_eq(ledger_find(ledger, "call", "2", &job), -ENOENT);
	close_it();
	ck_assert_int_eq(umount(directory), 0);
}
END_TEST

START_TEST(two_services_do_not_share_a_ledger)
{
	struct problem problem = {""};
	struct ledger *second;

	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(ledger_open(directory, &second, &problem), -EBUSY);
	ck_assert_ptr_nonnull(strstr(problem.text, "another service"));
	ck_assert_int_eq(add("1", LEDGER_SEEN, 1), 0);
	close_it();
	ck_assert_int_eq(open_at(directory), 0);
}
END_TEST

START_TEST(what_lies_in_the_way_is_not_followed)
{
	char path[300], target[300];
	struct stat st;

	ck_assert_int_eq(mkdir(directory, 0700), 0);
	snprintf(path, sizeof(path), "%s/ledger", directory);
	snprintf(target, sizeof(target), "%s/target", directory);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(open_at(directory), -ELOOP);
	ck_assert_int_eq(stat(target, &st), -1);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_lt(open_at(directory), 0);
	ck_assert_int_eq(rmdir(path), 0);
	/* A rewrite that did not come to its end is nothing. */
	snprintf(path, sizeof(path), "%s/ledger.new", directory);
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(open_at(directory), 0);
	ck_assert_int_eq(ledger_rewrite(ledger), 0);
	ck_assert_int_eq(stat(target, &st), -1);
	snprintf(path, sizeof(path), "%s/ledger", directory);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger_crash");
	TCase *tcase = tcase_create("crash");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 240);
	tcase_add_test(tcase, after_a_cut_at_any_byte_the_calls_before_it_are_known);
	tcase_add_test(tcase, zeros_behind_the_last_line_are_cut_off);
	tcase_add_test(tcase, a_flipped_bit_in_any_line_costs_no_other_job);
	tcase_add_test(tcase, a_line_that_is_gone_costs_no_other_job);
	tcase_add_test(tcase, a_job_whose_names_were_lost_is_held);
	tcase_add_test(tcase, names_whose_job_was_lost_are_a_job_that_is_held);
	tcase_add_test(tcase, a_number_that_stands_in_a_damaged_line_alone_is_not_used_again);
	tcase_add_test(tcase, garbage_of_any_length_is_survived);
	tcase_add_test(tcase, a_ledger_of_a_newer_version_is_left_alone);
	tcase_add_test(
		tcase, a_failure_of_any_step_leaves_what_is_known_and_what_is_written_the_same);
	tcase_add_test(
		tcase, want_of_room_at_any_step_leaves_what_is_known_and_what_is_written_the_same);
	tcase_add_test(tcase, after_a_failed_fsync_nothing_is_believed_until_all_is_written_anew);
	tcase_add_test(tcase, a_process_that_dies_before_any_step_left_what_it_had_acknowledged);
	tcase_add_test(tcase, on_a_full_disk_jobs_come_to_their_end_and_none_is_taken);
	tcase_add_test(tcase, what_does_not_fit_is_wholly_unknown);
	tcase_add_test(tcase, a_read_only_directory_is_refused_in_words);
	tcase_add_test(tcase, a_directory_that_becomes_read_only_changes_nothing_that_is_known);
	tcase_add_test(tcase, two_services_do_not_share_a_ledger);
	tcase_add_test(tcase, what_lies_in_the_way_is_not_followed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
