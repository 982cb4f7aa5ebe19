/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_wipe.c - on-demand overwrite: what dies, what stays, what is said, and what a kill leaves
 *
 * Goal: standard takes every file but the retained ones and keeps directories; full takes all, and
 * the key; a dry run and a refusal change nothing (W2); whatever instant a kill comes at, the wipe
 * goes on and ends (W1); what is said is what is so (W4), and names no file (W5).
 * Method: a real volume; a child runs the wipe and kills itself at the Nth report of progress.
 *
 * Time limit: 240 s
 */
#include "tests/supervisor/wipe_fixture.h"
#include "attached/detach_volume.h"
#include "base/clock.h"

#define BODY "the body of a job"
#define KEPT "a letter that is retained"

static struct json_object *report;

static void setup(void)
{
	make_supervisor();
	report = NULL;
}

static void teardown(void)
{
	json_object_put(report);
	end_supervisor();
}

static void fill(void)
{
	make_directory("tmp", 01777, 7);
	make_directory("deep", 0710, 4);
	make_directory("deep/er", 0755, 0);
	make_directory("mailbox", 0700, 9);
	make_directory("fax", 0755, 0);
	make_directory("fax/in", 0750, 10);
	make_directory("fax/out", 0750, 10);
	make_text("d00001-001", BODY, 3000);
	make_text("tmp/gs_1", BODY, 100);
	make_text("deep/er/page", BODY, 700);
	make_text("cache/job.cache", BODY, 5);
	make_text("fax/out/page", BODY, 50);
	make_text("mailbox/letter", KEPT, 500);
	make_text("fax/in/page", KEPT, 2);
}

static bool everything_is_there(void)
{
	return has_text("d00001-001", BODY) && has_text("tmp/gs_1", BODY) &&
	       has_text("deep/er/page", BODY) && has_text("cache/job.cache", BODY) &&
	       has_text("fax/out/page", BODY) && has_text("mailbox/letter", KEPT) &&
	       has_text("fax/in/page", KEPT);
}

static bool nothing_else_is_there(void)
{
	return !exists("d00001-001") && !exists("tmp/gs_1") && !exists("deep/er/page") &&
	       !exists("cache/job.cache") && !exists("fax/out/page");
}

static bool directories_are_as_they_were(void)
{
	return is_directory_of("tmp", 01777, 7) && is_directory_of("deep", 0710, 4) &&
	       is_directory_of("deep/er", 0755, 0) && is_directory_of("mailbox", 0700, 9) &&
	       is_directory_of("fax/in", 0750, 10) && is_directory_of("fax/out", 0750, 10);
}

