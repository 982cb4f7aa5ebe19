/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_service_jobs.c - jobs that callers announce: their files, their owners, their ends
 *
 * Goal: Y3 to Y6 of service.h: a job id that lies is refused in words and touches nothing; nobody
 * is told what the ledger has not; a caller who goes away, or waits, or is late, leaves nothing
 * behind. Method: service_fixture.h; files of several users, links, special files; callers that
 * vanish.
 * Not under valgrind: openat2(2) is unknown to it (3.19).
 */
#include "tests/supervisor/service_fixture.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

static struct message complete(struct channel *channel, const char *id, const char *path)
{
	return call(channel, "JobComplete", parse("{\"id\":\"%s\",\"files\":[\"%s\"]}", id, path));
}

static enum ledger_state state_of(const char *id)
{
	struct ledger_job job;
	enum ledger_state state;

	ck_assert_int_eq(ledger_find(supervisor.ledger, "call", id, &job), 0);
	state = job.state;
	ledger_job_done(&job);
	return state;
}

static bool is_known(const char *id)
{
	struct ledger_job job;
	bool known = ledger_find(supervisor.ledger, "call", id, &job) >= 0;

	if (known)
		ledger_job_done(&job);
	return known;
}

static void send_call(struct channel *channel, const char *method, struct json_object *in)
{
	char *text;

	ck_assert_int_eq(message_encode_call(method, in, &text), 0);
	ck_assert_int_eq(channel_send(channel, text), 0);
	free(text);
}

/* --- a job's life --- */

