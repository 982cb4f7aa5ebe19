/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_retirer.c - jobs on their way from SEEN to RETIRED
 *
 * Goal: T1 to T6 of retirer.h, each with a test that would see it broken; whoever waits is told.
 *
 * Method: ledger, state, events and files are real; attached/retire_jobs.h is played here: files
 * are removed and not overwritten, and each can be told to fail in its way.  The real thing is
 * tests/e2e/ledger.sh's.
 */
#include "base/clock.h"
#include "base/io.h"
#include "ipc/message.h"
#include "supervisor/ledger_file.h"
#include "supervisor/ledger_key.h"
#include "supervisor/retirer.h"
#include "attached/retire_jobs.h"
#include "audit/document.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "tests/support/events_rig.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID	 "0a0a0a0a-0000-4000-8000-00000000000a"
#define OTHER	 "0b0b0b0b-0000-4000-8000-00000000000b"
#define SELFTEST "00112233445566778899aabbccddeeff"

static char directory[256], mount[272], other_mount[272];
static struct config config;
static struct state *state;
static struct events *events;
static struct ledger *ledger;
static struct retirer *retirer;
static bool waits; /* it was paused by setup() */

/* --- a session that is played --- */

static struct {
	pthread_mutex_t lock;
	int open_error, run_error, barrier_error; /* next_ only: used up by one call */
	atomic_int file_error;			  /* of files whose name has "stubborn" in it */
	atomic_bool refused;			  /* ... whose removal is no erasure */
	atomic_uint opens, runs, barriers;
	_Atomic size_t most_jobs;
	_Atomic uint64_t backlog_blocks; /* owed by others */
	_Atomic uint64_t run_ns[64];	 /* when files were worked on */
	char order[256];		 /* what was done, a letter each */
	void (*_Atomic in_run)(void);
	atomic_bool gate_closed;
	atomic_bool at_gate;
} play = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(char letter)
{
	size_t length;

	pthread_mutex_lock(&play.lock);
	length = strlen(play.order);
	if (length < sizeof(play.order) - 1)
		play.order[length] = letter;
	pthread_mutex_unlock(&play.lock);
}

static int take(int *error)
{
	int r;

	pthread_mutex_lock(&play.lock);
	r = *error;
	*error = 0;
	pthread_mutex_unlock(&play.lock);
	return r;
}

int retire_session_open(const struct runtime_state *runtime, struct retire_session **ret_session,
	struct problem *reterr_problem)
{
	int r = take(&play.open_error);

	(void)runtime;
	play.opens++;
	if (r < 0)
		return problem_set(reterr_problem, r, "the volume's process is gone");
	*ret_session = malloc(1);
	return 0;
}

void retire_session_close(struct retire_session *session)
{
	free(session);
}

static bool is_stubborn(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strstr(slash, "stubborn") != NULL;
}

static void work_on(struct retire_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) < 0) {
		file->error = problem_set(&file->problem, -errno, "%s does not exist", file->path);
	} else if (is_stubborn(file->path) && play.refused) {
		ck_assert_int_eq(unlink(file->path), 0);
		file->removed = file->erased_but_refused = true;
		file->retirement.refused_blocks = 1;
		file->error = problem_set(&file->problem, -EIO,
			"%s lay partly on blocks that the medium refuses", file->path);
	} else if (is_stubborn(file->path) && play.file_error) {
		file->error = problem_set(
			&file->problem, play.file_error, "%s is open in scanner", file->path);
	} else {
		ck_assert_int_eq(unlink(file->path), 0);
		file->removed = file->erased = true;
		file->size_bytes = (uint64_t)st.st_size;
		file->extent_count = 1;
		file->retirement = (struct retirement){.requested_blocks = 1,
			.written_blocks = 1,
			.durable_blocks = 1,
			.verified_blocks = 1,
			.passes = 3};
	}
}

/* T1: whatever is worked on is RETIRING, and so it stands in the file. */
static void check_retiring(const struct job_list *jobs)
{
	for (size_t i = 0; i < jobs->jobs; i++) {
		struct ledger_job job;

		ck_assert_int_eq(ledger_get(ledger, strtoull(jobs->ids[i], NULL, 10), &job), 0);
		ck_assert_int_eq(job.state, LEDGER_RETIRING);
		ledger_job_done(&job);
	}
}

static void pass_gate(void)
{
	while (atomic_load(&play.gate_closed)) {
		atomic_store(&play.at_gate, true);
		usleep(1000);
	}
	atomic_store(&play.at_gate, false);
}

int retire_session_run(struct retire_session *session, const struct job_list *jobs,
	const struct retire_options *options, struct retire_result *ret_result,
	struct problem *reterr_problem)
{
	struct retire_result result = {.files = calloc(jobs->count + 1, sizeof(*result.files)),
		.receipts = calloc(jobs->jobs + 1, sizeof(*result.receipts))};
	void (*in_run)(void) = play.in_run;
	void (*const none)(void) = NULL; /* which clang does not take for an atomic */
	int r = take(&play.run_error);