static void wipe(bool full)
{
	struct wipe_request request = request_of(full);
	int r = wipe_run(&supervisor, &request, NULL, &report, &problem);

	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

static void refused(const struct wipe_request *request, int error, const char *words)
{
	int r = wipe_run(&supervisor, request, NULL, &report, &problem);

	ck_assert_msg(r == error, "%d: %s", r, problem.text);
	ck_assert_msg(strstr(problem.text, words), "%s", problem.text);
	ck_assert(!wipe_is_pending(&supervisor, NULL));
}

/* --- standard --- */

START_TEST(standard_keeps_what_is_retained_and_takes_the_rest)
{
	uint64_t blocks;

	fill();
	wipe(false);
	ck_assert_str_eq(text_in(report, "result"), "successful");
	ck_assert(nothing_else_is_there());
	ck_assert(has_text("mailbox/letter", KEPT) && has_text("fax/in/page", KEPT));
	ck_assert(directories_are_as_they_were());
	ck_assert_uint_eq(number_in(report, "files"), 5);
	blocks = number_in(report, "requested_blocks");
	ck_assert_uint_ge(blocks, 5);
	ck_assert_uint_eq(number_in(report, "written_blocks"), blocks);
	ck_assert_uint_eq(number_in(report, "durable_blocks"), blocks);
	ck_assert_uint_eq(number_in(report, "verified_blocks"), blocks);
	ck_assert_uint_eq(number_in(report, "passes"), 3);
	ck_assert_uint_eq(number_in(report, "owed_blocks"), 0);
	ck_assert_uint_gt(number_in(report, "epoch"), 0);
	ck_assert_uint_eq(status_of_volume("residue"), 0);
	ck_assert(!wipe_is_pending(&supervisor, NULL));
	ck_assert_int_ne(state_get(supervisor.state), STATE_WIPING);
	ck_assert(!is_found(BODY));
	ck_assert(is_found(KEPT));
}
END_TEST

START_TEST(names_and_kinds_of_files_each_have_their_end)
{
	char path[PATH_MAX + 64], target[PATH_MAX + 64];

	fill();
	snprintf(path, sizeof(path), "%s/d00001-001", mount_point);
	snprintf(target, sizeof(target), "%s/deep/second", mount_point);
	ck_assert_int_eq(link(path, target), 0);
	snprintf(path, sizeof(path), "%s/mailbox/letter", mount_point);
	snprintf(target, sizeof(target), "%s/deep/letter", mount_point);
	ck_assert_int_eq(link(path, target), 0); /* its other name is retained */
	snprintf(target, sizeof(target), "%s/deep/symbolic", mount_point);
	ck_assert_int_eq(symlink(path, target), 0);
	snprintf(target, sizeof(target), "%s/deep/outside", mount_point);
	snprintf(path, sizeof(path), "%s/key", scratch_path());
	ck_assert_int_eq(symlink(path, target), 0);
	snprintf(target, sizeof(target), "%s/deep/away", mount_point);
	ck_assert_int_eq(symlink(state_directory, target), 0);
	snprintf(target, sizeof(target), "%s/deep/fifo", mount_point);
	ck_assert_int_eq(mkfifo(target, 0600), 0);
	make_text("deep/empty", "", 0);
	/* Names of ours, as the watcher makes them. */
	make_directory(".spoolguard", 0700, 0);
	make_directory(".spoolguard/pending", 0700, 0);
	make_text(".spoolguard/pending/only", BODY, 10);
	make_text("deep/watched", BODY, 10);
	snprintf(path, sizeof(path), "%s/deep/watched", mount_point);
	snprintf(target, sizeof(target), "%s/.spoolguard/pending/watched", mount_point);
	ck_assert_int_eq(link(path, target), 0);
	snprintf(path, sizeof(path), "%s/key", scratch_path());
	wipe(false);
	ck_assert_str_eq(text_in(report, "result"), "successful");
	ck_assert(nothing_else_is_there());
	ck_assert(!exists("deep/second") && !exists("deep/letter") && !exists("deep/empty"));
	ck_assert(!exists("deep/symbolic") && !exists("deep/outside") && !exists("deep/away"));
	ck_assert(exists("deep/fifo"));
	ck_assert(!exists(".spoolguard/pending/only") && !exists("deep/watched") &&
		  !exists(".spoolguard/pending/watched"));
	ck_assert(is_directory_of(".spoolguard/pending", 0700, 0));
	ck_assert(has_text("mailbox/letter", KEPT));
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(access(state_directory, F_OK), 0);
	ck_assert_uint_eq(number_in(report, "links"), 6);
	snprintf(target, sizeof(target), "%s/deep/fifo", mount_point);
	unlink(target);
}
END_TEST

START_TEST(what_is_open_elsewhere_is_cut_and_said)
{
	char path[PATH_MAX + 64];
	struct stat st;
	int log, unnamed;

	fill();
	make_text("cache/access_log", BODY, 2000);
	make_text("deep/unnamed", BODY, 3000);
	snprintf(path, sizeof(path), "%s/cache/access_log", mount_point);
	log = open(path, O_WRONLY | O_APPEND);
	snprintf(path, sizeof(path), "%s/deep/unnamed", mount_point);
	unnamed = open(path, O_RDONLY);
	ck_assert(log >= 0 && unnamed >= 0);
	ck_assert_int_eq(unlink(path), 0);
	wipe(false);
	ck_assert_str_eq(text_in(report, "result"), "successful");
	ck_assert_uint_ge(number_in(report, "cut_files"), 2);
	ck_assert_uint_gt(number_in(report, "cut_bytes"), 5000 * strlen(BODY));
	ck_assert_uint_gt(number_in(report, "freed_blocks"), 10);
	ck_assert(exists("cache/access_log"));
	ck_assert_int_eq(fstat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(fstat(unnamed, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(write(log, "next\n", 5), 5);
	close(log);
	close(unnamed);
	ck_assert(!is_found(BODY));
}
END_TEST

START_TEST(a_place_that_is_covered_is_no_success)
{
	char path[PATH_MAX + 64];
	struct wipe_request request = request_of(false);

	fill();
	snprintf(path, sizeof(path), "%s/deep", mount_point);
	ck_assert_int_eq(mount("none", path, "tmpfs", 0, NULL), 0);
	make_text("deep/stranger", "a stranger's", 1);
	wipe(false);
	ck_assert_str_eq(text_in(report, "result"), "failed");
	ck_assert(has_text("deep/stranger", "a stranger's"));
	ck_assert_int_eq(state_get(supervisor.state), STATE_DEGRADED);
	ck_assert_int_eq(umount(path), 0);
	ck_assert(has_text("deep/er/page", BODY));
	json_object_put(report);
	report = NULL;
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), 0);
	ck_assert_str_eq(text_in(report, "result"), "successful");
	ck_assert_int_eq(state_get(supervisor.state), STATE_READY);
}
END_TEST

/* --- what is refused, and what is only asked --- */

static void hash_of_everything(char hash[static 128])
{
	char line[2 * PATH_MAX];
	FILE *pipe;

	/* Names, times, owners, modes and contents; the state directory too. */
	snprintf(line, sizeof(line),
		"cd '%s' && { find . -printf '%%p %%y %%m %%U %%G %%s %%T@ %%C@ %%A@\\n' | sort; "
		"find . "
		"-type f | sort | xargs cat; ls -l '%s'; } | sha256sum",
		mount_point, state_directory);
	pipe = popen(line, "r");
	ck_assert_ptr_nonnull(fgets(hash, 128, pipe));
	ck_assert_int_eq(pclose(pipe), 0);
}

START_TEST(a_dry_run_tells_all_and_changes_nothing)
{
	struct wipe_request request = request_of(false);
	struct json_object *list;
	char before[128], after[128];
	uint64_t files;

	fill();
	request.dry_run = true;
	request.confirm = NULL;
	hash_of_everything(before);
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), 0);
	hash_of_everything(after);
	ck_assert_str_eq(before, after);
	ck_assert(everything_is_there());
	ck_assert(message_get_u64(report, "files", &files));
	ck_assert_uint_eq(files, 5);
	ck_assert(json_object_object_get_ex(report, "directories", &list));
	ck_assert_uint_eq(json_object_array_length(list), 5); /* ., tmp, deep, cache, fax */
	ck_assert(json_object_object_get_ex(report, "retained", &list));
	ck_assert_uint_eq(json_object_array_length(list), 2);
	ck_assert_str_eq(text_in(report, "result"), "nothing was touched");
	json_object_put(report);
	request.full = true;
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), 0);
	ck_assert(message_get_u64(report, "files", &files));
	ck_assert_uint_ge(files, 7); /* and the ledger's key, if there is one */
	hash_of_everything(after);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(what_is_not_confirmed_is_not_begun)
{
	struct wipe_request request = request_of(false);

	fill();
	request.confirm = NULL;
	refused(&request, -EINVAL, "--confirm spool");
	request.confirm = "spool ";
	refused(&request, -EINVAL, "nothing was touched");
	request = request_of(false);
	request.volume = request.confirm = "nosuch";
	refused(&request, -EINVAL, "no volume \"nosuch\"");
	keeper.closed = true;
	request = request_of(false);
	refused(&request, -ENOTCONN, "not open");
	keeper.closed = false;
	state_set_testing(supervisor.state, true);
	refused(&request, -EOPNOTSUPP, "self-test");
	state_set_testing(supervisor.state, false);
	config.volumes[0].unlock = CONFIG_UNLOCK_ASK;
	request = request_of(true);
	refused(&request, -ENOKEY, "--passphrase-file");
	config.volumes[0].unlock = CONFIG_UNLOCK_KEY_FILE;
	strcpy(config.confirmation_queue, "sheets");
	request = request_of(false);
	refused(&request, -ENOENT, "confirmation sheet");
	config.confirmation_queue[0] = '\0';
	snprintf(config.state_directory, sizeof(config.state_directory), "/proc/nosuch");
	refused(&request, -ENOENT, "cannot be recorded");
	snprintf(config.state_directory, sizeof(config.state_directory), "%s", state_directory);
	ck_assert(everything_is_there());
}
END_TEST

