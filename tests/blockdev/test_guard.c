/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guard.c - what may be destroyed, and what may not
 *
 * Goal: everything of G1 and G2 that one process can set up is refused with a line
 * that names the path and the holder, the rest passes, and what a file holds is
 * named.  Method: files in a directory of their own, a child process that holds
 * them open, and, where this machine lets us, loop devices.  File systems, LVM
 * and swap that are in use are tests/e2e/overwrite.sh's.
 */
#include "base/io.h"
#include "blockdev/device_tree.h"
#include "blockdev/guard.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20 };

static char directory[PATH_MAX], file[PATH_MAX], other[PATH_MAX];
static char loop[32];
static int loop_fd = -1;
static pid_t child = -1;
static struct guard_report report;
static struct problem problem;
static const struct guard_options destroying = {.destroy = true};
static const struct guard_options creating = {.destroy = true, .may_create = true};
static const struct guard_options using = {.destroy = false};

static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, FILE_BYTES), 0);
	close(fd);
}

static void put(uint64_t offset, const char *bytes, size_t count)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(io_pwrite(fd, bytes, count, offset), 0);
	close(fd);
}

static void setup(void)
{
	snprintf(directory, sizeof(directory), "%s/XXXXXX", scratch_path());
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(setenv("SPOOLGUARD_CONFINE", directory, 1), 0);
	snprintf(file, sizeof(file), "%.1000s/file", directory);
	snprintf(other, sizeof(other), "%.1000s/other", directory);
	make_file(file);
	problem.text[0] = '\0';
}

static void teardown(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		child = -1;
	}
	if (loop_fd >= 0) {
		(void)ioctl(loop_fd, LOOP_CLR_FD);
		close(loop_fd);
		loop_fd = -1;
	}
	unlink(file);
	unlink(other);
	rmdir(other);
	rmdir(directory);
}

static int check_path(const char *path, const struct guard_options *options)
{
	problem.text[0] = '\0';
	return guard_check(path, options, &report, &problem);
}

static void assert_refused(
	const char *path, const struct guard_options *options, int error, const char *word)
{
	int r = check_path(path, options);

	ck_assert_msg(r == error, "%s: %d, not %d: %s", path, r, error, problem.text);
	ck_assert_msg(strstr(problem.text, path) && strstr(problem.text, word),
		"the line names no \"%s\": %s", word, problem.text);
	ck_assert_msg(!strchr(problem.text, '\n'), "more than a line: %s", problem.text);
}

static void assert_allowed(const char *path, const struct guard_options *options)
{
	int r = check_path(path, options);

	ck_assert_msg(r == 0, "%s: %d: %s", path, r, problem.text);
}

/* A child that opens the file, does as told, says so, and waits to be killed. */
static void hold_open(int flags, bool with_flock, bool with_ofd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2], fd;
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		fd = open(file, flags | O_CLOEXEC);
		if (fd < 0 || (with_flock && flock(fd, LOCK_EX) < 0) ||
			(with_ofd && fcntl(fd, F_OFD_SETLK, &whole) < 0) ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* False where loop devices are not to be had. */
static bool bind_loop(const char *path)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int backing = open(path, O_RDWR | O_CLOEXEC), number, r = -1;

	for (int i = 0; i < 20 && r < 0 && control >= 0; i++) {
		struct loop_config config = {.fd = (uint32_t)backing};

		number = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(loop, sizeof(loop), "/dev/loop%d", number);
		io_closep(&loop_fd);
		loop_fd = open(loop, O_RDWR | O_CLOEXEC);
		r = loop_fd < 0 ? -1 : ioctl(loop_fd, LOOP_CONFIGURE, &config);
	}
	close(backing);
	io_closep(&control);
	if (r < 0)
		io_closep(&loop_fd);
	return r >= 0;
}

START_TEST(an_idle_file_may_be_destroyed_and_is_described)
{
	struct stat st;

	assert_allowed(file, &destroying);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(report.kind, GUARD_FILE);
	ck_assert_uint_eq(report.bytes, FILE_BYTES);
	ck_assert(report.device == st.st_dev && report.inode == st.st_ino);
	ck_assert_str_eq(report.holds, "");
}
END_TEST

