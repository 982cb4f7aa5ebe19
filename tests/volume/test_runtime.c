/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_runtime.c - the notes about attached volumes in the runtime directory
 *
 * Goal: what is saved is found again by any name of the medium; what a crash or
 * somebody else left there is passed over; one command at a time holds the lock;
 * and no UUID, wherever it came from, leads out of the directory.
 */
#include "base/clock.h"
#include "base/io.h"
#include "volume/runtime.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID_A "0a0a0a0a-0000-4000-8000-00000000000a"
#define UUID_B "0b0b0b0b-0000-4000-8000-00000000000b"

static char top[] = "/tmp/spoolguard-runtime.XXXXXX";
static char directory[128], medium[128];
static struct runtime_state state, loaded;

static void make_file(const char *path, const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, bytes), 0);
	close(fd);
}

static void setup(void)
{
	strcpy(top + strlen(top) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(directory, sizeof(directory), "%s/run", top);
	snprintf(medium, sizeof(medium), "%s/medium", top);
	make_file(medium, "m", 1);
	setenv("SPOOLGUARD_RUNTIME_DIR", directory, 1);
	memset(&state, 0, sizeof(state));
	strcpy(state.uuid, UUID_A);
	strcpy(state.path, medium);
	strcpy(state.device, "/dev/loop7");
	strcpy(state.mount, "/srv/spool \"with\" \\ and \n in it");
	state.read_only = true;
}

static void teardown(void)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	ck_assert_int_eq(system(command), 0);
}

static int lock_it(const char *uuid)
{
	struct problem problem = {""};
	int fd = -1, r = runtime_lock(uuid, &fd, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
	return fd;
}

static void write_state(const char *uuid, const char *text, size_t bytes)
{
	char path[RUNTIME_PATH_BYTES];

	ck_assert_int_eq(runtime_path(uuid, "state", path), 0);
	make_file(path, text, bytes);
}

START_TEST(what_is_saved_is_loaded)
{
	struct stat st;

	close(lock_it(UUID_A));
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), -ENOENT);
	ck_assert_int_eq(runtime_save(&state, NULL), 0);
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), 0);
	ck_assert_str_eq(loaded.uuid, state.uuid);
	ck_assert_str_eq(loaded.path, state.path);
	ck_assert_str_eq(loaded.device, state.device);
	ck_assert_str_eq(loaded.mount, state.mount);
	ck_assert(loaded.read_only);
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	runtime_remove(UUID_A);
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), -ENOENT);
}
END_TEST

static void check_binds(void)
{
	ck_assert_uint_eq(loaded.bind_count, state.bind_count);
	for (size_t i = 0; i < state.bind_count; i++) {
		ck_assert_str_eq(loaded.binds[i].directory, state.binds[i].directory);
		ck_assert_str_eq(loaded.binds[i].at, state.binds[i].at);
	}
}

START_TEST(binds_are_kept_in_order)
{
	close(lock_it(UUID_A));
	for (size_t i = 0; i < RUNTIME_BINDS_MAX; i++) {
		state.bind_count = i;
		ck_assert_int_eq(runtime_save(&state, NULL), 0);
		ck_assert_int_eq(runtime_load(UUID_A, &loaded), 0);
		check_binds();
		snprintf(state.binds[i].directory, sizeof(state.binds[i].directory), "d/%zu", i);
		snprintf(state.binds[i].at, sizeof(state.binds[i].at), "/var/%zu", 7 * i);
	}
}
END_TEST