	(void)session;
	(void)reterr_problem;
	pass_gate();
	check_retiring(jobs);
	if (play.runs < ARRAY_SIZE(play.run_ns))
		play.run_ns[play.runs] = clock_monotonic_ns();
	play.runs++;
	if (jobs->jobs > play.most_jobs)
		play.most_jobs = jobs->jobs;
	for (size_t i = 0; i < jobs->count; i++) {
		struct job_receipt *receipt = &result.receipts[jobs->entries[i].job];

		result.files[i].path = jobs->entries[i].path;
		work_on(&result.files[i]);
		receipt->files++;
		receipt->removed_files += result.files[i].error == 0 && result.files[i].removed;
		receipt->gone_files += options->may_be_gone && result.files[i].error == -ENOENT;
	}
	note('f');
	if (in_run) {
		play.in_run = none;
		in_run();
	}
	if (r < 0) {
		retire_result_done(&result);
		return r;
	}
	result.barrier_error = take(&play.barrier_error);
	for (size_t job = 0; job < jobs->jobs; job++) {
		struct job_receipt *receipt = &result.receipts[job];
		bool whole = receipt->removed_files + receipt->gone_files == receipt->files;
		int said = options->hooks.removed ? options->hooks.removed(options->hooks.context,
							    job, receipt, whole)
						  : 0;

		receipt->id = jobs->ids[job];
		receipt->scheme = receipt->verify = receipt->volume_uuid = receipt->medium = "";
		receipt->backlog_blocks = play.backlog_blocks;
		receipt->retired = whole && said >= 0 && result.barrier_error == 0;
	}
	note('b');
	play.barriers++;
	*ret_result = result;
	return 0;
}

void retire_result_done(struct retire_result *result)
{
	free(result->files);
	free(result->receipts);
	*result = (struct retire_result){.files = NULL};
}

/* --- a source of jobs --- */

static int check_answer, purge_answer;
static atomic_uint checks, purges;

static int check(void *context, const struct ledger_job *job)
{
	(void)context;
	ck_assert_str_eq(job->source, "cups");
	checks++;
	note('c');
	return take(&check_answer);
}

static int purge(void *context, const struct ledger_job *job, struct problem *reterr_problem)
{
	int r = take(&purge_answer);

	(void)context;
	(void)job;
	purges++;
	note('p');
	return r < 0 ? problem_set(reterr_problem, r, "cupsd says no") : 0;
}

static void retired(void *context, const struct ledger_job *job)
{
	(void)context;
	ck_assert_int_eq(job->state, LEDGER_RETIRED);
	ck_assert_ptr_nonnull(job->receipt);
	note('r');
}

static const struct retirer_source sources[] = {
	{.name = "cups", .check = check, .purge = purge, .retired = retired},
	{.name = "watch"},
};

/* --- around each test --- */

static struct runtime_state runtime_of(const char *uuid, const char *at)
{
	struct runtime_state runtime = {.ready = true};

	strcpy(runtime.uuid, uuid);
	strcpy(runtime.mount, at);
	return runtime;
}

static void open_volume(void)
{
	const struct runtime_state runtime = runtime_of(UUID, mount);
	struct problem problem = {""};
	int r = retirer_open_volume(retirer, &runtime, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static atomic_bool has_no_keys;

static struct device_keys *find_keys(void *context)
{
	(void)context;
	return atomic_load(&has_no_keys) ? NULL : events_rig_keys();
}

static void start(void)
{
	const struct retirer_options options = {
		.config = &config,
		.state = state,
		.events = events,
		.ledger = ledger,
		.keys = find_keys,
		.sources = sources,
		.source_count = ARRAY_SIZE(sources),
	};

	ck_assert_int_eq(retirer_new(&options, &retirer), 0);
	retirer_set_selftest(retirer, SELFTEST);
	waits = false;
}

/* What a test prepares is there before anything begins. */
static void go(void)
{
	if (waits)
		retirer_resume(retirer);
	waits = false;
	retirer_wake(retirer);
}

static void setup(void)
{
	static unsigned int n;
	struct problem problem = {""};
	int null = open("/dev/null", O_WRONLY);

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	snprintf(mount, sizeof(mount), "%s/mnt", directory);
	snprintf(other_mount, sizeof(other_mount), "%s/other", directory);
	ck_assert_int_eq(mkdir(directory, 0755), 0);
	ck_assert_int_eq(mkdir(mount, 0755), 0);
	ck_assert_int_eq(mkdir(other_mount, 0755), 0);
	if (!getenv("CK_FORK"))
		dup2(null, STDERR_FILENO); /* each event is echoed there */
	close(null);
	ck_assert_int_eq(state_new(NULL, NULL, &state), 0);
	state_set_testing(state, false);
	events = events_rig_open(directory);
	ck_assert_int_eq(ledger_open(directory, &ledger, &problem), 0);
	start();
	retirer_pause(retirer);
	waits = true;
	open_volume();
}

static void teardown(void)
{
	atomic_store(&play.gate_closed, false);
	ledger_file_set_hook(NULL, NULL);
	retirer_free(retirer);
	ledger_close(ledger);
	events_rig_close(events);
	state_free(state);
}

/* --- jobs --- */

static const char *make_file(const char *name)
{
	static char path[16][600];
	static unsigned int turn;
	char *text = path[turn++ % 16];
	int fd;

	snprintf(text, 600, "%s/%s", mount, name);
	fd = open(text, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, "job", 3), 0);
	close(fd);
	return text;
}

static uint64_t announce(const char *source, const char *id, const char *file)
{
	const struct ledger_news news = {
		.source = source,
		.id = id,
		.volume_uuid = UUID,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = file ? 1 : 0,
	};
	struct problem problem = {""};
	uint64_t number;
	bool known;
	int r = ledger_add(ledger, &news, &number, &known, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	return number;
}

static struct ledger_job job;

static enum ledger_state state_of(uint64_t number)
{
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_get(ledger, number, &job), 0);
	return job.state;
}

static bool comes_to(uint64_t number, enum ledger_state wanted, unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i++) {
		if (state_of(number) == wanted)
			return true;
		usleep(1000);
	}
	return false;
}