START_TEST(the_check_leaves_no_lock_and_no_lease_behind)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;

	assert_allowed(file, &destroying);
	fd = open(file, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}
END_TEST

START_TEST(what_is_no_medium_is_refused_by_its_kind)
{
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	assert_refused(other, &destroying, -EMEDIUMTYPE, "pipe");
	assert_refused("/dev/null", &destroying, -EMEDIUMTYPE, "character device");
	assert_refused(directory, &destroying, -EISDIR, "directory");
	assert_refused("/proc/self/comm", &destroying, -EMEDIUMTYPE, "kernel");
	assert_refused("/sys/kernel/uevent_seqnum", &destroying, -EMEDIUMTYPE, "kernel");
}
END_TEST

START_TEST(a_missing_path_is_for_those_who_create)
{
	assert_refused(other, &destroying, -ENOENT, "does not exist");
	assert_allowed(other, &creating);
	ck_assert_int_eq(report.kind, GUARD_MISSING);
	ck_assert_int_eq(access(other, F_OK), -1);
}
END_TEST

START_TEST(nothing_is_ever_created_in_dev)
{
	assert_refused("/dev/spoolguard-nothing", &creating, -ENODEV, "/dev");
	assert_refused("/dev/spoolguard-nothing/x", &creating, -ENODEV, "/dev");
	assert_refused("/dev/null/x", &creating, -ENODEV, "/dev");
	/* Also where the path only leads there. */
	ck_assert_int_eq(symlink("/dev", other), 0);
	strcat(other, "/spoolguard-nothing");
	assert_refused(other, &creating, -ENODEV, "/dev");
	other[strlen(other) - strlen("/spoolguard-nothing")] = '\0';
}
END_TEST

START_TEST(a_link_to_nothing_is_not_created_through)
{
	ck_assert_int_eq(symlink("elsewhere", other), 0);
	assert_refused(other, &creating, -ENOENT, "symbolic link");
}
END_TEST

START_TEST(a_confined_run_reaches_no_file_outside)
{
	char outside[] = "/tmp/spoolguard-outside.XXXXXX", path[PATH_MAX];
	int fd = mkstemp(outside);

	ck_assert_int_ge(fd, 0);
	close(fd);
	assert_refused(outside, &destroying, -EPERM, "SPOOLGUARD_CONFINE");
	/* Neither by a link, nor by dots, nor by a directory whose name only begins like ours. */
	ck_assert_int_eq(symlink(outside, other), 0);
	assert_refused(other, &destroying, -EPERM, "SPOOLGUARD_CONFINE");
	snprintf(path, sizeof(path), "%.1000s/../../..%s", directory, outside);
	ck_assert_int_ne(check_path(path, &destroying), 0);
	snprintf(path, sizeof(path), "%.1000sx", directory);
	assert_refused(path, &creating, -EPERM, "SPOOLGUARD_CONFINE");
	unlink(outside);
}
END_TEST

static void assert_confined(const char *path, int expected)
{
	problem.text[0] = '\0';
	ck_assert_int_eq(guard_check_confined(path, &problem), expected);
	ck_assert_int_eq(problem.text[0] != '\0', expected != 0);
}

START_TEST(a_path_that_is_only_named_is_confined_too)
{
	char path[2 * PATH_MAX];

	assert_confined(file, 0);
	assert_confined("/etc/passwd", -EPERM);
	assert_confined("/nowhere/at/all", -EPERM);
	snprintf(path, sizeof(path), "%.1000s/not/there/yet", directory);
	assert_confined(path, 0);
	snprintf(path, sizeof(path), "%.1000s/not/../../../there", directory);
	assert_confined(path, -EPERM);
	ck_assert_int_eq(symlink("/nowhere/at/all", other), 0);
	assert_confined(other, -EPERM);
	snprintf(path, sizeof(path), "%.1000s/below", other);
	assert_confined(path, -EPERM);
	ck_assert_int_eq(unsetenv("SPOOLGUARD_CONFINE"), 0);
#ifndef SPOOLGUARD_TEST_BUILD
	assert_confined("/nowhere/at/all", 0);
#endif
}
END_TEST

