/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unlock.c - a passphrase comes from where the configuration says, or it is said why not
 *
 * Goal: byte for byte what the file, the credential or the descriptor holds (U2); what is not
 * there (yet) is told from what is wrong; nobody who hands over a descriptor holds us up.
 */
#include "base/clock.h"
#include "base/io.h"
#include "keystore/keystore.h"
#include "supervisor/unlock.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/spoolguard-unlock.XXXXXX";
static struct config_volume volume;
static struct secret *secret;
static struct problem problem;

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	memset(&volume, 0, sizeof(volume));
	strcpy(volume.name, "spool");
	snprintf(volume.key_file, sizeof(volume.key_file), "%s/key", directory);
	volume.unlock = CONFIG_UNLOCK_KEY_FILE;
	secret = NULL;
	problem.text[0] = '\0';
	unsetenv("CREDENTIALS_DIRECTORY");
	signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
	char command[100];

	secret_free(secret);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static void make_file(const char *path, const void *bytes, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(io_write(fd, bytes, count), 0);
	close(fd);
}

static void is_secret(const char *wanted, size_t bytes)
{
	ck_assert_ptr_nonnull(secret);
	ck_assert_uint_eq(secret_size(secret), bytes);
	ck_assert(memcmp(secret_peek(secret), wanted, bytes) == 0);
}

static void refuses(int error, const char *words)
{
	int r = unlock_read(&volume, &secret, &problem);

	ck_assert_msg(r == error, "%d, wanted %d: %s", r, error, problem.text);
	ck_assert_msg(strstr(problem.text, words), "%s", problem.text);
	ck_assert_ptr_null(secret);
}

START_TEST(a_key_file_is_taken_byte_for_byte)
{
	make_file(volume.key_file, "a\0b\n", 4);
	ck_assert_int_eq(unlock_read(&volume, &secret, &problem), 0);
	is_secret("a\0b\n", 4);
}
END_TEST

START_TEST(a_key_file_of_the_largest_size_is_taken_and_no_larger)
{
	static char bytes[KEYSTORE_KEY_FILE_BYTES_MAX + 1];

	memset(bytes, 'k', sizeof(bytes));
	make_file(volume.key_file, bytes, KEYSTORE_KEY_FILE_BYTES_MAX);
	ck_assert_int_eq(unlock_read(&volume, &secret, &problem), 0);
	is_secret(bytes, KEYSTORE_KEY_FILE_BYTES_MAX);
	secret_free(secret);
	secret = NULL;
	make_file(volume.key_file, bytes, sizeof(bytes));
	refuses(-EFBIG, "longer");
}
END_TEST

START_TEST(a_key_file_that_is_not_there_yet_is_no_key_yet)
{
	refuses(-ENOKEY, volume.key_file);
	make_file(volume.key_file, "", 0); /* it is being copied */
	refuses(-ENOKEY, "is empty");
	unlink(volume.key_file);
	ck_assert_int_eq(symlink("nowhere", volume.key_file), 0);
	refuses(-ENOKEY, "cannot be read");
}
END_TEST

START_TEST(what_is_no_file_is_no_key_and_holds_nobody_up)
{
	ck_assert_int_eq(mkdir(volume.key_file, 0700), 0);
	refuses(-EINVAL, "no file");
	rmdir(volume.key_file);
	ck_assert_int_eq(mkfifo(volume.key_file, 0600), 0);
	refuses(-EINVAL, "no file");
	strcpy(volume.key_file, "/dev/zero");
	refuses(-EINVAL, "no file");
}
END_TEST

START_TEST(a_credential_has_the_volumes_name)
{
	char path[200];

	volume.unlock = CONFIG_UNLOCK_CREDENTIAL;
	refuses(-ENOKEY, "LoadCredentialEncrypted=spoolguard.spool");
	setenv("CREDENTIALS_DIRECTORY", directory, 1);
	refuses(-ENOKEY, "credential");
	snprintf(path, sizeof(path), "%s/spoolguard.spool", directory);
	make_file(path, "sealed", 6);
	ck_assert_int_eq(unlock_read(&volume, &secret, &problem), 0);
	is_secret("sealed", 6);
	secret_free(secret);
	secret = NULL;
	setenv("CREDENTIALS_DIRECTORY", "relative", 1);
	refuses(-ENOKEY, "no credentials");
}
END_TEST

START_TEST(without_a_place_an_administrator_is_named)
{
	volume.unlock = CONFIG_UNLOCK_ASK;
	refuses(-ENOKEY, "spoolguard attach spool");
}
END_TEST

/* --- descriptors --- */

static int ends[2];

static void *write_slowly(void *argument)
{
	(void)argument;
	for (int i = 0; i < 4; i++) {
		usleep(20000);
		if (io_write(ends[1], "part", 4) < 0)
			break;
	}
	close(ends[1]);
	return NULL;
}

START_TEST(a_descriptor_is_read_to_its_end)
{
	pthread_t thread;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_slowly, NULL), 0);
	ck_assert_int_eq(unlock_read_fd(ends[0], 10000, &secret, &problem), 0);
	is_secret("partpartpartpart", 16);
	pthread_join(thread, NULL);
	close(ends[0]);
}
END_TEST

START_TEST(a_descriptor_that_gives_nothing_is_given_up)
{
	uint64_t before = clock_monotonic_ns();

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(io_write(ends[1], "begun", 5), 0);
	ck_assert_int_eq(unlock_read_fd(ends[0], 100, &secret, &problem), -ETIMEDOUT);
	ck_assert_uint_lt(clock_monotonic_ns() - before, UINT64_C(3000000000));
	close(ends[1]);
	close(ends[0]);
}
END_TEST

static void *write_without_end(void *argument)
{
	char bytes[4096] = "x";

	(void)argument;
	while (io_write(ends[1], bytes, sizeof(bytes)) >= 0)
		;
	return NULL;
}

START_TEST(a_descriptor_without_end_and_one_without_anything_are_refused)
{
	pthread_t thread;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_without_end, NULL), 0);
	ck_assert_int_eq(unlock_read_fd(ends[0], 10000, &secret, &problem), -EFBIG);
	close(ends[0]);
	pthread_join(thread, NULL);
	close(ends[1]);
	ck_assert_int_eq(unlock_read_fd(null, 1000, &secret, &problem), -ENOKEY);
	close(null);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unlock");
	TCase *tcase = tcase_create("passphrases");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_key_file_is_taken_byte_for_byte);
	tcase_add_test(tcase, a_key_file_of_the_largest_size_is_taken_and_no_larger);
	tcase_add_test(tcase, a_key_file_that_is_not_there_yet_is_no_key_yet);
	tcase_add_test(tcase, what_is_no_file_is_no_key_and_holds_nobody_up);
	tcase_add_test(tcase, a_credential_has_the_volumes_name);
	tcase_add_test(tcase, without_a_place_an_administrator_is_named);
	tcase_add_test(tcase, a_descriptor_is_read_to_its_end);
	tcase_add_test(tcase, a_descriptor_that_gives_nothing_is_given_up);
	tcase_add_test(tcase, a_descriptor_without_end_and_one_without_anything_are_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
