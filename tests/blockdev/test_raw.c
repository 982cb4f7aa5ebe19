/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_raw.c - image files and disks as blockdevs
 *
 * Goal: what is written is on the medium, aligned or not, direct or not; every
 * path that is no medium, or somebody else's, is refused with a line that names
 * it.  Method: image files in a directory of their own, and, where this machine
 * lets us, a loop device that the test makes and takes down itself.
 *
 * Not under qemu-user: it asks about direct I/O and locks, which do not pass through
 */
#include "base/bytes.h"
#include "base/io.h"
#include "blockdev/holder.h"
#include "blockdev/raw.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 600, LARGE_BLOCKS = 513 }; /* 513: two bounce buffers and a block */

static char directory[] = "/var/tmp/spoolguard-raw.XXXXXX";
static char image[64], other[64];
static struct blockdev *raw;
static struct problem problem;
static uint8_t *aligned; /* LARGE_BLOCKS + 1 blocks */
static const struct raw_options writing = {.block_bytes = BLOCK_BYTES};
static const struct raw_options reading = {.block_bytes = BLOCK_BYTES, .read_only = true};

static void setup(void)
{
	void *memory;
	int fd;

	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(image, sizeof(image), "%s/image", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, BLOCKS * (off_t)BLOCK_BYTES), 0);
	close(fd);
	ck_assert_int_eq(io_alloc((LARGE_BLOCKS + 1) * BLOCK_BYTES, &memory), 0);
	aligned = memory;
	problem.text[0] = '\0';
}

static void teardown(void)
{
	raw = blockdev_close(raw);
	free(aligned);
	unlink(image);
	unlink(other);
	rmdir(other);
	rmdir(directory);
}

static void open_image(const struct raw_options *options)
{
	int r = raw_open(image, options, &raw, &problem);

	ck_assert_msg(r == 0, "%s", problem_text(&problem, r));
}

static void assert_refused(const char *path, const struct raw_options *options, int error)
{
	struct blockdev *none = NULL;
	int r = raw_open(path, options, &none, &problem);

	ck_assert_msg(r == error, "%s: %d, not %d: %s", path, r, error, problem.text);
	ck_assert_ptr_null(none);
	ck_assert_msg(strstr(problem.text, path), "no path in: %s", problem.text);
	ck_assert_msg(strchr(problem.text, ';'), "no next step in: %s", problem.text);
	ck_assert_int_eq(raw_open(path, options, &none, NULL), error);
}

static void fill(uint8_t *at, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

/* --- transfers --- */

static void round_trip(size_t misalignment)
{
	uint8_t *buf = aligned + misalignment;
	size_t bytes = LARGE_BLOCKS * (size_t)BLOCK_BYTES;
	_cleanup_free_ uint8_t *expected = malloc(bytes);
	struct extent at = {BLOCKS - LARGE_BLOCKS, LARGE_BLOCKS};

	fill(buf, bytes, (unsigned int)misalignment);
	memcpy(expected, buf, bytes);
	ck_assert_int_eq(blockdev_write(raw, at, buf, bytes), 0);
	ck_assert_int_eq(blockdev_flush(raw), 0);
	memset(buf, 0, bytes);
	ck_assert_int_eq(blockdev_read(raw, at, buf, bytes), 0);
	ck_assert_int_eq(memcmp(buf, expected, bytes), 0);
	/* the block before is untouched */
	ck_assert_int_eq(blockdev_read(raw, (struct extent){at.first - 1, 1}, buf, BLOCK_BYTES), 0);
	ck_assert(bytes_are(buf, BLOCK_BYTES, 0));
}

START_TEST(buffers_of_any_alignment_work)
{
	static const size_t misalignments[] = {0, 1, 511, 512, 2048, 4095};
	struct raw_options options = writing;

	options.buffered = _i % 2;
	open_image(&options);
	round_trip(misalignments[_i / 2]);
}
END_TEST

START_TEST(small_blocks_work_too)
{
	struct raw_options options = {.block_bytes = 512};

	open_image(&options);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS * 8);
	fill(aligned, 3 * 512, 5);
	ck_assert_int_eq(blockdev_write(raw, (struct extent){7, 3}, aligned, 3 * 512), 0);
	ck_assert_int_eq(
		blockdev_read(raw, (struct extent){7, 3}, aligned + BLOCK_BYTES + 1, 3 * 512), 0);
	ck_assert_int_eq(memcmp(aligned, aligned + BLOCK_BYTES + 1, 3 * 512), 0);
}
END_TEST