START_TEST(a_job_is_begun_completed_and_retired)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX], second[PATH_MAX];
	struct message answer;
	struct json_object *job;
	uint64_t number, again;
	char **files;
	size_t count;

	make_file(path, "d1", ALICE);
	make_file(second, "d2", ALICE);
	number = assert_job(
		call(channel, "JobBegin", parse("{\"id\":\"17\",\"files\":[\"%s\"]}", path)),
		"begun");
	ck_assert_uint_eq(atomic_load(&wakes), 0);
	ck_assert_uint_eq(assert_job(complete(channel, "17", second), "seen"), number);
	ck_assert_uint_ge(atomic_load(&wakes), 1);
	ck_assert_int_eq(ledger_files(supervisor.ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(files[0], path);
	ck_assert_str_eq(files[1], second);
	ledger_files_free(files, count);

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(unlink(second), 0);
	end_job(number, LEDGER_RETIRED, NULL);
	answer = call(channel, "JobShow", parse("{\"id\":\"17\"}"));
	job = json_object_object_get(answer.parameters, "job");
	ck_assert(message_get_u64(json_object_object_get(job, "receipt"), "number", &again));
	ck_assert_uint_eq(again, number);
	message_done(&answer);
	channel_free(channel);
}
END_TEST

static struct message begin_with(struct channel *channel, const char *name, const char *end)
{
	return call(channel, "JobBegin",
		parse("{\"id\":\"%s\",\"files\":[\"%s/%s%s\"]}", name, config.volumes[0].mount,
			name, end));
}

START_TEST(a_job_may_name_its_directory_and_the_beginning_of_its_names) /* Y3 */
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX];
	uint64_t number;
	char **files;
	size_t count;

	snprintf(path, sizeof(path), "%.2000s/hers", config.volumes[0].mount);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chown(path, ALICE, 0), 0);
	number = assert_job(begin_with(channel, "hers", "/"), "begun");
	ck_assert_int_eq(ledger_files(supervisor.ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(files[0] + strlen(files[0]) - 6, "/hers/");
	ledger_files_free(files, count);
	number = assert_job(begin_with(channel, "7-", "//"), "begun");
	ck_assert_int_eq(ledger_files(supervisor.ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(files[0] + strlen(files[0]) - 5, "/7-//");
	ledger_files_free(files, count);
	assert_job(begin_with(channel, "later", "/"), "begun"); /* it is not there yet */

	snprintf(path, sizeof(path), "%.2000s/roots", config.volumes[0].mount);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	assert_forbidden(begin_with(channel, "roots", "/"), NULL);
	ck_assert(!is_known("roots"));
	make_file(path, "file", ALICE);
	assert_forbidden(begin_with(channel, "file", "/"), NULL);
	assert_refused(begin_with(channel, "a", "///"), "no plain absolute path");
	snprintf(path, sizeof(path), "%.2000s/link", config.volumes[0].mount);
	ck_assert_int_eq(symlink("hers", path), 0);
	assert_forbidden(begin_with(channel, "link", "/"), NULL);
	assert_forbidden(begin_with(channel, "link/x", "//"), NULL);
	channel_free(channel);
}
END_TEST

START_TEST(what_is_the_services_own_is_no_job) /* Y3 */
{
	struct channel *channel = dial();
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.2000s/.spoolguard", config.volumes[0].mount);
	ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
	make_file(path, ".spoolguard/ledger.key", 0);
	assert_forbidden(complete(channel, "1", path), NULL);
	assert_forbidden(begin_with(channel, ".spoolguard", "/"), NULL);
	channel_free(channel);
}
END_TEST

START_TEST(the_same_completion_twice_gives_the_same_receipt)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX];
	uint64_t number;

	make_file(path, "d1", ALICE);
	number = assert_job(complete(channel, "17", path), "seen");
	ck_assert_uint_eq(assert_job(complete(channel, "17", path), "seen"), number);
	ck_assert_int_eq(unlink(path), 0);
	end_job(number, LEDGER_RETIRED, NULL);
	ck_assert_uint_eq(assert_job(complete(channel, "17", path), "retired"), number);
	ck_assert_uint_eq(assert_job(call(channel, "JobComplete",
					     parse("{\"id\":\"17\",\"wait\":true,\"files\":[]}")),
				  "retired"),
		number);
	/* A file that is there again is a new job. */
	make_file(path, "d1", ALICE);
	ck_assert_uint_gt(assert_job(complete(channel, "17", path), "seen"), number);
	channel_free(channel);
}
END_TEST

START_TEST(whoever_waits_is_answered_when_it_is_done)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX];
	struct message answer;
	uint64_t number;

	make_file(path, "d1", ALICE);
	send_call(channel, PREFIX "JobComplete",
		parse("{\"id\":\"17\",\"files\":[\"%s\"],\"wait\":true,\"timeout_s\":30}", path));
	while (count_awaited() == 0)
		usleep(1000);
	ck_assert_int_eq(channel_receive(channel, 100, &answer), -ETIMEDOUT);
	end_job(1, LEDGER_RETIRED, NULL);
	ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
	number = assert_job(answer, "retired");
	ck_assert_uint_eq(number, 1);
	channel_free(channel);
}
END_TEST

START_TEST(whoever_waits_for_a_job_that_fails_is_told_why)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX];
	struct message answer;

	make_file(path, "d1", ALICE);
	send_call(channel, PREFIX "JobComplete",
		parse("{\"id\":\"17\",\"files\":[\"%s\"],\"wait\":true}", path));
	while (count_awaited() == 0)
		usleep(1000);
	end_job(1, LEDGER_FAILED, "the medium refuses it");
	ck_assert_int_eq(channel_receive(channel, 5000, &answer), 0);
	ck_assert_ptr_nonnull(
		strstr(json_object_to_json_string_ext(answer.parameters, JSON_C_TO_STRING_PLAIN),
			"\"why\":\"the medium refuses it\""));
	assert_job(answer, "failed");
	channel_free(channel);
}
END_TEST

START_TEST(whoever_waits_no_longer_than_he_said_is_told_how_it_stands)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);
	uint64_t began = clock_monotonic_ns(), took_ms;
	char path[PATH_MAX];

	make_file(path, "d1", ALICE);
	assert_job(call(channel, "JobComplete",
			   parse("{\"id\":\"17\",\"files\":[\"%s\"],\"wait\":true,\"timeout_s\":1}",
				   path)),
		"seen");
	took_ms = (clock_monotonic_ns() - began) / 1000000u;
	ck_assert_uint_ge(took_ms, 1000);
	ck_assert_uint_lt(took_ms, 4000);
	ck_assert_uint_eq(count_awaited(), 0);
	end_job(1, LEDGER_RETIRED, NULL);
	channel_free(channel);
}
END_TEST

