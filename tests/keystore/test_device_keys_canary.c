/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_device_keys_canary.c - the device's keys lie in locked memory, and nowhere when they are
 * freed
 *
 * Goal: D2.  Method: a child opens the keys, uses all of them and stops; its parent, who reads the
 * seeds from the files, searches all of the child's memory, then once more when they are freed.
 *
 * Not under qemu-user: the emulator keeps copies of memory of its own
 */
#include "keystore/device_keys.h"
#include "tests/support/memory_search.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEVICE, NAMES, LOG, NEXT, COUNT };

static const char *const names[] = {"device.key", "names.key", "log.key", "log.next"};
static char directory[256];
static uint8_t seeds[COUNT][SIGNATURE_SEED_BYTES];

static void read_seed(int which)
{
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s/keys/%s", directory, names[which]);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, seeds[which], sizeof(seeds[which]), 25), 32);
	close(fd);
}

static void sign(struct device_keys *keys, bool log)
{
	char *signature;
	int r = log ? device_keys_log_sign(keys, "x", 1, "c", &signature)
		    : device_keys_sign(keys, "x", 1, "c", &signature);

	if (r < 0)
		_exit(1);
	free(signature);
}

/* Stops three times: with all keys, without the log's first one, without any. */
static void use(void)
{
	char digest[DEVICE_KEYS_DIGEST_BYTES];
	struct minisign_key next;
	struct device_keys *keys;

	if (device_keys_open(directory, false, &keys, NULL, NULL) < 0)
		_exit(1);
	sign(keys, false);
	sign(keys, true);
	if (device_keys_log_next(keys, &next) < 0 ||
		device_keys_name_digest(keys, "user", "alice", digest) < 0)
		_exit(1);
	raise(SIGSTOP);
	if (device_keys_log_advance(keys) < 0)
		_exit(1);
	sign(keys, true);
	raise(SIGSTOP);
	device_keys_free(keys);
	raise(SIGSTOP);
	_exit(0);
}

static void wait_for_stop(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
}

static void assert_only_locked(pid_t child, int which)
{
	struct memory_found found = memory_search(child, seeds[which], sizeof(seeds[which]));

	ck_assert_msg(found.locked > 0 && found.anywhere == found.locked && found.dumpable == 0,
		"%s: %u times, %u locked, %u dumped", names[which], found.anywhere, found.locked,
		found.dumpable);
}

static void assert_gone(pid_t child, int which)
{
	struct memory_found found = memory_search(child, seeds[which], sizeof(seeds[which]));

	ck_assert_msg(found.anywhere == 0, "%s: %u times, %u on a stack", names[which],
		found.anywhere, found.on_stack);
}

START_TEST(a_seed_is_in_locked_memory_alone_and_gone_with_its_key)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		use();
	wait_for_stop(child);
	for (int i = 0; i < COUNT; i++) {
		read_seed(i);
		assert_only_locked(child, i);
	}
	kill(child, SIGCONT);
	wait_for_stop(child);
	assert_gone(child, LOG);
	assert_only_locked(child, DEVICE);
	assert_only_locked(child, NEXT);
	kill(child, SIGCONT);
	wait_for_stop(child);
	for (int i = 0; i < COUNT; i++)
		assert_gone(child, i);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

static void setup(void)
{
	struct device_keys *keys;
	pid_t child;
	int status;

	snprintf(directory, sizeof(directory), "%s/state", scratch_path());
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	/* Elsewhere: a child inherits what its parent has forgotten. */
	child = fork();
	if (child == 0)
		_exit(device_keys_open(directory, true, &keys, NULL, NULL) < 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	Suite *suite = suite_create("device_keys_canary");
	TCase *tcase = tcase_create("canary");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make_fast, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 110);
	tcase_add_test(tcase, a_seed_is_in_locked_memory_alone_and_gone_with_its_key);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