START_TEST(a_retained_directory_that_is_a_link_is_refused)
{
	struct wipe_request request = request_of(false);
	char path[PATH_MAX + 64];

	fill();
	make_directory("elsewhere", 0700, 0);
	snprintf(path, sizeof(path), "%s/linked", mount_point);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	strcpy(config.volumes[0].retain[0], "linked");
	refused(&request, -ELOOP, "linked is to be retained");
	strcpy(config.volumes[0].retain[0], "mailbox");
	unlink(path);
	ck_assert(everything_is_there());
}
END_TEST

/* --- the ledger --- */

static void open_ledger(void)
{
	_cleanup_secret_ struct secret *key = NULL;

	ck_assert_int_eq(ledger_open(state_directory, &supervisor.ledger, &problem), 0);
	ck_assert_int_eq(ledger_key_get(mount_point, &key, &problem), 0);
	ck_assert_int_eq(ledger_set_key(supervisor.ledger, state.uuid, key), 0);
}

static uint64_t add_job(const char *id, const char *name)
{
	char path[PATH_MAX + 64];
	const char *files[] = {path};
	const struct ledger_news news = {
		.source = "call",
		.id = id,
		.volume_uuid = state.uuid,
		.state = LEDGER_SEEN,
		.files = files,
		.file_count = 1,
	};
	uint64_t number;
	bool known;

	snprintf(path, sizeof(path), "%s/%s", mount_point, name);
	ck_assert_int_eq(ledger_add(supervisor.ledger, &news, &number, &known, &problem), 0);
	return number;
}

