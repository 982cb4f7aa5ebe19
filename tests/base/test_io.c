/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_io.c - whole transfers on file descriptors
 *
 * Goal: short transfers and signals in the middle never show; the end of a file
 * and a failure do.  Method: pipes and sockets that move a few bytes at a time
 * while signals arrive, and files cut short.
 */
#include "base/io.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = (1 << 20) + 1 };

static uint8_t sent[LARGE], received[LARGE];

static void setup(void)
{
	for (size_t i = 0; i < LARGE; i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 11);
	memset(received, 0, sizeof(received));
}

static int new_file(void)
{
	char path[] = "/tmp/spoolguard-io.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	return fd;
}

START_TEST(what_is_written_at_an_offset_is_read_there)
{
	_cleanup_close_ int fd = new_file();

	ck_assert_int_eq(io_pwrite(fd, sent, LARGE, 4097), 0);
	ck_assert_int_eq(io_pread(fd, received, LARGE, 4097), 0);
	ck_assert_int_eq(memcmp(sent, received, LARGE), 0);
	ck_assert_int_eq(io_pread(fd, received, 4097, 0), 0);
	ck_assert_int_eq(io_pwrite(fd, sent, 0, 1ull << 40), 0);
	ck_assert_int_eq(io_pread(fd, received, 0, 1ull << 40), 0);
}
END_TEST

START_TEST(an_end_inside_a_transfer_is_no_data)
{
	_cleanup_close_ int fd = new_file();

	ck_assert_int_eq(io_pwrite(fd, sent, 100, 0), 0);
	ck_assert_int_eq(io_pread(fd, received, 100, 0), 0);
	ck_assert_int_eq(io_pread(fd, received, 101, 0), -ENODATA);
	ck_assert_int_eq(io_pread(fd, received, 1, 100), -ENODATA);
}
END_TEST

START_TEST(an_error_is_named)
{
	_cleanup_close_ int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(io_pread(-1, received, 1, 0), -EBADF);
	ck_assert_int_eq(io_pwrite(-1, sent, 1, 0), -EBADF);
	ck_assert_int_eq(io_write(-1, sent, 1), -EBADF);
	ck_assert_int_ge(full, 0);
	ck_assert_int_eq(io_write(full, sent, 1), -ENOSPC);
	ck_assert_int_eq(io_pwrite(full, sent, 1, 0), -ENOSPC);
}
END_TEST

static void on_signal(int number)
{
	(void)number;
}

static void *drip(void *context)
{
	int fd = *(int *)context;
	size_t at = 0;

	while (at < LARGE) {
		size_t some = LARGE - at < 7001 ? LARGE - at : 7001;
		ssize_t n = read(fd, received + at, some);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return NULL;
}

static pthread_t writer;
static atomic_bool writing;

static void *pester(void *context)
{
	(void)context;
	while (writing) {
		pthread_kill(writer, SIGUSR1);
		usleep(50);
	}
	return NULL;
}

START_TEST(signals_and_short_transfers_do_not_show)
{
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
	pthread_t reader, pesterer;
	int ends[2];

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	writer = pthread_self();
	writing = true;
	ck_assert_int_eq(pthread_create(&reader, NULL, drip, &ends[1]), 0);
	ck_assert_int_eq(pthread_create(&pesterer, NULL, pester, NULL), 0);
	ck_assert_int_eq(io_write(ends[0], sent, LARGE), 0);
	writing = false;
	pthread_join(pesterer, NULL);
	close(ends[0]);
	pthread_join(reader, NULL);
	close(ends[1]);
	ck_assert_int_eq(memcmp(sent, received, LARGE), 0);
}
END_TEST

START_TEST(a_read_to_the_end_takes_all_or_says_too_big)
{
	_cleanup_close_ int fd = new_file();
	size_t bytes = 7;

	ck_assert_int_eq(io_read_to_end(fd, received, 10, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(io_pwrite(fd, sent, 1000, 0), 0);
	ck_assert_int_eq(io_read_to_end(fd, received, 1000, &bytes), 0);
	ck_assert_uint_eq(bytes, 1000);
	ck_assert_int_eq(memcmp(sent, received, 1000), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(io_read_to_end(fd, received, 999, &bytes), -EFBIG);
	ck_assert_int_eq(io_read_to_end(-1, received, 1, &bytes), -EBADF);
}
END_TEST

START_TEST(allocated_memory_is_page_aligned)
{
	_cleanup_free_ void *one = NULL;
	_cleanup_free_ void *none = NULL;

	ck_assert_int_eq(io_alloc(1, &one), 0);
	ck_assert_int_eq(io_alloc(0, &none), 0);
	ck_assert_uint_eq((uintptr_t)one % 4096, 0);
	ck_assert_ptr_nonnull(none);
}
END_TEST

START_TEST(a_cleaned_up_descriptor_is_closed)
{
	int fd = new_file(), copy = fd, none = -1;

	io_closep(&copy);
	ck_assert_int_eq(copy, -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	io_closep(&none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io");
	TCase *tcase = tcase_create("transfers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_is_written_at_an_offset_is_read_there);
	tcase_add_test(tcase, an_end_inside_a_transfer_is_no_data);
	tcase_add_test(tcase, an_error_is_named);
	tcase_add_test(tcase, signals_and_short_transfers_do_not_show);
	tcase_add_test(tcase, a_read_to_the_end_takes_all_or_says_too_big);
	tcase_add_test(tcase, allocated_memory_is_page_aligned);
	tcase_add_test(tcase, a_cleaned_up_descriptor_is_closed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