START_TEST(a_confinement_to_nowhere_lets_nothing_through)
{
	ck_assert_int_eq(setenv("SPOOLGUARD_CONFINE", "/spoolguard-nowhere", 1), 0);
	assert_refused(file, &destroying, -EPERM, "SPOOLGUARD_CONFINE");
}
END_TEST

START_TEST(a_file_that_is_only_read_elsewhere_is_not_destroyed_but_may_be_used)
{
	hold_open(O_RDONLY, false, false);
	assert_refused(file, &destroying, -EBUSY, "process");
	assert_allowed(file, &using);
}
END_TEST

START_TEST(a_file_that_is_written_elsewhere_is_neither_destroyed_nor_used)
{
	hold_open(O_RDWR, false, false);
	assert_refused(file, &destroying, -EBUSY, "process");
	assert_refused(file, &using, -EBUSY, "process");
}
END_TEST

START_TEST(a_lock_of_either_kind_forbids_to_destroy)
{
	hold_open(O_RDONLY, true, false);
	assert_refused(file, &destroying, -EBUSY, "locked");
	teardown();
	setup();
	hold_open(O_RDWR, false, true);
	assert_refused(file, &destroying, -EBUSY, "in use by");
	assert_refused(file, &using, -EBUSY, "in use by");
}
END_TEST

/* No descriptor is left that /proc could show: only the lease knows. */
START_TEST(a_file_that_is_mapped_elsewhere_is_not_destroyed)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert(map != MAP_FAILED);
	close(fd);
	assert_refused(file, &destroying, -EBUSY, "mapped");
	munmap(map, 4096);
	assert_allowed(file, &destroying);
}
END_TEST

START_TEST(what_a_file_holds_is_named)
{
	static const char gpt_less_table[] = {0x55, (char)0xaa};
	/* One DOS partition: type 0x83, from sector 8, 100 sectors long. */
	static const char entry[16] = {0, 0, 2, 0, (char)0x83, 0, 2, 0, 8, 0, 0, 0, 100, 0, 0, 0};

	put(4096 - 10, "SWAPSPACE2", 10);
	put(1024, "\1\0\0\0\xfe\0\0\0", 8); /* version, last page */
	assert_allowed(file, &destroying);
	ck_assert_msg(strstr(report.holds, "swap"), "%s", report.holds);
	put(446, entry, sizeof(entry));
	put(510, gpt_less_table, 2);
	assert_allowed(file, &destroying);
	ck_assert_msg(strstr(report.holds, "swap") && strstr(report.holds, "dos partition table"),
		"%s", report.holds);
	put(0, "LUKS\xba\xbe\0\1", 8);
	assert_allowed(file, &destroying);
	ck_assert_msg(strstr(report.holds, "LUKS"), "%s", report.holds);
}
END_TEST