START_TEST(jobs_that_die_have_a_receipt_that_says_so)
{
	uint64_t held, seen;
	struct ledger_job job;
	struct json_object *list;
	char path[PATH_MAX + 64];

	fill();
	open_ledger();
	held = add_job("17", "d00001-001");
	seen = add_job("18", "deep/er/page");
	ck_assert_int_eq(ledger_set(supervisor.ledger, held, LEDGER_HELD, "a person", NULL), 0);
	wipe(false);
	ck_assert(json_object_object_get_ex(report, "jobs", &list));
	ck_assert_uint_eq(json_object_array_length(list), 2);
	ck_assert_int_eq(ledger_get(supervisor.ledger, held, &job), 0);
	ck_assert_int_eq(job.state, LEDGER_RETIRED);
	ck_assert_str_eq(text_in(job.receipt, "schema"), "spoolguard.job/1");
	ck_assert_str_eq(text_in(job.receipt, "result"), "retired");
	ck_assert_str_eq(text_in(job.receipt, "wiped"), "standard");
	ck_assert_ptr_nonnull(job.document);
	ck_assert_int_eq(
		minisign_verify(device_keys_public(events_rig_keys()), job.document,
			strlen(job.document), job.signature, strlen(job.signature), NULL, 0),
		0);
	ck_assert_str_eq(text_in(job.receipt, "id"), "17");
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_get(supervisor.ledger, seen, &job), 0);
	ck_assert_int_eq(job.state, LEDGER_RETIRED);
	ledger_job_done(&job);
	snprintf(path, sizeof(path), "%s/.spoolguard/ledger.key", mount_point);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_job_of_which_a_file_is_left_is_not_retired)
{
	uint64_t dead, left;
	char line[2 * PATH_MAX];
	struct ledger_job job;

	fill();
	open_ledger();
	dead = add_job("17", "d00001-001");
	left = add_job("18", "deep/er/page");
	snprintf(line, sizeof(line), "chattr +i '%s/deep/er/page'", mount_point);
	ck_assert_int_eq(system(line), 0);
	wipe(false);
	ck_assert_str_eq(text_in(report, "result"), "failed");
	ck_assert_uint_eq(number_in(report, "left_files"), 1);
	ck_assert_int_eq(ledger_get(supervisor.ledger, dead, &job), 0);
	ck_assert_int_eq(job.state, LEDGER_RETIRED);
	ledger_job_done(&job);
	ck_assert_int_eq(ledger_get(supervisor.ledger, left, &job), 0);
	ck_assert_int_eq(job.state, LEDGER_RETIRING);
	ledger_job_done(&job);
	snprintf(line, sizeof(line), "chattr -i '%s/deep/er/page'", mount_point);
	ck_assert_int_eq(system(line), 0);
}
END_TEST

