/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_secret.c - where key bytes live
 *
 * Goal: a secret is locked, undumpable and guarded on both sides, or there is
 * none (S1); what is cut off or unread is zeros (S3).  Method: the kernel's own
 * account of the memory, and children that step over the edge.
 *
 * Not under qemu-user: MADV_DONTDUMP does not pass through it
 */
#include "crypto/secret.h"
#include "tests/support/mapping.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t sizes[] = {1, 16, 32, 64, 4079, 4080, 4096, 8192, 10000};

START_TEST(every_page_of_a_secret_is_locked_and_undumpable)
{
	size_t bytes = sizes[_i];
	_cleanup_secret_ struct secret *secret = NULL;

	ck_assert_int_eq(secret_new(bytes, &secret), 0);
	for (size_t page = 0; page <= (bytes - 1) / 4096; page++) {
		size_t at = page * 4096 < bytes - 1 ? page * 4096 : bytes - 1;
		struct mapping mapping = mapping_of(secret_bytes(secret) + at);

		ck_assert_str_eq(mapping.access, "rw-p");
		ck_assert(mapping.is_undumpable);
		ck_assert(mapping.is_locked || !LOCKS_ARE_REAL);
	}
}
END_TEST

START_TEST(a_secret_lies_between_two_pages_that_nobody_may_touch)
{
	size_t bytes = sizes[_i];
	_cleanup_secret_ struct secret *secret = NULL;
	const uint8_t *at;
	struct mapping mapping;

	ck_assert_int_eq(secret_new(bytes, &secret), 0);
	at = secret_peek(secret);
	mapping = mapping_of(at);
	ck_assert_str_eq(mapping_of((const char *)mapping.first - 1).access, "---p");
	ck_assert_str_eq(mapping_of(at + bytes).access, "---p"); /* the very next byte */
}
END_TEST

/* True if a child that runs touch(at) does not come to its end. */
static bool dies(void (*touch)(volatile uint8_t *at), volatile uint8_t *at)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		const struct rlimit none = {0, 0};

		(void)!setrlimit(RLIMIT_CORE, &none);
		(void)!freopen("/dev/null", "w", stderr); /* a sanitizer's report */
		touch(at);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void read_byte(volatile uint8_t *at)
{
	(void)*at;
}

static void write_byte(volatile uint8_t *at)
{
	*at = 1;
}

START_TEST(touching_a_guard_page_kills)
{
	_cleanup_secret_ struct secret *secret = NULL;
	volatile uint8_t *before, *behind;

	ck_assert_int_eq(secret_new(100, &secret), 0);
	behind = secret_bytes(secret) + 100;
	before = (volatile uint8_t *)mapping_of(secret_peek(secret)).first - 1;
	ck_assert(dies(read_byte, behind));
	ck_assert(dies(write_byte, behind));
	ck_assert(dies(read_byte, before));
	ck_assert(dies(write_byte, before));
	ck_assert(!dies(write_byte, secret_bytes(secret) + 99));
	ck_assert(!dies(write_byte, secret_bytes(secret)));
}
END_TEST

static struct secret *damaged;

static void underrun_and_free(volatile uint8_t *at)
{
	at[-1] ^= 1; /* libsodium's canary, on the same page */
	secret_free(damaged);
}

START_TEST(a_write_before_the_first_byte_is_found_when_it_is_freed)
{
	ck_assert_int_eq(secret_new(100, &damaged), 0);
	ck_assert(dies(underrun_and_free, secret_bytes(damaged)));
	secret_free(damaged);
}
END_TEST

/* --- S1 --- */

static bool drop_capability_to_lock(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capset, &header, data) == 0;
}

/* 0 if every way of making a secret says -ENOMEM and makes none. */
static int make_secrets_without_locks(void)
{
	const struct rlimit none = {0, 0};
	struct secret *secret = NULL, *before = NULL;

	if (secret_new(32, &before) != 0 || !drop_capability_to_lock() ||
		setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		return 1;
	for (unsigned int i = 0; i < 100; i++) {
		if (secret_new(32, &secret) != -ENOMEM || secret)
			return 2;
		if (secret_new_copy("x", 1, &secret) != -ENOMEM || secret)
			return 3;
		if (secret_new_random(64, &secret) != -ENOMEM || secret)
			return 4;
		if (secret_read_fd(STDIN_FILENO, 64, &secret) != -ENOMEM || secret)
			return 5;
	}
	return 0;
}

START_TEST(a_secret_that_cannot_be_locked_is_not_handed_out)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(make_secrets_without_locks());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static long locked_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status) && sscanf(line, "VmLck: %ld", &kib) != 1)
		continue;
	fclose(status);
	return kib;
}

START_TEST(the_kernel_counts_a_secret_as_locked_until_it_is_freed)
{
	struct secret *secrets[50];
	long before = locked_kib();

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		ck_assert_int_eq(secret_new(64, &secrets[i]), 0);
	ck_assert_int_ge(locked_kib(), before + 50 * 4);
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		secret_free(secrets[i]);
	ck_assert_int_eq(locked_kib(), before);
}
END_TEST

/* --- Contents --- */

