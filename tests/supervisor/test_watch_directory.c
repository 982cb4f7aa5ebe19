/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_watch_directory.c - files of watched directories become jobs, once, and at the right time
 *
 * Goal: D1 to D7 of watch_directory.h, and what is said when a directory cannot be watched.
 * Method: a real volume; the test is the spooler, and the retirer (watch_fixture.h).
 */
#include "tests/supervisor/watch_fixture.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>

static void setup_volume(void)
{
	attach_volume_of("96M");
}

static void setup(void)
{
	setup_service();
	make_directory("q");
}

static uint64_t first_seen(void)
{
	uint64_t number = 0;

	ck_assert_uint_eq(ledger_list(ledger, LEDGER_SEEN, NULL, &number, 1), 1);
	return number;
}

/* --- when = unlinked --- */

START_TEST(a_file_that_its_spooler_removes_is_retired)
{
	add_watch("w", "q", true);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	ck_assert_uint_gt(count_marks(MARK), 0);
	pause_ms(300);
	ck_assert_uint_eq(seen(), 0);
	drop("q/a");
	await_seen(1);
	await(atomic_load(&wakes) > 0);
	retire_all(1);
	ck_assert_uint_eq(count_pending("w"), 0);
	ck_assert_uint_eq(count_marks(MARK), 0);
	await(strcmp(waiting(), "[ ]") == 0);
}
END_TEST

START_TEST(a_file_has_a_second_name_while_it_is_still_being_written)
{
	int fd;

	add_watch("w", "q", true);
	start_watcher();
	fd = open(in_spool("q/a"), O_WRONLY | O_CREAT | O_EXCL, 0600);
	await(names_of("q/a") == 2);
	ck_assert_int_eq(io_write(fd, MARK, sizeof(MARK)), 0);
	ck_assert_int_eq(fsync(fd), 0);
	drop("q/a");
	await_seen(1);
	ck_assert_int_eq(check_job_now(first_seen()), -EAGAIN); /* it is open */
	close(fd);
	retire_all(1);
	ck_assert_uint_eq(count_marks(MARK), 0);
}
END_TEST

START_TEST(what_a_rename_replaces_is_retired)
{
	add_watch("w", "q", true);
	start_watcher();
	put("q/a");
	put("q/b");
	await(names_of("q/a") == 2 && names_of("q/b") == 2);
	move("q/b", "q/a");
	await_seen(1);
	pause_ms(200);
	retire_all(1);
	ck_assert_uint_eq(names_of("q/a"), 2);
	ck_assert_uint_gt(count_marks(MARK), 0);
}
END_TEST

