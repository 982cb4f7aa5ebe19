/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_fixture.h - watched directories on a real volume, with a ledger and a retirer of the test's
 *
 * The retirer is retire_all(): it asks the hook as the real one does, and lets the volume overwrite
 * the files.  find_volume() says what volume_is_open says.
 */
#ifndef SPOOLGUARD_TESTS_SUPERVISOR_WATCH_FIXTURE_H
#define SPOOLGUARD_TESTS_SUPERVISOR_WATCH_FIXTURE_H

#include "attached/retire_jobs.h"
#include "base/clock.h"
#include "supervisor/watch_directory.h"
#include "supervisor/watch_place.h"
#include "tests/support/attached_fixture.h"
#include <dirent.h>
#include <stdatomic.h>

#define PATIENCE_MS 20000u
#define MARK	    "PAYROLL-OF-THE-WATCHED"

static struct config config;
static struct state *service_state;
static struct ledger *ledger;
static struct watch_directory *watcher;
static atomic_bool volume_is_open, volume_is_slow;
static atomic_int wakes;

/* The watcher's only call of the retirer. */
void retirer_wake(struct retirer *retirer)
{
	(void)retirer;
	atomic_fetch_add(&wakes, 1);
}

static void nothing(void *context)
{
	(void)context;
}

static void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static bool find_volume(void *context, const char *directory, char ret_uuid[static 40])
{
	(void)context;
	while (atomic_load(&volume_is_slow))
		pause_ms(1);
	if (!atomic_load(&volume_is_open) || strncmp(directory, mount_point, strlen(mount_point)))
		return false;
	strcpy(ret_uuid, state.uuid);
	return true;
}

/* --- the spool, by names below the mount --- */

static const char *in_spool(const char *name)
{
	static char paths[4][PATH_MAX + 512];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", mount_point, name);
	return path;
}

static may_be_unused void make_directory(const char *name)
{
	ck_assert_int_eq(mkdir(in_spool(name), 0755), 0);
}

