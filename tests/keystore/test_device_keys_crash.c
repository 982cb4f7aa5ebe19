/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_device_keys_crash.c - the nth step of a change of keys fails, or is the last one
 *
 * Goal: after any kill, power cut, failed or full disk there is the old key or the new one, whole
 * (D1), the old one's bytes are in no file once the new one is present, none was unlinked before
 * zeros in its place were flushed (D3), and nothing was replaced silently (D4).
 * Method: this program's own openat, write, pwrite, fsync, renameat, unlinkat and ftruncate stand
 * before libc's.  A child makes the change and dies at its nth call; a failing call is made in
 * one process, and the change asked for again.  A power cut keeps what was flushed alone: each
 * fsync copies the file's bytes, or the directory's names, to a shadow, from which the tree is made
 * anew; the other extreme has the newest names and the flushed bytes.
 */
#include "base/bytes.h"
#include "keystore/device_keys.h"
#include "tests/support/scratch.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum how { HOW_KILL, HOW_CUT_ALL, HOW_CUT_BYTES, HOW_COUNT };

static char directory[256], tree[300], shadow[300];
static bool armed;
static unsigned long countdown;
static int failure; /* 0: the process ends there */
static struct problem problem;

/* What the child came to, for its parent. */
static struct told {
	bool has_next, advanced, restarted;
	struct minisign_key next;
	bool unlinked_key; /* D3 */
} * told;

/* --- the shadow: what was flushed --- */

static void copy(const char *from, const char *to)
{
	uint8_t bytes[4096];
	ssize_t n = 0;
	int in = (int)syscall(SYS_openat, AT_FDCWD, from, O_RDONLY, 0);
	int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (in >= 0)
		n = read(in, bytes, sizeof(bytes));
	if (n > 0 && syscall(SYS_write, out, bytes, n) != n)
		abort();
	close(in);
	close(out);
}

static void shadow_path(char *path, const char *kind, unsigned long inode)
{
	snprintf(path, 400, "%s/%s-%lu", shadow, kind, inode);
}

static void flush_names(int fd, unsigned long inode)
{
	char path[400], from[64];
	struct dirent *entry;
	DIR *dir;
	FILE *out;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	shadow_path(path, "names", inode);
	dir = opendir(from);
	out = fopen(path, "w");
	if (!dir || !out)
		abort();
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			fprintf(out, "%lu %d %s\n", (unsigned long)entry->d_ino,
				entry->d_type == DT_DIR, entry->d_name);
	}
	fclose(out);
	closedir(dir);
}

static void flush_to_shadow(int fd)
{
	char path[400], from[64];
	struct stat st;

	if (fstat(fd, &st) < 0)
		abort();
	if (S_ISDIR(st.st_mode)) {
		flush_names(fd, (unsigned long)st.st_ino);
		return;
	}
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	shadow_path(path, "bytes", (unsigned long)st.st_ino);
	copy(from, path);
}

static bool shadow_has_key(unsigned long inode)
{
	char path[400], magic[10] = "";
	int fd;

	shadow_path(path, "bytes", inode);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return false;
	(void)!read(fd, magic, sizeof(magic));
	close(fd);
	return memcmp(magic, "SPOOLGUARD", sizeof(magic)) == 0;
}

/* --- in front of libc --- */