START_TEST(of_binds_that_somebody_else_wrote_only_whole_ones_are_believed)
{
	static const char *const texts[] = {"null", "7", "{}", "[]", "[7,[],null,{}]",
		"[{\"directory\":\"d\"}]", "[{\"directory\":7,\"at\":\"/a\"}]",
		"[{\"directory\":\"\",\"at\":\"/a\"}]"};
	char text[2048], more[1024] = "";

	close(lock_it(UUID_A));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(text, sizeof(text), "{\"uuid\":\"" UUID_A "\",\"binds\":%s}", texts[i]);
		write_state(UUID_A, text, strlen(text));
		ck_assert_int_eq(runtime_load(UUID_A, &loaded), 0);
		ck_assert_uint_eq(loaded.bind_count, 0);
	}
	for (size_t i = 0; i < 2 * RUNTIME_BINDS_MAX; i++)
		strcat(more, "{\"directory\":\"d\",\"at\":\"/a\"},");
	snprintf(text, sizeof(text), "{\"uuid\":\"" UUID_A "\",\"binds\":[%s7]}", more);
	write_state(UUID_A, text, strlen(text));
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), 0);
	ck_assert_uint_eq(loaded.bind_count, RUNTIME_BINDS_MAX);
}
END_TEST

START_TEST(the_longest_strangest_paths_survive)
{
	close(lock_it(UUID_A));
	memset(state.path, 1, sizeof(state.path) - 1);
	memset(state.mount, 2, sizeof(state.mount) - 1);
	state.bind_count = RUNTIME_BINDS_MAX;
	for (size_t i = 0; i < RUNTIME_BINDS_MAX; i++) {
		memset(state.binds[i].directory, 3, sizeof(state.binds[i].directory) - 1);
		memset(state.binds[i].at, 4, sizeof(state.binds[i].at) - 1);
	}
	ck_assert_int_eq(runtime_save(&state, NULL), 0);
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), 0);
	ck_assert_str_eq(loaded.path, state.path);
	ck_assert_str_eq(loaded.mount, state.mount);
	check_binds();
}
END_TEST

START_TEST(a_volume_is_found_by_any_name_of_its_medium)
{
	char link_name[160], hard_name[160];

	close(lock_it(UUID_A));
	ck_assert_int_eq(runtime_save(&state, NULL), 0);
	snprintf(link_name, sizeof(link_name), "%s/link", top);
	snprintf(hard_name, sizeof(hard_name), "%s/hard", top);
	ck_assert_int_eq(symlink(medium, link_name), 0);
	ck_assert_int_eq(link(medium, hard_name), 0);
	ck_assert_int_eq(runtime_find(medium, &loaded), 0);
	ck_assert_int_eq(runtime_find(link_name, &loaded), 0);
	ck_assert_int_eq(runtime_find(hard_name, &loaded), 0);
	ck_assert_str_eq(loaded.uuid, UUID_A);
	ck_assert_int_eq(runtime_find(top, &loaded), -ENOENT);
	ck_assert_int_eq(runtime_find("/nonexistent/medium", &loaded), -ENOENT);
}
END_TEST

START_TEST(volumes_are_listed_in_order_past_what_is_stale)
{
	char path[RUNTIME_PATH_BYTES + 16];

	ck_assert_int_eq(runtime_at(0, &loaded), -ENOENT); /* not even the directory */
	close(lock_it(UUID_A));
	close(lock_it(UUID_B));
	close(lock_it("00000000")); /* a lock and no state: attach failed, or is going on */
	snprintf(path, sizeof(path), "%s/stray", directory);
	make_file(path, "x", 1);
	ck_assert_int_eq(runtime_save(&state, NULL), 0);
	strcpy(state.uuid, UUID_B);
	snprintf(state.path, sizeof(state.path), "%s/gone", top); /* its medium was removed */
	ck_assert_int_eq(runtime_save(&state, NULL), 0);
	ck_assert_int_eq(runtime_at(0, &loaded), 0);
	ck_assert_str_eq(loaded.uuid, UUID_A);
	ck_assert_int_eq(runtime_at(1, &loaded), 0);
	ck_assert_str_eq(loaded.uuid, UUID_B);
	ck_assert_int_eq(runtime_at(2, &loaded), -ENOENT);
	ck_assert_int_eq(runtime_find(medium, &loaded), 0);
}
END_TEST