static bool nobody_waits(void)
{
	return count_awaited() == 0;
}

START_TEST(whoever_waits_and_goes_away_is_forgotten)
{
	char path[PATH_MAX];

	make_file(path, "d1", ALICE);
	for (int i = 0; i < 50; i++) {
		struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);

		send_call(channel, PREFIX "JobComplete",
			parse("{\"id\":\"17\",\"files\":[\"%s\"],\"wait\":true}", path));
		if (i % 2 == 0)
			while (count_awaited() == 0)
				usleep(1000);
		channel_free(channel);
	}
	wait_until(nobody_waits);
	end_job(1, LEDGER_RETIRED, NULL);
}
END_TEST

/* Done, time out and departure, all at once. */
START_TEST(a_hundred_who_wait_are_each_answered_once)
{
	struct channel *channels[100];
	uint64_t numbers[100];
	char path[PATH_MAX], name[32];

	for (size_t i = 0; i < 100; i++) {
		struct channel *channel = i % 2 ? dial_as(ALICE, CONFIG_PIPELINE) : dial();

		snprintf(name, sizeof(name), "d%zu", i);
		make_file(path, name, ALICE);
		numbers[i] = assert_job(complete(channel, name, path), "seen");
		send_call(channel, PREFIX "JobComplete",
			parse("{\"id\":\"%s\",\"wait\":true,\"timeout_s\":%zu}", name, i % 3));
		channels[i] = channel;
	}
	usleep(900000);
	for (size_t i = 0; i < 100; i++) {
		if (i % 10 == 0) {
			channel_free(channels[i]);
			channels[i] = NULL;
		}
		end_job(numbers[i], LEDGER_RETIRED, NULL);
	}
	for (size_t i = 0; i < 100; i++) {
		struct message answer;

		if (!channels[i])
			continue;
		ck_assert_int_eq(channel_receive(channels[i], 5000, &answer), 0);
		ck_assert_ptr_null(answer.error);
		message_done(&answer);
		ck_assert_int_eq(channel_receive(channels[i], 1, &answer), -ETIMEDOUT);
		channel_free(channels[i]);
	}
	wait_until(nobody_waits);
}
END_TEST

/* --- callers that go away (Y6) --- */

static bool first_is_seen(void)
{
	return state_of("first") == LEDGER_SEEN;
}

START_TEST(what_was_begun_is_retired_when_its_caller_is_gone)
{
	struct channel *gone, *stays = dial_as(ALICE, CONFIG_PIPELINE), *root = dial();
	char path[PATH_MAX];

	config.job_abandoned_s = 1;
	assert_done(call(root, "Reload", NULL));
	gone = dial_as(ALICE, CONFIG_PIPELINE);
	make_file(path, "d1", ALICE);
	assert_job(call(gone, "JobBegin", parse("{\"id\":\"first\",\"files\":[\"%s\"]}", path)),
		"begun");
	assert_job(call(gone, "JobBegin", parse("{\"id\":\"handed over\"}")), "begun");
	assert_job(call(stays, "JobBegin", parse("{\"id\":\"handed over\"}")), "begun");
	assert_job(call(stays, "JobBegin", parse("{\"id\":\"kept\"}")), "begun");
	channel_free(gone);
	usleep(500000);
	ck_assert_int_eq(state_of("first"), LEDGER_BEGUN);
	wait_until(first_is_seen);
	usleep(300000);
	ck_assert_int_eq(state_of("kept"), LEDGER_BEGUN);
	ck_assert_int_eq(state_of("handed over"), LEDGER_BEGUN);
	ck_assert_uint_ge(atomic_load(&wakes), 1);
	channel_free(stays);
	channel_free(root);
}
END_TEST

START_TEST(what_was_begun_before_a_restart_is_retired_after_it)
{
	struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);

	config.job_abandoned_s = 60;
	service_reload(service);
	assert_job(call(channel, "JobBegin", parse("{\"id\":\"first\"}")), "begun");
	channel_free(channel);
	stop_service();
	ck_assert_int_eq(state_of("first"), LEDGER_BEGUN);
	config.job_abandoned_s = 0;
	start_service();
	wait_until(first_is_seen);
}
END_TEST