/* Written and closed; the text is on the medium. */
static may_be_unused void put(const char *name)
{
	static const char text[] = MARK " and what it says\n";
	int fd = open(in_spool(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(io_write(fd, text, sizeof(text) - 1), 0);
	ck_assert_int_eq(fsync(fd), 0);
	close(fd);
}

static may_be_unused void drop(const char *name)
{
	ck_assert_msg(unlink(in_spool(name)) == 0, "%s: %s", name, strerror(errno));
}

static may_be_unused void move(const char *from, const char *to)
{
	ck_assert_int_eq(rename(in_spool(from), in_spool(to)), 0);
}

static may_be_unused nlink_t names_of(const char *name)
{
	struct stat st;

	return stat(in_spool(name), &st) < 0 ? 0 : st.st_nlink;
}

static may_be_unused size_t count_names(const char *directory)
{
	DIR *dir = opendir(in_spool(directory));
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count > 2 ? count - 2 : 0;
}

static may_be_unused size_t count_pending(const char *watch)
{
	char name[128];

	snprintf(name, sizeof(name), WATCH_PLACE_PENDING "/%s", watch);
	return count_names(name);
}

/* How often the text is found in what the volume decrypts, free blocks included. */
static may_be_unused size_t count_marks(const char *mark)
{
	char line[PATH_MAX];
	FILE *pipe;
	size_t count = 0;

	sync();
	snprintf(line, sizeof(line),
		"dd if=%s bs=1M iflag=direct status=none | grep -a -o -F '%s' | wc -l",
		state.device, mark);
	pipe = popen(line, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%zu", &count), 1);
	pclose(pipe);
	return count;
}

/* --- the service --- */

static may_be_unused struct config_watch *add_watch(
	const char *name, const char *directory, bool when_unlinked)
{
	struct config_watch *watch = &config.watches[config.watch_count++];

	snprintf(watch->name, sizeof(watch->name), "%s", name);
	snprintf(watch->directory, sizeof(watch->directory), "%s", in_spool(directory));
	strcpy(watch->pattern, "*");
	watch->settle_ms = 300;
	watch->when_unlinked = when_unlinked;
	return watch;
}

static may_be_unused void start_watcher(void)
{
	const struct watch_directory_options options = {
		.config = &config,
		.state = service_state,
		.ledger = ledger,
		.find_volume = find_volume,
	};

	ck_assert_int_eq(watch_directory_new(&options, &watcher, NULL), 0);
	ck_assert_int_eq(watch_directory_start(watcher, (struct retirer *)&config), 0);
}

static may_be_unused void stop_watcher(void)
{
	watch_directory_free(watcher);
	watcher = NULL;
}

static void open_ledger(void)
{
	char path[PATH_MAX];
	struct secret *key;
	int r;

	snprintf(path, sizeof(path), "%s/ledger", scratch_path());
	ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	r = ledger_open(path, &ledger, NULL);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(secret_new_random(32, &key), 0);
	ck_assert_int_eq(ledger_set_key(ledger, state.uuid, key), 0);
	secret_free(key);
}

/* Whatever the test before left, also one that failed. */
static void clear_away(void)
{
	char line[PATH_MAX * 2];

	snprintf(line, sizeof(line),
		"find '%s' -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +; "
		"rm -rf '%s/ledger'",
		mount_point, scratch_path());
	ck_assert_int_eq(system(line), 0);
}

static void setup_service(void)
{
	struct problem problem = {""};
	char image[PATH_MAX];
	int r;

	/* A test may have detached and attached it. */
	snprintf(image, sizeof(image), "%s/image", scratch_path());
	r = volumes_find_by_medium(image, &state, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	clear_away();
	memset(&config, 0, sizeof(config));
	config.volume_count = 1;
	strcpy(config.volumes[0].name, "spool");
	snprintf(config.volumes[0].mount, sizeof(config.volumes[0].mount), "%s", mount_point);
	config.retention_limit_s = 3600;
	ck_assert_int_eq(state_new(nothing, NULL, &service_state), 0);
	open_ledger();
	atomic_store(&volume_is_open, true);
	atomic_store(&volume_is_slow, false);
}

static void teardown_service(void)
{
	stop_watcher();
	ledger_close(ledger);
	state_free(service_state);
}

/* --- what comes of it --- */

static size_t seen(void)
{
	uint64_t numbers[8192];

	return ledger_list(ledger, LEDGER_SEEN, NULL, numbers, ARRAY_SIZE(numbers));
}

#define await(condition)                                                                           \
	do {                                                                                       \
		uint64_t until = clock_monotonic_ns() + PATIENCE_MS * UINT64_C(1000000);           \
		while (!(condition) && clock_monotonic_ns() < until)                               \
			pause_ms(5);                                                               \
		ck_assert_msg(condition, "%s", #condition);                                        \
	} while (0)

static may_be_unused void await_seen(size_t count)
{
	await(seen() == count);
}

/* What the state says under that key; "": nothing. */
static may_be_unused const char *reason(const char *key)
{
	static char text[1024];
	struct json_object *object = state_to_json(service_state), *reasons = NULL;

	text[0] = '\0';
	json_object_object_get_ex(object, "reasons", &reasons);
	for (size_t i = 0; i < json_object_array_length(reasons); i++) {
		struct json_object *one = json_object_array_get_idx(reasons, i);

		if (strcmp(volumes_status_string(one, "key"), key) == 0)
			snprintf(text, sizeof(text), "%s", volumes_status_string(one, "text"));
	}
	json_object_put(object);
	return text;
}

static may_be_unused bool says(const char *key, const char *words)
{
	return strstr(reason(key), words) != NULL;
}

/* As one string, for a look. */
static may_be_unused const char *waiting(void)
{
	static char text[65536];
	struct json_object *array = watch_directory_waiting(watcher);

	snprintf(text, sizeof(text), "%s", json_object_to_json_string(array));
	json_object_put(array);
	return text;
}

/* The hook's answer for the newest job of that watch. */
static may_be_unused int check_job_now(uint64_t number)
{
	const struct retirer_source *hook;
	struct ledger_job job;
	size_t count;
	int r;

	hook = watch_directory_hooks(watcher, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(ledger_get(ledger, number, &job), 0);
	r = hook->check(hook->context, &job);
	ledger_job_done(&job);
	return r;
}

static void add_files(struct job_list *jobs, uint64_t number)
{
	char **files, id[32];
	size_t count;

	await(check_job_now(number) == 0);
	snprintf(id, sizeof(id), "%ju", (uintmax_t)number);
	ck_assert_int_eq(ledger_files(ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(job_list_add(jobs, id, files[i]), 0);
	ledger_files_free(files, count);
	ck_assert_int_eq(ledger_set(ledger, number, LEDGER_RETIRING, NULL, NULL), 0);
}

/* Every job that is SEEN; there are so many. */
static may_be_unused void retire_all(size_t expected)
{
	static uint64_t numbers[8192];
	struct retire_options options = {.may_be_gone = true};
	struct retire_session *session;
	struct retire_result result;
	struct job_list jobs = {.entries = NULL};
	struct problem problem = {""};
	size_t count;
	int r;

	count = ledger_list(ledger, LEDGER_SEEN, NULL, numbers, ARRAY_SIZE(numbers));
	ck_assert_uint_eq(count, expected);
	for (size_t i = 0; i < count; i++)
		add_files(&jobs, numbers[i]);
	r = retire_session_open(&state, &session, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	r = retire_session_run(session, &jobs, &options, &result, &problem);
	ck_assert_msg(r == 0 && result.barrier_error == 0, "%s", problem_text(&problem, r));
	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(result.receipts[i].retired, "%s", result.files[i].problem.text);
		ck_assert_uint_eq(result.receipts[i].removed_files, 1);
		ck_assert_uint_gt(result.receipts[i].total.verified_blocks, 0);
	}
	ck_assert_int_eq(ledger_set_many(ledger, numbers, count, LEDGER_RETIRED, NULL, NULL), 0);
	retire_result_done(&result);
	job_list_done(&jobs);
	retire_session_close(session);
}

#endif