START_TEST(a_disk_backed_image_is_direct_unless_asked_otherwise)
{
	struct raw_options options = writing;

	open_image(&options);
	ck_assert(raw_is_direct(raw)); /* /var/tmp is on a disk here */
	ck_assert(fcntl(raw_fd(raw), F_GETFL) & O_DIRECT);
	raw = blockdev_close(raw);
	options.buffered = true;
	open_image(&options);
	ck_assert(!raw_is_direct(raw));
	ck_assert(!(fcntl(raw_fd(raw), F_GETFL) & O_DIRECT));
}
END_TEST

/* Only a plain descriptor of our own shows it: the page cache may not hold what went to the disk.
 */
START_TEST(what_is_written_is_in_the_file)
{
	_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);

	open_image(&writing);
	fill(aligned, BLOCK_BYTES, 1);
	ck_assert_int_eq(blockdev_write(raw, (struct extent){9, 1}, aligned, BLOCK_BYTES), 0);
	ck_assert_int_eq(
		io_pread(fd, aligned + BLOCK_BYTES, BLOCK_BYTES, 9 * (uint64_t)BLOCK_BYTES), 0);
	ck_assert_int_eq(memcmp(aligned, aligned + BLOCK_BYTES, BLOCK_BYTES), 0);
}
END_TEST

START_TEST(a_last_partial_block_is_out_of_reach)
{
	ck_assert_int_eq(truncate(image, 3 * BLOCK_BYTES + 4095), 0);
	open_image(&writing);
	ck_assert_uint_eq(blockdev_blocks(raw), 3);
	ck_assert_int_eq(blockdev_read(raw, (struct extent){3, 1}, aligned, BLOCK_BYTES), -ERANGE);
}
END_TEST

START_TEST(an_empty_file_has_no_blocks)
{
	ck_assert_int_eq(truncate(image, 0), 0);
	open_image(&writing);
	ck_assert_uint_eq(blockdev_blocks(raw), 0);
	ck_assert_int_eq(blockdev_flush(raw), 0);
}
END_TEST

START_TEST(a_file_cut_short_while_open_is_an_io_error)
{
	open_image(&writing);
	ck_assert_int_eq(truncate(image, 5 * BLOCK_BYTES), 0);
	ck_assert_int_eq(blockdev_read(raw, (struct extent){5, 1}, aligned, BLOCK_BYTES), -EIO);
	ck_assert_int_eq(
		blockdev_read(raw, (struct extent){4, 2}, aligned + 1, 2 * BLOCK_BYTES), -EIO);
}
END_TEST

START_TEST(a_read_only_medium_is_never_written)
{
	ck_assert_int_eq(chmod(image, 0400), 0);
	open_image(&reading);
	ck_assert_int_eq(blockdev_write(raw, (struct extent){0, 1}, aligned, BLOCK_BYTES), -EROFS);
	ck_assert_int_eq(
		blockdev_write_consuming(raw, (struct extent){0, 1}, aligned, BLOCK_BYTES), -EROFS);
	ck_assert_int_eq(blockdev_flush(raw), 0);
	ck_assert_int_eq(blockdev_read(raw, (struct extent){0, 1}, aligned, BLOCK_BYTES), 0);
}
END_TEST