static void retires(uint64_t number)
{
	go();
	ck_assert_msg(comes_to(number, LEDGER_RETIRED, 10000), "job %" PRIu64 " is %s: %s", number,
		ledger_state_text(job.state), job.why);
	usleep(20000); /* what follows from it */
}

static uint64_t number_in(const char *key)
{
	uint64_t value = 0;

	ck_assert_ptr_nonnull(job.receipt);
	(void)message_get_u64(job.receipt, key, &value);
	return value;
}

static const char *text_in(const char *key)
{
	const char *text = "";

	ck_assert_ptr_nonnull(job.receipt);
	(void)message_get_string(job.receipt, key, &text);
	return text;
}

static bool flag_in(const char *key)
{
	bool flag = false;

	ck_assert(message_get_bool(job.receipt, key, &flag));
	return flag;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* --- the way of a job --- */

START_TEST(a_job_is_retired_and_its_receipt_says_how)
{
	const char *file = make_file("a");
	uint64_t number = announce("cups", "17", file);

	retires(number);
	ck_assert(!is_there(file));
	ck_assert_str_eq(text_in("result"), "retired");
	ck_assert_str_eq(text_in("id"), "17");
	ck_assert_str_eq(text_in("source"), "cups");
	ck_assert_str_eq(text_in("selftest"), SELFTEST);
	ck_assert(flag_in("claims"));
	ck_assert_uint_eq(number_in("job"), number);
	ck_assert_uint_eq(number_in("files"), 1);
	ck_assert_uint_eq(number_in("erased_files"), 1);
	ck_assert_uint_eq(number_in("attempts"), 1);
	ck_assert(!json_object_object_get_ex(job.receipt, "files_missing", NULL));
	/* Asked, done, forgotten by the spooler, barrier, told. */
	ck_assert_str_eq(play.order, "cfpbr");
}
END_TEST

START_TEST(what_is_owed_by_others_stands_in_the_record)
{
	char *text;

	play.backlog_blocks = 4711;
	retires(announce("call", "1", make_file("a")));
	text = events_rig_text(events);
	ck_assert_ptr_nonnull(strstr(text, "\"owed_blocks\":4711"));
	free(text);
}
END_TEST

START_TEST(a_job_without_files_gets_its_barrier)
{
	uint64_t number = announce("call", "1", NULL);

	retires(number);
	ck_assert_uint_eq(play.barriers, 1);
	ck_assert_uint_eq(number_in("files"), 0);
}
END_TEST

START_TEST(jobs_that_gather_share_batches)
{
	uint64_t numbers[600];
	char id[16];

	retirer_pause(retirer);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(id, sizeof(id), "%zu", i);
		numbers[i] = announce("call", id, make_file(id));
	}
	go();
	usleep(50000);
	ck_assert_uint_eq(play.runs, 0);
	retirer_resume(retirer);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		ck_assert(comes_to(numbers[i], LEDGER_RETIRED, 10000));
	ck_assert_uint_eq(play.most_jobs, RETIRER_BATCH_JOBS);
	ck_assert_uint_eq(play.runs, 3);
}
END_TEST

static int fail_writes(void *context, enum ledger_file_step step)
{
	atomic_int *left = context;

	return step == LEDGER_FILE_WRITE && atomic_fetch_sub(left, 1) <= 0 ? -EIO : 0;
}

START_TEST(nothing_is_touched_before_retiring_is_durable) /* T1 */
{
	const char *file = make_file("a");
	uint64_t number = announce("call", "1", file);
	atomic_int left = 0;

	ledger_file_set_hook(fail_writes, &left);
	go();
	usleep(200000);
	ck_assert(is_there(file));
	ck_assert_uint_eq(play.runs, 0);
	ck_assert_int_eq(state_get(state), STATE_DEGRADED);
	ledger_file_set_hook(NULL, NULL);
	retires(number);
	ck_assert_int_eq(state_get(state), STATE_READY);
}
END_TEST

static atomic_uint told;
static enum ledger_state told_state;