static bool is_faulty(void)
{
	if (!armed || countdown == 0 || --countdown > 0)
		return false;
	if (failure == 0)
		_exit(0);
	errno = failure;
	return true;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if ((flags & O_CREAT) && is_faulty())
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t write(int fd, const void *buf, size_t bytes)
{
	return is_faulty() ? -1 : syscall(SYS_write, fd, buf, bytes);
}

ssize_t pwrite(int fd, const void *buf, size_t bytes, off_t offset)
{
	return is_faulty() ? -1 : syscall(SYS_pwrite64, fd, buf, bytes, offset);
}

int ftruncate(int fd, off_t bytes)
{
	return is_faulty() ? -1 : (int)syscall(SYS_ftruncate, fd, bytes);
}

int fsync(int fd)
{
	if (is_faulty())
		return -1;
	if (armed)
		flush_to_shadow(fd);
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return is_faulty() ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
	struct stat st;

	if (is_faulty())
		return -1;
	if (armed && fstatat(dir, path, &st, 0) == 0 && shadow_has_key((unsigned long)st.st_ino))
		told->unlinked_key = true;
	return (int)syscall(SYS_unlinkat, dir, path, flags);
}

/* --- the tree after a power cut --- */

struct path {
	char text[640];
};

static struct path join_two(const char *a, const char *b)
{
	struct path path;
	int n = snprintf(path.text, sizeof(path.text), "%s/%s", a, b);

	ck_assert_int_lt(n, (int)sizeof(path.text));
	return path;
}

#define join(a, b) (join_two(a, b).text)
#define in_keys(n) join(join(tree, "keys"), n)

static void restore(const char *to, unsigned long inode, bool newest_names, const char *now)
{
	char line[400], names[400], name[300], bytes[400];
	unsigned long child;
	int is_directory;
	FILE *in;

	ck_assert_int_eq(mkdir(to, 0711), 0);
	shadow_path(names, "names", inode);
	if (newest_names) {
		int fd = open(now, O_RDONLY | O_DIRECTORY);

		flush_names(fd, inode);
		close(fd);
	}
	in = fopen(names, "r");
	while (in && fgets(line, sizeof(line), in)) {
		ck_assert_int_eq(sscanf(line, "%lu %d %299s", &child, &is_directory, name), 3);
		if (is_directory) {
			restore(join(to, name), child, newest_names, join(now, name));
			continue;
		}
		shadow_path(bytes, "bytes", child);
		copy(bytes, join(to, name));
		if (strcmp(name, "enrolment.pub") == 0)
			ck_assert_int_eq(chmod(join(to, name), 0644), 0);
	}
	if (in)
		fclose(in);
}

static void cut_power(bool newest_names)
{
	char after[320], command[1000];
	struct stat st;

	snprintf(after, sizeof(after), "%s.after", tree);
	ck_assert_int_eq(stat(tree, &st), 0);
	restore(after, (unsigned long)st.st_ino, newest_names, tree);
	snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s' '%s'", tree, after, tree);
	ck_assert_int_eq(system(command), 0);
}

/* Everything that is there now was flushed. */
static void flush_tree(const char *path)
{
	int fd = open(path, O_RDONLY), child;
	struct dirent *entry;
	DIR *dir = opendir(path);

	flush_to_shadow(fd);
	close(fd);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR) {
			flush_tree(join(path, entry->d_name));
			continue;
		}
		child = open(join(path, entry->d_name), O_RDONLY);
		flush_to_shadow(child);
		close(child);
	}
	closedir(dir);
}

/* --- fixture --- */