START_TEST(a_grown_file_is_seen_after_a_refresh)
{
	open_image(&writing);
	ck_assert_int_eq(truncate(image, (BLOCKS + 2) * (off_t)BLOCK_BYTES), 0);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS);
	ck_assert_int_eq(raw_refresh_size(raw), 0);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS + 2);
	ck_assert_int_eq(
		blockdev_write(raw, (struct extent){BLOCKS + 1, 1}, aligned, BLOCK_BYTES), 0);
	ck_assert_int_eq(blockdev_flush(raw), 0);
	ck_assert_int_eq(truncate(image, BLOCK_BYTES), 0);
	ck_assert_int_eq(raw_refresh_size(raw), -ERANGE);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS + 2);
}
END_TEST

/* The largest file that this process may write: the host's file system is full, as far as it can
 * tell. */
START_TEST(a_write_that_the_host_refuses_is_an_error)
{
	struct rlimit limit = {16 * BLOCK_BYTES, 16 * BLOCK_BYTES};

	open_image(&writing);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(blockdev_write(raw, (struct extent){16, 1}, aligned, BLOCK_BYTES), -EFBIG);
	/* half of it fits: the rest is refused, and the whole is an error (B2) */
	ck_assert_int_eq(
		blockdev_write(raw, (struct extent){15, 2}, aligned, 2 * BLOCK_BYTES), -EFBIG);
}
END_TEST

enum { THREADS = 4, ROUNDS = 50 };

static void *write_and_flush(void *context)
{
	unsigned int number = *(unsigned int *)context;
	uint8_t byte = (uint8_t)('a' + number);
	_cleanup_free_ void *buf = NULL;

	if (io_alloc(BLOCK_BYTES, &buf) < 0)
		return context;
	memset(buf, byte, BLOCK_BYTES);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct extent at = {number * ROUNDS + i, 1};

		if (blockdev_write(raw, at, buf, BLOCK_BYTES) < 0 ||
			(i % 10 == 0 && blockdev_flush(raw) < 0) ||
			blockdev_read(raw, at, buf, BLOCK_BYTES) < 0 ||
			!bytes_are(buf, BLOCK_BYTES, byte))
			return context;
	}
	return NULL;
}