START_TEST(what_was_replaced_after_the_check_is_noticed)
{
	int fd;

	assert_allowed(file, &destroying);
	make_file(other);
	fd = open(file, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(guard_verify(&report, file, fd, &problem), 0);
	close(fd);
	ck_assert_int_eq(rename(other, file), 0);
	fd = open(file, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(guard_verify(&report, file, fd, &problem), -ESTALE);
	ck_assert_msg(strstr(problem.text, "replaced"), "%s", problem.text);
	close(fd);
}
END_TEST

START_TEST(a_loop_device_is_a_medium_and_its_file_is_in_use)
{
	struct device_set below = {.count = 0};
	struct stat st;
	int fd;

	if (!bind_loop(file))
		return; /* no loop devices here */
	assert_refused(file, &destroying, -EBUSY, loop);
	ck_assert_int_eq(stat(loop, &st), 0);
	ck_assert_int_eq(device_below(st.st_rdev, &below), 0);
	ck_assert_uint_ge(below.count, 2); /* itself, and where its file lies */
	io_closep(&loop_fd);
	assert_allowed(loop, &destroying);
	ck_assert_int_eq(report.kind, GUARD_DEVICE);
	ck_assert_uint_eq(report.bytes, FILE_BYTES);

	fd = open(loop, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(guard_verify(&report, loop, fd, &problem), 0);
	close(fd);
	fd = open(file, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(guard_verify(&report, loop, fd, &problem), -ESTALE);
	close(fd);
	loop_fd = open(loop, O_RDWR | O_CLOEXEC);
}
END_TEST

START_TEST(a_loop_device_whose_file_lies_outside_is_confined_too)
{
	if (!bind_loop(file))
		return;
	ck_assert_int_eq(mkdir(other, 0700), 0);
	ck_assert_int_eq(setenv("SPOOLGUARD_CONFINE", other, 1), 0);
	assert_refused(loop, &destroying, -EPERM, "SPOOLGUARD_CONFINE");
}
END_TEST

START_TEST(a_second_loop_device_on_the_same_file_is_noticed)
{
	char first[32];
	int first_fd;

	if (!bind_loop(file))
		return;
	strcpy(first, loop);
	first_fd = loop_fd;
	loop_fd = -1;
	ck_assert(bind_loop(file));
	io_closep(&loop_fd);
	assert_refused(loop, &destroying, -EBUSY, first);
	loop_fd = open(loop, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(ioctl(first_fd, LOOP_CLR_FD), 0);
	close(first_fd);
}
END_TEST

/* Without confinement: it must not be that which refuses. */
START_TEST(the_medium_of_the_running_root_is_refused)
{
	char name[DEVICE_NAME_BYTES], path[DEVICE_NAME_BYTES + 8];
	struct stat st;

	ck_assert_int_eq(stat("/", &st), 0);
	if (device_name(st.st_dev, name) < 0)
		return; /* the root lies on no device */
	snprintf(path, sizeof(path), "/dev/%s", name);
	if (access(path, R_OK | W_OK) < 0)
		return;
#ifdef SPOOLGUARD_TEST_BUILD
	/* Such a build is confined whatever the variable says. */
	ck_assert_int_eq(unsetenv("SPOOLGUARD_CONFINE"), 0);
	assert_refused(path, &destroying, -EPERM, "/var/tmp");
	ck_assert_int_eq(setenv("SPOOLGUARD_CONFINE", "", 1), 0);
	assert_refused(path, &destroying, -EPERM, "/var/tmp");
#else
	ck_assert_int_eq(unsetenv("SPOOLGUARD_CONFINE"), 0);
	assert_refused(path, &destroying, -EBUSY, "mounted");
	assert_refused(path, &using, -EBUSY, "mounted");
#endif
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, scratch_make, scratch_remove);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, an_idle_file_may_be_destroyed_and_is_described);
	tcase_add_test(tcase, the_check_leaves_no_lock_and_no_lease_behind);
	tcase_add_test(tcase, what_is_no_medium_is_refused_by_its_kind);
	tcase_add_test(tcase, a_missing_path_is_for_those_who_create);
	tcase_add_test(tcase, nothing_is_ever_created_in_dev);
	tcase_add_test(tcase, a_link_to_nothing_is_not_created_through);
	tcase_add_test(tcase, a_confined_run_reaches_no_file_outside);
	tcase_add_test(tcase, a_path_that_is_only_named_is_confined_too);
	tcase_add_test(tcase, a_confinement_to_nowhere_lets_nothing_through);
	tcase_add_test(tcase, a_file_that_is_only_read_elsewhere_is_not_destroyed_but_may_be_used);
	tcase_add_test(tcase, a_file_that_is_written_elsewhere_is_neither_destroyed_nor_used);
	tcase_add_test(tcase, a_lock_of_either_kind_forbids_to_destroy);
	tcase_add_test(tcase, a_file_that_is_mapped_elsewhere_is_not_destroyed);
	tcase_add_test(tcase, what_a_file_holds_is_named);
	tcase_add_test(tcase, what_was_replaced_after_the_check_is_noticed);
	tcase_add_test(tcase, a_loop_device_is_a_medium_and_its_file_is_in_use);
	tcase_add_test(tcase, a_loop_device_whose_file_lies_outside_is_confined_too);
	tcase_add_test(tcase, a_second_loop_device_on_the_same_file_is_noticed);
	tcase_add_test(tcase, the_medium_of_the_running_root_is_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