/* --- full --- */

START_TEST(full_makes_all_of_it_anew_under_a_new_key)
{
	struct stat before, after;
	struct ledger_job job;
	char uuid[RUNTIME_UUID_BYTES], path[PATH_MAX + 64];
	uint64_t number;
	int log;

	fill();
	make_directory("", 0710, 7);
	make_directory("cache", 0770, 8);
	open_ledger();
	number = add_job("17", "d00001-001");
	snprintf(path, sizeof(path), "%s/log", bound);
	log = open(path, O_WRONLY | O_CREAT, 0600); /* a program that does not let go */
	ck_assert_int_eq(stat(mount_point, &before), 0);
	strcpy(uuid, state.uuid);
	wipe(true);
	ck_assert_str_eq(text_in(report, "result"), "successful");
	ck_assert_int_eq(runtime_find(image, &state), 0);
	ck_assert_str_ne(state.uuid, uuid);
	ck_assert_str_eq(text_in(report, "uuid"), uuid);
	ck_assert_str_eq(text_in(report, "new_uuid"), state.uuid);
	ck_assert_uint_eq(number_in(report, "slots_destroyed"), 1);
	ck_assert_uint_gt(number_in(report, "requested_blocks"), 8192);
	ck_assert_uint_eq(
		number_in(report, "written_blocks"), number_in(report, "requested_blocks"));
	ck_assert_uint_eq(
		number_in(report, "verified_blocks"), number_in(report, "requested_blocks"));
	ck_assert_uint_eq(number_in(report, "owed_blocks"), 0);
	ck_assert_uint_eq(status_of_volume("residue"), 0);
	ck_assert(nothing_else_is_there() && !exists("mailbox") && !exists("fax"));
	ck_assert_int_eq(stat(mount_point, &after), 0);
	ck_assert_int_eq(after.st_mode & 07777, 0710);
	ck_assert_int_eq(after.st_uid, 7);
	ck_assert(is_directory_of("cache", 0770, 8));
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_lt(write(log, "x", 1) < 0 ? -1 : fsync(log), 0);
	close(log);
	ck_assert_int_eq(ledger_get(supervisor.ledger, number, &job), 0);
	ck_assert_int_eq(job.state, LEDGER_RETIRED);
	ck_assert_ptr_null(job.receipt);
	ledger_job_done(&job);
	make_text("cache/next", "the next job", 1);
	ck_assert(!is_found(BODY));
	ck_assert(!is_found(KEPT));
}
END_TEST

/* --- kills (W1) --- */

static unsigned int kill_at;
static unsigned int reports;