START_TEST(many_threads_share_a_medium)
{
	unsigned int numbers[THREADS];
	pthread_t threads[THREADS];
	void *failed;

	open_image(&writing);
	for (unsigned int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, write_and_flush, &numbers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

/* --- what is refused --- */

START_TEST(a_missing_path_is_refused)
{
	assert_refused(other, &writing, -ENOENT);
	assert_refused("/dev/no-such-disk-here", &writing, -ENOENT);
	ck_assert_int_eq(access("/dev/no-such-disk-here", F_OK), -1);
	snprintf(other, sizeof(other), "%s/image/below", directory);
	assert_refused(other, &writing, -ENOTDIR);
}
END_TEST

START_TEST(a_directory_is_refused)
{
	assert_refused(directory, &writing, -EISDIR);
	assert_refused(directory, &reading, -EISDIR);
}
END_TEST

START_TEST(a_fifo_is_refused_without_waiting)
{
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	assert_refused(other, &reading, -EMEDIUMTYPE);
	assert_refused(other, &writing, -EMEDIUMTYPE);
}
END_TEST

START_TEST(a_character_device_is_refused)
{
	assert_refused("/dev/null", &writing, -EMEDIUMTYPE);
	assert_refused("/dev/zero", &reading, -EMEDIUMTYPE);
}
END_TEST

START_TEST(a_link_that_leads_nowhere_is_refused_and_one_that_leads_somewhere_followed)
{
	ck_assert_int_eq(symlink("nowhere", other), 0);
	assert_refused(other, &writing, -ENOENT);
	unlink(other);
	ck_assert_int_eq(symlink("image", other), 0);
	ck_assert_int_eq(raw_open(other, &writing, &raw, &problem), 0);
}
END_TEST

/* Runs the test's body as somebody without rights, in a child. */
static void assert_refused_to_nobody(const struct raw_options *options, int error)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(77);
		_exit(raw_open(image, options, &raw, &problem) == error &&
					strstr(problem.text, "no permission") &&
					strstr(problem.text, image)
				? 0
				: 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		return; /* not root: this user's own files cannot be tested so */
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(a_file_without_permission_is_refused)
{
	ck_assert_int_eq(chmod(directory, 0755), 0);
	ck_assert_int_eq(chmod(image, 0644), 0);
	assert_refused_to_nobody(&writing, -EACCES);
	ck_assert_int_eq(chmod(image, 0600), 0);
	assert_refused_to_nobody(&reading, -EACCES);
}
END_TEST

/* A child that holds the image's lock until it is told to end. */
static pid_t hold_lock(short type, int *ret_until)
{
	struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
	int ready[2], until[2];
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(until), 0);
	child = fork();
	if (child == 0) {
		int fd = open(image, O_RDWR | O_CLOEXEC);

		close(until[1]);
		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &whole) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(read(until[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(until[0]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_until = until[1];
	return child;
}

static void let_go(pid_t child, int until)
{
	int status;

	close(until);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(a_medium_locked_by_another_process_is_refused_by_that_ones_name)
{
	char expected[64];
	int until;
	pid_t child = hold_lock(F_WRLCK, &until);

	assert_refused(image, &writing, -EBUSY);
	snprintf(expected, sizeof(expected), "test_raw (process %d)", (int)child);
	ck_assert_msg(strstr(problem.text, expected), "%s", problem.text);
	assert_refused(image, &reading, -EBUSY);
	let_go(child, until);
	open_image(&writing);
}
END_TEST

START_TEST(readers_share_and_keep_a_writer_out)
{
	int until;
	pid_t child = hold_lock(F_RDLCK, &until);

	assert_refused(image, &writing, -EBUSY);
	open_image(&reading);
	let_go(child, until);
}
END_TEST

START_TEST(a_second_open_in_one_process_is_refused_until_the_first_closes)
{
	struct raw_options unlocked = writing;

	open_image(&writing);
	assert_refused(image, &writing, -EBUSY);
	raw = blockdev_close(raw);
	open_image(&writing);
	/* who holds the lock already says so */
	unlocked.unlocked = true;
	blockdev_close(raw);
	open_image(&unlocked);
}
END_TEST

START_TEST(an_attached_image_can_still_be_flocked)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC);

	open_image(&writing);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0); /* libcryptsetup does */
}
END_TEST

START_TEST(a_file_that_nobody_locks_has_no_known_holder)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC);
	char holder[HOLDER_BYTES];

	ck_assert_str_eq(holder_of_lock(fd, holder), "another process");
	ck_assert_str_eq(holder_of_lock(-1, holder), "another process");
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_ptr_nonnull(strstr(holder_of_lock(fd, holder), "test_raw (process "));
}
END_TEST

/* --- block devices: a loop device of our own --- */

static int loop_fd = -1;
static char loop_path[32];

/* False, with the reason told, where loop devices cannot be had. */
static bool has_loop(void)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int backing = open(image, O_RDWR | O_CLOEXEC);

	for (int tries = 0; control >= 0 && tries < 20; tries++) {
		/* autoclear: it goes with our descriptor, also when a test fails */
		struct loop_config config = {
			.fd = (uint32_t)backing, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			break;
		snprintf(loop_path, sizeof(loop_path), "/dev/loop%d", number);
		loop_fd = open(loop_path, O_RDWR | O_CLOEXEC);
		if (loop_fd >= 0 && ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0)
			return true;
		io_closep(&loop_fd); /* somebody else was quicker */
	}
	fprintf(stderr, "test_raw: skipped: no loop device to be had: %s\n", strerror(errno));
	return false;
}

static void drop_loop(void)
{
	raw = blockdev_close(raw);
	io_closep(&loop_fd);
}

START_TEST(a_block_device_is_a_medium)
{
	if (!has_loop())
		return;
	ck_assert_int_eq(raw_open(loop_path, &writing, &raw, &problem), 0);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS);
	ck_assert(raw_is_direct(raw));
	round_trip(0);
	round_trip(1);
	assert_refused(loop_path, &writing, -EBUSY);
	ck_assert_int_eq(truncate(image, (BLOCKS + 8) * (off_t)BLOCK_BYTES), 0);
	ck_assert_int_eq(ioctl(loop_fd, LOOP_SET_CAPACITY, 0), 0);
	ck_assert_int_eq(raw_refresh_size(raw), 0);
	ck_assert_uint_eq(blockdev_blocks(raw), BLOCKS + 8);
}
END_TEST

START_TEST(a_block_device_that_the_kernel_holds_is_refused)
{
	int held;

	if (!has_loop())
		return;
	held = open(loop_path, O_RDWR | O_EXCL | O_CLOEXEC); /* as a mount would */
	ck_assert_int_ge(held, 0);
	assert_refused(loop_path, &writing, -EBUSY);
	ck_assert_ptr_nonnull(strstr(problem.text, "mounted"));
	ck_assert_int_eq(raw_open(loop_path, &reading, &raw, &problem), 0);
	close(held);
}
END_TEST

START_TEST(a_write_protected_block_device_is_refused_for_writing)
{
	int on = 1, off = 0, to_write, to_read;

	if (!has_loop())
		return;
	ck_assert_int_eq(ioctl(loop_fd, BLKROSET, &on), 0);
	to_write = raw_open(loop_path, &writing, &raw, &problem);
	to_read = raw_open(loop_path, &reading, &raw, NULL);
	ck_assert_int_eq(ioctl(loop_fd, BLKROSET, &off), 0); /* it outlives the loop device */
	ck_assert_int_eq(to_write, -EROFS);
	ck_assert_msg(strstr(problem.text, "write-protected"), "%s", problem.text);
	ck_assert_int_eq(to_read, 0);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *tcase = tcase_create("transfers");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, buffers_of_any_alignment_work, 0, 12);
	tcase_add_test(tcase, small_blocks_work_too);
	tcase_add_test(tcase, a_disk_backed_image_is_direct_unless_asked_otherwise);
	tcase_add_test(tcase, what_is_written_is_in_the_file);
	tcase_add_test(tcase, a_last_partial_block_is_out_of_reach);
	tcase_add_test(tcase, an_empty_file_has_no_blocks);
	tcase_add_test(tcase, a_file_cut_short_while_open_is_an_io_error);
	tcase_add_test(tcase, a_read_only_medium_is_never_written);
	tcase_add_test(tcase, a_grown_file_is_seen_after_a_refresh);
	tcase_add_test(tcase, a_write_that_the_host_refuses_is_an_error);
	tcase_add_test(tcase, many_threads_share_a_medium);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("refusals");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_missing_path_is_refused);
	tcase_add_test(tcase, a_directory_is_refused);
	tcase_add_test(tcase, a_fifo_is_refused_without_waiting);
	tcase_add_test(tcase, a_character_device_is_refused);
	tcase_add_test(
		tcase, a_link_that_leads_nowhere_is_refused_and_one_that_leads_somewhere_followed);
	tcase_add_test(tcase, a_file_without_permission_is_refused);
	tcase_add_test(tcase, a_medium_locked_by_another_process_is_refused_by_that_ones_name);
	tcase_add_test(tcase, readers_share_and_keep_a_writer_out);
	tcase_add_test(tcase, a_second_open_in_one_process_is_refused_until_the_first_closes);
	tcase_add_test(tcase, an_attached_image_can_still_be_flocked);
	tcase_add_test(tcase, a_file_that_nobody_locks_has_no_known_holder);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("block devices");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_checked_fixture(tcase, NULL, drop_loop);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_block_device_is_a_medium);
	tcase_add_test(tcase, a_block_device_that_the_kernel_holds_is_refused);
	tcase_add_test(tcase, a_write_protected_block_device_is_refused_for_writing);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("raw");
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