START_TEST(a_damaged_state_is_none)
{
	static const char *const bad[] = {"", "{", "[]", "7", "null", "{}",
		"{\"uuid\":7,\"path\":\"/x\"}", "{\"uuid\":\"" UUID_B "\",\"path\":\"/x\"}"};
	static const char with_nul[] = "{\"uuid\":\"" UUID_A "\"}\0x";
	static char large[(512u << 10) + 1];

	close(lock_it(UUID_A));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_state(UUID_A, bad[i], strlen(bad[i]));
		ck_assert_msg(runtime_load(UUID_A, &loaded) == -EBADMSG, "%s", bad[i]);
	}
	memset(large, ' ', sizeof(large));
	write_state(UUID_A, large, sizeof(large));
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), -EFBIG);
	write_state(UUID_A, with_nul, sizeof(with_nul) - 1);
	ck_assert_int_eq(runtime_load(UUID_A, &loaded), -EBADMSG);
	ck_assert_int_eq(runtime_at(0, &loaded), -ENOENT);
}
END_TEST

START_TEST(no_uuid_leads_out_of_the_directory)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "/etc", "0a 0a", "0a\n",
		"0123456789012345678901234567890123456789"};
	char path[RUNTIME_PATH_BYTES] = "untouched";
	struct problem problem = {""};
	int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(runtime_path(bad[i], "state", path), -EINVAL);
		ck_assert_int_eq(runtime_lock(bad[i], &fd, &problem), -EINVAL);
		ck_assert_int_eq(runtime_load(bad[i], &loaded), -EINVAL);
	}
	ck_assert_str_eq(path, "untouched");
	ck_assert_str_ne(problem.text, "");
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_named)
{
	struct problem problem = {""};
	int fd;

	setenv("SPOOLGUARD_RUNTIME_DIR", "/proc/nonexistent", 1);
	ck_assert_int_lt(runtime_lock(UUID_A, &fd, &problem), 0);
	ck_assert_ptr_nonnull(strstr(problem.text, "/proc/nonexistent"));
	/* a relative one is not believed */
	setenv("SPOOLGUARD_RUNTIME_DIR", "relative", 1);
	{
		char path[RUNTIME_PATH_BYTES];

		ck_assert_int_eq(runtime_path(UUID_A, "state", path), 0);
		ck_assert_str_eq(path, "/run/spoolguard/" UUID_A "/state");
	}
}
END_TEST

static _Atomic int second_fd;

static void *lock_second(void *argument)
{
	int fd = -1;

	(void)argument;
	if (runtime_lock(UUID_A, &fd, NULL) < 0)
		fd = -2;
	second_fd = fd;
	return NULL;
}

START_TEST(the_second_command_waits_for_the_first)
{
	int first = lock_it(UUID_A), other = lock_it(UUID_B); /* another volume is not held up */
	pthread_t thread;

	close(other);
	second_fd = -1;
	ck_assert_int_eq(pthread_create(&thread, NULL, lock_second, NULL), 0);
	usleep(100000);
	ck_assert_int_eq(second_fd, -1);
	runtime_remove(UUID_A); /* does not break the lock */
	usleep(20000);
	ck_assert_int_eq(second_fd, -1);
	close(first);
	pthread_join(thread, NULL);
	ck_assert_int_ge(second_fd, 0);
	close(second_fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("runtime");
	TCase *tcase = tcase_create("notes about volumes");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, what_is_saved_is_loaded);
	tcase_add_test(tcase, the_longest_strangest_paths_survive);
	tcase_add_test(tcase, binds_are_kept_in_order);
	tcase_add_test(tcase, of_binds_that_somebody_else_wrote_only_whole_ones_are_believed);
	tcase_add_test(tcase, a_volume_is_found_by_any_name_of_its_medium);
	tcase_add_test(tcase, volumes_are_listed_in_order_past_what_is_stale);
	tcase_add_test(tcase, a_damaged_state_is_none);
	tcase_add_test(tcase, no_uuid_leads_out_of_the_directory);
	tcase_add_test(tcase, a_directory_that_cannot_be_made_is_named);
	tcase_add_test(tcase, the_second_command_waits_for_the_first);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