/* At each new thing that is done, and once in its middle. */
static bool kill_itself(void *context, const struct progress *progress)
{
	static char last[64];
	static unsigned int same;

	(void)context;
	same = strcmp(last, progress->what) == 0 ? same + 1 : 0;
	snprintf(last, sizeof(last), "%s", progress->what);
	if (same <= 1 && ++reports == kill_at)
		kill(getpid(), SIGKILL);
	return true; /* W2: nobody can stop it so */
}

/* True: it was killed. */
static bool run_and_kill(bool full, unsigned int at)
{
	const struct progress_sink sink = {kill_itself, NULL};
	struct wipe_request request = request_of(full);
	pid_t child = fork_service();
	int status;

	if (child == 0) {
		kill_at = at;
		_exit(wipe_run(&supervisor, &request, &sink, &report, &problem) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	open_events();
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void resume(void)
{
	struct wipe_request request = request_of(false);
	char volume[CONFIG_NAME_BYTES];
	int r;

	ck_assert(wipe_is_pending(&supervisor, volume));
	ck_assert_str_eq(volume, "spool");
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), -EBUSY);
	r = wipe_resume(&supervisor, NULL, &problem);
	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
	ck_assert(!wipe_is_pending(&supervisor, NULL));
	ck_assert_int_eq(wipe_resume(&supervisor, NULL, &problem), -ENOENT);
}

/* What is said in the end is on disk. */
static void last_is_successful(void)
{
	struct json_object *last = NULL;
	int64_t began;

	ck_assert_int_eq(wipe_record_load_last(state_directory, "spool", &began, &last), 0);
	ck_assert_int_le(llabs(clock_wall_s() - began), 120);
	ck_assert_str_eq(text_in(last, "result"), "successful");
	json_object_put(last);
}

START_TEST(a_standard_wipe_that_is_killed_anywhere_goes_on)
{
	unsigned int at = 1;

	for (;; at++) {
		bool killed;

		fill();
		killed = run_and_kill(false, at);
		if (killed)
			resume();
		ck_assert(nothing_else_is_there());
		ck_assert(has_text("mailbox/letter", KEPT) && has_text("fax/in/page", KEPT));
		ck_assert(directories_are_as_they_were());
		ck_assert_uint_eq(status_of_volume("residue"), 0);
		if (!killed)
			break;
		last_is_successful();
	}
	ck_assert_uint_gt(at, 6);
}
END_TEST

START_TEST(a_full_wipe_that_is_killed_anywhere_goes_on)
{
	unsigned int at = 1;

	for (;; at++) {
		char uuid[RUNTIME_UUID_BYTES];
		bool killed;

		fill();
		strcpy(uuid, state.uuid);
		killed = run_and_kill(true, at);
		if (killed) {
			open_volume_again();
			resume();
		}
		ck_assert_int_eq(runtime_find(image, &state), 0);
		ck_assert_str_ne(state.uuid, uuid);
		ck_assert(nothing_else_is_there() && !exists("mailbox"));
		ck_assert_uint_eq(status_of_volume("residue"), 0);
		if (!killed)
			break;
		last_is_successful();
	}
	ck_assert_uint_gt(at, 5);
}
END_TEST

/* It is recorded (or all is over): what is killed before that has touched nothing. */
static void wait_until_begun(pid_t child)
{
	siginfo_t ended = {.si_pid = 0};

	for (int i = 0; i < 6000 && ended.si_pid == 0 && !wipe_is_pending(&supervisor, NULL); i++) {
		usleep(10000);
		ck_assert_int_eq(
			waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
	}
}

/* The mounter dies with everything in the middle of the renewal. */
START_TEST(a_full_wipe_survives_the_death_of_the_mounter_too)
{
	char uuid[RUNTIME_UUID_BYTES];
	pid_t child;
	int status;

	for (useconds_t after_us = 50000; after_us < 1000000; after_us += 190000) {
		struct wipe_request request = request_of(true);

		fill();
		strcpy(uuid, state.uuid);
		child = fork_service();
		if (child == 0)
			_exit(wipe_run(&supervisor, &request, NULL, &report, &problem) == 0 ? 0
											    : 1);
		wait_until_begun(child);
		usleep(after_us);
		kill_mounter();
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		open_events();
		start_mounter();
		open_volume_again();
		if (wipe_is_pending(&supervisor, NULL))
			resume();
		ck_assert_int_eq(runtime_find(image, &state), 0);
		ck_assert_str_ne(state.uuid, uuid);
		ck_assert(nothing_else_is_there() && !exists("mailbox"));
		ck_assert_uint_eq(status_of_volume("residue"), 0);
		last_is_successful();
	}
}
END_TEST

/* It was unmounted, and its process is there: that is not a volume that is to be mounted nowhere.
 */
START_TEST(what_a_detach_left_half_done_is_attached_anew)
{
	struct wipe_request request = request_of(false);
	char medium[RUNTIME_PATH_BYTES];
	int fd;

	fill();
	ck_assert_int_eq(runtime_find(image, &state), 0);
	ck_assert_int_eq(runtime_path(state.uuid, "medium", medium), 0);
	fd = open(medium, O_PATH | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(detach_volume(&state, false, NULL, &problem), -EBUSY);
	close(fd);
	ck_assert(!exists("d00001-001"));
	open_volume_again();
	ck_assert(everything_is_there());
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), 0);
	ck_assert_str_eq(text_in(report, "result"), "successful");
}
END_TEST

START_TEST(a_wipe_whose_volume_dies_waits_for_it)
{
	ck_assert(true);
	fill();
	ck_assert(run_and_kill(false, 3));
	keeper.closed = true;
	ck_assert_int_eq(wipe_resume(&supervisor, NULL, &problem), -ENOTCONN);
	ck_assert(wipe_is_pending(&supervisor, NULL));
	keeper.closed = false;
	resume();
}
END_TEST

START_TEST(a_service_that_stops_leaves_the_wipe_for_the_next)
{
	struct wipe_request request = request_of(false);

	fill();
	ck_assert(run_and_kill(false, 3));
	state_set_stopped(supervisor.state);
	ck_assert_int_eq(wipe_resume(&supervisor, NULL, &problem), -EAGAIN);
	ck_assert_int_eq(wipe_run(&supervisor, &request, NULL, &report, &problem), -EBUSY);
	end_supervisor();
	make_supervisor();
	resume();
}
END_TEST

START_TEST(a_record_that_cannot_be_read_is_said)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/wipe", state_directory);
	file = fopen(path, "w");
	fputs("{\"format\":1,\"volume\":\"spool\"", file);
	fclose(file);
	ck_assert(wipe_is_pending(&supervisor, path));
	ck_assert_str_eq(path, "");
	ck_assert_int_eq(wipe_resume(&supervisor, NULL, &problem), -EBADMSG);
	ck_assert_int_eq(state_get(supervisor.state), STATE_DEGRADED);
	fill();
	wipe(false);
	ck_assert(!wipe_is_pending(&supervisor, NULL));
	ck_assert_int_eq(state_get(supervisor.state), STATE_READY);
}
END_TEST