static void on_done(void *context, const struct ledger_job *done)
{
	struct ledger_job now;

	(void)context;
	/* T1: so it stands in the ledger by now. */
	ck_assert_int_eq(ledger_get(ledger, done->number, &now), 0);
	ck_assert_int_eq(now.state, done->state);
	ledger_job_done(&now);
	told_state = done->state;
	atomic_fetch_add(&told, 1);
}

static bool is_told(unsigned int times)
{
	for (int i = 0; i < 5000 && atomic_load(&told) < times; i++)
		usleep(1000);
	return atomic_load(&told) == times;
}

START_TEST(nobody_is_told_before_retired_is_durable) /* T1 */
{
	const char *file = make_file("a");
	uint64_t number = announce("cups", "1", file);
	atomic_int left = 1; /* RETIRING */

	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	ledger_file_set_hook(fail_writes, &left);
	go();
	for (int i = 0; i < 5000 && play.barriers == 0; i++)
		usleep(1000);
	usleep(100000);
	ck_assert(!is_there(file));
	ck_assert_uint_eq(atomic_load(&told), 0);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRING);
	ck_assert_int_eq(state_get(state), STATE_DEGRADED);
	ledger_file_set_hook(NULL, NULL);
	retires(number);
	ck_assert(is_told(1));
	/* What was done the first time is said. */
	ck_assert_uint_eq(number_in("erased_files"), 1);
	ck_assert_uint_eq(number_in("verified_blocks"), 1);
	ck_assert_uint_eq(number_in("files"), 1);
}
END_TEST

START_TEST(what_a_crash_left_in_retiring_is_done_again) /* T2 */
{
	const char *file = make_file("a"), *gone = make_file("b");
	const char *both[] = {file, gone};
	const struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID,
		.state = LEDGER_SEEN,
		.files = both,
		.file_count = 2};
	struct problem problem;
	uint64_t number;
	bool known;

	retirer_free(retirer);
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRING, NULL, NULL), 0);
	ck_assert_int_eq(unlink(gone), 0);
	ledger_close(ledger);
	ck_assert_int_eq(ledger_open(directory, &ledger, &problem), 0);
	start();
	open_volume();
	ck_assert(comes_to(number, LEDGER_RETIRED, 10000));
	ck_assert(!is_there(file));
	ck_assert_uint_eq(number_in("files"), 2);
	ck_assert_uint_eq(number_in("erased_files"), 1);
	ck_assert_uint_eq(number_in("files_missing"), 1);
	ck_assert_ptr_nonnull(strstr(text_in("files_missing_why"), "by this service"));
	ck_assert_uint_eq(number_in("attempts"), 2);
}
END_TEST

START_TEST(a_file_that_was_never_there_is_said_to_be_missing) /* T2 */
{
	const char *file = make_file("a");
	uint64_t number;

	ck_assert_int_eq(unlink(file), 0);
	number = announce("call", "1", file);
	retires(number);
	ck_assert_uint_eq(number_in("files_missing"), 1);
	ck_assert_uint_eq(number_in("erased_files"), 0);
	ck_assert_ptr_nonnull(strstr(text_in("files_missing_why"), "somebody else removed"));
	ck_assert_ptr_nonnull(strstr(text_in("files_missing_why"), "still has such a file open"));
}
END_TEST

START_TEST(a_file_that_is_open_elsewhere_holds_up_its_own_job_alone) /* T3, T5 */
{
	uint64_t busy = announce("call", "1", make_file("stubborn-payroll.pdf"));
	uint64_t other = announce("call", "2", make_file("b"));

	play.file_error = -EBUSY;
	retires(other);
	ck_assert(comes_to(busy, LEDGER_FAILED, 10000));
	ck_assert_str_eq(job.why, "a file is open in scanner");
	for (int i = 0; i < 5000 && play.runs < 5; i++)
		usleep(1000);
	ck_assert_uint_ge(play.runs, 5);
	/* 0.1, 0.2, 0.4 s: growing. */
	for (size_t i = 0; i < 3; i++) {
		uint64_t ms = (play.run_ns[i + 1] - play.run_ns[i]) / 1000000u;

		ck_assert_uint_ge(ms, 95u << i);
		ck_assert_uint_lt(ms, (100u << i) + 5000);
	}
	play.file_error = 0;
	retirer_retry(retirer, busy);
	retires(busy);
	ck_assert_uint_ge(number_in("attempts"), 5);
	ck_assert_uint_eq(number_in("erased_files"), 1);
}
END_TEST

START_TEST(what_cannot_pass_soon_is_tried_again_after_a_second) /* T3 */
{
	uint64_t number = announce("call", "1", make_file("stubborn"));

	play.file_error = -EMLINK;
	go();
	for (int i = 0; i < 8000 && play.runs < 3; i++)
		usleep(1000);
	ck_assert_uint_ge(play.run_ns[1] - play.run_ns[0], 990000000u);
	ck_assert_uint_ge(play.run_ns[2] - play.run_ns[1], 1990000000u);
	ck_assert(comes_to(number, LEDGER_FAILED, 5000)); /* what it found is still being written */
}
END_TEST