START_TEST(a_file_that_goes_from_one_watched_directory_to_another_is_one_job)
{
	make_directory("r");
	add_watch("w", "q", true);
	add_watch("x", "r", true);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	move("q/a", "r/a");
	pause_ms(300);
	ck_assert_uint_eq(names_of("r/a"), 2);
	ck_assert_uint_eq(count_pending("w"), 1);
	ck_assert_uint_eq(count_pending("x"), 0);
	drop("r/a");
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(a_file_that_is_removed_where_nobody_watches_is_retired_too)
{
	make_directory("elsewhere");
	add_watch("w", "q", true);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	move("q/a", "elsewhere/a");
	pause_ms(200);
	drop("elsewhere/a");
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(a_name_that_its_spooler_gives_back_takes_the_job_back)
{
	char path[PATH_MAX + 512];
	DIR *directory;
	struct dirent *entry;

	add_watch("w", "q", true);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	drop("q/a");
	await_seen(1);
	/* Root alone could do that; the hook looks all the same. */
	directory = opendir(in_spool(WATCH_PLACE_PENDING "/w"));
	while ((entry = readdir(directory)) && entry->d_name[0] == '.')
		;
	ck_assert_ptr_nonnull(entry);
	snprintf(path, sizeof(path), "%s/%s", in_spool(WATCH_PLACE_PENDING "/w"), entry->d_name);
	closedir(directory);
	ck_assert_int_eq(link(path, in_spool("again")), 0);
	ck_assert_int_eq(check_job_now(first_seen()), -EAGAIN);
	drop("again");
	ck_assert_int_eq(check_job_now(first_seen()), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(check_job_now(first_seen()), 0); /* gone: the retirer says so */
}
END_TEST

/* --- when = settled --- */

START_TEST(a_file_that_nobody_writes_to_any_more_is_retired)
{
	add_watch("w", "q", false);
	start_watcher();
	put("q/a");
	ck_assert_uint_eq(names_of("q/a"), 1);
	await_seen(1);
	ck_assert_uint_eq(names_of("q/a"), 0);
	retire_all(1);
	ck_assert_uint_eq(count_marks(MARK), 0);
}
END_TEST

START_TEST(a_file_that_is_written_to_again_and_again_waits)
{
	int fd;

	add_watch("w", "q", false);
	start_watcher();
	for (int i = 0; i < 15; i++) {
		fd = open(in_spool("q/a"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		ck_assert_int_eq(io_write(fd, MARK, sizeof(MARK)), 0);
		close(fd);
		pause_ms(100);
		ck_assert_uint_eq(names_of("q/a"), 1);
	}
	await_seen(1);
}
END_TEST

START_TEST(a_file_that_is_open_for_writing_waits)
{
	int fd;

	add_watch("w", "q", false);
	start_watcher();
	put("q/a");
	fd = open(in_spool("q/a"), O_WRONLY);
	pause_ms(1000);
	ck_assert_uint_eq(names_of("q/a"), 1);
	await(strstr(waiting(), "open for writing"));
	close(fd);
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(a_file_that_is_being_read_is_taken_and_retired_afterwards)
{
	int fd;

	add_watch("w", "q", false);
	put("q/a");
	fd = open(in_spool("q/a"), O_RDONLY);
	start_watcher();
	await_seen(1);
	ck_assert_int_eq(check_job_now(first_seen()), -EAGAIN);
	close(fd);
	retire_all(1);
}
END_TEST

START_TEST(a_file_with_a_name_elsewhere_waits_for_it)
{
	add_watch("w", "q", false);
	start_watcher();
	put("kept");
	ck_assert_int_eq(link(in_spool("kept"), in_spool("q/a")), 0);
	await(strstr(waiting(), "other names"));
	ck_assert_uint_eq(names_of("q/a"), 2);
	drop("kept");
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(a_file_that_another_watch_has_linked_is_claimed_for_that_one)
{
	make_directory("r");
	add_watch("w", "q", true);
	add_watch("x", "r", false);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	move("q/a", "r/a");
	await_seen(1);
	ck_assert_uint_eq(names_of("r/a"), 0);
	ck_assert_uint_eq(count_pending("w"), 1);
	ck_assert_uint_eq(count_pending("x"), 0);
	retire_all(1);
}
END_TEST

START_TEST(a_pattern_chooses_as_the_shell_does)
{
	strcpy(add_watch("w", "q", false)->pattern, "!(*.part|keep*)");
	start_watcher();
	put("q/a.part");
	put("q/keep me");
	put("q/.hidden");
	put("q/a");
	await_seen(1);
	pause_ms(500);
	ck_assert_uint_eq(seen(), 1);
	ck_assert_uint_eq(count_names("q"), 3);
	move("q/a.part", "q/b");
	await_seen(2);
	retire_all(2);
}
END_TEST

START_TEST(two_watches_can_share_a_directory)
{
	strcpy(add_watch("w", "q", false)->pattern, "*.done");
	strcpy(add_watch("x", "q", true)->pattern, "*.job");
	start_watcher();
	put("q/a.done");
	put("q/b.job");
	await_seen(1);
	await(names_of("q/b.job") == 2);
	drop("q/b.job");
	await_seen(2);
	retire_all(2);
	put("q/c.done");
	await_seen(1);
}
END_TEST

/* --- what is no file of the directory --- */

START_TEST(links_and_fifos_are_left_alone)
{
	struct stat st;

	add_watch("w", "q", true);
	add_watch("x", "r", false);
	make_directory("r");
	put("outside");
	for (int i = 0; i < 2; i++) {
		const char *in[] = {"q", "r"};
		char name[32], target[PATH_MAX + 512];

		snprintf(target, sizeof(target), "%s", in_spool("outside"));
		snprintf(name, sizeof(name), "%s/link", in[i]);
		ck_assert_int_eq(symlink(target, in_spool(name)), 0);
		snprintf(name, sizeof(name), "%s/fifo", in[i]);
		ck_assert_int_eq(mkfifo(in_spool(name), 0600), 0);
	}
	start_watcher();
	pause_ms(800);
	ck_assert_uint_eq(names_of("outside"), 1);
	ck_assert_int_eq(lstat(in_spool("r/link"), &st), 0);
	ck_assert_int_eq(lstat(in_spool("r/fifo"), &st), 0);
	ck_assert_uint_eq(count_pending("w") + count_pending("x"), 0);
}
END_TEST

START_TEST(a_directory_behind_a_symbolic_link_is_not_watched)
{
	char target[PATH_MAX + 512];

	snprintf(target, sizeof(target), "%s", in_spool("q"));
	ck_assert_int_eq(symlink(target, in_spool("s")), 0);
	add_watch("w", "s", true);
	start_watcher();
	await(says("watch:w", "symbolic link"));
	put("q/a");
	pause_ms(200);
	ck_assert_uint_eq(names_of("q/a"), 1);
}
END_TEST

/* --- subdirectories --- */

START_TEST(subdirectories_are_watched_four_levels_deep)
{
	char name[64] = "q";

	add_watch("w", "q", true);
	start_watcher();
	for (int i = 0; i < 5; i++) {
		strcat(name, "/d");
		make_directory(name);
	}
	await(says("watch:w", "levels deep"));
	put("q/d/d/d/d/a");
	put("q/d/d/d/d/d/b");
	await(names_of("q/d/d/d/d/a") == 2);
	pause_ms(200);
	ck_assert_uint_eq(names_of("q/d/d/d/d/d/b"), 1);
	drop("q/d/d/d/d/a");
	await_seen(1);
	retire_all(1);
	drop("q/d/d/d/d/d/b");
	ck_assert_int_eq(rmdir(in_spool("q/d/d/d/d/d")), 0);
	await(!says("watch:w", "levels deep"));
}
END_TEST

START_TEST(more_directories_than_are_watched_are_said)
{
	char name[64];

	add_watch("w", "q", true);
	for (unsigned int i = 1; i < WATCH_DIRECTORIES_MAX; i++) {
		snprintf(name, sizeof(name), "q/%u", i);
		make_directory(name);
	}
	start_watcher();
	put("q/255/a");
	await(names_of("q/255/a") == 2);
	ck_assert_str_eq(reason("watch:w"), "");
	make_directory("q/one too many");
	await(says("watch:w", "more than 256 directories"));
}
END_TEST

START_TEST(a_directory_that_moves_in_is_watched_with_what_is_in_it)
{
	add_watch("w", "q", true);
	start_watcher();
	make_directory("made elsewhere");
	put("made elsewhere/a");
	move("made elsewhere", "q/d");
	await(names_of("q/d/a") == 2);
	put("q/d/b");
	await(names_of("q/d/b") == 2);
}
END_TEST

START_TEST(a_watch_within_another_has_its_files_to_itself)
{
	make_directory("q/d");
	add_watch("w", "q", true);
	add_watch("x", "q/d", false);
	start_watcher();
	put("q/d/a");
	put("q/b");
	await_seen(1);
	ck_assert_uint_eq(count_pending("x"), 1);
	ck_assert_uint_eq(count_pending("w"), 1);
}
END_TEST

START_TEST(the_volume_s_own_root_can_be_watched)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s", mount_point);
	strcpy(add_watch("w", "q", true)->directory, name);
	start_watcher();
	put("a");
	await(names_of("a") == 2);
	drop("a");
	await_seen(1);
	pause_ms(500);
	ck_assert_uint_eq(seen(), 1); /* nothing of .spoolguard */
	retire_all(1);
}
END_TEST

/* --- found by looking (D1) --- */

START_TEST(what_lies_there_at_the_start_is_found)
{
	make_directory("r");
	put("q/a");
	put("r/a");
	add_watch("w", "q", true);
	add_watch("x", "r", false);
	start_watcher();
	await(names_of("q/a") == 2);
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(what_a_crash_left_is_announced_or_waits_on)
{
	put("q/a");
	put("q/b");
	add_watch("w", "q", true);
	start_watcher();
	await(names_of("q/a") == 2 && names_of("q/b") == 2);
	stop_watcher(); /* it does nothing in order that a crash would not do */
	drop("q/a");
	start_watcher();
	await_seen(1);
	retire_all(1);
	drop("q/b");
	await_seen(1);
	stop_watcher();
	start_watcher(); /* announced already */
	pause_ms(300);
	retire_all(1);
	pause_ms(300);
	ck_assert_uint_eq(seen(), 0);
}
END_TEST

START_TEST(what_a_crash_left_of_a_claim_is_put_right)
{
	char path[PATH_MAX + 512];

	put("q/a");
	add_watch("w", "q", true);
	start_watcher();
	await(count_pending("w") == 1);
	stop_watcher();
	snprintf(path, sizeof(path), "%s", in_spool(WATCH_PLACE_PENDING "/w/claim"));
	ck_assert_int_eq(rename(in_spool("q/a"), path), 0); /* between its two steps */
	start_watcher();
	await_seen(1);
	ck_assert_uint_eq(count_pending("w"), 1);
	retire_all(1);
	put("b");
	ck_assert_int_eq(rename(in_spool("b"), path), 0); /* one that was alone */
	watch_directory_wake(watcher);
	await_seen(1);
	retire_all(1);
}
END_TEST

START_TEST(what_a_watch_left_that_is_configured_no_more_is_seen_to)
{
	put("q/a");
	put("q/b");
	add_watch("gone", "q", true);
	start_watcher();
	await(count_pending("gone") == 2);
	stop_watcher();
	drop("q/a");
	config.watch_count = 0;
	start_watcher();
	await_seen(1);
	await(names_of("q/b") == 1);
	retire_all(1);
	stop_watcher();
	start_watcher();
	await(!exists(WATCH_PLACE_PENDING "/gone"));
}
END_TEST

START_TEST(events_that_the_kernel_dropped_cost_nothing_but_time)
{
	char a[PATH_MAX + 512], b[PATH_MAX + 512];

	make_directory("r");
	add_watch("w", "q", true);
	add_watch("x", "r", false);
	start_watcher();
	put("q/first");
	await(names_of("q/first") == 2);
	/* Nobody reads while its queue (fs.inotify.max_queued_events, 16384) runs over. */
	atomic_store(&volume_is_slow, true);
	put("q/second");
	pause_ms(100);
	snprintf(a, sizeof(a), "%s", in_spool("q/x"));
	snprintf(b, sizeof(b), "%s", in_spool("q/y"));
	put("q/x");
	for (int i = 0; i < 20000; i++)
		ck_assert_int_eq(i % 2 ? rename(b, a) : rename(a, b), 0);
	put("q/third");
	put("r/a"); /* of which nothing is left in the queue */
	drop("q/first");
	atomic_store(&volume_is_slow, false);
	await(names_of("q/third") == 2);
	await_seen(2);
	retire_all(2);
}
END_TEST

START_TEST(a_directory_may_come_later_go_and_come_back)
{
	add_watch("w", "later", true);
	start_watcher();
	await(says("watch:w", "does not exist"));
	for (int i = 0; i < 2; i++) {
		make_directory("later");
		put("later/a");
		await(names_of("later/a") == 2);
		await(strcmp(reason("watch:w"), "") == 0);
		drop("later/a");
		ck_assert_int_eq(rmdir(in_spool("later")), 0);
		await_seen(1);
		retire_all(1);
		await(says("watch:w", "does not exist"));
	}
}
END_TEST

/* --- volumes --- */

/* At once; or later, if a test beside us has copied all mounts (unshare). */
static void detach_image(void)
{
	char line[3 * PATH_MAX];

	snprintf(line, sizeof(line),
		"cd '%s' && for i in $(seq 100); do '%s' detach image 2>why && exit 0; "
		"grep -q 'another namespace' why || exit 1; sleep 0.2; done; exit 1",
		scratch_path(), command);
	ck_assert_int_eq(system(line), 0);
}

START_TEST(a_volume_can_go_and_come_back)
{
	struct problem problem = {""};
	char image[PATH_MAX];
	int r;

	add_watch("w", "q", true);
	put("q/a");
	put("q/b");
	start_watcher();
	await(names_of("q/a") == 2 && names_of("q/b") == 2);
	drop("q/b");
	await_seen(1);
	/* D6 */
	atomic_store(&volume_is_open, false);
	watch_directory_let_go(watcher);
	detach_image();
	ledger_drop_key(ledger, state.uuid);
	pause_ms(200);
	ck_assert_str_eq(reason("watch:w"), ""); /* its keeper says so */
	run_command("attach --mount mnt --passphrase-file - image");
	snprintf(image, sizeof(image), "%s/image", scratch_path());
	r = volumes_find_by_medium(image, &state, &problem);
	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	drop("q/a");
	put("q/c");
	ledger_close(ledger);
	open_ledger();
	stop_watcher(); /* it has the ledger that is closed */
	atomic_store(&volume_is_open, true);
	start_watcher();
	await(names_of("q/c") == 2);
}
END_TEST

static atomic_bool has_let_go;

static void *let_go(void *unused)
{
	watch_directory_let_go(watcher);
	atomic_store(&has_let_go, true);
	return unused;
}

START_TEST(a_volume_is_let_go_of_when_the_look_that_is_under_way_has_ended)
{
	pthread_t thread;

	add_watch("w", "q", true);
	start_watcher();
	put("q/a");
	await(names_of("q/a") == 2);
	atomic_store(&volume_is_slow, true);
	watch_directory_wake(watcher);
	pause_ms(100);
	ck_assert_int_eq(pthread_create(&thread, NULL, let_go, NULL), 0);
	pause_ms(300);
	ck_assert(!atomic_load(&has_let_go));
	atomic_store(&volume_is_slow, false);
	await(atomic_load(&has_let_go));
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_directory_can_be_named_by_a_bind_of_it)
{
	char at[PATH_MAX / 2], name[PATH_MAX];
	int fd;

	make_directory("fax");
	make_directory("fax/recvq");
	snprintf(at, sizeof(at), "%s/bound", scratch_path());
	ck_assert(mkdir(at, 0755) == 0 || errno == EEXIST);
	ck_assert_int_eq(mount(in_spool("fax"), at, NULL, MS_BIND, NULL), 0);
	strcpy(config.volumes[0].binds[0].directory, "fax");
	snprintf(config.volumes[0].binds[0].at, PATH_MAX, "%s", at);
	config.volumes[0].bind_count = 1;
	snprintf(add_watch("w", "q", true)->directory, PATH_MAX, "%s/recvq", at);
	start_watcher();
	pause_ms(200);
	snprintf(name, sizeof(name), "%s/recvq/a", at);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	await(names_of("fax/recvq/a") == 2);
	ck_assert_int_eq(unlink(name), 0);
	await_seen(1);
	ck_assert_int_eq(umount(at), 0);
	ck_assert_int_eq(rmdir(at), 0);
}
END_TEST

START_TEST(what_cannot_be_watched_is_said)
{
	snprintf(add_watch("a", "q", true)->directory, PATH_MAX, "/nonexistent/q");
	config.cups = true;
	snprintf(config.cups_spool, PATH_MAX, "%s", in_spool("q"));
	add_watch("b", "q", true);
	make_directory("r");
	add_watch("c", "r", true);
	add_watch("d", "r", true);
	start_watcher();
	await(says("watch:a", "no configured volume"));
	await(says("watch:b", "[cups]"));
	await(says("watch:d", "another [watch]"));
	ck_assert_str_eq(reason("watch:c"), "");
	put("q/a");
	pause_ms(100);
	ck_assert_uint_eq(names_of("q/a"), 1);
}
END_TEST

START_TEST(a_place_that_somebody_else_made_is_not_used)
{
	make_directory(WATCH_PLACE_PRIVATE);
	ck_assert_int_eq(chmod(in_spool(WATCH_PLACE_PRIVATE), 0777), 0);
	add_watch("w", "q", true);
	start_watcher();
	await(says("watch:w", "not made by spoolguard"));
	put("q/a");
	pause_ms(100);
	ck_assert_uint_eq(names_of("q/a"), 1);
	ck_assert_int_eq(rmdir(in_spool(WATCH_PLACE_PRIVATE)), 0);
	await(names_of("q/a") == 2);
}
END_TEST

/* --- what is told --- */

START_TEST(what_waits_is_told_without_its_name)
{
	struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

	add_watch("w", "q", true);
	start_watcher();
	put("q/letter of dismissal");
	await(strstr(waiting(), "not removed"));
	ck_assert_ptr_null(strstr(waiting(), "letter"));
	ck_assert_ptr_nonnull(strstr(waiting(), "watch:w"));
	ck_assert_ptr_nonnull(strstr(waiting(), "\"too_long\": false"));
	ck_assert_str_eq(reason("watch-late:w"), "");
	ck_assert_int_eq(utimensat(AT_FDCWD, in_spool("q/letter of dismissal"), old, 0), 0);
	put("q/another");
	await(strstr(waiting(), "\"too_long\": true"));
	await(says("watch-late:w", "1 files of [watch w]"));
	ck_assert_ptr_nonnull(strstr(waiting(), "2001-09-09T01:46:40Z"));
	drop("q/letter of dismissal");
	await(strcmp(reason("watch-late:w"), "") == 0);
}
END_TEST

START_TEST(names_of_files_lie_nowhere_in_clear)
{
	char line[PATH_MAX * 2];

	add_watch("w", "q", true);
	start_watcher();
	put("q/letter of dismissal");
	await(names_of("q/letter of dismissal") == 2);
	drop("q/letter of dismissal");
	await_seen(1);
	snprintf(line, sizeof(line), "! grep -r -a -e letter -e pending '%s/ledger'",
		scratch_path());
	ck_assert_int_eq(system(line), 0);
	retire_all(1);
	ck_assert_uint_eq(count_marks("letter of dismissal"), 0);
}
END_TEST

START_TEST(more_waiting_files_than_are_listed_are_counted)
{
	char name[32];

	add_watch("w", "q", true);
	for (unsigned int i = 0; i < WATCH_WAITING_MAX + 7; i++) {
		snprintf(name, sizeof(name), "q/%u", i);
		close(open(in_spool(name), O_WRONLY | O_CREAT, 0600));
	}
	start_watcher();
	await(strstr(waiting(), "7 more files wait there"));
}
END_TEST

/* The last: there is no volume any more. */
START_TEST(a_volume_whose_process_died_holds_up_nobody)
{
	add_watch("w", "q", true);
	put("q/a");
	start_watcher();
	await(names_of("q/a") == 2);
	ck_assert_int_eq(kill((pid_t)status_of_volume("process"), SIGKILL), 0);
	pause_ms(3000);
	atomic_store(&volume_is_open, false);
	watch_directory_let_go(watcher);
	stop_watcher();
	ledger_close(ledger);
	ledger = NULL;
}
END_TEST

static void teardown(void)
{
	teardown_service();
}

static void end_service(void)
{
	ledger_close(ledger);
	state_free(service_state);
}

int main(void)
{
	Suite *suite = suite_create("watch_directory");
	TCase *tcase = tcase_create("jobs"), *last = tcase_create("a dead volume");
	SRunner *runner;
	int failed;

	if (why_skipped()) {
		printf("skipped: %s\n", why_skipped());
		return 77;
	}
	tcase_add_unchecked_fixture(tcase, setup_volume, NULL);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_file_that_its_spooler_removes_is_retired);
	tcase_add_test(tcase, a_file_has_a_second_name_while_it_is_still_being_written);
	tcase_add_test(tcase, what_a_rename_replaces_is_retired);
	tcase_add_test(tcase, a_file_that_goes_from_one_watched_directory_to_another_is_one_job);
	tcase_add_test(tcase, a_file_that_is_removed_where_nobody_watches_is_retired_too);
	tcase_add_test(tcase, a_name_that_its_spooler_gives_back_takes_the_job_back);
	tcase_add_test(tcase, a_file_that_nobody_writes_to_any_more_is_retired);
	tcase_add_test(tcase, a_file_that_is_written_to_again_and_again_waits);
	tcase_add_test(tcase, a_file_that_is_open_for_writing_waits);
	tcase_add_test(tcase, a_file_that_is_being_read_is_taken_and_retired_afterwards);
	tcase_add_test(tcase, a_file_with_a_name_elsewhere_waits_for_it);
	tcase_add_test(tcase, a_file_that_another_watch_has_linked_is_claimed_for_that_one);
	tcase_add_test(tcase, a_pattern_chooses_as_the_shell_does);
	tcase_add_test(tcase, two_watches_can_share_a_directory);
	tcase_add_test(tcase, links_and_fifos_are_left_alone);
	tcase_add_test(tcase, a_directory_behind_a_symbolic_link_is_not_watched);
	tcase_add_test(tcase, subdirectories_are_watched_four_levels_deep);
	tcase_add_test(tcase, more_directories_than_are_watched_are_said);
	tcase_add_test(tcase, a_directory_that_moves_in_is_watched_with_what_is_in_it);
	tcase_add_test(tcase, a_watch_within_another_has_its_files_to_itself);
	tcase_add_test(tcase, the_volume_s_own_root_can_be_watched);
	tcase_add_test(tcase, what_lies_there_at_the_start_is_found);
	tcase_add_test(tcase, what_a_crash_left_is_announced_or_waits_on);
	tcase_add_test(tcase, what_a_crash_left_of_a_claim_is_put_right);
	tcase_add_test(tcase, what_a_watch_left_that_is_configured_no_more_is_seen_to);
	tcase_add_test(tcase, events_that_the_kernel_dropped_cost_nothing_but_time);
	tcase_add_test(tcase, a_directory_may_come_later_go_and_come_back);
	tcase_add_test(tcase, a_volume_can_go_and_come_back);
	tcase_add_test(tcase, a_volume_is_let_go_of_when_the_look_that_is_under_way_has_ended);
	tcase_add_test(tcase, a_directory_can_be_named_by_a_bind_of_it);
	tcase_add_test(tcase, what_cannot_be_watched_is_said);
	tcase_add_test(tcase, a_place_that_somebody_else_made_is_not_used);
	tcase_add_test(tcase, what_waits_is_told_without_its_name);
	tcase_add_test(tcase, names_of_files_lie_nowhere_in_clear);
	tcase_add_test(tcase, more_waiting_files_than_are_listed_are_counted);
	suite_add_tcase(suite, tcase);
	tcase_add_unchecked_fixture(last, NULL, detach_it);
	tcase_add_checked_fixture(last, setup, end_service);
	tcase_set_timeout(last, 60);
	tcase_add_test(last, a_volume_whose_process_died_holds_up_nobody);
	suite_add_tcase(suite, last);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