/* --- events, schedule --- */

START_TEST(events_say_what_was_done_and_name_no_file)
{
	char *text;

	fill();
	wipe(false);
	text = events_rig_text(supervisor.events);
	ck_assert_uint_gt(events_rig_count(supervisor.events, "wipe"), 3);
	ck_assert_ptr_nonnull(strstr(text, "\"outcome\":\"begun\""));
	ck_assert_ptr_nonnull(strstr(text, "\"outcome\":\"progress\""));
	ck_assert_ptr_nonnull(strstr(text, "\"mode\":\"standard\""));
	ck_assert_ptr_nonnull(strstr(text, "operator"));
	ck_assert_ptr_null(strstr(text, "d00001"));
	ck_assert_ptr_null(strstr(text, "gs_1"));
	free(text);
}
END_TEST

START_TEST(a_schedule_wipes_when_it_is_due_and_not_when_it_is_switched_on)
{
	int64_t began, now = clock_wall_s();

	fill();
	ck_assert_int_eq(wipe_tick(&supervisor, &problem), 0); /* off */
	ck_assert_int_eq(wipe_record_load_last(state_directory, "spool", &began, NULL), -ENOENT);
	ck_assert_int_eq(schedule_parse("daily 03:00", &config.wipe), 0);
	ck_assert_int_eq(wipe_tick(&supervisor, &problem), 0);
	ck_assert(everything_is_there());
	ck_assert_int_eq(wipe_record_load_last(state_directory, "spool", &began, NULL), 0);
	ck_assert_int_le(llabs(began - now), 5);
	ck_assert_int_eq(wipe_record_save_last(state_directory, "spool", now - 2 * 86400, NULL), 0);
	ck_assert_int_eq(wipe_tick(&supervisor, &problem), 0);
	ck_assert(nothing_else_is_there());
	last_is_successful();
	fill();
	ck_assert_int_eq(wipe_tick(&supervisor, &problem), 0); /* not twice */
	ck_assert(everything_is_there());
	config.wipe.kind = SCHEDULE_OFF;
}
END_TEST