/* Some of those calls came to an end after their callers had gone, some never began. */
static bool nothing_is_begun(void)
{
	struct ledger_counts counts;

	ledger_count(supervisor.ledger, &counts);
	return counts.by_state[LEDGER_BEGUN] == 0 && counts.by_state[LEDGER_SEEN] >= 34;
}

START_TEST(a_caller_that_begins_and_vanishes_at_once_is_noticed)
{
	struct channel *root = dial();
	char id[32];

	config.job_abandoned_s = 0;
	assert_done(call(root, "Reload", NULL));
	for (int i = 0; i < 100; i++) {
		struct channel *channel = dial_as(ALICE, CONFIG_PIPELINE);

		snprintf(id, sizeof(id), i == 99 ? "first" : "job %d", i);
		send_call(channel, PREFIX "JobBegin", parse("{\"id\":\"%s\"}", id));
		while (i % 3 == 0 && !is_known(id))
			usleep(100);
		channel_free(channel);
	}
	wait_until(nothing_is_begun);
	channel_free(root);
}
END_TEST

/* --- a job id that lies (Y3, Y4) --- */

START_TEST(files_that_the_caller_may_not_hand_over_are_refused_in_words)
{
	struct channel *alice = dial_as(ALICE, CONFIG_PIPELINE), *root = dial();
	char hers[PATH_MAX], roots[PATH_MAX], path[PATH_MAX + 64], inside[PATH_MAX];
	const char *mount = config.volumes[0].mount;
	struct stat st;

	make_file(hers, "hers", ALICE);
	make_file(roots, "roots", 0);
	snprintf(inside, sizeof(inside), "%.2000s/directory", mount);
	ck_assert_int_eq(mkdir(inside, 0755), 0);
	make_file(inside, "directory/inside", ALICE);

	assert_forbidden(complete(alice, "1", roots), "is not yours");
	snprintf(path, sizeof(path), "%.2000s/link", mount);
	ck_assert_int_eq(symlink(hers, path), 0);
	assert_forbidden(complete(alice, "1", path), "symbolic link");
	assert_forbidden(complete(root, "1", path), "symbolic link");
	snprintf(path, sizeof(path), "%.2000s/linked", mount);
	ck_assert_int_eq(symlink("directory", path), 0);
	snprintf(path, sizeof(path), "%.2000s/linked/inside", mount);
	assert_forbidden(complete(alice, "1", path), "symbolic link");
	snprintf(path, sizeof(path), "%.2000s/directory", mount);
	assert_forbidden(complete(root, "1", path), "no regular file");
	snprintf(path, sizeof(path), "%.2000s/fifo", mount);
	ck_assert_int_eq(mkfifo(path, 0666), 0);
	assert_forbidden(complete(root, "1", path), "no regular file");
	snprintf(path, sizeof(path), "%.2000s/null", mount);
	ck_assert_int_eq(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_forbidden(complete(root, "1", path), "no regular file");
	snprintf(path, sizeof(path), "%.2000s/hers/below", mount);
	assert_forbidden(complete(alice, "1", path), NULL);

	assert_refused(complete(root, "1", "/etc/passwd"), "does not lie on a volume");
	assert_refused(complete(root, "1", "hers"), "no plain absolute path");
	assert_refused(complete(root, "1", ""), "no plain absolute path");
	assert_refused(complete(root, "1", "/"), "no plain absolute path");
	assert_refused(complete(root, "1", mount), "does not lie on a volume");
	snprintf(path, sizeof(path), "%.2000s/", mount); /* not everything */
	assert_refused(complete(root, "1", path), "does not lie on a volume");
	snprintf(path, sizeof(path), "%.2000s//", mount);
	assert_refused(complete(root, "1", path), "does not lie on a volume");
	snprintf(path, sizeof(path), "%.2000s/directory/", mount);
	assert_forbidden(complete(alice, "1", path), "not yours");
	snprintf(path, sizeof(path), "%.2000s/directory/..//hers", mount);
	assert_refused(complete(root, "1", path), "no plain absolute path");
	snprintf(path, sizeof(path), "%.2000s/../socket", mount);
	assert_refused(complete(root, "1", path), "no plain absolute path");
	snprintf(path, sizeof(path), "%.2000sx/hers", mount);
	assert_refused(complete(root, "1", path), "does not lie on a volume");

	/* Nothing is known of it, and nothing was touched. */
	ck_assert(!is_known("1"));
	ck_assert_int_eq(stat(hers, &st), 0);
	ck_assert_int_eq(stat(roots, &st), 0);
	ck_assert_uint_ge(count_events("access-denied"), 8);
	assert_job(complete(alice, "1", hers), "seen");
	assert_job(complete(root, "2", roots), "seen");
	assert_job(complete(alice, "3", inside), "seen");
	channel_free(alice);
	channel_free(root);
}
END_TEST

/* Names of files stand in no event: what an event shows is not encrypted. */
START_TEST(no_event_names_a_file)
{
	struct channel *alice = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX], *text;

	make_file(path, "secret-title", 0);
	assert_forbidden(complete(alice, "1", path), "secret-title");
	ck_assert_uint_eq(count_events("access-denied"), 1);
	text = events_rig_text(supervisor.events);
	ck_assert_ptr_null(strstr(text, "secret-title"));
	free(text);
	channel_free(alice);
}
END_TEST