START_TEST(of_a_job_with_many_files_each_is_erased_once)
{
	const char *files[] = {make_file("a"), make_file("stubborn"), make_file("c")};
	const struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID,
		.state = LEDGER_SEEN,
		.files = files,
		.file_count = 3};
	struct problem problem;
	uint64_t number;
	bool known;

	play.file_error = -EBUSY;
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	go();
	ck_assert(comes_to(number, LEDGER_FAILED, 5000));
	ck_assert(!is_there(files[0]));
	play.file_error = 0;
	retires(number);
	ck_assert_uint_eq(number_in("files"), 3);
	ck_assert_uint_eq(number_in("erased_files"), 3);
	ck_assert_uint_eq(number_in("removed_files"), 3);
	ck_assert_uint_eq(number_in("written_blocks"), 3);
	ck_assert_uint_eq(number_in("gone_files"), 0);
}
END_TEST

/* --- T4 --- */

START_TEST(while_nothing_may_be_claimed_jobs_wait_and_say_so) /* T4 */
{
	const char *file = make_file("a");
	uint64_t number = announce("call", "1", file);

	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "aes/xts failed");
	go();
	usleep(200000);
	ck_assert_int_eq(state_of(number), LEDGER_SEEN);
	ck_assert_ptr_nonnull(strstr(job.why, "waits"));
	ck_assert_ptr_nonnull(strstr(job.why, "aes/xts failed"));
	ck_assert(is_there(file));
	state_clear(state, "selftest");
	ck_assert(comes_to(number, LEDGER_RETIRED, 5000)); /* nobody has to wake it */
	ck_assert(flag_in("claims"));
}
END_TEST

static void lose_claims(void)
{
	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "aes/xts failed");
}

START_TEST(a_self_test_that_fails_in_mid_course_holds_what_was_done) /* T4 */
{
	const char *file = make_file("a");
	uint64_t number = announce("cups", "1", file);

	play.in_run = lose_claims;
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	go();
	for (int i = 0; i < 5000 && play.barriers == 0; i++)
		usleep(1000);
	usleep(300000);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRING);
	ck_assert_uint_eq(atomic_load(&told), 0);
	ck_assert(!is_there(file));
	state_clear(state, "selftest");
	retires(number);
	ck_assert_uint_eq(number_in("erased_files"), 1);
	ck_assert(flag_in("claims"));
	ck_assert(is_told(1));
}
END_TEST

START_TEST(or_they_are_retired_and_nothing_is_claimed) /* T4 */
{
	uint64_t number = announce("call", "1", make_file("a"));

	config.on_failure = CONFIG_CONTINUE_WITHOUT_RECEIPTS;
	state_raise(state, STATE_STOPS_CLAIMS, "selftest", "aes/xts failed");
	retires(number);
	ck_assert(!flag_in("claims"));
	ck_assert_str_eq(text_in("result"), "not claimed");
	ck_assert_ptr_nonnull(strstr(text_in("claims_why"), "aes/xts failed"));
	retirer_pause(retirer);
	config.on_failure = CONFIG_HOLD;
	retirer_resume(retirer);
}
END_TEST

/* --- signatures --- */

/* The document is the device's, and the log has its digest before the ledger has it. */
START_TEST(a_receipt_is_signed_and_the_log_names_it)
{
	uint64_t number = announce("call", "17", make_file("a"));
	struct json_object *receipt;
	uint8_t digest[SHA256_BYTES];
	char sha256[2 * SHA256_BYTES + 1], *text;

	retires(number);
	ck_assert_ptr_nonnull(job.document);
	ck_assert_int_eq(document_verify(job.document, strlen(job.document), job.signature,
				 strlen(job.signature), device_keys_public(events_rig_keys()),
				 "spoolguard.receipt", &receipt, NULL),
		0);
	ck_assert_str_eq(text_in("schema"), "spoolguard.job/1");
	ck_assert_str_eq(text_in("key_state"), "active");
	ck_assert(json_object_object_get_ex(job.receipt, "log", NULL));
	ck_assert_str_eq(
		json_object_get_string(json_object_object_get(receipt, "selftest")), SELFTEST);
	json_object_put(receipt);
	ck_assert_int_eq(hash_sha256(job.document, strlen(job.document), digest), 0);
	text = events_rig_text(events);
	ck_assert_ptr_nonnull(strstr(text, text_in("receipt")));
	ck_assert_ptr_nonnull(strstr(text, hex_encode(digest, sizeof(digest), sha256)));
	free(text);
}
END_TEST

START_TEST(without_the_devices_key_jobs_wait_and_say_so) /* P7 */
{
	uint64_t number = announce("call", "1", make_file("a"));

	atomic_store(&has_no_keys, true);
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	go();
	for (int i = 0; i < 5000 && play.barriers == 0; i++)
		usleep(1000);
	usleep(200000);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRING);
	ck_assert_ptr_nonnull(strstr(job.why, "the device's key is not there"));
	ck_assert_uint_eq(atomic_load(&told), 0);
	ck_assert_uint_eq(events_rig_count(events, "job-retired"), 0);
	atomic_store(&has_no_keys, false);
	retires(number);
	ck_assert(flag_in("claims"));
	ck_assert_ptr_nonnull(job.document);
}
END_TEST