static void forget_last(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/wipe.spool", state_directory);
	unlink(path);
}

static void setup_schedule(void)
{
	setup();
	forget_last();
}

int main(void)
{
	const char *why = why_skipped();
	Suite *suite = suite_create("wipe");
	TCase *tc = tcase_create("wipe"), *full = tcase_create("full"),
	      *on_schedule = tcase_create("schedule");
	SRunner *runner;
	int failed;

	if (why) {
		printf("skipped: %s\n", why);
		return 77;
	}
	tcase_add_unchecked_fixture(tc, make_scene, end_scene);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, standard_keeps_what_is_retained_and_takes_the_rest);
	tcase_add_test(tc, names_and_kinds_of_files_each_have_their_end);
	tcase_add_test(tc, what_is_open_elsewhere_is_cut_and_said);
	tcase_add_test(tc, a_place_that_is_covered_is_no_success);
	tcase_add_test(tc, a_dry_run_tells_all_and_changes_nothing);
	tcase_add_test(tc, what_is_not_confirmed_is_not_begun);
	tcase_add_test(tc, a_retained_directory_that_is_a_link_is_refused);
	tcase_add_test(tc, jobs_that_die_have_a_receipt_that_says_so);
	tcase_add_test(tc, a_job_of_which_a_file_is_left_is_not_retired);
	tcase_add_test(tc, events_say_what_was_done_and_name_no_file);
	tcase_add_test(tc, a_standard_wipe_that_is_killed_anywhere_goes_on);
	tcase_add_test(tc, a_wipe_whose_volume_dies_waits_for_it);
	tcase_add_test(tc, a_service_that_stops_leaves_the_wipe_for_the_next);
	tcase_add_test(tc, a_record_that_cannot_be_read_is_said);
	suite_add_tcase(suite, tc);
	tcase_add_unchecked_fixture(full, make_scene, end_scene);
	tcase_add_checked_fixture(full, setup, teardown);
	tcase_set_timeout(full, 120);
	tcase_add_test(full, full_makes_all_of_it_anew_under_a_new_key);
	tcase_add_test(full, what_a_detach_left_half_done_is_attached_anew);
	tcase_add_test(full, a_full_wipe_that_is_killed_anywhere_goes_on);
	tcase_add_test(full, a_full_wipe_survives_the_death_of_the_mounter_too);
	suite_add_tcase(suite, full);
	tcase_add_unchecked_fixture(on_schedule, make_scene, end_scene);
	tcase_add_checked_fixture(on_schedule, setup_schedule, teardown);
	tcase_set_timeout(on_schedule, 60);
	tcase_add_test(on_schedule, a_schedule_wipes_when_it_is_due_and_not_when_it_is_switched_on);
	suite_add_tcase(suite, on_schedule);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