START_TEST(a_new_secret_is_zeros_and_a_copy_is_equal)
{
	_cleanup_secret_ struct secret *zeros = NULL, *copy = NULL;
	uint8_t bytes[100];

	memset(bytes, 0, sizeof(bytes));
	ck_assert_int_eq(secret_new(sizeof(bytes), &zeros), 0);
	ck_assert_uint_eq(secret_size(zeros), sizeof(bytes));
	ck_assert(secret_is_equal(secret_peek(zeros), bytes, sizeof(bytes)));
	memset(bytes, 0xa7, sizeof(bytes));
	ck_assert(!secret_is_equal(secret_peek(zeros), bytes, sizeof(bytes)));
	ck_assert_int_eq(secret_new_copy(bytes, sizeof(bytes), &copy), 0);
	ck_assert(secret_is_equal(secret_peek(copy), bytes, sizeof(bytes)));
	secret_free(NULL);
}
END_TEST

START_TEST(one_different_bit_is_not_equal_and_nothing_is_equal_to_nothing)
{
	uint8_t a[64], b[64];

	memset(a, 0x5a, sizeof(a));
	memset(b, 0x5a, sizeof(b));
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!secret_is_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert(secret_is_equal(a, b, sizeof(a)));
	ck_assert(secret_is_equal(a, b, 0));
}
END_TEST

START_TEST(random_secrets_differ)
{
	_cleanup_secret_ struct secret *a = NULL, *b = NULL;

	ck_assert_int_eq(secret_new_random(32, &a), 0);
	ck_assert_int_eq(secret_new_random(32, &b), 0);
	ck_assert(!secret_is_equal(secret_peek(a), secret_peek(b), 32));
}
END_TEST

START_TEST(what_is_cut_off_is_wiped)
{
	_cleanup_secret_ struct secret *secret = NULL;
	const uint8_t *at;

	ck_assert_int_eq(secret_new(64, &secret), 0);
	memset(secret_bytes(secret), 0x77, 64);
	secret_truncate(secret, 10);
	ck_assert_uint_eq(secret_size(secret), 10);
	at = secret_peek(secret);
	for (size_t i = 0; i < 64; i++)
		ck_assert_uint_eq(at[i], i < 10 ? 0x77 : 0); /* S3 */
	secret_truncate(secret, 0);
	ck_assert_uint_eq(secret_size(secret), 0);
	ck_assert_uint_eq(at[0], 0);
}
END_TEST

START_TEST(lengthening_a_secret_aborts)
{
	struct secret *secret;

	ck_assert_int_eq(secret_new(64, &secret), 0);
	secret_truncate(secret, 10);
	secret_truncate(secret, 11);
}
END_TEST

START_TEST(a_secret_of_no_bytes_aborts)
{
	struct secret *secret;

	(void)!secret_new(0, &secret);
}
END_TEST

/* --- secret_read_fd --- */

/* The read end of a pipe into which a child writes bytes, one at a time. */
static int slow_pipe(size_t bytes)
{
	int ends[2];
	pid_t child;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		close(ends[0]);
		for (size_t i = 0; i < bytes; i++) {
			char c = (char)('a' + i % 26);

			if (write(ends[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

START_TEST(a_descriptor_is_read_to_its_end_and_no_further_than_allowed)
{
	static const struct {
		size_t written, most;
		int result;
	} cases[] = {{0, 8, 0}, {1, 8, 0}, {7, 8, 0}, {8, 8, 0}, {9, 8, -EFBIG}, {500, 8, -EFBIG},
		{300, 512, 0}};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_secret_ struct secret *secret = NULL;
		int fd = slow_pipe(cases[i].written);

		ck_assert_int_eq(secret_read_fd(fd, cases[i].most, &secret), cases[i].result);
		close(fd);
		while (wait(NULL) > 0)
			continue;
		if (cases[i].result < 0) {
			ck_assert_ptr_null(secret);
			continue;
		}
		ck_assert_uint_eq(secret_size(secret), cases[i].written);
		for (size_t at = 0; at < cases[i].written; at++)
			ck_assert_uint_eq(secret_peek(secret)[at], (unsigned)('a' + at % 26));
	}
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
	struct secret *secret = NULL;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(secret_read_fd(fd, 8, &secret), -EISDIR);
	close(fd);
	ck_assert_int_eq(secret_read_fd(fd, 8, &secret), -EBADF);
	ck_assert_ptr_null(secret);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tcase = tcase_create("secret");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60); /* sanitizers */
	tcase_add_loop_test(
		tcase, every_page_of_a_secret_is_locked_and_undumpable, 0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(
		tcase, a_secret_lies_between_two_pages_that_nobody_may_touch, 0, ARRAY_SIZE(sizes));
	tcase_add_test(tcase, touching_a_guard_page_kills);
	tcase_add_test(tcase, a_write_before_the_first_byte_is_found_when_it_is_freed);
	if (LOCKS_ARE_REAL) {
		tcase_add_test(tcase, a_secret_that_cannot_be_locked_is_not_handed_out);
		tcase_add_test(tcase, the_kernel_counts_a_secret_as_locked_until_it_is_freed);
	}
	tcase_add_test(tcase, a_new_secret_is_zeros_and_a_copy_is_equal);
	tcase_add_test(tcase, one_different_bit_is_not_equal_and_nothing_is_equal_to_nothing);
	tcase_add_test(tcase, random_secrets_differ);
	tcase_add_test(tcase, what_is_cut_off_is_wiped);
	tcase_add_test_raise_signal(tcase, lengthening_a_secret_aborts, SIGABRT);
	tcase_add_test_raise_signal(tcase, a_secret_of_no_bytes_aborts, SIGABRT);
	tcase_add_test(tcase, a_descriptor_is_read_to_its_end_and_no_further_than_allowed);
	tcase_add_test(tcase, what_cannot_be_read_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