START_TEST(or_they_are_retired_without_a_signature_and_nothing_is_claimed) /* P7, T4 */
{
	uint64_t number = announce("call", "1", make_file("a"));

	config.on_failure = CONFIG_CONTINUE_WITHOUT_RECEIPTS;
	atomic_store(&has_no_keys, true);
	retires(number);
	ck_assert(!flag_in("claims"));
	ck_assert_ptr_null(job.document);
	ck_assert_str_eq(text_in("result"), "not claimed");
	ck_assert_ptr_nonnull(strstr(text_in("claims_why"), "cannot be signed"));
	retirer_pause(retirer);
	atomic_store(&has_no_keys, false);
	config.on_failure = CONFIG_HOLD;
	retirer_resume(retirer);
}
END_TEST

/* --- sources --- */

START_TEST(a_job_that_is_not_finished_after_all_is_left_alone)
{
	const char *file = make_file("a");
	uint64_t number = announce("cups", "1", file);

	check_answer = -EAGAIN;
	go();
	usleep(200000);
	ck_assert_int_eq(state_of(number), LEDGER_SEEN);
	ck_assert(is_there(file));
	ck_assert_uint_eq(play.runs, 0);
	go(); /* news of others do not bring it forward */
	usleep(100000);
	ck_assert_uint_eq(checks, 1);
	ck_assert(comes_to(number, LEDGER_RETIRED, 5000));
	ck_assert_uint_eq(checks, 2);
}
END_TEST

START_TEST(a_spooler_that_does_not_forget_a_job_is_asked_again)
{
	uint64_t number = announce("cups", "1", make_file("a"));

	purge_answer = -EREMOTEIO;
	go();
	ck_assert(comes_to(number, LEDGER_FAILED, 5000));
	ck_assert_ptr_nonnull(strstr(job.why, "cupsd says no"));
	retires(number);
	ck_assert_uint_eq(purges, 2);
	ck_assert_uint_eq(number_in("erased_files"), 1);
}
END_TEST

START_TEST(a_source_is_known_by_its_beginning)
{
	uint64_t number = announce("watch:scans", "1", make_file("a"));

	retires(number);
	ck_assert_uint_eq(checks, 0);
	number = announce("cupsoid", "1", make_file("b"));
	retires(number);
	ck_assert_uint_eq(checks, 0);
}
END_TEST

static const char *late_file;

static void announce_more(void)
{
	late_file = make_file("late");
	(void)announce("call", "1", late_file);
}

START_TEST(files_that_are_announced_in_mid_course_are_retired_too)
{
	uint64_t number = announce("call", "1", make_file("a"));

	play.in_run = announce_more;
	retires(number);
	ck_assert(!is_there(late_file));
	ck_assert_uint_eq(number_in("erased_files"), 2);
}
END_TEST

/* --- when the volume is in trouble --- */

START_TEST(a_volume_process_that_dies_costs_no_job)
{
	uint64_t number = announce("call", "1", make_file("a"));

	play.run_error = -ECONNRESET;
	retires(number);
	ck_assert_uint_eq(play.opens, 2);
	/* What was removed then is not known. */
	ck_assert_uint_eq(number_in("files_missing"), 1);
}
END_TEST

START_TEST(a_volume_process_that_is_not_there_is_waited_for)
{
	const char *file = make_file("a");
	uint64_t number = announce("call", "1", file);

	play.open_error = -ESRCH;
	retires(number);
	ck_assert_uint_eq(play.opens, 2);
	ck_assert_uint_eq(number_in("attempts"), 1);
}
END_TEST

START_TEST(without_a_barrier_nothing_is_retired)
{
	uint64_t number = announce("cups", "1", make_file("a"));

	play.barrier_error = -EIO;
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	go();
	for (int i = 0; i < 5000 && play.barriers == 0; i++)
		usleep(1000);
	usleep(50000);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRING);
	ck_assert_uint_eq(atomic_load(&told), 0);
	retires(number);
	ck_assert_uint_eq(play.opens, 2);
	ck_assert_uint_eq(number_in("erased_files"), 1);
	ck_assert(is_told(1));
}
END_TEST

START_TEST(blocks_that_the_medium_refuses_hold_the_job) /* T6 */
{
	uint64_t number = announce("call", "1", make_file("stubborn"));

	play.refused = true;
	go();
	ck_assert(comes_to(number, LEDGER_HELD, 5000));
	ck_assert_ptr_nonnull(strstr(job.why, "refuses"));
	go();
	usleep(100000);
	ck_assert_uint_eq(play.runs, 1);
	/* A person has seen to it. */
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_SEEN, NULL, NULL), 0);
	retires(number);
	ck_assert_uint_eq(number_in("refused_blocks"), 1);
	ck_assert_uint_eq(number_in("erased_files"), 0);
	ck_assert_uint_eq(number_in("removed_files"), 1);
}
END_TEST