static void setup(void)
{
	static unsigned int n;

	snprintf(directory, sizeof(directory), "%s/%d-%u", scratch_path(), (int)getpid(), ++n);
	snprintf(tree, sizeof(tree), "%s/state", directory);
	snprintf(shadow, sizeof(shadow), "%s/shadow", directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	ck_assert_int_eq(mkdir(tree, 0700), 0);
	ck_assert_int_eq(mkdir(shadow, 0700), 0);
	memset(told, 0, sizeof(*told));
}

static void clear(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static struct device_keys *open_it(void)
{
	struct device_keys *keys;
	int r = device_keys_open(tree, true, &keys, NULL, &problem);

	ck_assert_msg(r == 0, "%d: %s", r, problem.text);
	return keys;
}

static bool file_has(const char *path, const void *bytes, size_t count)
{
	char content[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, content, sizeof(content)) : 0;

	close(fd);
	return n > 0 && memmem(content, (size_t)n, bytes, count);
}

static bool tree_has(const void *bytes, size_t count)
{
	DIR *dir = opendir(join(tree, "keys"));
	struct dirent *entry;
	bool found = false;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		found |= entry->d_name[0] != '.' && file_has(in_keys(entry->d_name), bytes, count);
	closedir(dir);
	return found;
}

static void read_seed(const char *name, uint8_t seed[static 32])
{
	int fd = open(in_keys(name), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lseek(fd, 25, SEEK_SET), 25);
	ck_assert_int_eq(read(fd, seed, 32), 32);
	close(fd);
}

/* --- changes --- */

static int change_segment(struct device_keys *keys)
{
	int r = device_keys_log_next(keys, &told->next);

	if (r < 0)
		return r;
	told->has_next = true;
	r = device_keys_log_advance(keys);
	told->advanced = r >= 0;
	return r;
}

static int change_log(struct device_keys *keys)
{
	int r = device_keys_log_restart(keys);

	told->restarted = r >= 0;
	return r;
}

static int (*const changes[])(struct device_keys *) = {change_segment, change_log};

/* false: the child came to its end. */
static bool die_at(unsigned long nth, int (*change)(struct device_keys *))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct device_keys *keys;

		failure = 0;
		countdown = nth;
		armed = change == NULL;
		if (device_keys_open(tree, true, &keys, NULL, NULL) < 0)
			_exit(2);
		armed = true;
		if (change && change(keys) < 0)
			_exit(3);
		_exit(countdown > 0 ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_le(WEXITSTATUS(status), 1);
	return WEXITSTATUS(status) == 0;
}

static void crash(enum how how)
{
	if (how != HOW_KILL)
		cut_power(how == HOW_CUT_BYTES);
}

static void assert_signs(struct device_keys *keys)
{
	struct minisign_key now;
	char *signature;

	ck_assert_int_eq(device_keys_log_public(keys, &now), 0);
	ck_assert_int_eq(device_keys_log_sign(keys, "x", 1, "c", &signature), 0);
	ck_assert_int_eq(minisign_verify(&now, "x", 1, signature, strlen(signature), NULL, 0), 0);
	free(signature);
}

static void assert_no_leftovers(void)
{
	static const char *const names[] = {"log.old", "log.restart", "log.next.new", "log.key.new",
		"log.restart.new", "enrolment.pub.new"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_msg(access(in_keys(names[i]), F_OK) < 0, "%s", names[i]);
}

/* _i: how it ends, and of what. */
START_TEST(after_a_crash_there_is_the_old_key_or_the_new_one)
{
	const enum how how = (enum how)(_i % HOW_COUNT);
	int (*change)(struct device_keys *) = changes[_i / HOW_COUNT];
	bool more = true;

	for (unsigned long nth = 1; more; nth++) {
		struct minisign_key device, old, now, root;
		struct device_keys *keys;
		uint8_t seed[32];

		setup();
		keys = open_it();
		device = *device_keys_public(keys);
		old = root = *device_keys_log_root(keys);
		device_keys_free(keys);
		read_seed("log.key", seed);
		flush_tree(tree);
		more = die_at(nth, change);
		ck_assert_msg(!told->unlinked_key, "step %lu", nth);
		crash(how);
		keys = open_it();
		assert_no_leftovers();
		assert_signs(keys);
		ck_assert(minisign_key_is_equal(device_keys_public(keys), &device));
		ck_assert_int_eq(device_keys_log_public(keys, &now), 0);
		if (minisign_key_is_equal(&now, &old)) {
			ck_assert(!told->advanced && !told->restarted);
		} else {
			ck_assert_msg(!tree_has(seed, sizeof(seed)), "step %lu", nth);
		}
		if (told->has_next && change == change_segment) { /* D1 */
			if (minisign_key_is_equal(&now, &old))
				ck_assert_int_eq(device_keys_log_next(keys, &now), 0);
			ck_assert(minisign_key_is_equal(&now, &told->next));
		}
		if (change == change_segment)
			ck_assert(minisign_key_is_equal(device_keys_log_root(keys), &root));
		ck_assert_int_eq(change(keys), 0);
		ck_assert(!tree_has(seed, sizeof(seed)));
		assert_signs(keys);
		device_keys_free(keys);
		clear();
		ck_assert_uint_lt(nth, 200);
	}
}
END_TEST

START_TEST(a_first_start_that_was_cut_short_begins_anew)
{
	bool more = true;

	for (unsigned long nth = 1; more; nth++) {
		struct device_keys *keys;

		setup();
		flush_tree(tree);
		more = die_at(nth, NULL);
		crash((enum how)_i);
		keys = open_it();
		assert_signs(keys);
		assert_no_leftovers();
		ck_assert_int_lt(access(join(tree, "keys.new"), F_OK), 0);
		device_keys_free(keys);
		device_keys_free(open_it());
		clear();
		ck_assert_uint_lt(nth, 200);
	}
}
END_TEST

static const int failures[] = {EIO, ENOSPC};

/* In one process: the call fails and is made again, as the log does. */
START_TEST(a_failing_step_is_told_and_the_change_can_be_made_again)
{
	int (*change)(struct device_keys *) = changes[_i % 2];
	bool fired = true;

	for (unsigned long nth = 1; fired; nth++) {
		struct minisign_key old, now, after;
		struct device_keys *keys;
		uint8_t seed[32];

		setup();
		keys = open_it();
		old = *device_keys_log_root(keys);
		read_seed("log.key", seed);
		failure = failures[_i / 2];
		countdown = nth;
		armed = true;
		(void)!change(keys); /* a state that is not written is no failure */
		fired = countdown == 0;
		armed = false;
		for (int i = 0; i < 3 && !told->advanced && !told->restarted; i++)
			(void)!change(keys);
		ck_assert_msg(told->advanced || told->restarted, "step %lu", nth);
		assert_signs(keys);
		ck_assert_int_eq(device_keys_log_public(keys, &now), 0);
		ck_assert(!minisign_key_is_equal(&now, &old));
		ck_assert(!told->has_next || minisign_key_is_equal(&now, &told->next));
		ck_assert_msg(!tree_has(seed, sizeof(seed)), "step %lu", nth);
		device_keys_free(keys);
		keys = open_it();
		ck_assert_int_eq(device_keys_log_public(keys, &after), 0);
		ck_assert(minisign_key_is_equal(&now, &after));
		device_keys_free(keys);
		clear();
		ck_assert_uint_lt(nth, 200);
	}
}
END_TEST

/* Nothing can be written any more; what is there works. */
START_TEST(a_disk_that_is_full_or_read_only_stops_changes_and_not_signatures)
{
	struct minisign_key root, next;
	struct device_key_change change;
	struct device_keys *keys;
	char *signature;

	setup();
	keys = open_it();
	root = *device_keys_log_root(keys);
	armed = true;
	for (int i = 0; i < 3; i++) {
		failure = _i == 0 ? ENOSPC : EROFS;
		countdown = 1;
		ck_assert_int_eq(device_keys_log_next(keys, &next), -failure);
		countdown = 1;
		ck_assert_int_eq(
			device_keys_note_state(keys, "v", NULL, DEVICE_KEY_ACTIVE, NULL), -failure);
		countdown = 1;
		ck_assert_int_eq(device_keys_change_told(keys, 1), -failure);
	}
	armed = false;
	assert_signs(keys);
	ck_assert_int_eq(device_keys_log_public(keys, &next), 0);
	ck_assert(minisign_key_is_equal(&next, &root));
	ck_assert_int_eq(device_keys_sign(keys, "x", 1, "c", &signature), 0);
	free(signature);
	ck_assert_int_eq(device_keys_next_change(keys, &change), 1);
	device_keys_free(keys);
	keys = open_it();
	assert_signs(keys);
	device_keys_free(keys);
	clear();
}
END_TEST

static void make_told(void)
{
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		abort();
	scratch_make_fast();
}

int main(void)
{
	Suite *suite = suite_create("device_keys_crash");
	TCase *tcase = tcase_create("crash");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_unchecked_fixture(tcase, make_told, scratch_remove);
	tcase_set_timeout(tcase, 240);
	tcase_add_loop_test(tcase, after_a_crash_there_is_the_old_key_or_the_new_one, 0,
		HOW_COUNT * (int)ARRAY_SIZE(changes));
	tcase_add_loop_test(tcase, a_first_start_that_was_cut_short_begins_anew, 0, HOW_COUNT);
	tcase_add_loop_test(tcase, a_failing_step_is_told_and_the_change_can_be_made_again, 0,
		2 * (int)ARRAY_SIZE(failures));
	tcase_add_loop_test(
		tcase, a_disk_that_is_full_or_read_only_stops_changes_and_not_signatures, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