START_TEST(files_on_a_bound_directory_are_known_by_their_place_on_the_volume)
{
	struct channel *alice = dial_as(ALICE, CONFIG_PIPELINE);
	struct config_volume *volume = &config.volumes[0];
	char path[PATH_MAX], named[PATH_MAX + 16], **files;
	uint64_t number;
	size_t count;

	snprintf(volume->binds[0].directory, sizeof(volume->binds[0].directory), "cups");
	snprintf(volume->binds[0].at, sizeof(volume->binds[0].at), "%.4000s/elsewhere", directory);
	volume->bind_count = 1;
	snprintf(path, sizeof(path), "%.2000s/cups", volume->mount);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	make_file(path, "cups/d1", ALICE);
	snprintf(named, sizeof(named), "%s/d1", volume->binds[0].at);
	number = assert_job(complete(alice, "1", named), "seen");
	ck_assert_int_eq(ledger_files(supervisor.ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(files[0], path);
	ledger_files_free(files, count);
	channel_free(alice);
}
END_TEST

START_TEST(a_job_belongs_to_whoever_announced_it)
{
	struct channel *alice = dial_as(ALICE, CONFIG_PIPELINE);
	struct channel *bob = dial_as(BOB, CONFIG_PIPELINE);
	struct channel *administrator = dial_as(BOB + 1, CONFIG_ADMINISTRATOR), *root = dial();
	char hers[PATH_MAX], his[PATH_MAX];
	uint64_t number;

	make_file(hers, "hers", ALICE);
	make_file(his, "his", BOB);
	number = assert_job(
		call(alice, "JobBegin", parse("{\"id\":\"1\",\"files\":[\"%s\"]}", hers)), "begun");
	assert_forbidden(complete(bob, "1", his), "another user's");
	assert_forbidden(call(bob, "JobComplete", parse("{\"id\":\"1\"}")), "another user's");
	assert_forbidden(call(bob, "JobBegin", parse("{\"id\":\"1\"}")), "another user's");
	assert_error(call(bob, "JobShow", parse("{\"id\":\"1\"}")), PREFIX "NotFound", "no job");
	ck_assert_int_eq(state_of("1"), LEDGER_BEGUN);
	ck_assert_uint_eq(
		assert_job(call(administrator, "JobComplete", parse("{\"id\":\"1\"}")), "seen"),
		number);
	ck_assert_uint_eq(
		assert_job(call(root, "JobComplete", parse("{\"id\":\"1\"}")), "seen"), number);

	/* Retired, its receipt is hers, and its number is free. */
	ck_assert_int_eq(unlink(hers), 0);
	end_job(number, LEDGER_RETIRED, NULL);
	assert_forbidden(call(bob, "JobComplete", parse("{\"id\":\"1\"}")), "another user's");
	ck_assert_uint_gt(assert_job(complete(bob, "1", his), "seen"), number);
	channel_free(alice);
	channel_free(bob);
	channel_free(administrator);
	channel_free(root);
}
END_TEST

START_TEST(names_that_are_not_there_yet_cannot_be_handed_over)
{
	struct channel *alice = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX], later[PATH_MAX], **files;
	uint64_t number;
	size_t count;

	make_file(path, "there", ALICE);
	snprintf(later, sizeof(later), "%.2000s/later", config.volumes[0].mount);
	assert_error(complete(alice, "1", later), PREFIX "NotFound", "none of the files");
	ck_assert(!is_known("1"));
	number = assert_job(call(alice, "JobComplete",
				    parse("{\"id\":\"1\",\"files\":[\"%s\",\"%s\"]}", later, path)),
		"seen");
	make_file(later, "later", 0); /* somebody else's job */
	ck_assert_int_eq(ledger_files(supervisor.ledger, number, &files, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(files[0], path);
	ledger_files_free(files, count);
	channel_free(alice);
}
END_TEST

START_TEST(ids_have_a_length)
{
	struct channel *channel = dial();
	char id[300], path[PATH_MAX];

	make_file(path, "d1", 0);
	memset(id, 'x', sizeof(id));
	id[255] = '\0';
	assert_job(complete(channel, id, path), "seen");
	id[255] = 'x';
	id[256] = '\0';
	assert_refused(complete(channel, id, path), "1 to 255 bytes");
	assert_refused(complete(channel, "", path), "1 to 255 bytes");
	channel_free(channel);
}
END_TEST

/* --- volumes --- */

START_TEST(volumes_that_are_closed_or_two_are_refused)
{
	struct channel *channel = dial();
	char path[PATH_MAX], other[PATH_MAX + 16];

	make_volume(1, "second");
	make_file(path, "d1", 0);
	snprintf(other, sizeof(other), "%.4000s/d2", config.volumes[1].mount);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	assert_refused(call(channel, "JobComplete",
			       parse("{\"id\":\"1\",\"files\":[\"%s\",\"%s\"]}", path, other)),
		"two volumes");
	keepers[1].state = KEEPER_LOCKED;
	assert_refused(complete(channel, "1", other), "volume second, which is not open (locked)");
	assert_job(complete(channel, "1", path), "seen");
	assert_error(call(channel, "JobBegin", parse("{\"id\":\"2\",\"volume\":\"third\"}")),
		PREFIX "NotFound", "no volume");
	assert_job(
		call(channel, "JobBegin", parse("{\"id\":\"2\",\"volume\":\"spool\"}")), "begun");
	ck_assert_ptr_nonnull(supervisor.keepers[1]);
	channel_free(channel);
}
END_TEST

/* The ledger's disk is full: RLIMIT_FSIZE. */
START_TEST(nobody_is_told_what_the_ledger_has_not)
{
	struct rlimit limit = {0, RLIM_INFINITY}, before;
	struct channel *channel = dial();
	char path[PATH_MAX];

	signal(SIGXFSZ, SIG_IGN);
	make_file(path, "d1", 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_error(complete(channel, "1", path), PREFIX "Failed", NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert(!is_known("1"));
	ck_assert_uint_eq(atomic_load(&wakes), 0);
	assert_job(complete(channel, "1", path), "seen");
	channel_free(channel);
}
END_TEST

/* --- lists, hold, release --- */

START_TEST(jobs_are_listed_in_portions_and_by_state)
{
	struct channel *channel = dial(), *bob = dial_as(BOB, CONFIG_PIPELINE);
	uint64_t after = 0, count = 0;
	bool more = true;

	for (int i = 0; i < 450; i++) {
		struct ledger_news news = {
			.source = i % 2 ? "call" : "cups",
			.uid = i == 7 ? BOB : 0,
			.state = LEDGER_SEEN,
		};
		char id[16];
		uint64_t number;
		bool known;

		snprintf(id, sizeof(id), "%d", i);
		news.id = id;
		ck_assert_int_eq(ledger_add(supervisor.ledger, &news, &number, &known, NULL), 0);
	}
	for (int rounds = 0; more; rounds++) {
		struct message answer = call(
			channel, "JobList", parse("{\"after\":%llu}", (unsigned long long)after));
		struct json_object *jobs = json_object_object_get(answer.parameters, "jobs");

		ck_assert_int_lt(rounds, 4);
		ck_assert(message_get_bool(answer.parameters, "more", &more));
		for (size_t i = 0; i < json_object_array_length(jobs); i++) {
			ck_assert(
				message_get_u64(json_object_array_get_idx(jobs, i), "job", &after));
			ck_assert_uint_eq(after, ++count);
		}
		message_done(&answer);
	}
	ck_assert_uint_eq(count, 450);
	for (int own = 0; own < 2; own++) {
		struct message answer = call(own ? bob : channel, "JobList",
			parse("{\"state\":\"%s\"}", own ? "seen" : "held"));

		ck_assert_uint_eq(
			json_object_array_length(json_object_object_get(answer.parameters, "jobs")),
			own ? 1 : 0);
		message_done(&answer);
	}
	assert_error(call(channel, "JobList", parse("{\"state\":\"gone\"}")),
		"org.varlink.service.InvalidParameter", NULL);
	channel_free(channel);
	channel_free(bob);
}
END_TEST

START_TEST(a_job_is_held_until_it_is_released)
{
	struct channel *channel = dial_as(BOB, CONFIG_OPERATOR),
		       *alice = dial_as(ALICE, CONFIG_PIPELINE);
	char path[PATH_MAX];
	uint64_t number;

	make_file(path, "d1", ALICE);
	number = assert_job(complete(alice, "1", path), "seen");
	assert_refused(call(channel, "JobRelease", parse("{\"id\":\"1\"}")), "is not held");
	assert_job(
		call(channel, "JobHold", parse("{\"id\":\"1\",\"reason\":\"asked for\"}")), "held");
	assert_job(call(alice, "JobComplete", parse("{\"id\":\"1\",\"wait\":true}")), "held");
	assert_job(
		call(channel, "JobRelease", parse("{\"id\":\"1\",\"source\":\"call\"}")), "seen");
	assert_error(call(channel, "JobHold",
			     parse("{\"id\":\"1\",\"reason\":\"x\",\"source\":\"cups\"}")),
		PREFIX "NotFound", NULL);
	end_job(number, LEDGER_RETIRED, NULL);
	assert_refused(
		call(channel, "JobHold", parse("{\"id\":\"1\",\"reason\":\"x\"}")), "is retired");
	ck_assert_uint_eq(count_events("job-held"), 1);
	ck_assert_uint_eq(count_events("job-released"), 1);
	channel_free(channel);
	channel_free(alice);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_job_is_begun_completed_and_retired,
		a_job_may_name_its_directory_and_the_beginning_of_its_names,
		what_is_the_services_own_is_no_job,
		the_same_completion_twice_gives_the_same_receipt,
		whoever_waits_is_answered_when_it_is_done,
		whoever_waits_for_a_job_that_fails_is_told_why,
		whoever_waits_no_longer_than_he_said_is_told_how_it_stands,
		whoever_waits_and_goes_away_is_forgotten,
		a_hundred_who_wait_are_each_answered_once,
		what_was_begun_is_retired_when_its_caller_is_gone,
		what_was_begun_before_a_restart_is_retired_after_it,
		a_caller_that_begins_and_vanishes_at_once_is_noticed,
		files_that_the_caller_may_not_hand_over_are_refused_in_words,
		no_event_names_a_file,
		files_on_a_bound_directory_are_known_by_their_place_on_the_volume,
		a_job_belongs_to_whoever_announced_it,
		names_that_are_not_there_yet_cannot_be_handed_over,
		ids_have_a_length,
		volumes_that_are_closed_or_two_are_refused,
		nobody_is_told_what_the_ledger_has_not,
		jobs_are_listed_in_portions_and_by_state,
		a_job_is_held_until_it_is_released,
	};

	return run_suite("service jobs", tests, ARRAY_SIZE(tests));
}