START_TEST(names_under_another_key_hold_the_job)
{
	const char *file = make_file("a");
	uint64_t number;
	char path[300];

	number = announce("call", "1", file);
	snprintf(path, sizeof(path), "%s/" LEDGER_KEY_DIRECTORY "/" LEDGER_KEY_FILE, mount);
	ck_assert_int_eq(unlink(path), 0);
	open_volume(); /* a new key is made */
	go();
	ck_assert(comes_to(number, LEDGER_HELD, 5000));
	ck_assert(is_there(file));
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_SEEN, NULL, NULL), 0);
	retires(number);
	ck_assert_uint_eq(number_in("files_unknown"), 1);
}
END_TEST

/* --- directories --- */

static void put(const char *name, const char *text)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", mount, name);
	if (!text) {
		ck_assert_int_eq(mkdir(path, 0700), 0);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
	close(fd);
}

START_TEST(what_a_job_left_in_its_directory_is_retired)
{
	char name[600], link_name[600];
	uint64_t number;

	put("tmp", NULL);
	put("tmp/a", "a");
	put("tmp/deeper", NULL);
	put("tmp/deeper/b", "b");
	put("tmp/deeper/deepest", NULL);
	put("keep", "k");
	snprintf(name, sizeof(name), "%s/keep", mount);
	snprintf(link_name, sizeof(link_name), "%s/tmp/link", mount);
	ck_assert_int_eq(symlink(name, link_name), 0);
	snprintf(name, sizeof(name), "%s/tmp/", mount);
	number = announce("call", "1", name);
	retires(number);
	ck_assert_uint_eq(number_in("erased_files"), 2);
	ck_assert(is_there(name));
	ck_assert_int_eq(rmdir(name), 0); /* it is empty */
	snprintf(name, sizeof(name), "%s/keep", mount);
	ck_assert(is_there(name));
}
END_TEST

static void write_late(void)
{
	put("tmp/late", "l");
}

START_TEST(what_comes_into_the_directory_meanwhile_is_retired_too)
{
	char name[600];
	uint64_t number;

	put("tmp", NULL);
	put("tmp/a", "a");
	snprintf(name, sizeof(name), "%s/tmp/", mount);
	number = announce("call", "1", name);
	play.in_run = write_late;
	retires(number);
	ck_assert_uint_eq(number_in("erased_files"), 2);
	ck_assert_int_eq(rmdir(name), 0);
}
END_TEST

START_TEST(beginnings_of_names_are_retired)
{
	char name[600];
	uint64_t number;

	put("7-a", "a");
	put("7-b", "a");
	put("70", "a");
	snprintf(name, sizeof(name), "%s/7-//", mount);
	number = announce("call", "1", name);
	retires(number);
	ck_assert_uint_eq(number_in("erased_files"), 2);
	snprintf(name, sizeof(name), "%s/70", mount);
	ck_assert(is_there(name));
}
END_TEST

START_TEST(a_strangers_file_is_not_touched)
{
	const char *file = make_file("a");
	const struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = UUID,
		.uid = 12345,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = 1};
	struct problem problem;
	uint64_t number;
	bool known;

	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	go();
	ck_assert(comes_to(number, LEDGER_FAILED, 5000));
	ck_assert(is_there(file));
	ck_assert_ptr_nonnull(strstr(job.why, "not its user's"));
	ck_assert_ptr_null(strstr(job.why, "/a"));
}
END_TEST

/* --- who waits, and who comes and goes --- */

START_TEST(whoever_waits_is_told_of_every_end)
{
	uint64_t number = announce("call", "1", make_file("stubborn"));
	struct ledger_job none;

	ck_assert_int_eq(ledger_get(ledger, 999, &none), -ENOENT);
	ck_assert_int_eq(retirer_await(retirer, 999, on_done, &told), -ENOENT);
	play.file_error = -EMLINK;
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	go();
	ck_assert(is_told(1));
	ck_assert_int_eq(told_state, LEDGER_FAILED);
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0); /* at once */
	ck_assert(is_told(2));
	number = announce("call", "2", NULL);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_HELD, "by hand", NULL), 0);
	go();
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	ck_assert(is_told(3));
	ck_assert_int_eq(told_state, LEDGER_HELD);
}
END_TEST

START_TEST(who_was_forgotten_is_not_told)
{
	uint64_t number = announce("call", "1", make_file("a"));

	ck_assert_int_eq(retirer_await(retirer, number, on_done, &told), 0);
	ck_assert_int_eq(retirer_await(retirer, number, on_done, &job), 0);
	retirer_forget(retirer, &told);
	retires(number);
	ck_assert(is_told(1));
}
END_TEST

START_TEST(a_pause_waits_for_the_batch_under_way)
{
	uint64_t number = announce("call", "1", make_file("a")), other;

	atomic_store(&play.gate_closed, true);
	go();
	for (int i = 0; i < 5000 && !atomic_load(&play.at_gate); i++)
		usleep(1000);
	ck_assert(atomic_load(&play.at_gate));
	atomic_store(&play.gate_closed, false);
	retirer_pause(retirer);
	ck_assert_int_eq(state_of(number), LEDGER_RETIRED);
	other = announce("call", "2", make_file("b"));
	go();
	usleep(50000);
	ck_assert_int_eq(state_of(other), LEDGER_SEEN);
	retirer_resume(retirer);
	retires(other);
}
END_TEST

START_TEST(a_closed_volume_takes_no_names_and_its_jobs_wait)
{
	const char *file = make_file("a");
	const struct ledger_news news = {.source = "call",
		.id = "2",
		.volume_uuid = UUID,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = 1};
	struct problem problem;
	uint64_t number, other;
	bool known;

	retirer_close_volume(retirer, UUID, true);
	number = announce("call", "1", file); /* it will be back */
	go();
	usleep(50000);
	ck_assert_int_eq(state_of(number), LEDGER_SEEN);
	retirer_close_volume(retirer, UUID, false);
	ck_assert_int_eq(ledger_add(ledger, &news, &other, &known, &problem), -ENOKEY);
	ck_assert_int_eq(retirer_barrier(retirer, UUID), -ENOTCONN);
	open_volume();
	ck_assert(comes_to(number, LEDGER_RETIRED, 5000));
	ck_assert_int_eq(retirer_barrier(retirer, UUID), 0);
	ck_assert_uint_eq(play.barriers, 2);
}
END_TEST

START_TEST(each_volume_has_its_own_jobs)
{
	const struct runtime_state runtime = runtime_of(OTHER, other_mount);
	struct problem problem;
	uint64_t number;
	char path[600];
	const char *file = path;
	struct ledger_news news = {.source = "call",
		.id = "1",
		.volume_uuid = OTHER,
		.state = LEDGER_SEEN,
		.files = &file,
		.file_count = 1};
	bool known;

	ck_assert_int_eq(retirer_open_volume(retirer, &runtime, &problem), 0);
	snprintf(path, sizeof(path), "%s/a", other_mount);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	retirer_close_volume(retirer, UUID, false);
	ck_assert_int_eq(ledger_add(ledger, &news, &number, &known, &problem), 0);
	retires(number);
	ck_assert(!is_there(path));
}
END_TEST

START_TEST(no_event_and_no_line_names_a_file) /* T5 */
{
	char command[600], *text;
	uint64_t number = announce("call", "1", make_file("stubborn-payroll.pdf"));

	play.file_error = -EMLINK;
	go();
	ck_assert(comes_to(number, LEDGER_FAILED, 5000));
	play.file_error = 0;
	retirer_retry(retirer, number);
	retires(number);
	ck_assert_uint_eq(events_rig_count(events, "job-failed"), 1);
	ck_assert_uint_eq(events_rig_count(events, "job-retired"), 1);
	text = events_rig_text(events);
	ck_assert_ptr_null(strstr(text, "payroll"));
	free(text);
	snprintf(command, sizeof(command), "grep -rqF payroll '%s'/audit '%s'/ledger*", directory,
		directory);
	ck_assert_int_ne(system(command), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_job_is_retired_and_its_receipt_says_how,
		what_is_owed_by_others_stands_in_the_record,
		a_job_without_files_gets_its_barrier,
		jobs_that_gather_share_batches,
		nothing_is_touched_before_retiring_is_durable,
		nobody_is_told_before_retired_is_durable,
		what_a_crash_left_in_retiring_is_done_again,
		a_file_that_was_never_there_is_said_to_be_missing,
		a_file_that_is_open_elsewhere_holds_up_its_own_job_alone,
		what_cannot_pass_soon_is_tried_again_after_a_second,
		of_a_job_with_many_files_each_is_erased_once,
		while_nothing_may_be_claimed_jobs_wait_and_say_so,
		a_self_test_that_fails_in_mid_course_holds_what_was_done,
		or_they_are_retired_and_nothing_is_claimed,
		a_receipt_is_signed_and_the_log_names_it,
		without_the_devices_key_jobs_wait_and_say_so,
		or_they_are_retired_without_a_signature_and_nothing_is_claimed,
		a_job_that_is_not_finished_after_all_is_left_alone,
		a_spooler_that_does_not_forget_a_job_is_asked_again,
		a_source_is_known_by_its_beginning,
		files_that_are_announced_in_mid_course_are_retired_too,
		a_volume_process_that_dies_costs_no_job,
		a_volume_process_that_is_not_there_is_waited_for,
		without_a_barrier_nothing_is_retired,
		blocks_that_the_medium_refuses_hold_the_job,
		names_under_another_key_hold_the_job,
		what_a_job_left_in_its_directory_is_retired,
		what_comes_into_the_directory_meanwhile_is_retired_too,
		beginnings_of_names_are_retired,
		a_strangers_file_is_not_touched,
		whoever_waits_is_told_of_every_end,
		who_was_forgotten_is_not_told,
		a_pause_waits_for_the_batch_under_way,
		a_closed_volume_takes_no_names_and_its_jobs_wait,
		each_volume_has_its_own_jobs,
		no_event_and_no_line_names_a_file,
	};
	Suite *suite = suite_create("retirer");
	TCase *tcase = tcase_create("jobs");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
